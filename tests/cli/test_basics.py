"""What every command shares: help, errors in one line, exit codes."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from voicematch import cli, open_library
from voicematch.cli import options

RUNTIMES = ("av", "numpy", "onnxruntime", "rich", "scipy", "sqlalchemy")


def all_commands() -> list[list[str]]:
    found: list[list[str]] = []
    context = click.Context(cli.cli)
    for name in cli.COMMANDS:
        command = cli.cli.get_command(context, name)
        assert command is not None
        found.append([name])
        if isinstance(command, click.Group):
            found.extend([name, sub] for sub in command.commands)
    return found


def test_help_loads_no_runtime() -> None:
    """Starting has to be quick: nothing heavy is imported before a command needs it."""
    code = (
        "import sys; from voicematch import cli; code = cli.run(['--help']);"
        f"loaded = [name for name in {RUNTIMES!r} if name in sys.modules]; print(code, loaded)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "0 []"


@pytest.mark.parametrize("command", all_commands(), ids=" ".join)
def test_every_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*command, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Usage: voicematch {' '.join(command)}")
    assert len(out.splitlines()) > 4


@pytest.mark.parametrize("command", all_commands(), ids=" ".join)
def test_every_command_is_in_the_readme(command: list[str]) -> None:
    readme = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")
    first, *rest = command
    rows = [line for line in readme.splitlines() if line.startswith("|") and f"`voicematch {first}" in line]
    assert rows
    assert all(f"`{name}`" in rows[0] for name in rest)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    import voicematch

    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"voicematch, version {voicematch.__version__}\n"


def test_the_module_is_the_command() -> None:
    asked = [sys.executable, "-m", "voicematch", "identify", "absent.mp3"]
    ran = subprocess.run(asked, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr.splitlines()[-1][:6]) == (1, "", "error:")


@pytest.mark.parametrize(
    "arguments",
    [
        ["idnetify"],
        ["identify"],
        ["identify", "a.mp3", "--no-such-option"],
        ["identify", "a.mp3", "-f", "docx"],
        ["identify", "a.mp3", "--speakers", "many"],
        ["identify", "a.mp3", "--speakers", "5-2"],
        ["identify", "a.mp3", "b.mp3", "--transcript", "a.srt"],
        ["identify", "a.mp3", "--transcript", "a.srt", "--transcribe"],
        ["identify", "a.mp3", "-o", "-"],
        ["identify", "a.mp3", "--tracks", "--channels"],
        ["identify", "a.mp3", "b.mp3", "--tracks", "--track", "1"],
        ["identify", "a.mp3", "b.mp3", "--tracks", "--speakers", "2"],
        ["identify", "a.mp3", "b.mp3", "--tracks", "--diarizer", "pyannote"],
        ["identify", "a.mp3", "--channels", "--channel", "2"],
        ["identify", "Ada=a.mp3", "--tracks"],
        ["identify", "Ada=a.mp3", "ada=b.mp3", "--tracks"],
        ["identify", "a.mp3", "b.mp3", "--tracks", "--enroll", "--consent", "self"],
        ["identify", "Ada=a.mp3", "b.mp3", "--tracks", "--consent", "self"],
        ["identify", "Ada=a.mp3", "b.mp3", "--tracks", "--enroll", "--no-store", "--consent", "self"],
        ["identify", "Ada=a.mp3", "b.mp3", "--tracks", "--enroll"],
        ["identify", "a.mp3", "--enroll"],
        ["batch", "add", "a.mp3", "--tracks", "--channels"],
        ["batch", "watch", "a", "--every", "soon"],
        ["batch", "watch", "a", "--every", "0h"],
        ["batch", "watch", "a", "--every", "0.01s"],
        ["batch", "watch", "a", "--every", "9" * 400 + "d"],
        ["batch", "watch", "a", "--since", "2024-02-30"],
        ["batch", "run", "--cache-size", "nan"],
        ["search", "x", "--since", "last week"],
        ["search", "x", "--since", "2024-13"],
        ["episodes", "list", "--since", "0000"],
        ["episodes", "list", "--since", "20240131"],
        ["fix", "a", "--at", "9" * 400, "--text", "x"],
        ["profiles", "figures", "Ada", "--latest", "9" * 20],
        ["enroll", "Ada", "a.wav"],
        ["enroll", "Ada", "a.wav", "--consent", "permission", "--from", "noon"],
        ["enroll", "Ada", "a.wav", "--consent", "permission", "--from", "1:00", "--to", "0:30"],
        ["name", "episode", "Ada", "--consent", "public"],
    ],
    ids=lambda arguments: " ".join(arguments)[:60],
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == cli.EXIT_USAGE
    err = capsys.readouterr().err
    assert "Error:" in err
    assert "Traceback" not in err


class Full(io.StringIO):
    """What leads to a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("arguments", [["--help"], ["models", "list"], ["models", "list", "--json"]], ids=" ".join)
def test_a_full_disk_is_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", Full())
    assert cli.run(arguments) == cli.EXIT_ERROR
    assert capsys.readouterr().err == "error: cannot write: No space left on device\n"


LONG = "x" * 300  # which no system takes for the name of a file


@pytest.mark.parametrize(
    "arguments",
    [["batch", "add", LONG], ["batch", "watch", LONG], ["library", "backup", LONG], ["site", LONG], ["notes", LONG]],
    ids=lambda arguments: " ".join(arguments)[:20],
)
def test_a_place_that_cannot_be_looked_at_is_one_line(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_library(tmp_path / "l.db"):
        pass
    assert cli.run([*arguments, "--library", "l.db"]) == cli.EXIT_ERROR
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("error: ")
    with open_library(tmp_path / "l.db") as library:
        assert library.copies.all() == ()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_every_name_can_be_printed(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To a file in Windows, or where the language is none of UTF-8."""
    location = str(tmp_path / "l.db")
    with open_library(location) as library:
        library.profiles.create("\u0141ukasz \U0001f600")

    def printed(*arguments: str) -> bytes:
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
        assert cli.run([*arguments, "--library", location]) == 0
        sys.stdout.flush()
        return raw.getvalue()

    assert json.loads(printed("profiles", "list", "--json").decode())[0]["name"] == "\u0141ukasz \U0001f600"
    assert "ukasz" in printed("profiles", "list").decode(encoding)


def test_days() -> None:
    for day in ("2024", "2024-02", "2024-02-29"):
        assert options.Day().convert(day, None, None) == day


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30.0), ("1:02", 62.0), ("1:02:03.5", 3723.5), ("0:00", 0.0), ("90.25", 90.25)]
)
def test_timestamps(text: str, seconds: float) -> None:
    assert options.Timestamp().convert(text, None, None) == seconds


@pytest.mark.parametrize(("text", "count"), [("3", (3, 3)), ("2-5", (2, 5))])
def test_speaker_counts(text: str, count: tuple[int, int]) -> None:
    assert options.SpeakerCount().convert(text, None, None) == count


def test_the_face_names_what_it_exports() -> None:
    import voicematch

    for name in voicematch.__all__:
        assert getattr(voicematch, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        assert voicematch.nonsense
