"""SubRip, as Podcasting 2.0 wants it: at most two lines of 32 characters, a new cue with ``Name:`` at a new speaker."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace

from ..types import LabelledEpisode, Line
from . import clock
from .cues import named_lines, read_cues, split_lines
from .markup import bare_subrip, pieces_of
from .names import Signed, Signs, written
from .repairs import Repairs
from .rolling import once
from .spoken import settle

LINE_LENGTH = 32  # characters; with LINES_A_CUE, the limits of the Podcasting 2.0 transcript specification
LINES_A_CUE = 2


def write_srt(episode: LabelledEpisode) -> str:
    """Write SubRip text, cues in order of start. ``>>`` begins the first cue that belongs to nobody after one that has
    a name.

    A cue of a turn without words says the name. Where ``Name:`` could be taken for a word, as in a file with a single
    name, names stand in brackets.
    """
    blocks: list[str] = []
    for cue in written(named_lines(episode), _cues):
        times = f"{clock.stamp(cue.start, ',')} --> {clock.stamp(cue.end, ',')}"
        blocks.append(f"{len(blocks) + 1}\n{times}\n{cue.text}\n")
    return "\n".join(blocks)


@dataclass(order=True, slots=True)
class _Waiting:
    """A line, or what of one is not yet in a cue.

    line : its index
    rows : short ones, the next one last; none before the line has begun
    length : characters in them
    """

    start: float
    line: int
    rows: list[str] = field(default_factory=list, compare=False)
    length: int = field(default=0, compare=False)

    def put(self, text: str) -> None:
        """Put a text before the rows that there are."""
        rows = textwrap.wrap(text, LINE_LENGTH, break_on_hyphens=False)
        self.rows += reversed(rows)
        self.length += sum(map(len, rows))

    def take(self) -> str:
        """Return the rows of the next cue."""
        rows = [self.rows.pop() for _ in range(min(LINES_A_CUE, len(self.rows)))]
        self.length -= sum(map(len, rows))
        return "\n".join(rows)


def _cues(lines: Sequence[Line], signs: Signs) -> list[Signed]:
    """Return the lines in cues of short rows, in order of start; a line's time is shared out by length.

    A line in which another one begins goes on after that one's cue, with its speaker's name.
    """
    cues: list[Signed] = []
    waiting = [_Waiting(line.start, idx) for idx, line in enumerate(lines)]
    heapify(waiting)
    while waiting:
        first = waiting[0]
        line, goes_on = lines[first.line], bool(first.rows)
        sign = signs.of(line, goes_on=goes_on)
        if sign or not goes_on:
            first.put(f"{sign} {first.take() if goes_on else line.text}".strip())
        total = first.length + len(first.rows) // LINES_A_CUE  # with the line ends inside cues
        text = first.take()
        if text:
            end = first.start + (line.end - first.start) * len(text) / total
            cues.append(Signed(first.start, end, text, first.line))
            first.start = end
        if first.rows:
            heapreplace(waiting, first)
        else:
            heappop(waiting)
    return cues


def read_srt(text: str, source: object) -> tuple[Line, ...]:
    """Read the lines of a SubRip file, without markup; labels become the speakers where the file uses them so."""
    repairs = Repairs(source)
    cues = read_cues(
        split_lines(text),
        repairs,
        first=0,
        is_comment=lambda line: False,
        is_name=lambda line, after_blank: line.strip().isdecimal(),
    )
    return settle(pieces_of(once(cues, bare_subrip), only_known=True), repairs)
