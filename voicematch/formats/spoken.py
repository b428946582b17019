"""From what a reader found in a file to lines: the same steps for every format, each in one place.

Times that cannot be right are mended, captions that roll up are read once, labels become speakers, and words that
stand alone are joined into lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..errors import FormatError
from ..types import Line, Word
from .cues import clean, refuse_endless
from .flow import joined
from .mending import Span, mend
from .names import LOOKED_AT, Opening, labels
from .repairs import Repairs

TimedWord = tuple[str, float | None, float | None]

WORDS_A_CUE = 4  # about
CUE_TIME = "00:00:01.000 --> 00:00:02.000"


@dataclass(frozen=True, slots=True)
class Passage:
    """What one speaker says in one block of a file.

    start, end : seconds as far as they can be read; an end may be absent by right
    text : rows divided by newlines
    speaker : as the format itself names it
    words : (text, start, end) as far as the file has them
    line : where it stands, 1-based
    is_malformed : a time stands there that cannot be read
    block : pieces of one block share its time by their length; None for a piece that is a block by itself
    """

    start: float | None
    end: float | None
    text: str
    speaker: str | None = None
    words: tuple[TimedWord, ...] = ()
    line: int | None = None
    is_malformed: bool = False
    block: int | None = None


def settle(
    pieces: Iterable[Passage],
    repairs: Repairs,
    *,
    are_named: bool = False,
    are_words: bool = False,
    expected: str = CUE_TIME,
) -> tuple[Line, ...]:
    """Return the lines of a transcript, in the order of its pieces; warns of what was mended.

    are_words : every piece is a word
    are_named : the format says who speaks, so that no label is looked for in the words
    expected : what an error says a time looks like
    """
    kept = [piece for piece in pieces if clean(piece.text)]
    refuse_endless(len(kept) // (WORDS_A_CUE if are_words else 1), repairs.source)
    if not are_named and not any(piece.speaker for piece in kept):
        kept = _labelled(kept)
    spans = [
        Span(group[0].start, group[0].end, _length(group), group[0].line, group[0].is_malformed)
        for group in _blocks(kept)
    ]
    times = mend(spans, repairs, expected=expected) if spans else []
    lines: list[Line] = []
    for group, (start, end) in zip(_blocks(kept), times, strict=True):
        lines.extend(_spread(group, start, end))
    repairs.say()
    return joined(tuple(line for line in lines if line.text), are_words=are_words)


def _blocks(pieces: Sequence[Passage]) -> list[list[Passage]]:
    groups: list[list[Passage]] = []
    for piece in pieces:
        if groups and piece.block is not None and groups[-1][0].block == piece.block:
            groups[-1].append(piece)
        else:
            groups.append([piece])
    return groups


def _length(pieces: list[Passage]) -> int:
    return sum(len(clean(piece.text)) for piece in pieces)


def _spread(pieces: list[Passage], start: float, end: float) -> list[Line]:
    """Return a block's time shared out by length of text, in whole milliseconds."""
    texts = [clean(piece.text) for piece in pieces]
    total = sum(len(text) for text in texts)
    lines: list[Line] = []
    since, count = start, 0
    for piece, text in zip(pieces, texts, strict=True):
        count += len(text)
        until = end if count == total else round(start + (end - start) * count / total, 3)
        until = max(since, until)
        speaker = clean(piece.speaker) if piece.speaker else None
        lines.append(spelled_line(since, until, text, speaker or None, fill_times(list(piece.words), since, until)))
        since = until
    return lines


def _labelled(pieces: list[Passage]) -> list[Passage]:
    """Return the pieces with labels taken off the words and made speakers, divided where a label stands inside one."""
    openings: list[Opening] = []
    places: list[tuple[int, int]] = []  # the piece, and where in its text
    for idx, piece in enumerate(pieces):
        at, is_row = 0, False
        for row in piece.text.split("\n"):
            begin = at + len(row) - len(row.lstrip())
            if row.strip():
                openings.append(Opening(piece.text[begin : begin + LOOKED_AT], is_row))
                places.append((idx, begin))
                is_row = True
            at += len(row) + 1
    found = labels(openings)
    if not found:
        return pieces
    by_piece: dict[int, list[tuple[int, int, str | None]]] = {}
    for opening, label in found.items():
        idx, at = places[opening]
        cuts = by_piece.setdefault(idx, [])
        if not cuts or at >= cuts[-1][1]:
            cuts.append((at, at + label.length, label.name))
    named: list[Passage] = []
    speaker: str | None = None
    for idx, piece in enumerate(pieces):
        cuts = by_piece.get(idx, [])
        edges = [(0, 0, speaker), *cuts]
        for number, (_, begin, name) in enumerate(edges):
            stop = edges[number + 1][0] if number + 1 < len(edges) else len(piece.text)
            text = piece.text[begin:stop]
            if clean(text):
                words = _last_words(piece.words, text) if begin else piece.words
                named.append(replace(piece, text=text, speaker=name, words=words, block=idx if cuts else piece.block))
            speaker = name
    return named


def _last_words(words: tuple[TimedWord, ...], text: str) -> tuple[TimedWord, ...]:
    """Return the words at the end that spell the text; none when they do not."""
    wanted = clean(text).replace(" ", "")
    idx, length = len(words), 0
    while idx > 0 and length < len(wanted):
        idx -= 1
        length += len(words[idx][0].replace(" ", ""))
    return words[idx:] if "".join(word for word, _, _ in words[idx:]).replace(" ", "") == wanted else ()


def spelled_line(start: float, end: float, text: str, speaker: str | None, words: tuple[Word, ...]) -> Line:
    """Return a line whose words spell its text; words that do not are left out, for the text is what people read."""
    text = clean(text)
    if "".join(word.text for word in words).replace(" ", "") != text.replace(" ", ""):
        words = ()
    return Line(start, max(start, end), text, speaker, words)


def fill_times(words: list[TimedWord], start: float, end: float) -> tuple[Word, ...]:
    """Return words with times in order inside the line: those without share the gap they stand in evenly.

    >>> [word.start for word in fill_times([("in", 1.0, 2.0), ("2014", None, None), ("so", 4.0, 5.0)], 0.0, 6.0)]
    [1.0, 2.0, 4.0]
    """
    if all(since is None for _, since, _ in words):
        return ()
    filled: list[Word] = []
    cursor = start
    following = _next_starts(words)
    for idx, (text, since, until) in enumerate(words):
        if since is None:
            known, gap = following[idx]
            since = cursor
            until = cursor + max(0.0, (end if known is None else known) - cursor) / gap
        since = max(since, cursor)
        until = max(since, since if until is None else until)
        filled.append(Word(since, until, text))
        cursor = until
    return tuple(filled)


def _next_starts(words: list[TimedWord]) -> list[tuple[float | None, int]]:
    """Return for every word the start of the next that has one, and how many words from here stand before it."""
    found: list[tuple[float | None, int]] = []
    known: float | None = None
    gap = 0
    for _, since, _ in reversed(words):
        known, gap = (since, 0) if since is not None else (known, gap + 1)
        found.append((known, max(1, gap)))
    return found[::-1]


def refuse_empty(lines: tuple[Line, ...], source: object) -> tuple[Line, ...]:
    """Return the lines, of which there has to be one."""
    if not lines:
        raise FormatError(source, "a transcript without a word")
    return lines
