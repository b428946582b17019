"""The pictures of shows: fetched when their feed is, made small and encoded anew, so that no byte of a stranger's file
is kept. Needs Pillow, which comes with the pages; without it shows have none.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec

from ..errors import FormatError, shown
from ..library import Library
from ..net.download import fetch

log = logging.getLogger(__name__)

MOST_BYTES = 16 << 20  # Apple allows 3000 × 3000 pixels, which are at most about 10 MB
MOST_PIXELS = 64_000_000
SIDE = 600  # pixels of what is kept
QUALITY = 85
KINDS = ("PNG", "JPEG", "WEBP", "GIF")


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
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow about sizes and odd files: what is too large is refused here
            with Image.open(io.BytesIO(raw), formats=KINDS) as opened:
                if opened.width * opened.height > MOST_PIXELS:
                    raise FormatError(shown(source), f"a picture of {opened.width} × {opened.height} pixels; not kept")
                opened.draft("RGB", (SIDE, SIDE))
                turned = ImageOps.exif_transpose(opened).convert("RGBA")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise FormatError(shown(source), "is no picture that can be read") from error
    turned.thumbnail((SIDE, SIDE))
    ground = Image.new("RGB", turned.size, "#ffffff")
    ground.paste(turned, mask=turned.getchannel("A"))
    held = io.BytesIO()
    ground.save(held, "JPEG", quality=QUALITY, optimize=True)
    return held.getvalue()
