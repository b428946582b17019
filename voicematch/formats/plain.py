"""Plain transcripts with times, as transcription services export them and people type them.

Each of these begins an entry, whose text goes on to the next::

    [00:01:02] Maya: Welcome back.        [0:01:02 - 0:01:09] Maya: Welcome back.
    00:01:02 Welcome back.                (1:02) Welcome back.
    Maya Lindqvist [00:01:02]: Welcome    Maya Lindqvist  1:02
                                          Welcome back.

What stands before the first time (a title, a summary) is not part of the transcript. A time without an end lasts to
the next one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..errors import FormatError
from ..types import Line
from . import clock
from .cues import clean, label_speakers, split_lines

SPEAKING_RATE = 15.0  # characters a second, for the length of the last entry, which nothing ends

_TIME = r"[0-9]{1,3}:[0-9]{1,2}(?::[0-9]{1,2})?(?:[.,][0-9]{1,3})?"
_RANGE = rf"(?P<since>{_TIME})(?:\s{{0,3}}(?:-|–|—|to|-->)\s{{0,3}}(?P<until>{_TIME}))?"
_NAME = r"(?P<name>(?:[^\s:\[\]()<>0-9][^\s:\[\]()<>]{0,40} {1,4}){1,6})"
_BRACKETED = re.compile(rf"\s{{0,8}}{_NAME}?[\[(]\s?{_RANGE}\s?[\])]\s{{0,3}}[:|–—-]?(?:\s+|$)(?P<rest>.*)")
_NAKED = re.compile(rf"\s{{0,8}}{_RANGE}(?:\s{{0,3}}[:|–—-])?(?:\s+|$)(?P<rest>.*)")
_NAMED = re.compile(rf"\s{{0,8}}{_NAME}{_RANGE}\s*")


@dataclass(slots=True)
class _Entry:
    start: float
    end: float | None
    name: str | None
    fields: int  # 1 for minutes:seconds, 2 with hours
    parts: list[str]


def read_text(text: str, source: object) -> tuple[Line, ...]:
    """The entries of a plain transcript; names by themselves or as ``Name:`` become speakers."""
    return read_rows(enumerate(split_lines(text), start=1), source)


def read_rows(rows: Iterable[tuple[int, str]], source: object) -> tuple[Line, ...]:
    """The same from numbered lines. The first time decides how times stand in this file: in brackets, first or last."""
    entries: list[_Entry] = []
    pattern: re.Pattern[str] | None = None
    for number, row in rows:
        shape = pattern or next((shape for shape in (_BRACKETED, _NAKED, _NAMED) if shape.fullmatch(row)), None)
        match = None if shape is None else shape.fullmatch(row)
        entry = None if match is None or shape is None else _entry(match, shape, number, source, entries)
        if entry is not None:
            pattern = shape
            entries.append(entry)
        elif entries:
            entries[-1].parts.append(row)
    if not entries:
        raise FormatError(source, "no line begins with a time, as in [00:01:02] Name: text", 1)
    return _lines(entries)


def _entry(
    match: re.Match[str], shape: re.Pattern[str], number: int, source: object, before: list[_Entry]
) -> _Entry | None:
    found = match.groupdict()
    name, since, until = found.get("name"), match["since"], found["until"]
    start, end = clock.seconds(since), None if until is None else clock.seconds(until)
    backwards = start is not None and bool(before) and start < before[-1].start
    if shape is _NAKED and before and since.count(":") < before[-1].fields:
        return None  # "12:30 sharp" in a file that counts hours
    if start is None or (until is not None and end is None) or backwards:
        if shape is _BRACKETED and name is None:
            reason = "time goes back" if backwards else "a time that does not exist"
            raise FormatError(source, f"{reason}: {since}", number)
        return None
    return _Entry(start, end, clean(name) if name else None, since.count(":"), [found.get("rest", "")])


def _lines(entries: list[_Entry]) -> tuple[Line, ...]:
    lines: list[Line] = []
    for idx, entry in enumerate(entries):
        end = entry.end
        if end is None:
            end = entries[idx + 1].start if idx + 1 < len(entries) else entry.start
        text = clean(" ".join(entry.parts))
        if text:
            lines.append(Line(entry.start, max(entry.start, end), text, entry.name))
    named = tuple(lines) if any(line.speaker for line in lines) else label_speakers(lines)
    if not named or entries[-1].end is not None:
        return named
    return (*named[:-1], replace(named[-1], end=end_of_speech(named[-1])))


def end_of_speech(line: Line) -> float:
    """When a line probably ends that nothing ends."""
    return max(line.end, round(line.start + len(line.text) / SPEAKING_RATE, 3))
