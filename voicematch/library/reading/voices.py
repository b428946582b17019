"""What waits for a person's judgement: voices without a name, matches to review, and what there is to listen to.

Each method is one transaction with a fixed number of queries, however much it finds, and reads no vector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ...errors import NothingThere
from ...types import Verdict
from ...voices.rules import name_of, number_of
from ..database import Database
from ..jobs import State
from ..schema import episodes, jobs, speakers, turns, unknown_speakers, unknowns
from ..unknowns import UNNAMED
from .episodes import ACCEPTED, WHEN, SpeakerRow, shows, speaker_rows


@dataclass(frozen=True, slots=True)
class UnknownHeard:
    sha256: str
    title: str
    date: str | None
    show: str
    label: str
    talk_seconds: float


@dataclass(frozen=True, slots=True)
class UnknownRow:
    """A voice without a name; ``heard`` is latest episode first."""

    id: str
    ignored_as: str | None
    num_episodes: int
    talk_seconds: float
    heard: tuple[UnknownHeard, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """The longest turn of somebody in an episode."""

    sha256: str
    source: str
    title: str
    date: str | None
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """A speaker with a suggested profile.

    voice : a stretch of this speaker; known : one of the suggested person where the name was accepted
    """

    sha256: str
    title: str
    date: str | None
    speaker: SpeakerRow
    voice: Stretch | None
    known: Stretch | None


class Judging:
    """What an open library has to be judged, for reading."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unknowns(
        self, *, ignored: bool = False, limit: int | None = None, offset: int = 0
    ) -> tuple[tuple[UnknownRow, ...], int]:
        """(some of the voices without a name, heard in most episodes first, how many there are).

        ignored : those to be ignored, and no others
        """
        num_episodes = sa.func.count(sa.distinct(speakers.c.episode_id))
        wanted = (
            sa.select(unknowns.c.id)
            .join(unknown_speakers, unknown_speakers.c.unknown_id == unknowns.c.id)
            .join(speakers, speakers.c.id == unknown_speakers.c.speaker_id)
            .where(UNNAMED, unknowns.c.ignored_as.is_not(None) if ignored else unknowns.c.ignored_as.is_(None))
            .group_by(unknowns.c.id)
            .order_by(num_episodes.desc(), sa.func.sum(speakers.c.talk_seconds).desc(), unknowns.c.id)
        )
        with self._database.read() as connection:
            numbers = connection.scalars(wanted).all()
            return _unknown_rows(connection, numbers[offset : None if limit is None else offset + limit]), len(numbers)

    def numbers(self, speakers_heard: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """U-0001 … by (audio sha256, label), of those speakers who are a voice without a name."""
        wanted = (
            sa.select(episodes.c.audio_sha256, speakers.c.label, unknown_speakers.c.unknown_id)
            .join(speakers, speakers.c.episode_id == episodes.c.id)
            .join(unknown_speakers, unknown_speakers.c.speaker_id == speakers.c.id)
            .where(UNNAMED, episodes.c.audio_sha256.in_({sha256 for sha256, _ in speakers_heard}))
        )
        with self._database.read() as connection:
            return {(row[0], row[1]): name_of(row[2]) for row in connection.execute(wanted)}

    def num_in_show(self) -> dict[str, int]:
        """How many stored episodes there are of each show, as ``UnknownHeard`` names it."""
        with self._database.read() as connection:
            return dict(Counter(shows(connection, folders=True).values()))

    def unknown(self, name: str) -> UnknownRow:
        """The voice without a name that is called U-0001. Raises NothingThere when it is heard nowhere."""
        number = number_of(name)
        with self._database.read() as connection:
            found = _unknown_rows(connection, [number]) if number is not None else ()
        if not found:
            raise NothingThere(f"{name}: no such unknown voice; it was named, or its episodes were removed")
        return found[0]

    def review(self, *, limit: int, offset: int = 0) -> tuple[tuple[ReviewRow, ...], int]:
        """(some of the speakers with a suggested profile, oldest episode first, how many there are)."""
        wanted = (
            sa.select(speakers.c.id)
            .join(episodes)
            .where(speakers.c.verdict == Verdict.REVIEW.value, speakers.c.profile_id.is_not(None))
            .order_by(WHEN, episodes.c.id, speakers.c.position)
        )
        with self._database.read() as connection:
            ids = connection.scalars(wanted).all()
            some = ids[offset : offset + limit]
            found = speaker_rows(connection, some)
            suggested = {row.profile[0] for row in found.values() if row.profile is not None}
            best = _best_heard(connection, sorted(suggested))
            stretches = _longest_turns(connection, [*some, *best.values()])
            where = {
                row.id: row
                for row in connection.execute(
                    sa.select(
                        speakers.c.id, episodes.c.audio_sha256, episodes.c.title, episodes.c.name, episodes.c.date
                    )
                    .join(episodes)
                    .where(speakers.c.id.in_(some))
                )
            }
        return tuple(
            ReviewRow(
                sha256=where[speaker].audio_sha256,
                title=where[speaker].title or where[speaker].name,
                date=where[speaker].date,
                speaker=row,
                voice=stretches.get(speaker),
                known=stretches.get(best.get(row.profile[0], -1)) if row.profile is not None else None,
            )
            for speaker, row in found.items()
        ), len(ids)

    def waiting(self) -> dict[str, int]:
        """How much waits for a person: voices without a name, matches to review, failed jobs."""
        heard = (
            sa.select(sa.func.count(sa.distinct(unknown_speakers.c.unknown_id)))
            .join(unknowns, unknowns.c.id == unknown_speakers.c.unknown_id)
            .join(speakers, speakers.c.id == unknown_speakers.c.speaker_id)
            .where(UNNAMED, unknowns.c.ignored_as.is_(None))
        )
        suggested = sa.select(sa.func.count()).where(
            speakers.c.verdict == Verdict.REVIEW.value, speakers.c.profile_id.is_not(None)
        )
        failed = sa.select(sa.func.count()).where(jobs.c.state == State.FAILED)
        with self._database.read() as connection:
            counts = {"unknowns": heard, "review": suggested, "failed": failed}
            return {what: int(connection.scalar(count) or 0) for what, count in counts.items()}


def _unknown_rows(connection: sa.Connection, numbers: Sequence[int]) -> tuple[UnknownRow, ...]:
    """In the order given, those that are heard somewhere."""
    rows = connection.execute(
        sa.select(unknowns.c.id, unknowns.c.ignored_as, speakers.c.label, speakers.c.talk_seconds)
        .add_columns(episodes.c.id.label("episode_id"), episodes.c.audio_sha256)
        .add_columns(episodes.c.title, episodes.c.name, episodes.c.date)
        .join(unknown_speakers, unknown_speakers.c.unknown_id == unknowns.c.id)
        .join(speakers, speakers.c.id == unknown_speakers.c.speaker_id)
        .join(episodes, episodes.c.id == speakers.c.episode_id)
        .where(UNNAMED, unknowns.c.id.in_(numbers))
        .order_by(WHEN.desc(), episodes.c.id.desc(), speakers.c.position)
    ).all()
    of_show = shows(connection, list({row.episode_id for row in rows}), folders=True)
    ignored_as = {row.id: row.ignored_as for row in rows}
    heard: dict[int, list[UnknownHeard]] = {}
    for row in rows:
        title, show = row.title or row.name, of_show[row.episode_id]
        one = UnknownHeard(row.audio_sha256, title, row.date, show, row.label, row.talk_seconds)
        heard.setdefault(row.id, []).append(one)
    return tuple(
        UnknownRow(
            id=name_of(number),
            ignored_as=ignored_as[number],
            num_episodes=len({one.sha256 for one in heard[number]}),
            talk_seconds=sum(one.talk_seconds for one in heard[number]),
            heard=tuple(heard[number]),
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
