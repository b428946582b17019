"""Stand-ins for the engines: a few lines each, exact and instant."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voicematch.engines.embed import Embedder
from voicematch.models import files, hub, table
from voicematch.types import Array, Diarization, Embedding, Progress, Sound, Turn
from voicematch.voices.score import Calibration

# A cosine of 0.5 is even odds, 0.72 is 90 %, 0.76 is 93 %, 0.28 is 10 %.
CALIBRATION = Calibration(
    embedder="fake",
    bias=-5.0,
    score=10.0,
    steadiness=0.0,
    power=12.0,
    unknown_steadiness=0.0,
    accept=0.9,
    review=0.5,
    margin=0.05,
    agreement=0.6,
    unity=0.85,
)


class FakeEmbedder:
    """Tells voices apart by how often the samples cross zero: a pure tone is a voice."""

    name = "fake"
    dimension = 8
    min_speech = 0.1

    def embed(self, samples: Array, windows: npt.NDArray[np.int64], features: Array | None = None) -> Array:
        vectors = np.zeros((len(windows), self.dimension), np.float32)
        for row, (start, end) in zip(vectors, windows, strict=True):
            hertz = np.count_nonzero(np.diff(np.signbit(samples[start:end]))) / 2 / ((end - start) / 16_000)
            row[min(int(hertz // 200), self.dimension - 1)] = 1.0
        return vectors


class FakeDiarizer:
    """Answers with the turns it was made with; the voice of the n-th speaker is the n-th axis."""

    name = "fake"

    def __init__(self, *turns: Turn) -> None:
        self.turns = tuple(sorted(turns))

    def diarize(
        self,
        audio: Sound,
        embedder: Embedder,
        *,
        speakers: tuple[int, int] | None = None,
        anchors: object = None,
        progress: Progress | None = None,
    ) -> Diarization:
        embeddings: dict[str, tuple[Embedding, ...]] = {}
        for idx, speaker in enumerate(dict.fromkeys(turn.speaker for turn in self.turns)):
            axis = np.eye(embedder.dimension, dtype=np.float32)[idx]
            own = [turn for turn in self.turns if turn.speaker == speaker]
            embeddings[speaker] = tuple(Embedding(axis, turn.duration, turn.start, turn.end) for turn in own)
        return Diarization(self.turns, embeddings, audio.duration)


class FakeDetector:
    """Whatever is not silent is speech; knows nothing of voices."""

    onset, offset = 0.5, 0.4

    def __init__(self) -> None:
        self._rest = np.empty(0, np.float32)

    def process(self, samples: Array, features: Array) -> Array:
        joined = np.concatenate([self._rest, samples])
        num_frames = len(joined) // 320
        self._rest = joined[num_frames * 320 :]
        loud = np.abs(joined[: num_frames * 320]).reshape(-1, 320).max(axis=1) > 0.01
        return np.stack([loud, np.zeros_like(loud), np.zeros_like(loud)], axis=1).astype(np.float32)

    def finish(self) -> Array:
        return np.empty((0, 3), np.float32)


def pull_stand_in(folder: Path) -> None:
    """The built-in weights under the name of ecapa1024's, which take the same rows and give as many dimensions.

    folder : an empty one; VOICEMATCH_MODELS says where the model goes
    """
    folder.mkdir(exist_ok=True)
    shutil.copyfile(files.path(table.DEFAULT_EMBEDDER), folder / table.card("ecapa1024").file)
    hub.pull(hub.offer("ecapa1024", folder=folder))
