"""The ``podcast:`` tags of a feed, which feedparser keeps only in part, and where a feed without end is cut off."""

from __future__ import annotations

import html
import itertools
import logging
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from ..errors import FormatError

log = logging.getLogger(__name__)

MOST_ENTRIES = 20_000  # of a page, the first ones; one a day for 54 years
MOST_DEPTH = 100  # elements within each other; a feed has about six
CHANNEL_DEPTH = 2  # of <channel> in RSS; a podcast:guid deeper down is of another show (podcast:remoteItem)
MOST_TEXT = 500  # characters of a title or a name

PODCAST = (
    "https://podcastindex.org/namespace/1.0",
    "https://github.com/Podcastindex-org/podcast-namespace/blob/main/docs/1.0.md",
)
_ESCAPED = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]{1,6}|#x[0-9a-f]{1,5});", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody the feed says takes part (``podcast:person``); the standard's defaults are host and cast.

    picture : where their picture is, as the feed writes it, or ""
    """

    name: str
    role: str = "host"
    group: str = "cast"
    picture: str = ""


@dataclass
class PodcastTags:
    """The ``podcast:`` tags of the feed, or of one entry."""

    guid: str = ""
    persons: list[Person] = field(default_factory=list)
    transcripts: list[Mapping[str, str]] = field(default_factory=list)
    chapters: str = ""


def podcast_tags(raw: bytes, source: str) -> tuple[PodcastTags, list[PodcastTags], bytes]:
    """The ``podcast:`` tags of the feed and of each of its whole entries, as far as the XML is well-formed.

    Also the document, which ends after MOST_ENTRIES.
    """
    if b"<!ENTITY" in raw.replace(b"\0", b"").upper():  # also where the parser would give up before it
        raise FormatError(source, "declares XML entities of its own, which no feed needs; it is not read")
    reader = _TagReader(source)
    try:
        reader.parser.Parse(raw, True)
    except (expat.ExpatError, ValueError, LookupError) as error:  # the latter two: an encoding expat does not know
        log.info("%s: %s", source, error)
        if reader.entry is not None:
            reader.entries.pop()
        found = itertools.islice(_ENTRY.finditer(raw), 0 if reader.rest else MOST_ENTRIES + 1)
        begins = [entry.start() for entry in found]
        if len(begins) > MOST_ENTRIES:
            raw = raw[: begins[MOST_ENTRIES]]
    if reader.rest is not None:
        at, closing = reader.rest
        raw = raw[:at] + closing.encode(_WIDE.get(raw[:2], "utf-8"))
    return reader.channel, reader.entries, raw


_ENTRY = re.compile(rb"<(?:item|entry)[\s>]", re.IGNORECASE)  # where XML is not well-formed, this has to do
_WIDE = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


class _TagReader:
    """Collects the ``podcast:`` tags while its parser reads."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.channel = PodcastTags()
        self.entries: list[PodcastTags] = []
        self.entry: PodcastTags | None = None
        self.elements: list[str] = []  # that are open, as they are written
        self.rest: tuple[int, str] | None = None  # where the first entry too many begins, and what is open there
        self.text: list[str] | None = None  # of the tag being read, if it is one of ours
        self.roles: dict[str, str] = {}
        self.picture = ""
        self.parser = xml_parser(source)
        self.parser.namespace_prefixes = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self.rest is not None:
            return
        namespace, tag, written = _parts(name)
        if tag in ("item", "entry") and len(self.entries) == MOST_ENTRIES:
            self.rest = self.parser.CurrentByteIndex, "".join(f"</{open_}>" for open_ in reversed(self.elements))
            return
        self.elements.append(written)
        if len(self.elements) > MOST_DEPTH:
            raise FormatError(self.source, f"more than {MOST_DEPTH} elements within each other; it is not read")
        if tag in ("item", "entry"):
            self.entry = PodcastTags()
            self.entries.append(self.entry)
        if namespace not in PODCAST:
            return
        self.text = []
        tags = self.entry or self.channel
        if tag == "transcript":
            tags.transcripts.append(attributes)
        elif tag == "chapters":
            tags.chapters = attributes.get("url", "")
        elif tag == "person":
            self.roles = {key: one_line(attributes.get(key)).lower() for key in ("role", "group")}
            self.picture = attributes.get("img", "")

    def characters(self, text: str) -> None:
        if self.text is not None:
            self.text.append(text)

    def end(self, name: str) -> None:
        if self.rest is not None:
            return
        namespace, tag, _ = _parts(name)
        self.elements.pop()
        if tag in ("item", "entry"):
            self.entry = None
        content = one_line("".join(self.text or ()))
        self.text = None
        if namespace not in PODCAST or not content:
            return
        if tag == "guid" and self.entry is None and len(self.elements) == CHANNEL_DEPTH:
            self.channel.guid = content
        elif tag == "person":
            part = (self.roles["role"] or "host", self.roles["group"] or "cast")
            person = Person(title_of(content), *part, self.picture)
            (self.entry or self.channel).persons.append(person)


def _parts(name: str) -> tuple[str, str, str]:
    """Namespace, name in it, and name as it is written, of what the parser calls "namespace name prefix".

    >>> _parts("title"), _parts("http://www.w3.org/2005/Atom link atom")
    (('', 'title', 'title'), ('http://www.w3.org/2005/Atom', 'link', 'atom:link'))
    """
    parts = name.split(" ")
    if len(parts) == 1:
        return "", name, name
    return parts[0], parts[1], ":".join((*parts[2:], parts[1]))


def xml_parser(source: object) -> expat.XMLParserType:
    """An XML parser that opens nothing, and stops at a declared entity or at nesting without end."""
    parser = expat.ParserCreate(namespace_separator=" ")

    def refuse(*_declaration: object) -> None:
        raise FormatError(source, "declares XML entities of its own, which no feed needs; it is not read")

    parser.EntityDeclHandler = refuse
    return parser


def one_line(value: object) -> str:
    """One line without control or direction characters, no longer than a title is."""
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in str(value or ""))
    return " ".join(kept.split())[:MOST_TEXT]


def title_of(value: object) -> str:
    """The same of a title or a name, which many programs escape twice.

    >>> title_of("Q &amp; A &#8211; live")
    'Q & A – live'
    """
    text = one_line(value)
    return one_line(html.unescape(text)) if _ESCAPED.search(text) else text
