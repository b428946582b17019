"""SubRip, as Podcasting 2.0 wants it: at most two lines of 32 characters, a new cue with ``Name:`` at a new speaker."""

from __future__ import annotations

import textwrap

from ..types import LabelledEpisode, Line
from . import clock
from .cues import named_lines, read_cues, split_lines
from .markup import bare_subrip, pieces_of
from .names import written
from .repairs import Repairs
from .rolling import once
from .spoken import settle

LINE_LENGTH = 32  # characters; with LINES_A_CUE, the limits of the Podcasting 2.0 transcript specification
LINES_A_CUE = 2


def write_srt(episode: LabelledEpisode) -> str:
    """Write SubRip text. ``>>`` begins the first cue that belongs to nobody after one that has a name.

    A cue of a turn without words says the name. Where ``Name:`` could be taken for a word, as in a file with a single
    name, names stand in brackets.
    """
    lines = named_lines(episode)
    blocks: list[str] = []
    for line, text in zip(lines, written(lines, _openings), strict=True):
        for start, end, card in _cards(line, text):
            times = f"{clock.stamp(start, ',')} --> {clock.stamp(end, ',')}"
            blocks.append(f"{len(blocks) + 1}\n{times}\n{card}\n")
    return "\n".join(blocks)


def _openings(text: str) -> list[str]:
    """Return the text as the cues it becomes."""
    rows = textwrap.wrap(text, LINE_LENGTH, break_on_hyphens=False)
    return ["\n".join(rows[idx : idx + LINES_A_CUE]) for idx in range(0, len(rows), LINES_A_CUE)]


def _cards(line: Line, text: str) -> list[tuple[float, float, str]]:
    """Return the text in cards of two short lines, the line's time shared out by length."""
    cards = _openings(text)
    total = sum(len(card) for card in cards)
    spread: list[tuple[float, float, str]] = []
    start, count = line.start, 0
    for card in cards:
        count += len(card)
        end = line.start + (line.end - line.start) * count / total
        spread.append((start, end, card))
        start = end
    return spread


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
