"""Podcast feeds (RSS, Atom, Podcasting 2.0) as values. What a feed says is never trusted with a path:
every address in it is http or https, or the entry is left out.

feedparser reads the feed, since many are not well-formed XML. It keeps only the last of repeated ``podcast:`` tags and
not the text of a person, so those are read in a second pass.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import feedparser

from .. import formats, given
from ..errors import FormatError, shown
from ..net.addresses import is_address, without_login
from ..net.download import Document, fetch
from ..types import Chapter, Line
from .podcast_tags import Person, PodcastTags, one_line, podcast_tags, title_of

log = logging.getLogger(__name__)

MOST_BYTES = 64 << 20  # 1,500 episodes with their show notes are about 10 MB
MOST_TRANSCRIPT_BYTES = 64 << 20  # as for transcripts in files
MOST_PAGES = 100  # of a feed that comes in pages (RFC 5005)
MOST_ADDRESS = 2_000  # characters of the address of a picture, which is kept with every episode

SOUND = re.compile(r"\.(aac|aiff?|flac|m4[abv]|mka|mkv|mov|mp[34]|mpga|og[ag]|opus|wav|webm|wma)$", re.IGNORECASE)

# The transcript that tells most comes first: Podcasting 2.0's JSON has words and speakers.
TRANSCRIPT_TYPES = (
    "application/json",
    "text/vtt",
    "application/srt",
    "application/x-subrip",
    "text/srt",
    "text/html",
    "text/plain",
)


@dataclass(frozen=True, slots=True)
class Enclosure:
    """The sound of an entry. ``num_bytes`` is what the feed claims, which is often wrong; 0 when it does not say."""

    url: str
    num_bytes: int = 0
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Transcript:
    """Where a transcript of an entry is (``podcast:transcript``)."""

    url: str
    media_type: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One episode of a feed.

    guid : what the feed calls it, else its address, with title and time in place of what follows a question mark
    date : ISO 8601 day of publication, or None
    duration : seconds, as the feed claims, or None
    chapters : where its chapters are, or ""
    """

    guid: str
    title: str
    enclosure: Enclosure
    date: str | None = None
    duration: float | None = None
    season: int | None = None
    episode: int | None = None
    persons: tuple[Person, ...] = ()
    transcripts: tuple[Transcript, ...] = ()
    chapters: str = ""


@dataclass(frozen=True, slots=True)
class Feed:
    """A show.

    guid : its ``podcast:guid``, which outlives a move to another host; else its address
    entries : as the feed has them, mostly newest first
    left_out : why each entry that cannot be heard was left out
    next_page : where older entries are, or ""
    picture : where its picture is, or ""
    nearby : its host, when that is this machine or in its network; nobody else there may be asked for its sake
    """

    guid: str
    title: str
    url: str
    author: str = ""
    persons: tuple[Person, ...] = ()
    entries: tuple[Entry, ...] = ()
    left_out: tuple[str, ...] = ()
    next_page: str = ""
    nearby: str = ""
    picture: str = ""


def read_feed(source: str | Path, document: Document | None = None) -> Feed:
    """Read the feed at an address or in a file, with all its pages. Raises FormatError.

    document : what is there, if it was loaded already
    """
    document = document or load(source)
    feed = parse_feed(document, source)
    entries, left_out, seen = list(feed.entries), list(feed.left_out), {feed.url}
    page = feed
    while page.next_page and page.next_page not in seen and len(seen) < MOST_PAGES:
        address = page.next_page
        seen.add(address)
        try:
            page = parse_feed(load(address, nearby=feed.nearby), address)
        except FormatError as error:  # what the other pages have is worth having
            left_out.append(f"{feed.title}: the rest of it: {error}")
            break
        entries += page.entries
        left_out += page.left_out
    return replace(feed, entries=tuple(_told_apart(entries)), left_out=tuple(left_out), next_page="")


def _told_apart(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries in their order, each once; different ones that share a guid get their addresses added to it.

    Two of one guid are the same when their sound is, or when they have title and day in common: pages of a feed
    overlap, and a sound may move to another host.
    """
    by_guid: dict[str, list[Entry]] = {}
    seen: set[tuple[str, ...]] = set()
    for entry in entries:
        known = by_guid.setdefault(entry.guid, [])
        marks = _marks(entry)
        if seen.isdisjoint(marks):
            known.append(entry)
            seen.update(marks)
    kept = {id(one) for of_guid in by_guid.values() for one in of_guid}
    apart: list[Entry] = []
    for entry in entries:
        if id(entry) in kept:
            is_shared = len(by_guid[entry.guid]) > 1
            guid = f"{entry.guid} {entry.enclosure.url.partition('?')[0]}" if is_shared else entry.guid
            apart.append(replace(entry, guid=guid))
    return apart


def _marks(entry: Entry) -> tuple[tuple[str, ...], ...]:
    """Return what two entries may have in common that are the same."""
    sound = entry.enclosure.url.partition("?")[0]
    return (entry.guid, "sound", sound), (entry.guid, "title", entry.title, entry.date or "")


def load(source: str | Path, *, nearby: str | None = None) -> Document:
    """Return the bytes of a feed or list, from an address or a file; at most MOST_BYTES. Raises FormatError.

    nearby : who in this machine's own network may be asked; None where a person gave the address
    """
    if is_address(source):
        return fetch(str(source), most_bytes=MOST_BYTES, nearby=nearby)
    try:
        raw = given.content(source, MOST_BYTES + 1)
    except OSError as error:
        raise FormatError(source, f"cannot be read: {error.strerror}") from error
    if len(raw) > MOST_BYTES:
        raise FormatError(source, f"larger than {MOST_BYTES >> 20} MiB; is this a feed?")
    return Document(raw, "", "")


def parse_feed(document: Document, source: object) -> Feed:
    """Return the feed in a document. Raises FormatError when it is none, or declares entities of its own.

    source : what it is called in errors, and its address when it has no better one
    """
    name = shown(str(source))
    channel, tags_by_entry, raw = podcast_tags(document.raw, name)
    parsed = feedparser.parse(
        raw,
        response_headers={"content-type": "application/xml"},  # without a charset, so that the XML's own one counts
        sanitize_html=False,  # no text with markup is taken, and sanitising takes twenty times as long as the rest
        resolve_relative_uris=False,
    )
    if not parsed.get("version") and not parsed.entries:
        raise FormatError(name, "is not a podcast feed; give the address of its RSS")
    about = parsed.feed
    links = {str(link.get("rel")): str(link.get("href") or "") for link in about.get("links", ())}
    url = str(source) if is_address(source) else address_of(links.get("self", ""), "") or str(source)
    base = document.url or url
    if len(tags_by_entry) < len(parsed.entries):  # not well-formed: what feedparser kept is better than nothing
        tags_by_entry += [_kept_tags(entry) for entry in parsed.entries[len(tags_by_entry) :]]
    entries, left_out, moments = [], [], []
    if raw is not document.raw:
        left_out.append(
            f"{name}: has more entries than are taken of one feed, which are the first {len(parsed.entries):,}"
        )
    for entry, tags in zip(parsed.entries, tags_by_entry, strict=False):
        found = _entry(entry, tags, base)
        if isinstance(found, Entry):
            entries.append(found)
            moments.append(_published(entry))
        else:
            left_out.append(found)
    return Feed(
        guid=channel.guid or without_login(url),
        title=title_of(about.get("title")) or "untitled show",
        url=url,
        author=title_of(about.get("author")),
        persons=_persons(channel, base),
        entries=_with_guids(entries, moments),
        left_out=tuple(left_out),
        next_page=address_of(links.get("next", ""), base),
        picture=address_of(str((about.get("image") or {}).get("href") or ""), base),
        nearby=document.nearby,
    )


def kind(raw: bytes) -> str:
    """Tell what a document is: "feed", "opml" or "" for neither.

    >>> kind(b'<?xml version="1.0"?><!-- made by hand --><opml version="2.0">')
    'opml'
    """
    start = raw[:4096].replace(b"\0", b"").removeprefix(b"\xef\xbb\xbf").lstrip(b"\xff\xfe \t\r\n")
    if not start.startswith(b"<"):
        return ""
    root = re.search(rb"<(opml|rss|feed|rdf:rdf|channel)\b", start, re.IGNORECASE)
    return "" if root is None else "opml" if root[1].lower() == b"opml" else "feed"


def fetch_transcript(
    transcripts: Sequence[Transcript], language: str = "", *, nearby: str | None = None
) -> tuple[Line, ...]:
    """Fetch the lines of the first of an entry's transcripts that can be had and read; none when there is no such one.

    nearby : who in this machine's own network may be asked
    """

    def rank(transcript: Transcript) -> tuple[bool, int]:
        known = transcript.media_type in TRANSCRIPT_TYPES
        order = TRANSCRIPT_TYPES.index(transcript.media_type) if known else len(TRANSCRIPT_TYPES)
        return bool(language and transcript.language and transcript.language != language), order

    for transcript in sorted(transcripts, key=rank):
        try:
            document = fetch(transcript.url, most_bytes=MOST_TRANSCRIPT_BYTES, nearby=nearby)
            return formats.read(formats.decode(document.raw, transcript.url), transcript.url)
        except FormatError as error:
            log.warning("transcript left out: %s", error)
    return ()


def fetch_chapters(url: str, *, nearby: str | None = None) -> tuple[Chapter, ...]:
    """Fetch the chapters at an address, in order (``podcast:chapters``, JSON). Raises FormatError."""
    return parse_chapters(fetch(url, most_bytes=MOST_TRANSCRIPT_BYTES, nearby=nearby).raw, url)


def parse_chapters(raw: bytes, source: object) -> tuple[Chapter, ...]:
    """Return the chapters in Podcasting 2.0's JSON, in order of time. Raises FormatError."""
    try:
        listed = given.parsed(raw)["chapters"]
        chapters = [Chapter(float(chapter["startTime"]), title_of(chapter.get("title"))) for chapter in listed]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(source, "not chapters as Podcasting 2.0 writes them") from error
    return tuple(sorted(chapters, key=lambda chapter: chapter.start))


def seconds_of(text: str) -> float | None:
    """Return an ``itunes:duration`` in seconds, or None when it is not one.

    >>> seconds_of("1:02:03"), seconds_of("62:03"), seconds_of("3723"), seconds_of("an hour")
    (3723.0, 3723.0, 3723.0, None)
    """
    if not re.fullmatch(r"\s*(\d{1,7}:){0,2}\d{1,7}(\.\d{0,9})?\s*", text, re.ASCII):
        return None
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


def _entry(entry: Any, tags: PodcastTags, base: str) -> Entry | str:
    """Return the entry, or why it is left out."""
    title = title_of(entry.get("title"))
    offered = [link for link in entry.get("enclosures", ()) if link.get("href")]
    sound = next((link for link in offered if _is_sound(link)), None)
    if sound is None:
        return f"{title or 'an entry'}: has no sound"
    url = address_of(str(sound["href"]), base)
    if not url:
        return f"{title or 'an entry'}: {one_line(sound['href'])} is not an http(s) address"
    published = _published(entry)
    transcripts = (
        Transcript(address, tag.get("type", "").partition(";")[0].strip().lower(), tag.get("language", "").lower())
        for tag in tags.transcripts
        if (address := address_of(tag.get("url", ""), base))
    )
    return Entry(
        guid=one_line(entry.get("id")),
        title=title or title_of(entry.get("itunes_title")) or "untitled",
        enclosure=Enclosure(url, _integer(sound.get("length")) or 0, one_line(sound.get("type"))),
        date=f"{published[0]:04}-{published[1]:02}-{published[2]:02}" if published else None,
        duration=seconds_of(str(entry.get("itunes_duration") or "")),
        season=_integer(entry.get("itunes_season")),
        episode=_integer(entry.get("itunes_episode")),
        persons=_persons(tags, base),
        transcripts=tuple(transcripts),
        chapters=address_of(tags.chapters, base),
    )


def _published(entry: Any) -> tuple[int, ...]:
    """Year, month, day, hour, minute and second in UTC; nothing where the feed does not say."""
    return tuple((entry.get("published_parsed") or entry.get("updated_parsed") or ())[:6])


def _with_guids(entries: Sequence[Entry], moments: Sequence[tuple[int, ...]]) -> tuple[Entry, ...]:
    """Call entries that the feed does not call anything by their addresses.

    What follows a question mark may be a signature that differs every time the feed is asked for, or all that tells
    two episodes apart. Title and time stand in its place, as long as they tell the entries of the feed apart.
    """
    found = []
    for entry, moment in zip(entries, moments, strict=True):
        address, mark, _ = entry.enclosure.url.partition("?")
        told = hashlib.sha256(repr((entry.title, moment)).encode("utf-8", "backslashreplace")).hexdigest()[:16]
        found.append(entry.guid or (f"{address} {told}" if mark else address))
    counted = Counter(found)
    return tuple(
        replace(entry, guid=guid if entry.guid or counted[guid] == 1 else entry.enclosure.url)
        for entry, guid in zip(entries, found, strict=True)
    )


def _persons(tags: PodcastTags, base: str) -> tuple[Person, ...]:
    """Those whom the tags name, with the whole addresses of their pictures."""
    pictures = (address_of(person.picture, base) for person in tags.persons)
    return tuple(
        replace(person, picture=address if len(address) <= MOST_ADDRESS else "")
        for person, address in zip(tags.persons, pictures, strict=True)
    )


def _is_sound(link: Mapping[str, Any]) -> bool:
    media_type = str(link.get("type") or "").lower()
    return media_type.startswith(("audio/", "video/")) or bool(SOUND.search(str(link["href"]).partition("?")[0]))


def address_of(url: str, base: str) -> str:
    """Return the absolute http(s) address, or "" when it is none."""
    try:
        absolute = urljoin(base, url.strip()) if url else ""
        return absolute if is_address(absolute) and urlsplit(absolute).hostname else ""
    except ValueError:
        return ""


def _integer(value: object) -> int | None:
    return int(str(value)) if re.fullmatch(r"\d{1,15}", str(value), re.ASCII) else None


def _kept_tags(entry: Any) -> PodcastTags:
    """Return what feedparser itself keeps of the ``podcast:`` tags."""
    tags = PodcastTags()
    for tag in ("transcript", "chapters"):
        attributes = entry.get(f"podcast_{tag}")
        if isinstance(attributes, Mapping):
            if tag == "transcript":
                tags.transcripts.append({str(key): str(value) for key, value in attributes.items()})
            else:
                tags.chapters = str(attributes.get("url") or "")
    return tags
