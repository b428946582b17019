"""What can be subscribed to, and what a search engine asks for: Atom feeds (RFC 4287) and a sitemap."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from ...formats.amounts import date_of, talk
from ...library.reading.episodes import EpisodeSummary

MOST_ENTRIES = 50  # of a feed, newest first
MOST_ADDRESSES = 50_000  # of a sitemap, as its protocol has it
ATOM = "http://www.w3.org/2005/Atom"
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def atom(title: str, author: str, page: str, own: str, episodes: Iterable[tuple[EpisodeSummary, str]]) -> bytes:
    """Return a feed of episodes.

    page, own : addresses of what the feed is about, and of the feed
    episodes : newest first, each with the address of its page
    """
    some = list(episodes)[:MOST_ENTRIES]
    feed = Element("feed", xmlns=ATOM)
    _text(feed, "title", title)
    _text(feed, "id", page)
    _text(feed, "updated", max((_when(one) for one, _ in some), default="1970-01-01T00:00:00Z"))
    _text(SubElement(feed, "author"), "name", author)
    SubElement(feed, "link", rel="alternate", type="text/html", href=page)
    SubElement(feed, "link", rel="self", type="application/atom+xml", href=own)
    for one, address in some:
        entry = SubElement(feed, "entry")
        _text(entry, "title", one.shown_as)
        _text(entry, "id", address)
        _text(entry, "updated", _when(one))
        SubElement(entry, "link", rel="alternate", type="text/html", href=address)
        names = ", ".join(person.name for person in one.people)
        _text(entry, "summary", " · ".join(part for part in (one.show, names, talk(one.duration)) if part))
    return _document(feed)


def sitemap(addresses: Sequence[str]) -> bytes:
    """Return the list of a site's pages."""
    urls = Element("urlset", xmlns=SITEMAP)
    for address in addresses[:MOST_ADDRESSES]:
        _text(SubElement(urls, "url"), "loc", address)
    return _document(urls)


def _when(one: EpisodeSummary) -> str:
    day = date_of(one.date) or date_of(one.stored)
    return f"{day.isoformat() if day else '1970-01-01'}T00:00:00Z"


def _text(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = _NO_XML.sub("", text)


def _document(root: Element) -> bytes:
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"
