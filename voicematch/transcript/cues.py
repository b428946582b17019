"""Whether a cue is all one speaker's: what the transcript's own cues are worth against turns that are a little off.

Who wrote a transcript by hand began a cue where a speaker began; captions are cut by length. Which it is shows at the
changes of speaker that nobody doubts, between two long turns: they fall on edges of cues, or no more often than chance
has it. The more cues keep speakers apart, the longer a stretch of somebody else inside a cue must be to be believed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

import numpy as np

from ..types import Line
from .floor import Floor, Span, Stretch

FIRM = 2.0  # s on either side of a change of speaker that nobody doubts
APART = 3.0  # s of silence between the two; longer, and an edge of a cue somewhere in it says little
STEP = 60.0  # s; turns are looked up for so much at once
AT_EDGE = 0.6  # s from a cue's edge that still is at it: what turns and cue times are off by
DOUBT = 4  # changes that fell as by chance, taken to have been seen before the first
MOST_CHANCE = 0.95  # of the time within AT_EDGE of an edge: cues of one word say nothing
# Fitted on simulated shows, models/train/judge_words.py: of cues that keep speakers apart about 0.9 of the changes fall
# on edges, beyond chance; of two or three put together 0.3, of captions cut by length 0.2.
LEAST_TRUST = 0.6
SPILL = 1.5  # s of a turn that reaches in over a cue's edge: its end is off, more likely than the cue two people's
INSIDE = 0.7  # s of a turn that begins and ends within a cue, at full trust
LEAST_SHARE = 0.5  # of a cue, that its one speaker must hold


def trust(lines: Sequence[Line], floor: Floor) -> float:
    """Return how far the cues keep speakers apart: 1 when every change falls on an edge of one, 0 when as by chance."""
    edges = sorted({edge for line in lines for edge in (line.start, line.end)})
    if not edges or edges[0] == edges[-1]:
        return 0.0
    changes = list(_firm_changes(floor, edges[0], edges[-1]))
    at = [bisect_left(edges, start - AT_EDGE) for start, _ in changes]
    num_at_edge = sum(
        idx < len(edges) and edges[idx] <= end + AT_EDGE for idx, (_, end) in zip(at, changes, strict=True)
    )
    near = sum(min(2 * AT_EDGE, after - before) for before, after in pairwise(edges))
    chance = min(MOST_CHANCE, near / (edges[-1] - edges[0]))
    share = (num_at_edge + chance * DOUBT) / (len(changes) + DOUBT)
    return max(0.0, (share - chance) / (1 - chance))


def one_speaker(
    line: Line, spans: Sequence[Span], speakers: Sequence[str | None], floor: Floor, trust: float
) -> str | None:
    """Return the speaker of the whole line, or None where its words belong to one anyhow or to several.

    spans, speakers : of each word, when it is said and who holds the floor
    trust : as `trust` has it of the whole transcript
    """
    scale = (trust - LEAST_TRUST) / (1 - LEAST_TRUST)
    runs = _runs(spans, speakers)
    if scale <= 0 or len(runs) < 2:
        return None
    seconds: dict[str, float] = {}
    for start, end, speaker in runs:
        if speaker is not None:
            seconds[speaker] = seconds.get(speaker, 0.0) + end - start
    main = max(seconds, key=seconds.__getitem__)
    if seconds[main] < LEAST_SHARE * sum(end - start for start, end, _ in runs):
        return None
    for idx, (start, end, speaker) in enumerate(runs):
        edge = line.start if idx == 0 else line.end if idx == len(runs) - 1 else None
        spills = edge is not None and (speaker is None or any(s < edge < e for s, e in _of(floor, speaker, edge)))
        if speaker != main and end - start > (SPILL if spills else INSIDE * scale):
            return None
    return main


def _firm_changes(floor: Floor, start: float, end: float) -> Iterable[Span]:
    """(end of a long turn, start of somebody else's long turn) wherever they follow each other."""
    steps = [*np.arange(start, end, STEP).tolist(), end]
    held: list[Stretch] = []
    for since, until, speaker in (stretch for step in pairwise(steps) for stretch in floor.held(*step)):
        if held and held[-1][2] == speaker and since - held[-1][1] < AT_EDGE:
            held[-1] = (held[-1][0], until, speaker)
        else:
            held.append((since, until, speaker))
    for one, other in pairwise(held):
        firm = one[1] - one[0] >= FIRM and other[1] - other[0] >= FIRM
        if firm and one[2] != other[2] and other[0] - one[1] <= APART:
            yield one[1], other[0]


def _runs(spans: Sequence[Span], speakers: Sequence[str | None]) -> list[Stretch]:
    """(start, end, speaker) of the words in a row that are one speaker's."""
    return [
        (own[0][0][0], max(own[0][0][0], own[-1][0][1]), speaker)
        for speaker, group in groupby(zip(spans, speakers, strict=True), key=lambda word: word[1])
        if (own := list(group))
    ]


def _of(floor: Floor, speaker: str, time: float) -> Sequence[Span]:
    return floor.near(time, time).get(speaker, ())
