"""Sound for the pages: an episode's own file, and the clearest seconds of a voice."""

from __future__ import annotations

import logging
import mimetypes
from pathlib import Path

from starlette.responses import FileResponse, Response

from ..audio.clips import to_wav
from ..errors import AudioError
from ..library import Library
from ..net.addresses import is_address
from ..usecases.clip import clearest_clip

log = logging.getLogger(__name__)

TYPES = {".m4a": "audio/mp4", ".m4b": "audio/mp4", ".opus": "audio/ogg", ".flac": "audio/flac", ".mka": "audio/webm"}


def original(source: str) -> Response:
    """Return the file, or the range of it that was asked for, as it is. Raises AudioError when it is gone.

    source : as the library has it; never what a request says
    """
    path = Path(source)
    if is_address(source) or not path.is_file():
        raise AudioError("its sound", "is not on this machine any more; the words are")
    return FileResponse(path, media_type=media_type(path), content_disposition_type="inline")


def media_type(path: Path) -> str:
    """
    >>> media_type(Path("a.mp3")), media_type(Path("a.m4a")), media_type(Path("a.html"))
    ('audio/mpeg', 'audio/mp4', 'application/octet-stream')
    """
    known = TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or ""
    return known if known.startswith(("audio/", "video/")) else "application/octet-stream"


def clip(library: Library, unknown: str) -> bytes:
    """Return the clearest seconds of an unknown as a WAV file. Raises NothingThere, AudioError."""
    try:
        return to_wav(clearest_clip(unknown, library=library).samples)
    except AudioError as error:
        log.info("%s", error)  # names paths, which are not for a page
        raise AudioError(unknown, "nothing it is heard in can be played on this machine any more") from error
