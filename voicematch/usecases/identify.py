"""Identify: who speaks in an episode, by name; it reads as the algorithm."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from .. import formats, outputs
from ..audio import Audio
from ..library import Library
from ..library.shows import day_in_name
from ..net.addresses import is_address
from ..transcript.align import align
from ..transcript.attribute import attribute
from ..transcript.whisper import transcribe
from ..types import Chapter, Diarization, LabelledEpisode, Line, Progress
from . import recognise, refold
from .chosen import BUILT_IN, Engines
from .keep_speakers import OF_TRANSCRIPT, KeptSpeakers

log = logging.getLogger(__name__)


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
    keep_windows: bool = True,
    keep_speakers: KeptSpeakers | None = None,
    engines: Engines = BUILT_IN,
    progress: Progress | None = None,
) -> LabelledEpisode:
    """Return the episode with a name on every voice the library knows, and "unknown" on every other.

    source : a file, an http(s) URL, or an ``Audio`` of one
    transcript_path, lines : a transcript without names, as a file or already read; its lines get speakers. One that
        was made for another cut of the audio is moved to where it fits, with a warning that says by how much. Without
        any, lines that the library has of this very audio are given to their speakers anew
    whisper, language : without a transcript, the Whisper model that writes one, and the language spoken
    speakers : (fewest, most) voices in the episode; None finds the number
    date : ISO 8601, of publication; None takes the day that the file's name gives
    show : the podcast; unknowns are looked for there first
    store : remember the episode, so that naming a voice later relabels it without the audio
    keep_speakers : the transcript's speakers are the speakers; afterwards it holds the lines in which they err
    keep_windows : with it what was heard, as far as the library keeps that, so that `recluster` needs no audio

    Raises AudioError, FormatError, ModelError, LibraryError.
    """
    if transcript_path is not None:
        lines = formats.read_file(transcript_path)
    audio = source if isinstance(source, Audio) else Audio(source)
    diarizer, embedder = engines.resolve(library)
    if whisper is not None and not lines:
        lines = transcribe(audio, whisper, language, progress)
    anchors = recognise.anchors(library)
    diarization = diarizer.diarize(audio, embedder, speakers=speakers, anchors=anchors, progress=progress)
    lines, unsure = _in_place(lines, diarization, audio)
    as_said: tuple[Line, ...] = ()
    if keep_speakers is not None:
        diarization, as_said = keep_speakers.lay(lines, diarization, audio, embedder)
    by = diarizer.name + (OF_TRANSCRIPT if keep_speakers is not None else "")
    heard = replace(_episode(audio, diarization, embedder.name, by), title=title, show=show, chapters=chapters)
    heard = replace(heard, date=date or heard.date)
    with library.together(keep=store):  # what is not kept is answered just as what is
        if keep_speakers is None:
            diarization = recognise.joined(library, heard, diarization, as_before=speakers is None)
            diarization = recognise.told_apart(library, audio.sha256, diarization)
        lines = lines or refold.lines_heard(library, audio.sha256)
        words = as_said or attribute(lines, diarization.turns, unsure=unsure, exclusive=diarization.exclusive)
        answer = _remember(library, replace(heard, lines=words), diarization, keep_windows=store and keep_windows)
    outputs.finish(library)
    answer = replace(answer, source=audio.source)
    return answer if store else _without_new_numbers(answer, library.voices.num_episodes())


def _episode(audio: Audio, diarization: Diarization, embedder: str, diarizer: str) -> LabelledEpisode:
    """The episode as far as its sound tells, without words and names."""
    return LabelledEpisode(
        source=audio.source if is_address(audio.source) else os.path.realpath(audio.source),  # found from anywhere
        audio_sha256=audio.sha256,
        duration=audio.duration,
        turns=diarization.turns,
        matches={},
        date=day_in_name(audio.name)[0],
        embedder=embedder,
        diarizer=diarizer,
        lost_seconds=audio.lost_seconds,
        parts=audio.parts,
    )


def _remember(
    library: Library, heard: LabelledEpisode, diarization: Diarization, *, keep_windows: bool
) -> LabelledEpisode:
    """Store who speaks when, with what was heard where that is wanted, and return the episode with names."""
    keeps = keep_windows and library.settings.keeps_windows
    if not keeps or diarization.windows is None:  # those of an earlier answer do not go with this one
        library.windows.forget(heard.audio_sha256)
    found, voices = replace(heard, turns=diarization.turns), diarization.embeddings
    return recognise.store(library, found, voices, diarization.windows, keep_windows=keeps)


def _without_new_numbers(episode: LabelledEpisode, remembered: Collection[str]) -> LabelledEpisode:
    """The answer without the numbers of unknowns that would be new, had it been stored."""
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
