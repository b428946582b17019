"""How much memory a process has held."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path


def peak_memory_mb() -> float | None:
    """Return the most memory this process has held so far, in MB; None where the system does not say (Windows).

    Linux counts in ``ru_maxrss`` what the process was forked from, so it is asked otherwise.
    """
    with suppress(OSError, StopIteration):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 2**10
