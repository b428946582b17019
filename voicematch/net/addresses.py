"""What is an address of the web rather than a path."""

from __future__ import annotations

import re


def is_address(source: object) -> bool:
    """Whether a source is an http(s) address rather than a path."""
    return isinstance(source, str) and bool(re.match(r"https?://", source, re.IGNORECASE))


def without_login(address: str) -> str:
    """The address as its server is asked for it; a login goes in a header.

    >>> without_login("https://ada:secret@example.org/feed?of=ada")
    'https://example.org/feed?of=ada'
    """
    return re.sub(r"^([a-z]+://)[^/?#]*@", r"\1", address, flags=re.IGNORECASE)
