"""What a reader had to mend in one file, counted, so that it can be said once for each kind and is never silent."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)

TIMES = "time(s) that cannot be right, set by the lines around"
BLOCKS = "block(s) that are no part of the format or hold no words, left out"
BYTES = "byte(s) that are not text, left out"
LINES = "line(s) of the file that cannot be read, left out"


class Repairs:
    """Counts repairs by kind. source : what a warning calls the file"""

    def __init__(self, source: object) -> None:
        self.source = source
        self.lines: dict[str, list[int | None]] = {}

    def note(self, kind: str, line: int | None = None) -> None:
        """Count one more of a kind. line : 1-based, None when it is not known"""
        self.lines.setdefault(kind, []).append(line)

    def count(self, kind: str) -> int:
        return len(self.lines.get(kind, ()))

    def say(self) -> None:
        """Warn once for each kind, with the number and the first place."""
        for kind, lines in self.lines.items():
            first = next((line for line in lines if line is not None), None)
            log.warning("%s: %d %s%s", self.source, len(lines), kind, "" if first is None else f" (line {first})")
