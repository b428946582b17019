"""Pictures of people that a feed has."""

from __future__ import annotations

from ..formats.pictures import MOST_SENT, square
from ..library import FeedPicture
from ..net.download import fetch


def of_feed(found: FeedPicture) -> bytes:
    """Fetch the picture of a person from where a feed says that it is, once; return a square of it.

    Raises FormatError when it cannot be had, is too large, or is no picture. A feed from the web is not let near this
    machine and its network.
    """
    document = fetch(found.url, most_bytes=MOST_SENT, nearby=found.nearby)
    return square(document.raw, found.url)
