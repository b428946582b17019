"""Engines by name, what is said when one is not there, and recordings heard in pieces. Needs no torch."""

from __future__ import annotations

import importlib.util
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

from voicematch import cli, engines
from voicematch.audio import Audio
from voicematch.cli.options import open_engines
from voicematch.engines import device
from voicematch.engines.diarize import BuiltinDiarizer
from voicematch.engines.embed import OnnxEmbedder
from voicematch.engines.pyannote import Piece, join
from voicematch.engines.speechbrain import SpeechBrainEmbedder
from voicematch.errors import ModelError
from voicematch.library import open_library
from voicematch.models import files, table
from voicematch.transcript.attribute import attribute
from voicematch.types import Array, Embedding, Line, Turn

ROOT = Path(__file__).parent.parent.parent
HAS_TORCH = importlib.util.find_spec("torch") is not None


def test_the_built_in_engines_need_no_extra() -> None:
    assert isinstance(engines.open_diarizer(), BuiltinDiarizer)
    assert isinstance(engines.open_embedder(), OnnxEmbedder)


@pytest.mark.parametrize("name", ["nosuch", "nosuch:folder", "built-in:folder", ""])
def test_an_unknown_diarizer_is_answered_with_those_there_are(name: str) -> None:
    with pytest.raises(ModelError, match="there are built-in, pyannote"):
        engines.open_diarizer(name)


def test_an_unknown_embedder_is_answered_with_those_there_are() -> None:
    with pytest.raises(ModelError, match=r"no model is called 'nosuch'.*ecapa-small-4"):
        engines.open_embedder("nosuch")
    with pytest.raises(ModelError, match=r"'segmentation-small' makes no voice vectors; embedders are ecapa-small-4"):
        engines.open_embedder("segmentation-small")


def test_an_embedder_of_ones_own_hears_the_features_that_its_card_names(tmp_path: Path) -> None:
    sound = np.random.default_rng(1).normal(0, 0.1, 16_000).astype(np.float32)
    found = {}
    for front_end in table.FRONT_ENDS:
        file = tmp_path / f"{front_end}.onnx"
        shutil.copyfile(files.path("ecapa-small-4"), file)
        file.with_suffix(".json").write_text(f'{{"dimension": 192, "front_end": "{front_end}", "min_speech": 0.5}}')
        embedder = engines.open_embedder(str(file), device="cpu")
        assert embedder.name == str(file)
        (found[front_end],) = embedder.embed(sound, np.array([[0, len(sound)]]))
    built_in = engines.open_embedder("ecapa-small-4").embed(sound, np.array([[0, len(sound)]]))[0]
    np.testing.assert_allclose(found["kaldi"], built_in, atol=1e-6)
    assert found["speechbrain"] @ built_in < 0.999


@pytest.mark.skipif(HAS_TORCH, reason="the extra torch is installed")
def test_without_the_extra_the_error_says_how_to_install_it() -> None:
    with pytest.raises(ModelError, match=r"pip install 'voicematch\[torch\]'"):
        engines.open_diarizer("pyannote")
    with pytest.raises(ModelError, match=r"speechbrain is not installed; .*pip install 'voicematch\[torch\]'"):
        SpeechBrainEmbedder(checkpoint=Path("embedding_model.ckpt"))


def test_a_package_that_is_not_there() -> None:
    with pytest.raises(ModelError, match=r"nosuch is not installed; it comes with pip install"):
        device.require("nosuch")
    with pytest.raises(ModelError, match=r"nosuch\.module is not installed"):
        device.require("nosuch.module")
    with pytest.raises(ModelError, match=r"nosuch: No module named 'nosuch'; it comes with pip install"):
        device.load("nosuch")


def test_a_torch_that_does_not_hold_together_is_explained() -> None:
    error = device.unloadable("torchaudio", OSError("libcudart.so.13: cannot open shared object file\nmore"))
    assert str(error).startswith("torchaudio cannot be loaded: libcudart.so.13: cannot open shared object file. ")
    assert "--index-url https://download.pytorch.org/whl/cpu" in str(error)
    assert "\n" not in str(error)


def test_the_fix_names_the_releases_of_the_extra() -> None:
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {"torch>=2.11,<2.12", "torchaudio>=2.11,<2.11.1"} <= set(extra["torch"])
    assert "'torch==2.11.*' 'torchaudio==2.11.0'" in str(device.unloadable("torch", OSError("broken")))


def test_an_unknown_engine_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library = str(tmp_path / "library.db")
    open_library(library).close()
    for command in (["identify", "a.mp3"], ["enroll", "Ada", "a.mp3", "--consent", "self"], ["batch", "run"]):
        assert cli.run([*command, "--diarizer", "nosuch", "--library", library]) == 1
        assert "error: no diarizer 'nosuch'; there are built-in, pyannote" in capsys.readouterr().err


def test_only_the_built_in_diarizer_lets_another_embedder_tell_voices_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["identify", "a.mp3", "--diarizer", "pyannote", "--embedder-everywhere"]) == 2
    assert "--embedder-everywhere is for the built-in diarizer" in capsys.readouterr().err
    chosen = open_engines(None, None, "cpu", everywhere=True).diarizer
    assert isinstance(chosen, BuiltinDiarizer)
    assert chosen._everywhere


def test_engines_of_the_command_line_do_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example with its voices, through --diarizer and --embedder."""
    options = ["--diarizer", "built-in", "--embedder", "ecapa-small-4", "--device", "cpu", "-q"]
    example = ROOT / "examples"
    command = ["identify", str(example / "episode.mp3"), "--voices", str(example / "voices"), *options]
    assert cli.run(command) == 0
    assert "Ada" in capsys.readouterr().out


# -- recordings in pieces

AXES = np.eye(4, dtype=np.float32)


def embedding(vector: Array, start: float) -> Embedding:
    return Embedding(vector, 10.0, start, start + 10.0)


def piece(start: float, **voices: Array) -> Piece:
    """Each voice speaks for 20 s, one after the other; two embeddings each."""
    turns = [Turn(start + 20.0 * idx, start + 20.0 * (idx + 1), label) for idx, label in enumerate(voices)]
    embeddings: dict[str, tuple[Embedding, ...]] = {
        label: (embedding(vector, turn.start), embedding(vector, turn.start + 10.0))
        for turn, (label, vector) in zip(turns, voices.items(), strict=True)
    }
    return Piece(tuple(turns), tuple(turns), embeddings)


def spoken(pieces: list[Piece], most: int | None = None) -> list[tuple[float, str]]:
    return [(turn.start, turn.speaker[-2:]) for turn in join(pieces, unity=0.9, most=most).turns]


def test_nothing_heard_is_nobody() -> None:
    assert join([], unity=0.9).turns == ()
    assert join([Piece((), (), {})], unity=0.9).embeddings == {}


def test_voices_are_recognised_in_later_pieces() -> None:
    pieces = [piece(0, a=AXES[0], b=AXES[1]), piece(100, a=AXES[1], b=AXES[2]), piece(200, x=AXES[0])]
    assert spoken(pieces) == [(0, "00"), (20, "01"), (100, "01"), (120, "02"), (200, "00")]
    found = join(pieces, unity=0.9)
    assert [e.start for e in found.embeddings["SPEAKER_00"]] == [0, 10, 200, 210]
    assert found.exclusive == found.turns


def test_two_speakers_of_one_piece_stay_two() -> None:
    """Both sound like the voice of the first piece; only one of them can be it."""
    near = (0.98 * AXES[0] + 0.199 * AXES[1]).astype(np.float32)
    assert spoken([piece(0, a=AXES[0]), piece(100, a=near, b=AXES[0])]) == [(0, "00"), (100, "01"), (120, "00")]


def test_no_more_speakers_than_asked_for() -> None:
    """A third voice that is like nobody goes to the one it is least unlike."""
    other = (0.6 * AXES[1] + 0.8 * AXES[2]).astype(np.float32)
    pieces = [piece(0, a=AXES[0], b=AXES[1]), piece(100, a=other)]
    assert spoken(pieces) == [(0, "00"), (20, "01"), (100, "02")]
    assert spoken(pieces, most=2) == [(0, "00"), (20, "01"), (100, "01")]


def test_a_turn_that_the_cut_parted_is_one() -> None:
    pieces = [piece(0, a=AXES[0]), piece(20, b=AXES[0])]
    assert join(pieces, unity=0.9).turns == (Turn(0, 40, "SPEAKER_00"),)


def test_a_speaker_with_too_little_speech_is_nobody_else() -> None:
    brief = Piece((Turn(100, 100.2, "a"),), (), {})
    found = join([piece(0, a=AXES[0]), brief], unity=0.9)
    assert [turn.speaker for turn in found.turns] == ["SPEAKER_00", "SPEAKER_01"]
    assert list(found.embeddings) == ["SPEAKER_00"]


# -- overlapping speech and transcripts


def test_the_floor_is_as_the_engine_cuts_it_and_the_others_as_they_talk() -> None:
    """B talks over A for a second in which the engine gives B the floor; by length of turn A would keep it."""
    turns = (Turn(0, 10, "A"), Turn(4, 6, "B"))
    exclusive = (Turn(0, 4, "A"), Turn(4, 6, "B"), Turn(6, 10, "A"))
    line = Line(4.2, 5.8, "No, never.")
    assert attribute([line], turns)[0].speaker == "A"
    (found,) = attribute([line], turns, exclusive=exclusive)
    assert (found.speaker, found.others) == ("B", ("A",))


def test_a_recording_is_cut_into_pieces_without_loss(tmp_path: Path) -> None:
    """Only where the extra is installed can a PyannoteDiarizer be made; cutting needs none of it."""
    from tests.support.tones import write_episode
    from voicematch.engines.pyannote import cut
    from voicematch.engines.windows import Clock

    audio = Audio(write_episode(tmp_path / "a.wav", "ABAB", seconds=20.0))
    whole = np.concatenate(list(audio.blocks()))
    for length, sizes in ((100.0, [80.0]), (60.0, [80.0]), (30.0, [30.0, 50.0]), (20.0, [20.0] * 4)):
        pieces = list(cut(audio, length, Clock(), None))
        assert [len(samples) / 16_000 for samples, _ in pieces] == sizes
        np.testing.assert_array_equal(np.concatenate([samples for samples, _ in pieces]), whole)
        assert [is_all for _, is_all in pieces] == ([True] if len(sizes) == 1 else [False] * len(sizes))
