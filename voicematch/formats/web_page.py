"""Transcripts in HTML: Podcasting 2.0's ``<cite>``, ``<time>`` and ``<p>``, or any page that shows a plain transcript.

The tokenizer is our own: the standard library's html.parser takes time quadratic in the input (7 s for 40 kB of
``<a b="``) and raises AssertionError on ``<![<![``. What a browser repairs is of no use here; text and tags are.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import FormatError
from ..types import Line
from . import clock
from .cues import clean
from .mending import out_of_order
from .plain import read_rows
from .repairs import Repairs
from .spoken import Passage, settle

_TAG_NAME = re.compile(r"/?[A-Za-z][A-Za-z0-9]*")
_UNSPOKEN = frozenset({"head", "script", "style", "title", "template", "noscript", "svg"})
_INLINE = re.compile("/?(?:a|abbr|b|bdi|cite|code|em|font|i|mark|q|s|small|span|strong|sub|sup|time|u|wbr)")


@dataclass(frozen=True, slots=True)
class _Token:
    """A tag (``tag`` is its name, with ``/`` in front when it closes) or a run of text (``tag`` empty)."""

    tag: str
    text: str
    line: int


@dataclass(slots=True)
class _TimedEntry:
    """What is said from a time on."""

    start: float | None
    is_malformed: bool
    speaker: str | None
    line: int
    parts: list[str]


def read_html(text: str, source: object) -> tuple[Line, ...]:
    """Read the entries of an HTML transcript."""
    tokens = list(_spoken(_tokens(text)))
    if any(token.tag == "time" for token in tokens):
        return _marked_up(tokens, source)
    return read_rows(_rows(tokens), source)


def _tokens(text: str) -> Iterator[_Token]:
    """Yield tags and text, in one pass: every character is looked at a fixed number of times whatever the input."""
    position, line = 0, 1
    last_close, last_comment = text.rfind(">"), text.rfind("-->")
    while position < len(text):
        opening = text.find("<", position)
        if opening < 0 or opening > last_close:
            opening = len(text)
        if opening > position:
            yield _Token("", html.unescape(text[position:opening]), line)
            line += text.count("\n", position, opening)
            position = opening
            continue
        is_comment = text.startswith("<!--", position) and position <= last_comment
        end = text.find("-->", position) + 3 if is_comment else text.find(">", position) + 1
        name = _TAG_NAME.match(text, position + 1)
        if name is not None:
            yield _Token(name.group().lower(), "", line)
        line += text.count("\n", position, end)
        position = end


def _spoken(tokens: Iterator[_Token]) -> Iterator[_Token]:
    inside: str | None = None
    for token in tokens:
        if inside is not None:
            if token.tag == f"/{inside}":
                inside = None
        elif token.tag in _UNSPOKEN:
            inside = token.tag
        else:
            yield token


def _rows(tokens: list[_Token]) -> Iterator[tuple[int, str]]:
    """Yield the page as lines of text: one for every block, and no break at tags inside a line."""
    parts: list[str] = []
    number = 1
    for token in tokens:
        if not token.tag:
            if not parts:
                number = token.line
            parts.append(token.text)
        elif not _INLINE.fullmatch(token.tag):
            yield number, clean("".join(parts))
            parts = []
    yield number, clean("".join(parts))


def _marked_up(tokens: list[_Token], source: object) -> tuple[Line, ...]:
    entries: list[_TimedEntry] = []
    open_tag, cited, speaker = "", [""], None
    for token in tokens:
        if token.tag:
            if token.tag == "cite":
                cited = []
            elif token.tag == "/cite":
                speaker = clean("".join(cited)).rstrip(": ") or None
            open_tag = token.tag if token.tag in ("cite", "time") else "" if token.tag[0] == "/" else open_tag
            if entries and not _INLINE.fullmatch(token.tag):
                entries[-1].parts.append(" ")
        elif open_tag == "cite":
            cited.append(token.text)
        elif open_tag == "time":
            spelled = clean(token.text)
            exact = clock.seconds(spelled)
            start = clock.loose(spelled) if exact is None else exact
            entries.append(_TimedEntry(start, exact is None, speaker, token.line, []))
        elif entries:
            entries[-1].parts.append(token.text)
    return _lines(entries, source)


def _lines(entries: list[_TimedEntry], source: object) -> tuple[Line, ...]:
    if not entries:
        raise FormatError(source, "no <time> with a time in it", 1)
    pieces: list[Passage] = []
    for entry, is_out in zip(entries, out_of_order([entry.start for entry in entries]), strict=True):
        start = None if is_out else entry.start
        text = clean("".join(entry.parts))
        is_malformed = entry.is_malformed or is_out
        pieces.append(Passage(start, None, text, entry.speaker, line=entry.line, is_malformed=is_malformed))
    return settle(pieces, Repairs(source), expected="<time>0:01:02</time>")
