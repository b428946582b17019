"""Nothing that voicematch stands on reports to its makers."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from voicematch.library import open_library
from voicematch.net import reports

PRINT_SWITCHES = """
import os
for module in ("voicematch.models", "voicematch.batch", "voicematch.cli"):
    __import__(module)
print(all(os.environ.get(name) == value for name, value in {switches}.items()))
"""


def test_whatever_part_is_imported_first_the_switches_are_off() -> None:
    without = {name: value for name, value in os.environ.items() if name not in reports.SWITCHES}
    code = PRINT_SWITCHES.replace("{switches}", repr(reports.SWITCHES))
    answer = subprocess.run([sys.executable, "-c", code], env=without, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "True"


def test_a_switch_that_somebody_set_otherwise_is_off_too() -> None:
    env = os.environ | dict.fromkeys(reports.SWITCHES, "on")
    code = PRINT_SWITCHES.replace("{switches}", repr(reports.SWITCHES))
    answer = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "True"


REPORTERS = {"onnxruntime", "huggingface_hub", "pyannote", "ray", "faster_whisper", "speechbrain"}
ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("script", sorted((ROOT / "models" / "train").glob("*.py")), ids=lambda path: path.stem)
def test_a_script_of_the_training_switches_off_before_it_imports_what_reports(script: Path) -> None:
    """Each of these packages reads its switch once; a later import of voicematch would come too late."""
    found: list[str] = []
    for node in ast.parse(script.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found += [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module.partition(".")[0])
    first = next((at for at, name in enumerate(found) if name in REPORTERS), None)
    assert first is None or "voicematch" in found[:first]


BANNED = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
        raise SystemExit(f"{event} {arguments}")

sys.addaudithook(refuse)
from voicematch.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    "command",
    [
        ("identify", "examples/episode.mp3", "-q", "--voices", "examples/voices"),
        ("enroll", "Ada", "examples/voices/Ada.mp3", "--consent", "public", "-q"),
        ("batch", "add", "examples/voices"),
        ("models", "verify"),
        ("profiles", "list"),
        ("mcp",),
    ],
    ids=" ".join,
)
def test_no_command_opens_a_connection(command: tuple[str, ...], tmp_path: Path) -> None:
    """What Python opens is stopped here; what a runtime in C++ would, `tests.measure.network` looks at."""
    library = [] if command[0] == "models" else ["--library", str(tmp_path / "library.db")]
    if command[0] in ("profiles", "mcp"):
        open_library(tmp_path / "library.db").close()
    asked = [sys.executable, "-c", BANNED, *command, *library]
    ran = subprocess.run(asked, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert "socket." not in ran.stdout + ran.stderr
    assert ran.returncode == 0, ran.stderr
