"""Episodes in lists and one at a time, as commands and pages show them, by keys that fit into an address.

Each method is one transaction with a fixed number of queries, however much it finds, and reads no vector.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...errors import LibraryError, NothingThere
from ...formats import days
from ...types import DOUBTFUL_TALK, DOUBTFUL_TURN, Line, Verdict
from ...voices.rules import like_ignored, name_of
from .. import shows
from ..database import Database, one_of
from ..job import State
from ..matches import Names
from ..schema import (
    ACCEPTED,
    UNNAMED,
    WHEN,
    candidates,
    episodes,
    jobs,
    known_as,
    lines,
    profiles,
    speakers,
    turns,
    unknown_speakers,
    unknowns,
)

AT_ONCE = 200  # hashes in one question; a database takes a bounded number of values
KEY_DIGITS = 16  # of a sha256: two of a billion episodes share them once in forty


@dataclass(frozen=True, slots=True)
class Named:
    """A person with a profile, to be linked to."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Guess:
    """A profile that a voice may be."""

    person: Named
    probability: float


@dataclass(frozen=True, slots=True)
class EpisodeSummary:
    """One stored episode, for a list.

    title : as it was given, which may be ""; shown_as : that, else the file's name
    people : those accepted in it, most talk first
    num_speakers : those alone who are not doubtful; num_unknown : of these, those without a name
    stored : ISO 8601, UTC
    """

    audio_sha256: str
    source: str
    title: str
    shown_as: str
    date: str | None
    show: str
    duration: float
    num_speakers: int
    num_unknown: int
    num_lines: int
    people: tuple[Named, ...]
    stored: str
    num_doubtful: int = 0


@dataclass(frozen=True, slots=True)
class JudgedSpeaker:
    """A speaker of an episode with the verdict of today.

    profile : who was accepted or suggested; guesses : best first
    ignored_as : what a voice like this is ignored as ("ad"), or None
    """

    label: str
    talk_seconds: float
    num_turns: int
    verdict: Verdict
    profile: Named | None
    probability: float
    reasons: tuple[str, ...]
    guesses: tuple[Guess, ...]
    unknown: str | None
    confirmed: bool
    ignored_as: str | None = None


@dataclass(frozen=True, slots=True)
class AlsoIn:
    """Another show that has the same sound, and what it calls it. date : as its feed has it, None when not known"""

    show: str
    title: str
    date: str | None


@dataclass(frozen=True, slots=True)
class EpisodeContent:
    """All of an episode but its words' times.

    turns : (start, end, index into ``speakers``)
    also : the other shows that have it
    """

    summary: EpisodeSummary
    speakers: tuple[JudgedSpeaker, ...]
    turns: tuple[tuple[float, float, int], ...]
    lines: tuple[Line, ...]
    also: tuple[AlsoIn, ...] = ()


class Listings:
    """The episodes of an open library, for reading."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def episodes(
        self,
        *,
        words: str = "",
        profile: int | None = None,
        since: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> tuple[tuple[EpisodeSummary, ...], int]:
        """Return some of the episodes, newest first, and how many there are.

        words : only those whose title, file name and show together hold all of them
        profile : only those in which this profile was named
        since : only those of this day (ISO 8601), month or year, or later; LibraryError for what is none
        """
        every = sa.select(episodes.c.id)
        of_job = sa.select(jobs.c.show).where(jobs.c.audio_sha256 == episodes.c.audio_sha256)
        show = sa.func.coalesce(sa.func.nullif(episodes.c.show, ""), of_job.limit(1).scalar_subquery(), "")
        named = episodes.c.title + " " + episodes.c.name + " " + show
        for word in words.split():
            every = every.where(sa.func.lower(named).contains(word.lower(), autoescape=True))
        if profile is not None:
            own = sa.select(speakers.c.episode_id).where(ACCEPTED, speakers.c.profile_id == profile)
            every = every.where(episodes.c.id.in_(own))
        if since is not None:
            every = every.where(from_day(since))
        with self._database.read() as connection:
            ids = connection.scalars(every.order_by(WHEN.desc(), episodes.c.id.desc())).all()
            wanted = ids[offset : None if limit is None else offset + limit]
            return _summaries(connection, wanted), len(ids)

    def of(self, hashes: Sequence[str]) -> tuple[EpisodeSummary, ...]:
        """Return the stored episodes of these audio hashes, in that order."""
        with self._database.read() as connection:
            ids: dict[str, int] = {}
            for first in range(0, len(hashes), AT_ONCE):
                some = episodes.c.audio_sha256.in_(hashes[first : first + AT_ONCE])
                rows = connection.execute(sa.select(episodes.c.audio_sha256, episodes.c.id).where(some)).all()
                ids |= {row.audio_sha256: row.id for row in rows}
            return _summaries(connection, [ids[sha256] for sha256 in hashes if sha256 in ids])

    def num_confirmed(self) -> int:
        """Count the names in all episodes that a person gave or confirmed."""
        said = sa.select(sa.func.count()).where(ACCEPTED, speakers.c.confirmed.is_not(None))
        with self._database.read() as connection:
            return int(connection.execute(said).scalar_one())

    def source(self, key: str) -> str:
        """Return the file or address that an episode was made from. Raises NothingThere when there is no such one."""
        with self._database.read() as connection:
            wanted = sa.select(episodes.c.source).where(episodes.c.id == episode_at(connection, key))
            return str(connection.execute(wanted).scalar_one())

    def episode(self, key: str) -> EpisodeContent:
        """Return the whole episode of that key. Raises NothingThere when there is none."""
        with self._database.read() as connection:
            number = episode_at(connection, key)
            of_episode = sa.select(speakers.c.id).where(speakers.c.episode_id == number)
            own = speakers_of(connection, connection.scalars(of_episode.order_by(speakers.c.position)).all())
            idx_by_id = {speaker: idx for idx, speaker in enumerate(own)}
            of_turns = sa.select(turns.c.start, turns.c.stop, turns.c.speaker_id).where(turns.c.episode_id == number)
            of_lines = sa.select(lines.c.start, lines.c.stop, lines.c.text, lines.c.speaker).where(
                lines.c.episode_id == number
            )
            return EpisodeContent(
                summary=_summaries(connection, [number])[0],
                speakers=tuple(own.values()),
                turns=tuple(
                    (start, stop, idx_by_id[speaker])
                    for start, stop, speaker in connection.execute(of_turns.order_by(turns.c.position)).all()
                ),
                lines=tuple(Line(*row) for row in connection.execute(of_lines.order_by(lines.c.position)).all()),
                also=_also(connection, number),
            )


def _also(connection: sa.Connection, number: int) -> tuple[AlsoIn, ...]:
    """Every other show once, by name: those that it came in as another file, and those whose jobs it answered."""
    own = shows.by_episode(connection, [number], folders=False)[number]
    of_job = sa.select(jobs.c.show, jobs.c.title, jobs.c.date).join(
        episodes, episodes.c.audio_sha256 == jobs.c.audio_sha256
    )
    named = sa.select(known_as.c.show, known_as.c.title, sa.null()).where(known_as.c.episode_id == number)
    asked = (of_job.where(episodes.c.id == number, jobs.c.state == State.DONE).order_by(jobs.c.id), named)
    found = {own: AlsoIn(own, "", None), "": AlsoIn("", "", None)}
    for wanted in asked:
        for row in connection.execute(wanted).all():
            found.setdefault(row[0], AlsoIn(*row))
    return tuple(found[show] for show in sorted(set(found) - {own, ""}))


def from_day(day: str) -> sa.ColumnElement[bool]:
    """Narrow a question to episodes of a day, or later. Raises LibraryError for what is no day."""
    if not days.is_day(day):
        raise LibraryError(days.no_day(day))
    return day <= WHEN


def key_of(sha256: str) -> str:
    """Return what an episode is called in an address."""
    return sha256[:KEY_DIGITS]


def people_of(connection: sa.Connection, episode_ids: Collection[int]) -> dict[int, tuple[Named, ...]]:
    """Return by episode id, at least of these, who was accepted there, most talk first."""
    rows = connection.execute(
        sa.select(speakers.c.episode_id, profiles.c.id, profiles.c.name)
        .join(profiles, profiles.c.id == speakers.c.profile_id)
        .where(ACCEPTED, one_of(speakers.c.episode_id, episode_ids))
        .order_by(speakers.c.talk_seconds.desc(), speakers.c.id)
    ).all()
    people: dict[int, dict[int, Named]] = {}
    for episode, profile, name in rows:
        people.setdefault(episode, {}).setdefault(profile, Named(profile, name))
    return {episode: tuple(own.values()) for episode, own in people.items()}


def speakers_of(connection: sa.Connection, ids: Sequence[int]) -> dict[int, JudgedSpeaker]:
    """Read speakers by id, in the order given."""
    names = Names(connection)
    offers = sa.select(candidates).where(candidates.c.speaker_id.in_(ids))
    guesses: dict[int, list[Guess]] = {}
    for row in connection.execute(offers.order_by(candidates.c.speaker_id, candidates.c.position)):
        guess = Guess(Named(row.profile_id, names.by_id[row.profile_id]), row.probability)
        guesses.setdefault(row.speaker_id, []).append(guess)
    columns = (unknown_speakers.c.speaker_id, unknown_speakers.c.unknown_id, unknowns.c.ignored_as)
    linked = sa.select(*columns).join(unknowns).where(unknown_speakers.c.speaker_id.in_(ids))
    links = {row.speaker_id: row for row in connection.execute(linked)}
    unknown = {speaker: name_of(row.unknown_id) for speaker, row in links.items()}
    ignored = {name_of(number): why for number, why in connection.execute(_IGNORED)}
    rows = {row.id: row for row in connection.execute(sa.select(speakers).where(speakers.c.id.in_(ids)))}
    return {
        row.id: JudgedSpeaker(
            label=row.label,
            talk_seconds=row.talk_seconds,
            num_turns=row.num_turns,
            verdict=Verdict(row.verdict or Verdict.UNKNOWN),
            profile=Named(row.profile_id, names.by_id[row.profile_id]) if row.profile_id is not None else None,
            probability=row.probability,
            reasons=names.show(row.reasons),
            guesses=tuple(guesses.get(row.id, ())),
            unknown=unknown.get(row.id) if row.verdict != Verdict.ACCEPT else None,
            confirmed=row.confirmed is not None,
            ignored_as=_ignored_as(row, unknown.get(row.id), ignored),
        )
        for row in (rows[one] for one in ids)
    }


_IGNORED = sa.select(unknowns.c.id, unknowns.c.ignored_as).where(unknowns.c.ignored_as.is_not(None))


def _ignored_as(row: Any, unknown: str | None, ignored: Mapping[str, str]) -> str | None:
    """What a speaker is ignored as: for its own number, or because it sounds like one that is."""
    if row.verdict == Verdict.ACCEPT or not ignored:
        return None
    return ignored.get(unknown or "") or ignored.get(like_ignored(row.reasons) or "")


def episode_at(connection: sa.Connection, key: str) -> int:
    """The episode of that key, which may be longer. Raises NothingThere."""
    if re.fullmatch(rf"[0-9a-f]{{{KEY_DIGITS},64}}", key):
        starts = (episodes.c.audio_sha256 >= key) & (episodes.c.audio_sha256 < key + "g")
        ids = connection.scalars(sa.select(episodes.c.id).where(starts).limit(2)).all()
        if len(ids) == 1:
            return int(ids[0])
    raise NothingThere("no such episode; it may have been removed from the library")


def _is_doubtful() -> sa.ColumnElement[bool]:
    """As ``LabelledEpisode.doubtful`` has it."""
    other = speakers.alias()
    is_one_of_several = sa.exists().where(
        other.c.episode_id == speakers.c.episode_id, other.c.id != speakers.c.id, other.c.num_turns > 0
    )
    return sa.and_(
        speakers.c.num_turns > 0,
        speakers.c.talk_seconds < DOUBTFUL_TALK,
        speakers.c.talk_seconds < DOUBTFUL_TURN * speakers.c.num_turns,
        UNNAMED,
        is_one_of_several,
    )


def _summaries(connection: sa.Connection, ids: Sequence[int]) -> tuple[EpisodeSummary, ...]:
    """Read episodes in the order given."""
    talks = (speakers.c.num_turns > 0) & sa.not_(_is_doubtful())
    of_speakers = (
        sa.select(
            speakers.c.episode_id,
            sa.func.count().filter(talks).label("num_speakers"),
            sa.func.count().filter(talks, UNNAMED).label("num_unknown"),
            sa.func.count().filter(_is_doubtful()).label("num_doubtful"),
        )
        .where(one_of(speakers.c.episode_id, ids))
        .group_by(speakers.c.episode_id)
    )
    of_lines = sa.select(lines.c.episode_id, sa.func.count()).where(one_of(lines.c.episode_id, ids))
    counts = {row.episode_id: row for row in connection.execute(of_speakers)}
    num_lines = {row[0]: int(row[1]) for row in connection.execute(of_lines.group_by(lines.c.episode_id))}
    rows = {row.id: row for row in connection.execute(sa.select(episodes).where(one_of(episodes.c.id, ids)))}
    show_by_episode, people = shows.by_episode(connection, ids, folders=False), people_of(connection, ids)
    return tuple(
        EpisodeSummary(
            audio_sha256=row.audio_sha256,
            source=row.source,
            title=row.title,
            shown_as=row.title or row.name,
            date=row.date,
            show=show_by_episode[row.id],
            duration=row.duration,
            num_speakers=counts[row.id].num_speakers if row.id in counts else 0,
            num_unknown=counts[row.id].num_unknown if row.id in counts else 0,
            num_lines=num_lines.get(row.id, 0),
            people=people.get(row.id, ()),
            stored=row.stored,
            num_doubtful=counts[row.id].num_doubtful if row.id in counts else 0,
        )
        for row in (rows[one] for one in ids)
    )
