"""What waits for a person's judgement: voices without a name, and matches to review, with what to listen to.

Each method is one transaction with a fixed number of queries, however much it finds, and reads no vector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...errors import NothingThere
from ...types import Verdict
from ...voices.rules import name_of, number_of
from .. import shows
from ..database import Database, one_of
from ..job import State
from ..schema import ACCEPTED, UNNAMED, WHEN, episodes, jobs, speakers, turns, unknown_speakers, unknowns
from .episodes import JudgedSpeaker, speakers_of


@dataclass(frozen=True, slots=True)
class UnknownSpeaker:
    """Where an unknown is heard.

    title : as it was given, which may be ""; shown_as : that, else the file's name
    show : the feed's, else the host's, or the name of the folder the audio is in
    """

    audio_sha256: str
    speaker: str
    source: str
    title: str
    shown_as: str
    date: str | None
    show: str
    talk_seconds: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """A voice without a name.

    id : U-0001 …
    ignored_as : why a person wants to hear no more of it ("ad", "jingle" …), or None
    speakers : where it is heard, oldest episode first
    num_in_show : by show, how many of its stored episodes there are
    """

    id: str
    created: str
    ignored_as: str | None
    speakers: tuple[UnknownSpeaker, ...]
    num_in_show: Mapping[str, int]

    @property
    def num_episodes(self) -> int:
        return len({speaker.audio_sha256 for speaker in self.speakers})

    @property
    def talk_seconds(self) -> float:
        return sum(speaker.talk_seconds for speaker in self.speakers)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The longest turn of somebody in an episode."""

    audio_sha256: str
    source: str
    shown_as: str
    date: str | None
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class ToReview:
    """A speaker with a suggested profile.

    voice : a stretch of this speaker; known : one of the suggested person where the name was accepted
    """

    audio_sha256: str
    shown_as: str
    date: str | None
    speaker: JudgedSpeaker
    voice: Stretch | None
    known: Stretch | None


class Voices:
    """What an open library has to be judged, for reading."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unknowns(
        self, *, ignored: bool | None = False, limit: int | None = None, offset: int = 0
    ) -> tuple[tuple[Unknown, ...], int]:
        """Return some of the voices without a name, and how many there are: most episodes first, then most talk.

        ignored : those to be ignored, and no others; None for both
        """
        num_episodes = sa.func.count(sa.distinct(speakers.c.episode_id))
        wanted = (
            _heard(unknowns.c.id)
            .group_by(unknowns.c.id)
            .order_by(num_episodes.desc(), sa.func.sum(speakers.c.talk_seconds).desc(), unknowns.c.id)
        )
        if ignored is not None:
            wanted = wanted.where(unknowns.c.ignored_as.is_not(None) if ignored else unknowns.c.ignored_as.is_(None))
        with self._database.read() as connection:
            numbers = connection.scalars(wanted).all()
            some = numbers[offset : None if limit is None else offset + limit]
            return _unknowns(connection, some), len(numbers)

    def unknown(self, name: str) -> Unknown:
        """Return the voice without a name that is called U-0001. Raises NothingThere when it is heard nowhere."""
        number = number_of(name)
        with self._database.read() as connection:
            unknowns = _unknowns(connection, [number]) if number is not None else ()
        if not unknowns:
            raise NothingThere(f"no unknown voice {name!r}; it was named, or its episodes were removed")
        return unknowns[0]

    def num_episodes(self) -> dict[str, int]:
        """Count the episodes that each voice without a name is heard in."""
        counted = _heard(unknowns.c.id, sa.func.count(sa.distinct(speakers.c.episode_id))).group_by(unknowns.c.id)
        with self._database.read() as connection:
            return {name_of(number): int(num) for number, num in connection.execute(counted)}

    def review(self, *, limit: int, offset: int = 0) -> tuple[tuple[ToReview, ...], int]:
        """Return some of the speakers with a suggested profile, oldest episode first, and how many there are."""
        wanted = sa.select(speakers.c.id).join(episodes).where(_SUGGESTED)
        with self._database.read() as connection:
            ids = connection.scalars(wanted.order_by(WHEN, episodes.c.id, speakers.c.position)).all()
            some = ids[offset : offset + limit]
            judged = speakers_of(connection, some)
            suggested = {one.profile.id for one in judged.values() if one.profile is not None}
            best = _best_heard(connection, sorted(suggested))
            stretches = _longest_turns(connection, [*some, *best.values()])
            columns = (episodes.c.audio_sha256, episodes.c.title, episodes.c.name, episodes.c.date)
            of_speaker = sa.select(speakers.c.id, *columns).join(episodes).where(speakers.c.id.in_(some))
            episode_by_id = {row.id: row for row in connection.execute(of_speaker)}
        return tuple(
            ToReview(
                audio_sha256=episode_by_id[number].audio_sha256,
                shown_as=episode_by_id[number].title or episode_by_id[number].name,
                date=episode_by_id[number].date,
                speaker=speaker,
                voice=stretches.get(number),
                known=stretches.get(best.get(speaker.profile.id, -1)) if speaker.profile is not None else None,
            )
            for number, speaker in judged.items()
        ), len(ids)

    def waiting(self) -> dict[str, int]:
        """Count what waits for a person: voices without a name, matches to review, failed jobs."""
        heard = _heard(sa.func.count(sa.distinct(unknowns.c.id))).where(unknowns.c.ignored_as.is_(None))
        suggested = sa.select(sa.func.count()).where(_SUGGESTED)
        failed = sa.select(sa.func.count()).where(jobs.c.state == State.FAILED)
        with self._database.read() as connection:
            counts = {"unknowns": heard, "review": suggested, "failed": failed}
            return {what: int(connection.scalar(count) or 0) for what, count in counts.items()}


_SUGGESTED = sa.and_(speakers.c.verdict == Verdict.REVIEW.value, speakers.c.profile_id.is_not(None))


def _heard(*columns: Any) -> sa.Select[Any]:
    """Ask for columns of the unknowns and of the speakers that they are heard as."""
    return (
        sa.select(*columns)
        .select_from(unknowns)
        .join(unknown_speakers, unknown_speakers.c.unknown_id == unknowns.c.id)
        .join(speakers, speakers.c.id == unknown_speakers.c.speaker_id)
        .where(UNNAMED)
    )


def _unknowns(connection: sa.Connection, numbers: Sequence[int]) -> tuple[Unknown, ...]:
    """Read in the order given those that are heard somewhere."""
    show_by_episode = shows.by_episode(connection)
    num_in_show = Counter(show_by_episode.values())
    columns = (episodes.c.audio_sha256, episodes.c.source, episodes.c.title, episodes.c.name, episodes.c.date)
    rows = (
        _heard(unknowns, speakers.c.episode_id, speakers.c.label, speakers.c.talk_seconds, *columns)
        .join(episodes, episodes.c.id == speakers.c.episode_id)
        .where(one_of(unknowns.c.id, numbers))
        .order_by(WHEN, episodes.c.id, speakers.c.position)
    )
    first: dict[int, Any] = {}
    heard: dict[int, list[UnknownSpeaker]] = {}
    for row in connection.execute(rows).all():
        first.setdefault(row.id, row)
        speaker = UnknownSpeaker(
            audio_sha256=row.audio_sha256,
            speaker=row.label,
            source=row.source,
            title=row.title,
            shown_as=row.title or row.name,
            date=row.date,
            show=show_by_episode[row.episode_id],
            talk_seconds=float(row.talk_seconds),
        )
        heard.setdefault(row.id, []).append(speaker)
    return tuple(
        Unknown(
            id=name_of(number),
            created=first[number].created,
            ignored_as=first[number].ignored_as,
            speakers=tuple(heard[number]),
            num_in_show={speaker.show: num_in_show[speaker.show] for speaker in heard[number]},
        )
        for number in numbers
        if number in heard
    )


def _best_heard(connection: sa.Connection, profile_ids: Sequence[int]) -> dict[int, int]:
    """By profile, the speaker that a person confirmed, else who talks most, of those accepted as it."""
    order = (speakers.c.confirmed.is_(None), speakers.c.talk_seconds.desc(), speakers.c.id)
    rank = sa.func.row_number().over(partition_by=speakers.c.profile_id, order_by=order)
    ranked = (
        sa.select(speakers.c.id, speakers.c.profile_id, rank.label("rank"))
        .where(ACCEPTED, speakers.c.profile_id.in_(profile_ids), speakers.c.num_turns > 0)
        .subquery()
    )
    return {row.profile_id: row.id for row in connection.execute(sa.select(ranked).where(ranked.c.rank == 1))}


def _longest_turns(connection: sa.Connection, speaker_ids: Sequence[int]) -> dict[int, Stretch]:
    rank = sa.func.row_number().over(
        partition_by=turns.c.speaker_id, order_by=((turns.c.stop - turns.c.start).desc(), turns.c.start)
    )
    ranked = sa.select(turns, rank.label("rank")).where(turns.c.speaker_id.in_(speaker_ids)).subquery()
    wanted = (
        sa.select(ranked, episodes.c.audio_sha256, episodes.c.source)
        .add_columns(episodes.c.title, episodes.c.name, episodes.c.date)
        .join(episodes, episodes.c.id == ranked.c.episode_id)
        .where(ranked.c.rank == 1)
    )
    return {
        row.speaker_id: Stretch(row.audio_sha256, row.source, row.title or row.name, row.date, row.start, row.stop)
        for row in connection.execute(wanted)
    }
