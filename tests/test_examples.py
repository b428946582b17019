"""The example episode is what its truth says, and the ten-line scripts run on it."""

from __future__ import annotations

import json
import os
import plistlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from voicematch import cli
from voicematch.audio import SAMPLE_RATE, Audio

EXAMPLES = Path(__file__).parent.parent / "examples"
PYPROJECT = (EXAMPLES.parent / "pyproject.toml").read_text(encoding="utf-8")
FORCED = re.compile(
    r'^"[a-z]+/[^"]+" = "voicematch/weights/', re.MULTILINE
)  # files that the wheel needs beside the code
NAMES = ("Ada", "Basil", "Conrad")


def truth() -> list[tuple[float, float, str]]:
    rows = (line.split() for line in (EXAMPLES / "episode.rttm").read_text(encoding="utf-8").splitlines())
    return [(float(row[3]), float(row[3]) + float(row[4]), row[7]) for row in rows]


def run(script: str, *arguments: str, library: Path) -> str:
    command = [sys.executable, str(EXAMPLES / script), *arguments]
    environment = os.environ | {"VOICEMATCH_LIBRARY": str(library), "PYTHONPATH": str(EXAMPLES.parent)}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def test_the_truth_is_where_the_sound_is() -> None:
    (samples,) = Audio(EXAMPLES / "episode.mp3").slices([(0.0, 1000.0)])
    loudness = np.sqrt((samples[: len(samples) // 160 * 160].reshape(-1, 160).astype(np.float64) ** 2).mean(axis=1))
    spoken = np.zeros(len(loudness), dtype=bool)
    for start, end, _ in truth():
        spoken[round(start * 100) - 2 : round(end * 100) + 2] = True
    assert loudness[~spoken].max() < 0.002 < 0.03 < loudness[spoken].mean()
    for start, end, _ in truth():  # each turn is loud within a tenth of a second of its ends
        assert loudness[round(start * 100) :][:10].max() > 0.002
        assert loudness[: round(end * 100)][-10:].max() > 0.002


def test_three_voices_share_the_episode() -> None:
    seconds = {name: sum(end - start for start, end, who in truth() if who == name) for name in NAMES}
    assert sorted({who for _, _, who in truth()}) == sorted(NAMES)
    assert min(seconds.values()) > 20.0
    assert 60.0 < len(Audio(EXAMPLES / "episode.mp3").read(0.0, 1000.0)) / SAMPLE_RATE < 120.0


@pytest.mark.parametrize("name", NAMES)
def test_there_is_enough_of_each_voice_to_enroll(name: str) -> None:
    assert Audio(EXAMPLES / "voices" / f"{name}.mp3").duration > 20.0


def test_the_scripts_name_the_voices_they_were_given_and_no_other(tmp_path: Path) -> None:
    library = tmp_path / "library.db"
    for name in ("Ada", "Basil"):
        assert run("enroll.py", name, str(EXAMPLES / "voices" / f"{name}.mp3"), library=library).startswith(f"{name}: ")
    rows = [line.split() for line in run("identify.py", str(EXAMPLES / "episode.mp3"), library=library).splitlines()]
    named = dict.fromkeys(NAMES, 0.0)
    for start, end, who in truth():
        for row in rows:
            overlap = min(end, float(row[1])) - max(start, float(row[0]))
            given = row[2] if row[2] in NAMES else "Conrad"  # the stranger keeps a local label
            named[who] += max(0.0, overlap) if given == who else 0.0
    assert {row[2] for row in rows} >= {"Ada", "Basil"}
    for who, seconds in named.items():
        assert seconds > 0.8 * sum(end - start for start, end, name in truth() if name == who)


def test_the_units_watch_as_the_command_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    """What systemd and launchd start is a command line that voicematch takes."""
    service = (EXAMPLES / "voicematch-watch.service").read_text(encoding="utf-8")
    (started,) = re.findall(r"^ExecStart=/usr/bin/env (.+)$", service, re.MULTILINE)
    assert f"SuccessExitStatus={cli.EXIT_STOPPED}\n" in service
    agent = plistlib.loads((EXAMPLES / "org.voicematch.watch.plist").read_bytes())
    assert agent["ProgramArguments"][:2] == ["/bin/sh", "-c"]
    for command in (started, agent["ProgramArguments"][2].removeprefix("exec ")):
        program, *arguments = shlex.split(command)
        assert program == "voicematch"
        assert cli.run([*arguments, "--help"]) == 0
        assert arguments[:2] == ["batch", "watch"]
    capsys.readouterr()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
    unit = EXAMPLES / "voicematch-watch.service"
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(unit)], env=environment, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_container_runs_as_nobody_and_asks_for_a_password() -> None:
    steps = re.findall(r"^([A-Z]+) (.+)$", (EXAMPLES / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    last = dict(steps)
    assert last["USER"] == "10001"
    assert last["VOLUME"] in last["ENV"]
    assert json.loads(last["CMD"])[:3] == ["serve", "--host", "0.0.0.0"]
    assert "PASSWORD" not in last["ENV"]
    kept = (EXAMPLES / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    needed = {line.partition('"')[2].partition("/")[0] for line in FORCED.findall(PYPROJECT)}
    assert kept[0] == "*"
    assert {f"!{name}" for name in needed | {"voicematch", "pyproject.toml", "README.md", "LICENSE"}} <= set(kept)
