"""Lists of feeds in OPML, as podcast programs write them: not always well-formed."""

from __future__ import annotations

import logging
from xml.parsers import expat

from ..errors import FormatError
from ..formats.xml_text import with_escaped_ampersands
from ..net.download import Document
from .feeds import address_of
from .podcast_tags import xml_parser

log = logging.getLogger(__name__)


def read_opml(document: Document, source: object) -> tuple[str, ...]:
    """The addresses of the feeds that an OPML list names, in its order. Raises FormatError."""
    found: list[str] = []

    def start(_name: str, attributes: dict[str, str]) -> None:
        address = next((value for key, value in attributes.items() if key.lower() == "xmlurl"), "")
        if address_of(address, ""):
            found.append(address)
        elif address:
            log.warning("%s: %s is not an http(s) address; left out", source, address)

    # Many programs write an & in a title or an address as it is. Latin-1 leaves every other byte as it was.
    mended = with_escaped_ampersands(document.raw.decode("latin-1")).encode("latin-1")
    for raw in (document.raw, mended):
        found.clear()
        parser = xml_parser(source)
        parser.StartElementHandler = start
        try:
            parser.Parse(raw, True)
        except expat.ExpatError as error:
            broken = error
        else:
            return tuple(dict.fromkeys(found))
    what = expat.ErrorString(broken.code)
    if not found:
        raise FormatError(source, f"is not OPML: {what}", broken.lineno) from broken
    log.warning("%s:%d: breaks off there (%s); %d feeds before it are taken", source, broken.lineno, what, len(found))
    return tuple(dict.fromkeys(found))
