"""``voicematch serve`` and ``voicematch site``, as they are started and stopped."""

from __future__ import annotations

import base64
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from voicematch import cli
from voicematch.errors import VoicematchError
from voicematch.web import server

VOICEMATCH = [sys.executable, "-c", "from voicematch.cli import main; main()"]
WITHOUT_JINJA = "import sys; sys.modules['jinja2'] = None; from voicematch.cli import main; main()"


@contextmanager
def serving(
    library: Path, *arguments: str, stdin: int | None = None, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and the address it prints."""
    command = [*VOICEMATCH, "serve", "--port", "0", "--library", str(library), *arguments]
    whole = os.environ | environment
    own = stdin is not None  # a terminal is nobody else's
    with subprocess.Popen(
        command, stdin=stdin, stderr=subprocess.PIPE, text=True, env=whole, start_new_session=own
    ) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            address = re.match(r"(http://\S+/) shows .*; \^C ends it$", said)
            assert address is not None, said + process.stderr.read()
            yield process, address[1]
        finally:
            process.kill()


def test_serve_answers_until_it_is_stopped(web_library_file: Path) -> None:
    with serving(web_library_file) as (process, address):
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{address}speakers/1") as answer:
            page = answer.read().decode()
            assert "Ada Ash" in page
            assert "server" not in answer.headers
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read() == "stopped\n"
        assert process.wait(timeout=20) == 0


def test_serve_for_others_asks_for_the_password(web_library_file: Path) -> None:
    with serving(web_library_file, "--host", "0.0.0.0", VOICEMATCH_PASSWORD="long enough") as (process, address):
        here = address.replace("0.0.0.0", "127.0.0.1")
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(here)
        refused.value.close()
        knowing = base64.b64encode(b"me:long enough").decode()
        request = urllib.request.Request(here, headers={"authorization": f"Basic {knowing}"})
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read() == "stopped\n"


def test_the_password_may_come_as_a_secret(web_library_file: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("long enough\n", encoding="utf-8")
    secret = str(tmp_path / "secret")
    with serving(web_library_file, "--host", "0.0.0.0", VOICEMATCH_PASSWORD_FILE=secret) as (_, address):
        knowing = base64.b64encode(b"me:long enough").decode()
        headers = {"authorization": f"Basic {knowing}"}
        request = urllib.request.Request(address.replace("0.0.0.0", "127.0.0.1"), headers=headers)
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200


def test_nobody_at_the_terminal_is_asked_for_what_a_page_needs(web_library_file: Path, tmp_path: Path) -> None:
    """A backup may be under another passphrase; who forgets somebody on the pages is told so, and does not wait."""
    backup = web_library_file.with_name(f"{web_library_file.name}.1.backup")
    backup.write_bytes(bytes(range(256)) * 32)  # as random as what is under one
    beyond, terminal = os.openpty()
    with serving(web_library_file, stdin=terminal) as (_, address):
        body = b"name=Ada+Ash&backups=yes"
        with urllib.request.urlopen(f"{address}actions/forget", body, timeout=60) as answer:
            assert f"{backup.name} may hold the name still: a backup that cannot be changed" in answer.read().decode()
    os.close(terminal)
    os.close(beyond)


def test_a_secret_that_is_not_there(web_library_file: Path, tmp_path: Path) -> None:
    arguments = ["serve", "--port", "0", "--host", "0.0.0.0", "--library", str(web_library_file)]
    environment = os.environ | {"VOICEMATCH_PASSWORD_FILE": str(tmp_path / "none")}
    ran = subprocess.run([*VOICEMATCH, *arguments], capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 1
    assert "none: the password cannot be read from it" in ran.stderr


def test_a_short_password(web_library_file: Path) -> None:
    arguments = ["serve", "--port", "0", "--host", "0.0.0.0", "--library", str(web_library_file)]
    environment = os.environ | {"VOICEMATCH_PASSWORD": "short"}
    ran = subprocess.run([*VOICEMATCH, *arguments], capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 1
    assert ran.stderr == "error: the password has fewer than 8 characters; choose a longer one\n"


def test_a_port_that_is_taken(web_library_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.run(["serve", "--port", str(port), "--library", str(web_library_file)]) == 1
    assert capsys.readouterr().err == f"error: 127.0.0.1:{port}: Address already in use; --port 0 takes a free port\n"


def test_a_host_that_is_none() -> None:
    with pytest.raises(VoicematchError, match=r"^not a host:0: .*; --port 0 takes a free port$"):
        server.listen("not a host", 0)


def test_serve_of_wrong_things(web_library_file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.run(["serve", "--host", "::1", "--port", "99999", "--library", str(web_library_file)]) == 2
    assert "99999" in capsys.readouterr().err
    assert cli.run(["serve", "--library", str(tmp_path)]) == 1
    assert "a directory, not a library" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["serve"], ["site", "out"]], ids=" ".join)
def test_without_the_extra(arguments: list[str]) -> None:
    command = [sys.executable, "-c", WITHOUT_JINJA, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr == "error: the pages need jinja2: pip install 'voicematch[web]'\n"


def test_site(web_library_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = ["site", str(out), "--library", str(web_library_file)]
    assert cli.run(arguments) == 0
    err = capsys.readouterr().err
    assert re.fullmatch(rf"wrote \d+ pages to {re.escape(str(out))}; \d+ files changed, 0 removed\n", err)
    assert (out / "index.html").is_file()
    assert cli.run(arguments) == 0
    assert "; 0 files changed, 0 removed" in capsys.readouterr().err


def test_site_of_no_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["site", str(tmp_path / "out"), "--library", str(tmp_path / "none.db")]) == 1
    assert "no library there yet" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_site_into_a_folder_of_others(
    web_library_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["site", str(tmp_path), "--library", str(web_library_file)]) == 1
    assert "--force" in capsys.readouterr().err
