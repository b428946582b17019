"""How much memory and time ``batch run --jobs N`` takes, from files on disk.

``python -m tests.measure.bench_batch FILE... --jobs 1 --jobs 2`` labels the files in a new library for each N, and
prints the hours of audio done in an hour, the processor's share of it, and the most memory that all processes held at
once (PSS: what they share counts once). Linux only.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from voicematch.library import open_library

STEP_SECONDS = 0.5  # between two looks at the processes' memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--jobs", type=int, action="append", default=[])
    chosen = parser.parse_args()
    for num_jobs in chosen.jobs or [1, 2]:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), [path.absolute() for path in chosen.files], num_jobs)


def measure(folder: Path, files: list[Path], num_jobs: int) -> None:
    environment = os.environ | {"VOICEMATCH_LIBRARY": str(folder / "library.db")}
    command = [sys.executable, "-c", "from voicematch.cli import main; main()", "batch"]
    subprocess.run([*command, "add", *map(str, files)], env=environment, check=True, stdout=subprocess.DEVNULL)
    started, cpu = time.monotonic(), processor_seconds()
    run = subprocess.Popen([*command, "run", "--jobs", str(num_jobs), "--quiet"], env=environment)
    most = 0
    while run.poll() is None:
        most = max(most, sum(map(memory_of, family(run.pid))))
        time.sleep(STEP_SECONDS)
    wall, used = time.monotonic() - started, processor_seconds() - cpu
    with open_library(folder / "library.db") as library:
        hours = sum(episode.duration for episode in library.listings.episodes()[0]) / 3600
    pace = f"{hours * 3600 / wall:.1f} h an hour, {used / hours:.0f} s of processor an hour of audio"
    print(f"--jobs {num_jobs}: {hours:.2f} h of audio in {wall:.0f} s ({pace}), at most {most / 1e6:.0f} MB")
    assert run.returncode == 0, f"exit {run.returncode}"


def processor_seconds() -> float:
    """Return the processor time of all processes that were started here and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def family(pid: int) -> list[int]:
    """Return a process and all that come from it."""
    pids = [pid]
    for parent in pids:
        try:
            tasks = list(Path(f"/proc/{parent}/task").iterdir())
            pids += [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except OSError:  # it has ended meanwhile
            continue
    return pids


def memory_of(pid: int) -> int:
    """Return bytes in memory, each page divided by how many processes share it; 0 for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
