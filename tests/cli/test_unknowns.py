"""The commands for voices without a name, on real files and a real library, with engines that answer by rule."""

from __future__ import annotations

import json
import os
import stat
import wave
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.test_cli import Shell, cells, shell
from tests.usecases.test_identify import noise
from voicematch import cli
from voicematch.types import Turn

__all__ = ["shell"]

LONG = (Turn(0.0, 25.0, "SPEAKER_00"), Turn(25.0, 50.0, "SPEAKER_01"))


@pytest.fixture
def heard(shell: Shell) -> Shell:
    """Two episodes with the same two voices, U-0001 and U-0002."""
    for seed in (1, 2):
        shell("identify", noise(shell.folder / f"episode{seed}.wav", 50, seed=seed), turns=LONG)
    return shell


def test_identify_shows_a_voice_heard_before(heard: Shell) -> None:
    path = noise(heard.folder / "third.wav", 50, seed=3)
    _, out, _ = heard("identify", path, turns=LONG)
    assert "SPEAKER_00 (unknown, U-0001, 3 episodes)" in out
    assert "SPEAKER_01 (unknown, U-0002, 3 episodes)" in heard("episodes", "show", "third.wav")[1]
    speakers = json.loads(heard("episodes", "show", "third.wav", "--json")[1])["speakers"]
    assert [speaker["unknown"] for speaker in speakers] == ["U-0001", "U-0002"]


def test_list(heard: Shell) -> None:
    _, out, _ = heard("unknowns", "list")
    assert cells(out)[0] == ["voice", "seems", "episodes", "talk", "show", "last", "heard", "perhaps"]
    assert [row[:3] for row in cells(out) if row[0].startswith("U-")] == [
        ["U-0001", "host", "2"],
        ["U-0002", "host", "2"],
    ]
    first, second = json.loads(heard("unknowns", "list", "--json")[1])
    assert (first["id"], first["num_episodes"], first["role"], first["suggestions"]) == ("U-0001", 2, "host", [])
    assert [speaker["speaker"] for speaker in second["speakers"]] == ["SPEAKER_01", "SPEAKER_01"]
    assert heard("unknowns", "list", "--limit", "1")[2] == "and 1 more: --limit 2\n"


def test_list_without_unknowns(shell: Shell) -> None:
    assert shell("unknowns", "list") == (0, "", "No voices without a name.\n")
    assert shell("unknowns", "list", "--json")[1] == "[]\n"


def test_name_an_unknown(heard: Shell) -> None:
    code, out, _ = heard("name", "U-0001", "Grace", "--consent", "public", "--dry-run")
    assert code == 0
    assert out.endswith("Would name Grace; 2 voice(s) in 2 episode(s) would change their label\n")
    assert [row[-3:] for row in cells(out)[1:3]] == [["SPEAKER_00", "unknown", "Grace"]] * 2
    assert len(json.loads(heard("unknowns", "list", "--json")[1])) == 2
    assert heard("name", "U-0001", "Grace")[2].startswith("error: say why the voice of Grace may be kept: --consent")
    code, out, _ = heard("name", "U-0001", "Grace", "--consent", "public")
    assert (code, out) == (0, "Named Grace; 2 voice(s) in 2 episode(s) changed their label\n")
    shown = heard("profiles", "show", "Grace")[1]
    assert "Heard in 2 episode(s), 0:50 of talk" in shown


def test_files_that_identify_wrote_follow_a_name(heard: Shell) -> None:
    heard("identify", "episode1.wav", "-f", "rttm", "-o", "out")
    heard("identify", "episode1.wav", "-f", "rttm", "-o", "apart", "--no-store")
    heard("episodes", "export", "episode1.wav", "-f", "rttm", "-o", "exported")
    heard("name", "U-0001", "Grace", "--consent", "public")
    written = {name: (heard.folder / name / "episode1.rttm").read_text() for name in ("out", "apart", "exported")}
    assert [name for name, text in written.items() if "Grace" in text] == ["out"]


def test_where_and_with_whom_a_person_is_heard(heard: Shell) -> None:
    heard("name", "U-0001", "Grace", "--consent", "public")
    assert "Most often with" not in heard("profiles", "show", "Grace")[1]
    heard("name", "U-0002", "Ada", "--consent", "public")
    assert "Most often with Ada (2)\n" in heard("profiles", "show", "Grace")[1]
    told = json.loads(heard("profiles", "show", "Grace", "--json")[1])
    assert (told["num_episodes"], told["co_speakers"]) == (2, {"Ada": 2})
    assert len(json.loads(heard("episodes", "list", "--speaker", "Grace", "--json")[1])) == 2
    assert len(json.loads(heard("episodes", "list", "--limit", "1", "--json")[1])) == 1
    assert heard("episodes", "list", "--since", "2999")[2] == "No such episodes.\n"
    assert heard("episodes", "list", "--speaker", "Nobody")[0] == 1


def test_correct(heard: Shell) -> None:
    heard("name", "U-0001", "Grace", "--consent", "public")
    code, out, _ = heard("correct", "episode1.wav:SPEAKER_00", "Ada", "--dry-run", "--json", "--consent", "self")
    assert code == 0
    told = json.loads(out)
    assert (told["dry_run"], [change["after"] for change in told["changes"]]) == (True, ["Ada"])
    code, out, _ = heard("correct", "episode1.wav:SPEAKER_00", "Ada", "--consent", "self")
    assert out == "Corrected episode1.wav:SPEAKER_00: Ada; 1 voice(s) in 1 episode(s) changed their label\n"
    assert (
        json.loads(heard("correct", "episode1.wav:SPEAKER_00", "--nobody", "--json")[1])["changes"][0]["after"] is None
    )
    for wrong in (["x:SPEAKER_00"], ["x:SPEAKER_00", "Ada", "--nobody"], ["x", "Ada"]):
        assert heard("correct", *wrong)[0] == cli.EXIT_USAGE


def test_play_writes_the_clearest_ten_seconds(heard: Shell) -> None:
    code, out, err = heard("unknowns", "play", "U-0002", "-o", "clip.wav")
    assert (code, out) == (0, "")
    assert "at 0:25-0:35" in err
    with wave.open(str(heard.folder / "clip.wav")) as clip:
        assert (clip.getframerate(), clip.getnchannels(), clip.getnframes()) == (16_000, 1, 160_000)
    assert heard("unknowns", "play", "U-0002", "-o", "clip.wav")[2].startswith("error: clip.wav exists; --force")
    assert heard("unknowns", "play", "U-0002", "-o", "clip.ogg")[0] == 0
    assert (heard.folder / "clip.ogg").read_bytes().startswith(b"OggS")
    assert heard("unknowns", "play", "U-0002", "-o", "clip.mp3")[0] == cli.EXIT_USAGE
    (heard.folder / "file").touch()
    assert "error: file/clip.wav: cannot write: " in heard("unknowns", "play", "U-0002", "-o", "file/clip.wav")[2]


def test_play_takes_another_episode_when_one_is_gone(heard: Shell) -> None:
    (heard.folder / "episode1.wav").unlink()
    assert heard("unknowns", "play", "U-0001", "-o", "clip.wav")[0] == 0
    (heard.folder / "episode2.wav").unlink()
    code, _, err = heard("unknowns", "play", "U-0001", "-o", "clip.wav", "--force")
    assert code == 1
    assert err.startswith("error: U-0001: none of its episodes can be read any more: ")


def player(folder: Path, name: str, exit_code: int, says: str = "") -> None:
    """A program that notes what it was asked to play."""
    path = folder / name
    text = f'#!/bin/sh\necho "$@" >> "{folder}/played"\necho "{says}" >&2\nexit {exit_code}\n'
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.skipif(os.name == "nt", reason="Windows plays by what is associated with the file")
def test_play_uses_the_player_that_is_there(heard: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    assert "nothing here plays sound" in heard("unknowns", "play", "U-0001")[2]
    player(programs, "aplay", 0)
    assert heard("unknowns", "play", "U-0001")[0] == 0
    assert (programs / "played").read_text(encoding="utf-8").endswith("U-0001.wav\n")
    player(programs, "paplay", 1)
    assert "paplay cannot play here; -o FILE.wav" in heard("unknowns", "play", "U-0001")[2]
    player(programs, "ffplay", 0, says="No more combinations to try, audio open failed")
    code, _, err = heard("unknowns", "play", "U-0001")
    assert code == 1
    assert err.endswith("audio open failed\nerror: ffplay cannot play here; -o FILE.wav writes the clip instead\n")


def test_split(heard: Shell) -> None:
    code, out, _ = heard("unknowns", "split", "U-0001", "episode2.wav:SPEAKER_00")
    assert (code, out) == (0, "U-0001 is now U-0001, U-0003\n")
    assert json.loads(heard("unknowns", "split", "U-0002", "--json")[1]) == {"unknown": "U-0002", "made": ["U-0004"]}
    assert heard("unknowns", "split", "U-0002")[0] == 1
    assert heard("unknowns", "split", "U-0002", "episode2.wav")[0] == cli.EXIT_USAGE


def test_merge(heard: Shell) -> None:
    heard("unknowns", "split", "U-0001", "episode2.wav:SPEAKER_00")
    assert heard("unknowns", "merge", "U-0003", "U-0001")[:2] == (
        0,
        "U-0003 is now part of U-0001, heard in 2 episode(s)\n",
    )
    assert heard("unknowns", "merge", "U-0003", "U-0001")[0] == 1
    told = json.loads(heard("unknowns", "merge", "U-0002", "U-0001", "--json")[1])
    assert (told["unknown"], len(told["speakers"])) == ("U-0001", 4)


def test_ignore(heard: Shell) -> None:
    assert heard("unknowns", "ignore", "U-0001", "--as", "jingle")[:2] == (0, "U-0001 is ignored (jingle)\n")
    assert [one["id"] for one in json.loads(heard("unknowns", "list", "--json")[1])] == ["U-0002"]
    assert "ignored (jingle)" in heard("unknowns", "list", "--all")[1]
    assert json.loads(heard("unknowns", "ignore", "U-0001", "--undo", "--json")[1]) == {
        "unknown": "U-0001",
        "ignored_as": None,
        "changes": [],
    }
    assert heard("unknowns", "ignore", "U-0001", "--undo")[1] == "U-0001 is listed again\n"
    assert heard("unknowns", "ignore", "U-0009")[0] == 1


def test_profiles_export_and_import(heard: Shell) -> None:
    heard.enroll("Ada")
    code, out, err = heard("profiles", "export", "Ada", "ada.json", "--voices")
    assert (code, out) == (0, "")
    today = datetime.now(UTC).date().isoformat()
    kept = f"Ada: permission, {today}\n"
    assert err == f"wrote ada.json: 1 voice(s); keep it as you would keep a fingerprint\n{kept}"
    err = heard("profiles", "export", "Ada", "list.json")[2]
    assert err == f"wrote list.json: 1 name(s) and no voice; --voices takes the voices along\n{kept}"
    assert stat.S_IMODE((heard.folder / "ada.json").stat().st_mode) == 0o600
    assert heard("profiles", "export", "--all", "ada.json")[2].startswith("error: ada.json exists")
    assert heard("profiles", "export", "--all", "--clips", "--force", "ada.json")[0] == 0
    assert heard("profiles", "export", "ada.json")[0] == cli.EXIT_USAGE
    heard("profiles", "forget", "Ada", "--yes")
    code, out, _ = heard("profiles", "import", "ada.json")
    assert (code, out) == (0, "Added Ada: 1 voiceprint(s)\n2 voice(s) changed their label\n")
    assert json.loads(heard("profiles", "import", "ada.json", "--json")[1]) == {
        "profiles": [{"name": "Ada", "created": False, "num_voiceprints": 0}],
        "changes": [],
    }
    assert "ada.json/a.json: cannot write: " in heard("profiles", "export", "Ada", "ada.json/a.json")[2]


def test_profiles_merge_relabels(heard: Shell) -> None:
    heard("name", "U-0001", "Grace", "--consent", "public")
    heard("name", "U-0002", "G. Hopper", "--consent", "public")
    code, out, _ = heard("profiles", "merge", "G. Hopper", "Grace", "--dry-run")
    assert code == 0
    assert out.endswith("2 voice(s) would change their label\n")
    changes = json.loads(heard("profiles", "merge", "G. Hopper", "Grace", "--json")[1])["changes"]
    assert [change["after"] for change in changes] == ["Grace", "Grace"]
