"""The built-in diarizer on sounds whose turns are known: tones, told apart by a fake embedder; and the example."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.fakes import FakeDetector, FakeEmbedder, pull_stand_in
from tests.support.tones import write_episode
from voicematch.audio import Audio
from voicematch.engines.best import BEST_SECONDS
from voicematch.engines.diarize import BuiltinDiarizer
from voicematch.engines.embed import OnnxEmbedder
from voicematch.engines.features import log_mel
from voicematch.engines.listening import Features, listen
from voicematch.engines.windows import STRETCH, Clock, embeddings_of, place
from voicematch.errors import ModelError
from voicematch.models import sessions
from voicematch.types import Array, Diarization, Turn
from voicematch.voices.score import centroid

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "episode.mp3"


def diarized(path: Path, speakers: tuple[int, int] | None = None) -> Diarization:
    return BuiltinDiarizer(FakeDetector).diarize(Audio(path), FakeEmbedder(), speakers=speakers)


def test_tones_become_turns(tmp_path: Path) -> None:
    """Three voices, one of whom returns; each boundary within half a window's step."""
    found = diarized(write_episode(tmp_path / "x.wav", "ABCB", seconds=12.0))
    assert [turn.speaker for turn in found.turns] == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02", "SPEAKER_01"]
    edges = [turn.start for turn in found.turns[1:]]
    assert edges == pytest.approx([12.0, 24.0, 36.0], abs=0.6)
    assert found.turns[0].start == 0.0
    assert found.turns[-1].end == pytest.approx(48.0)


def test_speech_longer_than_any_wait_is_cut_without_a_gap(tmp_path: Path) -> None:
    found = diarized(write_episode(tmp_path / "x.wav", "A", seconds=200.0))
    assert found.turns == (Turn(0.0, 200.0, "SPEAKER_00"),)


def test_there_is_one_embedding_per_ten_seconds(tmp_path: Path) -> None:
    (own,) = diarized(write_episode(tmp_path / "x.wav", "A", seconds=60.0)).embeddings.values()
    assert 5 <= len(own) <= 7
    assert sum(embedding.seconds for embedding in own) == pytest.approx(60.0, abs=2.0)


def test_a_given_number_of_speakers_is_found(tmp_path: Path) -> None:
    path = write_episode(tmp_path / "x.wav", "ABCD", seconds=12.0)
    for number in (1, 2, 4):
        assert len({turn.speaker for turn in diarized(path, (number, number)).turns}) == number


@pytest.mark.parametrize("seconds", [0.005, 0.03, 0.4])
def test_a_moment_of_sound_is_no_error(tmp_path: Path, seconds: float) -> None:
    found = diarized(write_episode(tmp_path / "x.wav", "A", seconds=seconds))
    assert all(0 <= turn.start < turn.end <= found.duration for turn in found.turns)


def test_silence_has_no_speakers(tmp_path: Path) -> None:
    path = write_episode(tmp_path / "x.wav", "A", seconds=1.0)
    sound = bytearray(path.read_bytes())
    sound[44:] = bytes(len(sound) - 44)
    path.write_bytes(bytes(sound))
    found = diarized(path)
    assert (found.turns, found.embeddings) == ((), {})
    assert found.duration == 1.0


def test_progress_goes_forward_to_the_end_and_can_cancel(tmp_path: Path) -> None:
    path = write_episode(tmp_path / "x.wav", "AB", seconds=40.0)
    seen: list[tuple[str, float, float]] = []
    diarizer = BuiltinDiarizer(FakeDetector)
    diarizer.diarize(Audio(path), FakeEmbedder(), progress=lambda *step: seen.append(step))
    assert [done for step, done, _ in seen if step == "listen"] == [30.0, 60.0, 80.0]
    assert seen[-1] == ("cluster", 1.0, 1.0)

    def cancel(step: str, done: float, total: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        diarizer.diarize(Audio(path), FakeEmbedder(), progress=cancel)


def test_what_the_embedder_raises_on_its_thread_is_raised(tmp_path: Path) -> None:
    class BrokenEmbedder(FakeEmbedder):
        def embed(self, *_: object, **__: object) -> Array:
            raise ModelError("no such device")

    path = write_episode(tmp_path / "x.wav", "AB", seconds=100.0)
    with pytest.raises(ModelError, match="no such device"):
        BuiltinDiarizer(FakeDetector).diarize(Audio(path), BrokenEmbedder())


def test_every_stage_is_timed(tmp_path: Path) -> None:
    found = diarized(write_episode(tmp_path / "x.wav", "AB", seconds=3.0))
    assert set(found.seconds_by_stage) == {"decode", "features", "speech", "embedding", "clustering", "boundaries"}


def test_features_in_blocks_are_those_of_the_whole() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 52_345).astype(np.float32)
    stream = Features()
    blocks = np.split(samples, [7_000, 7_100, 23_456, 40_000])
    rows = [*(stream.process(block) for block in blocks), stream.process(np.empty(0, np.float32), last=True)]
    np.testing.assert_allclose(np.concatenate(rows), log_mel(samples), atol=1e-4)


def test_windows_of_a_short_stretch_stay_in_the_sound() -> None:
    assert place((0.2, 0.6), 10.0) == [(0.0, 1.5)]
    assert place((9.0, 9.9), 10.0) == [(8.5, 10.0)]
    assert place((0.1, 0.9), 1.0) == [(0.0, 1.0)]


def test_the_example_has_its_three_voices_twice_the_same() -> None:
    """Real models on real sound: the reference beside it has three speakers."""
    first, second = (BuiltinDiarizer().diarize(Audio(EXAMPLE), OnnxEmbedder()) for _ in range(2))
    assert first.turns == second.turns
    assert {turn.speaker for turn in first.turns} == {"SPEAKER_00", "SPEAKER_01", "SPEAKER_02"}
    for speaker, own in first.embeddings.items():
        for one, other in zip(own, second.embeddings[speaker], strict=True):
            assert one.vector.tobytes() == other.vector.tobytes()


def test_a_pulled_embedder_leaves_telling_apart_to_the_built_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEMATCH_MODELS", str(tmp_path / "models"))
    pull_stand_in(tmp_path / "weights")
    built_in, pulled = OnnxEmbedder(), OnnxEmbedder("ecapa1024")
    expected = BuiltinDiarizer().diarize(Audio(EXAMPLE), built_in)
    found = BuiltinDiarizer().diarize(Audio(EXAMPLE), pulled)
    stand_in = OnnxEmbedder()  # whose network the pulled one has
    heard = embeddings_of(listen(Audio(EXAMPLE), stand_in, Clock()), expected.turns, stand_in.min_speech)
    assert found.turns == expected.turns
    assert found.embeddings.keys() == expected.embeddings.keys()
    for speaker, embeddings in found.embeddings.items():
        by_built_in = expected.embeddings[speaker]
        assert 0 < sum(own.seconds for own in embeddings) <= BEST_SECONDS + STRETCH
        for own in embeddings:
            assert by_built_in[0].start <= own.start < own.end <= max(other.end for other in by_built_in)
            assert own.vector.shape == (pulled.dimension,)
            likeness = float(own.vector @ centroid(heard[speaker]).vector)
            assert 0.8 < likeness < 0.9999  # its own front end hears it: near, and not the same


class HastyEmbedder(OnnxEmbedder):
    """Has the second stretch of sound ready before the first."""

    def __init__(self) -> None:
        super().__init__()
        self.second_is_ready, self.num_calls = threading.Event(), itertools.count(1)

    def pool(self, rows: Array, first: int, end: int, spans: npt.ArrayLike) -> Array:
        number = next(self.num_calls)
        if number == 1:
            assert self.second_is_ready.wait(60)
        found = super().pool(rows, first, end, spans)
        if number == 2:
            self.second_is_ready.set()
        return found


def test_what_is_embedded_sooner_does_not_come_out_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = listen(Audio(EXAMPLE), OnnxEmbedder(), Clock())
    monkeypatch.setattr(sessions, "num_cores", lambda: 2)
    found = listen(Audio(EXAMPLE), HastyEmbedder(), Clock())
    assert found.windows.tolist() == expected.windows.tolist()
    assert found.vectors.tobytes() == expected.vectors.tobytes()
    assert [one.first for one in found.moments] == [one.first for one in expected.moments]


class CountingEmbedder(FakeEmbedder):
    """Of a name in the table that does not come with the package; knows how many windows it has heard."""

    name = "ecapa1024"

    def __init__(self) -> None:
        self.num_windows = 0

    def embed(self, samples: Array, windows: npt.NDArray[np.int64], features: Array | None = None) -> Array:
        self.num_windows += len(windows)
        return super().embed(samples, windows)


def test_everywhere_an_embedder_tells_voices_apart_itself(tmp_path: Path) -> None:
    path = write_episode(tmp_path / "x.wav", "AB", seconds=100.0)
    some, every = CountingEmbedder(), CountingEmbedder()
    BuiltinDiarizer(FakeDetector).diarize(Audio(path), some)
    found = BuiltinDiarizer(FakeDetector, everywhere=True).diarize(Audio(path), every)
    assert [turn.speaker for turn in found.turns] == ["SPEAKER_00", "SPEAKER_01"]
    assert found.turns[1].start == pytest.approx(100.0, abs=0.6)
    assert 0 < some.num_windows < 150 < every.num_windows
