"""What is warned of while something is done, for who asked for it: it may name people, which is not for a log."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import redacted


class _OfThread(logging.Handler):
    """Keeps the warnings of one thread. Files are called by their names alone: who asked may be far away."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.warnings: list[str] = []
        self._thread = threading.get_ident()

    def is_for_others(self, record: logging.LogRecord) -> bool:
        return record.thread != self._thread or record.levelno < self.level

    def emit(self, record: logging.LogRecord) -> None:
        if not self.is_for_others(record):
            if isinstance(record.args, tuple):
                record = logging.makeLogRecord({**vars(record), "args": tuple(map(_without_folder, record.args))})
            self.warnings.append(redacted(record.getMessage()))


@contextmanager
def heard() -> Iterator[list[str]]:
    """Give what is warned of in this thread until the end, and keep it from whatever else listens."""
    log, own = logging.getLogger("voicematch"), _OfThread()
    others = list(log.handlers)
    for other in others:
        other.addFilter(own.is_for_others)
    log.addHandler(own)
    try:
        yield own.warnings
    finally:
        log.removeHandler(own)
        for other in others:
            other.removeFilter(own.is_for_others)


def _without_folder(argument: object) -> object:
    path = str(argument) if isinstance(argument, str | os.PathLike) else ""
    return os.path.basename(path) if os.path.isabs(path) and ": " not in path else argument
