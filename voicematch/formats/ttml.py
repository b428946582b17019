"""TTML (Timed Text Markup Language): Apple Podcasts' transcripts, broadcasters' subtitles, DFXP.

https://www.w3.org/TR/ttml2/. There, times count from when the element around begins. Apple writes times that TTML does
not have (``0.220``, ``1:02.5``, ``1:09:04.480``), and all of them count from the beginning of the episode.

The parser is expat, which stops entities that grow (2.4.1 and later); a document that
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
from .spoken import Passage, TimedWord, settle
from .xml_text import with_escaped_ampersands

DEEPEST = 200  # elements inside each other
ROUNDED = 0.05  # s that times may be off
_CLOCK = re.compile(r"[0-9]{2,}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+|:[0-9]{2,}(?:\.[0-9]+)?)?")
_OFFSET = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(h|ms|m|s|f|t)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(slots=True)
class _Paragraph:
    """A ``p``.

    around : when what it stands in begins, None where that has no time
    agent : its speaker's id
    words : spans that have times of their own
    """

    start: float | None
    end: float | None
    around: float | None
    agent: str | None
    line: int
    is_malformed: bool
    parts: list[str] = field(default_factory=list)
    words: list[TimedWord] = field(default_factory=list)

    def times(self) -> tuple[float | None, float | None]:
        """Return its start and end; where it has none, those of its words, or the start of what it stands in."""
        if self.start is not None:
            return self.start, self.end
        since = next((since for _, since, _ in self.words if since is not None), self.around)
        until = next((until for _, _, until in reversed(self.words) if until is not None), None)
        return since, until if self.end is None else self.end


class _Parser:
    """What expat calls, in order of the document."""

    def __init__(self, source: object, *, is_absolute: bool) -> None:
        self.source = source
        self.is_absolute = is_absolute
        self.overruns = False  # a time that counts from what is around lies behind its end
        self.broken_at: int | None = None
        self.paragraphs: list[_Paragraph] = []
        self.names: dict[str, str] = {}
        self.frame_rate, self.tick_rate = 30.0, 1.0
        self._open: list[tuple[str, float, float | None]] = []  # element, and when what is in it begins and ends
        self._paragraph: _Paragraph | None = None
        self._agent: str | None = None
        self._span: tuple[float | None, float | None, list[str]] | None = None
        self._name: list[str] | None = None
        self._expat = expat.ParserCreate()
        self._expat.EntityDeclHandler = self._refuse_entity
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._text

    def read(self, text: str) -> None:
        """Return everything up to where the document breaks off, which is counted."""
        try:
            self._expat.Parse(text, True)
        except expat.ExpatError as error:
            if not self.paragraphs:
                what = expat.ErrorString(error.code)
                raise FormatError(self.source, f"is not XML: {what}", error.lineno) from error
            self.broken_at = error.lineno

    def _refuse_entity(self, *_: object) -> None:
        raise FormatError(self.source, "declares entities, which no transcript needs", None)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        local = {key.rpartition(":")[2]: value for key, value in attributes.items()}
        if len(self._open) >= DEEPEST:
            raise FormatError(self.source, "elements are nested too deep", self._expat.CurrentLineNumber)
        base, limit = self._open[-1][1:] if self._open else (0.0, None)
        begin, until, is_malformed = self._times(local, base)
        latest = max((time for time in (begin, until) if time is not None), default=0.0)
        self.overruns |= limit is not None and latest > limit + ROUNDED
        if name == "tt":
            self.frame_rate = _positive(local.get("frameRate"), self.frame_rate)
            self.tick_rate = _positive(local.get("tickRate"), self.frame_rate if "frameRate" in local else 1.0)
        elif name == "agent" and "id" in local:
            self._agent = local["id"]
        elif name == "name":
            self._name = []
        elif name == "p":
            line = self._expat.CurrentLineNumber
            around = base if base and "begin" not in local else None
            self._paragraph = _Paragraph(begin, until, around, local.get("agent"), line, is_malformed)
            self.paragraphs.append(self._paragraph)
        elif name == "br":
            self._text("\n")
        elif name == "span" and self._paragraph is not None:
            if local.get("agent") and self._paragraph.agent is None:
                self._paragraph.agent = local["agent"]
            if "begin" in local or "unit" in local:  # Apple's sentences and words
                self._space()
            if "begin" in local:
                self._span = (begin, until, [])
        inside = (base, limit)
        if begin is not None and name != "tt":
            inside = (0.0 if self.is_absolute or not _is_ttml(local["begin"]) else begin, until)
        self._open.append((name, *inside))

    def _end(self, tag: str) -> None:
        name = self._open.pop()[0]
        if name == "p":
            self._paragraph = None
        elif name == "span" and self._span is not None:
            begin, until, parts = self._span
            words = clean("".join(parts)).split()
            if self._paragraph is not None:
                ends = [None] * (len(words) - 1) + [until]
                starts = [begin] + [None] * (len(words) - 1)
                self._paragraph.words += zip(words, starts, ends, strict=False)
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
            if self._span is not None:
                self._span[2].append(text)

    def _space(self) -> None:
        """Return a blank before a span with a time of its own, where the file has none between its words."""
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
        text = text.strip()
        offset = _OFFSET.fullmatch(text)
        if offset is not None:
            units = {**_UNITS, "f": 1 / self.frame_rate, "t": 1 / self.tick_rate}
            return round(float(offset.group(1)) * units[offset.group(2)], 3)
        whole, _, frames = text.rpartition(":")
        is_frame = len(frames) < 3 or self.frame_rate > 100
        if whole.count(":") == 2 and frames.isdecimal() and is_frame:
            at = clock.loose(whole)
            return None if at is None else round(at + int(frames) / self.frame_rate, 3)
        return clock.loose(text)


def _is_ttml(time: str) -> bool:
    """Return whether a time is spelled as TTML has it."""
    return _OFFSET.fullmatch(time.strip()) is not None or _CLOCK.fullmatch(time.strip()) is not None


def _positive(text: str | None, otherwise: float) -> float:
    number = float(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text) else 0.0
    return number or otherwise


def read_ttml(text: str, source: object) -> tuple[Line, ...]:
    """Read the paragraphs of a TTML document, with its agents as speakers and the times of words that have them."""
    repairs = Repairs(source)
    document = with_escaped_ampersands(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    parser = _Parser(source, is_absolute=False)
    parser.read(document)
    if parser.overruns:  # many files have all times from the beginning, whatever is around
        parser = _Parser(source, is_absolute=True)
        parser.read(document)
    if parser.broken_at is not None:
        repairs.note(LINES, parser.broken_at)
    pieces = [
        Passage(
            *one.times(),
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
