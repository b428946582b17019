"""Where two speak at once: who speaks beside the one who holds the floor."""

from __future__ import annotations

import numpy as np

from ..types import Array, Turn, join_turns
from .speech import FRAME, OVERLAP, SPEECH, hysteresis, runs
from .windows import Heard

ONSET, OFFSET = 0.7, 0.6  # probabilities above which two begin to speak at once, and below which they no longer do
SHORTEST = 0.1  # s; less is a click
REACH = 30.0  # s; who speaks at the same time speaks at other times nearby
USUAL = 0.25  # of talk two at once, where the detector's probabilities hold as they are
HEARD_BEFORE = 30.0  # s of usual talk that an episode is added to, for a short one tells little
ROUNDS = 30  # of the search for an episode's own share; it moves little after ten
SURELY = 1e-4  # the least that a probability is taken to be away from 0 and 1


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
    probabilities = of_this_episode(np.concatenate(heard.probabilities))
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


def of_this_episode(probabilities: Array) -> Array:
    """Return how probable it is that two speak at once, (num_frames,), given how much of this episode's talk is so.

    probabilities : (num_frames, 3) array, what the speech detector said

    In a meeting people interrupt each other, in an interview hardly ever, and what sounds like two is more often two in
    the meeting. Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a priori
    probabilities", 2002: the share that the adjusted probabilities come to is the share that they are adjusted to.
    """
    two = np.clip(probabilities[:, OVERLAP].astype(np.float32), SURELY, 1 - SURELY)
    odds = two / (1 - two) * ((1 - USUAL) / USUAL)
    spoken, before = odds[probabilities[:, SPEECH] > 0.5], HEARD_BEFORE / FRAME
    share = USUAL
    for _ in range(ROUNDS):
        adjusted = spoken * (share / (1 - share))
        share = (float((adjusted / (1 + adjusted)).sum()) + before * USUAL) / (len(spoken) + before)
    odds *= share / (1 - share)
    found: Array = odds / (1 + odds)
    return found
