"""Where a voice is heard best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..types import Array, Embedding, Turn

CLIP_SECONDS = 10.0  # enough to know a voice by


def clearest(
    turns: Sequence[Turn], speaker: str, embeddings: Sequence[Embedding], voice: Array
) -> tuple[float, float, float] | None:
    """Return (start, end, rank) of up to ten seconds in which a speaker is heard best: alone, and most like the voice.

    voice : (dimension,) unit vector
    None when the speaker is never heard alone.
    """
    best: tuple[float, float, float] | None = None
    for start, end in _alone(turns, speaker):
        for at in np.arange(start, max(end - CLIP_SECONDS, start) + 1e-6, CLIP_SECONDS / 2).tolist():
            stop = min(at + CLIP_SECONDS, end)
            rank = _likeness(at, stop, embeddings, voice) * (stop - at)
            if best is None or rank > best[2]:
                best = (at, stop, rank)
    return best


def _likeness(start: float, end: float, embeddings: Sequence[Embedding], voice: Array) -> float:
    """How like the voice the speech is there, 0 … 1; a little where nothing was embedded."""
    shared = np.array([max(min(end, e.end) - max(start, e.start), 0.0) for e in embeddings])
    if not shared.sum():
        return 0.01
    cosines = np.array([max(float(e.vector @ voice), 0.01) for e in embeddings])
    return float(shared @ cosines / shared.sum())


def _alone(turns: Sequence[Turn], speaker: str) -> list[tuple[float, float]]:
    """Where a speaker talks and nobody else does."""
    others = sorted((turn.start, turn.end) for turn in turns if turn.speaker != speaker)
    alone = []
    for turn in turns:
        if turn.speaker != speaker:
            continue
        at = turn.start
        for start, end in others:
            if start >= turn.end:
                break
            if end <= at:
                continue
            if start > at:
                alone.append((at, start))
            at = max(at, end)
        if at < turn.end:
            alone.append((at, turn.end))
    return alone
