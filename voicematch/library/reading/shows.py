"""Shows as pages show them: who hosts one, who was a guest, who talks how much and how that went over time.

Titles that are spelled alike but for case and signs are one show. Each method is one transaction with a fixed number
of queries, however much it finds, and reads no vector.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...errors import NothingThere
from ...formats.addresses import slug
from ...voices.roles import role
from .. import shows
from ..database import Database, one_of
from ..schema import ACCEPTED, PICTURES, WHEN, episodes, profiles, settings, speakers
from .episodes import Named


@dataclass(frozen=True, slots=True)
class ShowSummary:
    """One show, for a list.

    key : what it is called in an address
    first, last : ISO 8601 days of its oldest and newest episode, None where no episode has one
    has_picture : what it looks like is kept
    """

    key: str
    title: str
    num_episodes: int
    talk_seconds: float
    first: str | None
    last: str | None
    has_picture: bool = False


@dataclass(frozen=True, slots=True)
class TalkInEpisode:
    """How much one person talks in one episode. share : of all talk there, 0 … 1"""

    audio_sha256: str
    title: str
    date: str | None
    talk_seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class Regular:
    """A person on a show.

    role : "host", "guest", "ad", or "" where there is too little to tell
    share : of all talk in the show, 0 … 1
    episodes : oldest first
    """

    person: Named
    role: str
    talk_seconds: float
    share: float
    episodes: tuple[TalkInEpisode, ...]


@dataclass(frozen=True, slots=True)
class ShowContent:
    """people : most talk first; unnamed_share : of the talk, by voices without a name; hashes : newest episode first"""

    summary: ShowSummary
    people: tuple[Regular, ...]
    unnamed_share: float
    hashes: tuple[str, ...]


class Programmes:
    """The shows of an open library, for reading."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[ShowSummary, ...]:
        """Return every show that a stored episode is of, by title."""
        with self._database.read() as connection:
            titles, ids = _by_key(connection)
            rows = {row.id: row for row in connection.execute(_episodes())}
            drawn = set(connection.scalars(_DRAWN))
        found = (_summary(key, titles[key], [rows[number] for number in own], key in drawn) for key, own in ids.items())
        return tuple(sorted(found, key=lambda one: (one.title.casefold(), one.key)))

    def picture(self, key: str) -> bytes:
        """Return what a show looks like, as JPEG. Raises NothingThere."""
        wanted = sa.select(settings.c.value).where(settings.c.embedder == PICTURES, settings.c.key == key)
        with self._database.read() as connection:
            text = connection.scalar(wanted)
        if text is None:
            raise NothingThere("there is no picture of this show")
        return base64.b64decode(text)

    def show(self, key: str) -> ShowContent:
        """Return one show. Raises NothingThere when no stored episode is of it."""
        with self._database.read() as connection:
            titles, ids = _by_key(connection)
            if key not in ids:
                raise NothingThere("no episode of such a show is in the library")
            own = one_of(episodes.c.id, ids[key])
            of_show = set(ids[key])
            has_picture = connection.scalar(_DRAWN.where(settings.c.key == key)) is not None
            found = connection.execute(_episodes().where(own).order_by(WHEN, episodes.c.id)).all()
            rows = [row for row in found if row.id in of_show]
            everybody = connection.execute(
                sa.select(
                    speakers.c.episode_id,
                    profiles.c.id,
                    profiles.c.name,
                    sa.func.sum(speakers.c.talk_seconds).label("talk_seconds"),
                )
                .join(profiles, profiles.c.id == speakers.c.profile_id)
                .where(ACCEPTED, one_of(speakers.c.episode_id, ids[key]))
                .group_by(speakers.c.episode_id, profiles.c.id, profiles.c.name)
            ).all()
        heard = [row for row in everybody if row.episode_id in of_show]
        summary = _summary(key, titles[key], rows, has_picture)
        named = sum(row.talk_seconds for row in heard)
        total = summary.talk_seconds
        return ShowContent(
            summary=summary,
            people=_people(summary, rows, heard),
            unnamed_share=max(0.0, 1 - named / total) if total else 0.0,
            hashes=tuple(row.audio_sha256 for row in reversed(rows)),
        )


def _people(summary: ShowSummary, rows: Iterable[Any], heard: Iterable[Any]) -> tuple[Regular, ...]:
    by_person: dict[Named, dict[int, float]] = {}
    for one in heard:
        by_person.setdefault(Named(one.id, one.name), {})[one.episode_id] = one.talk_seconds
    ordered = list(rows)
    found = []
    for person, seconds in by_person.items():
        talk = sum(seconds.values())
        found.append(
            Regular(
                person=person,
                role=role([(summary.key, own) for own in seconds.values()], {summary.key: summary.num_episodes}),
                talk_seconds=talk,
                share=talk / summary.talk_seconds if summary.talk_seconds else 0.0,
                episodes=tuple(
                    TalkInEpisode(
                        audio_sha256=row.audio_sha256,
                        title=row.title or row.name,
                        date=row.date,
                        talk_seconds=seconds[row.id],
                        share=seconds[row.id] / row.talk_seconds if row.talk_seconds else 0.0,
                    )
                    for row in ordered
                    if row.id in seconds
                ),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.talk_seconds, one.person.id)))


def _by_key(connection: sa.Connection) -> tuple[dict[str, str], dict[str, list[int]]]:
    """By key the title, in its most frequent spelling, and the ids of the episodes."""
    ids: dict[str, list[int]] = {}
    spelled: dict[str, Counter[str]] = {}
    for number, title in sorted(shows.by_episode(connection, folders=False).items()):
        if title:
            ids.setdefault(slug(title), []).append(number)
            spelled.setdefault(slug(title), Counter())[title] += 1
    return {key: max(sorted(count), key=count.__getitem__) for key, count in spelled.items()}, ids


def _episodes() -> sa.Select[Any]:
    talk = sa.select(sa.func.coalesce(sa.func.sum(speakers.c.talk_seconds), 0.0)).where(
        speakers.c.episode_id == episodes.c.id
    )
    columns = (episodes.c.id, episodes.c.audio_sha256, episodes.c.title, episodes.c.name, episodes.c.date)
    return sa.select(*columns, talk.scalar_subquery().label("talk_seconds"))


_DRAWN = sa.select(settings.c.key).where(settings.c.embedder == PICTURES)


def _summary(key: str, title: str, rows: Iterable[Any], has_picture: bool) -> ShowSummary:
    own = list(rows)
    days = [row.date for row in own if row.date]
    talk = sum(row.talk_seconds for row in own)
    return ShowSummary(key, title, len(own), talk, min(days, default=None), max(days, default=None), has_picture)
