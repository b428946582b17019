"""The backlog: one job an episode, queued → running → done | failed, and where each one's outputs are.

A running job belongs to its worker, which beats; when that stops, the job is queued again. Whatever a worker writes
about a job counts only while the job is still its own, so that an episode is done once even if a worker that was
given up for dead comes back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from ..errors import LibraryError
from . import schema
from .database import Database, insert, now
from .job import Added, FeedPicture, Job, JobSpeaker, NewJob, State
from .keys import key
from .schema import job_outputs, jobs

STALE_SECONDS = 120.0  # without a heartbeat; a worker beats every ten, and waits thirty for a busy library at most
MOST_LOOKED_AT = 50  # episodes of a person, the newest, in whose feeds their picture is looked for
MOST_CRASHES = 3  # workers that may die on one job before the job is taken to be the reason


class Jobs:
    """The backlog of an open library. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- adding

    def add(self, new: Iterable[NewJob], *, by_hand: bool = False) -> Added:
        """Queue what is new. What is known stays as it is; where its sound has changed, that is noted.

        by_hand : a person asks for these: queue again also those whose episodes were removed since. What a feed lists
            nobody asked for one by one.
        """
        tally = {"new": 0, "known": 0, "changed": 0, "removed": 0}
        with self._database.write() as connection:
            for job in new:
                tally[_add(connection, job, by_hand=by_hand and "feed" not in job.about)] += 1
        return Added(tally["new"], tally["known"] + tally["removed"], tally["changed"], tally["removed"])

    def retry(self, keys: Sequence[str] = (), *, changed: bool = False) -> int:
        """Queue failed jobs again: all, or those whose title, path or key holds one of ``keys``. Return how many.

        Jobs that are meant by ``keys`` are queued again also where their episodes were removed since.

        changed : also those whose sound has changed since they were done, with the new sound
        """
        with self._database.write() as connection:
            again = _JOBS.where(
                (jobs.c.state == State.FAILED)
                | ((jobs.c.state == State.DONE) & jobs.c.changed.is_not(None) if changed else sa.false())
                | (_REMOVED if keys else sa.false())
            )
            rows = [row for row in connection.execute(again) if not keys or _meant(row, keys)]
            for row in rows:
                values = dict(ANEW)
                if row.changed_to is not None:
                    values |= json.loads(row.changed_to) | {"changed": None, "changed_to": None}
                connection.execute(jobs.update().where(jobs.c.id == row.id).values(values))
        if keys and not rows:
            raise LibraryError(
                f"no failed job has {' or '.join(keys)} in its title, path or key; voicematch batch status shows them"
            )
        return len(rows)

    def try_again(self, ids: Collection[int]) -> int:
        """Queue failed jobs again as they are: how often they were begun goes on counting. Return how many."""
        failed = jobs.c.id.in_(ids) & (jobs.c.state == State.FAILED)
        with self._database.write() as connection:
            values = {"state": State.QUEUED, "error": None, "unexpected": False, "finished": None}
            return connection.execute(jobs.update().where(failed).values(values)).rowcount

    def again(self, audio_sha256s: Collection[str]) -> frozenset[str]:
        """Queue jobs that are done once more, of these episodes, and return the sha256 of those that have a job."""
        with self._database.write() as connection:
            of_episodes = sa.select(jobs.c.id, jobs.c.audio_sha256, jobs.c.state).where(
                jobs.c.audio_sha256.is_not(None)
            )
            rows = [row for row in connection.execute(of_episodes).all() if row.audio_sha256 in audio_sha256s]
            for row in rows:
                if row.state == State.DONE:
                    connection.execute(jobs.update().where(jobs.c.id == row.id).values(ANEW))
        return frozenset(row.audio_sha256 for row in rows)

    # -- working

    def claim(self, worker: str) -> Job | None:
        """Take the next queued job, now running and this worker's; None when none is queued."""
        with self._changing_one() as connection:
            is_next = sa.select(jobs.c.id).where(jobs.c.state == State.QUEUED).order_by(jobs.c.id).limit(1)
            job_id = connection.scalar(is_next.with_for_update(skip_locked=True))  # SQLite holds its write lock instead
            if job_id is None:
                return None
            values = {"state": State.RUNNING, "worker": worker, "heartbeat": _clock(connection), "started": now()}
            connection.execute(jobs.update().where(jobs.c.id == job_id).values(**values, attempts=jobs.c.attempts + 1))
            return _job(connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).one())

    def beat(self, job: Job) -> bool:
        """Say that the job's worker lives; False when the job is no longer its own."""
        with self._changing_one() as connection:
            return _update_own(connection, job, heartbeat=_clock(connection))

    def finish(self, job: Job, audio_sha256: str) -> bool:
        """Record that the job is done; False when it is no longer this worker's."""
        with self._changing_one() as connection:
            done = {"state": State.DONE, "audio_sha256": audio_sha256, "error": None, "unexpected": False}
            return _update_own(connection, job, **done, finished=now(), worker=None, heartbeat=None)

    def fail(self, job: Job, error: str, *, unexpected: bool) -> bool:
        """Record why the job failed; False when it is no longer this worker's."""
        with self._changing_one() as connection:
            failed = {"state": State.FAILED, "error": error, "unexpected": unexpected}
            return _update_own(connection, job, **failed, finished=now(), worker=None, heartbeat=None)

    def release(self, job: Job) -> bool:
        """Queue a job again that was begun and given up, as if it had not been begun."""
        with self._changing_one() as connection:
            queued = {"state": State.QUEUED, "attempts": job.attempts - 1}
            return _update_own(connection, job, **queued, worker=None, heartbeat=None)

    def crashed(self, worker: str, how: str) -> Job | None:
        """Queue the job of a worker that died on it again, or fail it when that has happened too often."""
        with self._database.write() as connection:
            own = sa.select(jobs).where(jobs.c.state == State.RUNNING, jobs.c.worker == worker)
            row = connection.execute(own).one_or_none()
            if row is None:
                return None
            values: dict[str, Any] = {"state": State.QUEUED, "crashes": row.crashes + 1}
            if row.crashes + 1 >= MOST_CRASHES:
                error = f"its worker died {row.crashes + 1} times ({how}); is there enough memory?"
                values |= {"state": State.FAILED, "error": error, "unexpected": True, "finished": now()}
            if not _update_own(connection, _job(row), **values, worker=None, heartbeat=None):
                return None
            return _job(connection.execute(sa.select(jobs).where(jobs.c.id == row.id)).one())

    def take_back(self, is_dead: Callable[[str], bool], *, stale_seconds: float = STALE_SECONDS) -> int:
        """Queue the jobs of workers that are dead, or have not beaten for so long, by a clock that may have gone back.
        Return how many.
        """
        with self._database.write() as connection:
            clock = _clock(connection)
            running = connection.execute(sa.select(jobs).where(jobs.c.state == State.RUNNING)).all()
            lost = [
                row
                for row in running
                if abs(clock - (row.heartbeat or 0.0)) > stale_seconds or is_dead(row.worker or "")
            ]
            queued = {"state": State.QUEUED, "worker": None, "heartbeat": None}
            return sum(_update_own(connection, _job(row), **queued) for row in lost)

    # -- outputs

    def reserve(self, job: Job, wanted: Mapping[str, tuple[str, str]], refuse: Callable[[str], None]) -> dict[str, str]:
        """Reserve and return the path for each format, from now on this job's alone.

        wanted : by format, the path, and the one to take where another job has the first
        refuse : raises when a path that is not this job's yet must not be written to
        """
        with self._database.write() as connection:
            asked = [path for paths in wanted.values() for path in paths]
            of_path = sa.select(job_outputs.c.path, job_outputs.c.job_id).where(job_outputs.c.path.in_(asked))
            owners = {row.path: row.job_id for row in connection.execute(of_path)}
            first_is_free = all(owners.get(path, job.id) == job.id for path, _ in wanted.values())
            reserved = {name: path if first_is_free else other for name, (path, other) in wanted.items()}
            for path in reserved.values():
                if owners.get(path) != job.id:
                    refuse(path)
            connection.execute(job_outputs.delete().where(job_outputs.c.job_id == job.id))
            for name, path in reserved.items():
                connection.execute(job_outputs.insert().values(path=path, job_id=job.id, format=name))
            return reserved

    def done_elsewhere(self, job: Job) -> str | None:
        """The audio sha256 of the same sound, where a job of another show has labelled it already."""
        with self._database.read() as connection:
            twin = sa.select(jobs.c.audio_sha256).where(
                jobs.c.source == job.source,
                jobs.c.fingerprint == job.fingerprint,
                jobs.c.fingerprint != "",
                jobs.c.state == State.DONE,
                jobs.c.id != job.id,
            )
            return connection.scalar(twin.order_by(jobs.c.id).limit(1))

    # -- looking

    def counts(self) -> dict[State, int]:
        """Return how many jobs are in each state."""
        with self._database.read() as connection:
            counted = sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)
            num_by_state = {State(state): int(num) for state, num in connection.execute(counted)}
        return {state: num_by_state.get(state, 0) for state in State}

    def find(self, *states: State) -> tuple[Job, ...]:
        """Return the jobs in these states, or all, in the order added."""
        with self._database.read() as connection:
            wanted = jobs.c.state.in_(states) if states else sa.true()
            return tuple(_job(row) for row in connection.execute(sa.select(jobs).where(wanted).order_by(jobs.c.id)))

    def persons(self, audio_sha256: str) -> tuple[tuple[str, str], ...]:
        """Return (name, part) of those whom an episode's feed names ("host", "guest" …) and no voice there has."""
        speakers, episodes, profiles = schema.speakers, schema.episodes, schema.profiles
        of_job = sa.select(jobs.c.about).where(jobs.c.audio_sha256 == audio_sha256).order_by(jobs.c.id)
        accepted = (
            sa.select(profiles.c.name_key)
            .join(speakers, speakers.c.profile_id == profiles.c.id)
            .join(episodes, episodes.c.id == speakers.c.episode_id)
            .where(episodes.c.audio_sha256 == audio_sha256, speakers.c.verdict == "accept")
        )
        with self._database.read() as connection:
            named = [json.loads(about).get("persons", ()) for about in connection.scalars(of_job)]
            taken = set(connection.scalars(accepted)) if any(named) else set()
        listed = dict.fromkeys((str(name), str(part)) for persons in named for name, part, *_ in persons)
        return tuple((name, part) for name, part in listed if key(name) not in taken)

    def picture_of(self, profile: int) -> FeedPicture | None:
        """Return where the picture of a person is, as the feed of the latest episode they speak in that has one says.

        profile : the id of a profile, which the feed names by its name
        """
        speakers, episodes, profiles = schema.speakers, schema.episodes, schema.profiles
        latest = (
            sa.select(jobs.c.about, profiles.c.name_key)
            .select_from(speakers)
            .join(profiles, profiles.c.id == speakers.c.profile_id)
            .join(episodes, episodes.c.id == speakers.c.episode_id)
            .join(jobs, jobs.c.audio_sha256 == episodes.c.audio_sha256)
            .where(speakers.c.profile_id == profile, schema.ACCEPTED)
            .order_by(schema.WHEN.desc(), episodes.c.id.desc(), jobs.c.id)
            .limit(MOST_LOOKED_AT)
        )
        with self._database.read() as connection:
            rows = connection.execute(latest).all()
        for row in rows:
            about = json.loads(row.about)
            for name, _, *pictures in about.get("persons", ()):
                if pictures and key(str(name)) == row.name_key:
                    return FeedPicture(str(pictures[0]), str(about.get("nearby", "")))
        return None

    def listed(self, *, state: str = "", limit: int, offset: int = 0) -> tuple[tuple[Job, ...], int]:
        """Return some of the jobs, in one state or all, and how many there are: running, failed, queued, done."""
        order = {State.RUNNING: 0, State.FAILED: 1, State.QUEUED: 2, State.DONE: 3}
        rank = sa.case({str(one): position for one, position in order.items()}, value=jobs.c.state)
        wanted = sa.true() if not state else jobs.c.state == state
        rows = sa.select(jobs).where(wanted).order_by(rank, jobs.c.finished.desc(), jobs.c.id)
        with self._database.read() as connection:
            total = connection.scalar(sa.select(sa.func.count()).select_from(jobs).where(wanted)) or 0
            return tuple(_job(row) for row in connection.execute(rows.limit(limit).offset(offset))), int(total)

    def voices(self) -> dict[int, tuple[JobSpeaker, ...]]:
        """Return by job who speaks in the episodes that are done, most talk time first."""
        speakers, episodes, profiles = schema.speakers, schema.episodes, schema.profiles
        query = (
            sa.select(jobs.c.id, speakers.c.label, speakers.c.talk_seconds, speakers.c.verdict, profiles.c.name)
            .join(episodes, episodes.c.audio_sha256 == jobs.c.audio_sha256)
            .join(speakers, speakers.c.episode_id == episodes.c.id)
            .outerjoin(profiles, profiles.c.id == speakers.c.profile_id)
            .where(jobs.c.state == State.DONE)
            .order_by(jobs.c.id, speakers.c.talk_seconds.desc(), speakers.c.position)
        )
        by_job: dict[int, list[JobSpeaker]] = {}
        with self._database.read() as connection:
            for job_id, label, talk_seconds, verdict, name in connection.execute(query):
                accepted = name if verdict == "accept" else None
                by_job.setdefault(job_id, []).append(JobSpeaker(accepted, label, verdict or "unknown", talk_seconds))
        return {job_id: tuple(voices) for job_id, voices in by_job.items()}

    @contextmanager
    def _changing_one(self) -> Iterator[sa.Connection]:
        """A transaction that changes one job: on PostgreSQL a row's own lock does, so that no worker waits for
        another one that is storing an episode.
        """
        one = self._database.read() if self._database.path is None else self._database.write()
        with one as connection:
            yield connection


ANEW: Mapping[str, Any] = {
    "state": State.QUEUED,
    "attempts": 0,
    "crashes": 0,
    "error": None,
    "unexpected": False,
    "finished": None,
}
"""A job that begins again."""

_EPISODE = schema.episodes.c
_JOBS = sa.select(jobs, _EPISODE.id.label("episode_id")).outerjoin(
    schema.episodes, _EPISODE.audio_sha256 == jobs.c.audio_sha256
)
_REMOVED = (jobs.c.state == State.DONE) & _EPISODE.id.is_(None)


def _add(connection: sa.Connection, job: NewJob, *, by_hand: bool) -> str:
    values = {
        "source": job.source,
        "show": job.show,
        "title": job.title,
        "date": job.date,
        "duration": job.duration,
        "about": json.dumps(job.about),
        "fingerprint": job.fingerprint,
    }
    own = connection.execute(_JOBS.where(jobs.c.key == job.key)).one_or_none() or _known_by_address(connection, job)
    known = own or _same_sound(connection, job)
    if known is None:
        insert(connection, jobs, key=job.key, **values, state=State.QUEUED, added=now())
        return "new"
    update = jobs.update().where(jobs.c.id == known.id)
    as_offered = {"changed": None, "changed_to": None}
    if known.state == State.DONE and known.episode_id is None:
        if by_hand or own is not None:
            connection.execute(update.values({**values, **as_offered, **(ANEW if by_hand else {})}))
        return "new" if by_hand else "removed"
    if own is None:
        return "known"
    if known.state in (State.QUEUED, State.FAILED):
        connection.execute(update.values({**values, **as_offered}))
        return "known"
    if known.fingerprint == job.fingerprint:
        connection.execute(update.values(as_offered))
        return "known"
    changed = {"changed": known.changed or now(), "changed_to": json.dumps(values)}
    connection.execute(update.values(changed))
    return "changed"


def _same_sound(connection: sa.Connection, job: NewJob) -> Any:
    """Return the job of one recording that is in one show twice, or under two names."""
    if "parts" in job.about:
        return None
    same = _JOBS.where(jobs.c.source == job.source)
    if "feed" in job.about:  # two shows may have one episode, which is listed in both
        same = same.where(jobs.c.show == job.show)
    return connection.execute(same.order_by(jobs.c.id).limit(1)).one_or_none()


def _known_by_address(connection: sa.Connection, job: NewJob) -> Any:
    """Return the job of an entry of a feed that was known by its whole address, and is known by ``key`` from now on."""
    guid = str(job.about.get("guid", ""))
    if not guid.startswith(f"{job.source.partition('?')[0]} "):
        return None
    of_feed = job.key.removesuffix(guid)
    same = (jobs.c.key == sa.literal(of_feed) + jobs.c.source) & (jobs.c.fingerprint == job.fingerprint)
    same &= (jobs.c.title == job.title) & jobs.c.date.is_not_distinct_from(job.date)
    known = connection.execute(_JOBS.where(same).order_by(jobs.c.id).limit(1)).one_or_none()
    if known is not None:
        connection.execute(jobs.update().where(jobs.c.id == known.id).values(key=job.key))
    return known


def _update_own(connection: sa.Connection, job: Job, **values: object) -> bool:
    own = (jobs.c.state == State.RUNNING) & (jobs.c.worker == job.worker) & (jobs.c.attempts == job.attempts)
    return connection.execute(jobs.update().where(jobs.c.id == job.id, own).values(**values)).rowcount == 1


def _meant(row: Any, keys: Sequence[str]) -> bool:
    texts = [text.casefold() for text in (row.title, row.source, row.key)]
    return any(key.casefold() in text for key in keys for text in texts)


def _clock(connection: sa.Connection) -> float:
    """Seconds since 1970, by the one clock that all workers share."""
    if connection.dialect.name == "postgresql":
        return float(connection.scalar(sa.select(sa.extract("epoch", sa.func.clock_timestamp()))) or 0.0)
    return time.time()


def _job(row: Any) -> Job:
    return Job(
        id=row.id,
        key=row.key,
        source=row.source,
        title=row.title,
        show=row.show,
        date=row.date,
        duration=row.duration,
        fingerprint=row.fingerprint,
        about=json.loads(row.about),
        state=State(row.state),
        attempts=row.attempts,
        worker=row.worker,
        error=row.error,
        unexpected=row.unexpected,
        audio_sha256=row.audio_sha256,
        changed=row.changed,
        started=row.started,
        finished=row.finished,
    )
