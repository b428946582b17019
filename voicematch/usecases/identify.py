"""The use cases that listen, each readable as the algorithm: identify, enroll. Those that only name are in `naming`."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from .. import formats
from ..audio import Audio, encode_clip
from ..audio.spans import Excerpt, sound_of
from ..engines import open_embedder
from ..engines.diarize import BuiltinDiarizer, Diarizer
from ..engines.embed import Embedder
from ..errors import AudioError
from ..library import Library
from ..models.table import DEFAULT_EMBEDDER, MODELS
from ..transcript.align import align
from ..transcript.attribute import attribute
from ..transcript.whisper import transcribe
from ..types import Array, Chapter, Diarization, LabelledEpisode, Line, Progress
from ..voices.clearest import clearest
from ..voices.sample import check, quality
from ..voices.score import centroid
from . import recognise
from .learn import Enrollment, calibration_of, check_consent, ensure_profile, voiceprints_of
from .name import Change, correct, name, name_unknown, relabel

__all__ = [
    "BUILT_IN",
    "Change",
    "Engines",
    "Enrollment",
    "calibration_of",
    "correct",
    "enroll",
    "identify",
    "name",
    "name_unknown",
    "relabel",
    "voiceprints_of",
]

log = logging.getLogger(__name__)

MOST_LISTENED = 10  # episodes searched for the clearest clip of a voice; those in which it talks most


@dataclass(frozen=True, slots=True)
class Engines:
    """Which engines do the work; None is the built-in diarizer, and the embedder of the library.

    device : where that embedder computes, if it can be told
    """

    diarizer: Diarizer | None = None
    embedder: Embedder | None = None
    device: str = "auto"

    def resolve(self, library: Library) -> tuple[Diarizer, Embedder]:
        """The diarizer, and the embedder, which has to be the one that the library's vectors come from.

        A library that holds none yet keeps to this embedder from now on. Raises EmbedderMismatch, ModelError.
        """
        # One that is in the table no more cannot be opened; the mismatch then says how to move on.
        name = library.embedder if library.embedder in MODELS else DEFAULT_EMBEDDER
        embedder = self.embedder or open_embedder(name, device=self.device)
        library.keep_to(embedder.name, embedder.dimension)
        return self.diarizer or BuiltinDiarizer(), embedder


BUILT_IN = Engines()


def identify(
    source: str | Path | Audio,
    *,
    library: Library,
    transcript_path: str | Path | None = None,
    lines: tuple[Line, ...] = (),
    whisper: str | Path | None = None,
    language: str | None = None,
    speakers: tuple[int, int] | None = None,
    title: str = "",
    date: str | None = None,
    show: str = "",
    chapters: tuple[Chapter, ...] = (),
    store: bool = True,
    engines: Engines = BUILT_IN,
    progress: Progress | None = None,
) -> LabelledEpisode:
    """The episode with a name on every voice the library knows, and "unknown" on every other.

    source : a file, an http(s) URL, or an ``Audio`` of one
    transcript_path, lines : a transcript without names, as a file or already read; its lines get speakers. One that
        was made for another cut of the audio is moved to where it fits, with a warning that says by how much. Without
        any, lines that the library has of this very audio are given to their speakers anew
    whisper, language : without a transcript, the Whisper model that writes one, and the language spoken
    speakers : (fewest, most) voices in the episode; None finds the number
    show : the podcast; unnamed voices are looked for there first
    store : remember the episode, so that naming a voice later relabels it without the audio

    Raises AudioError, FormatError, ModelError, LibraryError.
    """
    if transcript_path is not None:
        lines = formats.read_file(transcript_path)
    audio = source if isinstance(source, Audio) else Audio(source)
    diarizer, embedder = engines.resolve(library)
    if whisper is not None and not lines:
        lines = transcribe(audio, whisper, language, progress)
    diarization = diarizer.diarize(audio, embedder, speakers=speakers, progress=progress)
    lines, unsure = _in_place(lines, diarization, audio)
    heard = LabelledEpisode(
        source=audio.source,
        audio_sha256=audio.sha256,
        duration=audio.duration,
        turns=diarization.turns,
        matches={},
        title=title,
        date=date,
        embedder=embedder.name,
        diarizer=diarizer.name,
        lost_seconds=audio.lost_seconds,
        show=show,
        chapters=chapters,
    )
    with library.together(keep=store):  # what is not kept is answered just as what is
        diarization = recognise.joined(library, heard, diarization, as_before=speakers is None)
        words = attribute(
            lines or library.lines(audio.sha256), diarization.turns, unsure=unsure, exclusive=diarization.exclusive
        )
        answer = recognise.store(library, replace(heard, turns=diarization.turns, lines=words), diarization.embeddings)
    return answer if store else _without_new_numbers(answer, library.unknowns.num_episodes())


def enroll(
    name: str,
    source: str | Path,
    *,
    library: Library,
    consent: str,
    start: float = 0.0,
    end: float | None = None,
    speaker: str | None = None,
    role: str | None = None,
    keep_clip: bool = True,
    engines: Engines = BUILT_IN,
    progress: Progress | None = None,
) -> Enrollment:
    """What was added to the profile called ``name``, made if it is new, from a clip of that one voice.

    start, end : the part of the file to use
    speaker : in a file of several voices, the local label (SPEAKER_00) of the one meant
    consent : why the voice may be kept: "self", "permission" or "public"
    keep_clip : keep up to a minute of the speech, so that a later model can re-embed it

    Raises EnrollmentError when the clip will not make a usable voiceprint, with the reason and the remedy;
    AudioError, ModelError, LibraryError.
    """
    check_consent(consent)
    diarizer, embedder = engines.resolve(library)
    audio = Audio(source)
    excerpt = _excerpt(audio, start, end)
    diarization = diarizer.diarize(excerpt, embedder, progress=progress)
    voice = check(
        diarization,
        quality(excerpt.blocks()),
        name=name,
        speaker=speaker,
        calibration=calibration_of(library),
        voiceprints=library.voiceprints(),
    )
    embeddings = [replace(e, start=e.start + start, end=e.end + start) for e in voiceprints_of(voice.embeddings)]
    clip = encode_clip(sound_of(voice.turns, audio, start)) if keep_clip else None
    created = ensure_profile(library, name, role=role)
    num_voiceprints = library.add_voiceprints(
        name,
        embeddings,
        embedder=embedder.name,
        consent=consent,
        source=str(source),
        audio_sha256=audio.sha256,
        clip=clip,
    )
    return Enrollment(name, created, num_voiceprints, sum(e.seconds for e in embeddings), voice.warnings)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A stretch of a recording. samples : (num_samples,) float32 array, 16 kHz"""

    source: str
    start: float
    end: float
    samples: Array


def clearest_clip(unknown: str, *, library: Library) -> Clip:
    """Up to ten seconds in which a remembered voice (U-0001) is heard best, out of an episode whose audio is there.

    Raises LibraryError when there is no such voice, AudioError when none of its episodes can be read any more.
    """
    heard = library.unknowns.get(unknown).speakers
    found: list[tuple[float, str, float, float]] = []
    for voice in sorted(heard, key=lambda voice: -voice.talk_seconds)[:MOST_LISTENED]:
        embeddings = library.speaker_embeddings(voice.audio_sha256).get(voice.speaker, ())
        turns = library.episode(voice.audio_sha256).turns
        best = clearest(turns, voice.speaker, embeddings, centroid(embeddings).vector) if embeddings else None
        if best is not None:
            found.append((best[2], voice.source, best[0], best[1]))
    gone: list[str] = []
    for _, source, start, end in sorted(found, key=lambda one: -one[0]):
        try:
            return Clip(source, start, end, Audio(source).read(start, end))
        except AudioError as error:
            gone.append(str(error))
    if gone:
        raise AudioError(unknown, f"none of its episodes can be read any more: {gone[0]}")
    raise AudioError(unknown, "is never heard alone, so there is nothing to play")


def _without_new_numbers(episode: LabelledEpisode, remembered: Collection[str]) -> LabelledEpisode:
    """The answer without the numbers of voices that would have been remembered had it been stored."""
    matches = {
        label: match if match.unknown in remembered else replace(match, unknown=None)
        for label, match in episode.matches.items()
    }
    return replace(episode, matches=matches)


def _in_place(
    lines: tuple[Line, ...], diarization: Diarization, audio: Audio
) -> tuple[tuple[Line, ...], frozenset[int]]:
    """Return the lines where they are said in this audio, and which of them are in doubt, by their index."""
    turns = diarization.turns
    unsure: frozenset[int] = frozenset()
    if lines and turns:
        aligned = align(lines, [(turn.start, turn.end) for turn in turns], audio.duration)
        if aligned is None:
            log.warning(
                "%s: cannot tell whether the transcript fits this very audio; its times are taken as they are",
                audio.source,
            )
        elif aligned.moved:
            moves = "; ".join(f"{s.start:.0f}-{s.end:.0f} s by {s.seconds:+.1f} s" for s in aligned.shifts)
            log.warning("%s: the transcript was made for another cut of the audio; moved %s", audio.source, moves)
            lines, unsure = aligned.lines, aligned.unsure
    return lines, unsure


def _excerpt(audio: Audio, start: float, end: float | None) -> Audio | Excerpt:
    """The audio itself when the span is all of it."""
    if start == 0.0 and end is None:
        return audio
    if start >= audio.duration:
        raise AudioError(audio.source, f"ends at {audio.duration:.1f} s, before the span begins at {start:.1f} s")
    return Excerpt(audio, start, audio.duration if end is None else min(end, audio.duration))
