"""Which worker a process is, whether it still lives, and how it shows that it does."""

from __future__ import annotations

import os
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def worker_name() -> str:
    """Return what this process is called in the library: its machine, its number, when it began, a word of its own."""
    pid = os.getpid()
    return f"{machine()}:{pid}:{_begun(pid)}:{secrets.token_hex(4)}"


def machine() -> str:
    """Return this machine, as processes that can see each other call it; containers are machines of their own."""
    import platform

    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8])
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid").strip("pid:[]"))
    return "-".join(parts).replace(":", "")


def is_dead(worker: str) -> bool:
    """Return whether a worker of this machine is surely gone; of another machine nobody knows."""
    parts = worker.split(":")
    if len(parts) != 4 or parts[0] != machine() or sys.platform == "win32":
        return False  # on Windows there is no harmless way to ask
    pid = int(parts[1])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it lives, as another user's; whether it is the same process, the time it began tells
    return _begun(pid) != parts[2]


def _begun(pid: int) -> str:
    """When a process began, as Linux counts it; "" for a dead one, and "-" where that cannot be known."""
    if not sys.platform.startswith("linux"):
        return "-"
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


@contextmanager
def beating(beat: Callable[[], bool], every: float) -> Iterator[threading.Event]:
    """Call ``beat`` every so many seconds while the block runs; the event is set when it answers False, and it ends."""
    lost, over = threading.Event(), threading.Event()

    def go_on() -> None:
        while not over.wait(every):
            if not beat():
                lost.set()
                return

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        over.set()
        thread.join()
