"""One engine per library: real transactions, one writer at a time, and failures in one line."""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, StatementError

from .. import given
from ..errors import LibraryError
from . import partial, passphrase
from .drivers import Driver, driver_of, errors

log = logging.getLogger(__name__)

BUSY_SECONDS = 30.0  # how long a writer waits for another one; a long batch write takes about a second
MOST_SENT = 500  # values in a question; to send more costs more than to look through a table
WRITER_LOCK = 0x766F6963  # the advisory lock that gives PostgreSQL SQLite's rule of one writer at a time

REASONS = {  # SQLite's result codes, to what happened and what to do
    "SQLITE_BUSY": "busy: another process holds it; try again when that is done",
    "SQLITE_LOCKED": "busy: another process holds it; try again when that is done",
    "SQLITE_READONLY": "read-only; check the permissions of the file and its folder, or choose another library",
    "SQLITE_FULL": "the disk is full; nothing of this was stored",
    "SQLITE_CANTOPEN": "cannot be opened; check that its folder exists and may be written to",
    "SQLITE_PERM": "no permission to open it",
    "SQLITE_NOTADB": "not a voicematch library",
    "SQLITE_CORRUPT": "damaged; restore a backup of it",
    "SQLITE_IOERR": "cannot be read or written; is the disk full or failing?",
}


class Database:
    """An open database. ``path`` is None on PostgreSQL; ``location`` never shows a password.

    damage : finds what in it cannot be right; it is asked when a value could not be understood
    begun : is told of each write transaction that begins
    """

    def __init__(self, engine: sa.Engine, path: Path | None, driver: Driver | None = None) -> None:
        self.path = path
        self.driver = driver or Driver()
        self.location = str(path) if path else engine.url.render_as_string(hide_password=True)
        self.engine = engine
        self._writer = engine.execution_options(writer=True)
        self._of_thread = threading.local()
        self.damage: Callable[[sa.Connection], Iterator[str]] = _nothing
        self.begun: Callable[[sa.Connection], object] = _nothing

    @property
    def _joint(self) -> sa.Connection | None:
        connection: sa.Connection | None = getattr(self._of_thread, "connection", None)
        return connection

    @property
    def is_together(self) -> bool:
        """Whether this thread is within `together`."""
        return self._joint is not None

    @contextmanager
    def together(self, *, keep: bool = True) -> Iterator[None]:
        """Make all that this thread reads and writes until the end one write transaction: all of it, or nothing.

        keep : False undoes it at the end, when the caller has seen what would have happened
        """
        if self._joint is not None:
            if not keep:
                raise ValueError("what is part of a larger transaction cannot be undone alone")
            yield
            return
        with one_line_errors(self.location), self._writer.connect() as connection:
            self._of_thread.connection = connection
            try:
                with connection.begin() as transaction:
                    self.begun(connection)
                    yield
                    if not keep:
                        transaction.rollback()
            finally:
                self._of_thread.connection = None

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Begin a transaction that sees one state of the library throughout."""
        with self._blamed():
            if self._joint is not None:
                yield self._joint
                return
            with one_line_errors(self.location), self.engine.begin() as connection:
                yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Begin a transaction that holds the library's write lock from its start: all of it happens, or nothing."""
        with self._blamed():
            if self._joint is not None:
                with self._joint.begin_nested():
                    yield self._joint
                return
            with one_line_errors(self.location), self._writer.begin() as connection:
                self.begun(connection)
                yield connection

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Says what is damaged when a value in the library could not be understood: tables take more than we ever
        put there. Where nothing is, the error is our own, and stays what it was.
        """
        try:
            yield
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            found = self._first_damage()
            if found is None:
                raise
            wrong = f"holds what cannot be right ({found}); voicematch library check --repair"
            raise LibraryError(f"{self.location}: {wrong}") from error

    def _first_damage(self) -> str | None:
        if self._joint is not None:
            found = list(self.damage(self._joint))  # all, since a server's cursor is not left half read
        else:
            with one_line_errors(self.location), self.engine.begin() as connection:
                found = list(self.damage(connection))
        return found[0] if found else None

    @contextmanager
    def bare(self) -> Iterator[Any]:
        """Give a driver connection outside any transaction, for VACUUM and online backup."""
        with one_line_errors(self.location):
            connection = self.engine.raw_connection()
            try:
                yield connection.driver_connection
            finally:
                connection.close()

    def close(self) -> None:
        self.engine.dispose()


def _nothing(_: sa.Connection) -> Iterator[str]:
    return iter(())


def open_database(location: str | Path, *, create: bool, busy_seconds: float = BUSY_SECONDS) -> Database:
    """Open the database at a path or URL; an SQLite file is made, private to its owner, when ``create`` allows it."""
    url = str(location)
    if url.startswith(("postgresql://", "postgres://", "postgresql+")):
        return _open_postgresql(url)
    if "://" in url and not url.startswith("sqlite:///"):
        raise LibraryError(f"{url.partition('://')[0]}: no such kind of library; give a file or a postgresql:// URL")
    try:
        path = given.expanded(url.removeprefix("sqlite:///"))
        if path.is_symlink():  # SQLite's files, and copies, are beside the file itself
            path = Path(os.path.realpath(path))
    except OSError as error:
        raise LibraryError(f"{url}: {error.strerror}") from error
    secret = passphrase.stated()
    if create and secret is not None and not path.exists():
        _make_under(path, secret)
    is_new = _prepare_file(path, create=create)
    if is_new and secret is not None:
        raise LibraryError(f"{path}: an empty file; remove it, so that a library under the passphrase can be made")
    with one_line_errors(str(path)):
        driver = driver_of(path)
    if not is_new:
        _keep_private(path)
    is_lent = _is_lent(path)
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path.absolute())),
        module=driver.module,
        creator=lambda: driver.connect(path, seconds=busy_seconds, is_lent=is_lent),
    )
    sa.event.listen(engine, "connect", _set_up_connection)
    sa.event.listen(engine, "begin", _begin)
    database = Database(engine, path, driver)
    try:
        with one_line_errors(database.location):
            if is_new:  # the choice stays with the file; one that is not ours must not be touched
                _use_write_ahead_log(engine, busy_seconds)
    except BaseException:
        database.close()
        raise
    return database


def now() -> str:
    """Return this moment, ISO 8601, UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def insert(connection: sa.Connection, table: sa.Table, **values: object) -> int:
    """Add a row, and return its id."""
    key = connection.execute(table.insert().values(**values)).inserted_primary_key
    assert key is not None  # one row was inserted, and every table this is called for has an id
    return int(key[0])


def one_of(column: sa.ColumnElement[int], values: Collection[int]) -> sa.ColumnElement[bool]:
    """Narrow a question to rows with one of these values; when they are many, leave it to whoever takes the rows."""
    return column.in_(values) if len(values) < MOST_SENT else sa.true()


@contextmanager
def one_line_errors(location: str) -> Iterator[None]:
    """Turn what the database driver raises into a LibraryError that says what to do."""
    try:
        yield
    except DBAPIError as error:
        raise LibraryError(f"{location}: {_reason(error.orig)}") from error
    except errors() as error:
        raise LibraryError(f"{location}: {_reason(error)}") from error
    except UnicodeDecodeError as error:  # the driver's: everything else here is text already
        raise LibraryError(f"{location}: {REASONS['SQLITE_CORRUPT']}") from error
    except UnicodeEncodeError as error:
        if error.encoding != "utf-8":
            raise
        raise LibraryError(f"{error.object!a} is not text in UTF-8; check the terminal's language (LANG)") from error
    except StatementError as error:  # a number or a text that no database takes
        raise LibraryError(f"{location}: cannot hold this: {error.orig}") from error


def _reason(error: BaseException | None) -> str:
    code = getattr(error, "sqlite_errorname", "")
    for prefix, reason in REASONS.items():
        if code.startswith(prefix):
            return reason
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _open_postgresql(url: str) -> Database:
    scheme, _, rest = url.partition("://")
    driver = scheme if "+" in scheme else "postgresql+psycopg"
    try:
        engine = sa.create_engine(f"{driver}://{rest}", pool_pre_ping=True)
    except ModuleNotFoundError as error:
        missing = f"the package {error.name} is missing; for PostgreSQL: pip install 'psycopg[binary]'"
        raise LibraryError(missing) from error
    except (sa.exc.ArgumentError, ValueError) as error:
        raise LibraryError("not a PostgreSQL URL; it looks like postgresql://user@host/database") from error
    sa.event.listen(engine, "begin", _take_writer_lock)
    return Database(engine, None)


def _prepare_file(path: Path, *, create: bool) -> bool:
    """Make the file if need be, and return whether it is still empty."""
    try:
        if path.is_dir():
            raise LibraryError(f"{path}: a directory, not a library; name a file in it")
        if path.exists() and not path.is_file():
            raise LibraryError(f"{path}: not an ordinary file, and so no library")
        if not create and (not path.exists() or path.stat().st_size == 0):
            raise LibraryError(f"{path}: no library there yet; voicematch enroll NAME FILE makes one")
        if not path.exists():
            _make_folder(path)
            with suppress(FileExistsError):  # another process was quicker: then it is theirs to fill
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise LibraryError(f"{path}: {error.strerror or error}") from error
    return not head


def _make_folder(path: Path) -> None:
    if path.parent.exists() and not path.parent.is_dir():
        raise LibraryError(f"{path}: {path.parent} is a file, not a folder")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _make_under(path: Path, secret: str) -> None:
    """Makes an empty database under a passphrase. It gets its name with its salt, which every process has to know."""
    try:
        _make_folder(path)
        with (
            partial.writing(path, private=True, fresh=True) as made,
            one_line_errors(str(path)),
            closing(Driver(secret).connect(made, seconds=BUSY_SECONDS)) as connection,
        ):
            connection.execute("PRAGMA journal_mode = WAL")
    except FileExistsError:  # another process was quicker
        return
    except OSError as error:
        raise LibraryError(f"{path}: {error.strerror or error}") from error


def _is_lent(path: Path) -> bool:
    """Whether it lies where nothing can be written, not even the files beside it through which SQLite's readers wait
    for a writer. With none at work it can be read as it stands.
    """
    wal = path.with_name(f"{path.name}-wal")
    return not os.access(path.parent, os.W_OK) and not (wal.exists() and wal.stat().st_size)


def _keep_private(path: Path) -> None:
    """Takes from others what they may read of a library that is the user's own, and says so."""
    with suppress(OSError):
        status = path.stat()
        if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077 and status.st_uid == os.geteuid():
            for suffix in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    path.with_name(path.name + suffix).chmod(0o600)
            log.warning("%s could be read by others of this machine; now only you can", path)


def _set_up_connection(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin or commit by itself: _begin does
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # deleted bytes are overwritten, not left in free pages


def _begin(connection: sa.Connection) -> None:
    writer = connection.get_execution_options().get("writer")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")


def _take_writer_lock(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("writer"):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")


def _use_write_ahead_log(engine: sa.Engine, busy_seconds: float) -> None:
    """Readers and a writer at once. Where the file system cannot, SQLite keeps its rollback journal."""
    give_up = time.monotonic() + busy_seconds
    raw = engine.raw_connection()
    try:
        connection: Any = raw.driver_connection
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return
            except errors() as error:
                # SQLite does not wait here by itself when two processes make the same new library
                if (
                    getattr(error, "sqlite_errorname", "") not in ("SQLITE_BUSY", "SQLITE_LOCKED")
                    or time.monotonic() > give_up
                ):
                    raise
                time.sleep(0.01)
    finally:
        raw.close()


def add_column(connection: sa.Connection, column: sa.Column[Any]) -> None:
    """Add a column of today's schema to a table of an older one."""
    clause = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
    connection.execute(sa.DDL(f"ALTER TABLE {column.table.name} ADD COLUMN {clause}"))  # type: ignore[no-untyped-call]
