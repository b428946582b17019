"""The pictures of shows: fetched when their feed is, made small and encoded anew, so that no byte of a stranger's file
is kept. Needs Pillow, which comes with the pages; without it shows have none.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec

from ..errors import FormatError
from ..formats.pictures import decoded, written
from ..library import Library
from ..net.download import fetch

log = logging.getLogger(__name__)

MOST_BYTES = 16 << 20  # Apple allows 3000 × 3000 pixels, which are at most about 10 MB
SIDE = 600  # pixels of what is kept


@dataclass(frozen=True, slots=True)
class Picture:
    """Where a feed says that the picture of its show is. nearby : as for `net.download.fetch`"""

    show: str
    url: str
    nearby: str


def keep(library: Library, pictures: Iterable[Picture]) -> int:
    """Fetch the pictures and keep them; return how many. One that cannot be had leaves the one there was."""
    if find_spec("PIL") is None:
        return 0
    num_kept = 0
    for picture in pictures:
        try:
            raw = fetch(picture.url, most_bytes=MOST_BYTES, nearby=picture.nearby).raw
            library.shows.keep_picture(picture.show, encoded(raw, picture.url))
            num_kept += 1
        except FormatError as error:  # the episodes matter, not how the show looks
            log.warning("the picture of %s: %s", picture.show, error)
    return num_kept


def encoded(raw: bytes, source: str) -> bytes:
    """Return the picture as a JPEG of at most SIDE × SIDE pixels, with nothing in it but pixels. Raises FormatError."""
    made = decoded(raw, source, draft=SIDE)
    made.thumbnail((SIDE, SIDE))
    return written(made)
