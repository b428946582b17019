"""The recogniser's real code, on a model that knows nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support import whisper_model
from voicematch.audio import SAMPLE_RATE, Audio
from voicematch.audio.clips import to_wav
from voicematch.errors import ModelError
from voicematch.transcript.whisper import chunks, load, quietest, repository, transcribe
from voicematch.types import Array

pytest.importorskip("faster_whisper")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whisper_model.save(tmp_path_factory.mktemp("whisper"))


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Two seconds of hum with a short silence in the middle."""
    times = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    samples = 0.3 * np.sin(2 * np.pi * 150 * times) * (abs(times - 1.0) > 0.1)
    path = tmp_path / "hum.wav"
    path.write_bytes(to_wav(samples.astype(np.float32)))
    return path


def test_lines_have_words_in_order_within_the_audio(model: Path, sound: Path) -> None:
    steps: list[tuple[str, float, float]] = []
    lines = transcribe(Audio(sound), model, progress=lambda *step: steps.append(step), skip_silence=False, chunk=1.5)
    assert lines
    assert {step[0] for step in steps} == {"transcribe"}
    assert steps[-1][2] == pytest.approx(2.0, abs=0.1)
    for line in lines:
        assert line.speaker is None
        assert 0 <= line.start <= line.end
        assert [word.start for word in line.words] == sorted(word.start for word in line.words)
        assert "".join(word.text for word in line.words).replace(" ", "") == line.text.replace(" ", "")


def test_silence_has_no_lines(model: Path, sound: Path, tmp_path: Path) -> None:
    (tmp_path / "silence.wav").write_bytes(to_wav(np.zeros(2 * SAMPLE_RATE, np.float32)))
    assert transcribe(Audio(tmp_path / "silence.wav"), model, "en") == ()


def test_a_missing_model_comes_with_the_command_to_get_it() -> None:
    with pytest.raises(ModelError, match="hf download nobody/has-this-model"):
        load("nobody/has-this-model")
    assert repository("small") == "Systran/faster-whisper-small"


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model\.bin"):
        load(tmp_path)
    (tmp_path / "model.bin").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(tmp_path)


def test_chunks_are_cut_where_it_is_quiet_and_lose_nothing() -> None:
    samples: Array = np.ones(10 * SAMPLE_RATE, np.float32)
    samples[4 * SAMPLE_RATE : 5 * SAMPLE_RATE] = 0.0
    assert 4.25 <= quietest(samples[: 6 * SAMPLE_RATE]) / SAMPLE_RATE <= 4.75
    pieces = list(chunks(iter(np.split(samples, 10)), 6.0))
    assert [round(start, 2) for start, _ in pieces] == [0.0, round(len(pieces[0][1]) / SAMPLE_RATE, 2)]
    assert np.array_equal(np.concatenate([piece for _, piece in pieces]), samples)


def test_a_chunk_too_short_to_look_for_silence_is_cut_at_its_end() -> None:
    assert quietest(np.ones(100, np.float32)) == 100
