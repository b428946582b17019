"""How long, how much, how many and when, in words: one rule for pages, cards, feeds and tables."""

from __future__ import annotations

from datetime import date

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def talk(seconds: float) -> str:
    """Say how long, to the precision people care for: seconds below a minute, minutes below ten hours, then hours.

    >>> talk(8.2), talk(130), talk(299), talk(590), talk(5_500), talk(36_000), talk(180_000)
    ('8 s', '2 min', '5 min', '10 min', '1 h 32 min', '10 h', '50 h')
    """
    if seconds < 59.5:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes >= 600 or minutes % 60 == 0:
        return f"{round(minutes / 60):,} h"
    return f"{minutes // 60} h {minutes % 60} min"


def percent(share: float) -> str:
    """Say which part, in whole percent, as ``format(share, ".0%")`` does; less than one is not nothing.

    >>> percent(0.345), percent(0.004), percent(0.0)
    ('34%', '< 1%', '0%')
    """
    return "< 1%" if 0.0 < share < 0.01 else f"{share:.0%}"


def day(iso: str | None) -> str:
    """Return a date as people write it; what is no date stays as it is.

    >>> day("2024-03-09T10:00:00Z"), day("spring"), day(None)
    ('9 Mar 2024', 'spring', '')
    """
    parsed = date_of(iso)
    return f"{parsed.day} {month(parsed)} {parsed.year}" if parsed else iso or ""


def month(of: date) -> str:
    """
    >>> month(date(2024, 3, 9))
    'Mar'
    """
    return _MONTHS[of.month - 1]


def date_of(iso: str | None) -> date | None:
    """Return the day that ISO 8601 text begins with, or None."""
    try:
        return date.fromisoformat((iso or "")[:10])
    except ValueError:
        return None


def plural(count: int, one: str, many: str = "") -> str:
    """
    >>> plural(1, "episode"), plural(1200, "episode"), plural(2, "voice that recurs", "voices that recur")
    ('1 episode', '1,200 episodes', '2 voices that recur')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
