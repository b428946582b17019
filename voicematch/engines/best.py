"""Hears some stretches of each speaker once more, with a stronger embedder than the one that told the voices apart.

An hour of windows through a large network is a minute and more of work, and a name needs less than a minute of each
speaker: stretches from all over the episode, but for those that are least like the speaker.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from ..audio import SAMPLE_RATE
from ..models.sessions import num_cores
from ..types import Array, Diarization, Embedding, Sound
from ..voices.score import centroid
from .embed import Embedder
from .windows import STRETCH, Heard, Spoken, pooled, stretches_of

BEST_SECONDS = 40.0  # of each speaker
LIKE = 0.8  # of a speaker's stretches: those most like all of them; in the others may be laughter, and other people


def heard_best(audio: Sound, heard: Heard, found: Diarization, embedder: Embedder) -> dict[str, tuple[Embedding, ...]]:
    """Return each speaker's embeddings by this embedder, out of stretches that were heard by another.

    heard, found : by the embedder that told voices apart
    """
    by_speaker = {
        speaker: _chosen(stretches, heard)
        for speaker, stretches in stretches_of(heard, found.turns).items()
        if speaker in found.embeddings
    }
    windows = sorted({idx for own in by_speaker.values() for stretch in own for idx, _, _ in stretch})
    samples, bounds = _sound(audio, np.rint(heard.windows[windows] * SAMPLE_RATE).astype(np.int64))
    vectors = np.zeros((len(heard.windows), embedder.dimension), np.float32)
    vectors[windows] = _embedded(embedder, samples, bounds)
    return {speaker: tuple(pooled(vectors, stretch) for stretch in own) for speaker, own in by_speaker.items()}


def _chosen(stretches: list[list[Spoken]], heard: Heard) -> list[list[Spoken]]:
    """Stretches spread over all that a speaker says, without the odd.

    Not those most like all of them: a voice would seem to vary less than it does.
    """
    own = [pooled(heard.vectors, stretch) for stretch in stretches]
    likeness = np.array([one.vector @ centroid(own).vector for one in own])
    kept = max(1, round(LIKE * len(own)), min(len(own), round(BEST_SECONDS / STRETCH)))
    like = np.sort(np.argsort(-likeness, kind="stable")[:kept])
    most = min(round(BEST_SECONDS / STRETCH), len(like))
    return [stretches[like[at]] for at in np.linspace(0, len(like) - 1, most).round().astype(int)]


def _embedded(embedder: Embedder, samples: Array, bounds: npt.NDArray[np.int64]) -> Array:
    """The windows' vectors, made on all cores: a session by itself takes half of them."""
    parts = [part for part in np.array_split(bounds, num_cores()) if len(part)]
    if not parts:
        return np.empty((0, embedder.dimension), np.float32)
    with ThreadPoolExecutor(len(parts)) as threads:
        return np.concatenate(list(threads.map(lambda part: embedder.embed(samples, part), parts)))


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
    # The very last may reach past the end.
    pieces += [held[max(0, start - begins) : end - begins] for start, end in cut[waiting:]]
    ends = np.cumsum([len(piece) for piece in pieces]).astype(np.int64)
    bounds = np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1) if pieces else np.empty((0, 2), np.int64)
    return np.concatenate([*pieces, np.empty(0, np.float32)]), bounds
