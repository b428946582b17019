"""Which of a file's audio tracks and channels are listened to.

Tracks of one language are microphones of one conversation, and all are heard. Another language, a commentary or a
description says the same again, or something else; it is left out, and that is said.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import AudioError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

log = logging.getLogger(__name__)

_ASIDE = ("dub", "comment", "lyrics", "karaoke", "hearing_impaired", "visual_impaired", "clean_effects", "descriptions")
_ASIDE_TITLES = ("comment", "kommentar", "descri", "hörfilm", "director")


@dataclass(frozen=True, slots=True)
class Choice:
    """What to listen to, counted from 1; None is all that belongs together."""

    track: int | None = None
    channel: int | None = None


EVERYTHING = Choice()


def tracks_heard(container: InputContainer, source: str, choice: Choice, *, warn: bool) -> list[int]:
    """Indexes among the container's audio streams of those to listen to; the one that is best alone comes first.

    Raises AudioError when there is none, or not the one chosen. Warns of those that are left out.
    """
    streams = container.streams.audio
    if not streams:
        raise AudioError(source, "no audio stream; is this a video without sound?")
    known = [idx for idx, stream in enumerate(streams) if stream.codec_context is not None]
    if not known:
        raise AudioError(source, "its codec is not known; convert it to mp3, m4a or flac")
    if choice.track is not None:
        if not 1 <= choice.track <= len(streams) or choice.track - 1 not in known:
            raise AudioError(source, f"has no audio track {choice.track}; there are {_named(streams, known)}")
        return [choice.track - 1]
    best = container.streams.best("audio")
    main = next((idx for idx in known if streams[idx] == best), known[0])
    if _is_aside(streams[main]):
        main = next((idx for idx in known if not _is_aside(streams[idx])), main)
    language = _language(streams[main])
    heard = [main] + [
        idx
        for idx in known
        if idx != main and not _is_aside(streams[idx]) and _language(streams[idx]) in (language, None)
    ]
    left_out = [idx for idx in range(len(streams)) if idx not in heard]
    if left_out and warn:
        log.warning(
            "%s: of %d audio tracks, %s not heard; --track chooses: heard is %s",
            source,
            len(streams),
            f"{_named(streams, left_out)} {'is' if len(left_out) == 1 else 'are'}",
            _named(streams, heard),
        )
    return heard


def checked_channel(stream: AudioStream, source: str, choice: Choice) -> int | None:
    """Index of the channel to listen to, None for all; AudioError when there is no such channel."""
    if choice.channel is None:
        return None
    num_channels = stream.codec_context.channels
    if not 1 <= choice.channel <= num_channels:
        raise AudioError(source, f"has no channel {choice.channel}; there are {num_channels}")
    return choice.channel - 1


def _language(stream: AudioStream) -> str | None:
    language = (stream.metadata.get("language") or "").lower()
    return language[:3] if language not in ("", "und", "mul", "zxx", "qaa") else None


def _is_aside(stream: AudioStream) -> bool:
    flags = type(stream.disposition)
    is_flagged = any(bool(stream.disposition & flags[name]) for name in _ASIDE if name in flags.__members__)
    title = (stream.metadata.get("title") or stream.metadata.get("handler_name") or "").lower()
    return is_flagged or any(word in title for word in _ASIDE_TITLES)


def _named(streams: Sequence[AudioStream], idxs: list[int]) -> str:
    """Tracks by number, with what the file calls them."""
    names = []
    for idx in idxs:
        about = ", ".join(part for part in (_language(streams[idx]), streams[idx].metadata.get("title")) if part)
        names.append(f"{idx + 1} ({about})" if about else f"{idx + 1}")
    return ", ".join(names)
