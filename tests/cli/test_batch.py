"""``voicematch batch``: what it prints, writes and returns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.fakes import FakeEmbedder
from tests.support.tones import ENGINES, write_episode
from tests.usecases.test_identify import CALIBRATION
from voicematch import cli, open_library
from voicematch.library import NewJob

Shell = Callable[..., tuple[int, str, str]]


@pytest.fixture(name="shell")
def _shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Runs ``voicematch batch`` in a folder with a library of its own: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOICEMATCH_LIBRARY", str(tmp_path / "library.db"))
    with open_library(tmp_path / "library.db", embedder="fake", dimension=FakeEmbedder.dimension) as library:
        library.settings.set("calibration", CALIBRATION.to_json())

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = cli.run(["batch", *(str(argument) for argument in arguments)], engines=ENGINES)
        return code, *capsys.readouterr()

    return run


def test_from_a_folder_to_a_report(shell: Shell, tmp_path: Path) -> None:
    write_episode(tmp_path / "show" / "one.wav", "AB")
    (tmp_path / "show" / "bad.wav").write_bytes(b"not sound")
    assert shell("add", "show") == (0, "2 new, 0 known already; voicematch batch run labels them\n", "")
    assert shell("add", "show", "--json") == (
        0,
        '{"new": 0, "known": 2, "changed": 0, "removed": 0, "left_out": []}\n',
        "",
    )
    code, out, err = shell("run", "--jobs", "1", "-f", "srt", "-f", "json", "--out", "out/{show}/{title}")
    assert (code, out) == (cli.EXIT_PARTIAL, "")
    lines = err.splitlines()
    assert lines[0].startswith("[1/2] failed: bad: ")
    assert lines[0].rpartition("; about ")[2].endswith(" left")
    assert lines[1].startswith("[2/2] done: one: nobody named, 2 unknown (")
    assert lines[2:] == ["1 done, 1 failed"]
    assert sorted(path.name for path in (tmp_path / "out" / "show").iterdir()) == ["one.json", "one.srt"]
    assert json.loads(shell("status", "--json")[1]) == {
        "counts": {"queued": 0, "running": 0, "done": 1, "failed": 1},
        "running": [],
    }
    code, out, err = shell("status", "--failed")
    assert (code, err) == (0, "")
    assert "is not a sound file" in " ".join(out.split())
    assert shell("retry", "bad") == (0, "1 queued again\n", "")
    assert shell("retry", "bad")[0] == cli.EXIT_ERROR
    code, out, err = shell("report")
    assert out.startswith("# Backlog\n\n1 done, 0 failed, 1 to do. 0:02 of talk, 0% of it by people with a name.\n")
    assert json.loads(shell("report", "--json")[1])["episodes"][1]["title"] == "one"


def test_a_run_with_nothing_to_do(shell: Shell) -> None:
    assert shell("run") == (0, "", "0 done, 0 failed\n")


def test_a_quiet_run_and_what_is_left_out(shell: Shell, tmp_path: Path) -> None:
    write_episode(tmp_path / "one.wav", "A")
    (tmp_path / "list.txt").write_text("one.wav\nabsent.wav\n")
    code, out, err = shell("add", "list.txt")
    assert (code, out.partition(" new")[0]) == (0, "1")
    assert err == "left out: list.txt: absent.wav: no such file, folder or http(s) address\n"
    assert shell("run", "-q", "--jobs", "1") == (0, "", "1 done, 0 failed\n")


def test_a_changed_sound_is_said(shell: Shell, tmp_path: Path) -> None:
    path = write_episode(tmp_path / "one.wav", "A")
    shell("add", path)
    shell("run", "--jobs", "1")
    write_episode(path, "AB")
    assert shell("add", path)[1].splitlines() == [
        "0 new, 0 known already; voicematch batch run labels them",
        "1 offer another sound than was labelled; voicematch batch retry --changed",
    ]
    assert shell("retry", "--changed")[1] == "1 queued again\n"


def test_what_was_removed_is_labelled_again_when_a_person_asks_for_it(shell: Shell, tmp_path: Path) -> None:
    path = write_episode(tmp_path / "rec" / "cut.wav", "A")
    for ask in (["add", "rec"], ["retry", "cut"]):
        shell("add", "rec")
        assert shell("run", "--jobs", "1", "-q")[2] == "1 done, 0 failed\n"
        assert cli.run(["episodes", "remove", str(path), "--yes"]) == 0
        assert shell("retry")[1].endswith("0 queued again\n")
        assert shell(*ask)[1] in ("1 new, 0 known already; voicematch batch run labels them\n", "1 queued again\n")
        assert shell("run", "--jobs", "1", "-q")[2] == "1 done, 0 failed\n"
        assert cli.run(["episodes", "remove", str(path), "--yes"]) == 0


def test_a_list_that_names_itself(shell: Shell, tmp_path: Path) -> None:
    write_episode(tmp_path / "one.wav", "A")
    (tmp_path / "list.txt").write_text("list.txt\nother.txt\none.wav\n")
    (tmp_path / "other.txt").write_text("list.txt\n")
    code, out, err = shell("add", "list.txt", "./list.txt")
    assert (code, out.partition(" new")[0]) == (0, "1")
    again = "list.txt: was looked through already; it names itself, or is listed twice"
    assert err.splitlines() == [f"left out: list.txt: {again}", f"left out: other.txt: {again}"]


def test_what_is_running_is_shown(shell: Shell, tmp_path: Path) -> None:
    with open_library(tmp_path / "library.db") as library:
        library.jobs.add([NewJob("k", "/a.mp3", "The one")])
        library.jobs.claim("w")
    assert "The one" in shell("status")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["add"], 2, "Missing argument"),
        (["add", "x", "--since", "yesterday"], 2, "'yesterday' is not a day"),
        (["add", "x", "--limit", "0"], 2, "Invalid value"),
        (["add", "absent"], 1, "error: absent: no such file, folder or http(s) address"),
        (["add", ".", "--match", "("], 1, "error: (: not a regular expression"),
        (["run", "--jobs", "0"], 2, "Invalid value"),
        (["run", "-f", "docx"], 2, "'docx' is not one of"),
        (["run", "--out", "{nonsense}"], 1, "error: {nonsense}: no field {nonsense}; there are {show}"),
    ],
)
def test_what_goes_wrong(shell: Shell, arguments: list[str], code: int, reason: str) -> None:
    found, out, err = shell(*arguments)
    assert (found, out) == (code, "")
    assert reason in " ".join(err.split())
