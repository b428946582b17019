"""Parts of a recording, as diarizers and embedders take sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..types import Array, Turn
from . import Audio
from .decoding import SAMPLE_RATE

LEAST_SECONDS = 0.01  # of a turn that is worth keeping
KEPT_CLIP_SECONDS = 60.0  # enough to re-embed a voice with a later model; more would only fill the library


@dataclass(frozen=True, slots=True, eq=False)
class Excerpt:
    """A span of an audio, as a diarizer takes it; its times count from the span's start."""

    audio: Audio
    start: float
    end: float

    @property
    def duration(self) -> float:
        return self.end - self.start

    def estimate(self) -> float:
        return self.duration

    def blocks(self, seconds: float = 30.0) -> Iterator[Array]:
        return self.audio.stretch(self.start, self.end, seconds)


def sound_of(turns: Sequence[Turn], audio: Audio, offset: float) -> Array:
    """Return up to a minute of the turns' sound, longest turns first, in the order spoken."""
    kept: list[tuple[float, float]] = []
    left = KEPT_CLIP_SECONDS
    for turn in sorted(turns, key=lambda t: (-t.duration, t.start)):
        seconds = min(turn.duration, left)
        if seconds >= LEAST_SECONDS:
            kept.append((offset + turn.start, offset + turn.start + seconds))
            left -= seconds
    return np.concatenate(audio.slices(sorted(kept)))


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples in memory, as a diarizer takes them."""

    samples: Array

    @property
    def duration(self) -> float:
        return len(self.samples) / SAMPLE_RATE

    def estimate(self) -> float:
        return self.duration

    def blocks(self, seconds: float = 30.0) -> Iterator[Array]:
        size = round(seconds * SAMPLE_RATE)
        return (self.samples[at : at + size] for at in range(0, len(self.samples), size))
