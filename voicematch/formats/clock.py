"""Times as people and caption files write them."""

from __future__ import annotations

import re

MAX_SECONDS = 1_000_000.0  # 11 days; a time beyond it is a mistake in the file, not an episode

FRAMES_A_SECOND = 30  # of a time with frames where the file does not say; at most 0.2 s off with 25

_COLON_BEFORE_THOUSANDTHS = re.compile(r"([0-9]{1,3}:[0-9]{1,2}:[0-9]{1,2}):([0-9]{3})")
_CLOCK = re.compile(r"(?:([0-9]{1,3}):)?([0-9]{1,3}):([0-9]{1,2})(?:[.,]([0-9]{1,6}))?")


def seconds(text: str) -> float | None:
    """Return the seconds of ``[hours:]minutes:seconds[.fraction]``, or None when it is no such time.

    A fourth field of three digits is thousandths.

    >>> seconds("1:02:03,500"), seconds("1:02:03:500"), seconds("75:00"), seconds("1:75:00")
    (3723.5, 3723.5, 4500.0, None)
    """
    match = _CLOCK.fullmatch(_with_point(text))
    if match is None:
        return None
    hours, minutes, whole, fraction = match.groups()
    if int(whole) > 59 or (hours is not None and int(minutes) > 59):
        return None
    thousandths = round(float(f"0.{fraction}") * 1000) if fraction else 0
    return ((int(hours or 0) * 3600 + int(minutes) * 60 + int(whole)) * 1000 + thousandths) / 1000


def _with_point(text: str) -> str:
    """Return ``hours:minutes:seconds:mmm`` with a point before the thousandths, anything else as it is."""
    match = _COLON_BEFORE_THOUSANDTHS.fullmatch(text)
    return text if match is None else ".".join(match.groups())


_FIELDS = re.compile(r"[0-9]{1,9}(?::[0-9]{1,9}){0,3}(?:[.,][0-9]{0,9})?")


def loose(text: str) -> float | None:
    """Return the seconds of a time that somebody wrote out of the usual shape; None when there is no sense to be made
    of it.

    A minute may have more than 60 seconds, hours and minutes may be absent, a fourth field counts frames unless it has
    three digits, and a time before 0 is 0.

    >>> loose("00:00:60,000"), loose("-00:00:01.5"), loose("75"), loose("00:00:01:12"), loose("soon")
    (60.0, 0.0, 75.0, 1.4, None)
    """
    text = _with_point(text.strip().replace(";", ":"))
    if text.startswith(("-", "−")) and _FIELDS.fullmatch(text[1:]):
        return 0.0
    if _FIELDS.fullmatch(text) is None:
        return None
    whole, _, fraction = text.replace(",", ".").partition(".")
    fields = [int(field) for field in whole.split(":")]
    frames = fields.pop() / FRAMES_A_SECOND if len(fields) == 4 else 0.0
    time = frames + (round(float(f"0.{fraction}"), 3) if fraction else 0.0)
    for weight, field in zip((1, 60, 3600), reversed(fields), strict=False):
        time += weight * field
    return round(time, 3) if time <= MAX_SECONDS else None


def milliseconds(time: float) -> int:
    """Return the nearest whole millisecond, never before 0."""
    return max(0, round(time * 1000))


def stamp(time: float, point: str = ".") -> str:
    """Return ``HH:MM:SS.mmm``; ``point`` is the sign before the milliseconds.

    >>> stamp(3723.5), stamp(0.0004, ",")
    ('01:02:03.500', '00:00:00,000')
    """
    rest, thousandths = divmod(milliseconds(time), 1000)
    minutes, whole = divmod(rest, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{whole:02d}{point}{thousandths:03d}"


def short_stamp(time: float) -> str:
    """Return ``H:MM:SS``, rounded down, for reading.

    >>> short_stamp(62.9)
    '0:01:02'
    """
    minutes, whole = divmod(milliseconds(time) // 1000, 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{whole:02d}"


def clock(time: float) -> str:
    """Return ``M:SS``, or ``H:MM:SS`` from an hour on, rounded down: what a player shows.

    >>> clock(62.9), clock(3723.5)
    ('1:02', '1:02:03')
    """
    minutes, whole = divmod(milliseconds(time) // 1000, 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{whole:02d}" if minutes >= 60 else f"{minutes}:{whole:02d}"
