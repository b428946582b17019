"""The voiceprints that profiles are known by, and the clips kept with them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from ..errors import LibraryError
from ..types import Embedding
from . import vectors
from .database import insert, now
from .profiles import profile_id, remove_unused_clips
from .schema import clips, profiles, voiceprints

CONSENT = ("self", "permission", "public")
"""On what basis a voice may be kept: it is the user's own, its owner agreed, or it is published."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredVoiceprint:
    """One voiceprint. ``clip`` tells apart the clips of one profile; None where none was kept."""

    id: int
    embedding: Embedding
    source: str
    audio_sha256: str
    consent: str
    clip: int | None


def of_profile(connection: sa.Connection, profile_id: int, embedder: str, dimension: int) -> Iterator[StoredVoiceprint]:
    """Oldest first."""
    wanted = (voiceprints.c.profile_id == profile_id) & (voiceprints.c.embedder == embedder)
    for row in connection.execute(sa.select(voiceprints).where(wanted).order_by(voiceprints.c.id)):
        vector = vectors.from_bytes(row.vector, dimension)[0]
        yield StoredVoiceprint(
            id=row.id,
            embedding=Embedding(vector, seconds=row.seconds, start=row.start, end=row.stop),
            source=row.source,
            audio_sha256=row.audio_sha256,
            consent=row.consent,
            clip=row.clip_id,
        )


def remove(connection: sa.Connection, profile_id: int, ids: Collection[int]) -> int:
    """Removes these voiceprints of a profile, with clips that none needs any more, and says how many."""
    own = (voiceprints.c.profile_id == profile_id) & voiceprints.c.id.in_(list(ids))
    num_removed = connection.execute(voiceprints.delete().where(own)).rowcount
    remove_unused_clips(connection, profile_id)
    return num_removed


@dataclass(frozen=True, slots=True)
class VoiceprintRow:
    """Where one voiceprint of a profile comes from."""

    id: int
    created: str
    source: str
    audio_sha256: str
    start: float
    end: float
    seconds: float
    consent: str
    embedder: str
    has_clip: bool


def add_voiceprints(
    connection: sa.Connection,
    name: str,
    embeddings: Sequence[Embedding],
    *,
    embedder: str,
    dimension: int,
    consent: str,
    source: str,
    audio_sha256: str,
    clip: bytes | None,
) -> int:
    """How many voiceprints are new; one of the same audio and span takes the place of the old one."""
    if consent not in CONSENT:
        raise LibraryError(f"{consent!r}: consent is one of {', '.join(CONSENT)}")
    profile = profile_id(connection, name)
    rows = vectors.stack(embeddings, dimension, name)
    if not embeddings:
        return 0
    spans = [{"at": float(embedding.start), "until": float(embedding.end)} for embedding in embeddings]
    if len({(span["at"], span["until"]) for span in spans}) < len(spans):
        raise LibraryError(f"{name}: two embeddings of one span of audio; keep one")
    clip_id = None
    if clip is not None:
        clip_id = insert(connection, clips, profile_id=profile, audio=clip, created=now())
    same = {"profile_id": profile, "embedder": embedder, "audio_sha256": audio_sha256}
    replaced = connection.execute(
        voiceprints.delete().where(
            *(voiceprints.c[column] == value for column, value in same.items()),
            voiceprints.c.start == sa.bindparam("at"),
            voiceprints.c.stop == sa.bindparam("until"),
        ),
        spans,
    )
    rest = {"clip_id": clip_id, "source": source, "consent": consent, "created": now()}
    connection.execute(
        voiceprints.insert(),
        [
            same
            | rest
            | {"start": span["at"], "stop": span["until"], "seconds": float(embedding.seconds)}
            | {"vector": vectors.to_bytes(row)}
            for embedding, row, span in zip(embeddings, rows, spans, strict=True)
        ],
    )
    remove_unused_clips(connection, profile)
    return len(embeddings) - replaced.rowcount


def voiceprint_rows(connection: sa.Connection, name: str) -> Iterator[VoiceprintRow]:
    wanted = voiceprints.c.profile_id == profile_id(connection, name)
    columns = [column for column in voiceprints.c if column.name != "vector"]
    order = (voiceprints.c.created, voiceprints.c.audio_sha256, voiceprints.c.start)
    for row in connection.execute(sa.select(*columns).where(wanted).order_by(*order)):
        yield VoiceprintRow(
            id=row.id,
            created=row.created,
            source=row.source,
            audio_sha256=row.audio_sha256,
            start=row.start,
            end=row.stop,
            seconds=row.seconds,
            consent=row.consent,
            embedder=row.embedder,
            has_clip=row.clip_id is not None,
        )


def all_voiceprints(
    connection: sa.Connection, embedder: str, dimension: int
) -> tuple[tuple[str, ...], np.ndarray[Any, np.dtype[np.float32]], np.ndarray[Any, np.dtype[np.float32]]]:
    """Of every voiceprint of the library's embedder: names, (num_voiceprints, dimension) vectors, seconds."""
    of_embedder = voiceprints.c.embedder == embedder
    num_rows = connection.scalar(sa.select(sa.func.count()).select_from(voiceprints).where(of_embedder)) or 0
    rows = (
        sa.select(profiles.c.name, voiceprints.c.vector, voiceprints.c.seconds)
        .join(profiles)
        .where(of_embedder)
        .order_by(voiceprints.c.profile_id, voiceprints.c.id)
        .execution_options(yield_per=10_000)
    )
    matrix = np.empty((num_rows, dimension), np.float32)
    seconds = np.empty(num_rows, np.float32)
    names = []
    for row_idx, (name, vector, length) in enumerate(connection.execute(rows)):
        matrix[row_idx] = np.frombuffer(vector, "<f4")
        seconds[row_idx] = length
        names.append(name)
    return tuple(names), matrix, seconds


def kept_clips(connection: sa.Connection, name: str) -> list[tuple[int, int]]:
    """(first voiceprint, clip) of each clip kept for a profile."""
    rows = connection.execute(
        sa.select(sa.func.min(voiceprints.c.id), voiceprints.c.clip_id)
        .where(voiceprints.c.profile_id == profile_id(connection, name), voiceprints.c.clip_id.is_not(None))
        .group_by(voiceprints.c.clip_id)
        .order_by(voiceprints.c.clip_id)
    )
    return [(first, clip) for first, clip in rows]
