"""Forgetting a person: out of the tables, and out of the bytes of the file."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from ..errors import LibraryError
from ..types import Verdict
from . import keys
from .database import Database
from .schema import candidates, clips, jobs, lines, speaker_embeddings, speakers, unknown_speakers, voiceprints
from .schema import profiles as profiles_table

log = logging.getLogger(__name__)

FORGOTTEN = "a forgotten profile"
"""What stands where a forgotten name stood."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What went when a profile was forgotten.

    num_speakers : speakers of episodes that carried the name or had it suggested; they are unknown now
    num_speaker_embeddings : of those, the ones whose stored voice was erased, because the name had been accepted
    num_lines : lines of transcripts from which the name was taken as speaker; what was said stays as it was
    compacted : the bytes are gone from the file too; False when another process held the library open
    backups : copies made before migrations, which still hold what they held
    """

    num_voiceprints: int
    num_clips: int
    num_speakers: int
    num_speaker_embeddings: int
    num_candidates: int
    num_lines: int
    compacted: bool = False
    backups: tuple[Path, ...] = ()


def forget(connection: sa.Connection, name: str) -> Forgotten:
    """Erases a profile from every table. ``compact`` then takes it out of the file."""
    profile = keys.profile_id(connection, name)
    stored_name = connection.scalar(sa.select(profiles_table.c.name).where(profiles_table.c.id == profile)) or name

    def num_rows(column: sa.Column[int]) -> int:
        counted = sa.select(sa.func.count()).select_from(column.table).where(column == profile)
        return int(connection.scalar(counted) or 0)

    num_voiceprints, num_clips = num_rows(voiceprints.c.profile_id), num_rows(clips.c.profile_id)
    num_candidates = num_rows(candidates.c.profile_id)
    accepted = sa.select(speakers.c.id).where(
        speakers.c.profile_id == profile, speakers.c.verdict == Verdict.ACCEPT.value
    )
    voices = connection.execute(speaker_embeddings.delete().where(speaker_embeddings.c.speaker_id.in_(accepted)))
    connection.execute(unknown_speakers.delete().where(unknown_speakers.c.speaker_id.in_(accepted)))
    unnamed = connection.execute(
        speakers.update()
        .where(speakers.c.profile_id == profile)
        .values(
            verdict=Verdict.UNKNOWN.value,
            profile_id=None,
            probability=0.0,
            confirmed=None,
            reasons=json.dumps([f"was matched to {FORGOTTEN}"]),
        )
    )
    connection.execute(profiles_table.delete().where(profiles_table.c.id == profile))
    _scrub_reasons(connection, stored_name)
    _scrub_credits(connection, stored_name)
    return Forgotten(
        num_voiceprints=num_voiceprints,
        num_clips=num_clips,
        num_speakers=unnamed.rowcount,
        num_speaker_embeddings=voices.rowcount,
        num_candidates=num_candidates,
        num_lines=_scrub_lines(connection, stored_name),
    )


def _scrub_reasons(connection: sa.Connection, name: str) -> None:
    """Reasons hold ids in place of names; this catches a name that came in spelled another way."""
    mentions = sa.select(speakers.c.id, speakers.c.reasons).where(
        sa.func.lower(speakers.c.reasons).contains(name.lower(), autoescape=True)
        | speakers.c.reasons.contains(json.dumps(name, ensure_ascii=False)[1:-1], autoescape=True)
    )
    anyhow = re.compile(re.escape(name), re.IGNORECASE)
    for speaker, reasons in connection.execute(mentions).all():
        scrubbed = [anyhow.sub(FORGOTTEN, reason) for reason in json.loads(reasons)]
        connection.execute(
            speakers.update().where(speakers.c.id == speaker).values(reasons=json.dumps(scrubbed, ensure_ascii=False))
        )


def _scrub_credits(connection: sa.Connection, name: str) -> None:
    """A feed may name who takes part in an episode: that name goes from what is kept of it."""
    forgotten = keys.key(name)

    def scrubbed(about: str) -> str:
        known = json.loads(about)
        if "persons" in known:
            known["persons"] = [person for person in known["persons"] if keys.key(str(person[0])) != forgotten]
        return json.dumps(known)

    mentions = jobs.c.about.contains('"persons"') | jobs.c.changed_to.contains("persons")
    for job, about, changed_to in connection.execute(
        sa.select(jobs.c.id, jobs.c.about, jobs.c.changed_to).where(mentions)
    ).all():
        values: dict[str, str | None] = {"about": scrubbed(about)}
        if changed_to is not None:
            waiting = json.loads(changed_to)
            values["changed_to"] = json.dumps(waiting | {"about": scrubbed(waiting["about"])})
        connection.execute(jobs.update().where(jobs.c.id == job).values(values))


def _scrub_lines(connection: sa.Connection, name: str) -> int:
    """Lines of a transcript file may name their speaker: that name goes, the words stay."""
    forgotten = keys.key(name)
    spellings = [
        speaker
        for speaker in connection.scalars(sa.select(lines.c.speaker).distinct().where(lines.c.speaker.is_not(None)))
        if keys.key(speaker) == forgotten
    ]
    num_scrubbed = 0
    if spellings:
        found = connection.execute(lines.update().where(lines.c.speaker.in_(spellings)).values(speaker=None))
        num_scrubbed = found.rowcount
    quoted = json.dumps(name, ensure_ascii=False)[1:-1].lower()
    mentions = sa.select(lines.c.id, lines.c.words, lines.c.others).where(
        sa.func.lower(lines.c.words).contains(quoted, autoescape=True)
        | sa.func.lower(lines.c.others).contains(quoted, autoescape=True)
    )
    for line, words, others in connection.execute(mentions).all():
        values: dict[str, str | None] = {}
        if words:
            scrubbed = [
                [*word[:3], None] if word[3] and keys.key(word[3]) == forgotten else word for word in json.loads(words)
            ]
            values["words"] = json.dumps(scrubbed, ensure_ascii=False, separators=(",", ":"))
        if others:
            kept = [other for other in json.loads(others) if keys.key(other) != forgotten]
            values["others"] = json.dumps(kept, ensure_ascii=False) if kept else None
        connection.execute(lines.update().where(lines.c.id == line).values(values))
    return num_scrubbed


def compact(database: Database, forgotten: Forgotten) -> Forgotten:
    """Rewrites the file without what was deleted, and says whether that could be done now."""
    if database.path is None:
        _vacuum_postgresql(database)
        return replace(forgotten, compacted=True)
    backups = tuple(sorted(database.path.parent.glob(f"{database.path.name}.*.backup")))
    try:
        with database.bare() as connection:
            connection.execute("VACUUM")
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except LibraryError as error:
        log.warning("%s; what was forgotten leaves the file's bytes with the next forgetting", error)
        return replace(forgotten, backups=backups)
    if busy:
        log.warning(
            "%s: another process reads it; the write-ahead log still holds old bytes until it ends", database.location
        )
    return replace(forgotten, compacted=not busy, backups=backups)


def _vacuum_postgresql(database: Database) -> None:
    tables = (
        voiceprints,
        clips,
        profiles_table,
        speakers,
        candidates,
        speaker_embeddings,
        unknown_speakers,
        lines,
        jobs,
    )
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in tables:
            connection.exec_driver_sql(f"VACUUM (FULL) {table.name}")
