"""Other caption files: YouTube's SBV, and SubStation Alpha (ASS, SSA) with its actors."""

from __future__ import annotations

import re

from ..errors import FormatError
from ..types import Line
from . import clock
from .cues import Cue, split_lines
from .markup import bare_subrip, pieces_of
from .repairs import BLOCKS, LINES, Repairs
from .rolling import once
from .spoken import Passage, settle

SBV_TIMES = re.compile(r"\s*(-?[0-9]{1,3}:[0-9:.]{1,14})\s*,\s*(-?[0-9]{1,3}:[0-9:.]{1,14})\s*")
_OVERRIDE = re.compile(r"\{[^{}]*\}")
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}")
_STANDARD = "layer, start, end, style, name, marginl, marginr, marginv, effect, text"


def read_sbv(text: str, source: object) -> tuple[Line, ...]:
    """Read YouTube's SBV: ``0:00:01.000,0:00:02.500`` above each text, which a blank line ends."""
    repairs = Repairs(source)
    cues: list[Cue] = []
    rows: list[str] = []
    for number, row in enumerate(split_lines(text), start=1):
        times = SBV_TIMES.fullmatch(row)
        if times is not None:
            rows = []
            exact = [clock.seconds(part) for part in times.groups()]
            start, end = (
                clock.loose(part) if at is None else at for at, part in zip(exact, times.groups(), strict=True)
            )
            cues.append(Cue(start, end, "", number, is_malformed=None in exact))
        elif cues:
            rows.append(row)
            last = cues[-1]
            cues[-1] = Cue(last.start, last.end, "\n".join(rows), last.line, last.is_malformed)
        elif row.strip():
            repairs.note(BLOCKS, number)
    if not cues:
        raise FormatError(source, "no cue with times, as in 0:00:01.000,0:00:02.500", 1)
    return settle(pieces_of(once(cues, bare_subrip), only_known=True), repairs, expected="0:00:01.000,0:00:02.500")


def read_ass(text: str, source: object) -> tuple[Line, ...]:
    """Read SubStation Alpha: the dialogue, with the actor as speaker. Comments and drawings are not spoken."""
    repairs = Repairs(source)
    columns = [name.strip() for name in _STANDARD.split(",")]
    pieces: list[Passage] = []
    section = ""
    for number, row in enumerate(split_lines(text), start=1):
        key, _, rest = row.strip().partition(":")
        if row.lstrip().startswith("["):
            section = row.strip().lower()
        elif key.lower() == "format" and section == "[events]":
            columns = [name.strip().lower() for name in rest.split(",")]
        elif key.lower() == "dialogue":
            cells = [cell.strip() for cell in rest.split(",", len(columns) - 1)]
            if len(cells) < len(columns) or not {"start", "end", "text"} <= set(columns):
                repairs.note(LINES, number)
                continue
            named = dict(zip(columns, cells, strict=True))
            if not _DRAWING.search(named["text"]):
                pieces.append(_dialogue(named, number))
    if not pieces:
        raise FormatError(source, "no line Dialogue: with words", 1)
    if all(piece.start is not None for piece in pieces):
        pieces.sort(key=lambda piece: piece.start or 0.0)  # a file may be in the order of its layers
    return settle(pieces, repairs, are_named=any(piece.speaker for piece in pieces), expected="0:00:01.00")


def _dialogue(named: dict[str, str], number: int) -> Passage:
    exact = [clock.seconds(named[key]) for key in ("start", "end")]
    start, end = (
        clock.loose(named[key]) if at is None else at for key, at in zip(("start", "end"), exact, strict=True)
    )
    text = _OVERRIDE.sub("", named["text"]).replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
    speaker = named.get("name") or named.get("actor") or None
    return Passage(start, end, text, speaker, line=number, is_malformed=None in exact)
