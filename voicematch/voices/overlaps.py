"""What spans of time share. Pure; seconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Span = tuple[float, float]


def without(spans: Sequence[Span], holes: Sequence[Span]) -> list[Span]:
    """Return the spans less what lies in the holes.

    >>> without([(0.0, 4.0), (6.0, 8.0)], [(3.0, 7.0)])
    [(0.0, 3.0), (7.0, 8.0)]
    """
    left: list[Span] = []
    ordered = sorted(holes)
    for start, end in spans:
        for since, until in ordered:
            if since < end and until > start:
                if since > start:
                    left.append((start, since))
                start = max(start, until)
        if start < end:
            left.append((start, end))
    return left


def within(spans: Sequence[Span], start: float, end: float) -> list[Span]:
    """Return what of the spans lies between two times.

    >>> within([(0.0, 4.0), (6.0, 8.0)], 3.0, 7.0)
    [(3.0, 4.0), (6.0, 7.0)]
    """
    return [(max(since, start), min(until, end)) for since, until in spans if since < end and until > start]


def overlap(one: Sequence[Span], other: Sequence[Span]) -> float:
    """Return the seconds that two lists of spans share.

    >>> overlap([(0.0, 4.0), (6.0, 8.0)], [(3.0, 7.0)])
    2.0
    """
    a, b = np.array(one).reshape(-1, 2), np.array(other).reshape(-1, 2)
    shared = np.minimum.outer(a[:, 1], b[:, 1]) - np.maximum.outer(a[:, 0], b[:, 0])
    return float(np.maximum(shared, 0.0).sum())
