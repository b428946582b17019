"""What a person is known by in copies of a library, whatever they were called when these were made.

A name may have changed since, and two profiles may have become one. The spans of audio that voices were learned from,
and those in which somebody is heard, stay what they were.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from ..voices.overlaps import Span, overlap
from . import as_heard, erasure, keys, mentions
from .database import Database
from .erasure import Forgotten
from .profiles import remove_unused_clips
from .schema import ACCEPTED, episodes, profiles, speakers, turns, voiceprints, windows

Mark = tuple[str, float, float]
"""What a voiceprint was learned from: the audio's sha256, start and end."""
Number = tuple[int, str]
"""A profile's id and when it was made, which are the same in a library and its backups alone."""

HELD = 0.5  # share of what a speaker says from which on the voice is that of who says it


class Kin(StrEnum):
    """What somebody in a copy is to a person of the library.

    SAME : the person, by name, by number, or as somebody who has become part of them
    MIXED : another person, who was taken to have said some of what the person says
    OTHER : another person of the library
    STRANGER : nobody whom the library knows; it may be the person as they were called once
    """

    SAME = "same"
    MIXED = "mixed"
    OTHER = "other"
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True)
class Known:
    """By what some profiles of a library are known: names as ``keys.key`` has them."""

    names: frozenset[str]
    numbers: frozenset[Number]
    marks: frozenset[Mark]

    def has(self, name: str, number: Number | None) -> bool:
        return keys.key(name) in self.names if number is None else number in self.numbers


@dataclass(frozen=True, slots=True)
class Trace:
    """What a person is known by.

    former : what the person was called before, as far as somebody says
    others : everybody else of the library
    heard : by audio sha256 the spans in which the person speaks, as far as the library is sure
    """

    name: str
    own: Known
    others: Known
    heard: Mapping[str, Sequence[Span]] = field(repr=False)
    former: tuple[str, ...] = ()

    @property
    def called(self) -> tuple[str, ...]:
        """Every name of the person, today's first."""
        return (self.name, *self.former)

    def kin(self, name: str, marks: Collection[Mark], number: Number | None = None) -> Kin:
        """Return what somebody in a copy is to the person.

        number : where the copy is a backup
        """
        if keys.key(name) in self.own.names or number in self.own.numbers:
            return Kin.SAME
        is_known = self.others.has(name, number)
        if not self.own.marks.isdisjoint(marks):
            return Kin.MIXED if is_known else Kin.SAME
        return Kin.OTHER if is_known or not self.others.marks.isdisjoint(marks) else Kin.STRANGER


class Traces:
    """Looks for people of an open library in its copies. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, name: str, *, former: Sequence[str] = ()) -> Trace:
        """Return what a person is known by. ``former``: names they had before. Raises ProfileNotFound."""
        former = tuple(map(keys.clean, former))
        with self._database.read() as connection:
            profile = keys.profile_id(connection, name)
            rows = connection.execute(sa.select(profiles)).all()
            marks = _marks(connection)
            own = [row for row in rows if row.id == profile]
            others = [row for row in rows if row.id != profile]
            known = _known(own, marks)
            known = replace(known, names=known.names | set(map(keys.key, former)))
            return Trace(own[0].name, known, _known(others, marks), _heard(connection, profile), former)

    def num_mentions(self, trace: Trace) -> int:
        """Return how many lines, titles and notes of others say one of the person's names."""
        names = {keys.key(called): called for called in trace.called}.values()
        with self._database.read() as connection:
            own = [number for number, _ in trace.own.numbers]
            return sum(mentions.find(connection, called, redact=False, but_of=own)[0] for called in names)

    def forget(self, trace: Trace, *, words: bool = False) -> tuple[Forgotten, tuple[str, ...]]:
        """Erase a person of whom this library is a copy, down to the bytes of the file.

        Voices that nobody had named yet, or as somebody else, go where it is known by now whose they are. Return what
        became of the file, and the names of those here whom the library does not know.
        """
        with self._database.write() as connection:
            marks = _marks(connection)
            strangers = []
            for row in connection.execute(sa.select(profiles)).all():
                kin = trace.kin(row.name, marks.get(row.id, set()), (row.id, row.created))
                if kin is Kin.SAME:
                    erasure.forget(connection, row.name, words=words)
                elif kin is Kin.STRANGER:
                    strangers.append(row.name)
            for called in trace.called:
                erasure.scrub(connection, called, words=words)
            _forget_learned(connection, trace.own.marks)
            _forget_heard(connection, trace.heard)
            erasure.make_due(connection)
        return erasure.compact(self._database, erasure.NOBODY), tuple(strangers)


def _known(rows: Sequence[Any], marks: Mapping[int, set[Mark]]) -> Known:
    return Known(
        names=frozenset(row.name_key for row in rows),
        numbers=frozenset((row.id, row.created) for row in rows),
        marks=frozenset(mark for row in rows for mark in marks.get(row.id, ())),
    )


def _marks(connection: sa.Connection) -> dict[int, set[Mark]]:
    """Return by profile what its voiceprints were learned from."""
    marks: dict[int, set[Mark]] = {}
    columns = (voiceprints.c.profile_id, voiceprints.c.audio_sha256, voiceprints.c.start, voiceprints.c.stop)
    for profile, *mark in connection.execute(sa.select(*columns)):
        marks.setdefault(profile, set()).add((mark[0], mark[1], mark[2]))
    return marks


def _heard(connection: sa.Connection, profile: int) -> dict[str, list[Span]]:
    spoken = (
        sa.select(episodes.c.audio_sha256, turns.c.start, turns.c.stop)
        .select_from(turns)
        .join(speakers, speakers.c.id == turns.c.speaker_id)
        .join(episodes, episodes.c.id == turns.c.episode_id)
        .where(speakers.c.profile_id == profile, ACCEPTED)
    )
    heard: dict[str, list[Span]] = {}
    for sha256, start, stop in connection.execute(spoken):
        heard.setdefault(sha256, []).append((start, stop))
    return heard


def _forget_learned(connection: sa.Connection, marks: Collection[Mark]) -> None:
    """Erase what somebody else here learned from what the person says."""
    rows = connection.execute(sa.select(voiceprints)).all()
    theirs = [row for row in rows if (row.audio_sha256, row.start, row.stop) in marks]
    for row in theirs:
        connection.execute(voiceprints.delete().where(voiceprints.c.id == row.id))
        remove_unused_clips(connection, row.profile_id)


def _forget_heard(connection: sa.Connection, heard: Mapping[str, Sequence[Span]]) -> None:
    """Erase the stored voices of speakers who mostly are the person, and what would tell them apart anew."""
    for sha256, spans in heard.items():
        episode = connection.scalar(sa.select(episodes.c.id).where(episodes.c.audio_sha256 == sha256))
        if episode is None:
            continue
        connection.execute(windows.delete().where(windows.c.episode_id == episode))
        said: dict[int, list[Span]] = {}
        for row in connection.execute(sa.select(turns).where(turns.c.episode_id == episode)):
            said.setdefault(row.speaker_id, []).append((row.start, row.stop))
        theirs = [
            speaker
            for speaker, own in said.items()
            if overlap(own, spans) > HELD * sum(stop - start for start, stop in own)
        ]
        as_heard.erase_voices(connection, theirs)
