"""Episodes of pure tones, and engines that tell them apart: quick, and slow or deadly where a test asks for it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from tests.support.fakes import FakeEmbedder
from voicematch.audio.clips import to_wav
from voicematch.engines.embed import Embedder
from voicematch.types import Diarization, Embedding, Progress, Sound, Turn
from voicematch.usecases.chosen import Engines

RATE = 16_000
VOICES = {"A": 300, "B": 500, "C": 700, "D": 900}  # Hz; one axis of FakeEmbedder each


def write_episode(path: Path, voices: str, seconds: float = 1.0, level: float = 0.5) -> Path:
    """A recording in which each letter of ``voices`` speaks for so long. Another length or level is another sound."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(seconds * RATE)) / RATE
    tones = [level * np.sin(2 * np.pi * VOICES[voice] * times) for voice in voices]
    path.write_bytes(to_wav(np.concatenate(tones)))
    return path


class ToneDiarizer:
    """A second of one tone is a second of one voice.

    delay : seconds that each second of sound takes
    What the episode's name begins with, happens: "bug" raises, "deadly" kills the process.
    """

    name = "tones"

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay

    def diarize(
        self,
        audio: Sound,
        embedder: Embedder,
        *,
        speakers: tuple[int, int] | None = None,
        anchors: object = None,
        progress: Progress | None = None,
    ) -> Diarization:
        name = str(getattr(audio, "name", ""))
        if name.startswith("bug"):
            raise ZeroDivisionError(f"in {name}")
        if name.startswith("deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        labels: dict[bytes, str] = {}
        turns: list[Turn] = []
        embeddings: dict[str, tuple[Embedding, ...]] = {}
        for start, block in enumerate(audio.blocks(1.0)):
            time.sleep(self.delay)
            (vector,) = embedder.embed(block, np.array([[0, len(block)]]))
            label = labels.setdefault(vector.tobytes(), f"SPEAKER_{len(labels):02}")
            turns.append(Turn(float(start), start + len(block) / RATE, label))
            embedding = Embedding(vector, len(block) / RATE, turns[-1].start, turns[-1].end)
            embeddings[label] = (*embeddings.get(label, ()), embedding)
            if progress is not None:
                progress("listen", start + 1, audio.estimate() or 0)
        return Diarization(tuple(turns), embeddings, audio.duration)


ENGINES = Engines(ToneDiarizer(), FakeEmbedder())
SLOW_ENGINES = Engines(ToneDiarizer(delay=0.1), FakeEmbedder())
