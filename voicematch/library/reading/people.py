"""People as commands and pages show them: where they speak, what they say and with whom, what they are known by.

Each method is one transaction with a fixed number of queries, however much it finds, and reads no vector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import sqlalchemy as sa

from ...errors import ProfileNotFound
from ...types import Line
from .. import shows
from ..database import Database, one_of
from ..keys import key, profile_id
from ..pins import Pin
from ..schema import ACCEPTED, WHEN, episodes, lines, profiles, speakers, voiceprints
from .episodes import KEY_DIGITS, Named, people_of


@dataclass(frozen=True, slots=True)
class Consent:
    """Why voiceprints may be kept. date : ISO 8601 day since when, None : unknown; note : what else was said, or "" """

    basis: str
    date: str | None
    note: str

    def __str__(self) -> str:
        return f"{self.basis}, {self.date or 'on an unknown day'}{f' ({self.note})' if self.note else ''}"


@dataclass(frozen=True, slots=True)
class Profile:
    """A named person.

    created, last_heard : ISO 8601; the latter is the date of the latest episode the person was named in
    consent : the bases on which the voiceprints are kept, each once; consents : with their dates and notes
    speech_seconds : net speech behind the voiceprints
    num_episodes, talk_seconds : where the name was accepted
    """

    id: int
    name: str
    role: str | None
    note: str | None
    created: str
    embedder: str | None
    consent: tuple[str, ...] = ()
    num_voiceprints: int = 0
    speech_seconds: float = 0.0
    num_episodes: int = 0
    talk_seconds: float = 0.0
    last_heard: str | None = None
    consents: tuple[Consent, ...] = ()


@dataclass(frozen=True, slots=True)
class VoiceprintOrigin:
    """One recording that voiceprints of a profile come from.

    audio_sha256 : None when it is no stored episode
    ids : of the voiceprints; numbers : what `profiles show` calls them
    """

    title: str
    audio_sha256: str | None
    date: str | None
    num_voiceprints: int
    seconds: float
    consent: str
    created: str
    ids: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Appearance:
    """An episode in which a profile was named.

    title : as it was given, which may be ""; shown_as : that, else the file's name
    episode_seconds : all talk in the episode
    others : who else was named there, most talk first
    """

    episode_id: int
    audio_sha256: str
    source: str
    title: str
    shown_as: str
    date: str | None
    show: str
    duration: float
    talk_seconds: float
    episode_seconds: float
    num_turns: int
    others: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class CoSpeaker:
    """Somebody named in the same episodes, and in how many."""

    person: Named
    num_episodes: int


class People:
    """The people of an open library, for reading."""

    def __init__(self, database: Database, pin: Pin) -> None:
        self._database = database
        self._pin = pin

    def find(
        self,
        *,
        words: str = "",
        sort: str = "name",
        empty: bool | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> tuple[tuple[Profile, ...], int]:
        """Return some of the profiles whose names hold the words, and how many there are.

        sort : "name", "talk" (most first) or "recent" (heard last first)
        empty : only those that have neither a voiceprint nor an episode, or only the others; None for both
        """
        every = _EVERYBODY
        for word in key(words).split():
            every = every.where(profiles.c.name_key.contains(word, autoescape=True))
        with self._database.read() as connection:
            found = connection.execute(every).all()
            if empty is not None:
                found = [row for row in found if empty is not (bool(row.num_episodes) or bool(row.has_voice))]
            rows = sorted(found, key=lambda row: row.name_key)
            if sort == "talk":
                rows.sort(key=lambda row: -(row.talk_seconds or 0.0))
            elif sort == "recent":
                rows.sort(key=lambda row: row.last_heard or "", reverse=True)
            wanted = rows[offset : None if limit is None else offset + limit]
            return _profiles(connection, wanted, self._pin.embedder), len(rows)

    def profile(self, number: int) -> Profile:
        """Return the profile of that id. Raises ProfileNotFound."""
        with self._database.read() as connection:
            return read_profile(connection, number, self._pin.embedder)

    def names(self) -> tuple[str, ...]:
        """Return the names of all profiles, sorted."""
        with self._database.read() as connection:
            return tuple(connection.scalars(sa.select(profiles.c.name).order_by(profiles.c.name_key)))

    def id(self, name: str) -> int:
        """Return the id of the profile called that, in whatever spelling. Raises ProfileNotFound."""
        with self._database.read() as connection:
            return profile_id(connection, name)

    def origins(self, profile: int) -> tuple[VoiceprintOrigin, ...]:
        """Return where the voiceprints of a profile come from, oldest first."""
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
            order = (voiceprints.c.created, voiceprints.c.audio_sha256, voiceprints.c.start)
            own = connection.execute(
                sa.select(voiceprints.c.id, voiceprints.c.audio_sha256, voiceprints.c.consent)
                .where(voiceprints.c.profile_id == profile)
                .order_by(*order)
            ).all()
        numbered: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for number, one in enumerate(own, start=1):
            numbered.setdefault((one.audio_sha256, one.consent), []).append((one.id, number))
        return tuple(
            VoiceprintOrigin(
                title=row.title or row.name or _file_name(row.source),
                audio_sha256=row.audio_sha256 if row.id is not None else None,
                date=row.date,
                num_voiceprints=row.num_voiceprints,
                seconds=row.seconds,
                consent=row.consent,
                created=row.created,
                ids=tuple(one for one, _ in numbered[row.audio_sha256, row.consent]),
                numbers=tuple(number for _, number in numbered[row.audio_sha256, row.consent]),
            )
            for row in rows
        )

    def appearances(self, profile: int, *, key: str | None = None) -> tuple[Appearance, ...]:
        """Return every episode that a profile was named in, oldest first; or only the one of that key."""
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
        if key is not None:
            wanted = wanted.where(sa.func.substr(episodes.c.audio_sha256, 1, KEY_DIGITS) == key)
        with self._database.read() as connection:
            rows = connection.execute(wanted).all()
            ids = [row.id for row in rows]
            show_by_episode, people = shows.by_episode(connection, ids, folders=False), people_of(connection, ids)
        return tuple(
            Appearance(
                episode_id=row.id,
                audio_sha256=row.audio_sha256,
                source=row.source,
                title=row.title,
                shown_as=row.title or row.name,
                date=row.date,
                show=show_by_episode[row.id],
                duration=row.duration,
                talk_seconds=row.talk_seconds,
                episode_seconds=row.episode_seconds,
                num_turns=row.num_turns,
                others=tuple(person for person in people[row.id] if person.id != profile),
            )
            for row in rows
        )

    def num_in_show(self) -> dict[str, int]:
        """Count the stored episodes of each show; "" holds those of none."""
        with self._database.read() as connection:
            return dict(Counter(shows.by_episode(connection, folders=False).values()))

    def spoken(
        self, profile: int, episode_ids: Sequence[int], *, most: int | None = None
    ) -> tuple[dict[int, list[Line]], dict[int, int]]:
        """Return by episode id the lines that a profile says there, in order; and how many they are.

        most : only the first so many of each episode
        """
        rank = sa.func.row_number().over(partition_by=lines.c.episode_id, order_by=lines.c.position)
        num = sa.func.count().over(partition_by=lines.c.episode_id)
        said = (
            sa.select(lines, rank.label("rank"), num.label("num"))
            .join(speakers, (speakers.c.episode_id == lines.c.episode_id) & (speakers.c.label == lines.c.speaker))
            .where(speakers.c.profile_id == profile, ACCEPTED, lines.c.episode_id.in_(episode_ids))
            .subquery()
        )
        columns = (said.c.episode_id, said.c.start, said.c.stop, said.c.text, said.c.speaker, said.c.num)
        wanted = sa.select(*columns).order_by(said.c.episode_id, said.c.position)
        if most is not None:
            wanted = wanted.where(said.c.rank <= most)
        by_episode: dict[int, list[Line]] = {}
        counted: dict[int, int] = {}
        with self._database.read() as connection:
            for episode, start, stop, text, label, total in connection.execute(wanted).all():
                by_episode.setdefault(episode, []).append(Line(start, stop, text, label))
                counted[episode] = total
        return by_episode, counted

    def placed(self, profile: int, episode_ids: Sequence[int]) -> dict[int, list[tuple[int, Line]]]:
        """Return by episode id the lines that a profile says there, each with its place in the episode, from 0."""
        said = (
            sa.select(lines.c.episode_id, lines.c.position, lines.c.start, lines.c.stop, lines.c.text, lines.c.speaker)
            .join(speakers, (speakers.c.episode_id == lines.c.episode_id) & (speakers.c.label == lines.c.speaker))
            .where(speakers.c.profile_id == profile, ACCEPTED, lines.c.episode_id.in_(episode_ids))
            .order_by(lines.c.episode_id, lines.c.position)
        )
        found: dict[int, list[tuple[int, Line]]] = {}
        with self._database.read() as connection:
            for episode, position, *line in connection.execute(said).all():
                found.setdefault(episode, []).append((position, Line(*line)))
        return found


def co_speakers(appearances: Iterable[Appearance]) -> tuple[CoSpeaker, ...]:
    """Count who was named in the same episodes; those most often met first."""
    together = Counter(person for appearance in appearances for person in appearance.others)
    ranked = sorted(together.items(), key=lambda pair: (-pair[1], pair[0].name))
    return tuple(CoSpeaker(person, num) for person, num in ranked)


def read_profile(connection: sa.Connection, number: int, embedder: str) -> Profile:
    """Read the profile of that id. Raises ProfileNotFound."""
    rows = connection.execute(_with_talk(number).where(profiles.c.id == number)).all()
    if not rows:
        raise ProfileNotFound("no such person; the profile may have been merged into another one, or forgotten")
    return _profiles(connection, rows, embedder)[0]


def _with_talk(only: int | None = None) -> sa.Select[Any]:
    """Ask for all profiles with how much each was heard, or how much ``only`` one was."""
    heard = (
        sa.select(
            speakers.c.profile_id,
            sa.func.count(sa.distinct(speakers.c.episode_id)).label("num_episodes"),
            sa.func.sum(speakers.c.talk_seconds).label("talk_seconds"),
            sa.func.max(WHEN).label("last_heard"),
        )
        .join(episodes)
        .where(ACCEPTED, sa.true() if only is None else speakers.c.profile_id == only)
        .group_by(speakers.c.profile_id)
        .subquery()
    )
    has_voice = sa.exists().where(voiceprints.c.profile_id == profiles.c.id).label("has_voice")
    return sa.select(profiles, heard, has_voice).outerjoin(heard, heard.c.profile_id == profiles.c.id)


_EVERYBODY = _with_talk()  # made once, for making it takes 0.7 ms of every page that lists people


def _profiles(connection: sa.Connection, rows: Sequence[Any], embedder: str) -> tuple[Profile, ...]:
    """Add to what `_with_talk` found what each is known by."""
    date = sa.func.coalesce(voiceprints.c.consent_date, "")
    note = sa.func.coalesce(voiceprints.c.consent_note, "")
    known = (
        sa.select(
            voiceprints.c.profile_id,
            voiceprints.c.consent,
            date.label("date"),
            note.label("note"),
            sa.func.count().label("num_voiceprints"),
            sa.func.sum(voiceprints.c.seconds).label("speech_seconds"),
        )
        .where(one_of(voiceprints.c.profile_id, [row.id for row in rows]))
        .group_by(voiceprints.c.profile_id, voiceprints.c.consent, sa.text("date"), sa.text("note"))
        .order_by(voiceprints.c.consent, sa.text("date"), sa.text("note"))
    )
    by_profile: dict[int, list[Any]] = {}
    for row in connection.execute(known):
        by_profile.setdefault(row.profile_id, []).append(row)
    return tuple(
        Profile(
            id=row.id,
            name=row.name,
            role=row.role,
            note=row.note,
            created=row.created,
            embedder=embedder,
            consent=tuple(dict.fromkeys(basis.consent for basis in by_profile.get(row.id, ()))),
            num_voiceprints=sum(basis.num_voiceprints for basis in by_profile.get(row.id, ())),
            speech_seconds=float(sum(basis.speech_seconds for basis in by_profile.get(row.id, ()))),
            num_episodes=row.num_episodes or 0,
            talk_seconds=row.talk_seconds or 0.0,
            last_heard=row.last_heard,
            consents=tuple(Consent(one.consent, one.date or None, one.note) for one in by_profile.get(row.id, ())),
        )
        for row in rows
    )


def _file_name(source: str) -> str:
    """The last part of a path or address, which tells no more of this machine than it must."""
    return PurePath(source.partition("?")[0].replace("\\", "/")).name
