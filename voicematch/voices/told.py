"""Whom a person told apart stays apart: no answer puts two of them under one label. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from ..types import Turn
from .overlaps import Span, overlap

LEAST = 0.5  # s of somebody; what two answers differ by where a voice begins and ends is less


def told_apart(turns: Sequence[Turn], said: Mapping[str, Sequence[Span]]) -> tuple[Turn, ...]:
    """Return the turns with a label of their own for each person whose words went to another's.

    said : by person, where a person said that they talk

    Of several people under one label, who talks most there keeps it, and all that nobody was said to say, but for the
    pauses that joined their turns. The others get what they were said to say. Who has a label for the most part is
    left alone: another answer may know better where the one ends and the other begins.
    """
    spans_by_label: dict[str, list[Span]] = {}
    for turn in turns:
        spans_by_label.setdefault(turn.speaker, []).append((turn.start, turn.end))
    shared = {
        person: {label: overlap(own, spans) for label, spans in spans_by_label.items()} for person, own in said.items()
    }
    owners: dict[str, str] = {}
    for label in spans_by_label:
        best = max(shared, key=lambda person: shared[person][label], default=None)
        if best is not None and shared[best][label] > 0:
            owners[label] = best
    now = list(turns)
    claimed = [span for own in said.values() for span in own]
    for person in said:
        held = max(shared[person], key=lambda one: shared[person][one], default=None)
        if held is None or owners.get(held, person) == person or shared[person][held] < LEAST:
            continue
        now = _taken_out(now, held, said[person], claimed, _free({turn.speaker for turn in now}))
    return tuple(sorted(now))


def _taken_out(
    turns: Sequence[Turn], label: str, spans: Sequence[Span], claimed: Sequence[Span], new: str
) -> list[Turn]:
    """The turns with what a label says in the spans under a new one.

    claimed : what anybody was said to say; a short rest beside the spans that is no part of it is a pause
    """
    cut: list[Turn] = []
    for turn in turns:
        if turn.speaker != label:
            cut.append(turn)
            continue
        edges = sorted({turn.start, turn.end, *(t for span in claimed for t in span if turn.start < t < turn.end)})
        for start, end in itertools.pairwise(edges):
            is_theirs = any(since <= (start + end) / 2 < until for since, until in spans)
            is_beside = any(end == since or start == until for since, until in spans)
            if is_beside and not is_theirs and end - start < LEAST and not overlap([(start, end)], claimed):
                continue
            speaker = new if is_theirs else label
            if cut and cut[-1].speaker == speaker and cut[-1].end == start:
                cut[-1] = Turn(cut[-1].start, end, speaker)
            else:
                cut.append(Turn(start, end, speaker))
    return cut


def _free(used: set[str]) -> str:
    number = 0
    while f"SPEAKER_{number:02d}" in used:
        number += 1
    return f"SPEAKER_{number:02d}"
