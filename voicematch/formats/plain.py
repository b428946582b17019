"""Plain transcripts with times, as transcription services export them and people type them.

Each of these begins an entry, whose text goes on to the next::

    [00:01:02] Maya: Welcome back.        [0:01:02 - 0:01:09] Maya: Welcome back.
    00:01:02 Welcome back.                (1:02) Welcome back.             [00:01:02]Welcome back.
    Maya Lindqvist [00:01:02]: Welcome    Maya Lindqvist  1:02
                                          Welcome back.
    [Maya Lindqvist] 00:01:02             Maya Lindqvist
    Welcome back.                         1:02
                                          Welcome back.
    Maya: [00:01:02] Welcome back.        [00:01:02] - Maya
                                          Welcome back.

What stands before the first time (a title, a summary) is not part of the transcript, nor is what Otter puts below the
last. A time without an end lasts to the next one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ..errors import FormatError
from ..types import Line
from . import clock
from .cues import clean, split_lines
from .mending import out_of_order
from .names import is_name
from .repairs import Repairs
from .spoken import Passage, settle

EXPECTED = "[00:01:02]"
MOSTLY = 0.8  # share of the entries that have a name in one place, from which on it is one

_TIME = r"-?[0-9]{1,4}:[0-9]{1,3}(?::[0-9]{1,3})?(?:[.,:;][0-9]{1,3})?"
_RANGE = rf"(?P<since>{_TIME})(?:\s{{0,3}}(?:-->|-|–|—|to|→)\s{{0,3}}(?P<until>{_TIME}))?"
_WORD = r"[^\s:\[\]()<>|\t]{1,40}"
_NAME = rf"\*{{0,2}}(?P<name>(?![0-9]){_WORD}(?:[ ]{{1,4}}{_WORD}){{0,5}})\*{{0,2}}"
_SHAPES = (
    re.compile(
        rf"\s{{0,8}}(?:{_NAME}(?:\s{{1,4}}|:\*{{0,2}}\s{{0,4}}))?[\[(]\s?{_RANGE}\s?[\])]\s{{0,3}}[:|]?\s*(?P<rest>.*)"
    ),
    re.compile(rf"\s{{0,8}}{_RANGE}(?:\s{{0,3}}[:|])?(?:\s+|$)(?P<rest>.*)"),
    re.compile(rf"\s{{0,8}}{_NAME}\s{{0,4}}[,|:–—-]?\s{{1,8}}{_RANGE}\s*(?P<rest>)"),
    re.compile(rf"\s{{0,8}}\[{_NAME}\]\s{{0,4}}{_RANGE}(?:\s+|$)(?P<rest>.*)"),
    re.compile(rf"\s{{0,8}}{_NAME}:?\t\s{{0,3}}{_RANGE}\s{{0,3}}(?:\t|$)(?P<rest>.*)"),
    re.compile(rf"\s{{0,8}}{_NAME}:\s{{1,4}}{_RANGE}\s+(?P<rest>.*)"),
)
_FOOTER = re.compile(r"\s{0,8}(?:Transcribed by https?://\S{1,100}\s*)?")
_BRACKETED, _NAKED = _SHAPES[0], _SHAPES[1]


@dataclass(slots=True)
class _Entry:
    """start, end : None where the time is no time; name : what stands beside the time; above : the row over it"""

    start: float | None
    end: float | None
    name: str | None
    line: int
    raw: str
    fields: int  # 1 for minutes:seconds, 2 with hours
    above: str
    is_malformed: bool
    rows: list[str] = field(default_factory=list)


def read_text(text: str, source: object) -> tuple[Line, ...]:
    """Read the entries of a plain transcript; names beside the time, above it, or as labels become speakers."""
    return read_rows(enumerate(split_lines(text), start=1), source)


def read_rows(rows: Iterable[tuple[int, str]], source: object) -> tuple[Line, ...]:
    """Return the same from numbered lines. Most lines with a time decide where times stand in this file."""
    numbered = list(rows)
    while numbered and _FOOTER.fullmatch(numbered[-1][1]):
        numbered.pop()
    shape = _shape_of(numbered)
    if shape is None:
        raise FormatError(source, "no line begins with a time, as in [00:01:02] Name: text", 1)
    repairs = Repairs(source)
    entries = _in_order(_believed(_entries(numbered, shape), shape), shape)
    _name_by_row_above(entries)
    pieces = [
        Passage(e.start, e.end, "\n".join(e.rows), e.name, line=e.line, is_malformed=e.is_malformed) for e in entries
    ]
    return settle(pieces, repairs, expected=EXPECTED)


def _shape_of(rows: Sequence[tuple[int, str]]) -> re.Pattern[str] | None:
    """Return the shape of most lines with a time; the first of those that are as many."""
    counts = [sum(shape.fullmatch(row) is not None for _, row in rows) for shape in _SHAPES]
    most = max(counts)
    return _SHAPES[counts.index(most)] if most else None


def _entries(rows: Sequence[tuple[int, str]], shape: re.Pattern[str]) -> list[_Entry]:
    entries: list[_Entry] = []
    above, before = "", ""
    for number, row in rows:
        match = shape.fullmatch(row)
        if match is not None:
            found = match.groupdict()
            since, until = match["since"], found["until"]
            start, end = _time(since), None if until is None else _time(until)
            is_malformed = clock.seconds(since) is None or (until is not None and clock.seconds(until) is None)
            name = clean(found.get("name") or "").rstrip(",|–—- *").lstrip("*") or None
            entry = _Entry(start, end, name, number, row, since.count(":"), above, is_malformed, [found["rest"]])
            entries.append(entry)
            above = before = ""
        elif entries:
            entries[-1].rows.append(row)
        if match is None:
            above, before = (row if not before.strip() else ""), row
    return entries


def _time(text: str) -> float | None:
    exact = clock.seconds(text)
    return clock.loose(text) if exact is None else exact


def _believed(entries: list[_Entry], shape: re.Pattern[str]) -> list[_Entry]:
    """Return the entries but those whose name is none: a sentence with a time in it, said in the one before."""
    counts = Counter(entry.name for entry in entries if entry.name)
    kept: list[_Entry] = []
    for entry in entries:
        is_sentence = entry.name is not None and counts[entry.name] < 2 and not is_name(entry.name)
        if shape is _NAKED and kept and entry.fields < kept[-1].fields:
            is_sentence = True  # "12:30 sharp" in a file that counts hours
        if is_sentence and kept:
            kept[-1].rows += [entry.raw, *entry.rows[1:]]
        elif not is_sentence:
            kept.append(entry)
    return kept or entries


def _in_order(entries: list[_Entry], shape: re.Pattern[str]) -> list[_Entry]:
    """Return the entries with times that never go back. A time in brackets that does is wrong; any other is one that
    somebody says.
    """
    kept: list[_Entry] = []
    for entry, is_out in zip(entries, out_of_order([entry.start for entry in entries]), strict=True):
        if not is_out:
            kept.append(entry)
        elif shape is _BRACKETED or entry.name is not None or not kept:
            kept.append(replace(entry, start=None, end=None, is_malformed=True))
        else:
            kept[-1].rows += [entry.raw, *entry.rows[1:]]
    return kept


def _name_by_row_above(entries: list[_Entry]) -> None:
    """Take the row above each time for the speaker, where nearly all entries have a name there and nothing beside the
    time.
    """
    named = [entry for entry in entries if entry.above and is_name(entry.above.strip().rstrip(":"))]
    alone = [entry for entry in entries if not entry.rows[0].strip() and entry.name is None]
    names = {entry.above.strip() for entry in named}
    if len(named) < max(2, MOSTLY * len(entries)) or len(alone) < len(entries) or len(names) * 2 > len(named) + 1:
        return
    for before, entry in pairwise(entries):
        if entry in named:
            before.rows.pop()
    for entry in named:
        entry.name = clean(entry.above).rstrip(":")
