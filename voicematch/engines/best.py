"""Hears each speaker's best stretches once more, with a stronger embedder than the one that told the voices apart.

An hour of windows through a large network is a minute and more of work, and a name needs less than a minute of each
speaker: the windows that are most like all that the speaker says, and in which nobody else is heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np
import numpy.typing as npt

from ..audio import SAMPLE_RATE
from ..types import Array, Diarization, Embedding, Sound
from ..voices.score import centroid
from .embed import Embedder
from .windows import FOREIGN, STEP, Heard, embeddings_of

BEST_SECONDS = 45.0  # of each speaker


def heard_best(audio: Sound, heard: Heard, found: Diarization, embedder: Embedder) -> dict[str, tuple[Embedding, ...]]:
    """Return each speaker's embeddings by this embedder, out of the best windows of those that were heard.

    heard, found : by the embedder that told voices apart
    """
    chosen = sorted({idx for speaker in found.embeddings for idx in _best(speaker, heard, found)})
    own = copy(heard)
    own.windows = heard.windows[chosen]
    cut = np.rint(own.windows * SAMPLE_RATE).astype(np.int64)
    samples, bounds = _sound(audio, cut)
    own.vectors = embedder.embed(samples, bounds)
    return embeddings_of(own, found.turns, embedder.min_speech)


def _best(speaker: str, heard: Heard, found: Diarization) -> list[int]:
    """The windows of a speaker that are most like all of them, without anybody else where there are such."""
    centres = heard.windows.mean(axis=1)
    spans = [(turn.start, turn.end) for turn in found.turns if turn.speaker == speaker]
    inside = np.flatnonzero(_covered(centres, centres, spans) >= 0)
    others = [(turn.start, turn.end) for turn in found.turns if turn.speaker != speaker]
    foreign = np.array([_shared(heard.windows[idx], others) for idx in inside])
    alone = inside[foreign <= FOREIGN] if len(inside) else inside
    among = alone if len(alone) else inside
    likeness = heard.vectors[among] @ centroid(found.embeddings[speaker]).vector
    most = round(BEST_SECONDS / STEP)
    return [int(idx) for idx in among[np.argsort(-likeness, kind="stable")[:most]]]


def _covered(
    starts: npt.NDArray[np.float64], ends: npt.NDArray[np.float64], spans: Sequence[tuple[float, float]]
) -> npt.NDArray[np.int64]:
    """The span that each piece lies in; -1 for none."""
    firsts, lasts = np.array(sorted(spans)).reshape(-1, 2).T
    place = np.searchsorted(firsts, starts, side="right") - 1
    return np.where((place >= 0) & (ends < lasts[np.maximum(place, 0)]), place, -1)


def _shared(window: npt.NDArray[np.float64], spans: Sequence[tuple[float, float]]) -> float:
    return sum(max(0.0, min(window[1], end) - max(window[0], start)) for start, end in spans)


def _sound(audio: Sound, cut: npt.NDArray[np.int64]) -> tuple[Array, npt.NDArray[np.int64]]:
    """The samples of these windows, one after another, and where each of them now lies.

    cut : (num_windows, 2) array of samples, in order of time
    """
    pieces: list[Array] = []
    begins, held, waiting = 0, np.empty(0, np.float32), 0
    for block in audio.blocks():
        held = np.concatenate([held, block])
        while waiting < len(cut) and cut[waiting, 1] <= begins + len(held):
            start, end = cut[waiting] - begins
            pieces.append(held[start:end])
            waiting += 1
        if waiting == len(cut):
            break
        gone = int(np.clip(cut[waiting, 0] - begins, 0, len(held)))
        held, begins = held[gone:], begins + gone
    pieces += [
        held[max(0, start - begins) : end - begins] for start, end in cut[waiting:]
    ]
    ends = np.cumsum([len(piece) for piece in pieces]).astype(np.int64)
    bounds = np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1) if pieces else np.empty((0, 2), np.int64)
    return np.concatenate([*pieces, np.empty(0, np.float32)]), bounds
