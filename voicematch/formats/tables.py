"""Transcripts with one line of a file for each line said: Whisper's TSV, JSON lines, and lyrics (LRC)."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from ..errors import FormatError
from ..types import Line
from . import clock
from .cues import split_lines
from .json_node import Misfit, Node
from .recognizers import SECONDS, piece_of, speaker_of, words_of
from .repairs import LINES, Repairs
from .spoken import Passage, TimedWord, settle

TSV_HEADER = re.compile(r"start\tend\t(?:(?:speaker|text)\t?)+", re.IGNORECASE)
_STAMP = re.compile(r"\[([0-9]{1,3}:[0-9]{1,2}(?:[.:][0-9]{1,3})?)\]")
_LYRICS_WORD = re.compile(r"<([0-9]{1,3}:[0-9]{1,2}(?:[.:][0-9]{1,3})?)>")
_CLOCKS = re.compile(r"(?:\[[0-9]{1,3}:[0-5]?[0-9]:[0-5][0-9]\])+(?!\[[0-9]+:)")
LYRICS_TAG = re.compile(r"\[(?:ar|ti|al|au|by|re|ve|length|offset|lr|#):[^\]]*\]\s*", re.IGNORECASE)
LYRICS_LINE = re.compile(r"(?:\[[0-9]{1,3}:[0-9]{1,2}(?:[.:][0-9]{1,3})?\])+(?![\s\]:|]|-[0-9 ]*[0-9]:).*")


def read_tsv(text: str, source: object) -> tuple[Line, ...]:
    """Read Whisper's TSV: start and end in milliseconds and the text, after a line that names the columns."""
    repairs = Repairs(source)
    rows = split_lines(text)
    columns = rows[0].strip().lower().split("\t")
    if not TSV_HEADER.fullmatch(rows[0].strip()) or columns[-1] != "text":
        raise FormatError(source, "a transcript in TSV begins with: start, end, text", 1)
    pieces: list[Passage] = []
    for number, row in enumerate(rows[1:], start=2):
        cells = row.split("\t", len(columns) - 1)
        if not row.strip():
            continue
        if len(cells) < len(columns):
            repairs.note(LINES, number)
            continue
        named = dict(zip(columns, cells, strict=True))
        node = Node(named)
        start, end = node["start"].time(0.001), node["end"].time(0.001)
        is_malformed = start is None or end is None
        speaker = named.get("speaker", "").strip() or None
        pieces.append(Passage(start, end, named["text"], speaker, line=number, is_malformed=is_malformed))
    return settle(pieces, repairs, expected="milliseconds, such as 1500")


def read_json_lines(text: str, source: object) -> tuple[Line, ...]:
    """Read a JSON object on each line of the file, with start, end and text as recognisers name them."""
    repairs = Repairs(source)
    pieces: list[Passage] = []
    for number, row in enumerate(split_lines(text), start=1):
        if not row.strip():
            continue
        try:
            node = Node(json.loads(row, strict=False))
            words = node.get("words")
            timed: tuple[TimedWord, ...] = () if words is None else words_of(words, ("word", "text"))
            spoken = next((node[key] for key in ("text", "body", "transcript") if node.get(key) is not None), None)
            if spoken is None:
                raise Misfit((), "no text")
            start, end = (
                next((found for suffix in ("", "Time", "_time") if (found := node.get(key + suffix)) is not None), None)
                for key in ("start", "end")
            )
            piece = piece_of(node, start, end, spoken.text(), speaker=speaker_of(node), words=timed)
            pieces.append(replace(piece, line=number))
        except (Misfit, ValueError, RecursionError):
            repairs.note(LINES, number)
    if not pieces:
        raise FormatError(source, 'no line is a JSON object with "start", "end" and "text"', 1)
    return settle(pieces, repairs, are_named=any(piece.speaker for piece in pieces), expected=SECONDS)


def is_lrc(text: str) -> bool:
    """Return whether most lines begin with the stamps of lyrics, or some do and a tag of lyrics comes first.

    ``[00:01:02]`` is 1.02 s in lyrics and 62 s in a transcript; it is lyrics where a tag, a stamp of another kind or a
    third field above 59 says so.
    """
    rows = [row for row in split_lines(text) if row.strip()]
    stamped = [row for row in rows if LYRICS_LINE.fullmatch(row)]
    has_tag = any(LYRICS_TAG.match(row) for row in rows)
    if not stamped or (not has_tag and all(_CLOCKS.match(row) and not _LYRICS_WORD.search(row) for row in stamped)):
        return False
    return len(stamped) * 2 > len(rows) or LYRICS_TAG.match(rows[0]) is not None


def read_lrc(text: str, source: object) -> tuple[Line, ...]:
    """Read lyrics: ``[01:02.50]text``; a line with several stamps is said at each, ``<01:02.70>`` is when a word
    begins.
    """
    repairs = Repairs(source)
    pieces: list[Passage] = []
    for number, row in enumerate(split_lines(text), start=1):
        position, starts = 0, list[float | None]()
        while (stamp := _STAMP.match(row, position)) is not None:
            position = stamp.end()
            starts.append(_time(stamp.group(1)))
        spoken = row[position:]
        if not starts:
            if row.strip() and not LYRICS_TAG.fullmatch(row):
                repairs.note(LINES, number)
            continue
        words, bare = _words(spoken, starts[0])
        for start in starts:
            pieces.append(Passage(start, None, bare, None, words, number, start is None))
    if not pieces:
        raise FormatError(source, "no line begins with a time, as in [01:02.50]", 1)
    pieces.sort(key=lambda piece: piece.start or 0.0)
    return settle(pieces, repairs, expected="[01:02.50]")


def _time(text: str) -> float | None:
    minutes, _, rest = text.partition(":")
    return clock.loose(f"{minutes}:{rest.replace(':', '.')}")


def _words(text: str, start: float | None) -> tuple[tuple[TimedWord, ...], str]:
    words: list[TimedWord] = []
    position, since = 0, start
    for stamp in [*_LYRICS_WORD.finditer(text), None]:
        until = len(text) if stamp is None else stamp.start()
        for number, word in enumerate(text[position:until].split()):
            words.append((word, None if number else since, None))
        if stamp is not None:
            position, since = stamp.end(), _time(stamp.group(1))
    bare = _LYRICS_WORD.sub("", text)
    return (tuple(words) if bare != text else ()), bare
