"""How people talk, in an episode and over time, as commands and pages show it.

Each method is one transaction with a fixed number of queries, however much it finds, and reads no vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...errors import ProfileNotFound
from ...transcript.figures import TalkFigures, talk_figures, together
from ...types import Line, Turn, Verdict
from ...voices.rules import name_of
from ..database import Database
from ..schema import ACCEPTED, WHEN, episodes, lines, profiles, speakers, turns, unknown_speakers
from .episodes import Named, episode_at


@dataclass(frozen=True, slots=True)
class VoiceFigures:
    """How one voice talks in an episode.

    name : the profile's when accepted, else U-0001 where the voice is remembered, else the local label
    labels : its local labels; several where two speakers are one person
    """

    name: str
    person: Named | None
    labels: tuple[str, ...]
    figures: TalkFigures


@dataclass(frozen=True, slots=True)
class FiguresInEpisode:
    """How one person talks in one episode."""

    audio_sha256: str
    title: str
    date: str | None
    figures: TalkFigures


@dataclass(frozen=True, slots=True)
class FiguresOverTime:
    """How one person talks.

    total : over these episodes; None where there are none
    episodes : oldest first
    """

    person: Named
    total: TalkFigures | None
    episodes: tuple[FiguresInEpisode, ...]


class Figures:
    """The talk figures of an open library."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def episode(self, key: str) -> tuple[VoiceFigures, ...]:
        """Return how every voice of one episode talks, most talk first. Raises NothingThere."""
        with self._database.read() as connection:
            number = episode_at(connection, key)
            only = sa.select(episodes.c.id).where(episodes.c.id == number)
            rows = _speakers(connection, only)[number]
            figures = _figures(connection, only, {number: rows}, None)[number]
        by_name: dict[str, list[Any]] = {}
        for row in rows:
            by_name.setdefault(_voice(row), []).append(row)
        return tuple(
            VoiceFigures(
                name=_shown_as(by_name[voice][0]),
                person=_person(by_name[voice][0]),
                labels=tuple(row.label for row in by_name[voice]),
                figures=own,
            )
            for voice, own in figures.items()
        )

    def person(self, profile: int, *, most: int | None = None) -> FiguresOverTime:
        """Return how a person talks in every episode that names them, oldest first, and in all of them together.

        most : only the newest so many episodes. Raises ProfileNotFound.
        """
        with self._database.read() as connection:
            name = connection.scalar(sa.select(profiles.c.name).where(profiles.c.id == profile))
            if name is None:
                raise ProfileNotFound("no such person; the profile may have been merged into another one, or forgotten")
            own = sa.select(speakers.c.episode_id).where(ACCEPTED, speakers.c.profile_id == profile)
            newest = (WHEN.desc(), episodes.c.id.desc())
            wanted = sa.select(episodes.c.id).where(episodes.c.id.in_(own)).order_by(*newest).limit(most)
            columns = (episodes.c.id, episodes.c.audio_sha256, episodes.c.title, episodes.c.name, episodes.c.date)
            rows = connection.execute(sa.select(*columns).where(episodes.c.id.in_(wanted)).order_by(*newest)).all()[
                ::-1
            ]
            figures = _figures(connection, wanted, _speakers(connection, wanted), profile)
        voice = f"p{profile}"
        heard = [row for row in rows if voice in figures[row.id]]  # whose turns are all somebody else's has none
        by_episode = tuple(
            FiguresInEpisode(row.audio_sha256, row.title or row.name, row.date, figures[row.id][voice]) for row in heard
        )
        everybody = {row.id: sum(one.talk_seconds for one in figures[row.id].values()) for row in heard}
        several = [(figures[row.id][voice], everybody[row.id]) for row in heard]
        return FiguresOverTime(Named(profile, name), together(several) if several else None, by_episode)


def _speakers(connection: sa.Connection, wanted: sa.Select[Any]) -> dict[int, list[Any]]:
    """By episode id, the speakers with what each is called."""
    rows = connection.execute(
        sa.select(
            speakers.c.id,
            speakers.c.episode_id,
            speakers.c.label,
            speakers.c.verdict,
            profiles.c.id.label("profile_id"),
            profiles.c.name.label("profile"),
            unknown_speakers.c.unknown_id,
        )
        .select_from(speakers)
        .outerjoin(profiles, (profiles.c.id == speakers.c.profile_id) & ACCEPTED)
        .outerjoin(unknown_speakers, unknown_speakers.c.speaker_id == speakers.c.id)
        .where(speakers.c.episode_id.in_(wanted))
        .order_by(speakers.c.episode_id, speakers.c.position)
    )
    by_episode: dict[int, list[Any]] = {number: [] for number in connection.scalars(wanted)}
    for row in rows:
        by_episode[row.episode_id].append(row)
    return by_episode


def _figures(
    connection: sa.Connection, wanted: sa.Select[Any], of_speakers: dict[int, list[Any]], profile: int | None
) -> dict[int, dict[str, TalkFigures]]:
    """By episode id, the figures by `_voice`; with a profile, only its own words are counted."""
    voice_by_id = {row.id: _voice(row) for rows in of_speakers.values() for row in rows}
    voice_by_label = {(row.episode_id, row.label): _voice(row) for rows in of_speakers.values() for row in rows}
    columns = (turns.c.episode_id, turns.c.start, turns.c.stop, turns.c.speaker_id)
    turns_of: dict[int, list[Turn]] = {number: [] for number in of_speakers}
    spoken = sa.select(*columns).where(turns.c.episode_id.in_(wanted))
    for number, start, stop, speaker in connection.execute(spoken).all():
        turns_of[number].append(Turn(start, stop, voice_by_id[speaker]))
    said = sa.select(lines.c.episode_id, lines.c.start, lines.c.stop, lines.c.text, lines.c.speaker)
    if profile is not None:
        is_own = (speakers.c.episode_id == lines.c.episode_id) & (speakers.c.label == lines.c.speaker)
        said = said.join(speakers, is_own).where(ACCEPTED, speakers.c.profile_id == profile)
    lines_of: dict[int, list[Line]] = {number: [] for number in of_speakers}
    for number, start, stop, text, label in connection.execute(said.where(lines.c.episode_id.in_(wanted))).all():
        voice = voice_by_label.get((number, label))
        if voice is not None:
            lines_of[number].append(Line(start, stop, text, voice))
    return {number: talk_figures(turns_of[number], lines_of[number]) for number in of_speakers}


def _voice(row: Any) -> str:
    """What keeps a voice apart from others in its episode: the person, else the label."""
    return f"p{row.profile_id}" if row.profile_id is not None else f"l{row.label}"


def _person(row: Any) -> Named | None:
    return Named(row.profile_id, row.profile) if row.profile_id is not None else None


def _shown_as(row: Any) -> str:
    if row.profile_id is not None:
        return str(row.profile)
    is_unnamed = row.verdict != Verdict.ACCEPT
    return name_of(row.unknown_id) if row.unknown_id is not None and is_unnamed else str(row.label)
