"""What every embedder, detector and diarizer promises, for the fakes as for the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.fakes import FakeDetector, FakeDiarizer, FakeEmbedder, pull_stand_in
from tests.support.tones import write_episode
from voicematch.audio import Audio
from voicematch.audio.spans import Excerpt
from voicematch.engines.diarize import BuiltinDiarizer, Diarizer
from voicematch.engines.embed import Embedder, OnnxEmbedder
from voicematch.engines.features import log_mel
from voicematch.engines.pyannote import PyannoteDiarizer
from voicematch.engines.speech import SpeechDetector, default_detector
from voicematch.engines.speechbrain import SpeechBrainEmbedder
from voicematch.types import Sound, Turn

EXAMPLE = Path(__file__).parent.parent / "examples" / "episode.mp3"


def of_the_hub() -> Embedder:
    return OnnxEmbedder("ecapa1024")


@pytest.fixture(params=[OnnxEmbedder, FakeEmbedder, of_the_hub, SpeechBrainEmbedder])
def embedder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Embedder:
    if request.param is of_the_hub:
        monkeypatch.setenv("VOICEMATCH_MODELS", str(tmp_path / "models"))
        pull_stand_in(tmp_path / "weights")
    if request.param is SpeechBrainEmbedder:
        return SpeechBrainEmbedder(checkpoint=request.getfixturevalue("speechbrain_weights"), device="cpu")
    made: Embedder = request.param()
    return made


@pytest.fixture(params=[default_detector, FakeDetector])
def detector(request: pytest.FixtureRequest) -> SpeechDetector:
    made: SpeechDetector = request.param()
    return made


@pytest.fixture(scope="module")
def example() -> Audio:
    return Audio(EXAMPLE)


@pytest.fixture(scope="module")
def samples(example: Audio) -> np.ndarray:
    return example.read(0.0, 20.0)


WINDOWS = np.array([[0, 24_000], [16_000, 40_000], [100_160, 124_160]])


def test_an_embedder_gives_one_unit_row_per_window(embedder: Embedder, samples: np.ndarray) -> None:
    vectors = embedder.embed(samples, WINDOWS)
    assert vectors.shape == (3, embedder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_an_embedder_takes_no_windows(embedder: Embedder, samples: np.ndarray) -> None:
    assert embedder.embed(samples, np.empty((0, 2), np.int64)).shape == (0, embedder.dimension)


def test_an_embedder_repeats_itself(embedder: Embedder, samples: np.ndarray) -> None:
    assert embedder.embed(samples, WINDOWS).tobytes() == embedder.embed(samples, WINDOWS).tobytes()


def test_an_embedder_says_what_it_is(embedder: Embedder) -> None:
    assert embedder.name
    assert embedder.dimension > 0
    assert 0 < embedder.min_speech <= 1.5


def test_a_detector_answers_for_every_frame(detector: SpeechDetector, samples: np.ndarray) -> None:
    """20 s in unequal blocks: 50 frames a second, each decided once, all of them probabilities."""
    blocks = np.split(samples, [112_000, 113_600, 240_000])
    found = np.concatenate([*(detector.process(block, log_mel(block)) for block in blocks), detector.finish()])
    assert found.shape == (1000, 3)
    assert found.min() >= 0
    assert found.max() <= 1
    assert 0 < detector.offset <= detector.onset < 1


Case = tuple[Diarizer, Sound, Embedder]
"""A diarizer, 16 s in which two speak one after the other, and an embedder that tells them apart."""


@pytest.fixture
def tones(tmp_path: Path) -> Audio:
    return Audio(write_episode(tmp_path / "two.wav", "AABB", seconds=4.0))


@pytest.fixture
def builtin(tones: Audio) -> Case:
    return BuiltinDiarizer(FakeDetector), tones, FakeEmbedder()


@pytest.fixture
def fake(tones: Audio) -> Case:
    return FakeDiarizer(Turn(0.0, 4.0, "SPEAKER_00"), Turn(3.5, 8.0, "SPEAKER_01")), tones, FakeEmbedder()


@pytest.fixture
def pyannote(segmentation_model: Path, example: Audio) -> Case:
    return PyannoteDiarizer(str(segmentation_model), device="cpu"), Excerpt(example, 0.0, 16.0), OnnxEmbedder()


@pytest.mark.parametrize("case", ["builtin", "fake", "pyannote"])
def test_a_diarizer_keeps_its_promises(case: str, request: pytest.FixtureRequest) -> None:
    diarizer, sound, embedder = request.getfixturevalue(case)
    found = diarizer.diarize(sound, embedder)
    assert diarizer.name
    assert found.duration == 16.0
    assert list(found.turns) == sorted(found.turns)
    assert all(0 <= turn.start < turn.end <= found.duration for turn in found.turns)
    first_seen = list(dict.fromkeys(turn.speaker for turn in found.turns))
    assert first_seen == [f"SPEAKER_{idx:02d}" for idx in range(len(first_seen))] == ["SPEAKER_00", "SPEAKER_01"]
    assert set(found.embeddings) <= set(first_seen)
    for embedding in (one for own in found.embeddings.values() for one in own):
        assert embedding.vector.shape == (embedder.dimension,)
        assert np.linalg.norm(embedding.vector) == pytest.approx(1, abs=1e-5)
        assert embedding.seconds > 0
        assert 0 <= embedding.start < embedding.end <= found.duration
