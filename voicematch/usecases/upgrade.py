"""Moving a library to another embedder: every voice heard again, and all of it taken over in one step.

Voiceprints are made anew from the clips kept with them, and those without a clip (learned from an episode that was
named) from the episode's audio, where that is still there. Until all of that is done nothing is written, so that a
crash or ^C leaves the old library working, and the upgrade is simply begun again. Then voiceprints, pin and queue
change in one transaction, after a copy of the library was made beside it.

Episodes keep their turns, lines and names; they are queued to be heard again, and until then no voice of theirs is
matched or learned from. Unnamed voices keep their numbers (U-0001): what a person said of a speaker, and the unknown it
was taken for, goes over to whoever holds those turns when the episode is heard again.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from ..audio import decode_clip
from ..audio.spans import Samples, sound_of
from ..audio.together import reopened
from ..engines.diarize import BuiltinDiarizer, Diarizer
from ..engines.embed import Embedder
from ..errors import AudioError, LibraryError
from ..library import Library, NewJob, Remade, StaleEpisode, State, StoredVoiceprint
from ..library.job import about_parts, file_job
from ..library.migrations import backup_path
from ..models import files
from ..models.table import is_known
from ..net.addresses import is_address
from ..types import Array, Embedding, Part, Progress, Turn, Verdict
from ..voices.score import centroid
from .calibrate import ensure

NO_CLIP = "no clip was kept"


@dataclass(frozen=True, slots=True)
class Lost:
    """Voiceprints of a profile that cannot be made anew, and why."""

    profile: str
    source: str
    num_voiceprints: int
    reason: str


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What moving a library to another embedder came to, or would come to.

    num_voiceprints : voiceprints there were, and there are now
    num_clips, num_spans : kept clips, and spans of episodes, that were heard again
    silent : profiles that are left without a voiceprint
    num_queued : episodes that are queued to be heard again
    gone : stored episodes whose audio is not there any more
    is_calibrated : whether it is known what the new embedder's scores are worth; without, names are only suggested
    backup : the copy of the library as it was; None on PostgreSQL and in a dry run
    """

    before: str
    embedder: str
    num_voiceprints: tuple[int, int]
    num_clips: int
    num_spans: int
    lost: tuple[Lost, ...]
    silent: tuple[str, ...]
    num_queued: int
    gone: tuple[str, ...]
    is_calibrated: bool
    dry_run: bool
    backup: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Voice:
    """Voiceprints of a profile that were made from one piece of sound.

    clip : the encoded sound; None where it has to come from ``turns`` of the episode at ``source``
    """

    profile: str
    rows: tuple[StoredVoiceprint, ...]
    clip: bytes | None
    turns: tuple[Turn, ...] = ()
    parts: tuple[Part, ...] = ()

    @property
    def source(self) -> str:
        return self.rows[0].source

    def remade(self, embedding: Embedding) -> Remade:
        """Return what takes the place of its rows: about the same span of the same recording."""
        start = min(row.embedding.start for row in self.rows)
        end = max(row.embedding.end for row in self.rows)
        return Remade(tuple(row.id for row in self.rows), replace(embedding, start=start, end=end))


@dataclass
class _Moved:
    """What came of the voices so far."""

    remade: list[Remade] = field(default_factory=list)
    by_profile: Counter[str] = field(default_factory=Counter)
    lost: list[Lost] = field(default_factory=list)
    num_clips: int = 0
    num_spans: int = 0

    def lose(self, profile: str, rows: Sequence[StoredVoiceprint], reason: str) -> None:
        self.lost.append(Lost(profile, rows[0].source, len(rows), reason))


def upgrade(
    library: Library,
    embedder: Embedder,
    *,
    diarizer: Diarizer | None = None,
    dry_run: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Upgrade:
    """Move a library to another embedder.

    diarizer : finds the speech in each clip; None is the built-in one
    dry_run : says what would be heard again, queued and lost, and changes nothing
    force : go on although a profile will be left without a voiceprint

    Raises LibraryError when a batch is running, voices were added meanwhile, or a profile would lose its last voice;
    ModelError when the embedder cannot be used. The library is then as it was.
    """
    before = library.embedder
    if before == embedder.name:
        raise LibraryError(f"{library.location} holds voices of {before!r} already")
    if not dry_run:
        _refuse_running(library)
        ensure(embedder, progress=progress)
    names = library.people.names()
    known = {row.id: name for name in names for row in library.voiceprints.of(name)}
    heard = _Moved()
    for done, voice in enumerate(_voices(library, names, heard)):
        if progress is not None:
            progress("embed", done, max(len(known), done + 1))
        _hear(voice, heard, embedder, diarizer or BuiltinDiarizer(), dry_run=dry_run)
    silent = tuple(name for name in names if name in known.values() and not heard.by_profile[name])
    backup = None
    if dry_run:
        there, gone = _stale(library, embedder.name)
    else:
        if silent and not force:
            raise LibraryError(_would_be_silent(silent, heard.lost, embedder.name))
        backup, there, gone = _take_over(library, embedder, heard.remade, frozenset(known), before)
    return Upgrade(
        before=before,
        embedder=embedder.name,
        num_voiceprints=(len(known), sum(heard.by_profile.values())),
        num_clips=heard.num_clips,
        num_spans=heard.num_spans,
        lost=tuple(heard.lost),
        silent=silent,
        num_queued=len(there),
        gone=tuple(episode.source for episode in gone),
        is_calibrated=is_known(embedder.name) and files.calibration_file(embedder.name) is not None,
        dry_run=dry_run,
        backup=backup,
    )


def _refuse_running(library: Library) -> None:
    library.jobs.take_back(lambda _: False)  # those whose worker has not been heard of for two minutes
    running = library.jobs.counts()[State.RUNNING]
    if running:
        raise LibraryError(
            f"{library.location}: a batch is running, with {running} episode(s) in hand; stop it first, or wait "
            "(a worker that was killed is given up after two minutes)"
        )


def _would_be_silent(silent: Sequence[str], lost: Sequence[Lost], embedder: str) -> str:
    first = ", ".join(silent[:5]) + (f" and {len(silent) - 5} more" if len(silent) > 5 else "")
    why = next(one.reason for one in lost if one.profile == silent[0])
    return (
        f"left without a voice by {embedder!r} would be {first} ({why}); enroll them from a clip afterwards, "
        "and go on with --force"
    )


# -- hearing again


def _voices(library: Library, names: Sequence[str], heard: _Moved) -> Iterator[_Voice]:
    """Yield what the voiceprints were made from, a piece at a time; note as lost what is gone."""
    for name in names:
        rows = library.voiceprints.of(name)
        clip_by_id = {row.id: row.clip for row in rows}
        for first, clip in library.voiceprints.clips(name):
            own = tuple(row for row in rows if row.clip == clip_by_id.get(first, -1))
            if own:
                yield _Voice(name, own, clip)
        loose = sorted((row for row in rows if row.clip is None), key=lambda row: (row.audio_sha256, row.consent))
        for (sha256, _), of_recording in groupby(loose, key=lambda row: (row.audio_sha256, row.consent)):
            own = tuple(of_recording)
            turns, parts = _turns_of(library, sha256, name)
            if not turns:
                heard.lose(name, own, f"{NO_CLIP}, and it is not named in a stored episode of that recording")
            elif not os.path.isfile(own[0].source):
                heard.lose(name, own, f"{NO_CLIP}, and the recording is not there any more")
            else:
                yield _Voice(name, own, None, turns, parts)


def _turns_of(library: Library, sha256: str, name: str) -> tuple[tuple[Turn, ...], tuple[Part, ...]]:
    """Return the turns of whoever was given the name in the episode of this recording, and what was listened to.

    No turns when it is not stored.
    """
    try:
        episode = library.episodes.get(sha256)
    except LibraryError:
        return (), ()
    own = {
        label for label, match in episode.matches.items() if match.verdict is Verdict.ACCEPT and match.profile == name
    }
    return tuple(turn for turn in episode.turns if turn.speaker in own), episode.parts


def _hear(voice: _Voice, heard: _Moved, embedder: Embedder, diarizer: Diarizer, *, dry_run: bool) -> None:
    """Note the voice by the new embedder, or why there is none. A dry run believes that there would be one."""
    if not dry_run:
        try:
            embedding = _embedding(_samples(voice), embedder, diarizer)
        except AudioError as error:
            heard.lose(voice.profile, voice.rows, str(error))
            return
        if embedding is None:
            heard.lose(voice.profile, voice.rows, f"{embedder.name!r} hears no speech in it")
            return
        heard.remade.append(voice.remade(embedding))
    heard.by_profile[voice.profile] += 1
    heard.num_clips += voice.clip is not None
    heard.num_spans += voice.clip is None


def _samples(voice: _Voice) -> Array:
    if voice.clip is not None:
        return decode_clip(voice.clip)
    audio = reopened(voice.source, voice.parts)
    if audio.sha256 != voice.rows[0].audio_sha256:
        raise AudioError(voice.source, f"{NO_CLIP}, and the recording has changed since")
    return sound_of(voice.turns, audio, 0.0)


def _embedding(samples: Array, embedder: Embedder, diarizer: Diarizer) -> Embedding | None:
    """Return the one voice in a piece of sound; None where nobody speaks long enough."""
    diarization = diarizer.diarize(Samples(samples), embedder, speakers=(1, 1))
    stretches = [embedding for of_speaker in diarization.embeddings.values() for embedding in of_speaker]
    return centroid(stretches) if stretches else None


# -- taking it over


Episodes = list[StaleEpisode]


def _stale(library: Library, embedder: str) -> tuple[Episodes, Episodes]:
    """The episodes that this embedder has not heard: those whose audio is there, and those whose is not."""
    there: Episodes = []
    gone: Episodes = []
    for episode in library.upgrade.stale_episodes(embedder):
        is_there = is_address(episode.source) or os.path.isfile(episode.source)
        (there if is_there else gone).append(episode)
    return there, gone


def _take_over(
    library: Library, embedder: Embedder, remade: Sequence[Remade], known: frozenset[int], before: str
) -> tuple[Path | None, Episodes, Episodes]:
    """The copy of the library as it was, and `_stale`. From here on the library is the new embedder's."""
    backup = None
    if library.path is not None:
        backup = backup_path(library.path, Path(before).name)  # which may be the path of a model
        library.upkeep.backup(backup)
    try:
        with library.together():
            _refuse_running(library)  # what was begun meanwhile would be stored with vectors of before
            there, gone = _stale(library, embedder.name)
            have_jobs = library.jobs.again({episode.audio_sha256 for episode in there})
            library.jobs.add(job_of(episode) for episode in there if episode.audio_sha256 not in have_jobs)
            library.upgrade.adopt(embedder.name, embedder.dimension, remade, known=known, before=before)
    except BaseException:
        if backup is not None:
            backup.unlink(missing_ok=True)  # of what is still there as it was
            library.copies.remove(backup)
        raise
    return backup, there, gone


def job_of(episode: StaleEpisode) -> NewJob:
    """Return a job for an episode that came without one, which listens to the same of it."""
    job = NewJob(key=episode.source, source=episode.source, title=episode.title)
    if not is_address(episode.source):
        path = Path(episode.source)
        _, job = file_job(path, path.absolute().parent.name)
    about = {**job.about, **about_parts(episode.parts)}
    key = "\n".join([job.key, *(str((part.source, part.track, part.channel)) for part in episode.parts)])
    return replace(job, key=key, title=episode.title or job.title, date=episode.date, about=about)
