"""Words of every script as the search index has them, for SQLite and PostgreSQL alike.

Letters are folded: case and accents go, ``ß`` is ``ss``, ``ł`` is ``l``. Scripts that are written without blanks
(Chinese, Japanese, Thai …), and Korean, are found by substring: every two neighbouring characters are a word of the
index. A line of plain ASCII is indexed as it stands.

What the databases' own parsers would cut up or drop is spelled in ASCII letters, five for a character.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

PAIRED = re.compile(
    "[\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"  # Korean
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # Japanese
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"  # Chinese characters
)
_BEYOND_ASCII = re.compile(r"[^\W\x00-\x7f]")
_LETTERS = {"ł": "l", "đ": "d", "ð": "d", "ø": "o", "ħ": "h", "ı": "i", "ŧ": "t", "ŋ": "ng", "þ": "th"}
_LETTERS |= {"æ": "ae", "œ": "oe", "ĸ": "k", "ƒ": "f"}  # what Unicode does not take apart


@dataclass(frozen=True, slots=True)
class Token:
    """A word, or a character of a script without blanks, and where it stands in the text as it was.

    folded : as it is compared
    is_paired : it is a character that is indexed with its neighbour
    """

    folded: str
    start: int
    end: int
    is_paired: bool


@dataclass(frozen=True, slots=True)
class Sought:
    """Words in a row that a line has to hold. is_open : the last one is only the beginning of a word"""

    words: tuple[str, ...]
    is_open: bool


def tokens(text: str) -> list[Token]:
    """The words of a text, in order.

    >>> [token.folded for token in tokens("Żółć, Größe 東京")]
    ['zolc', 'grosse', '東', '京']
    """
    found: list[Token] = []
    is_open = False  # the last word may go on
    for idx, char in enumerate(text):
        is_mark = unicodedata.category(char)[0] == "M" or char in "ﾞﾟ"
        if is_mark and found and found[-1].end == idx:
            last = found[-1]
            whole = (
                unicodedata.normalize("NFC", last.folded + fold(char)) if last.is_paired else last.folded + fold(char)
            )
            found[-1] = Token(whole, last.start, idx + 1, last.is_paired)
            continue
        if not char.isalnum():
            is_open = False
            continue
        is_paired = PAIRED.match(char) is not None
        if is_open and not is_paired:
            last = found[-1]
            found[-1] = Token(last.folded + fold(char), last.start, idx + 1, False)
        else:
            found.append(Token(fold(char), idx, idx + 1, is_paired))
        is_open = not is_paired
    return [token for token in found if token.folded]


@cache
def fold(char: str) -> str:
    """A character without case and accents; several, or none, where it stands for that."""
    composed = unicodedata.normalize("NFKC", char).casefold()
    if PAIRED.match(composed):
        return composed
    parts = unicodedata.normalize("NFKD", composed)
    return "".join(_LETTERS.get(part, part) for part in parts if unicodedata.combining(part) in (0, 8))  # 8: が


def folded(text: str) -> str | None:
    """What the index has in place of the text; None where it has the text itself.

    >>> folded("Plain words — and “signs”."), folded("Größe")
    (None, 'grosse')
    """
    if _BEYOND_ASCII.search(text) is None:
        return None
    return " ".join(_indexed(tokens(text)))


def _indexed(of_text: Sequence[Token]) -> Iterable[str]:
    for token, after in zip(of_text, [*of_text[1:], None], strict=True):
        if not token.is_paired:
            yield _spelled(token.folded)
        elif after is not None and after.is_paired and after.start == token.end:
            yield _pair(token.folded + after.folded)
        else:
            yield _pair(token.folded)


def _spelled(word: str) -> str:
    """The word, in ASCII letters where it holds marks, at which the databases would cut it."""
    return _pair(word) if any(unicodedata.category(char)[0] == "M" for char in word) else word


def _pair(text: str) -> str:
    """Five letters for a character, so that the beginning of one is the beginning of the other."""
    return "q" + "".join(chr(ord("a") + int(digit, 16)) for char in text for digit in f"{ord(char):05x}")


def sought(text: str, *, is_open: bool) -> list[Sought]:
    """What a line has to hold to hold the text: words in a row, and stretches of scripts without blanks.

    is_open : the text is only the beginning of a word
    """
    found: list[Sought] = []
    for run in _alike(tokens(text)):
        if not run[0].is_paired:
            found.append(Sought(tuple(_spelled(token.folded) for token in run), is_open and run[-1].end == len(text)))
        elif len(run) == 1:
            found.append(Sought((_pair(run[0].folded),), True))
        else:
            pairs = pairwise(run)
            found.append(Sought(tuple(_pair(one.folded + two.folded) for one, two in pairs), False))
    return found


def _alike(of_text: Sequence[Token]) -> list[list[Token]]:
    """Tokens in runs: words, or characters that stand together."""
    runs: list[list[Token]] = []
    for token in of_text:
        last = runs[-1][-1] if runs else None
        goes_on = last is not None and last.is_paired == token.is_paired
        if goes_on and last is not None and (not token.is_paired or last.end == token.start):
            runs[-1].append(token)
        else:
            runs.append([token])
    return runs


def marks(text: str, asked: Iterable[tuple[str, bool]]) -> tuple[tuple[int, int], ...]:
    """(start, end) of each stretch of the text that was asked for, in order; those that touch or overlap are one.

    asked : (text, whether it is only the beginning of a word)

    >>> marks("On continual learning.", [("CONTIN", True), ("learning", False)])
    ((3, 12), (13, 21))
    """
    of_text = tokens(text)
    spans: list[tuple[int, int]] = []
    for phrase, is_open in asked:
        for run in _alike(tokens(phrase)):
            open_here = is_open and not run[-1].is_paired and run[-1].end == len(phrase)
            for idx in range(len(of_text) - len(run) + 1):
                if _match(of_text[idx : idx + len(run)], run, open_here):
                    spans.append((of_text[idx].start, of_text[idx + len(run) - 1].end))
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def _match(here: Sequence[Token], run: Sequence[Token], is_open: bool) -> bool:
    last = len(run) - 1
    return all(
        (one.folded.startswith(two.folded) if is_open and idx == last else one.folded == two.folded)
        and one.is_paired == two.is_paired
        and (not one.is_paired or idx == 0 or here[idx - 1].end == one.start)
        for idx, (one, two) in enumerate(zip(here, run, strict=True))
    )
