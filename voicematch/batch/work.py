"""What a worker does: claim a job, label its episode, write the files, say what came of it."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from .. import formats, outputs
from ..audio import Audio, Choice
from ..audio.together import apart_in, track_of
from ..errors import AudioError, FormatError, LibraryError, OutputExists, VoicematchError
from ..library import Job, State, open_library, passphrase
from ..library.job import parts_about
from ..net.addresses import is_address
from ..types import Chapter, LabelledEpisode, Line, Part, Progress, Verdict
from ..usecases.chosen import BUILT_IN, Engines
from ..usecases.identify import identify
from ..usecases.tracks import listened
from . import feeds
from .cache import MOST_BYTES, AudioCache, default_cache
from .liveness import beating, worker_name

log = logging.getLogger(__name__)

BEAT_SECONDS = 10.0
MOST_UNEXPECTED = 3  # failures in a row that are not a file's own before a run stops
TEMPLATE = "{show}/{date}-{title}"  # of episodes from feeds, which have no folder of their own
OWN_FAULT = (AudioError, FormatError, OutputExists)  # errors that say something of the episode, not of the machine


class Stopped(Exception):  # control flow: whoever asked for it knows
    """The work in hand was given up, because its user or its loss of the job said so."""


@dataclass(frozen=True)
class Settings:
    """How a run does its work; travels to its workers.

    library : path or URL, with its password
    formats : which files to write of each episode
    out : folder, or template with {fields}; None is beside the audio, and for feeds the folder worked in
    force : overwrite files that no job of this library wrote
    engines : each worker loads them once
    passphrases : what this process opens libraries with
    """

    library: str
    formats: tuple[str, ...] = ()
    out: str | None = None
    force: bool = False
    cache: Path = field(default_factory=default_cache)
    cache_bytes: int = MOST_BYTES
    engines: Engines = BUILT_IN
    beat_seconds: float = BEAT_SECONDS
    passphrases: tuple[str, ...] = field(default_factory=passphrase.known, repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one job. ``named`` are the profiles accepted, most talk time first; ``seconds`` it took."""

    job: Job
    state: State
    seconds: float
    error: str = ""
    unexpected: bool = False
    named: tuple[str, ...] = ()
    num_unknown: int = 0
    duration: float = 0.0


@dataclass(frozen=True, slots=True)
class Event:
    """Something a worker did, for whoever watches: it began a job, came a step further, or ended it."""

    worker: int
    job: Job
    step: str = ""
    done: float = 0.0
    total: float = 0.0
    outcome: Outcome | None = None


@dataclass
class Tally:
    """How a run stands. ``stop`` is why it ends early, "" while it does not."""

    num_done: int = 0
    num_failed: int = 0
    stop: str = ""
    interrupted: bool = False
    _in_a_row: int = 0

    def count(self, outcome: Outcome) -> None:
        if outcome.state is State.DONE:
            self.num_done += 1
        elif outcome.state is State.FAILED:
            self.num_failed += 1
        if outcome.unexpected:
            self.count_unexpected(outcome.error)
        else:
            self._in_a_row = 0

    def count_unexpected(self, error: str) -> None:
        self._in_a_row += 1
        if self._in_a_row >= MOST_UNEXPECTED and not self.stop:
            self.stop = (
                f"{self._in_a_row} failures in a row that are not the episodes' own, the last: {error}; "
                "voicematch batch retry queues them again when that is mended"
            )


class Worker:
    """Works jobs off, one after the other, with the models loaded once. Belongs to one process."""

    def __init__(self, settings: Settings, stop: threading.Event | None = None) -> None:
        self.settings = settings
        self.name = worker_name()
        self.stop = stop or threading.Event()
        passphrase.give(*settings.passphrases)
        self._library = open_library(settings.library)
        try:
            self._engines = Engines(*settings.engines.resolve(self._library))
        except BaseException:
            self._library.close()
            raise
        self._jobs = self._library.jobs
        self._cache = AudioCache(settings.cache, settings.cache_bytes)

    def close(self) -> None:
        self._library.close()

    def claim(self) -> Job | None:
        """Return the next job, this worker's from now on."""
        return None if self.stop.is_set() else self._jobs.claim(self.name)

    def work(self, job: Job, progress: Progress | None = None) -> Outcome | None:
        """Do a claimed job, and return what came of it; None when it was given up, and is queued again or another's.

        What the episode is to blame for is in the outcome, and so is everything unexpected.
        """
        started = time.monotonic()

        with self._beating(job) as lost:

            def checked(step: str, done: float, total: float) -> None:
                if self.stop.is_set() or lost.is_set():
                    raise Stopped
                if progress is not None:
                    progress(step, done, total)

            try:
                episode = self._label(job, checked)
            except Stopped:
                self._jobs.release(job)
                return None
            except OWN_FAULT as error:
                return self._failed(job, str(error), started, unexpected=False)
            except VoicematchError as error:
                return self._failed(job, str(error), started, unexpected=True)
            except Exception as error:
                log.exception("%s", job.source)
                return self._failed(job, f"{type(error).__name__}: {error}", started, unexpected=True)
        if not self._jobs.finish(job, episode.audio_sha256):
            return None
        return _done(job, episode, time.monotonic() - started)

    def _failed(self, job: Job, error: str, started: float, *, unexpected: bool) -> Outcome | None:
        line = " ".join(error.split())
        if not self._jobs.fail(job, line, unexpected=unexpected):
            return None
        return Outcome(job, State.FAILED, time.monotonic() - started, error=line, unexpected=unexpected)

    def _label(self, job: Job, progress: Progress) -> LabelledEpisode:
        progress("begin", 0, 0)
        paths = self._jobs.reserve(job, self._wanted(job), self._refuse_others)
        if not self.settings.force:
            outputs.refuse_changed(self._library, [Path(path) for path in paths.values()])
        for folder in {Path(path).parent for path in paths.values()}:
            outputs.try_place(folder)
        try:
            episode = self._of_another_show(job) or self._heard(job, progress)
        except AudioError:
            if is_address(job.source):  # it may have been a page to log in, for once
                self._cache.drop(job.source, job.fingerprint)
            raise
        progress("write", 0, 0)
        if not self._jobs.beat(job):
            raise Stopped
        outputs.write(self._library, episode, [(Path(path), name) for name, path in paths.items()])
        return episode

    def _of_another_show(self, job: Job) -> LabelledEpisode | None:
        """The stored answer, where the feed of another show has the same sound, and this one nothing to add to it."""
        sha256 = self._jobs.done_elsewhere(job)
        if sha256 is None:
            return None
        try:
            episode = self._library.episodes.get(sha256)
        except LibraryError:  # removed since
            return None
        if job.about.get("transcripts") and not episode.lines:
            return None
        return replace(episode, title=job.title, show=job.show, date=job.date)

    def _heard(self, job: Job, progress: Progress) -> LabelledEpisode:
        audio, lines = self._sound(job, progress), self._lines(job)
        engines, apart = self._engines, job.about.get("apart")
        parts = parts_about(job.about)
        if apart or len(parts) > 1:
            tracks = apart_in(audio, apart) if apart else [track_of(job.source, part, audio) for part in parts]
            audio, engines = listened(tracks, library=self._library, engines=engines, progress=progress)
        return identify(
            audio,
            library=self._library,
            lines=lines,
            title=job.title,
            date=job.date,
            show=job.show,
            chapters=self._chapters(job),
            engines=engines,
            progress=progress,
        )

    def _sound(self, job: Job, progress: Progress) -> Audio:
        parts = parts_about(job.about)
        part = parts[0] if len(parts) == 1 else Part()
        choice = Choice(part.track, part.channel)
        if not is_address(job.source):
            return Audio(job.source, choice=choice)

        def in_use() -> set[Path]:
            return {self._cache.path(running.source, running.fingerprint) for running in self._jobs.find(State.RUNNING)}

        path = self._cache.get(job.source, job.fingerprint, in_use=in_use, progress=progress, nearby=_nearby(job))
        return Audio(job.source, fetched=path, choice=choice)

    def _lines(self, job: Job) -> tuple[Line, ...]:
        listed = job.about.get("transcripts", ())
        transcripts = [feeds.Transcript(*transcript) for transcript in listed]
        return feeds.fetch_transcript(transcripts, nearby=_nearby(job)) if listed else ()

    def _chapters(self, job: Job) -> tuple[Chapter, ...]:
        try:
            url = job.about.get("chapters", "")
            return feeds.fetch_chapters(url, nearby=_nearby(job)) if url else ()
        except FormatError as error:
            log.warning("chapters left out: %s", error)
            return ()

    def _wanted(self, job: Job) -> dict[str, tuple[str, str]]:
        """By format, where to write, and where to if another job writes there."""
        stem = output_stem(job, self.settings.out)
        own = hashlib.sha256(job.key.encode(errors="surrogatepass")).hexdigest()[:8]
        suffixes = {name: formats.SUFFIXES.get(name, name) for name in self.settings.formats}
        return {name: (f"{stem}.{suffix}", f"{stem}-{own}.{suffix}") for name, suffix in suffixes.items()}

    def _refuse_others(self, path: str) -> None:
        if not self.settings.force and Path(path).exists():
            raise OutputExists(f"{path} exists; --force overwrites it, --out writes elsewhere")

    @contextmanager
    def _beating(self, job: Job) -> Iterator[threading.Event]:
        """While the block runs the job's heart beats. The event is set when the job has become another's."""

        def beat() -> bool:
            with suppress(LibraryError):  # busy; the next beat comes in time
                return self._jobs.beat(job)
            return True

        with beating(beat, self.settings.beat_seconds) as lost:
            yield lost


def _nearby(job: Job) -> str | None:
    """Who in this machine's own network may be asked for a job's sake: nobody but its feed's host, if that is there."""
    nearby: str | None = job.about.get("nearby", "" if "feed" in job.about else None)
    return nearby


def output_stem(job: Job, out: str | None) -> str:
    """Return the absolute path of a job's files, without ending: beside the audio, or by a folder or template.

    Episodes of feeds have no folder, so they go to ``TEMPLATE`` in the folder given, or in the one worked in.
    """
    from_web = is_address(job.source)
    name = job.title if from_web else Path(job.source).stem
    if out is None and not from_web:
        return str(Path(job.source).with_suffix(""))
    template = out or ""
    if "{" not in template:
        folder = template.replace("}", "}}")
        template = os.path.join(folder, TEMPLATE if from_web else "{name}")
    values = {
        "show": job.show,
        "date": job.date or "undated",
        "year": (job.date or "undated").partition("-")[0],
        "title": job.title,
        "season": str(job.about.get("season", "")),
        "episode": str(job.about.get("episode", "")),
        "name": name,
    }
    return os.path.abspath(outputs.fill(template, values))


def _done(job: Job, episode: LabelledEpisode, seconds: float) -> Outcome:
    talk = episode.talk_seconds()
    by_talk = sorted(talk, key=lambda speaker: -talk[speaker])
    accepted = {s: m.profile for s, m in episode.matches.items() if m.verdict is Verdict.ACCEPT and m.profile}
    named = tuple(dict.fromkeys(accepted[speaker] for speaker in by_talk if speaker in accepted))
    num_unknown = sum(speaker not in accepted for speaker in talk)
    return Outcome(job, State.DONE, seconds, named=named, num_unknown=num_unknown, duration=episode.duration)
