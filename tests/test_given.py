"""What is no file is refused at once, by every reader of one that somebody names."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.fakes import FakeEmbedder
from tests.support.tones import ToneDiarizer
from voicematch import cli, formats, given
from voicematch.audio import Audio
from voicematch.batch import feeds
from voicematch.errors import VoicematchError
from voicematch.evaluate import read_rttm, read_trials, read_uem
from voicematch.evaluate.open_set import read_people
from voicematch.models import table
from voicematch.usecases import exchange
from voicematch.usecases.chosen import Engines
from voicematch.voices.score import Calibration

READERS: dict[str, Callable[[Path], object]] = {
    "a transcript": formats.read_file,
    "a feed": feeds.load,
    "profiles": exchange.read_file,
    "a recording": lambda path: Audio(path).estimate(),
    "RTTM": read_rttm,
    "UEM": read_uem,
    "trials": read_trials,
    "a list of people": lambda path: read_people([path]),
}


@pytest.fixture(name="kinds")
def _kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
    Path("link").symlink_to("pipe")
    kinds = {"a device": "/dev/zero", "a pipe": "pipe", "a socket": "socket", "a directory": ".", "a pipe;": "link"}
    return {kind: tmp_path / path for kind, path in kinds.items()}


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_waits_for_what_is_no_file(reader: str, kinds: dict[str, Path]) -> None:
    for kind, path in kinds.items():
        with pytest.raises(VoicematchError, match=kind):
            READERS[reader](path)


def test_no_command_waits_either(kinds: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    engines = Engines(ToneDiarizer(), FakeEmbedder())
    pipe = str(kinds["a pipe"])
    for arguments in (
        ["identify", pipe, "--library", "library.db"],
        ["enroll", "Ann", pipe, "--consent", "public", "--library", "library.db"],
        ["batch", "add", pipe, "--library", "library.db"],
        ["profiles", "import", pipe, "--library", "library.db"],
        ["evaluate", pipe, pipe],
    ):
        assert cli.run(arguments, engines=engines) == 1
        (said,) = (line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: "))
        assert "a pipe; save what comes out of it to a file first" in said


def test_the_card_of_a_model_of_ones_own(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mine.json")
    with pytest.raises(VoicematchError, match="a pipe"):
        table.card(str(tmp_path / "mine.onnx"))


def test_what_is_swapped_for_a_pipe_while_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"text")
    before = os.stat(file)
    file.unlink()
    os.mkfifo(file)
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", lambda path: before)
        with pytest.raises(OSError, match="a pipe"):
            given.opened(file)


def test_content_is_read_as_far_as_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("Zoë", encoding="utf-8")
    assert given.content(tmp_path / "file", 2) == b"Zo"
    assert given.text(tmp_path / "file") == "Zoë"
    with pytest.raises(OSError, match="no name of a file"):
        given.opened("a\0b")


def test_json_of_a_stranger_is_read_or_refused(tmp_path: Path) -> None:
    assert given.parsed(b'{"a": [1]}') == {"a": [1]}
    with pytest.raises(ValueError, match="nested too deep"):
        given.parsed("[" * 100_000)
    with pytest.raises(VoicematchError, match="not a calibration"):
        Calibration.from_json("[" * 100_000)
    (tmp_path / "mine.json").write_text('{"dimension": 192, "front_end": "kaldi", "min_speech": 1e999}', "utf-8")
    with pytest.raises(VoicematchError, match="no card of an embedder"):
        table.card(str(tmp_path / "mine.onnx"))


def test_what_cannot_be_looked_at_may_be_there(tmp_path: Path) -> None:
    assert given.may_be_there(tmp_path)
    for absent in ("no", "no/no", "x" * 300, "a\0b"):
        assert not given.may_be_there(tmp_path / absent)
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        (tmp_path / "closed").mkdir(mode=0)
        assert given.may_be_there(tmp_path / "closed" / "no")
