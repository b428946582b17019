"""What is kept of an episode so that its voices can be told apart anew without the audio: what was heard, compactly.

An hour of talk takes about 9 MB: a byte a number for the moments, two for the windows' vectors.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from ..types import Array, Windows
from ..voices.score import unit
from .windows import Heard, Moments


def kept(heard: Heard, embedder: str) -> Windows:
    """Return what is to be kept of what was heard.

    embedder : whose vectors these are
    """
    frames = np.concatenate([np.empty((0, 3), np.float16), *heard.probabilities])
    dimension = heard.vectors.shape[1]
    return Windows(
        embedder=embedder,
        duration=heard.duration,
        speech=np.array(heard.spans, np.float64).reshape(-1, 2),
        spans=heard.windows,
        vectors=heard.vectors.astype(np.float16),
        runs=np.array([(part.first, len(part.vectors)) for part in heard.moments], np.float64).reshape(-1, 2),
        moments=np.concatenate([np.empty((0, dimension), np.int8), *(part.vectors for part in heard.moments)]),
        frames=np.rint(frames.astype(np.float32) * 255).astype(np.uint8),
    )


def heard_again(windows: Windows) -> Heard:
    """Return what was heard, as far as it was kept: a change of speaker moves by no more than what rounding does."""
    heard = Heard(windows.vectors.shape[1])
    heard.duration = windows.duration
    heard.spans = [(start, end) for start, end in windows.speech.tolist()]
    heard.windows = windows.spans
    vectors: Array = unit(windows.vectors)
    heard.vectors = vectors
    until = [0, *accumulate(windows.runs[:, 1].astype(int).tolist())]
    heard.moments = [
        Moments(first, windows.moments[start:end])
        for first, start, end in zip(windows.runs[:, 0].tolist(), until[:-1], until[1:], strict=True)
    ]
    heard.probabilities = [(windows.frames / 255).astype(np.float16)]
    return heard
