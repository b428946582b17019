"""SubRip, as Podcasting 2.0 wants it: at most two lines of 32 characters, a new cue with ``Name:`` at a new speaker."""

from __future__ import annotations

import re
import textwrap

from ..types import LabelledEpisode, Line
from . import clock
from .cues import clean, label_speakers, named_lines, read_cues, split_lines

LINE_LENGTH = 32  # characters; with LINES_A_CUE, the limits of the Podcasting 2.0 transcript specification
LINES_A_CUE = 2

_MARKUP = re.compile(r"</?(?:i|b|u|s|font)(?:\s[^<>]*)?>|\{\\[^{}]*\}", re.IGNORECASE)


def write_srt(episode: LabelledEpisode) -> str:
    """SubRip text. ``>>`` begins the first cue that belongs to nobody after one that has a name.

    A cue of a turn without words says the name.
    """
    blocks: list[str] = []
    before: str | None = None
    for line in named_lines(episode):
        label = ""
        if line.speaker != before or not line.text:
            label = f"{line.speaker}:" if line.speaker else ">>"
        before = line.speaker
        for start, end, text in _cards(line, f"{label} {line.text}".strip()):
            times = f"{clock.stamp(start, ',')} --> {clock.stamp(end, ',')}"
            blocks.append(f"{len(blocks) + 1}\n{times}\n{text}\n")
    return "\n".join(blocks)


def _cards(line: Line, text: str) -> list[tuple[float, float, str]]:
    """The text in cards of two short lines, the line's time shared out by length."""
    rows = textwrap.wrap(text, LINE_LENGTH, break_on_hyphens=False)
    cards = ["\n".join(rows[idx : idx + LINES_A_CUE]) for idx in range(0, len(rows), LINES_A_CUE)]
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
    """The lines of a SubRip file, without markup; ``Name:`` becomes the speaker where the file uses it so."""
    cues = read_cues(
        split_lines(text),
        source,
        first=0,
        is_comment=lambda line: False,
        is_name=lambda line, after_blank: line.strip().isdecimal(),
    )
    lines = [Line(cue.start, cue.end, clean(_MARKUP.sub("", cue.text))) for cue in cues]
    return label_speakers([line for line in lines if line.text])
