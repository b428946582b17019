"""From any released schema to today's. A new library is made at once; an older one is backed up, then changed step
by step in one transaction that also records the steps, so that a crash leaves the old library whole.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy as sa

from ..errors import LibraryError
from . import episodes, jobs, outputs, schema, unknowns
from .database import Database, now
from .upkeep import copy_sqlite

log = logging.getLogger(__name__)

Step = tuple[str, Callable[[sa.Connection], None]]

FIRST = "0001_first"
STEPS: tuple[Step, ...] = (
    ("0002_jobs", jobs.create_tables),
    ("0003_unknowns", unknowns.create_tables),
    ("0004_outputs", outputs.create_tables),
    ("0005_shows", episodes.add_show_and_chapters),
    ("0006_steadiness", unknowns.add_steadiness),
)
"""What was changed after the first schema, oldest first. Released steps are never edited."""


def migrate(database: Database, *, steps: Sequence[Step] = STEPS, create: bool = True) -> None:
    """Brings a library to the newest schema, or makes it when the database is empty.

    Raises LibraryError when the database is something else, or a newer voicematch has changed it.
    """
    known = [FIRST, *(name for name, _ in steps)]
    with database.read() as connection:
        applied = _applied(connection, database.location)
    if applied == known:
        return
    if not applied and not create:
        raise LibraryError(f"{database.location}: no library there yet; voicematch enroll NAME FILE makes one")
    if applied and database.path is not None:
        _refuse_newer(applied, known, database.location)
        backup = backup_path(database.path, applied[-1])
        copy_sqlite(database, backup)
        log.warning("%s: changed to a newer form; the library as it was is %s", database.location, backup.name)
    with database.write() as connection:
        applied = _applied(connection, database.location)  # another process may have been quicker
        _refuse_newer(applied, known, database.location)
        if not applied:
            schema.metadata.create_all(connection)
            ran = known
        else:
            ran = known[len(applied) :]
            for name, change in steps:
                if name in ran:
                    change(connection)
        if ran:
            connection.execute(schema.migrations.insert(), [{"name": name, "applied": now()} for name in ran])


def _applied(connection: sa.Connection, location: str) -> list[str]:
    tables = set(sa.inspect(connection).get_table_names())
    if not tables & set(schema.metadata.tables) and (not tables or connection.dialect.name != "sqlite"):
        return []
    if not {"migrations", "settings", "profiles"} <= tables:
        raise LibraryError(f"{location}: a database, but not a voicematch library")
    return list(connection.scalars(sa.select(schema.migrations.c.name).order_by(schema.migrations.c.name)))


def _refuse_newer(applied: list[str], known: list[str], location: str) -> None:
    if applied != known[: len(applied)]:
        newest = next(name for name in reversed(applied) if name not in known)
        raise LibraryError(f"{location}: made by a newer voicematch ({newest}); pip install --upgrade voicematch")


def backup_path(path: Path, schema_name: str) -> Path:
    """A free name for a copy beside the library; `erasure` finds copies by it."""
    backup = path.with_name(f"{path.name}.{schema_name}.backup")
    num_tries = 1
    while backup.exists():
        num_tries += 1
        backup = path.with_name(f"{path.name}.{schema_name}-{num_tries}.backup")
    return backup
