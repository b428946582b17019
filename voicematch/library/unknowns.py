"""Voices that nobody has named, remembered across episodes under numbers that stay: U-0001, U-0002 …

A speaker without a name who talks long enough belongs to one unknown. When the speaker is named, the link stays but
counts no more: an unknown is heard where its speakers are unnamed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from ..errors import LibraryError
from ..types import Embedding, Verdict
from ..voices.recognise import Remembered
from ..voices.rules import name_of, number_of
from ..voices.score import Voiceprints, centroid, steadiness
from . import vectors
from .database import Database, insert, now
from .pins import Pin
from .schema import episodes, speaker_embeddings, speakers, unknown_speakers, unknowns
from .shows import by_episode

MIN_SECONDS = 20.0  # net speech in an episode below which a voice is a cameo, and not remembered


Recognise = Callable[[Mapping[str, Sequence[Embedding]], Remembered], Mapping[str, str]]
"""Says which remembered voice each of an episode's unnamed speakers is; one who is none of them is absent."""

UNNAMED = sa.func.coalesce(speakers.c.verdict, "") != Verdict.ACCEPT.value


@dataclass(frozen=True, slots=True)
class UnknownSpeaker:
    """Where an unknown is heard. ``show`` is the feed's, else the host's, or the name of the folder the audio is in."""

    audio_sha256: str
    speaker: str
    source: str
    title: str
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


class Unknowns:
    """The unnamed voices of an open library. Each method is one transaction."""

    def __init__(self, database: Database, pin: Pin) -> None:
        self._database = database
        self._pin = pin

    def all(self) -> tuple[Unknown, ...]:
        """Return every unknown that is heard somewhere, also the ignored: most episodes first, then most talk."""
        with self._database.read() as connection:
            found = _unknowns(connection, None)
        return tuple(sorted(found, key=lambda u: (-u.num_episodes, -u.talk_seconds, u.id)))

    def get(self, name: str) -> Unknown:
        """Return the unknown of that name. Raises LibraryError when there is none, or nothing of it is left."""
        with self._database.read() as connection:
            found = _unknowns(connection, _existing(connection, name))
        if not found:
            raise LibraryError(f"{name}: heard nowhere any more; it was named, or its episodes were removed")
        return found[0]

    def num_episodes(self) -> dict[str, int]:
        """Count in how many episodes each unknown is heard."""
        counted = (
            sa.select(unknown_speakers.c.unknown_id, sa.func.count(sa.distinct(speakers.c.episode_id)))
            .join(speakers)
            .where(UNNAMED)
            .group_by(unknown_speakers.c.unknown_id)
        )
        with self._database.read() as connection:
            return {name_of(unknown): int(num) for unknown, num in connection.execute(counted)}

    def ignored_voiceprints(self) -> Voiceprints:
        """Return one row for each speaker of every ignored unknown; ``profiles`` holds U-0001 …"""
        with self._database.read() as connection:
            rows = _heard(connection, self._pin.embedder, unknowns.c.ignored_as.is_not(None))
            return _voiceprints(rows, self._pin.dimension(connection) or 0)

    def ignore(self, name: str, ignored_as: str | None) -> None:
        """Keep an unknown out of the lists and away from names; with None, take it back."""
        with self._database.write() as connection:
            number = _existing(connection, name)
            connection.execute(unknowns.update().where(unknowns.c.id == number).values(ignored_as=ignored_as))
            _let_go_of_named(connection, number)

    def merge(self, source: str, into: str) -> None:
        """Make two unknowns one: the speakers of ``source`` are heard as ``into`` from now on."""
        with self._database.write() as connection:
            gone, number = _existing(connection, source), _existing(connection, into)
            if gone == number:
                raise LibraryError(f"{source} and {into} are the same voice already")
            of_gone = unknown_speakers.c.unknown_id == gone
            connection.execute(unknown_speakers.update().where(of_gone).values(unknown_id=number))
            _let_go_of_named(connection, number)

    def split(self, name: str, parts: Iterable[Iterable[tuple[str, str]]]) -> tuple[str, ...]:
        """Make new unknowns of parts of one, each part (audio_sha256, label) of some of its speakers."""
        made = []
        with self._database.write() as connection:
            number = _existing(connection, name)
            ids = {
                (row.audio_sha256, row.label): row.id
                for row in connection.execute(
                    sa.select(speakers.c.id, speakers.c.label, episodes.c.audio_sha256)
                    .join(episodes)
                    .join(unknown_speakers, unknown_speakers.c.speaker_id == speakers.c.id)
                    .where(unknown_speakers.c.unknown_id == number)
                )
            }
            for part in parts:
                new = insert(connection, unknowns, created=now())
                for speaker in part:
                    if speaker not in ids:
                        raise LibraryError(f"{name} is not heard as {speaker[1]} in episode {speaker[0][:12]}")
                    moved = unknown_speakers.c.speaker_id == ids[speaker]
                    connection.execute(unknown_speakers.update().where(moved).values(unknown_id=new))
                made.append(name_of(new))
        return tuple(made)

    def remember(self, recognise: Recognise) -> int:
        """Give a number to every unnamed voice that has none yet, in the order stored, and return to how many."""
        with self._database.write() as connection:
            without = (
                sa.select(speakers.c.episode_id)
                .distinct()
                .join(speaker_embeddings, speaker_embeddings.c.speaker_id == speakers.c.id)
                .join(episodes, episodes.c.id == speakers.c.episode_id)
                .where(_has_no_number(), episodes.c.embedder == self._pin.embedder)
                .where(speakers.c.talk_seconds >= MIN_SECONDS)  # never less than the net speech in it
                .order_by(speakers.c.episode_id)
            )
            dimension = self._pin.dimension(connection) or 0
            return sum(
                _remember(connection, episode, recognise, self._pin.embedder, dimension)
                for episode in connection.scalars(without).all()
            )


def _remember(
    connection: sa.Connection,
    episode_id: int,
    recognise: Recognise,
    embedder: str,
    dimension: int,
) -> int:
    """Give every unnamed voice of an episode that has no number yet its number, and return to how many."""
    voices = _voices_without_number(connection, episode_id, dimension)
    if not voices:
        return 0
    embeddings_by_label = {label: embeddings for label, (_, embeddings) in voices.items()}
    found = recognise(embeddings_by_label, _remembered(connection, episode_id, embedder, dimension))
    for label, (speaker, embeddings) in voices.items():
        number = number_of(found.get(label, ""))
        link(connection, speaker, number or insert(connection, unknowns, created=now()), embeddings)
    return len(voices)


def _let_go_of_named(connection: sa.Connection, number: int) -> None:
    """Take out of an ignored voice those who have a name: who belongs to one is ignored, and has none."""
    is_ignored = sa.exists().where(unknowns.c.id == number, unknowns.c.ignored_as.is_not(None))
    named = sa.select(speakers.c.id).where(sa.not_(UNNAMED))
    of_it = unknown_speakers.c.unknown_id == number
    connection.execute(unknown_speakers.delete().where(of_it, is_ignored, unknown_speakers.c.speaker_id.in_(named)))


def link(connection: sa.Connection, speaker: int, unknown: int, embeddings: Sequence[Embedding]) -> None:
    pooled = centroid(embeddings)
    row = {"speaker_id": speaker, "unknown_id": unknown, "seconds": pooled.seconds}
    voice = {"vector": vectors.to_bytes(pooled.vector), "steadiness": steadiness(embeddings)}
    connection.execute(unknown_speakers.insert().values(row | voice))


def of_episode(connection: sa.Connection, episode_id: int) -> dict[str, str]:
    """By label, the unknown that each unnamed speaker is."""
    rows = (
        sa.select(speakers.c.label, unknown_speakers.c.unknown_id)
        .join(unknown_speakers, unknown_speakers.c.speaker_id == speakers.c.id)
        .where(speakers.c.episode_id == episode_id, UNNAMED)
    )
    return {label: name_of(number) for label, number in connection.execute(rows)}


def _voices_without_number(
    connection: sa.Connection, episode_id: int, dimension: int
) -> dict[str, tuple[int, tuple[Embedding, ...]]]:
    """(speaker id, embeddings) of the unnamed speakers of an episode who say enough and have no number yet."""
    rows = connection.execute(
        sa.select(speakers.c.id, speakers.c.label, speaker_embeddings.c.vectors, speaker_embeddings.c.spans)
        .select_from(speakers)
        .join(speaker_embeddings)
        .where(speakers.c.episode_id == episode_id, _has_no_number())
        .order_by(speakers.c.position)
    )
    voices = {}
    for row in rows:
        spans = vectors.spans_from_bytes(row.spans)
        if spans[:, 0].sum() >= MIN_SECONDS:
            voices[row.label] = (int(row.id), vectors.embeddings(vectors.from_bytes(row.vectors, dimension), spans))
    return voices


def _has_no_number() -> sa.ColumnElement[bool]:
    return sa.and_(UNNAMED, sa.not_(sa.exists().where(unknown_speakers.c.speaker_id == speakers.c.id)))


def _heard(connection: sa.Connection, embedder: str, wanted: sa.ColumnElement[bool]) -> Sequence[Any]:
    """The speakers that count as an unknown, unknown by unknown."""
    columns = (unknown_speakers.c.unknown_id, unknown_speakers.c.vector, unknown_speakers.c.seconds)
    return connection.execute(
        sa.select(*columns, unknown_speakers.c.steadiness, speakers.c.episode_id)
        .join(unknowns)
        .join(speakers, speakers.c.id == unknown_speakers.c.speaker_id)
        .join(episodes, episodes.c.id == speakers.c.episode_id)
        .where(wanted, UNNAMED, episodes.c.embedder == embedder)
        .order_by(unknown_speakers.c.unknown_id, unknown_speakers.c.speaker_id)
    ).all()


def _voiceprints(rows: Sequence[Any], dimension: int) -> Voiceprints:
    return Voiceprints(
        profiles=tuple(name_of(row.unknown_id) for row in rows),
        vectors=vectors.from_bytes(b"".join([row.vector for row in rows]), dimension),
        seconds=np.array([row.seconds for row in rows], np.float32),
    )


def _remembered(connection: sa.Connection, episode_id: int, embedder: str, dimension: int) -> Remembered:
    """All unknowns, as the episode is to be compared with them."""
    rows = _heard(connection, embedder, sa.true())
    show_by_episode = by_episode(connection)
    show = show_by_episode[episode_id]
    return Remembered(
        voices=_voiceprints(rows, dimension),
        steadiness=tuple(row.steadiness for row in rows),
        episodes=tuple(int(row.episode_id) for row in rows),
        in_show=tuple(show_by_episode[row.episode_id] == show for row in rows),
        num_in_show=sum(other == show for other in show_by_episode.values()) - 1,
    )


def _existing(connection: sa.Connection, name: str) -> int:
    number = number_of(name)
    if number is None or connection.scalar(sa.select(unknowns.c.id).where(unknowns.c.id == number)) is None:
        raise LibraryError(f"no unknown voice {name!r}; voicematch unknowns list shows them")
    return number


def _unknowns(connection: sa.Connection, only: int | None) -> list[Unknown]:
    show_by_episode = by_episode(connection)
    num_in_show = Counter(show_by_episode.values())
    rows = (
        sa.select(unknowns, episodes.c.audio_sha256, episodes.c.source, episodes.c.title, episodes.c.date)
        .add_columns(speakers.c.label, speakers.c.talk_seconds, speakers.c.episode_id)
        .select_from(unknowns)
        .join(unknown_speakers)
        .join(speakers, speakers.c.id == unknown_speakers.c.speaker_id)
        .join(episodes, episodes.c.id == speakers.c.episode_id)
        .where(UNNAMED, unknowns.c.id == only if only is not None else sa.true())
        .order_by(sa.func.coalesce(episodes.c.date, episodes.c.stored), episodes.c.id, speakers.c.position)
    )
    first: dict[int, Any] = {}
    heard: dict[int, list[UnknownSpeaker]] = {}
    for row in connection.execute(rows):
        first.setdefault(row.id, row)
        show = show_by_episode[row.episode_id]
        heard.setdefault(row.id, []).append(
            UnknownSpeaker(row.audio_sha256, row.label, row.source, row.title, row.date, show, float(row.talk_seconds))
        )
    return [
        Unknown(
            id=name_of(number),
            created=row.created,
            ignored_as=row.ignored_as,
            speakers=tuple(heard[number]),
            num_in_show={speaker.show: num_in_show[speaker.show] for speaker in heard[number]},
        )
        for number, row in first.items()
    ]
