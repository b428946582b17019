"""Times as people and caption files write them."""

from __future__ import annotations

import re

MAX_SECONDS = 1_000_000.0  # 11 days; a time beyond it is a mistake in the file, not an episode

_CLOCK = re.compile(r"(?:([0-9]{1,3}):)?([0-9]{1,3}):([0-9]{1,2})(?:[.,]([0-9]{1,6}))?")


def seconds(text: str) -> float | None:
    """Seconds of ``[hours:]minutes:seconds[.fraction]``, or None when it is no such time.

    >>> seconds("1:02:03,500"), seconds("75:00"), seconds("1:75:00")
    (3723.5, 4500.0, None)
    """
    match = _CLOCK.fullmatch(text)
    if match is None:
        return None
    hours, minutes, whole, fraction = match.groups()
    if int(whole) > 59 or (hours is not None and int(minutes) > 59):
        return None
    thousandths = round(float(f"0.{fraction}") * 1000) if fraction else 0
    return ((int(hours or 0) * 3600 + int(minutes) * 60 + int(whole)) * 1000 + thousandths) / 1000


def milliseconds(time: float) -> int:
    """The nearest whole millisecond, never before 0."""
    return max(0, round(time * 1000))


def stamp(time: float, point: str = ".") -> str:
    """``HH:MM:SS.mmm``; ``point`` is the sign before the milliseconds.

    >>> stamp(3723.5), stamp(0.0004, ",")
    ('01:02:03.500', '00:00:00,000')
    """
    rest, thousandths = divmod(milliseconds(time), 1000)
    minutes, whole = divmod(rest, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{whole:02d}{point}{thousandths:03d}"


def short_stamp(time: float) -> str:
    """``H:MM:SS``, rounded down, for reading.

    >>> short_stamp(62.9)
    '0:01:02'
    """
    minutes, whole = divmod(milliseconds(time) // 1000, 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{whole:02d}"


def clock(time: float) -> str:
    """``M:SS``, or ``H:MM:SS`` from an hour on, rounded down: what a player shows.

    >>> clock(62.9), clock(3723.5)
    ('1:02', '1:02:03')
    """
    minutes, whole = divmod(milliseconds(time) // 1000, 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{whole:02d}" if minutes >= 60 else f"{minutes}:{whole:02d}"
