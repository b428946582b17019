"""What a profile learns from voices of stored episodes that a person has named, and takes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import EnrollmentError, LibraryError
from ..library import Library
from ..models import files
from ..models.table import DEFAULT_EMBEDDER
from ..types import Embedding, LabelledEpisode
from ..voices.consent import CONSENT, TODAY
from ..voices.sample import check_embeddings
from ..voices.score import Calibration, centroid, steadiness
from ..voices.selection import MOST_VOICEPRINTS, choose, outliers

VOICEPRINT_SECONDS = 30.0  # speech behind one voiceprint


@dataclass(frozen=True, slots=True)
class Enrollment:
    """What an enrollment added. ``warnings`` are sentences for the person who enrolled."""

    profile: str
    created: bool
    num_voiceprints: int
    speech_seconds: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class StoredVoice:
    """One speaker of a stored episode, to learn from. ``embeddings`` is empty for one who says too little."""

    audio_sha256: str
    source: str
    title: str
    speaker: str
    embeddings: tuple[Embedding, ...]

    @property
    def seconds(self) -> float:
        return sum(embedding.seconds for embedding in self.embeddings)


def calibration_of(library: Library) -> Calibration:
    """Return the library's own calibration, else the one that came with its embedder."""
    own = library.settings.get("calibration")
    if own is None:
        return files.calibration(library.embedder or DEFAULT_EMBEDDER)
    return Calibration.from_json(own)


def voice_of(library: Library, episode: LabelledEpisode, speaker: str) -> StoredVoice:
    """Return the voice of a speaker of a stored episode. Raises LibraryError when the episode has no such speaker."""
    if speaker not in episode.matches:
        voices = ", ".join(episode.matches) or "none"
        raise LibraryError(f"{episode.title or episode.source}: no voice {speaker}; the episode has {voices}")
    if episode.embedder != library.embedder:
        raise LibraryError(f"{episode.title or episode.source}: {not_heard_again(episode.embedder, library)}")
    embeddings = library.speakers.embeddings(episode.audio_sha256).get(speaker, ())
    return StoredVoice(episode.audio_sha256, episode.source, episode.title, speaker, embeddings)


def voices_of(library: Library, unknown: str) -> list[StoredVoice]:
    """Return the voices of all speakers that an unknown (U-0001) is heard as, by the library's embedder.

    Raises LibraryError when there is no such voice, or no episode of it was heard again since the library was moved to
    another embedder.
    """
    voices = [
        StoredVoice(
            heard.audio_sha256,
            heard.source,
            heard.title,
            heard.speaker,
            library.speakers.embeddings(heard.audio_sha256).get(heard.speaker, ()),
        )
        for heard in library.voices.unknown(unknown).speakers
    ]
    there = [voice for voice in voices if voice.embeddings]
    if not there:
        raise LibraryError(f"{unknown}: {not_heard_again('another embedder', library)}")
    return there


def not_heard_again(before: str, library: Library) -> str:
    """Return why voices that were heard by another embedder cannot be used, and what to do."""
    return (
        f"was heard by {before}, and the library holds voices of {library.embedder} now; "
        "voicematch batch run hears its episodes again"
    )


def learn(
    library: Library,
    name: str,
    voices: Sequence[StoredVoice],
    consent: str | None,
    *,
    consent_date: str | None = TODAY,
    consent_note: str | None = None,
) -> tuple[Enrollment, list[StoredVoice]]:
    """Teach a profile, made if it is new, voices said to be its own. Return what it learned, and from which of them.

    consent_date, consent_note : the day it was given, None where nobody knows, and what else was said of it
    """
    name = spelled(library, name)
    existing = library.profiles.find(name)
    consent = _consent(name, consent, existing.consent if existing else ())
    calibration = calibration_of(library)
    voices = sorted(voices, key=lambda voice: -voice.seconds)  # the first is believed where nothing is known yet
    every = [embedding for voice in voices for embedding in voice.embeddings]
    warnings = check_embeddings(every, name=name, voiceprints=library.voiceprints.all(), calibration=calibration)
    kept = library.voiceprints.of(name) if existing else ()
    known = np.array([row.embedding.vector for row in kept], np.float32).reshape(-1, every[0].vector.shape[0])
    strange = outliers(
        known,
        np.stack([centroid(voice.embeddings).vector for voice in voices]),
        [steadiness(voice.embeddings) for voice in voices],
        calibration=calibration,
    )
    believed = [voice for idx, voice in enumerate(voices) if idx not in strange]
    for idx in strange:
        of = voices[idx].title or voices[idx].source
        warnings += (f"{voices[idx].speaker} of {of} does not sound like {name}: not learned from",)
    pieces = [(voice, embedding) for voice in believed for embedding in pool(voice.embeddings)]
    offered = np.array([embedding.vector for _, embedding in pieces], np.float32).reshape(-1, known.shape[1])
    chosen, given_up = choose(known, offered, may_go=[row.clip is None for row in kept], most=MOST_VOICEPRINTS)
    created = ensure_profile(library, name)
    library.voiceprints.remove(name, [kept[row].id for row in given_up])
    num_voiceprints = 0
    for voice in believed:
        own = [pieces[row][1] for row in chosen if pieces[row][0] is voice]
        if own:
            num_voiceprints += library.voiceprints.add(
                name,
                own,
                embedder=library.embedder,
                consent=consent,
                source=voice.source,
                audio_sha256=voice.audio_sha256,
                consent_date=consent_date,
                consent_note=consent_note,
            )
    seconds = sum(voice.seconds for voice in believed)
    return Enrollment(name, created, num_voiceprints, seconds, warnings), believed


def contributed(library: Library, profile: str, voice: StoredVoice) -> list[int]:
    """Return the voiceprints a profile got from this speaker: of this audio, and more like it than the others in it."""
    every = library.speakers.embeddings(voice.audio_sha256)
    labels = [label for label, embeddings in every.items() if embeddings]
    if voice.speaker not in labels:
        return []
    pooled = np.stack([centroid(every[label]).vector for label in labels])
    return [
        row.id
        for row in library.voiceprints.of(profile)
        if row.audio_sha256 == voice.audio_sha256
        and labels[int(np.argmax(pooled @ row.embedding.vector))] == voice.speaker
    ]


def pool(embeddings: Sequence[Embedding]) -> tuple[Embedding, ...]:
    """Pool the embeddings of one voice in one recording into voiceprints of about half a minute of speech each.

    Several, because a voice changes within a recording too; few, because a short one is mostly noise.
    """
    groups: list[list[Embedding]] = [[]]
    for embedding in embeddings:
        if sum(e.seconds for e in groups[-1]) >= VOICEPRINT_SECONDS:
            groups.append([])
        groups[-1].append(embedding)
    if len(groups) > 1 and sum(e.seconds for e in groups[-1]) < VOICEPRINT_SECONDS / 2:
        groups[-2].extend(groups.pop())
    return tuple(centroid(group) for group in groups)


def check_consent(consent: str) -> None:
    """Raise EnrollmentError when this is no reason to keep a voice."""
    if consent not in CONSENT:
        raise EnrollmentError(f"consent must be one of {', '.join(CONSENT)}, not {consent!r}")


def _consent(name: str, given: str | None, before: Sequence[str]) -> str:
    """The consent given, else of the bases on which the profile's voiceprints are kept the one that claims least."""
    if given is None and before:
        return max(before, key=CONSENT.index)  # published claims less than that somebody agreed
    if given is None:
        raise EnrollmentError(f"say why the voice of {name} may be kept: --consent {', '.join(CONSENT)}")
    check_consent(given)
    return given


def spelled(library: Library, name: str) -> str:
    """Return a name as the library writes it, or as it is given where no profile has it."""
    known = library.profiles.find(name)
    return name if known is None else known.name


def taught(library: Library, name: str, audio_sha256: str) -> bool:
    """Return whether a profile, if there is one of that name, has a voiceprint of this audio."""
    known = library.profiles.find(name)
    return known is not None and audio_sha256 in {row.audio_sha256 for row in library.voiceprints.rows(known.name)}


def ensure_profile(library: Library, name: str, *, role: str | None = None) -> bool:
    """Make the profile if there is none of that name, and return whether it had to be made; a role given is kept."""
    if library.profiles.find(name) is not None:
        if role:
            library.profiles.describe(name, role=role)
        return False
    library.profiles.create(name, role=role)
    return True
