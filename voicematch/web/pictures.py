"""Pictures of people, as they are handed in and as they are kept: decoded, cut to a square, written anew.

Nothing of the file that was sent is kept but what can be seen: no name, no place it was taken at, no second format
hidden behind the first.
"""

from __future__ import annotations

from pathlib import Path

from ..batch.pictures import decoded, written

SIDE = 480  # pixels; the largest that a page shows it is 240, on a screen of twice the density
MOST_SENT = 20 << 20  # bytes


def square(sent: Path, *, across: float = 50.0, down: float = 35.0, zoom: float = 1.0) -> bytes:
    """Return a square of the picture in a file as JPEG.

    across, down : where its middle lies, in percent; as near to that as the edges allow
    zoom : 1 takes as much as fits

    Raises FormatError when it is no picture that can be read.
    """
    from PIL.Image import Resampling

    whole = decoded(sent.read_bytes(), "the picture")
    side = max(min(whole.size) / min(max(zoom, 1.0), 8.0), 1.0)
    left = min(max(whole.width * across / 100 - side / 2, 0.0), whole.width - side)
    top = min(max(whole.height * down / 100 - side / 2, 0.0), whole.height - side)
    return written(whole.resize((SIDE, SIDE), Resampling.LANCZOS, box=(left, top, left + side, top + side)))
