"""The voiceprints of one profile with their vectors, to choose among, to give away, or to take back."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from ..types import Embedding
from . import vectors
from .profiles import remove_unused_clips
from .schema import voiceprints


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
