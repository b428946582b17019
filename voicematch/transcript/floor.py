"""Who speaks when, for looking up near a time."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from ..types import Turn

OVERLAP_NOTED = 0.2  # s of talking over a line that puts a speaker among its others

Span = tuple[float, float]
Stretch = tuple[float, float, str | None]


class Floor:
    """The turns by speaker; each lookup is a binary search in every speaker's stretches."""

    def __init__(self, turns: Iterable[Turn], speech: Iterable[Span] | None = None) -> None:
        by_speaker: dict[str, list[Span]] = {}
        for turn in sorted(turns):
            if turn.end > turn.start:
                by_speaker.setdefault(turn.speaker, []).append((turn.start, turn.end))
        self.stretches = {speaker: _Stretches(spans) for speaker, spans in by_speaker.items()}
        self.speech = None if speech is None else _Stretches(sorted(speech))

    def near(self, start: float, end: float) -> dict[str, list[Span]]:
        """Return each speaker's stretches that reach into start … end; speakers in order of first appearance."""
        reaching = {speaker: stretches.within(start, end) for speaker, stretches in self.stretches.items()}
        return {speaker: spans for speaker, spans in reaching.items() if spans}

    def held(self, start: float, end: float) -> list[Stretch]:
        """Return start … end as stretches with exactly one speaker; time that nobody holds is left out."""
        near = self.near(start, end)
        edges = {start, end}
        for spans in near.values():
            edges.update(edge for span in spans for edge in span if start < edge < end)
        cuts = sorted(edges)
        held: list[Stretch] = []
        for since, until in itertools.pairwise(cuts):
            speaker = holder(near, (since + until) / 2)
            if speaker is None:
                continue
            if held and held[-1][2] == speaker and held[-1][1] == since:
                held[-1] = (held[-1][0], until, speaker)
            else:
                held.append((since, until, speaker))
        return held

    def others(self, start: float, end: float, speaker: str | None) -> tuple[str, ...]:
        """Return who talks over ``speaker`` between start and end."""
        if speaker is None:
            return ()
        near = self.near(start, end)
        own = [(max(start, since), min(end, until)) for since, until in near.get(speaker, [])]
        shared = {other: _shared(own, spans) for other, spans in near.items() if other != speaker}
        return tuple(other for other, seconds in shared.items() if seconds >= OVERLAP_NOTED)


class _Stretches:
    """Disjoint spans in order; those that touch or overlap are joined."""

    def __init__(self, spans: Sequence[Span]) -> None:
        joined: list[Span] = []
        for start, end in spans:
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((start, end))
        self.spans = joined
        self.starts = [start for start, _ in joined]
        self.ends = [end for _, end in joined]

    def within(self, start: float, end: float) -> list[Span]:
        return self.spans[bisect_left(self.ends, start) : bisect_right(self.starts, end)]


def holder(near: dict[str, list[Span]], time: float) -> str | None:
    """Return who holds the floor then: of those who speak, the one whose turn is the longest."""
    longest, speaker = 0.0, None
    for name, spans in near.items():
        for start, end in spans:
            if start <= time < end and end - start > longest:
                longest, speaker = end - start, name
    return speaker


def _shared(own: list[Span], spans: list[Span]) -> float:
    return sum(max(0.0, min(end, until) - max(start, since)) for start, end in own for since, until in spans)
