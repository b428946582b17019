"""``episodes recluster``, and what is kept for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from voicematch import cli, open_library

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "episode.mp3"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOICEMATCH_LIBRARY", str(tmp_path / "library.db"))
    shutil.copy(EXAMPLE, tmp_path / "episode.mp3")
    return tmp_path


def test_another_number_of_speakers_without_the_audio(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["identify", "episode.mp3", "-q", "-f", "rttm"]) == 0
    (folder / "episode.mp3").unlink()
    capsys.readouterr()
    assert cli.run(["episodes", "recluster", "episode.mp3", "--speakers", "2", "--dry-run", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["speakers"]) == 2
    for label, who in (("SPEAKER_00", "Ada"), ("SPEAKER_01", "Basil"), ("SPEAKER_02", "Conrad")):
        assert cli.run(["name", f"episode.mp3:{label}", who, "--consent", "public"]) == 0
    assert cli.run(["episodes", "recluster", "episode.mp3", "--speakers", "1-2"]) == 0
    out, err = capsys.readouterr()
    assert "warning: there are 3 speakers: whom a person named, or fixed, stays apart" in err
    assert all(who in out for who in ("Ada", "Basil", "Conrad"))
    rttm = (folder / "episode.rttm").read_text()
    assert all(who in rttm for who in ("Ada", "Basil", "Conrad"))


def test_what_is_heard_is_not_kept_where_nobody_wants_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["identify", "episode.mp3", "-q", "--no-windows"]) == 0
    assert cli.run(["episodes", "recluster", "episode.mp3"]) == 1
    assert "what was heard in it is not kept; voicematch identify hears it again" in capsys.readouterr().err
    assert cli.run(["identify", "episode.mp3", "-q"]) == 0
    assert cli.run(["library", "set", "keep-windows", "no"]) == 0
    assert "not kept from now on" in capsys.readouterr().out
    with open_library(folder / "library.db") as library:
        assert library.windows.of(library.episodes.get("episode.mp3").audio_sha256) is None
    assert cli.run(["library", "set", "keep-windows", "yes"]) == 0
    assert cli.run(["identify", "episode.mp3", "-q"]) == 0
    assert cli.run(["episodes", "recluster", "episode.mp3"]) == 0
