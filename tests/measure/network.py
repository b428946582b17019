"""Whether anything that voicematch stands on talks to anybody: ``python -m tests.measure.network`` (Linux).

Every long command runs for more than half a minute in a network of its own without a way out, where a server of names
and listeners on the ports of the web hear whoever calls home (`tests.measure.no_way_out`), and strace, where it is
installed, sees calls to any other port, onnxruntime's in C++ too: such a report came nine seconds into a run. Prints
each command with its seconds, its calls, and the files that it left in the cache and temp folders.

--ray PYTHON, --torch PYTHON : the Pythons of environments with these extras; else this one, where it has them
--only NAME... : these runs alone

Two controls: one that calls home has to be heard, or nothing here proves anything; and onnxruntime without voicematch's
switches, which says whether this release would send at all. Where nobody may have a namespace, Python's own calls are
watched in-process, and it says so. Exits 1 when a command called, left a file, failed, or a control was not heard.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.measure.long_runs import COMMAND
from voicematch.net import reports

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent
EPISODE, VOICES = ROOT / "examples" / "episode.mp3", ROOT / "examples" / "voices"
SHARED = Path(os.environ.get("VOICEMATCH_SHARED", ROOT.parent / "shared"))
SEGMENTATION = SHARED / "models" / "segmentation-3.0"
NAMESPACES = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
LONGEST = 300.0  # s that one run may take
MINUTES = 30  # of the long recording
FONTS = "h/.cache/matplotlib/"  # the list of this machine's fonts that matplotlib makes, which pyannote.audio imports
# In-process, where there are no namespaces: what this Python and those that it starts ask for, but not this machine.
WATCHED = """
import json, os, sys
def heard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
        where = str(arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[0])
        near = any(own in where for own in ("127.0.0.1", "::1", "localhost")) or where.startswith(("/", "b'", "'/"))
        if not near:
            with open(os.environ["MEASURE_CALLS"], "a") as log:
                log.write(json.dumps(f"{event} {where}") + "\\n")
sys.addaudithook(heard)
"""


@dataclass(frozen=True)
class Run:
    """What is run: one of ``long_runs.RUNS`` and its arguments, in which {library}, {own} and {long} stand for a copy
    of the library, a folder of its own, and the long recording.

    needs : modules without which it is skipped, aloud
    before : a command of voicematch that prepares the library, unwatched
    extra : whose Python runs it
    """

    name: str
    run: tuple[str, ...]
    needs: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    extra: str = ""


@dataclass(frozen=True)
class Ran:
    """calls : what was asked of another machine; left : files in the cache and temp folders; said : on stderr"""

    name: str
    seconds: float
    calls: tuple[str, ...]
    left: tuple[str, ...]
    code: int
    said: str


def of_command(name: str, *arguments: str, **more: str | tuple[str, ...]) -> Run:
    return Run(name, ("command", *arguments, "--library", "{library}"), **more)  # type: ignore[arg-type]


QUEUED = ("batch", "add", "{long}")
RUNS = (
    of_command("identify", "identify", "{long}", "-q"),
    Run("serve", ("serve", "{library}"), needs=("starlette", "uvicorn")),
    of_command("batch add", "batch", "add", "{long}"),
    of_command("batch run", "batch", "run", "-q", before=QUEUED),
    Run("mcp", ("mcp", "{library}"), needs=("mcp",)),
    of_command("notes", "notes", "{own}/notes", "-q"),
    Run("bench", ("command", "bench", "{long}", "-q")),
    of_command("site", "site", "{own}/site", "-q", needs=("starlette", "jinja2")),
    Run("batch watch", ("watch", "{watched}", "-q", "-f", "json", "-o", "{own}", "--library", "{library}")),
    of_command("calibrate", "calibrate", "--embedder", "ecapa-small-4", "-q"),
    of_command("library upgrade", "library", "upgrade", "--embedder", "ecapa-small-4", "-q"),
    of_command("enroll", "enroll", "Ada", str(VOICES / "Ada.mp3"), "--consent", "public", "-q"),
    of_command(
        "identify --transcribe",
        *("identify", str(EPISODE), "--transcribe", "--whisper", "{whisper}", "-f", "vtt", "-o", "{own}", "-q"),
        needs=("faster_whisper",),
    ),
    of_command(
        "the same, a model that is not here",
        *("identify", str(EPISODE), "--transcribe", "--whisper", "small", "-q"),
        needs=("faster_whisper",),
    ),
    of_command("batch run --ray", "batch", "run", "--ray", "local", "-q", before=QUEUED, needs=("ray",), extra="ray"),
    of_command(
        "identify --diarizer pyannote",
        *("identify", str(EPISODE), "--diarizer", f"pyannote:{SEGMENTATION}", "-q"),
        needs=("pyannote.audio",),
        extra="torch",
    ),
    Run("SpeechBrain's embedder", ("speechbrain", "{own}"), needs=("speechbrain",), extra="torch"),
)
REFUSES = ("the same, a model that is not here",)  # its one line and exit 1 are what is wanted
CONTROLS = (
    Run("control: one that calls home", ("caller",)),
    Run("control: onnxruntime without the switches", ("runtime", str(ROOT / "models" / "ecapa-small-4.onnx"))),
)


@dataclass(frozen=True)
class Place:
    """Where everything lies, and how a run is begun there; ``namespaces``: the words before it, or none."""

    folder: Path
    pythons: dict[str, str]
    namespaces: tuple[str, ...]

    def run(self, number: int, what: Run) -> Ran | str:
        """Run one, and return how it went, or why it was not run."""
        python = self.pythons.get(what.extra, sys.executable)
        missing = _missing(python, what.needs)
        if missing:
            return f"SKIPPED: no {missing} in {what.extra or 'this'} environment"
        if what.extra == "torch" and "pyannote" in what.name and not (SEGMENTATION / "pytorch_model.bin").is_file():
            return f"SKIPPED: no segmentation model in {SEGMENTATION}"
        own = self.folder / str(number)  # short, for Ray's sockets lie below it
        home, temp, log = own / "h", own / "t", own / "calls"
        for each in (home, temp, own / "own", own / "data"):
            each.mkdir(parents=True)
        shutil.copytree(self.folder / "library", own / "library")
        words = {"library": own / "library" / "library.db", "own": own / "own", "long": self.folder / "long.wav"}
        words |= {"whisper": self.folder / "whisper", "watched": self.folder / "watched"}
        environment = {key: value for key, value in os.environ.items() if key not in reports.SWITCHES}
        environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), "TMPDIR": str(temp)}
        environment |= {"XDG_DATA_HOME": str(own / "data"), "PYTHONDONTWRITEBYTECODE": "1", "MEASURE_CALLS": str(log)}
        if what.before:
            prepared = [word.format(**words) for word in (*what.before, "--library", "{library}")]
            subprocess.run([python, *COMMAND[1:], *prepared], env=environment, cwd=own, capture_output=True, check=True)
        asked = [python, "-P", str(HERE / "long_runs.py"), *(word.format(**words) for word in what.run)]
        if self.namespaces:
            asked = [*self.namespaces, sys.executable, "-P", str(HERE / "no_way_out.py"), str(log), *asked]
        else:
            (own / "sitecustomize.py").write_text(WATCHED)
            environment["PYTHONPATH"] = f"{own}{os.pathsep}{environment.get('PYTHONPATH', '')}"
        began = time.monotonic()
        try:
            ran = subprocess.run(asked, env=environment, cwd=own, capture_output=True, timeout=LONGEST, check=False)
            code, said = ran.returncode, ran.stderr.decode(errors="replace")
        except subprocess.TimeoutExpired:
            code, said = 1, f"stopped after {LONGEST:.0f} s"
        seconds = time.monotonic() - began
        calls = tuple(json.loads(line) for line in log.read_text().splitlines()) if log.exists() else ()
        left = tuple(str(path.relative_to(own)) for each in (home, temp) for path in each.rglob("*") if path.is_file())
        return Ran(what.name, seconds, calls, left, code, said)


def _missing(python: str, needed: tuple[str, ...]) -> str:
    look = (
        "import sys; from importlib.util import find_spec as f\nfor n in sys.argv[1:]:\n if not f(n): print(n); break"
    )
    found = subprocess.run([python, "-c", look, *needed], capture_output=True, text=True, check=False)
    return found.stdout.strip() or (needed[0] if found.returncode and needed else "")


def namespaces() -> tuple[str, ...]:
    """Return the words that give a command a network of its own here; none where that is not allowed."""
    for words in (NAMESPACES, [*NAMESPACES, "--map-root-user"]):
        if (
            shutil.which("unshare")
            and not subprocess.run([*words, "true"], capture_output=True, check=False).returncode
        ):
            return tuple(words)
    return ()


def prepare(folder: Path) -> None:
    """Make what the runs need: a library that knows three people and an episode, recordings, a made-up Whisper."""
    environment = os.environ | {"HOME": str(folder), "XDG_CACHE_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    (folder / "library").mkdir()
    library = ["--library", str(folder / "library" / "library.db"), "-q"]
    commands = [["enroll", clip.stem, str(clip), "--consent", "public"] for clip in sorted(VOICES.glob("*.mp3"))]
    for words in (*commands, ["identify", str(EPISODE), "--transcript", str(EPISODE.with_suffix(".srt"))]):
        subprocess.run([*COMMAND, *words, *library], env=environment, cwd=folder, capture_output=True, check=True)
    (folder / "watched").mkdir()
    shutil.copy(EPISODE, folder / "watched")
    os.utime(folder / "watched" / EPISODE.name, (0, 0))  # a watch takes what has not changed for a while
    write_long(folder / "long.wav")
    if not _missing(sys.executable, ("faster_whisper",)):
        from tests.support import whisper_model

        (folder / "whisper").mkdir()
        whisper_model.save(folder / "whisper")


def write_long(path: Path) -> None:
    """Write the example over and over, for an hour: identifying it takes a while on two cores."""
    from voicematch.audio import SAMPLE_RATE, Audio

    samples = np.concatenate(list(Audio(EPISODE).blocks()))
    once = (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        for _ in range(MINUTES * 60 * SAMPLE_RATE // len(samples)):
            file.writeframes(once)


def judged(what: Run, ran: Ran | str) -> Iterator[str]:
    """Print one row, and yield what is wrong with it."""
    if isinstance(ran, str):
        print(f"{what.name:42}  {ran}", flush=True)
        return
    print(f"{what.name:42} {ran.seconds:8.0f} {len(ran.calls):6} {len(ran.left):6} {ran.code:5}", flush=True)
    for line in (*ran.calls[:5], *ran.left[:5]):
        print(f"    {line}")
    left = [path for path in ran.left if not path.startswith(FONTS)]
    if ran.calls or left:
        yield f"{what.name}: {len(ran.calls)} calls, {len(left)} files left"
    if ran.code != int(what.name in REFUSES):
        print("    " + "\n    ".join(ran.said.splitlines()[-8:]))
        yield f"{what.name}: exit {ran.code}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ray", default=sys.executable)
    parser.add_argument("--torch", default=sys.executable)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[each.name for each in RUNS])
    parser.add_argument("--jobs", type=int, default=4, help="Runs at once; most of them wait for most of the time.")
    asked = parser.parse_args()
    words = namespaces()
    if not words:
        print("NO NAMESPACES HERE: only Python's own calls are watched, in-process, and nothing in C++")
    for program, sees in (
        ("strace", "calls past the ports of the web"),
        ("ip", "calls to bare addresses, but by strace"),
    ):
        if shutil.which(program) is None:
            print(f"NO {program} HERE: not seen are {sees}")
    chosen = [each for each in RUNS if not asked.only or each.name in asked.only]
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="vm") as made:
        prepare(Path(made))
        place = Place(Path(made), {"ray": asked.ray, "torch": asked.torch}, words)
        print(f"{'command':42} {'seconds':>8} {'calls':>6} {'files':>6} {'exit':>5}")
        with ThreadPoolExecutor(asked.jobs) as several:
            results = several.map(place.run, range(len(chosen) + len(CONTROLS)), (*CONTROLS, *chosen))
            controls = [next(results) for _ in CONTROLS]
            for what, ran in zip(chosen, results, strict=True):
                wrong += judged(what, ran)
    for ran in controls:
        assert isinstance(ran, Ran), ran
        print(f"{ran.name:42} {ran.seconds:8.0f} {len(ran.calls):6} {len(ran.left):6} {ran.code:5}")
        for line in dict.fromkeys((*ran.calls, *ran.left)):
            print(f"    {line}")
    caller, runtime = controls
    if isinstance(caller, Ran) and not any("reports.example.org" in call for call in caller.calls):
        wrong.append("the control that calls home was not heard: this run proves nothing")
    if isinstance(runtime, Ran) and not runtime.calls:
        print("onnxruntime sends nothing without the switches either, so its part proves little here")
    print("\n".join(wrong) or "nobody called, nothing was left but what is listed")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
