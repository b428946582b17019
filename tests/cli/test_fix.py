"""The command that puts one line right."""

from __future__ import annotations

import json

import pytest

from tests.cli.test_cli import Shell
from tests.cli.test_cli import shell as shell  # the fixture
from tests.usecases.test_identify import noise
from voicematch import open_library

LINES = """1
00:00:00,200 --> 00:00:19,800
Welcome to the show

2
00:00:20,200 --> 00:00:39,800
thank you it is good to be here

3
00:00:40,200 --> 00:00:49,800
Goodbye
"""


@pytest.fixture
def episode(shell: Shell) -> str:
    noise(shell.folder / "ep.wav", 50, seed=1)
    (shell.folder / "ep.srt").write_text(LINES)
    assert shell("identify", "ep.wav", "--transcript", "ep.srt", "-f", "txt")[0] == 0
    return "ep.wav"


def test_a_line_is_given_listed_and_taken_back(shell: Shell, episode: str) -> None:
    before = (shell.folder / "ep.txt").read_text()
    to = ("--speaker", "Ada Byron", "--consent", "public", "--consent-note", "said so at the table")
    code, out, _ = shell("fix", episode, "--at", "0:20-0:39", *to)
    assert (code, out.split(";")[0]) == (0, "0:20-0:39 is Ada Byron (fix 1)")
    assert "said so at the table" in shell("profiles", "show", "Ada Byron")[1]
    assert "Ada Byron" in (shell.folder / "ep.txt").read_text()
    _, out, _ = shell("search", "thank")
    assert "Ada Byron" in out
    code, out, _ = shell("fix", episode, "--list", "--json")
    assert [(row["number"], row["profile"], row["kind"]) for row in json.loads(out)] == [(1, "Ada Byron", "give")]
    assert "is Ada Byron" in shell("fix", episode, "--list")[1]
    assert shell("fix", episode, "--undo")[1].startswith("fix 1 is taken back")
    assert (shell.folder / "ep.txt").read_text() == before
    assert "Nothing was fixed" in shell("fix", episode, "--list")[2]


def test_words_of_a_line_are_counted_from_one(shell: Shell, episode: str) -> None:
    code, out, _ = shell("fix", episode, "--at", "0:25", "--from-word", "3", "--speaker", "new", "--json")
    assert (code, json.loads(out)["speaker"]) == (0, "SPEAKER_02")
    with open_library(shell.library) as library:
        lines = library.episodes.get(episode).lines
    assert [line.text for line in lines if line.speaker == "SPEAKER_02"] == ["it is good to be here"]


def test_words_change_and_two_speakers_are_one_and_one_is_two(shell: Shell, episode: str) -> None:
    assert shell("fix", episode, "--at", "0:41", "--text", "Good night")[0] == 0
    assert "Good night" in (shell.folder / "ep.txt").read_text()
    assert shell("fix", episode, "--merge", "SPEAKER_01", "SPEAKER_00")[0] == 0
    assert "SPEAKER_01" not in (shell.folder / "ep.txt").read_text()
    assert shell("fix", episode, "--split", "SPEAKER_00", "--at", "0:41")[0] == 0
    assert "SPEAKER_02" in (shell.folder / "ep.txt").read_text()
    assert shell("fix", episode, "--undo", "--number", "2", "--dry-run")[1].startswith("fix 2 is taken back")
    assert len(json.loads(shell("fix", episode, "--list", "--json")[1])) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 2, "say one thing"),
        (("--undo", "--list"), 2, "say one thing"),
        (("--speaker", "new"), 2, "--speaker needs --at"),
        (("--undo", "--at", "0:20"), 2, "--undo takes no --at"),
        (("--at", "0:20-0:30", "--text", "x"), 2, "one --at TIME"),
        (("--at", "0:30-0:20", "--speaker", "new"), 2, "ends before it begins"),
        (("--at", "soon", "--speaker", "new"), 2, "is not a time"),
        (("--list", "--number", "3"), 2, "--number goes with --undo"),
        (("--at", "0:20", "--speaker", "Ada"), 1, "--consent"),
        (("--undo", "--number", "4"), 1, "nothing was fixed"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    shell: Shell, episode: str, arguments: tuple[str, ...], code: int, says: str
) -> None:
    got, out, err = shell("fix", episode, *arguments)
    assert (got, out) == (code, "")
    assert says in err.splitlines()[-1]
