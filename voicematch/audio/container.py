"""What FFmpeg is let near, and what a container says of itself.

FFmpeg is only ever given an open file, a list of the formats that hold sound, and no protocol at all: neither a path
nor a playlist can make it open anything else. Its own messages go nowhere, which is PyAV's default.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .. import given
from ..errors import AudioError
from .tracks import Choice

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

# Demuxers that hold sound. Playlists, devices, scripts and pictures are not among them on purpose.
FORMATS = "mp3,mov,ogg,flac,wav,w64,aiff,matroska,aac,loas,asf,caf,amr,ac3,eac3,dts,mpegts,mpeg,avi,flv,au,ape,wv,tta"


@contextlib.contextmanager
def opened(path: Path, source: str) -> Iterator[InputContainer]:
    """Open a file as a container. AudioError, about ``source``, says why it is none."""
    import av

    with _open_file(path, source) as file:
        try:
            container = container_of(file)
        except (av.FFmpegError, ValueError) as error:
            file.seek(0)
            raise AudioError(source, _why_unreadable(file.read(4096))) from error
        with container:
            yield container


def container_of(file: BinaryIO) -> InputContainer:
    """Return the container that an open file holds. Raises what PyAV raises when it holds none."""
    import av

    options = {"format_whitelist": FORMATS, "protocol_whitelist": ""}
    return av.open(file, "r", options=options, metadata_errors="replace", buffer_size=1 << 16)


def _open_file(path: Path, source: str) -> BinaryIO:
    """The file, open, once it is sure that it is one and not empty."""
    try:
        file = given.opened(path)
        if os.fstat(file.fileno()).st_size == 0:
            file.close()
            raise AudioError(source, "the file is empty; download or export it again")
        return file
    except FileNotFoundError as error:
        raise AudioError(source, "no such file; check the path") from error
    except PermissionError as error:
        raise AudioError(source, "no permission to read it; check the file's owner and mode") from error
    except OSError as error:
        raise AudioError(source, f"cannot be opened: {error.strerror or error}") from error


def _why_unreadable(head: bytes) -> str:
    """Why FFmpeg would not open a file that begins like this, and what to do."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if start.startswith((b"#extm3u", b"ffconcat", b"[playlist]")):
        return "is a playlist, not sound; give the audio file that it points to"
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<rss")):
        return "is a web page or feed, not sound; give the audio file's own address"
    if head[4:8] == b"ftyp":
        return "the file is cut off before its index; download or export it again"
    return "is not a sound file in any known format; is it really audio?"


def expected_seconds(container: InputContainer, stream: AudioStream) -> float | None:
    """Return the seconds that the container says the stream has."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration is not None else None


def is_trusted(container: InputContainer, choice: Choice) -> bool:
    """Tell whether the container's duration was written by who made the file, and not guessed by FFmpeg from its size.

    An mp3 says how long it is in its own frames. In Matroska the duration is the whole file's, and a video, or another
    track, may go on longer than the sound that is listened to.
    """
    name = container.format.name
    if name.startswith("matroska"):
        return not container.streams.video and (choice.track is None or len(container.streams.audio) == 1)
    return name.startswith("mov") or name in ("wav", "w64", "flac", "aiff", "caf", "wv", "tta", "ape", "asf")


def missing_bytes(path: Path) -> int:
    """Return how many bytes a WAV file lacks of what its header announces; FFmpeg takes the shorter length as right."""
    with path.open("rb") as file:
        head = file.read(8)
    announced = int.from_bytes(head[4:], "little") + 8
    is_open = announced <= 8 or announced >= 0xFFFFFF00  # written to a pipe: the length was not known
    return 0 if is_open or not head.startswith(b"RIFF") else max(0, announced - path.stat().st_size)


def beginning(container: InputContainer) -> float | None:
    """Return when the recording begins, in its own timestamps, in seconds."""
    return container.start_time / 1e6 if container.start_time is not None else None
