"""Pictures as they come from others, and as they are kept: decoded, written anew, the portrait of a person as a square.

Nothing of the file that was given is kept but what can be seen: no name, no place it was taken at, no second format
hidden behind the first. Needs Pillow, which comes with the pages.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from ..errors import FormatError, shown

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 64_000_000
MOST_SENT = 20 << 20  # bytes of a file with somebody's picture
SIDE = 480  # pixels of a portrait; the largest that a page shows it is 240, on a screen of twice the density
QUALITY = 85
KINDS = ("PNG", "JPEG", "WEBP", "GIF")


def square(raw: bytes, source: str, *, across: float = 50.0, down: float = 35.0, zoom: float = 1.0) -> bytes:
    """Return a square of a picture as JPEG.

    across, down : where its middle lies, in percent; as near to that as the edges allow
    zoom : 1 takes as much as fits

    Raises FormatError when it is no picture that can be read.
    """
    from PIL.Image import Resampling

    whole = decoded(raw, source)
    side = max(min(whole.size) / min(max(zoom, 1.0), 8.0), 1.0)
    left = min(max(whole.width * across / 100 - side / 2, 0.0), whole.width - side)
    top = min(max(whole.height * down / 100 - side / 2, 0.0), whole.height - side)
    return written(whole.resize((SIDE, SIDE), Resampling.LANCZOS, box=(left, top, left + side, top + side)))


def decoded(raw: bytes, source: str, *, draft: int | None = None) -> Image:
    """Return the pixels of a picture, the right way up, on white. Raises FormatError.

    draft : a side in pixels that is enough, for those that can be read smaller
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow about sizes and odd files: what is too large is refused here
            with Image.open(io.BytesIO(raw), formats=KINDS) as opened:
                if opened.width * opened.height > MOST_PIXELS:
                    raise FormatError(shown(source), f"a picture of {opened.width} × {opened.height} pixels; not kept")
                if draft is not None:
                    opened.draft("RGB", (draft, draft))
                turned = ImageOps.exif_transpose(opened).convert("RGBA")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise FormatError(shown(source), "is no picture that can be read") from error
    ground = Image.new("RGB", turned.size, "#ffffff")
    ground.paste(turned, mask=turned.getchannel("A"))
    return ground


def written(picture: Image) -> bytes:
    """Return pixels as a JPEG."""
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=QUALITY, optimize=True)
    return held.getvalue()
