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

    num_erasures : of the library. What was begun before the latest of them is let go of, for whoever was forgotten must
        not come back; commands forget people too
    """

    def __init__(self, num_erasures: Callable[[], int] = lambda: 0) -> None:
        self.num_erasures = num_erasures
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, tuple[int, tuple[Undoable, TakeBack]]] = OrderedDict()
        self._told: OrderedDict[int, tuple[int, Done]] = OrderedDict()
        self._last = 0
        self._last_told = 0

    def add(self, text: str, take_back: TakeBack, since: int) -> int:
        """Keep how to take back what was done, and return its number.

        since : the erasures there were when it began
        """
        with self._lock:
            self._last += 1
            self._kept[self._last] = since, (Undoable(self._last, text, now()), take_back)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            number = self._last
        self._heed_erasures()
        return number

    def get(self, number: int) -> tuple[Undoable, TakeBack]:
        """Return what was done. Raises NothingThere when it was undone already, or is too long ago."""
        self._heed_erasures()
        with self._lock:
            if number not in self._kept:
                raise NothingThere(
                    "there is nothing to undo: it was undone, something was erased, or the server began anew since"
                )
            return self._kept[number][1]

    def remove(self, number: int) -> None:
        with self._lock:
            self._kept.pop(number, None)

    def _heed_erasures(self) -> None:
        today = self.num_erasures()
        with self._lock:
            for held in (self._kept, self._told):
                for number in [number for number, (since, _) in held.items() if since != today]:
                    del held[number]

    def latest(self) -> Undoable | None:
        return next(iter(self.undoable()), None)

    def undoable(self) -> tuple[Undoable, ...]:
        """Return all that can be undone, latest first."""
        self._heed_erasures()
        with self._lock:
            return tuple(undoable for _, (undoable, _) in reversed(self._kept.values()))

    def tell(self, done: Done, since: int) -> Done:
        """Keep what an action came to, and return it with the number that a page shows it under.

        since : as for `add`; of an action that erases, the erasures there are after it
        """
        with self._lock:
            self._last_told += 1
            told = replace(done, notice=self._last_told)
            self._told[self._last_told] = since, told
            while len(self._told) > MOST_KEPT:
                self._told.popitem(last=False)
        self._heed_erasures()
        return told

    def told(self, number: int) -> Done | None:
        """Return what an action came to, as long as it is remembered."""
        self._heed_erasures()
        with self._lock:
            return self._told[number][1] if number in self._told else None

    def can_undo(self, number: int | None) -> bool:
        with self._lock:
            return number in self._kept
