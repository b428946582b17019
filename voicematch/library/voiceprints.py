"""The voiceprints that profiles are known by, and the clips kept with them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from ..errors import LibraryError, shown
from ..types import Embedding
from ..voices.consent import CONSENT, TODAY
from ..voices.score import Voiceprints
from . import vectors
from .database import Database, insert, now
from .keys import plain, profile_id, storable
from .pins import Pin
from .profiles import remove_unused_clips
from .schema import clips, profiles, voiceprints


@dataclass(frozen=True, slots=True, eq=False)
class StoredVoiceprint:
    """One voiceprint. ``clip`` tells apart the clips of one profile; None where none was kept."""

    id: int
    embedding: Embedding
    source: str
    audio_sha256: str
    consent: str
    clip: int | None
    consent_date: str | None = None
    consent_note: str | None = None


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
    consent_date: str | None = None
    consent_note: str | None = None


class StoredVoiceprints:
    """The voiceprints of an open library, and the clips kept with them. Each method is one transaction.

    A name that no profile has is ProfileNotFound.
    """

    def __init__(self, database: Database, pin: Pin) -> None:
        self._database = database
        self._pin = pin

    def add(
        self,
        profile: str,
        embeddings: Sequence[Embedding],
        *,
        embedder: str,
        consent: str,
        source: str,
        audio_sha256: str,
        clip: bytes | None = None,
        consent_date: str | None = TODAY,
        consent_note: str | None = None,
    ) -> int:
        """Add voiceprints to a profile, and return how many are new; the same span of the same audio is replaced.

        consent : "self", "permission" or "public"
        consent_date, consent_note : the day it was given, None where nobody knows, and what else was said of it
        clip : the encoded audio they were made from, kept so that a later embedder can hear it again

        Raises EmbedderMismatch, and LibraryError for an unknown consent or two embeddings of one span.
        """
        with self._database.write() as connection:
            dimension = self._pin.admit(connection, embedder, embeddings) or 0
            if consent not in CONSENT:
                raise LibraryError(f"{consent!r}: consent is one of {', '.join(CONSENT)}")
            number = profile_id(connection, profile)
            vectors_of_rows = vectors.stack(embeddings, dimension, profile)
            if not embeddings:
                return 0
            spans = [{"start": float(one.start), "stop": float(one.end)} for one in embeddings]
            if len({tuple(span.values()) for span in spans}) < len(spans):
                raise LibraryError(f"{profile}: two embeddings of one span of audio; keep one")
            same = {"profile_id": number, "embedder": embedder, "audio_sha256": audio_sha256}
            num_replaced = _remove_spans(connection, same, spans)
            clip_id = None
            if clip is not None:
                digest = hashlib.sha256(clip).hexdigest()
                clip_id = insert(connection, clips, profile_id=number, audio=clip, created=now(), sha256=digest)
            rest = {"clip_id": clip_id, "source": storable(shown(source)), "consent": consent, "created": now()}
            day = now()[:10] if consent_date == TODAY else consent_date
            rest |= {"consent_date": day, "consent_note": plain(consent_note or "") or None}
            connection.execute(
                voiceprints.insert(),
                [
                    same | rest | span | {"seconds": float(embedding.seconds), "vector": vectors.to_bytes(vector)}
                    for embedding, vector, span in zip(embeddings, vectors_of_rows, spans, strict=True)
                ],
            )
            remove_unused_clips(connection, number)
        return len(embeddings) - num_replaced

    def rows(self, profile: str) -> tuple[VoiceprintRow, ...]:
        """Say where each voiceprint of a profile comes from, oldest first."""
        columns = [column for column in voiceprints.c if column.name != "vector"]
        order = (voiceprints.c.created, voiceprints.c.audio_sha256, voiceprints.c.start)
        with self._database.read() as connection:
            wanted = voiceprints.c.profile_id == profile_id(connection, profile)
            stored = connection.execute(sa.select(*columns).where(wanted).order_by(*order)).all()
        return tuple(
            VoiceprintRow(
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
                consent_date=row.consent_date,
                consent_note=row.consent_note,
            )
            for row in stored
        )

    def of(self, profile: str) -> tuple[StoredVoiceprint, ...]:
        """Return the voiceprints of one profile with their vectors, oldest first."""
        with self._database.read() as connection:
            dimension = self._pin.dimension(connection) or 0
            wanted = voiceprints.c.profile_id == profile_id(connection, profile)
            wanted &= voiceprints.c.embedder == self._pin.embedder
            stored = connection.execute(sa.select(voiceprints).where(wanted).order_by(voiceprints.c.id)).all()
        return tuple(
            StoredVoiceprint(
                id=row.id,
                embedding=Embedding(
                    vectors.from_bytes(row.vector, dimension)[0], seconds=row.seconds, start=row.start, end=row.stop
                ),
                source=row.source,
                audio_sha256=row.audio_sha256,
                consent=row.consent,
                clip=row.clip_id,
                consent_date=row.consent_date,
                consent_note=row.consent_note,
            )
            for row in stored
        )

    def remove(self, profile: str, ids: Collection[int]) -> int:
        """Remove some voiceprints of a profile, with clips that none needs any more, and return how many."""
        with self._database.write() as connection:
            number = profile_id(connection, profile)
            own = (voiceprints.c.profile_id == number) & voiceprints.c.id.in_(list(ids))
            num_removed = connection.execute(voiceprints.delete().where(own)).rowcount
            remove_unused_clips(connection, number)
            return num_removed

    def all(self) -> Voiceprints:
        """Return every voiceprint, as ``score.scores`` takes them; the rows of one profile follow each other."""
        of_embedder = voiceprints.c.embedder == self._pin.embedder
        counted = sa.select(sa.func.count()).select_from(voiceprints).where(of_embedder)
        rows = (
            sa.select(profiles.c.name, voiceprints.c.vector, voiceprints.c.seconds)
            .join(profiles)
            .where(of_embedder)
            .order_by(voiceprints.c.profile_id, voiceprints.c.id)
            .execution_options(yield_per=10_000)
        )
        with self._database.read() as connection:
            num_rows = connection.scalar(counted) or 0
            matrix = np.empty((num_rows, self._pin.dimension(connection) or 0), np.float32)
            seconds = np.empty(num_rows, np.float32)
            names = []
            for row_idx, (name, vector, length) in enumerate(connection.execute(rows)):
                matrix[row_idx] = np.frombuffer(vector, "<f4")
                seconds[row_idx] = length
                names.append(name)
        return Voiceprints(profiles=tuple(names), vectors=matrix, seconds=seconds)

    def clips(self, profile: str) -> Iterator[tuple[int, bytes]]:
        """Yield (id of its first voiceprint, encoded audio) of each clip kept, one in memory at a time."""
        with self._database.read() as connection:
            of_profile = voiceprints.c.profile_id == profile_id(connection, profile)
            kept = connection.execute(
                sa.select(sa.func.min(voiceprints.c.id), voiceprints.c.clip_id)
                .where(of_profile, voiceprints.c.clip_id.is_not(None))
                .group_by(voiceprints.c.clip_id)
                .order_by(voiceprints.c.clip_id)
            ).all()
        for first, clip in kept:
            with self._database.read() as connection:
                audio = connection.scalar(sa.select(clips.c.audio).where(clips.c.id == clip))
            if audio is not None:
                yield int(first), bytes(audio)


def _remove_spans(connection: sa.Connection, same: Mapping[str, object], spans: Sequence[Mapping[str, float]]) -> int:
    """Remove the voiceprints of one audio that are of these spans, and return how many there were."""
    replaced = connection.execute(
        voiceprints.delete().where(
            *(voiceprints.c[column] == value for column, value in same.items()),
            voiceprints.c.start == sa.bindparam("at"),
            voiceprints.c.stop == sa.bindparam("until"),
        ),
        [{"at": span["start"], "until": span["stop"]} for span in spans],
    )
    return replaced.rowcount
