"""What was done in the pages since the server began, so that any of it can be undone.

It is kept in memory: the rows hold voices, and what was forgotten must not lie in a second place on disk. It ends with
the server, and the commands know nothing of it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from ..errors import NothingThere
from ..library import Recorded
from ..library.database import now
from .views import Undoable

MOST_KEPT = 50  # a morning's review; each holds the rows that it changed


class Journal:
    """Actions by number, latest last. Threads may share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, tuple[Undoable, Recorded]] = OrderedDict()
        self._last = 0

    def add(self, text: str, recorded: Recorded) -> int:
        """Keep what was done, and return its number."""
        with self._lock:
            self._last += 1
            self._kept[self._last] = (Undoable(self._last, text, now()), recorded)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            return self._last

    def get(self, number: int) -> tuple[Undoable, Recorded]:
        """Return what was done. Raises NothingThere when it was undone already, or is too long ago."""
        with self._lock:
            if number not in self._kept:
                raise NothingThere(
                    "there is nothing to undo: it was undone already, or the server has begun anew since"
                )
            return self._kept[number]

    def remove(self, number: int) -> None:
        with self._lock:
            self._kept.pop(number, None)

    def latest(self) -> Undoable | None:
        with self._lock:
            return next(reversed(self._kept.values()))[0] if self._kept else None
