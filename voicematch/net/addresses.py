"""What is an address of the web rather than a path, and what is called what there."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit


def is_address(source: object) -> bool:
    """Return whether a source is an http(s) address rather than a path."""
    return isinstance(source, str) and bool(re.match(r"https?://", source, re.IGNORECASE))


def without_login(address: str) -> str:
    """Return the address as its server is asked for it; a login goes in a header.

    >>> without_login("https://ada:secret@example.org/feed?of=ada")
    'https://example.org/feed?of=ada'
    """
    return re.sub(r"^([a-z]+://)[^/?#]*@", r"\1", address, flags=re.IGNORECASE)


def path_of(address: str) -> PurePosixPath:
    """Return the path that an address ends in, as it reads. Raises ValueError for what is no address.

    >>> path_of("https://example.org/show/ep%201.mp3?token=1").name
    'ep 1.mp3'
    """
    return PurePosixPath(unquote(urlsplit(address).path))
