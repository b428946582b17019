"""What people say of stored voices, and what follows from it: name, correct, merge, relabel. No audio is opened.

Each of these is one transaction, after which every stored episode is matched again and its files are written anew.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from .. import outputs
from ..errors import EnrollmentError, LibraryError
from ..library import Library, Recorded, UnknownSpeaker
from ..library.keys import key
from ..types import Verdict
from ..voices import recognise as recognition
from ..voices.score import centroid, steadiness
from .learn import Enrollment, StoredVoice, calibration_of, contributed, ensure_profile, learn, voice_of, voices_of
from .recognise import match_again

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """One speaker of a stored episode whose name changes. None is no name."""

    audio_sha256: str
    speaker: str
    before: str | None
    after: str | None


def name(
    episode_key: str,
    speaker: str,
    name: str,
    *,
    library: Library,
    consent: str | None = None,
    consent_note: str = "",
    dry_run: bool = False,
) -> tuple[Enrollment, tuple[Change, ...]]:
    """Name one voice of a stored episode. Return what was learned, and every label that changed in any episode.

    Naming a voice that has another name already corrects it.

    episode_key : the episode's file name, path, URL or the start of its hash
    consent : "self", "permission" or "public"; None is what the profile's voiceprints have already
    consent_note : what else is to be kept of it: who said so, where, in what words
    dry_run : say what would change, and change nothing

    Raises LibraryError when the episode or the speaker is not there, EnrollmentError when the voice is too short.
    """
    with changing(library, dry_run=dry_run) as changes:
        episode = library.episodes.get(episode_key)
        voice = voice_of(library, episode, speaker)
        if not voice.embeddings:
            reason = "says too little to be recognised again; name another voice"
            raise EnrollmentError(f"{speaker} of {episode_key} {reason}")
        match = episode.matches[speaker]
        wrong = match.profile if match.verdict is Verdict.ACCEPT and key(match.profile or "") != key(name) else None
        if wrong is not None:
            _retract(library, voice, wrong)
        added, _ = learn(library, name, [voice], consent, consent_note=consent_note)
        library.said.confirm(voice.audio_sha256, speaker, name)
        if wrong is not None:
            _let_go_of_empty(library, wrong)
        match_again(library)
    return added, tuple(changes)


def name_unknown(
    unknown: str,
    name: str,
    *,
    library: Library,
    consent: str | None = None,
    consent_note: str = "",
    dry_run: bool = False,
) -> tuple[Enrollment, tuple[Change, ...]]:
    """Name an unknown (U-0001). Return what was learned, and every label that changed in any episode.

    All its speakers become the profile, but those who do not sound like the others; arguments as for `name`.
    """
    with changing(library, dry_run=dry_run) as changes:
        added, believed = learn(library, name, voices_of(library, unknown), consent, consent_note=consent_note)
        for voice in believed:
            library.said.confirm(voice.audio_sha256, voice.speaker, name)
        match_again(library)
    return added, tuple(changes)


def correct(
    episode_key: str,
    speaker: str,
    name: str | None,
    *,
    library: Library,
    consent: str | None = None,
    consent_note: str = "",
    dry_run: bool = False,
) -> tuple[Enrollment | None, tuple[Change, ...]]:
    """Say who a wrongly named voice is. Return what was learned, and every label that changed in any episode.

    The profile that was given, or suggested, is never given to this speaker again, and loses the voiceprints that it
    got from this speaker. ``name`` None: it is nobody the library should name. Other arguments as for `name`.
    """
    with changing(library, dry_run=dry_run) as changes:
        episode = library.episodes.get(episode_key)
        voice, sha256 = voice_of(library, episode, speaker), episode.audio_sha256
        wrong = episode.matches[speaker].profile
        if wrong is not None and (name is None or key(wrong) != key(name)):
            _retract(library, voice, wrong)
        added = None
        if name is not None and voice.embeddings:
            added, _ = learn(library, name, [voice], consent, consent_note=consent_note)
        elif name is not None:
            warning = f"{speaker} of {episode_key} says too little to learn from"
            added = Enrollment(name, ensure_profile(library, name), 0, 0.0, (warning,))
        library.said.confirm(sha256, speaker, name)
        if wrong is not None:
            _let_go_of_empty(library, wrong)
        match_again(library)
    return added, tuple(changes)


def _retract(library: Library, voice: StoredVoice, wrong: str) -> None:
    """Never give a profile to a speaker again, and take back what it learned from this one."""
    library.said.rule_out(voice.audio_sha256, voice.speaker, wrong)
    library.voiceprints.remove(wrong, contributed(library, wrong, voice))


def _let_go_of_empty(library: Library, wrong: str) -> None:
    if library.profiles.remove_empty(wrong):
        log.warning("%s had nothing but this voice, and is no profile any more", wrong)


def remove_profile(name: str, *, library: Library) -> tuple[Change, ...]:
    """Take a profile out of the library, voiceprints and all, and return every label that changes.

    Unlike `forget.forget`, it leaves the stored voices of the episodes, which have no name then, and can be undone.
    Raises ProfileNotFound.
    """
    with changing(library) as changes:
        library.profiles.remove(name)
        match_again(library)
    return tuple(changes)


def ignore_speaker(episode_key: str, speaker: str, ignored_as: str, *, library: Library) -> tuple[Change, ...]:
    """Ignore one voice of a stored episode ("ad"), and wherever else it is heard; return every label that changes.

    However short it is: the voice of an advertisement says too little for a number of its own, and recurs in every
    episode. Raises LibraryError when there is no such voice, or a person has named it.
    """
    with changing(library) as changes:
        episode = library.episodes.get(episode_key)
        voice = voice_of(library, episode, speaker)
        if not voice.embeddings:
            raise LibraryError(f"{speaker} says too little to be heard again elsewhere")
        if episode.matches[speaker].verdict is Verdict.ACCEPT:
            raise LibraryError(f"{speaker} is {episode.matches[speaker].profile}; correct the name first")
        number = library.unknowns.number(voice.audio_sha256, speaker, voice.embeddings)
        library.unknowns.ignore(number, ignored_as)
        match_again(library)
    return tuple(changes)


def remove_voiceprints(name: str, ids: Sequence[int], *, library: Library) -> tuple[Change, ...]:
    """Every label that changes when some voiceprints of a person are taken out, because they are somebody else's.

    ids : as ``library.voiceprints.rows`` has them

    Raises LibraryError when one is not this person's.
    """
    with changing(library) as changes:
        own = {row.id for row in library.voiceprints.rows(name)}
        if not ids or not set(ids) <= own:
            raise LibraryError(f"{name} has no such voiceprint; voicematch profiles show {name!r} lists them")
        library.voiceprints.remove(name, ids)
        match_again(library)
    return tuple(changes)


def relabel(*, library: Library, dry_run: bool = False) -> tuple[Change, ...]:
    """Match all stored episodes with the voices known now, and return every label that changes.

    No audio is opened, and what a person confirmed stays.
    """
    with changing(library, dry_run=dry_run) as changes:
        match_again(library)
    return tuple(changes)


def merge(source: str, into: str, *, library: Library, dry_run: bool = False) -> tuple[Change, ...]:
    """Make two profiles of one person into one, called ``into``, and return every label that changes."""
    with changing(library, dry_run=dry_run) as changes:
        library.profiles.merge(source, into)
        match_again(library)
    return tuple(changes)


def rename(old: str, new: str, *, library: Library) -> tuple[Change, ...]:
    """Rename a profile everywhere, and return every label that changes."""
    with changing(library) as changes:
        library.profiles.rename(old, new)
    return tuple(changes)


def ignore(unknown: str, ignored_as: str | None, *, library: Library) -> tuple[Change, ...]:
    """Ignore an unknown from now on ("ad"), or with None no more, and return every label that changes.

    Raises LibraryError when it is not there, or has a name.
    """
    with changing(library) as changes:
        library.voices.unknown(unknown)  # says so where there is none, or it was named
        library.unknowns.ignore(unknown, ignored_as)
        match_again(library)
    return tuple(changes)


def split(unknown: str, speakers: Sequence[tuple[str, str]] = (), *, library: Library) -> tuple[str, ...]:
    """Split an unknown that is several people, and return the new ones; who talks most keeps the number.

    speakers : (episode key, label) of those to take out together; none: those who sound apart are taken apart

    Raises LibraryError when there is nothing to split.
    """
    with outputs.following(library):
        heard = library.voices.unknown(unknown).speakers
        if len(heard) < 2:
            raise LibraryError(f"{unknown} is one speaker of one episode; voicematch correct EPISODE:SPEAKER")
        if speakers:
            parts = [[(library.episodes.get(episode).audio_sha256, label) for episode, label in speakers]]
            if len(set(parts[0])) >= len(heard):
                raise LibraryError(f"these are all the speakers of {unknown}; leave one")
        else:
            voices = voices_of(library, unknown)
            pooled = [centroid(voice.embeddings) for voice in voices]
            groups = recognition.parts(
                np.stack([voice.vector for voice in pooled]),
                np.array([voice.seconds for voice in pooled]),
                calibration=calibration_of(library),
                steadiness=[steadiness(voice.embeddings) for voice in voices],
            )
            parts = [[(voices[row].audio_sha256, voices[row].speaker) for row in group] for group in groups[1:]]
        return library.unknowns.split(unknown, parts)


def merge_unknowns(source: str, into: str, *, library: Library) -> tuple[UnknownSpeaker, ...]:
    """Make one unknown part of another that is the same person, and return where that one is heard now.

    What is ignored of the two stays ignored only if ``into`` is. Raises LibraryError when either is not there, or has a
    name.
    """
    with outputs.following(library):
        for unknown in (source, into):
            library.voices.unknown(unknown)  # says so where there is none, or it was named
        library.unknowns.merge(source, into)
        match_again(library)
        return library.voices.unknown(into).speakers


def undo(recorded: Recorded, *, library: Library) -> tuple[Change, ...]:
    """Take back what was recorded, and return every label that changes by it.

    What was matched since with what goes is matched again. Raises ChangedSince when what a person said then has been
    changed again since; the library is as it was then.
    """
    with changing(library) as changes:
        if not library.undo(recorded):
            match_again(library)
    return tuple(changes)


@contextmanager
def changing(library: Library, *, dry_run: bool = False) -> Iterator[list[Change]]:
    """Make a transaction. At its end the list holds every name that changed in it, and files follow what was kept."""
    changes: list[Change] = []
    with library.together(keep=False) if dry_run else outputs.following(library):
        before = library.speakers.names()
        yield changes
        for (sha256, speaker), after in library.speakers.names().items():
            if before.get((sha256, speaker)) != after:
                changes.append(Change(sha256, speaker, before.get((sha256, speaker)), after))
