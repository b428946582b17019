"""The strong embedder hears the best of each speaker, and no more."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.support.fakes import FakeEmbedder
from voicematch.audio.spans import Samples
from voicematch.engines.best import BEST_SECONDS, heard_best
from voicematch.engines.windows import STEP, STRETCH, Heard, embeddings_of, place
from voicematch.types import Array, Diarization, Turn


class Counting(FakeEmbedder):
    """A later embedder, whose axes are the other way around, and which knows how much it heard."""

    name = "later"
    num_windows = 0

    def embed(self, samples: Array, windows: npt.NDArray[np.int64], features: Array | None = None) -> Array:
        self.num_windows += len(windows)
        return np.ascontiguousarray(super().embed(samples, windows)[:, ::-1])


def episode(*parts: tuple[str, float, float]) -> tuple[Samples, Heard, Diarization]:
    """Parts of one speaker, frequency and length each, as the first embedder heard them."""
    samples: list[Array] = []
    turns: list[Turn] = []
    heard = Heard(FakeEmbedder.dimension)
    at = 0.0
    windows: list[tuple[float, float]] = []
    for speaker, hertz, seconds in parts:
        samples.append(np.sin(2 * np.pi * hertz * np.arange(round(seconds * 16_000)) / 16_000).astype(np.float32))
        turns.append(Turn(at, at + seconds, speaker))
        windows += place((at, at + seconds), at + seconds)
        at += seconds
    sound = np.concatenate(samples)
    heard.windows = np.array(windows)
    heard.vectors = FakeEmbedder().embed(sound, np.rint(heard.windows * 16_000).astype(np.int64))
    heard.duration = at
    found = Diarization(tuple(turns), embeddings_of(heard, tuple(turns), 0.1), at)
    return Samples(sound), heard, found


def test_each_speaker_is_heard_for_less_than_a_minute_and_known_by_the_later_embedder() -> None:
    sound, heard, found = episode(("A", 300, 200.0), ("B", 700, 3.0), ("A", 300, 40.0), ("B", 700, 90.0))
    later = Counting()
    embeddings = heard_best(sound, heard, found, later)
    assert 2 * 20 / STEP < later.num_windows <= 2 * (BEST_SECONDS + STRETCH) / STEP
    for speaker, hertz in (("A", 300), ("B", 700)):
        for one in embeddings[speaker]:
            assert one.vector.argmax() == 7 - hertz // 200
        assert 20 < sum(one.seconds for one in embeddings[speaker]) <= BEST_SECONDS + STRETCH


def test_stretches_that_are_not_like_the_speaker_are_not_heard() -> None:
    """Of a voice that another one is taken for in a tenth of its turns."""
    sound, heard, found = episode(*(("A", 300 if idx % 10 else 900, 9.0) for idx in range(1, 20)), ("B", 700, 20.0))
    embeddings = heard_best(sound, heard, found, Counting())
    assert all(one.vector[7 - 300 // 200] == 1 for one in embeddings["A"])
    assert heard_best(sound, heard, found, Counting())["A"][0].start == embeddings["A"][0].start


def test_an_episode_without_speech_has_no_speakers() -> None:
    heard = Heard(FakeEmbedder.dimension)
    assert heard_best(Samples(np.zeros(16_000, np.float32)), heard, Diarization((), {}, 1.0), Counting()) == {}
