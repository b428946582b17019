"""A library's way to another embedder: new voiceprints in place of all the old ones, and a new pin, in one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ..errors import LibraryError
from ..types import Embedding, Part
from . import pins, vectors
from .database import Database
from .episodes import parts_from_json
from .profiles import remove_unused_clips
from .schema import episodes, voiceprints


@dataclass(frozen=True, slots=True)
class Remade:
    """A voiceprint by the new embedder. ``replaces`` are the ids of those it was made anew from, all of one profile."""

    replaces: tuple[int, ...]
    embedding: Embedding


@dataclass(frozen=True, slots=True)
class StaleEpisode:
    """A stored episode whose voices another embedder heard."""

    audio_sha256: str
    source: str
    title: str
    date: str | None
    embedder: str
    parts: tuple[Part, ...] = ()


class Moving:
    """The way of an open library to another embedder."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stale_episodes(self, embedder: str) -> tuple[StaleEpisode, ...]:
        """List the episodes that ``embedder`` has not heard, oldest first."""
        columns = (episodes.c.audio_sha256, episodes.c.source, episodes.c.title, episodes.c.date, episodes.c.embedder)
        stale = sa.select(*columns, episodes.c.parts).where(episodes.c.embedder != embedder).order_by(episodes.c.id)
        with self._database.read() as connection:
            return tuple(StaleEpisode(*row[:-1], parts_from_json(row.parts)) for row in connection.execute(stale))

    def adopt(
        self, embedder: str, dimension: int, remade: Sequence[Remade], *, known: frozenset[int], before: str
    ) -> None:
        """Pin the library to another embedder, with these voiceprints in place of all it holds.

        Consent, source, time and clip stay those of the voiceprints replaced. The vectors of episodes stay too, and
        count no more, until the episode is heard again.

        known : the ids of all voiceprints there were when these were made
        before : the embedder of those

        Raises LibraryError when voices were added or removed meanwhile; then the library is as it was.
        """
        with self._database.write() as connection:
            columns = [column for column in voiceprints.c if column.name != "vector"]
            rows = {row.id: row._mapping for row in connection.execute(sa.select(*columns))}
            if rows.keys() != known or pins.read(connection)[0] != before:
                raise LibraryError(f"{self._database.location}: voices were added or removed meanwhile; run it again")
            made = vectors.stack([one.embedding for one in remade], dimension, embedder)
            connection.execute(voiceprints.delete())
            if remade:
                connection.execute(
                    voiceprints.insert(),
                    [
                        {name: value for name, value in rows[one.replaces[0]].items() if name != "id"}
                        | {"embedder": embedder, "vector": vectors.to_bytes(vector)}
                        | {"start": one.embedding.start, "stop": one.embedding.end, "seconds": one.embedding.seconds}
                        for one, vector in zip(remade, made, strict=True)
                    ],
                )
            for profile in {row["profile_id"] for row in rows.values()}:
                remove_unused_clips(connection, profile)
            pins.move(connection, embedder, dimension)
