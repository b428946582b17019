"""Which embedder a library belongs to: vectors of two models never meet."""

from __future__ import annotations

import sqlalchemy as sa

from ..errors import EmbedderMismatch
from ..models.table import DEFAULT_EMBEDDER, MODELS
from .schema import settings, speaker_embeddings, voiceprints

OF_LIBRARY = settings.c.embedder == ""  # the rows of settings that belong to no embedder: the pins


def read(connection: sa.Connection) -> tuple[str | None, int | None]:
    """The embedder and its dimension, as far as they are known."""
    rows = connection.execute(sa.select(settings.c.key, settings.c.value).where(OF_LIBRARY)).all()
    pinned = {row.key: row.value for row in rows}
    return pinned.get("embedder"), int(pinned["dimension"]) if "dimension" in pinned else None


def tie(
    connection: sa.Connection, location: str, embedder: str | None, dimension: int | None
) -> tuple[str, int | None]:
    """Ties the library to an embedder, by default to the one it has; while it holds no vectors it may still change.

    Raises EmbedderMismatch.
    """
    pinned, pinned_dimension = read(connection)
    embedder = embedder or pinned or DEFAULT_EMBEDDER
    if embedder == pinned and dimension in (None, pinned_dimension):
        return pinned, pinned_dimension
    if pinned is not None and _holds_vectors(connection):
        raise _mismatch(location, pinned, pinned_dimension, embedder, dimension)
    if dimension is None and embedder in MODELS:
        dimension = MODELS[embedder].dimension
    connection.execute(settings.delete().where(OF_LIBRARY))
    _write(connection, embedder=embedder, dimension=dimension)
    return embedder, dimension


def admit(connection: sa.Connection, location: str, embedder: str, dimension: int | None) -> int | None:
    """The library's dimension, after checking that vectors of this embedder and dimension may be stored.

    The first vectors of an embedder that is in no table say its dimension. Raises EmbedderMismatch.
    """
    pinned, pinned_dimension = read(connection)
    if embedder != pinned or (dimension is not None and pinned_dimension not in (None, dimension)):
        raise _mismatch(location, str(pinned), pinned_dimension, embedder, dimension)
    if pinned_dimension is None and dimension is not None:
        _write(connection, dimension=dimension)
    return pinned_dimension or dimension


def move(connection: sa.Connection, embedder: str, dimension: int) -> None:
    """Ties the library to another embedder, whatever it holds; what it held of the old one counts no more."""
    connection.execute(settings.delete().where(OF_LIBRARY))
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
