"""Whether anything that voicematch stands on talks to anybody: ``python -m tests.measure.network`` (Linux, strace).

Each long command runs for more than half a minute in a network namespace of its own that has no way out, with every
system call of the network written down, onnxruntime's in C++ too: such a report came nine seconds into a run. As a
control, onnxruntime runs without voicematch's switches; a release that sends nothing then proves little, and the
last line says so. Exits 1 when a command asked for an address, or left a file in the cache or temp folder.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicematch.net import reports

SECONDS = 35
MAIN = "from voicematch.cli import main; main()"
LISTEN = f"""
import time
from voicematch.engines import open_embedder
import numpy as np
embedder, until = open_embedder("ecapa-small-4"), time.monotonic() + {SECONDS}
while time.monotonic() < until:
    embedder.embed(np.zeros(32000, np.float32), np.array([[0, 32000]]))
"""
CONTROL = f"""
import sys, time
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
time.sleep({SECONDS})
"""
OUTSIDE = re.compile(r"AF_INET6?\b(?!.*(?:127\.0\.0\.1|::1))")


@dataclass(frozen=True)
class Ran:
    """asked : the system calls that were meant for another machine; left : files in the cache and temp folders"""

    name: str
    asked: tuple[str, ...]
    left: tuple[str, ...]
    code: int


def watched(name: str, code: str, arguments: list[str], folder: Path) -> Ran:
    """Run some Python in a namespace without a network, and say whom it asked."""
    home, temp, log = folder / "home", folder / "temp", folder / "strace"
    for place in (home, temp):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
    environment = {key: value for key, value in os.environ.items() if key not in reports.SWITCHES}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), "TMPDIR": str(temp)}
    traced = ["strace", "-f", "-qq", "-e", "trace=network", "-o", str(log), sys.executable, "-c", code, *arguments]
    ran = subprocess.run(["unshare", "-rn", *traced], env=environment, cwd=folder, capture_output=True, check=False)
    asked = tuple(line for line in log.read_text(errors="replace").splitlines() if OUTSIDE.search(line))
    left = tuple(str(path.relative_to(folder)) for place in (home, temp) for path in place.rglob("*") if path.is_file())
    return Ran(name, asked, left, ran.returncode)


def long_recording(folder: Path) -> Path:
    """Noise in bursts, of an hour and a half: identifying it takes more than half a minute on two cores."""
    path = folder / "long.wav"
    rng = np.random.default_rng(0)
    second = (rng.normal(0.0, 0.1, 16_000) * 32767).astype("<i2").tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        for _ in range(5400):
            file.writeframes(second)
    return path


def main() -> int:
    for program in ("unshare", "strace"):
        if shutil.which(program) is None:
            print(f"not looked at: no {program} here")
            return 0
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        print("not looked at: this system lets nobody have a network namespace")
        return 0
    from voicematch.models import files

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        recording = str(long_recording(folder))
        library = ["--library", str(folder / "library.db")]
        every = [
            watched("the embedder", LISTEN, [], folder),
            watched("identify", MAIN, ["identify", recording, "-q", *library], folder),
            watched("batch add", MAIN, ["batch", "add", recording, *library], folder),
            watched("batch run", MAIN, ["batch", "run", "-q", *library], folder),
            watched("bench", MAIN, ["bench", recording], folder),
        ]
        control = watched("control", CONTROL, [str(files.path("ecapa-small-4"))], folder)
    for ran in every:
        print(f"{ran.name}: exit {ran.code}, {len(ran.asked)} calls to others, left {', '.join(ran.left) or 'nothing'}")
        for line in ran.asked[:3]:
            print(f"  {line}")
    sends = f"{len(control.asked)} calls to others" if control.asked else "sends nothing either, so this proves little"
    print(f"control, onnxruntime without the switches: {sends}; left {', '.join(control.left) or 'nothing'}")
    return int(any(ran.asked or ran.left for ran in every))


if __name__ == "__main__":
    sys.exit(main())
