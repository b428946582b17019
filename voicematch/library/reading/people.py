"""People as a page shows them: where they speak, what they say and with whom, and what they are known by.

Each method is one transaction with a fixed number of queries, however much it finds, and reads no vector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import sqlalchemy as sa

from ...errors import ProfileNotFound
from ...types import Verdict
from .. import keys
from ..database import Database
from ..schema import episodes, lines, profiles, speakers, voiceprints
from .episodes import ACCEPTED, WHEN, accepted_in, shows
from .search import Hit, count, search


@dataclass(frozen=True, slots=True)
class Person:
    """A profile with its figures, as ``profiles.Profile`` has them, and its id."""

    id: int
    name: str
    role: str | None
    note: str | None
    num_episodes: int
    talk_seconds: float
    num_voiceprints: int
    last_heard: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """One recording that voiceprints of a profile come from; ``sha256`` is None when it is no stored episode."""

    title: str
    sha256: str | None
    date: str | None
    num_voiceprints: int
    seconds: float
    consent: str
    created: str


@dataclass(frozen=True, slots=True)
class Heard:
    """An episode in which a profile was accepted. ``episode_seconds`` is all talk in it."""

    episode_id: int
    sha256: str
    source: str
    title: str
    date: str | None
    show: str
    duration: float
    talk_seconds: float
    episode_seconds: float
    num_turns: int


@dataclass(frozen=True, slots=True)
class SpokenLine:
    episode_id: int
    start: float
    end: float
    text: str


class People:
    """The people of an open library, for reading."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(
        self, *, words: str = "", sort: str = "name", limit: int | None = None, offset: int = 0
    ) -> tuple[tuple[Person, ...], int]:
        """(some of the profiles whose names hold the words, how many there are).

        sort : "name", "talk" (most first) or "recent" (heard last first)
        """
        every = _people()
        for word in keys.key(words).split():
            every = every.where(profiles.c.name_key.contains(word, autoescape=True))
        order: tuple[Any, ...] = {
            "name": (profiles.c.name_key,),
            "talk": (sa.desc("talk_seconds"), profiles.c.name_key),
            "recent": (sa.desc("last_heard").nulls_last(), profiles.c.name_key),
        }[sort]
        with self._database.read() as connection:
            rows = connection.execute(every.order_by(*order)).all()
        return tuple(_person(row) for row in rows[offset : None if limit is None else offset + limit]), len(rows)

    def person(self, profile: int) -> Person:
        """The profile of that id. Raises ProfileNotFound."""
        with self._database.read() as connection:
            row = connection.execute(_people(profile).where(profiles.c.id == profile)).one_or_none()
        if row is None:
            raise ProfileNotFound("no such person; the profile may have been merged into another one, or forgotten")
        return _person(row)

    def names(self) -> tuple[str, ...]:
        """The names of all profiles, sorted."""
        with self._database.read() as connection:
            return tuple(connection.scalars(sa.select(profiles.c.name).order_by(profiles.c.name_key)))

    def id(self, name: str) -> int:
        """The id of the profile called that, in whatever spelling. Raises ProfileNotFound."""
        with self._database.read() as connection:
            return keys.profile_id(connection, name)

    def ids(self, names: Collection[str]) -> dict[str, int]:
        """By name, the ids of those that are profiles, spelled as they are."""
        wanted = sa.select(profiles.c.name, profiles.c.id).where(profiles.c.name.in_(list(names)))
        with self._database.read() as connection:
            return {row.name: row.id for row in connection.execute(wanted)}

    def said(
        self,
        words: str,
        *,
        profile: int | None = None,
        since: str | None = None,
        limit: int = 50,
        offset: int = 0,
        most: int = 1000,
    ) -> tuple[tuple[Hit, ...], int]:
        """(some of the lines that hold all the words, by anybody or by a profile, how many there are up to ``most``).

        Raises LibraryError when there is no word to search for.
        """
        with self._database.read() as connection:
            total = count(connection, words, profile=profile, since=since, most=most)
            found = search(connection, words, profile=profile, since=since, limit=limit, offset=offset)
            return tuple(found), total

    def sources(self, profile: int) -> tuple[Source, ...]:
        """Where the voiceprints of a profile come from, oldest first."""
        grouped = (
            sa.select(
                voiceprints.c.audio_sha256,
                voiceprints.c.consent,
                sa.func.min(voiceprints.c.source).label("source"),
                sa.func.min(voiceprints.c.created).label("created"),
                sa.func.count().label("num_voiceprints"),
                sa.func.sum(voiceprints.c.seconds).label("seconds"),
            )
            .where(voiceprints.c.profile_id == profile)
            .group_by(voiceprints.c.audio_sha256, voiceprints.c.consent)
            .subquery()
        )
        wanted = sa.select(grouped, episodes.c.title, episodes.c.name, episodes.c.date, episodes.c.id).outerjoin(
            episodes, episodes.c.audio_sha256 == grouped.c.audio_sha256
        )
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(grouped.c.created, grouped.c.audio_sha256)).all()
        return tuple(
            Source(
                title=row.title or row.name or _file_name(row.source),
                sha256=row.audio_sha256 if row.id is not None else None,
                date=row.date,
                num_voiceprints=row.num_voiceprints,
                seconds=row.seconds,
                consent=row.consent,
                created=row.created,
            )
            for row in rows
        )

    def heard(self, profile: int) -> tuple[Heard, ...]:
        """Every episode that a profile was accepted in, oldest first."""
        own = (
            sa.select(
                speakers.c.episode_id,
                sa.func.sum(speakers.c.talk_seconds).label("talk_seconds"),
                sa.func.sum(speakers.c.num_turns).label("num_turns"),
            )
            .where(speakers.c.profile_id == profile, ACCEPTED)
            .group_by(speakers.c.episode_id)
            .subquery()
        )
        everybody = speakers.alias()
        talk = sa.select(sa.func.sum(everybody.c.talk_seconds)).where(everybody.c.episode_id == episodes.c.id)
        wanted = (
            sa.select(episodes, own.c.talk_seconds, own.c.num_turns, talk.scalar_subquery().label("episode_seconds"))
            .join(own, own.c.episode_id == episodes.c.id)
            .order_by(WHEN, episodes.c.id)
        )
        with self._database.read() as connection:
            rows = connection.execute(wanted).all()
            of_show = shows(connection, [row.id for row in rows] if len(rows) < 500 else None)
        return tuple(
            Heard(
                episode_id=row.id,
                sha256=row.audio_sha256,
                source=row.source,
                title=row.title or row.name,
                date=row.date,
                show=of_show[row.id],
                duration=row.duration,
                talk_seconds=row.talk_seconds,
                episode_seconds=row.episode_seconds,
                num_turns=row.num_turns,
            )
            for row in rows
        )

    def co_speakers(self, profile: int, *, limit: int = 50) -> tuple[tuple[int, str, int], ...]:
        """(id, name, number of episodes together) of others, those most often met first."""
        own, other = speakers.alias(), speakers.alias()
        together = sa.func.count(sa.distinct(other.c.episode_id))
        wanted = (
            sa.select(profiles.c.id, profiles.c.name, together)
            .select_from(own)
            .join(other, other.c.episode_id == own.c.episode_id)
            .join(profiles, profiles.c.id == other.c.profile_id)
            .where(own.c.profile_id == profile, own.c.verdict == Verdict.ACCEPT.value)
            .where(other.c.profile_id != profile, other.c.verdict == Verdict.ACCEPT.value)
            .group_by(profiles.c.id, profiles.c.name)
            .order_by(together.desc(), profiles.c.name)
            .limit(limit)
        )
        with self._database.read() as connection:
            return tuple((row[0], row[1], int(row[2])) for row in connection.execute(wanted))

    def num_in_show(self) -> dict[str, int]:
        """How many stored episodes there are of each show; "" holds those of none."""
        with self._database.read() as connection:
            return dict(Counter(shows(connection).values()))

    def accepted_in(self, episode_ids: Sequence[int]) -> dict[int, dict[int, str]]:
        """By episode id, {profile id: name} of those accepted there, most talk first."""
        with self._database.read() as connection:
            return accepted_in(connection, episode_ids)

    def spoken(
        self, profile: int, episode_ids: Sequence[int], *, most: int | None = None
    ) -> tuple[dict[int, list[SpokenLine]], dict[int, int]]:
        """By episode id, the lines that a profile says there, in order; and how many they are.

        most : only the first so many of each episode
        """
        rank = sa.func.row_number().over(partition_by=lines.c.episode_id, order_by=lines.c.position)
        num = sa.func.count().over(partition_by=lines.c.episode_id)
        said = (
            sa.select(
                lines.c.episode_id, lines.c.position, lines.c.start, lines.c.stop, lines.c.text, rank.label("rank")
            )
            .add_columns(num.label("num"))
            .join(speakers, (speakers.c.episode_id == lines.c.episode_id) & (speakers.c.label == lines.c.speaker))
            .where(speakers.c.profile_id == profile, ACCEPTED, lines.c.episode_id.in_(episode_ids))
            .subquery()
        )
        wanted = sa.select(said).order_by(said.c.episode_id, said.c.position)
        if most is not None:
            wanted = wanted.where(said.c.rank <= most)
        found: dict[int, list[SpokenLine]] = {}
        counted: dict[int, int] = {}
        with self._database.read() as connection:
            for row in connection.execute(wanted):
                found.setdefault(row.episode_id, []).append(SpokenLine(row.episode_id, row.start, row.stop, row.text))
                counted[row.episode_id] = row.num
        return found, counted


def _people(only: int | None = None) -> sa.Select[Any]:
    heard = (
        sa.select(
            speakers.c.profile_id,
            sa.func.count(sa.distinct(speakers.c.episode_id)).label("num_episodes"),
            sa.func.sum(speakers.c.talk_seconds).label("talk_seconds"),
            sa.func.max(WHEN).label("last_heard"),
        )
        .join(episodes)
        .where(ACCEPTED)
        .group_by(speakers.c.profile_id)
    )
    known = sa.select(voiceprints.c.profile_id, sa.func.count().label("num")).group_by(voiceprints.c.profile_id)
    if only is not None:
        heard = heard.where(speakers.c.profile_id == only)
        known = known.where(voiceprints.c.profile_id == only)
    heard_table, known_table = heard.subquery(), known.subquery()
    return (
        sa.select(
            profiles,
            sa.func.coalesce(heard_table.c.num_episodes, 0).label("num_episodes"),
            sa.func.coalesce(heard_table.c.talk_seconds, 0.0).label("talk_seconds"),
            heard_table.c.last_heard,
            sa.func.coalesce(known_table.c.num, 0).label("num_voiceprints"),
        )
        .outerjoin(heard_table, heard_table.c.profile_id == profiles.c.id)
        .outerjoin(known_table, known_table.c.profile_id == profiles.c.id)
    )


def _person(row: Any) -> Person:
    return Person(
        id=row.id,
        name=row.name,
        role=row.role,
        note=row.note,
        num_episodes=int(row.num_episodes),
        talk_seconds=float(row.talk_seconds),
        num_voiceprints=int(row.num_voiceprints),
        last_heard=row.last_heard,
    )


def _file_name(source: str) -> str:
    """The last part of a path or address, which tells no more of this machine than it must."""
    return PurePath(source.partition("?")[0].replace("\\", "/")).name
