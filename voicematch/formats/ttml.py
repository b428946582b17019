"""TTML (Timed Text Markup Language): Apple Podcasts' transcripts, broadcasters' subtitles, DFXP.

https://www.w3.org/TR/ttml2/. The parser is expat, which stops entities that grow (2.4.1 and later); a document that
declares any is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.parsers import expat

from ..errors import FormatError
from ..types import Line
from . import clock
from .cues import clean
from .flow import clings
from .repairs import LINES, Repairs
from .spoken import Piece, TimedWord, settle
from .xml_text import with_escaped_ampersands

DEEPEST = 200  # elements inside each other
_OFFSET = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(h|ms|m|s|f|t)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(slots=True)
class _Paragraph:
    """A ``p``. agent : its speaker's id; words : spans that have times of their own"""

    start: float | None
    end: float | None
    agent: str | None
    line: int
    is_malformed: bool
    parts: list[str] = field(default_factory=list)
    words: list[TimedWord] = field(default_factory=list)


class _Parser:
    """What expat calls, in order of the document."""

    def __init__(self, repairs: Repairs) -> None:
        self.repairs = repairs
        self.paragraphs: list[_Paragraph] = []
        self.names: dict[str, str] = {}
        self.frame_rate, self.tick_rate = 30.0, 1.0
        self._open: list[tuple[str, float]] = []  # element, and the time its children count from
        self._paragraph: _Paragraph | None = None
        self._agent: str | None = None
        self._span: tuple[float | None, float | None] | None = None
        self._name: list[str] | None = None
        self._expat = expat.ParserCreate()
        self._expat.buffer_text = True
        self._expat.EntityDeclHandler = self._refuse_entity
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._text

    def read(self, text: str) -> None:
        """Everything up to where the document breaks off, which is counted."""
        try:
            self._expat.Parse(text, True)
        except expat.ExpatError as error:
            if not self.paragraphs:
                what = expat.ErrorString(error.code)
                raise FormatError(self.repairs.source, f"is not XML: {what}", error.lineno) from error
            self.repairs.note(LINES, error.lineno)

    def _refuse_entity(self, *_: object) -> None:
        raise FormatError(self.repairs.source, "declares entities, which no transcript needs", None)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        local = {key.rpartition(":")[2]: value for key, value in attributes.items()}
        if len(self._open) >= DEEPEST:
            raise FormatError(self.repairs.source, "elements are nested too deep", self._expat.CurrentLineNumber)
        base = self._open[-1][1] if self._open else 0.0
        begin, until, is_malformed = self._times(local, base)
        if name == "tt":
            self.frame_rate = _positive(local.get("frameRate"), self.frame_rate)
            self.tick_rate = _positive(local.get("tickRate"), self.frame_rate if "frameRate" in local else 1.0)
        elif name == "agent" and "id" in local:
            self._agent = local["id"]
        elif name == "name":
            self._name = []
        elif name == "p":
            line = self._expat.CurrentLineNumber
            start = begin if "begin" in local or not base else base
            self._paragraph = _Paragraph(start, until, local.get("agent"), line, is_malformed)
            self.paragraphs.append(self._paragraph)
        elif name == "br":
            self._text("\n")
        elif name == "span" and self._paragraph is not None:
            if local.get("agent") and self._paragraph.agent is None:
                self._paragraph.agent = local["agent"]
            if "begin" in local:
                self._span = (begin, until)
                self._space()
        inherits = name in ("body", "div", "p")
        self._open.append((name, begin if inherits and begin is not None else base))

    def _end(self, tag: str) -> None:
        name = self._open.pop()[0]
        if name == "p":
            self._paragraph = None
        elif name == "span":
            self._span = None
        elif name == "name" and self._name is not None:
            if self._agent is not None:
                self.names[self._agent] = clean("".join(self._name))
            self._name = None
        elif name == "agent":
            self._agent = None

    def _text(self, text: str) -> None:
        if self._name is not None:
            self._name.append(text)
        elif self._paragraph is not None:
            self._paragraph.parts.append(text)
            if self._span is not None and clean(text):
                for number, word in enumerate(clean(text).split()):
                    self._paragraph.words.append((word, *(self._span if not number else (None, None))))

    def _space(self) -> None:
        """A blank before a span with a time of its own, where the file has none between its words."""
        parts = self._paragraph.parts if self._paragraph is not None else []
        before = parts[-1] if parts else ""
        if before and not before[-1].isspace() and not clings(before, before[-1]):
            parts.append(" ")

    def _times(self, local: dict[str, str], base: float) -> tuple[float | None, float | None, bool]:
        begin, end, length = (self._time(local.get(key)) for key in ("begin", "end", "dur"))
        is_malformed = any(
            key in local and time is None for key, time in (("begin", begin), ("end", end), ("dur", length))
        )
        start = None if begin is None else base + begin
        if end is not None:
            return start, base + end, is_malformed
        return start, None if length is None or start is None else start + length, is_malformed

    def _time(self, text: str | None) -> float | None:
        if text is None:
            return None
        offset = _OFFSET.fullmatch(text.strip())
        if offset is not None:
            units = {**_UNITS, "f": 1 / self.frame_rate, "t": 1 / self.tick_rate}
            return round(float(offset.group(1)) * units[offset.group(2)], 3)
        whole, _, frames = text.strip().rpartition(":")
        if whole.count(":") == 2 and frames.isdecimal():
            at = clock.loose(whole)
            return None if at is None else round(at + int(frames) / self.frame_rate, 3)
        return clock.loose(text) if ":" in text else None


def _positive(text: str | None, otherwise: float) -> float:
    number = float(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text) else 0.0
    return number or otherwise


def read_ttml(text: str, source: object) -> tuple[Line, ...]:
    """The paragraphs of a TTML document, with its agents as speakers and the times of words that have them."""
    repairs = Repairs(source)
    parser = _Parser(repairs)
    parser.read(with_escaped_ampersands(re.sub(r"^\s*<\?xml[^>]*\?>", "", text)))
    pieces = [
        Piece(
            one.start,
            one.end,
            "".join(one.parts),
            parser.names.get(one.agent or "") or one.agent,
            tuple(one.words),
            one.line,
            one.is_malformed,
        )
        for one in parser.paragraphs
    ]
    if not pieces:
        raise FormatError(source, "no paragraph <p> with words", 1)
    return settle(pieces, repairs, are_named=any(piece.speaker for piece in pieces), expected='begin="00:00:01.000"')
