"""Episodes and jobs as a page lists them: some at a time, by keys that fit into an address.

Each method is one transaction with a fixed number of queries, however much it finds, and reads no vector.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...errors import NothingThere
from ...types import Verdict
from ...voices.rules import name_of
from ..database import Database
from ..jobs import State
from ..matches import Names
from ..schema import candidates, episodes, jobs, lines, profiles, speakers, turns, unknown_speakers
from ..shows import show_of

KEY_DIGITS = 16  # of a sha256: two of a billion episodes share them once in forty
ACCEPTED = speakers.c.verdict == Verdict.ACCEPT.value
WHEN = sa.func.coalesce(episodes.c.date, episodes.c.stored)


@dataclass(frozen=True, slots=True)
class EpisodeRow:
    """An episode in a list; ``people`` are (id, name) of those accepted, most talk first."""

    sha256: str
    source: str
    title: str
    date: str | None
    show: str
    duration: float
    num_speakers: int
    num_unknown: int
    num_lines: int
    people: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class SpeakerRow:
    """A speaker of an episode with the verdict of today.

    profile : (id, name) of who was accepted or suggested
    candidates : (profile id, name, probability), best first
    """

    label: str
    talk_seconds: float
    num_turns: int
    verdict: Verdict
    profile: tuple[int, str] | None
    probability: float
    reasons: tuple[str, ...]
    candidates: tuple[tuple[int, str, float], ...]
    unknown: str | None
    confirmed: bool


@dataclass(frozen=True, slots=True)
class EpisodeContent:
    """All of an episode but its words' times.

    turns : (start, end, index into ``speakers``)
    lines : (start, end, what the line says of its speaker, text)
    """

    row: EpisodeRow
    speakers: tuple[SpeakerRow, ...]
    turns: tuple[tuple[float, float, int], ...]
    lines: tuple[tuple[float, float, str | None, str], ...]


@dataclass(frozen=True, slots=True)
class JobRow:
    id: int
    title: str
    show: str
    date: str | None
    state: str
    attempts: int
    error: str | None
    started: str | None
    finished: str | None
    sha256: str | None


def key_of(sha256: str) -> str:
    """What an episode is called in an address."""
    return sha256[:KEY_DIGITS]


def episode_id(connection: sa.Connection, key: str) -> int:
    """The episode of that key, which may be longer. Raises NothingThere."""
    if re.fullmatch(rf"[0-9a-f]{{{KEY_DIGITS},64}}", key):
        starts = (episodes.c.audio_sha256 >= key) & (episodes.c.audio_sha256 < key + "g")
        found = connection.scalars(sa.select(episodes.c.id).where(starts).limit(2)).all()
        if len(found) == 1:
            return int(found[0])
    raise NothingThere("no such episode; it may have been removed from the library")


def shows(
    connection: sa.Connection, episode_ids: Sequence[int] | None = None, *, folders: bool = False
) -> dict[int, str]:
    """By episode id, the show; of all episodes, or of some. ``folders`` is as for `show_of`."""
    show = sa.func.coalesce(sa.func.nullif(episodes.c.show, ""), jobs.c.show).label("show")
    wanted = sa.select(episodes.c.id, episodes.c.source, show).outerjoin(
        jobs, jobs.c.audio_sha256 == episodes.c.audio_sha256
    )
    if episode_ids is not None:
        wanted = wanted.where(episodes.c.id.in_(episode_ids))
    rows = connection.execute(wanted.order_by(jobs.c.id.desc()))
    return {row.id: show_of(row.show, row.source, folders=folders) for row in rows}


def accepted_in(connection: sa.Connection, episode_ids: Sequence[int]) -> dict[int, dict[int, str]]:
    """By episode id, {profile id: name} of those accepted there, most talk first."""
    rows = connection.execute(
        sa.select(speakers.c.episode_id, profiles.c.id, profiles.c.name)
        .join(profiles, profiles.c.id == speakers.c.profile_id)
        .where(ACCEPTED, speakers.c.episode_id.in_(episode_ids))
        .order_by(speakers.c.talk_seconds.desc(), speakers.c.id)
    )
    found: dict[int, dict[int, str]] = {}
    for episode, profile, name in rows:
        found.setdefault(episode, {}).setdefault(profile, name)
    return found


class Listings:
    """What an open library lists, for reading."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def episodes(
        self, *, words: str = "", limit: int | None = None, offset: int = 0
    ) -> tuple[tuple[EpisodeRow, ...], int]:
        """(some of the episodes whose title or file name holds the words, newest first, how many there are)."""
        every = sa.select(episodes.c.id)
        for word in words.split():
            named = episodes.c.title + " " + episodes.c.name
            every = every.where(sa.func.lower(named).contains(word.lower(), autoescape=True))
        with self._database.read() as connection:
            ids = connection.scalars(every.order_by(WHEN.desc(), episodes.c.id.desc())).all()
            wanted = ids[offset : None if limit is None else offset + limit]
            return _episode_rows(connection, wanted), len(ids)

    def source(self, key: str) -> str:
        """The file or address that an episode was made from. Raises NothingThere when there is no such episode."""
        with self._database.read() as connection:
            wanted = sa.select(episodes.c.source).where(episodes.c.id == episode_id(connection, key))
            return str(connection.execute(wanted).scalar_one())

    def episode(self, key: str) -> EpisodeContent:
        """The whole episode of that key. Raises NothingThere when there is none."""
        with self._database.read() as connection:
            number = episode_id(connection, key)
            of_episode = sa.select(speakers.c.id).where(speakers.c.episode_id == number)
            found = speaker_rows(connection, connection.scalars(of_episode.order_by(speakers.c.position)).all())
            idx_by_id = {speaker: idx for idx, speaker in enumerate(found)}
            of_turns = sa.select(turns.c.start, turns.c.stop, turns.c.speaker_id).where(turns.c.episode_id == number)
            of_lines = sa.select(lines.c.start, lines.c.stop, lines.c.speaker, lines.c.text).where(
                lines.c.episode_id == number
            )
            return EpisodeContent(
                row=_episode_rows(connection, [number])[0],
                speakers=tuple(found.values()),
                turns=tuple(
                    (start, stop, idx_by_id[speaker])
                    for start, stop, speaker in connection.execute(of_turns.order_by(turns.c.position))
                ),
                lines=tuple(
                    (row[0], row[1], row[2], row[3]) for row in connection.execute(of_lines.order_by(lines.c.position))
                ),
            )

    def jobs(self, *, state: str = "", limit: int, offset: int = 0) -> tuple[tuple[JobRow, ...], int]:
        """(some of the jobs, in one state or all, how many there are): running, failed, queued, done."""
        order = {State.RUNNING: 0, State.FAILED: 1, State.QUEUED: 2, State.DONE: 3}
        rank = sa.case({str(one): position for one, position in order.items()}, value=jobs.c.state)
        wanted = sa.true() if not state else jobs.c.state == state
        rows = sa.select(jobs).where(wanted).order_by(rank, jobs.c.finished.desc(), jobs.c.id)
        with self._database.read() as connection:
            total = connection.scalar(sa.select(sa.func.count()).select_from(jobs).where(wanted)) or 0
            return tuple(
                JobRow(
                    id=row.id,
                    title=row.title,
                    show=row.show,
                    date=row.date,
                    state=row.state,
                    attempts=row.attempts,
                    error=row.error,
                    started=row.started,
                    finished=row.finished,
                    sha256=row.audio_sha256 if row.state == State.DONE else None,
                )
                for row in connection.execute(rows.limit(limit).offset(offset))
            ), int(total)


def _episode_rows(connection: sa.Connection, ids: Sequence[int]) -> tuple[EpisodeRow, ...]:
    talks = speakers.c.num_turns > 0
    of_speakers = (
        sa.select(
            speakers.c.episode_id,
            sa.func.count().filter(talks).label("num_speakers"),
            sa.func.count().filter(talks, ACCEPTED).label("num_named"),
        )
        .where(speakers.c.episode_id.in_(ids))
        .group_by(speakers.c.episode_id)
    )
    of_lines = (
        sa.select(lines.c.episode_id, sa.func.count()).where(lines.c.episode_id.in_(ids)).group_by(lines.c.episode_id)
    )
    counts = {row.episode_id: row for row in connection.execute(of_speakers)}
    num_lines = {row[0]: int(row[1]) for row in connection.execute(of_lines)}
    rows = {row.id: row for row in connection.execute(sa.select(episodes).where(episodes.c.id.in_(ids)))}
    of_show, named = shows(connection, ids), accepted_in(connection, ids)
    return tuple(
        EpisodeRow(
            sha256=row.audio_sha256,
            source=row.source,
            title=row.title or row.name,
            date=row.date,
            show=of_show[row.id],
            duration=row.duration,
            num_speakers=counts[row.id].num_speakers if row.id in counts else 0,
            num_unknown=counts[row.id].num_speakers - counts[row.id].num_named if row.id in counts else 0,
            num_lines=num_lines.get(row.id, 0),
            people=tuple(named.get(row.id, {}).items()),
        )
        for row in _in_order(rows, ids)
    )


def _in_order(rows: dict[int, Any], ids: Iterable[int]) -> list[Any]:
    return [rows[one] for one in ids]


def speaker_rows(connection: sa.Connection, ids: Sequence[int]) -> dict[int, SpeakerRow]:
    """By id, in the order given."""
    names = Names(connection)
    offers = sa.select(candidates).where(candidates.c.speaker_id.in_(ids))
    by_speaker: dict[int, list[tuple[int, str, float]]] = {}
    for row in connection.execute(offers.order_by(candidates.c.speaker_id, candidates.c.position)):
        offer = (row.profile_id, names.by_id[row.profile_id], row.probability)
        by_speaker.setdefault(row.speaker_id, []).append(offer)
    linked = sa.select(unknown_speakers.c.speaker_id, unknown_speakers.c.unknown_id).where(
        unknown_speakers.c.speaker_id.in_(ids)
    )
    unknown = {row.speaker_id: name_of(row.unknown_id) for row in connection.execute(linked)}
    rows = {row.id: row for row in connection.execute(sa.select(speakers).where(speakers.c.id.in_(ids)))}
    return {
        one: SpeakerRow(
            label=row.label,
            talk_seconds=row.talk_seconds,
            num_turns=row.num_turns,
            verdict=Verdict(row.verdict or Verdict.UNKNOWN),
            profile=(row.profile_id, names.by_id[row.profile_id]) if row.profile_id is not None else None,
            probability=row.probability,
            reasons=names.show(row.reasons),
            candidates=tuple(by_speaker.get(one, ())),
            unknown=unknown.get(one) if row.verdict != Verdict.ACCEPT else None,
            confirmed=row.confirmed is not None,
        )
        for one in ids
        if (row := rows[one]) is not None
    }


@dataclass(frozen=True, slots=True)
class EpisodeSummary:
    """One stored episode, for a list.

    names : the profiles accepted in it, most talk time first
    num_unknown : of ``num_speakers``, those without a name
    stored : ISO 8601, UTC
    """

    audio_sha256: str
    source: str
    title: str
    date: str | None
    duration: float
    num_speakers: int
    num_unknown: int
    num_lines: int
    names: tuple[str, ...]
    stored: str


@dataclass(frozen=True, slots=True)
class Appearance:
    """One episode in which a profile was named. ``co_speakers`` are the other profiles named there."""

    audio_sha256: str
    source: str
    title: str
    date: str | None
    talk_seconds: float
    num_turns: int
    co_speakers: tuple[str, ...]


def summaries(
    connection: sa.Connection, profile_id: int | None, since: str | None, limit: int | None
) -> Iterator[EpisodeSummary]:
    """Newest first, by date of publication, or of storing where that is not known."""
    talking = sa.select(sa.func.count()).where(speakers.c.episode_id == episodes.c.id, speakers.c.num_turns > 0)
    num_speakers = talking.scalar_subquery()
    num_named = talking.where(speakers.c.verdict == Verdict.ACCEPT.value).scalar_subquery()
    num_lines = sa.select(sa.func.count()).where(lines.c.episode_id == episodes.c.id).scalar_subquery()
    when = sa.func.coalesce(episodes.c.date, episodes.c.stored)
    wanted = sa.select(
        episodes, num_speakers.label("num_speakers"), num_named.label("num_named"), num_lines.label("num_lines")
    )
    if profile_id is not None:
        wanted = wanted.where(
            sa.exists().where(
                speakers.c.episode_id == episodes.c.id,
                speakers.c.profile_id == profile_id,
                speakers.c.verdict == Verdict.ACCEPT.value,
            )
        )
    if since is not None:
        wanted = wanted.where(when >= since)
    rows = connection.execute(wanted.order_by(when.desc(), episodes.c.id.desc()).limit(limit)).all()
    named = _named(connection, [row.id for row in rows])
    for row in rows:
        yield EpisodeSummary(
            audio_sha256=row.audio_sha256,
            source=row.source,
            title=row.title,
            date=row.date,
            duration=row.duration,
            num_speakers=row.num_speakers,
            num_unknown=row.num_speakers - row.num_named,
            num_lines=row.num_lines,
            names=tuple(dict.fromkeys(named.get(row.id, ()))),
            stored=row.stored,
        )


def _named(connection: sa.Connection, episode_ids: Sequence[int]) -> dict[int, list[str]]:
    rows = (
        sa.select(speakers.c.episode_id, profiles.c.name)
        .join(profiles)
        .where(speakers.c.verdict == Verdict.ACCEPT.value)
        .order_by(speakers.c.talk_seconds.desc(), speakers.c.id)
    )
    if len(episode_ids) < 500:  # a longer list is cheaper to look up here than to send
        rows = rows.where(speakers.c.episode_id.in_(episode_ids))
    named: dict[int, list[str]] = {}
    for episode_id, name in connection.execute(rows):
        named.setdefault(episode_id, []).append(name)
    return named


def appearances(connection: sa.Connection, profile_id: int) -> Iterator[Appearance]:
    """Oldest first."""
    when = sa.func.coalesce(episodes.c.date, episodes.c.stored)
    rows = connection.execute(
        sa.select(
            episodes.c.id,
            episodes.c.audio_sha256,
            episodes.c.source,
            episodes.c.title,
            episodes.c.date,
            sa.func.sum(speakers.c.talk_seconds).label("talk_seconds"),
            sa.func.sum(speakers.c.num_turns).label("num_turns"),
        )
        .join(speakers)
        .where(speakers.c.profile_id == profile_id, speakers.c.verdict == Verdict.ACCEPT.value)
        .group_by(episodes.c.id)
        .order_by(when, episodes.c.id)
    ).all()
    own_name = connection.scalar(sa.select(profiles.c.name).where(profiles.c.id == profile_id))
    named = _named(connection, [row.id for row in rows])
    for row in rows:
        yield Appearance(
            audio_sha256=row.audio_sha256,
            source=row.source,
            title=row.title,
            date=row.date,
            talk_seconds=row.talk_seconds,
            num_turns=row.num_turns,
            co_speakers=tuple(dict.fromkeys(name for name in named[row.id] if name != own_name)),
        )
