"""From any released schema to today's. A new library is made at once; an older one is backed up, then changed step
by step in one transaction that also records the steps, so that a crash leaves the old library whole.

A new step is a function and a line in STEPS, and a file of the schema it leads to is kept for the tests:
``python -m tests.support.library_example tests/fixtures/library-NUMBER.db``.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Table

from ..errors import LibraryError
from ..voices.score import steadiness
from . import folding, schema, vectors
from .database import Database, add_column, now
from .schema import (
    as_heard,
    clips,
    copies,
    episodes,
    fixes,
    heard_voices,
    job_outputs,
    jobs,
    known_as,
    lines,
    outputs,
    profiles,
    ruled_out,
    set_aside,
    speaker_embeddings,
    speakers,
    unknown_speakers,
    unknowns,
    voiceprints,
    windows,
)
from .upkeep import copy_sqlite

log = logging.getLogger(__name__)

Step = tuple[str, Callable[[sa.Connection], None]]


def create_jobs(connection: sa.Connection) -> None:
    """Make the backlog. Before these tables change, this step gets a copy of them as they are."""
    schema.metadata.create_all(connection, tables=[jobs, job_outputs])


def create_unknowns(connection: sa.Connection) -> None:
    """Make the unknowns, whose speakers had no steadiness then."""
    first = sa.MetaData()
    for table in (speakers, unknowns, profiles, episodes):  # what the two refer to
        table.to_metadata(first)
    Table(
        "unknown_speakers",
        first,
        Column("speaker_id", schema.ID, ForeignKey("speakers.id", ondelete="CASCADE"), primary_key=True),
        Column("unknown_id", schema.ID, ForeignKey("unknowns.id", ondelete="CASCADE"), nullable=False, index=True),
        Column("vector", sa.LargeBinary, nullable=False),
        Column("seconds", sa.Double, nullable=False),
    )
    schema.metadata.create_all(connection, tables=[unknowns, ruled_out])
    first.create_all(connection, tables=[first.tables["unknown_speakers"]])


def create_outputs(connection: sa.Connection) -> None:
    """Make the table of files written. Before, those of the backlog were known, but not what was written there."""
    first = sa.MetaData()
    for table in (profiles, speakers, episodes):  # what it refers to
        table.to_metadata(first)
    Table(
        "outputs",
        first,
        Column("path", sa.Text, primary_key=True),
        Column("episode_id", schema.ID, ForeignKey("episodes.id", ondelete="CASCADE"), nullable=False, index=True),
        Column("format", sa.Text, nullable=False),
        Column("digest", sa.Text),
        Column("digest_before", sa.Text),
    )
    first.create_all(connection, tables=[first.tables["outputs"]])


def add_show_and_chapters(connection: sa.Connection) -> None:
    """Let an episode know its show, out of the backlog for those that came from it, and its chapters."""
    add_column(connection, episodes.c.show)
    add_column(connection, episodes.c.chapters)
    of_job = sa.text(
        "UPDATE episodes SET show = (SELECT max(jobs.show) FROM jobs WHERE jobs.audio_sha256 = episodes.audio_sha256)"
        " WHERE EXISTS (SELECT 1 FROM jobs WHERE jobs.audio_sha256 = episodes.audio_sha256)"
    )
    connection.execute(of_job)


def add_steadiness(connection: sa.Connection) -> None:
    """Say how steady each unnamed voice is, out of its stored stretches."""
    add_column(connection, unknown_speakers.c.steadiness)
    heard = sa.select(speaker_embeddings).where(
        speaker_embeddings.c.speaker_id.in_(sa.select(unknown_speakers.c.speaker_id))
    )
    for row in connection.execute(heard).all():
        spans = vectors.spans_from_bytes(row.spans)
        rows = vectors.from_bytes(row.vectors, len(row.vectors) // 4 // max(len(spans), 1))
        own = unknown_speakers.c.speaker_id == row.speaker_id
        steady = steadiness(vectors.embeddings(rows, spans))
        connection.execute(unknown_speakers.update().where(own).values(steadiness=steady))


def add_unfinished(connection: sa.Connection) -> None:
    """Let the library know which files wait for a change, what was copied out of it, and whether a clip is whole."""
    schema.metadata.create_all(connection, tables=[copies])
    for column in (outputs.c.stale, clips.c.sha256, voiceprints.c.consent_date, voiceprints.c.consent_note):
        add_column(connection, column)
    connection.execute(outputs.update().where(outputs.c.digest_before.is_(None)).values(digest_before=outputs.c.digest))
    for number in connection.scalars(sa.select(clips.c.id)).all():
        audio = connection.scalar(sa.select(clips.c.audio).where(clips.c.id == number))
        digest = hashlib.sha256(audio or b"").hexdigest()
        connection.execute(clips.update().where(clips.c.id == number).values(sha256=digest))


def fold_lines(connection: sa.Connection) -> None:
    """Make the search find scripts without blanks, and letters like ł."""
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        for trigger in ("lines_inserted", "lines_deleted", "lines_updated"):
            connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
        connection.exec_driver_sql("DROP TABLE lines_fts")
    else:
        connection.exec_driver_sql("DROP INDEX lines_words")
    add_column(connection, lines.c.folded)
    last = 0
    while rows := connection.execute(_after(last)).all():
        last = rows[-1].id
        changed = [(row.id, folding.folded(row.text)) for row in rows]
        for line, text in changed:
            if text is not None:
                connection.execute(lines.update().where(lines.c.id == line).values(folded=text))
    for statement in schema.SEARCH_ON_SQLITE if is_sqlite else schema.SEARCH_ON_POSTGRESQL:
        connection.exec_driver_sql(statement)
    if is_sqlite:
        connection.exec_driver_sql("INSERT INTO lines_fts(lines_fts) VALUES ('rebuild')")


def remember_names(connection: sa.Connection) -> None:
    """Remember every name that a sound came under, and as which of them each file was written."""
    schema.metadata.create_all(connection, tables=[known_as])
    known = sa.select(episodes.c.id, episodes.c.source, episodes.c.name, episodes.c.title, episodes.c.show)
    connection.execute(known_as.insert().from_select(["episode_id", "source", "name", "title", "show"], known))
    for column in (outputs.c.as_source, outputs.c.as_title, outputs.c.as_show):
        add_column(connection, column)


def create_set_aside(connection: sa.Connection) -> None:
    """Make room for what a person said of a stretch that no speaker holds any more."""
    schema.metadata.create_all(connection, tables=[set_aside])


def create_fixes(connection: sa.Connection) -> None:
    """Make room for what a person fixes in an answer, and for the answer as it was heard."""
    schema.metadata.create_all(connection, tables=[fixes, as_heard, heard_voices])


def create_windows(connection: sa.Connection) -> None:
    """Make room for what was heard in an episode."""
    schema.metadata.create_all(connection, tables=[windows])


def create_portrayals(connection: sa.Connection) -> None:
    """Make room for what a person's page shows of them."""
    schema.metadata.create_all(connection, tables=[schema.portrayals])


def add_parts(connection: sa.Connection) -> None:
    """Let an episode know which track or channel, or which tracks, were listened to. Before, nobody wrote it down."""
    add_column(connection, episodes.c.parts)


def create_earlier_answers(connection: sa.Connection) -> None:
    """Make room for the answers before voices were told apart anew."""
    schema.metadata.create_all(connection, tables=[schema.earlier_answers])


def _after(line: int) -> sa.Select[tuple[int, str]]:
    """Some thousand lines at a time, so that a large library is never in memory whole."""
    return sa.select(lines.c.id, lines.c.text).where(lines.c.id > line).order_by(lines.c.id).limit(5_000)


FIRST = "0001_first"
STEPS: tuple[Step, ...] = (
    ("0002_jobs", create_jobs),
    ("0003_unknowns", create_unknowns),
    ("0004_outputs", create_outputs),
    ("0005_shows", add_show_and_chapters),
    ("0006_steadiness", add_steadiness),
    ("0007_unfinished", add_unfinished),
    ("0008_folded", fold_lines),
    ("0009_names", remember_names),
    ("0010_set_aside", create_set_aside),
    ("0011_fixes", create_fixes),
    ("0012_windows", create_windows),
    ("0013_portrayals", create_portrayals),
    ("0014_parts", add_parts),
    ("0015_earlier_answers", create_earlier_answers),
)
"""What was changed after the first schema, oldest first. Released steps are never edited."""
ONLY_READ = "made by an older voicematch, and can only be read here; a copy of it elsewhere is brought to today's form"
WITHOUT_STEPS = "damaged: what it says of its own form has gaps; restore a backup of it"


def migrate(database: Database, *, steps: Sequence[Step] = STEPS, create: bool = True, keep_old: bool = True) -> None:
    """Bring a library to the newest schema, or make it when the database is empty.

    Raises LibraryError when the database is something else, is damaged, or a newer voicematch has changed it, and where
    an older one cannot be written.
    """
    known = [FIRST, *(name for name, _ in steps)]
    with database.read() as connection:
        applied = _applied(connection, database.location)
    if applied == known:
        return
    if not applied and not create:
        raise LibraryError(f"{database.location}: no library there yet; voicematch enroll NAME FILE makes one")
    _refuse_others(applied, known, database.location)
    if applied and database.path is not None and not _can_change(database.path):
        raise LibraryError(f"{database.location}: {ONLY_READ}")
    backup = None
    try:
        with database.write() as connection:
            applied = _applied(connection, database.location)  # another process may have been quicker
            _refuse_others(applied, known, database.location)
            ran = known[len(applied) :]
            if not applied:
                schema.metadata.create_all(connection)
            elif ran and database.path is not None and keep_old:
                backup = backup_path(database.path, applied[-1])
                copy_sqlite(database, backup)  # nobody else may change the library now, and nobody has yet
            for name, change in steps if applied else ():
                if name in ran:
                    change(connection)
            if ran:
                connection.execute(schema.migrations.insert(), [{"name": name, "applied": now()} for name in ran])
    except BaseException:
        if backup is not None:
            backup.unlink(missing_ok=True)  # of what is still there as it was
        raise
    if backup is not None:
        log.warning("%s: changed to a newer form; the library as it was is %s", database.location, backup.name)


def _can_change(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _applied(connection: sa.Connection, location: str) -> list[str]:
    tables = set(sa.inspect(connection).get_table_names())
    if not tables & set(schema.metadata.tables) and (not tables or connection.dialect.name != "sqlite"):
        return []
    if not {"migrations", "settings", "profiles"} <= tables:
        raise LibraryError(f"{location}: a database, but not a voicematch library")
    names = list(connection.scalars(sa.select(schema.migrations.c.name).order_by(schema.migrations.c.name)))
    if not names:
        raise LibraryError(f"{location}: {WITHOUT_STEPS}")
    return names


def _refuse_others(applied: list[str], known: list[str], location: str) -> None:
    unknown = [name for name in applied if name not in known]
    if unknown:
        raise LibraryError(f"{location}: made by a newer voicematch ({unknown[-1]}); pip install --upgrade voicematch")
    if applied != known[: len(applied)]:
        raise LibraryError(f"{location}: {WITHOUT_STEPS}")


def backup_path(path: Path, schema_name: str) -> Path:
    """Find a free name for a copy beside the library; `Upkeep.backups` finds copies by it."""
    backup = path.with_name(f"{path.name}.{schema_name}.backup")
    num_tries = 1
    while backup.exists():
        num_tries += 1
        backup = path.with_name(f"{path.name}.{schema_name}-{num_tries}.backup")
    return backup
