"""What was done in the pages since the server began, so that it can be told once, and any of it undone.

It is kept in memory: the rows hold voices, and what was forgotten must not lie in a second place on disk. It ends with
the server, and the commands know nothing of it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

from ..errors import NothingThere
from ..library import Library
from ..library.database import now
from ..usecases.name import Change
from .views import Done, Undoable

TakeBack = Callable[[Library], Sequence[Change]]
"""Undoes one action, and returns every label that changes by it. Raises ChangedSince."""
MOST_KEPT = 50  # a morning's review; each holds the rows that it changed


class Journal:
    """Actions by number, latest last, and what each came to. Threads may share one.

    num_erasures : of the library; all is let go of when it has changed, for commands forget people too
    """

    def __init__(self, num_erasures: Callable[[], int] = lambda: 0) -> None:
        self._num_erasures = num_erasures
        self._seen: int | None = None  # erasures, when something was kept
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, tuple[Undoable, TakeBack]] = OrderedDict()
        self._told: OrderedDict[int, Done] = OrderedDict()
        self._last = 0
        self._last_told = 0

    def add(self, text: str, take_back: TakeBack) -> int:
        """Keep how to take back what was done, and return its number."""
        self._heed_erasures()
        with self._lock:
            self._last += 1
            self._kept[self._last] = (Undoable(self._last, text, now()), take_back)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            return self._last

    def get(self, number: int) -> tuple[Undoable, TakeBack]:
        """Return what was done. Raises NothingThere when it was undone already, or is too long ago."""
        self._heed_erasures()
        with self._lock:
            if number not in self._kept:
                raise NothingThere(
                    "there is nothing to undo: it was undone, something was erased, or the server began anew since"
                )
            return self._kept[number]

    def remove(self, number: int) -> None:
        with self._lock:
            self._kept.pop(number, None)

    def clear(self) -> None:
        """Let go of everything: whoever was forgotten must not come back."""
        seen = self._num_erasures()
        with self._lock:
            self._seen = seen
            self._kept.clear()
            self._told.clear()

    def _heed_erasures(self) -> None:
        if self._seen is None:
            self._seen = self._num_erasures()
        elif self._num_erasures() != self._seen:
            self.clear()

    def latest(self) -> Undoable | None:
        self._heed_erasures()
        with self._lock:
            return next(reversed(self._kept.values()))[0] if self._kept else None

    def undoable(self) -> tuple[Undoable, ...]:
        """Return all that can be undone, latest first."""
        self._heed_erasures()
        with self._lock:
            return tuple(undoable for undoable, _ in reversed(self._kept.values()))

    def tell(self, done: Done) -> Done:
        """Keep what an action came to, and return it with the number that a page shows it under."""
        with self._lock:
            self._last_told += 1
            told = self._told[self._last_told] = replace(done, notice=self._last_told)
            while len(self._told) > MOST_KEPT:
                self._told.popitem(last=False)
            return told

    def told(self, number: int) -> Done | None:
        """Return what an action came to, as long as it is remembered."""
        self._heed_erasures()
        with self._lock:
            return self._told.get(number)

    def can_undo(self, number: int | None) -> bool:
        with self._lock:
            return number in self._kept
