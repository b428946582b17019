"""Voices that nobody has named, remembered across episodes under numbers that stay: U-0001, U-0002 …

A speaker without a name who talks long enough belongs to one unknown. When the speaker is named, the link stays but
counts no more: an unknown is heard where its speakers are unnamed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from ..errors import LibraryError
from ..types import Embedding
from ..voices.recognise import UnknownVoices
from ..voices.rules import name_of, number_of
from ..voices.score import Voiceprints, centroid, steadiness
from . import as_heard, erasure, vectors
from .database import Database, insert, now
from .pins import Pin
from .schema import UNNAMED, episodes, speaker_embeddings, speakers, unknown_speakers, unknowns
from .shows import by_episode

MIN_SECONDS = 20.0  # net speech in an episode below which a voice is a cameo, and not remembered


Recognise = Callable[[Mapping[str, Sequence[Embedding]], UnknownVoices], Mapping[str, str]]
"""Return which unknown each unnamed speaker of an episode is; one who is none of them is absent."""


class Unknowns:
    """The unnamed voices of an open library. Each method is one transaction."""

    def __init__(self, database: Database, pin: Pin) -> None:
        self._database = database
        self._pin = pin

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

    def number(self, audio_sha256: str, label: str, embeddings: Sequence[Embedding]) -> str:
        """Return the number (U-0001) of an unnamed speaker, who gets one now if need be, however little is said."""
        with self._database.write() as connection:
            of_speaker = sa.select(speakers.c.id).join(episodes)
            speaker = connection.scalar(
                of_speaker.where(episodes.c.audio_sha256 == audio_sha256, speakers.c.label == label)
            )
            if speaker is None:
                raise LibraryError(f"the episode has no speaker {label}")
            linked = sa.select(unknown_speakers.c.unknown_id).where(unknown_speakers.c.speaker_id == speaker)
            number = connection.scalar(linked)
            if number is None:
                number = insert(connection, unknowns, created=now())
                link(connection, speaker, number, embeddings)
            return name_of(number)

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

    def forget(self, name: str) -> int:
        """Erase an unknown and the stored voices of its speakers, who cannot be named by voice any more. Says how many.

        `Profiles.let_go` takes it out of the bytes of the file.
        """
        with self._database.write() as connection:
            number = _existing(connection, name)
            own = sa.select(unknown_speakers.c.speaker_id).where(unknown_speakers.c.unknown_id == number)
            num_erased = _erase(connection, speakers.c.id.in_(own))
            connection.execute(unknowns.delete().where(unknowns.c.id == number))
            erasure.make_due(connection)
            return num_erased

    def last_stored_before(self, moment: str) -> tuple[str, ...]:
        """Return the unknowns that are heard without a name, but in no episode stored since a moment (ISO 8601)."""
        newest = (
            sa.select(unknown_speakers.c.unknown_id, sa.func.max(episodes.c.stored))
            .join(speakers, speakers.c.id == unknown_speakers.c.speaker_id)
            .join(episodes, episodes.c.id == speakers.c.episode_id)
            .where(UNNAMED)
            .group_by(unknown_speakers.c.unknown_id)
            .order_by(unknown_speakers.c.unknown_id)
        )
        with self._database.read() as connection:
            return tuple(name_of(number) for number, last in connection.execute(newest) if last < moment)

    def erase_unnamed(self, audio_sha256: str) -> int:
        """Erase the stored voices of an episode's speakers without a name, and say of how many."""
        with self._database.write() as connection:
            of_episode = sa.select(episodes.c.id).where(episodes.c.audio_sha256 == audio_sha256)
            return _erase(connection, speakers.c.episode_id.in_(of_episode))

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


def _erase(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> int:
    """Erase the stored voices of some speakers, those alone who have no name."""
    unnamed = sa.select(speakers.c.id).where(wanted, UNNAMED)
    return as_heard.erase_voices(connection, connection.scalars(unnamed).all())


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
    known = recognise(embeddings_by_label, _known_before(connection, episode_id, embedder, dimension))
    for label, (speaker, embeddings) in voices.items():
        number = number_of(known.get(label, ""))
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
    """Return by label the unknown that each unnamed speaker is."""
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


def _known_before(connection: sa.Connection, episode_id: int, embedder: str, dimension: int) -> UnknownVoices:
    """All unknowns, as the episode is to be compared with them."""
    rows = _heard(connection, embedder, sa.true())
    show_by_episode = by_episode(connection)
    show = show_by_episode[episode_id]
    return UnknownVoices(
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
