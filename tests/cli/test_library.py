"""``voicematch library`` and the library that other commands open: what is mistyped, what is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.library_example import DIMENSION, EMBEDDER, fill
from voicematch import cli
from voicematch.library import open_library

NOT_UTF8 = b"\xebx".decode("utf-8", "surrogateescape")  # as Python gives what was typed in a terminal of Latin-1
READING = (
    ("profiles", "list"),
    ("profiles", "show", "Ann Lee"),
    ("profiles", "forget", "--yes", "Ann Lee"),
    ("unknowns", "list"),
    ("episodes", "list"),
    ("episodes", "show", "1"),
    ("search", "learning"),
    ("library", "check"),
    ("library", "stats"),
    ("library", "backup", "copy.db"),
    ("batch", "status"),
    ("batch", "report"),
)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with open_library(tmp_path / "library.db", embedder=EMBEDDER, dimension=DIMENSION) as library:
        fill(library)
    return tmp_path / "library.db"


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_mistyped_path_makes_no_library(
    command: tuple[str, ...], path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*command, "--library", str(path.parent / "libary.db")]) == cli.EXIT_ERROR
    assert "libary.db: no library there yet; voicematch enroll NAME FILE makes one" in capsys.readouterr().err
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "command",
    [
        ("profiles", "show", NOT_UTF8),
        ("profiles", "forget", NOT_UTF8, "--yes"),
        ("profiles", "merge", "Bob", NOT_UTF8),
        ("profiles", "rename", "Bob", NOT_UTF8),
        ("episodes", "show", NOT_UTF8),
        ("episodes", "list", "--speaker", NOT_UTF8),
        ("search", "learning", "--speaker", NOT_UTF8),
        ("name", "Episode 1:SPEAKER_01", NOT_UTF8, "--consent", "public"),
        ("correct", "Episode 1:SPEAKER_01", NOT_UTF8, "--consent", "public"),
    ],
    ids=lambda command: ascii(" ".join(command)),
)
def test_what_is_typed_in_no_unicode_is_one_line(
    command: tuple[str, ...], path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*command, "--library", str(path)]) == cli.EXIT_ERROR
    *told, line = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert all(other.startswith("warning: ") for other in told)


def test_check_repairs_where_asked(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_library(path) as library, library._database.write() as connection:
        connection.exec_driver_sql("UPDATE speakers SET verdict = 'surely' WHERE id = 1")
    assert cli.run(["library", "check", "--library", str(path)]) == cli.EXIT_ERROR
    assert capsys.readouterr().out == "speakers 1: an unknown verdict\n"
    assert cli.run(["library", "check", "--repair", "--library", str(path)]) == 0
    assert capsys.readouterr().out == ("repaired: speakers 1: an unknown verdict; set to nothing\nno damage found\n")
    assert cli.run(["episodes", "show", "Episode 1", "--library", str(path)]) == 0
