"""Times that cannot be right, set by their neighbours: one bad time costs that time, never the file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import FormatError
from .clock import MAX_SECONDS
from .repairs import TIMES, Repairs

SPEAKING_RATE = 15.0  # characters a second, for the length of the last line, which nothing ends


@dataclass(frozen=True, slots=True)
class Span:
    """When a line is said, as far as it could be read.

    start, end : None where there is no such time, or none that can be read; an end may be absent by right
    length : characters of the line, for how long it takes to say
    line : where in the file it stands, None when not known
    is_malformed : a time stands there that cannot be read
    """

    start: float | None
    end: float | None
    length: int
    line: int | None = None
    is_malformed: bool = False


def mend(spans: Sequence[Span], repairs: Repairs, *, expected: str) -> list[tuple[float, float]]:
    """Return (start, end) of every line, with 0 <= start <= end; those that cannot be right are set by their neighbours
    and counted. Raises FormatError when most starts cannot be read.

    expected : what an error says a time looks like
    """
    starts = [_possible(span.start) for span in spans]
    ends = [_possible(span.end) for span in spans]
    following = _next_known(starts)
    for idx, (start, end) in enumerate(zip(starts, ends, strict=True)):
        is_bad = spans[idx].is_malformed or start != spans[idx].start or end != spans[idx].end or start is None
        if start is not None and end is not None and end < start:
            later = following[idx]
            is_bad = True
            if later is not None and end <= later < start:
                starts[idx] = None
            else:
                ends[idx] = None
        if is_bad:
            repairs.note(TIMES, spans[idx].line)
    num_unknown = sum(start is None for start in starts)
    if num_unknown * 2 > len(spans):
        first = next(span.line for span, start in zip(spans, starts, strict=True) if start is None)
        raise FormatError(repairs.source, f"times not understood; expected {expected}", first)
    return _filled(starts, ends, [span.length for span in spans])


def _possible(time: float | None) -> float | None:
    return None if time is None or time > MAX_SECONDS else max(0.0, time)


def _next_known(starts: Sequence[float | None]) -> list[float | None]:
    """Return for every line the start of the next one that has any."""
    following: list[float | None] = []
    later: float | None = None
    for start in reversed(starts):
        following.append(later)
        later = later if start is None else start
    return following[::-1]


def _filled(
    starts: Sequence[float | None], ends: Sequence[float | None], lengths: Sequence[int]
) -> list[tuple[float, float]]:
    following = _next_known(starts)
    filled: list[tuple[float, float]] = []
    for start, end, length, later in zip(starts, ends, lengths, following, strict=True):
        before = filled[-1][1] if filled else 0.0
        since = start if start is not None else before if later is None else min(before, later)
        until = end
        if until is None or until < since:
            until = round(since + length / SPEAKING_RATE, 3) if later is None or later < since else later
        filled.append((since, until))
    return filled


def out_of_order(times: Sequence[float | None]) -> list[bool]:
    """Return which times do not fit the order of the others: all but a longest run that never goes back.

    >>> out_of_order([1.0, 2.0, 99.0, 3.0, None, 4.0])
    [False, False, True, False, False, False]
    """
    tails: list[float] = []
    tail_idxs: list[int] = []
    after: dict[int, int] = {}
    for idx in reversed(range(len(times))):  # from the end, so that of two that disagree the first one is kept
        time = times[idx]
        if time is None:
            continue
        at = bisect_right(tails, -time)
        after[idx] = tail_idxs[at - 1] if at else -1
        tails[at : at + 1] = [-time]
        tail_idxs[at : at + 1] = [idx]
    kept: set[int] = set()
    idx = tail_idxs[-1] if tail_idxs else -1
    while idx >= 0:
        kept.add(idx)
        idx = after[idx]
    return [time is not None and idx not in kept for idx, time in enumerate(times)]
