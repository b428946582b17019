"""Identify an episode of which there is a track for each person: who speaks when is exact, the library says who it is.

A name that comes with a track is what a person says of it. The library learns the voice only where it is told to, with
the consent that `enroll` asks for; the voice is then that of the track's own turns, without what it hears of others.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import outputs
from ..audio import EVERYTHING, Audio, Choice, encode_clip
from ..audio.spans import sound_of
from ..audio.together import Together
from ..engines.embed import Embedder
from ..engines.tracks import NAME, Apart, diarize_tracks
from ..errors import EnrollmentError
from ..library import Library
from ..net.addresses import is_address
from ..types import Diarization, LabelledEpisode, Match, Progress, Sound, Turn, Verdict
from ..voices.sample import check, quality
from .chosen import BUILT_IN, Engines
from .identify import identify
from .learn import Enrollment, calibration_of, check_consent, ensure_profile, pool, spelled, taught
from .recognise import match_again

SAID = "said where the track was given"


@dataclass(frozen=True, slots=True)
class GivenConsent:
    """Why the voices of named tracks may be kept, as `enroll` has it, and what else is to be kept of that."""

    basis: str
    note: str = ""


class Answered:
    """A diarizer that gives an answer found already."""

    name = NAME

    def __init__(self, apart: Apart) -> None:
        self.apart = apart

    def diarize(
        self,
        audio: Sound,
        embedder: Embedder,
        *,
        speakers: tuple[int, int] | None = None,
        anchors: object = None,
        progress: Progress | None = None,
    ) -> Diarization:
        return self.apart.diarization


def listened(
    tracks: Sequence[Audio], *, library: Library, engines: Engines = BUILT_IN, progress: Progress | None = None
) -> tuple[Together, Engines]:
    """Return the tracks as one sound, each where it begins, and engines that know who speaks when in it.

    Raises AudioError when a track is a mix of others, or does not belong to them.
    """
    _, embedder = engines.resolve(library)
    together = Together(tracks)
    apart = diarize_tracks(tracks, embedder, called=_called(tracks), together=together.is_one_file, progress=progress)
    return Together(tracks, apart.offsets), replace(engines, diarizer=Answered(apart), embedder=embedder)


def identify_tracks(
    tracks: Sequence[Audio],
    *,
    library: Library,
    names: Sequence[str | None] = (),
    consent: GivenConsent | None = None,
    store: bool = True,
    engines: Engines = BUILT_IN,
    progress: Progress | None = None,
    **wanted: Any,
) -> tuple[LabelledEpisode, tuple[Enrollment, ...]]:
    """Return the episode with a speaker for each track, named by the library, and what was learned of those voices.

    tracks : recordings of one conversation, or the channels or audio tracks of one file
    names : of each track, who a person says it is; None leaves that to the library
    consent : also teach the library the voices of the named tracks
    wanted : what else `identify` takes

    Raises what `identify` raises; EnrollmentError when a named track will not make a usable voiceprint, with the
    episode stored all the same.
    """
    named = list(names) or [None] * len(tracks)
    if consent is not None:
        check_consent(consent.basis)
    together, ready = listened(tracks, library=library, engines=engines, progress=progress)
    assert isinstance(ready.diarizer, Answered)
    apart = ready.diarizer.apart
    episode = identify(together, library=library, store=store, engines=ready, progress=progress, **wanted)
    said = {
        label: (at, spelled(library, name))
        for at, name in enumerate(named)
        if name and (label := _label(episode, apart, at)) is not None
    }
    if not said:
        return episode, ()
    if not store:
        matches = {label: Match(label, Verdict.ACCEPT, name, 1.0, reasons=(SAID,)) for label, (_, name) in said.items()}
        return replace(episode, matches=episode.matches | matches), ()
    learned: list[Enrollment] = []
    clips = {at: _sample(name, tracks[at], apart, at, library) for at, name in said.values() if consent is not None}
    with outputs.following(library):
        for label, (at, name) in said.items():
            if consent is not None:
                learned.append(_enroll(name, tracks[at], clips[at], consent, library))
            else:
                ensure_profile(library, name)
            library.said.confirm(episode.audio_sha256, label, name)
        match_again(library)
    stored = library.episodes.get(episode.audio_sha256)
    return replace(episode, matches=stored.matches), tuple(learned)


def _called(tracks: Sequence[Audio]) -> list[str]:
    """What the tracks are called in messages: by file, those chosen out of one file by number."""
    is_one_file = len({track.source for track in tracks}) < len(tracks)
    return [_numbered(track.choice) if is_one_file and track.choice != EVERYTHING else _file(track) for track in tracks]


def _numbered(choice: Choice) -> str:
    return f"channel {choice.channel}" if choice.channel is not None else f"track {choice.track}"


def _file(track: Audio) -> str:
    return track.source if is_address(track.source) else Path(track.source).name


def _label(episode: LabelledEpisode, apart: Apart, at: int) -> str | None:
    """The speaker of the episode that a track became: two tracks of one person are one speaker."""
    label = apart.speakers[at]
    own = {(turn.start, turn.end) for turn in apart.diarization.turns if turn.speaker == label}
    shared: dict[str, float] = {}
    for turn in episode.turns:
        for start, end in own:
            if start < turn.end and end > turn.start:
                shared[turn.speaker] = shared.get(turn.speaker, 0.0) + min(end, turn.end) - max(start, turn.start)
    return max(sorted(shared), key=lambda one: shared[one], default=None)


@dataclass(frozen=True, slots=True, eq=False)
class _TrackVoice:
    """What a track teaches: what is said of it as a clip, in its own times, and the encoded sound."""

    heard: Diarization
    clip: bytes
    warnings: tuple[str, ...]


def _sample(name: str, track: Audio, apart: Apart, at: int, library: Library) -> _TrackVoice:
    """The voice of a track's own turns. Raises EnrollmentError when it will not make a usable voiceprint."""
    label, offset = apart.speakers[at], apart.offsets[at]
    if label is None:
        raise EnrollmentError(f"{name}: nobody speaks in this track")
    turns = tuple(
        Turn(turn.start - offset, turn.end - offset, label) for turn in apart.diarization.turns if turn.speaker == label
    )
    embeddings = tuple(
        replace(one, start=one.start - offset, end=one.end - offset)
        for one in apart.diarization.embeddings.get(label, ())
    )
    heard = Diarization(turns, {label: embeddings} if embeddings else {}, track.duration)
    voice = check(
        heard,
        quality(iter([sound_of(turns, track, 0.0)])),
        name=name,
        may_differ=taught(library, name, track.sha256),
        calibration=calibration_of(library),
        voiceprints=library.voiceprints.all(),
    )
    return _TrackVoice(
        replace(heard, embeddings={label: voice.embeddings}), encode_clip(sound_of(turns, track, 0.0)), voice.warnings
    )


def _enroll(name: str, track: Audio, voice: _TrackVoice, consent: GivenConsent, library: Library) -> Enrollment:
    (own,) = voice.heard.embeddings.values()
    pooled = pool(own)
    created = ensure_profile(library, name)
    num_voiceprints = library.voiceprints.add(
        name,
        pooled,
        embedder=library.embedder,
        consent=consent.basis,
        consent_note=consent.note,
        source=track.source if is_address(track.source) else os.path.realpath(track.source),
        audio_sha256=track.sha256,
        clip=voice.clip,
    )
    return Enrollment(name, created, num_voiceprints, sum(one.seconds for one in pooled), voice.warnings)
