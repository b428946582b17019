"""Sound for the pages: an episode's own file, and the clearest seconds of a voice."""

from __future__ import annotations

import logging
import math
import mimetypes
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from starlette.responses import FileResponse, Response

from ..audio import SAMPLE_RATE, Audio
from ..audio.clips import to_wav
from ..errors import AudioError
from ..library import Library
from ..net.addresses import is_address
from ..types import Array
from ..usecases.clip import clearest_clip

log = logging.getLogger(__name__)

NUM_LEVELS = 600  # parts of an episode whose loudness is drawn: more than a lane shows
QUIETEST = -50.0  # dB below full scale, and drawn as nothing
TYPES = {".m4a": "audio/mp4", ".m4b": "audio/mp4", ".opus": "audio/ogg", ".flac": "audio/flac", ".mka": "audio/webm"}


def original(source: str) -> Response:
    """Return the file, or the range of it that was asked for, as it is. Raises AudioError when it is gone.

    source : as the library has it; never what a request says
    """
    path = Path(source)
    if is_address(source) or not os.path.isfile(path):
        raise AudioError("its sound", "is not on this machine any more; the words are")
    return FileResponse(path, media_type=media_type(path), content_disposition_type="inline")


def media_type(path: Path) -> str:
    """
    >>> media_type(Path("a.mp3")), media_type(Path("a.m4a")), media_type(Path("a.html"))
    ('audio/mpeg', 'audio/mp4', 'application/octet-stream')
    """
    known = TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or ""
    return known if known.startswith(("audio/", "video/")) else "application/octet-stream"


def loudness(source: str) -> list[int]:
    """Return how loud each of `NUM_LEVELS` parts of a recording is, 0 … 100 in steps of the ear. Raises AudioError.

    source : as the library has it, a file of this machine
    """
    path = Path(source)
    if is_address(source) or not os.path.isfile(path):
        raise AudioError("its sound", "is not on this machine any more")
    squares = [block.astype(np.float64) ** 2 for block in _means(Audio(path).blocks())]
    if not squares:
        return []
    levels = [float(np.sqrt(part.mean())) for part in np.array_split(np.concatenate(squares), NUM_LEVELS) if len(part)]
    decibels = [max(20 * math.log10(max(level, 1e-6)), QUIETEST) for level in levels]
    top = max(max(decibels), QUIETEST + 20.0)  # a recording of nothing but silence stays flat
    return [round(100 * (value - QUIETEST) / (top - QUIETEST)) for value in decibels]


def _means(blocks: Iterable[Array]) -> Iterator[Array]:
    """The root mean square of every hundredth of a second, so that hours of sound are not in memory."""
    step = SAMPLE_RATE // 100
    for block in blocks:
        whole = len(block) // step * step
        if whole:
            yield np.sqrt((block[:whole].reshape(-1, step) ** 2).mean(axis=1))


def clip(library: Library, unknown: str) -> bytes:
    """Return the clearest seconds of an unknown as a WAV file. Raises NothingThere, AudioError."""
    try:
        return to_wav(clearest_clip(unknown, library=library).samples)
    except AudioError as error:
        log.info("%s", error)  # names paths, which are not for a page
        raise AudioError(unknown, "nothing it is heard in can be played on this machine any more") from error
