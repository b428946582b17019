"""Readable lines from transcripts that have a line for every word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from ..types import Line, Word

SENTENCE_PAUSE = 1.0  # s between words that begins a new line
LONGEST_LINE = 100  # characters after which a line ends with its sentence's next clause, and 1.5 times as many at all
FEWEST = 5  # lines; of fewer nothing can be told
LONGEST_WORD = 4  # characters of a word in scripts without blanks; a line of captions there is longer
SINGLE = 0.9  # share of lines that are single words in a transcript of words

_SENTENCE_END = re.compile(r"[.?!…。！？][\"'”’»)\]]*$")
_CLAUSE_END = re.compile(r"[,;:、，；：–—-]$")
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f]")
_CLINGS = re.compile(r"[.,;:?!…。，、！？；：)\]”»%’']")


def joined(lines: tuple[Line, ...], *, are_words: bool = False) -> tuple[Line, ...]:
    """Return the lines as they are, or, where nearly all are single words, words joined to sentences, with their times.

    are_words : it is known that all are
    """
    num_single = sum(_is_word(line.text) for line in lines)
    if not are_words and (len(lines) < FEWEST or num_single < SINGLE * len(lines)):
        return lines
    groups: list[list[Line]] = []
    for line in lines:
        if groups and _goes_on(groups[-1], line):
            groups[-1].append(line)
        else:
            groups.append([line])
    return tuple(group[0] if len(group) == 1 else _one(group) for group in groups)


def _is_word(text: str) -> bool:
    return " " not in text and (len(text) <= LONGEST_WORD or UNSPACED.search(text) is None)


def _ends_sentence(text: str) -> bool:
    return _SENTENCE_END.search(text[-8:]) is not None


def _goes_on(group: Sequence[Line], line: Line) -> bool:
    last = group[-1]
    length = sum(len(one.text) + 1 for one in group)
    is_long = length >= LONGEST_LINE and (_CLAUSE_END.search(last.text) is not None or length >= 1.5 * LONGEST_LINE)
    return (
        line.speaker == last.speaker
        and not _ends_sentence(last.text)
        and not is_long
        and -SENTENCE_PAUSE < line.start - last.end < SENTENCE_PAUSE
    )


def _one(group: Sequence[Line]) -> Line:
    text = group[0].text
    for line in group[1:]:
        text += line.text if clings(text, line.text) else f" {line.text}"
    words = tuple(word for line in group for word in (line.words or (Word(line.start, line.end, line.text),)))
    start, end = group[0].start, max(line.end for line in group)
    in_order = all(a.start <= b.start for a, b in pairwise(words))
    return Line(start, max(start, end), text, group[0].speaker, words if in_order else ())


def clings(before: str, after: str) -> bool:
    """Return whether no blank stands between two words: in scripts without blanks, and before a sign.

    >>> clings("東京", "は"), clings("back", "to"), clings("back", ".")
    (True, False, True)
    """
    if not before or not after:
        return True
    is_unspaced = UNSPACED.match(before[-1]) is not None and UNSPACED.match(after[0]) is not None
    return is_unspaced or (_CLINGS.match(after[0]) is not None and not any(char.isalnum() for char in after))
