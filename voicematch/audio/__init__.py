"""Any sound file or http(s) URL as mono samples at 16 kHz, in blocks, so that an episode is never in memory whole."""

from __future__ import annotations

import math
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..errors import AudioError
from ..net.addresses import is_address, path_of
from ..net.download import download
from ..types import Array, Part, Progress
from .clips import decode_clip, encode_clip
from .container import expected_seconds, opened
from .decoding import SAMPLE_RATE, Facts, chunks_from, complete_pass, reblocked
from .tracks import EVERYTHING, Choice, tracks_heard

__all__ = ["EVERYTHING", "SAMPLE_RATE", "Audio", "Choice", "decode_clip", "encode_clip"]

MOST_BYTES = 8 << 30  # of a download; a live stream never ends, and a day of CD sound in FLAC is about this


class Audio:
    """One recording: a path or an http(s) URL. Cheap to make; nothing is opened before it is asked for.

    Every method that opens it raises AudioError, in one line that says what to do, when there is no sound to be had.

    source : as given
    name : the file's name without folder and ending
    fetched : where a URL's content is already; it is left there
    choice : the track and channel to listen to; by default all that belong together
    """

    def __init__(self, source: str | Path, *, fetched: Path | None = None, choice: Choice = EVERYTHING) -> None:
        self.source = str(source)
        self.choice = choice
        self._is_url = _is_url(source)
        self._facts: Facts | None = None
        self._fetched = fetched
        self.name = _url_stem(self.source) if self._is_url else Path(source).stem

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is listened to, as the library keeps it; nothing when it is all as one."""
        return () if self.choice == EVERYTHING else (Part("", self.choice.track, self.choice.channel),)

    @property
    def duration(self) -> float:
        """Seconds of sound, exact: the samples that ``blocks`` gives. Runs a pass if there was none."""
        return self._known().num_samples / SAMPLE_RATE

    @property
    def sha256(self) -> str:
        """Identity of the sound: over the codec's name and the encoded packets, so that new tags change nothing."""
        return self._known().sha256

    @property
    def lost_seconds(self) -> float:
        """Seconds that a damaged or truncated file could not give; 0 for a sound one."""
        return self._known().lost_seconds

    def _known(self) -> Facts:
        if self._facts is None:
            for _ in self.blocks():
                pass
        assert self._facts is not None
        return self._facts

    def estimate(self) -> float | None:
        """The container's idea of the duration in seconds, without decoding; None when it has none."""
        with opened(self.fetch(), self.source) as container:
            heard = tracks_heard(container, self.source, self.choice, warn=False)
            return expected_seconds(container, container.streams.audio[heard[0]])

    def blocks(self, seconds: float = 30.0) -> Iterator[Array]:
        """The whole recording in order, as (num_samples,) float32 arrays of ``seconds`` each, the last one shorter.

        Samples are in -1 … 1. Where packets are missing or will not decode there is silence, as long as the
        timestamps say, so that times stay right. After the last block ``duration``, ``sha256`` and ``lost_seconds``
        are known; when sound was lost, one warning is logged.
        """
        warn = self._facts is None
        self._facts = yield from complete_pass(self.fetch(), self.source, seconds, choice=self.choice, warn=warn)

    def stretch(self, start: float, end: float = math.inf, seconds: float = 30.0) -> Iterator[Array]:
        """The samples from ``start`` to ``end`` in blocks of ``seconds``: exactly those that ``blocks`` gives there."""
        first, last = _bounds(start, end)
        pieces = (chunk[max(0, first - at) : last - at] for at, chunk in self._chunks(first, last))
        return reblocked((piece for piece in pieces if len(piece)), seconds)

    def read(self, start: float, end: float) -> Array:
        """The samples from ``start`` to ``end``, (num_samples,) float32: exactly those that ``blocks`` gives there.

        An ``end`` past the end of the recording is taken as its end. For many spans, ``slices`` is far quicker.
        """
        return self.slices([(start, end)])[0]

    def slices(self, spans: Sequence[tuple[float, float]]) -> list[Array]:
        """What ``read`` gives for each (start, end), in one pass. The spans may be in any order and overlap."""
        bounds = [_bounds(start, end) for start, end in spans]
        found: list[list[Array]] = [[] for _ in bounds]
        reached = 0
        if bounds:
            for at, chunk in self._chunks(min(first for first, _ in bounds), max(last for _, last in bounds)):
                reached = at + len(chunk)
                for (first, last), pieces in zip(bounds, found, strict=True):
                    if first < reached and at < last:
                        pieces.append(chunk[max(0, first - at) : last - at])
        for (start, _), pieces in zip(spans, found, strict=True):
            if not pieces:
                reason = f"ends at {reached / SAMPLE_RATE:.1f} s, before {start:.1f} s; give an earlier time"
                raise AudioError(self.source, reason)
        return [np.concatenate(pieces) for pieces in found]

    def _chunks(self, first: int, last: int) -> Iterator[tuple[int, Array]]:
        """(number of its first sample, samples) of chunks that cover samples ``first`` to ``last``."""
        for at, chunk in chunks_from(self.fetch(), self.source, first, self.choice):
            yield at, chunk
            if at + len(chunk) >= last:
                return

    def fetch(self, progress: Progress | None = None) -> Path:
        """The local file with this sound: the path itself, or a URL's content in a temporary file.

        A URL is downloaded once, because a second request may be answered with other advertisements in it. The
        temporary file goes when this object does.
        """
        if not self._is_url:
            return Path(self.source)
        if self._fetched is None:
            folder = tempfile.mkdtemp(prefix="voicematch-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            file = Path(folder, "audio")
            download(self.source, file, most_bytes=MOST_BYTES, progress=progress)
            self._fetched = file
        return self._fetched


def _is_url(source: str | Path) -> bool:
    """Return whether it is an address to download; AudioError for the schemes that are not."""
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", source) if isinstance(source, str) else None
    if scheme and not is_address(source):
        raise AudioError(source, f"{scheme[1].lower()} addresses are not read; download the file and give its path")
    return scheme is not None


def _url_stem(url: str) -> str:
    try:
        return path_of(url).stem or "audio"
    except ValueError as error:
        raise AudioError(url, f"is not a valid address ({error}); check it") from error


def _bounds(start: float, end: float) -> tuple[int, int]:
    first = round(start * SAMPLE_RATE)
    last = round(end * SAMPLE_RATE) if math.isfinite(end) else 1 << 62
    if not 0 <= first < last:
        raise ValueError(f"no stretch of sound: {start} … {end}")
    return first, last
