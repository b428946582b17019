"""``library encrypt`` and ``decrypt``, and every other command on a library under a passphrase."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import voicematch
from tests.library.test_sealing import keyring_of
from tests.support.library_example import DIMENSION, EMBEDDER, fill
from voicematch import cli
from voicematch.library import open_library, passphrase, sealing

pytest.importorskip("sqlcipher3", reason="needs the extra: pip install '.[passphrase]'")

SECRET = "nine green bottles"


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[tuple[str, str], str]]:
    """What is in the system's keyring."""
    found: dict[tuple[str, str], str] = {}
    monkeypatch.delenv(passphrase.VARIABLE, raising=False)
    monkeypatch.delenv(passphrase.FILE_VARIABLE, raising=False)
    monkeypatch.setattr(passphrase, "_keyring", lambda: keyring_of(found))
    yield found
    passphrase.forget()


@pytest.fixture(name="path")
def _path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOICEMATCH_LIBRARY", str(tmp_path / "library.db"))
    with open_library(tmp_path / "library.db", embedder=EMBEDDER, dimension=DIMENSION) as library:
        fill(library)
        library.upkeep.backup(tmp_path / "before.db")
    Path("secret").write_text(SECRET + "\n", encoding="utf-8")
    return tmp_path / "library.db"


def test_there_and_back(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["library", "encrypt", "--new-passphrase-file", "secret"]) == 0
    said = capsys.readouterr().err
    assert f"{path} is under a passphrase now" in said
    assert f"not under it: {path.parent / 'before.db'}, a copy of before; delete it" in said
    assert cli.run(["profiles", "list"]) == 1
    assert "or one under a passphrase: give it with --passphrase-file" in capsys.readouterr().err
    assert cli.run(["profiles", "list", "--passphrase-file", "secret"]) == 0
    assert "Ann Lee" in capsys.readouterr().out
    assert cli.run(["library", "stats", "--json", "--passphrase-file", "secret"]) == 0
    assert json.loads(capsys.readouterr().out)["encrypted"] is True
    assert cli.run(["library", "check", "--passphrase-file", "secret"]) == 0
    assert cli.run(["library", "decrypt", "--yes", "--passphrase-file", "secret"]) == 0
    assert cli.run(["profiles", "list"]) == 0
    assert cli.run(["library", "decrypt", "--yes"]) == 1
    assert capsys.readouterr().err.endswith(f"error: {path}: is under no passphrase\n")


def test_a_wrong_one_is_one_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sealing.seal(path, SECRET)
    Path("wrong").write_text("ten green bottles")
    assert cli.run(["profiles", "list", "--passphrase-file", "wrong"]) == 1
    assert capsys.readouterr().err == (
        f"error: {path}: the passphrase (given) is wrong, or this is no voicematch library\n"
    )
    assert cli.run(["profiles", "list", "--passphrase-file", "gone"]) == 1
    assert capsys.readouterr().err == "error: gone: no passphrase can be read: No such file or directory\n"


def test_the_environment_gives_it_and_puts_a_new_library_under_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(passphrase.FILE_VARIABLE, "secret")
    assert cli.run(["library", "encrypt"]) == 0
    assert sealing.is_sealed(path)
    assert cli.run(["library", "stats", "--library", "new.db"]) == 1  # one that is named is not made by looking
    assert cli.run(["library", "set", "remember-unknowns", "no", "--library", "new.db"]) == 0
    assert sealing.is_sealed(Path("new.db"))
    capsys.readouterr()
    Path("short").write_text("sesame")
    assert cli.run(["library", "encrypt", "--new-passphrase-file", "short"]) == 1
    assert capsys.readouterr().err == "error: a passphrase has at least 8 characters; several words are best\n"


def test_the_keyring_keeps_it(path: Path, kept: dict[tuple[str, str], str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["library", "encrypt", "--new-passphrase-file", "secret", "--keyring"]) == 0
    assert kept == {("voicematch", str(path)): SECRET}
    assert cli.run(["profiles", "list"]) == 0
    Path("other").write_text("ten green bottles")
    assert cli.run(["library", "encrypt", "--new-passphrase-file", "other"]) == 0
    assert kept == {}
    assert cli.run(["library", "decrypt", "--yes", "--passphrase-file", "other"]) == 0
    capsys.readouterr()


def test_nobody_to_ask(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert cli.run(["library", "encrypt"]) == 1
    assert "no passphrase: give --new-passphrase-file, or run this in a terminal" in capsys.readouterr().err


def test_a_terminal_is_asked_once(path: Path) -> None:
    sealing.seal(path, SECRET)
    ours, theirs = pty.openpty()
    run = "from voicematch.library import passphrase; passphrase._keyring = lambda: None; "
    run += "from voicematch.cli import main; main(['profiles', 'list'])"
    with subprocess.Popen(
        [sys.executable, "-c", run],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(voicematch.__file__).parents[1],
    ) as asking:
        assert asking.stderr is not None
        said = ""
        while not said.endswith(": ") and (char := asking.stderr.read(1)):  # what is typed before is thrown away
            said += char
        os.write(ours, f"{SECRET}\n".encode())
        out, rest = asking.communicate(timeout=60)
        said += rest
    os.close(ours)
    os.close(theirs)
    assert asking.returncode == 0, said
    assert "Ann Lee" in out
    assert SECRET not in out + said


@pytest.mark.parametrize("command", ["encrypt", "decrypt"])
def test_on_postgresql_that_is_not_ours(command: str, postgresql: str, capsys: pytest.CaptureFixture[str]) -> None:
    open_library(postgresql, embedder=EMBEDDER, dimension=DIMENSION).close()
    assert cli.run(["library", command, "--library", postgresql]) == 1
    assert "PostgreSQL encrypts its own disks; see to that there" in capsys.readouterr().err
