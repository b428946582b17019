"""Windows of speech: where they lie, what is heard in them, and a speaker's embeddings out of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..types import Array, Embedding, Turn
from ..voices.score import unit

WINDOW = 1.5  # s of speech in one vector: long enough to tell voices apart, short enough to hold one
STEP = 0.75  # s between windows
MOMENT = 0.7  # s of speech in a vector that tells when a voice changes
MOMENT_STEP = 0.1  # s between them
STRETCH = 10.0  # s of one speaker's speech in one embedding of the answer
FOREIGN = 0.2  # s of somebody else that a window of a speaker's embedding may hear


class Clock:
    """Wall time by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - began)

    def add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Vectors of short spans at close intervals: too short to say who speaks, close enough to say when that changes.

    first : middle of the first span, in seconds; the next ones follow every ``MOMENT_STEP``
    vectors : (num_moments, dimension) int8 array, each row of a length of its own: a byte is enough for directions
    """

    first: float
    vectors: npt.NDArray[np.int8]


def in_bytes(vectors: Array) -> npt.NDArray[np.int8]:
    """The directions of the rows, to one part in 127 of their largest number.

    >>> in_bytes(np.float32([[0.6, -0.8]]))
    array([[  95, -127]], dtype=int8)
    """
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    rows: npt.NDArray[np.int8] = np.rint(vectors * (127 / np.maximum(largest, 1e-12))).astype(np.int8)
    return rows


class Heard:
    """What is left of an episode once its sound has gone by.

    spans : stretches of speech, in seconds
    probabilities : what the speech detector said, in pieces of (num_frames, 3)
    windows : (num_windows, 2) array, seconds
    vectors : (num_windows, dimension) unit rows
    moments : beside the windows, where the embedder can pool its frames anywhere; in order of time
    """

    def __init__(self, dimension: int) -> None:
        self.spans: list[tuple[float, float]] = []
        self.windows: npt.NDArray[np.float64] = np.empty((0, 2))
        self.vectors: Array = np.empty((0, dimension), np.float32)
        self.moments: list[Moments] = []
        self.probabilities: list[npt.NDArray[np.float16]] = []
        self.duration = 0.0


def place(span: tuple[float, float], limit: float) -> list[tuple[float, float]]:
    """Place windows of 1.5 s evenly over a stretch of speech, at most 0.75 s apart; a short one gets one around it.

    limit : end of the sound at hand; no window reaches past it

    >>> place((1.0, 4.0), 10.0)
    [(1.0, 2.5), (1.75, 3.25), (2.5, 4.0)]
    """
    start, end = span
    if end - start <= WINDOW:
        first = max(0.0, min((start + end - WINDOW) / 2, limit - WINDOW))
        return [(first, min(first + WINDOW, limit))]
    num_steps = int(np.ceil((end - start - WINDOW) / STEP - 1e-9))
    return [(float(s), float(s) + WINDOW) for s in np.linspace(start, end - WINDOW, num_steps + 1)]


def embeddings_of(heard: Heard, turns: tuple[Turn, ...], min_speech: float) -> dict[str, tuple[Embedding, ...]]:
    """Return for each speaker an embedding per stretch of about ``STRETCH``: the mean of the windows in their turns."""
    embeddings: dict[str, tuple[Embedding, ...]] = {}
    for speaker, own in stretches_of(heard, turns).items():
        stretches = [pooled(heard.vectors, stretch) for stretch in own]
        if sum(stretch.seconds for stretch in stretches) >= min_speech:
            embeddings[speaker] = tuple(stretches)
    return embeddings


def stretches_of(heard: Heard, turns: tuple[Turn, ...]) -> dict[str, list[list[Spoken]]]:
    """Return for each speaker the windows of each stretch of about ``STRETCH``, in order of time."""
    found: dict[str, list[list[Spoken]]] = {}
    for speaker in dict.fromkeys(turn.speaker for turn in turns):
        own = [turn for turn in turns if turn.speaker == speaker]
        others = [turn for turn in turns if turn.speaker != speaker]
        found[speaker] = _stretches(_within(heard.windows, own, others))
    return found


Spoken = tuple[int, float, float]
"""A window's index, and the part of it, in seconds, that the turn covers and the window before does not."""


def _within(windows: npt.NDArray[np.float64], own: list[Turn], others: list[Turn]) -> list[list[Spoken]]:
    """The windows of each turn that hardly hear anybody else; if there is none in all turns, those that do."""
    other_starts = np.array([turn.start for turn in others])
    other_ends = np.array([turn.end for turn in others])
    clean: list[list[Spoken]] = []
    mixed: list[list[Spoken]] = []
    centres = windows.mean(axis=1)
    for turn in own:
        inside = np.flatnonzero((centres >= turn.start) & (centres < turn.end))
        ends = np.minimum(windows[inside, 1], turn.end)
        starts = np.maximum(windows[inside, 0], np.concatenate([[turn.start], ends[:-1]])[: len(inside)])
        heard = [(int(i), float(min(a, b)), float(b)) for i, a, b in zip(inside, starts, ends, strict=True)]
        foreign = [
            np.clip(np.minimum(other_ends, windows[i, 1]) - np.maximum(other_starts, windows[i, 0]), 0, None).sum()
            for i in inside
        ]
        clean.append([one for one, seconds in zip(heard, foreign, strict=True) if seconds <= FOREIGN])
        mixed.append(heard)
    return clean if any(clean) else mixed


def _stretches(windows_by_turn: list[list[Spoken]]) -> list[list[Spoken]]:
    """Long turns in even parts, short ones together: a stretch mixes as few turns as it can."""
    per_stretch = round(STRETCH / STEP)
    stretches: list[list[Spoken]] = []
    together: list[Spoken] = []
    for windows in windows_by_turn:
        if len(windows) >= per_stretch:
            parts = np.array_split(np.arange(len(windows)), -(-len(windows) // per_stretch))
            stretches += [[windows[i] for i in part] for part in parts]
            continue
        together += windows
        if len(together) >= per_stretch:
            stretches.append(together)
            together = []
    if together:
        stretches.append(together)
    return sorted(stretches)


def pooled(vectors: Array, stretch: list[Spoken]) -> Embedding:
    """Return one embedding of a stretch, out of the vectors of all windows."""
    vector = unit(vectors[[idx for idx, _, _ in stretch]].mean(axis=0))
    return Embedding(vector, sum(end - start for _, start, end in stretch), stretch[0][1], stretch[-1][2])
