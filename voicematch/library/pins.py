"""Which embedder a library belongs to: vectors of two models never meet."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from ..errors import EmbedderMismatch
from ..models.table import DEFAULT_EMBEDDER, MODELS
from ..types import Embedding
from .database import Database
from .schema import settings, speaker_embeddings, voiceprints

PINS = (settings.c.embedder == "") & settings.c.key.in_(("embedder", "dimension", "weights"))  # rows of settings
WEIGHTS = (settings.c.embedder == "") & (settings.c.key == "weights")


def read(connection: sa.Connection) -> tuple[str | None, int | None]:
    """Read the embedder and its dimension, as far as they are known. One that is no number is for `check` to find."""
    rows = connection.execute(sa.select(settings.c.key, settings.c.value).where(PINS)).all()
    pinned = {row.key: row.value for row in rows}
    dimension = str(pinned.get("dimension", ""))
    return pinned.get("embedder"), int(dimension) if dimension.isascii() and dimension.isdigit() else None


class Pin:
    """The embedder that an open library is tied to; all its rooms share it.

    Another process may move the library to another one at any time; each write transaction heeds that from its start.
    """

    def __init__(self, database: Database, embedder: str | None, dimension: int | None) -> None:
        self._database = database
        self.embedder, self._dimension = self._tied(embedder, dimension)

    def follow(self, connection: sa.Connection) -> None:
        """Keep to the embedder that the library has today."""
        embedder, dimension = read(connection)
        if embedder is not None:
            self.embedder, self._dimension = embedder, dimension

    def dimension(self, connection: sa.Connection) -> int | None:
        """Read how long the vectors are; None until the first, for an embedder that is not in the table of models."""
        return self._dimension if self._dimension is not None else read(connection)[1]

    def tie(self, embedder: str | None, dimension: int | None) -> None:
        """Tie the library to an embedder, by default to the one it has; while it holds no vectors it may still change.

        Raises EmbedderMismatch.
        """
        self.embedder, self._dimension = self._tied(embedder, dimension)

    def tie_weights(self, weights: str) -> None:
        """Tie the library to these weights of its embedder, while it holds no vectors, or where none are known.

        Raises EmbedderMismatch.
        """
        of_library = sa.select(settings.c.value).where(WEIGHTS)
        with self._database.read() as connection:
            if connection.scalar(of_library) == weights:
                return
        with self._database.write() as connection:
            if connection.scalar(of_library) not in (None, weights) and _holds_vectors(connection):
                raise EmbedderMismatch(
                    f"{self._database.location} holds voices that {self.embedder!r} made before its file was replaced: "
                    "this is another model; put the file back, or give the new one a name of its own"
                )
            connection.execute(settings.delete().where(WEIGHTS))
            _write(connection, weights=weights)

    def admit(self, connection: sa.Connection, embedder: str, embeddings: Sequence[Embedding]) -> int | None:
        """Check that these vectors of an embedder may be stored, and return the library's dimension.

        The first vectors of an embedder that is in no table say its dimension. Raises EmbedderMismatch.
        """
        dimension = int(embeddings[0].vector.shape[-1]) if embeddings else None
        pinned, pinned_dimension = read(connection)
        if embedder != pinned or (dimension is not None and pinned_dimension not in (None, dimension)):
            raise _mismatch(self._database.location, str(pinned), pinned_dimension, embedder, dimension)
        if pinned_dimension is None and dimension is not None:
            _write(connection, dimension=dimension)
        return pinned_dimension or dimension

    def _tied(self, embedder: str | None, dimension: int | None) -> tuple[str, int | None]:
        with self._database.read() as connection:
            pinned, pinned_dimension = read(connection)
        if pinned is not None and embedder in (None, pinned) and dimension in (None, pinned_dimension):
            return pinned, pinned_dimension  # nothing to write, so another process may be writing meanwhile
        with self._database.write() as connection:
            pinned, pinned_dimension = read(connection)
            embedder = embedder or pinned or DEFAULT_EMBEDDER
            if embedder == pinned and dimension in (None, pinned_dimension):
                return pinned, pinned_dimension
            if pinned is not None and _holds_vectors(connection):
                raise _mismatch(self._database.location, pinned, pinned_dimension, embedder, dimension)
            if dimension is None and embedder in MODELS:
                dimension = MODELS[embedder].dimension
            move(connection, embedder, dimension)
        return embedder, dimension


def move(connection: sa.Connection, embedder: str, dimension: int | None) -> None:
    """Tie the library to another embedder, whatever it holds; what is set for the library stays set."""
    connection.execute(settings.delete().where(PINS))
    _write(connection, embedder=embedder, dimension=dimension)


def _write(connection: sa.Connection, **pins: str | int | None) -> None:
    rows = [{"embedder": "", "key": key, "value": str(value)} for key, value in pins.items() if value is not None]
    connection.execute(settings.insert(), rows)


def _holds_vectors(connection: sa.Connection) -> bool:
    tables = (voiceprints.c.id, speaker_embeddings.c.speaker_id)
    return any(connection.scalar(sa.select(column).limit(1)) is not None for column in tables)


def _mismatch(
    location: str, pinned: str, pinned_dimension: int | None, embedder: str, dimension: int | None
) -> EmbedderMismatch:
    if pinned == embedder:
        return EmbedderMismatch(
            f"{location} holds vectors of dimension {pinned_dimension}, but {embedder!r} now gives {dimension}: "
            "this is another model; give it a name of its own"
        )
    use = f"use {pinned!r}, " if pinned in MODELS else ""  # one of an earlier version cannot be used any more
    return EmbedderMismatch(
        f"{location} holds voices of {pinned!r}, not of {embedder!r}, and the two cannot be compared; "
        f"{use}choose another library for {embedder!r}, or move this one to it: "
        f"voicematch library upgrade --embedder {embedder}"
    )
