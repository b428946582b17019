"""Several recordings of one conversation, a person each, as one sound: their average, each where it begins."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..errors import AudioError
from ..net.addresses import is_address
from ..types import Array, Part, Progress
from . import SAMPLE_RATE, Audio, Choice
from .container import opened
from .decoding import Facts, complete_pass, reblocked
from .tracks import EVERYTHING, tracks_heard


class Together(Audio):
    """The recordings as one, on the clock of the one that begins first.

    tracks : of one file (its channels, or its audio tracks) or of several
    offsets : of each, seconds after the first one that begins

    The identity of tracks of one file is that of the file, so that it is one episode however it was listened to.
    """

    def __init__(self, tracks: Sequence[Audio], offsets: Sequence[float] = ()) -> None:
        super().__init__(tracks[0].source)
        self.tracks = tuple(tracks)
        self.offsets = tuple(offsets) or (0.0,) * len(tracks)

    @property
    def is_one_file(self) -> bool:
        """Whether all tracks are of one file."""
        return len({track.source for track in self.tracks}) == 1

    @property
    def parts(self) -> tuple[Part, ...]:
        own = self.is_one_file
        return tuple(
            Part("" if own else _absolute(track.source), track.choice.track, track.choice.channel, offset)
            for track, offset in zip(self.tracks, self.offsets, strict=True)
        )

    def estimate(self) -> float | None:
        known = [track.estimate() for track in self.tracks]
        lengths = [one + offset for one, offset in zip(known, self.offsets, strict=True) if one is not None]
        return max(lengths) if len(lengths) == len(self.tracks) else None

    def blocks(self, seconds: float = 30.0) -> Iterator[Array]:
        return reblocked((chunk for _, chunk in self._chunks(0, 1 << 62)), seconds)

    def fetch(self, progress: Progress | None = None) -> Path:
        paths = [track.fetch(progress) for track in self.tracks]
        return paths[0]

    def _known(self) -> Facts:
        if self._facts is None:
            ends = [offset + track.duration for offset, track in zip(self.offsets, self.tracks, strict=True)]
            if self.is_one_file:
                sha256 = _quietly(self.tracks[0], _of_all(self.parts)).sha256
            else:
                sha256 = hashlib.sha256("".join(sorted(track.sha256 for track in self.tracks)).encode()).hexdigest()
            lost = max(track.lost_seconds for track in self.tracks)
            self._facts = Facts(round(max(ends) * SAMPLE_RATE), sha256, lost)
        return self._facts

    def _chunks(self, first: int, last: int) -> Iterator[tuple[int, Array]]:
        playing = [
            _from(track, round(o * SAMPLE_RATE), first) for track, o in zip(self.tracks, self.offsets, strict=True)
        ]
        at = first
        for pieces in itertools.zip_longest(*playing):
            heard = [piece for piece in pieces if piece is not None]
            total = np.zeros(max(len(piece) for piece in heard), np.float32)
            for piece in heard:
                total[: len(piece)] += piece
            yield at, total / np.float32(len(self.tracks))
            at += len(total)
            if at >= last:
                return


def _of_all(parts: Sequence[Part]) -> Choice:
    """What all parts of one file are together: a track, when they are its channels, else the file."""
    tracks = {part.track for part in parts}
    return Choice(parts[0].track) if len(tracks) == 1 else EVERYTHING


def _quietly(track: Audio, choice: Choice) -> Facts:
    """What a pass over a file finds, without saying again what was said of it, or how it is to be listened to."""
    passing = complete_pass(track.fetch(), track.source, 30.0, choice=choice, warn=False)
    while True:
        try:
            next(passing)
        except StopIteration as stop:
            facts: Facts = stop.value
            return facts


def _from(track: Audio, begins: int, first: int) -> Iterator[Array]:
    """A track in seconds from sample ``first`` of the whole on, with silence before it begins."""
    lead = np.zeros(max(0, begins - first), np.float32)
    return reblocked(itertools.chain([lead], track.stretch(max(0, first - begins) / SAMPLE_RATE)), 1.0)


def apart_in(audio: Audio, how: str) -> tuple[Audio, ...]:
    """Return the people of one file, each a recording of its own.

    how : "channels", or "tracks" for the audio tracks of a container

    Raises AudioError when it has only one.
    """
    path = audio.fetch()
    with opened(path, audio.source) as container:
        tracks = tracks_heard(container, audio.source, audio.choice, warn=True)
        num_channels = container.streams.audio[tracks[0]].codec_context.channels
    if how == "channels":
        choices = [Choice(audio.choice.track, channel + 1) for channel in range(num_channels)]
    else:
        choices = [Choice(track + 1) for track in sorted(tracks)]
    if len(choices) < 2:
        raise AudioError(audio.source, f"has only one {'channel' if how == 'channels' else 'audio track'} to listen to")
    return tuple(Audio(audio.source, fetched=path, choice=choice) for choice in choices)


def reopened(source: str, parts: Sequence[Part]) -> Audio:
    """Return the sound of an episode as it was listened to.

    source, parts : as the library has them
    """
    whole = Audio(source)
    if not parts:
        return whole
    if len(parts) > 1 and not any(part.source for part in parts):
        return Audio(source, choice=_of_all(parts))  # all of it together
    tracks = [track_of(source, part, whole) for part in parts]
    return Together(tracks, [part.offset for part in parts]) if len(tracks) > 1 else tracks[0]


def is_sound(path: str) -> bool:
    """Return whether a file is a recording of any kind."""
    try:
        Audio(path).estimate()
    except AudioError:
        return False
    return True


def is_recording(path: str, parts: Sequence[Part], sha256: str) -> bool:
    """Return whether a file holds the sound of an episode; it is read to its end.

    parts, sha256 : as the library has them; parts that are files of their own are in no single file
    """
    if any(part.source for part in parts):
        return False
    choice = Choice(parts[0].track, parts[0].channel) if len(parts) == 1 else _of_all(parts) if parts else EVERYTHING
    try:
        return _quietly(Audio(path), choice).sha256 == sha256
    except AudioError:
        return False


def track_of(source: str, part: Part, whole: Audio) -> Audio:
    """Return one part of an episode.

    whole : the episode's own sound, which is fetched once
    """
    choice = Choice(part.track, part.channel)
    if part.source:
        return Audio(part.source, choice=choice)
    return Audio(source, fetched=whole.fetch() if is_address(source) else None, choice=choice)


def _absolute(source: str) -> str:
    return source if is_address(source) else os.path.realpath(source)
