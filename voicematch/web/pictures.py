"""Pictures of people, as they are handed in, or found by way of a feed, and as they are kept: decoded, cut to a square,
written anew.

Nothing of the file that was sent is kept but what can be seen: no name, no place it was taken at, no second format
hidden behind the first.
"""

from __future__ import annotations

from pathlib import Path

from ..batch.pictures import decoded, written
from ..library import FeedPicture
from ..net.download import fetch

SIDE = 480  # pixels; the largest that a page shows it is 240, on a screen of twice the density
MOST_SENT = 20 << 20  # bytes


def square(sent: Path, *, across: float = 50.0, down: float = 35.0, zoom: float = 1.0) -> bytes:
    """Return a square of the picture in a file as JPEG.

    across, down : where its middle lies, in percent; as near to that as the edges allow
    zoom : 1 takes as much as fits

    Raises FormatError when it is no picture that can be read.
    """
    return _square(sent.read_bytes(), "the picture", across=across, down=down, zoom=zoom)


def of_feed(found: FeedPicture) -> bytes:
    """Fetch the picture of a person from where a feed says that it is, once; return a square of it as `square` does.

    Raises FormatError when it cannot be had, is too large, or is no picture. A feed from the web is not let near this
    machine and its network.
    """
    document = fetch(found.url, most_bytes=MOST_SENT, nearby=found.nearby)
    return _square(document.raw, found.url)


def _square(raw: bytes, source: str, *, across: float = 50.0, down: float = 35.0, zoom: float = 1.0) -> bytes:
    from PIL.Image import Resampling

    whole = decoded(raw, source)
    side = max(min(whole.size) / min(max(zoom, 1.0), 8.0), 1.0)
    left = min(max(whole.width * across / 100 - side / 2, 0.0), whole.width - side)
    top = min(max(whole.height * down / 100 - side / 2, 0.0), whole.height - side)
    return written(whole.resize((SIDE, SIDE), Resampling.LANCZOS, box=(left, top, left + side, top + side)))
