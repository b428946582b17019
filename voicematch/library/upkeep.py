"""Keeping a library well: figures, checks, copies."""

from __future__ import annotations

import contextlib
import glob
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from .. import given
from ..errors import LibraryError, OutputExists
from . import domains, earlier, erasure, folding, partial, schema, windows
from .copies import BACKUP, Copies
from .database import BUSY_SECONDS, Database, one_line_errors
from .drivers import errors
from .pins import Pin

OF_TARGET = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC")
"""What goes wrong in a copying because of where the copy is written."""
UNINDEXED = "the search index does not agree with the lines"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stats:
    """How much a library holds. ``size`` is bytes on disk, None where that cannot be said.

    encrypted : it is a file under a passphrase
    """

    location: str
    embedder: str | None
    dimension: int | None
    num_profiles: int
    num_voiceprints: int
    num_clips: int
    num_episodes: int
    num_speakers: int
    num_turns: int
    num_lines: int
    audio_seconds: float
    size: int | None
    encrypted: bool = False


class Upkeep:
    """Keeps an open library well. Each method is one transaction."""

    def __init__(self, database: Database, pin: Pin) -> None:
        self._database = database
        self._pin = pin

    def stats(self) -> Stats:
        """Say how much the library holds."""
        path = self._database.path
        files = [path.with_name(path.name + suffix) for suffix in ("", "-wal")] if path else []
        with self._database.read() as connection:
            audio_seconds = connection.scalar(sa.select(sa.func.sum(schema.episodes.c.duration)))
            return Stats(
                location=self._database.location,
                embedder=self._pin.embedder,
                dimension=self._pin.dimension(connection),
                num_profiles=_num_rows(connection, schema.profiles),
                num_voiceprints=_num_rows(connection, schema.voiceprints),
                num_clips=_num_rows(connection, schema.clips),
                num_episodes=_num_rows(connection, schema.episodes),
                num_speakers=_num_rows(connection, schema.speakers),
                num_turns=_num_rows(connection, schema.turns),
                num_lines=_num_rows(connection, schema.lines),
                audio_seconds=float(audio_seconds or 0.0),
                size=sum(file.stat().st_size for file in files if file.exists()) if path else None,
                encrypted=self._database.driver.secret is not None,
            )

    def check(self) -> tuple[str, ...]:
        """Say what is wrong, one line each: the file, references, the search index, vectors. Nothing: all is well."""
        of_file = tuple(_file_findings(self._database))
        with self._database.read() as connection:
            of_lines = () if UNINDEXED in of_file or _are_folded(connection) else (UNINDEXED,)
            return (*of_file, *of_lines, *damage(connection, self._pin))

    def repair(self) -> tuple[str, ...]:
        """Take out what cannot be right, and say what that was, one line each. What `check` finds then, stays.

        Raises LibraryError when the file itself is damaged: a backup is what helps there.
        """
        if any(line.startswith("the file is damaged") for line in _file_findings(self._database)):
            raise LibraryError(f"{self._database.location}: the file is damaged; restore a backup of it")
        with self._database.write() as connection:
            done = domains.repair(connection) + windows.remove_unreadable(connection)
            done += earlier.remove_unreadable(connection)
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql(schema.REBUILD_SEARCH_ON_SQLITE)
        return done

    def backup(self, target: str | Path) -> None:
        """Copy the library as it is at one moment, while others may go on writing. Raises OutputExists."""
        if self._database.path is None:
            raise LibraryError(f"{self._database.location}: PostgreSQL has its own backup: pg_dump")
        if Path(target).exists():
            raise OutputExists(f"{target}: already there; choose another name")
        with recorded(Copies(self._database), Path(target), BACKUP):
            copy_sqlite(self._database, Path(target))

    def num_erasures(self) -> int:
        """Return how often something was erased for good, by whichever process."""
        with self._database.read() as connection:
            return erasure.num_erasures(connection)

    def backups(self) -> tuple[Path, ...]:
        """Return the copies of the library that are known and still there: as recorded, and those beside it.

        A backup knows of itself; it is none where it has become the library.
        """
        found = {
            copy.path for copy in Copies(self._database).all() if copy.kind == BACKUP and os.path.exists(copy.path)
        }
        if self._database.path is not None:
            location = self._database.path.absolute()
            found |= set(location.parent.glob(f"{glob.escape(location.name)}.*.backup"))
            found.discard(location)
        return tuple(sorted(found))

    def tidy(self) -> None:
        """Remove what killed processes left half-written: copies of the library, and files of episodes.

        Compacts the file where a forgetting could not. Gives it back the write-ahead log, which an encrypting takes.
        """
        copies = Copies(self._database)
        if self._database.path is not None:
            _write_ahead(self._database)
            partial.sweep(self._database.path.parent)
            partial.sweep_folders(self._database.path.absolute())
        for copy in copies.all():
            if not copy.is_whole:
                partial.sweep(copy.path.parent)
                if not given.may_be_there(copy.path):
                    copies.remove(copy.path)
        if erasure.is_due(self._database):
            erasure.compact(self._database, erasure.NOBODY)


def _write_ahead(database: Database) -> None:
    """Have readers and a writer at once again. While somebody is in the file it cannot be: then the next command does.

    Changes nothing where it is so, or the file system knows no such log.
    """
    with contextlib.suppress(LibraryError), database.bare() as connection:
        (wait,) = connection.execute("PRAGMA busy_timeout").fetchone()
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.execute(f"PRAGMA busy_timeout = {wait}")


def damage(connection: sa.Connection, pin: Pin) -> Iterator[str]:
    """Find what cannot be right in the tables, a line each."""
    yield from map(str, domains.findings(connection))
    yield from _vector_findings(connection, pin.embedder, pin.dimension(connection))
    yield from windows.findings(connection)
    yield from earlier.findings(connection)


def _num_rows(connection: sa.Connection, table: sa.Table) -> int:
    return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def _are_folded(connection: sa.Connection) -> bool:
    """Whether the search index has every line as it is today."""
    of_lines = sa.select(schema.lines.c.text, schema.lines.c.folded).execution_options(yield_per=10_000)
    return all(folding.folded(text) == folded for text, folded in connection.execute(of_lines))


def _file_findings(database: Database) -> Iterator[str]:
    if database.path is None:
        return
    with database.bare() as connection:
        for (message,) in connection.execute("PRAGMA integrity_check"):
            if message != "ok":
                yield f"the file is damaged: {message}"
        for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
            yield f"{table} row {row} points at a row of {parent} that is not there"
        try:
            connection.execute("INSERT INTO lines_fts(lines_fts, rank) VALUES ('integrity-check', 1)")
        except errors() as error:
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith("SQLITE_CORRUPT"):
                yield UNINDEXED
            elif not name.startswith("SQLITE_READONLY"):  # this one check is worded as a write
                raise


def _vector_findings(connection: sa.Connection, embedder: str, dimension: int | None) -> Iterator[str]:
    of_voiceprints = sa.select(
        schema.voiceprints.c.id, schema.voiceprints.c.vector, schema.voiceprints.c.embedder
    ).execution_options(yield_per=10_000)
    for voiceprint, vector, made_by in connection.execute(of_voiceprints):
        problem = _problem(vector, dimension) if made_by == embedder else f"made by {made_by!r}"
        if problem:
            yield f"voiceprint {voiceprint}: {problem}"
    of_speakers = (
        sa.select(
            schema.episodes.c.audio_sha256,
            schema.speakers.c.label,
            schema.speaker_embeddings.c.vectors,
            schema.speaker_embeddings.c.spans,
        )
        .select_from(schema.speaker_embeddings)
        .join(schema.speakers)
        .join(schema.episodes)
        .where(schema.episodes.c.embedder == embedder)
        .execution_options(yield_per=1_000)
    )
    kept = schema.heard_voices
    as_heard = (
        sa.select(schema.episodes.c.audio_sha256, kept.c.label, kept.c.vectors, kept.c.spans)
        .select_from(kept)
        .join(schema.episodes)
        .where(schema.episodes.c.embedder == embedder)
    )
    for sha256, label, vectors, spans in (*connection.execute(of_speakers), *connection.execute(as_heard)):
        problem = _problem(vectors, dimension)
        if not problem and dimension and len(spans) // 24 != len(vectors) // (4 * dimension):
            problem = "not one span for each embedding"
        if problem:
            yield f"episode {sha256[:12]}, {label}: {problem}"


def _problem(vectors: bytes, dimension: int | None) -> str | None:
    if not dimension or not vectors or len(vectors) % (4 * dimension):
        return f"{len(vectors)} bytes are not vectors of dimension {dimension}"
    rows = np.frombuffer(vectors, "<f4").reshape(-1, dimension)
    if not np.isfinite(rows).all():
        return "not finite"
    if np.abs(rows).max() > 2.0 or np.abs(np.linalg.norm(rows, axis=1) - 1.0).max() > 1e-3:
        return "not of unit length"
    return None


@contextlib.contextmanager
def recorded(copies: Copies, path: Path, kind: str) -> Iterator[None]:
    """Let forgetting know of the copy of the library that the block writes, from its beginning on.

    A library that can only be read cannot note it; the log says so.
    """
    try:
        path.exists()
    except OSError as error:
        raise LibraryError(f"{path}: {error.strerror}") from error
    try:
        copies.begin(path, kind)
    except LibraryError as error:
        log.warning("%s; it does not remember that %s was written", error, path)
        yield
        return
    try:
        yield
    except BaseException:
        if not given.may_be_there(path):
            copies.remove(path)
        raise
    copies.finish(path)


def copy_sqlite(database: Database, target: Path) -> None:
    """Copy the file as it is at one moment; ``target`` is there at the end, or was never there."""
    if target.exists():
        raise OutputExists(f"{target}: already there; choose another name")
    try:
        with (
            partial.writing(target, private=True, fresh=True) as copied,
            contextlib.closing(database.driver.connect(copied, seconds=BUSY_SECONDS)) as copy,
            database.bare() as connection,
        ):
            try:
                connection.backup(copy)
            except errors() as error:
                is_of_target = getattr(error, "sqlite_errorname", "").startswith(OF_TARGET)
                with one_line_errors(str(target) if is_of_target else database.location):
                    raise
    except FileExistsError as error:
        raise OutputExists(f"{target}: already there; choose another name") from error
    except OSError as error:
        raise LibraryError(f"{target}: {error.strerror or error}") from error
