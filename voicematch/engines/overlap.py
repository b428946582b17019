"""Where two speak at once: who speaks beside the one who holds the floor."""

from __future__ import annotations

import numpy as np

from ..types import Turn, join_turns
from .speech import FRAME, OVERLAP, hysteresis, runs
from .windows import Heard

ONSET, OFFSET = 0.8, 0.7  # probabilities above which two begin to speak at once, and below which they no longer do
SHORTEST = 0.1  # s; less is a click
REACH = 30.0  # s; who speaks at the same time speaks at other times nearby


def with_second(heard: Heard, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Return the turns, with one more speaker where two are heard at once: whoever else spoke or speaks next to it.

    turns : in which nobody overlaps

    Nearness in time tells (Otterson and Ostendorf, "Efficient use of overlap information in speaker diarization",
    2007); the sound of two at once tells no better.
    """
    speakers = sorted({turn.speaker for turn in turns})
    if len(speakers) < 2:
        return turns
    starts, ends = (np.array([getattr(turn, edge) for turn in turns]) for edge in ("start", "end"))
    whose = np.array([speakers.index(turn.speaker) for turn in turns])
    probabilities = np.concatenate(heard.probabilities)[:, OVERLAP].astype(np.float32)
    seconds: list[Turn] = []
    for first, last in runs(hysteresis(probabilities, ONSET, OFFSET)):
        start, end = first * FRAME, last * FRAME
        inside = np.minimum(ends, end) - np.maximum(starts, start)
        if end - start < SHORTEST or inside.max() <= 0:
            continue
        holder = whose[int(inside.argmax())]
        away = np.where(whose == holder, np.inf, np.maximum(starts - end, start - ends))
        if away.min() > REACH:
            continue
        second = whose[int(away.argmin())]
        for at in np.flatnonzero(inside > 0).tolist():
            other = holder if whose[at] == second else second
            seconds.append(Turn(max(start, starts[at].item()), min(end, ends[at].item()), speakers[other]))
    return join_turns([*turns, *seconds])
