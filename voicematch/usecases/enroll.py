"""Enroll: a clip of one voice becomes voiceprints under a name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..audio import EVERYTHING, Audio, Choice, encode_clip
from ..audio.spans import LEAST_SECONDS, Excerpt, sound_of
from ..errors import AudioError
from ..library import Library
from ..net.addresses import is_address
from ..types import Embedding, Progress
from ..voices.sample import check, quality
from .chosen import BUILT_IN, Engines
from .learn import Enrollment, calibration_of, check_consent, ensure_profile, pool, spelled, taught


@dataclass(frozen=True, slots=True, eq=False)
class HeardClip:
    """A voice as it was heard in a clip, and what is kept with it; ``clip`` is the encoded speech, if that is kept."""

    name: str
    role: str | None
    consent: str
    consent_note: str
    source: str
    audio_sha256: str
    embedder: str
    embeddings: Sequence[Embedding]
    clip: bytes | None
    warnings: tuple[str, ...]


def enroll(
    name: str,
    source: str | Path,
    *,
    library: Library,
    consent: str,
    consent_note: str = "",
    start: float = 0.0,
    end: float | None = None,
    speaker: str | None = None,
    role: str | None = None,
    keep_clip: bool = True,
    force: bool = False,
    choice: Choice = EVERYTHING,
    engines: Engines = BUILT_IN,
    progress: Progress | None = None,
) -> Enrollment:
    """Learn a voice from a clip of it, and return what was added to the profile called ``name``, made if it is new.

    start, end : the part of the file to use
    speaker : in a file of several voices, the local label (SPEAKER_00) of the one meant
    consent : why the voice may be kept: "self", "permission" or "public"
    consent_note : what else is to be kept of it: who said so, where, in what words
    keep_clip : keep up to a minute of the speech, so that a later model can re-embed it
    force : also a voice that does not sound like the one known by that name
    choice : the track and channel to listen to

    Raises EnrollmentError when the clip will not make a usable voiceprint, with the reason and the remedy;
    AudioError, ModelError, LibraryError.
    """
    heard = hear(
        name,
        source,
        library=library,
        consent=consent,
        consent_note=consent_note,
        start=start,
        end=end,
        speaker=speaker,
        role=role,
        keep_clip=keep_clip,
        force=force,
        choice=choice,
        engines=engines,
        progress=progress,
    )
    return keep(heard, library=library)


def hear(
    name: str,
    source: str | Path,
    *,
    library: Library,
    consent: str,
    consent_note: str = "",
    start: float = 0.0,
    end: float | None = None,
    speaker: str | None = None,
    role: str | None = None,
    keep_clip: bool = True,
    force: bool = False,
    choice: Choice = EVERYTHING,
    engines: Engines = BUILT_IN,
    progress: Progress | None = None,
) -> HeardClip:
    """Hear the voice in a clip, and store nothing yet. Arguments and errors are those of `enroll`."""
    check_consent(consent)
    name = spelled(library, name)
    diarizer, embedder = engines.resolve(library)
    audio = Audio(source, choice=choice)
    excerpt = _excerpt(audio, start, end)
    diarization = diarizer.diarize(excerpt, embedder, progress=progress)
    is_again = taught(library, name, audio.sha256)
    voice = check(
        diarization,
        quality(excerpt.blocks()),
        name=name,
        speaker=speaker,
        may_differ=force or is_again,
        calibration=calibration_of(library),
        voiceprints=library.voiceprints.all(),
    )
    embeddings = [replace(e, start=e.start + start, end=e.end + start) for e in pool(voice.embeddings)]
    clip = encode_clip(sound_of(voice.turns, audio, start)) if keep_clip else None
    return HeardClip(
        name=name,
        role=role,
        consent=consent,
        consent_note=consent_note,
        source=str(source) if is_address(source) else os.path.realpath(source),
        audio_sha256=audio.sha256,
        embedder=embedder.name,
        embeddings=embeddings,
        clip=clip,
        warnings=voice.warnings,
    )


def keep(heard: HeardClip, *, library: Library) -> Enrollment:
    """Teach a profile, made if it is new, the voice that was heard. Raises LibraryError."""
    with library.together():
        created = ensure_profile(library, heard.name, role=heard.role)
        num_voiceprints = library.voiceprints.add(
            heard.name,
            heard.embeddings,
            embedder=heard.embedder,
            consent=heard.consent,
            consent_note=heard.consent_note,
            source=heard.source,
            audio_sha256=heard.audio_sha256,
            clip=heard.clip,
        )
    return Enrollment(heard.name, created, num_voiceprints, sum(e.seconds for e in heard.embeddings), heard.warnings)


def _excerpt(audio: Audio, start: float, end: float | None) -> Audio | Excerpt:
    """The audio itself when the span is all of it."""
    if start == 0.0 and end is None:
        return audio
    if start >= audio.duration:
        raise AudioError(audio.source, f"ends at {audio.duration:.1f} s, before the span begins at {start:.1f} s")
    end = audio.duration if end is None else min(end, audio.duration)
    if end - start < LEAST_SECONDS:
        raise AudioError(audio.source, f"there is no sound between {start:g} and {end:g} s; give a longer span")
    return Excerpt(audio, start, end)
