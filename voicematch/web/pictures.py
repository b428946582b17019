"""Pictures of people, as they are handed in and as they are kept: decoded, cut to a square, written anew.

Nothing of the file that was sent is kept but what can be seen: no name, no place it was taken at, no second format
hidden behind the first.
"""

from __future__ import annotations

import io
from pathlib import Path

from ..errors import VoicematchError

SIDE = 480  # pixels; the largest that a page shows it is 240, on a screen of twice the density
MOST_SENT = 20 << 20  # bytes
MOST_PIXELS = 60_000_000  # of the picture that is sent; it is decoded in memory
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")


def square(sent: Path, *, across: float = 50.0, down: float = 35.0, zoom: float = 1.0) -> bytes:
    """Return a square of the picture in a file as JPEG.

    across, down : where its middle lies, in percent; as near to that as the edges allow
    zoom : 1 takes as much as fits

    Raises VoicematchError when it is no picture that can be read.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(sent, formats=FORMATS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise VoicematchError(f"the picture has more than {MOST_PIXELS // 1_000_000} million pixels")
            upright = ImageOps.exif_transpose(opened).convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise VoicematchError("no picture that can be read; send a JPEG, PNG, WebP or GIF") from error
    side = max(min(upright.size) / min(max(zoom, 1.0), 8.0), 1.0)
    left = min(max(upright.width * across / 100 - side / 2, 0.0), upright.width - side)
    top = min(max(upright.height * down / 100 - side / 2, 0.0), upright.height - side)
    made = upright.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side))
    kept = io.BytesIO()
    made.save(kept, "JPEG", quality=85, optimize=True)
    return kept.getvalue()
