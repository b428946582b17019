"""A local sound file to mono samples at 16 kHz, through FFmpeg's libraries (PyAV)."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import math
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..errors import AudioError
from ..types import Array
from .container import beginning, container_of, expected_seconds, is_trusted, missing_bytes, opened
from .mixing import Sides, mixed
from .mp3 import announced, announced_first
from .tracks import EVERYTHING, Choice, checked_channel, tracks_heard

if TYPE_CHECKING:
    import av
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

log = logging.getLogger(__name__)

SAMPLE_RATE = 16_000  # Hz; every model in models.py takes it

GAP = 0.1  # s; a jump of the timestamps beyond this is sound that is missing (FFmpeg's aresample: min_hard_comp)
GAP_AFTER_DAMAGE = 0.005  # s; after a packet that would not decode, even one packet's worth is made up for
LONGEST_GAP = 3600.0  # s; a jump beyond this is a damaged timestamp
LOSS = 0.5  # s; containers round their duration up by less than this
WORTH_TELLING = 0.25  # s; ten packets, what the seams of inserted advertisements may cost, are not worth a warning
LOWEST_RATE, HIGHEST_RATE = 2_000, 1_000_000  # Hz; telephones have 8,000, the finest recorders 768,000
LONGEST_SILENCE = 12 * 3600.0  # s put in for damage before that share is looked at
MOST_SILENCE = 0.8  # share of a recording; with more than this put in for damage, it was never sound

# Formats whose timestamps count samples exactly, with how far back (s) their decoders remember: a slice may skip the
# decoding of all that lies before, and still gives the same samples. AAC's noise substitution and Opus remember all.
REMEMBERS = {"mp3": 1.0, "wav": 0.0, "flac": 0.0}
MARGIN = 3.0  # s more: up to 1 s to fall on an output sample, up to 1 s to the next run, and far more than the
# resampler's filter is long


@dataclass(frozen=True, slots=True)
class Facts:
    """What a complete pass has found."""

    num_samples: int
    sha256: str
    lost_seconds: float
    has_people_aside: bool = False  # one channel holds one person, the other another


@dataclass(slots=True)
class _Tally:
    """What one pass over the packets adds up."""

    digest: Any = field(default_factory=hashlib.sha256)
    damaged: bool = False  # a packet would not decode since the last frame
    silence: float = 0.0  # seconds put in for sound that is missing
    announced: float | None = None  # seconds that the parts of an mp3 say they have
    sides: Sides = field(default_factory=Sides)


class _TimestampsJump(Exception):
    """Among the packets to be skipped are some whose timestamps do not count samples."""


def complete_pass(
    path: Path, source: str, seconds: float, *, choice: Choice = EVERYTHING, warn: bool
) -> Generator[Array, None, Facts]:
    """Blocks of ``seconds``, and, returned at the end, what the pass has found; warns when sound was lost."""
    with opened(path, source) as container:
        tracks = tracks_heard(container, source, choice, warn=warn)
    if len(tracks) == 1:
        facts = yield from _pass(path, source, seconds, tracks[0], choice)
    else:
        facts = yield from _mixed([_pass(path, source, seconds, track, choice) for track in tracks])
    if warn and facts.lost_seconds > WORTH_TELLING:
        log.warning("%s: damaged or cut off; %.1f s of sound are lost", source, facts.lost_seconds)
    if warn and len(tracks) > 1:
        log.warning(
            "%s: %d audio tracks are heard as one; if each is a person, --tracks tells them apart", source, len(tracks)
        )
    if warn and facts.has_people_aside:
        log.warning("%s: its two channels look like a person each; --channels tells them apart for sure", source)
    return facts


def _pass(path: Path, source: str, seconds: float, track: int, choice: Choice) -> Generator[Array, None, Facts]:
    """The same of one track."""
    tally = _Tally()
    num_samples = 0
    with opened(path, source) as container:
        stream = container.streams.audio[track]
        tally.digest.update(stream.codec_context.name.encode())
        _check_rate(stream, source)
        channel = checked_channel(stream, source, choice)
        if channel is not None:
            tally.digest.update(f"channel {channel}".encode())
        is_mp3 = container.format.name == "mp3"
        tally.announced = announced_first(path) if is_mp3 else None
        expected = expected_seconds(container, stream) if is_trusted(container, choice) else None
        if expected is not None and container.format.name == "wav":
            expected += missing_bytes(path) * 8 / (stream.codec_context.bit_rate or math.inf)
        frames = _frames(container, stream, tally)
        for block in reblocked(_resampled(_runs(frames, tally, beginning(container), channel=channel)), seconds):
            num_samples += len(block)
            yield block
            if tally.silence > LONGEST_SILENCE:
                _check_silence(tally, num_samples, source)
        expected = tally.announced if is_mp3 else expected
    length = num_samples / SAMPLE_RATE
    _check_silence(tally, num_samples, source)
    missing = expected - (length - tally.silence) if expected is not None else 0.0
    lost = max(tally.silence, missing if missing > LOSS else 0.0)
    return Facts(num_samples, tally.digest.hexdigest(), lost, tally.sides.are_people)


def _check_rate(stream: AudioStream, source: str) -> None:
    rate = stream.codec_context.sample_rate
    if rate and not LOWEST_RATE <= rate <= HIGHEST_RATE:  # 0: known once it is decoded
        raise AudioError(source, f"says that it has {rate} samples a second, which is no sound; export it again")


def _check_silence(tally: _Tally, num_samples: int, source: str) -> None:
    """Refuses what would be silence in place of damage and little else, however long it would go on."""
    if tally.silence >= MOST_SILENCE * num_samples / SAMPLE_RATE:
        raise AudioError(source, "nothing in it can be decoded; is it really audio? If so, download or export it again")


def _mixed(tracks: list[Generator[Array, None, Facts]]) -> Generator[Array, None, Facts]:
    """The average of several tracks, which begin together; a track in which nothing can be decoded is silent.

    The loss is that of the track that lost least: in Matroska one that ends early looks as if it were cut off.
    """
    facts: dict[int, Facts] = {}
    error: AudioError | None = None
    playing = dict(enumerate(tracks))
    while playing:
        blocks: list[Array] = []
        for idx, track in list(playing.items()):
            try:
                blocks.append(next(track))
            except StopIteration as stop:
                facts[idx] = stop.value
                del playing[idx]
            except AudioError as unheard:
                error = unheard
                del playing[idx]
        if blocks:
            total = np.zeros(max(len(block) for block in blocks), dtype=np.float32)
            for block in blocks:
                total[: len(block)] += block
            yield total / np.float32(len(tracks))
    if not facts:
        raise error or AssertionError("no track")
    found = [facts[idx] for idx in sorted(facts)]
    digest = hashlib.sha256("".join(one.sha256 for one in found).encode()).hexdigest()
    return Facts(max(one.num_samples for one in found), digest, min(one.lost_seconds for one in found))


def chunks_from(path: Path, source: str, first: int, choice: Choice = EVERYTHING) -> Iterator[tuple[int, Array]]:
    """(number of its first sample, samples) of chunks in order, from one that begins at or before sample ``first``.

    Decoding starts a little before where the format allows (REMEMBERS), and at the beginning of the file otherwise.
    Packets are always read from the beginning: a seek lands where an index or a guess says.
    """
    with opened(path, source) as container, contextlib.suppress(_TimestampsJump):
        tracks = tracks_heard(container, source, choice, warn=False)
        stream = container.streams.audio[tracks[0]]
        channel = checked_channel(stream, source, choice)
        late = _late(container, stream, first, channel) if len(tracks) == 1 else None
        if late is not None:
            yield from _numbered(*late)
            return
    yield from _numbered(0, complete_pass(path, source, 1.0, choice=choice, warn=False))


def decoded(file: BinaryIO) -> Array | None:
    """All samples of an open file, (num_samples,) float32 at 16 kHz; None when it does not hold any."""
    import av

    tally = _Tally()
    try:
        with container_of(file) as container:
            stream = container.streams.audio[0]
            chunks = _resampled(_runs(_frames(container, stream, tally), tally, beginning(container)))
            return np.concatenate(list(chunks))
    except (av.FFmpegError, ValueError, IndexError):
        return None


def _frames(
    container: InputContainer, stream: AudioStream, tally: _Tally, not_before: float = -math.inf
) -> Iterator[AudioFrame]:
    """Decoded frames in order. The packets are hashed on the way; those before ``not_before`` (s) are left out."""
    import av

    time_base = float(stream.time_base or 0)
    is_mp3 = container.format.name == "mp3"
    skipping, due = math.isfinite(not_before), None
    for packet in _packets(container, stream, tally):
        if skipping:
            if packet.pts is None or packet.duration is None or packet.pts != (packet.pts if due is None else due):
                raise _TimestampsJump
            due = packet.pts + packet.duration
            skipping = packet.pts * time_base < not_before
            if skipping:
                continue
        if packet.size:
            tally.digest.update(packet)
            part = announced(memoryview(packet)) if is_mp3 else None
            if part is not None:  # a file stitched from several
                tally.announced = (tally.announced or 0.0) + part
        try:
            yield from packet.decode()
        except av.FFmpegError:
            tally.damaged = True


def _packets(container: InputContainer, stream: AudioStream, tally: _Tally) -> Iterator[Packet[AudioStream]]:
    """Encoded packets in order; a demuxer that stumbles is asked to go on a few times."""
    import av

    for _ in range(8):
        try:
            yield from container.demux(stream)
            return
        except av.FFmpegError:
            tally.damaged = True


def _runs(
    frames: Iterable[AudioFrame],
    tally: _Tally,
    clock: float | None = None,
    *,
    position: int = 0,
    channel: int | None = None,
) -> Iterator[tuple[int, Array]]:
    """(sample rate, mono samples) in pieces of about a second, with silence where the timestamps say sound is missing.

    Where a piece ends depends on its place in the recording alone, so that a slice is mixed as the whole is.

    clock : when the recording begins, in its own timestamps; None for the first frame's
    position : number of the first sample
    channel : the one to listen to, from 0; None mixes all
    """
    pending: list[AudioFrame] = []
    num_pending = 0
    layout: tuple[str, int, int] | None = None
    started = False
    for frame in frames:
        if not LOWEST_RATE <= frame.sample_rate <= HIGHEST_RATE:
            tally.damaged = True
            continue
        this = (frame.format.name, frame.layout.nb_channels, frame.sample_rate)
        rate = frame.sample_rate
        time = frame.time
        missing = 0.0 if clock is None or time is None else time - clock
        wait = missing > (GAP_AFTER_DAMAGE if tally.damaged else GAP) and missing < LONGEST_GAP
        tally.damaged = False
        if pending and (this != layout or wait or position // rate != (position - num_pending) // rate):
            yield pending[0].sample_rate, mixed(pending, channel, tally.sides)
            pending, num_pending = [], 0
        if wait:
            tally.silence += missing if started else 0.0  # what comes before the first frame was never there
            yield from ((rate, silence) for silence in _silence(round(missing * rate), rate))
            position += round(missing * rate)
        if time is not None and (clock is None or wait or abs(missing) > GAP):
            clock = time
        if clock is not None:
            clock += frame.samples / rate
        pending.append(frame)
        num_pending += frame.samples
        position += frame.samples
        layout, started = this, True
    if pending:
        yield pending[0].sample_rate, mixed(pending, channel, tally.sides)


def _silence(num_samples: int, most: int) -> Iterator[Array]:
    for at in range(0, num_samples, most):
        yield np.zeros(min(most, num_samples - at), dtype=np.float32)


def _resampled(runs: Iterable[tuple[int, Array]]) -> Iterator[Array]:
    """The runs at 16 kHz, in -1 … 1, with what a damaged packet decoded to nonsense made silent."""
    import av

    resampler: av.AudioResampler | None = None
    current = SAMPLE_RATE
    for rate, mono in runs:
        if rate != current:
            yield from _converted(resampler, None)
            resampler = None if rate == SAMPLE_RATE else av.AudioResampler("flt", "mono", SAMPLE_RATE)
            current = rate
        if resampler is None:
            yield _clean(mono)
        else:
            frame = av.AudioFrame.from_ndarray(mono[np.newaxis], format="flt", layout="mono")
            frame.sample_rate = rate
            yield from _converted(resampler, frame)
    yield from _converted(resampler, None)


def _converted(resampler: av.AudioResampler | None, frame: AudioFrame | None) -> Iterator[Array]:
    """What the resampler gives for a frame, or, for None, what it still holds."""
    for out in resampler.resample(frame) if resampler is not None else ():
        yield _clean(np.frombuffer(memoryview(out.planes[0]), np.float32, out.samples))


def _clean(samples: Array) -> Array:
    if np.isnan(samples).any():
        samples = np.nan_to_num(samples, posinf=0.0, neginf=0.0)
    return np.clip(samples, -1.0, 1.0)


def reblocked(chunks: Iterable[Array], seconds: float) -> Iterator[Array]:
    """The same samples in blocks of ``seconds``, each an array of its own."""
    size = round(seconds * SAMPLE_RATE)
    block = np.empty(size, dtype=np.float32)
    filled = 0
    for chunk in chunks:
        at = 0
        while at < len(chunk):
            taken = min(size - filled, len(chunk) - at)
            block[filled : filled + taken] = chunk[at : at + taken]
            filled, at = filled + taken, at + taken
            if filled == size:
                yield block
                block, filled = np.empty(size, dtype=np.float32), 0
    if filled:
        yield block[:filled].copy()


def _late(
    container: InputContainer, stream: AudioStream, first: int, channel: int | None
) -> tuple[int, Iterator[Array]] | None:
    """Number of the first sample, and chunks, of a decoding that starts shortly before sample ``first``.

    None when the format does not allow it, or there is next to nothing to skip. Resampling starts at an input sample
    that falls exactly on an output sample, so that all later ones fall where they do in a complete pass.
    """
    warm_up = REMEMBERS.get(container.format.name, math.inf) + MARGIN
    if first / SAMPLE_RATE <= warm_up:
        return None
    tally = _Tally()
    origin = float((stream.start_time or 0) * (stream.time_base or 0))
    frames = _frames(container, stream, tally, not_before=origin + first / SAMPLE_RATE - warm_up)
    head = next(frames, None)
    if head is None or head.time is None:
        return None
    step = head.sample_rate // math.gcd(head.sample_rate, SAMPLE_RATE)
    begins = round((head.time - origin) * head.sample_rate)
    dropped = -begins % step
    runs = _without(dropped, _runs(itertools.chain([head], frames), tally, position=begins, channel=channel))
    return (begins + dropped) * SAMPLE_RATE // head.sample_rate, _resampled(runs)


def _without(num_samples: int, runs: Iterable[tuple[int, Array]]) -> Iterator[tuple[int, Array]]:
    """The runs without their first samples."""
    left = num_samples
    for rate, mono in runs:
        if left < len(mono):
            yield rate, mono[left:]
        left = max(0, left - len(mono))


def _numbered(at: int, chunks: Iterable[Array]) -> Iterator[tuple[int, Array]]:
    for chunk in chunks:
        yield at, chunk
        at += len(chunk)
