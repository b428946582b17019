"""Putting a library under a passphrase, under another one, or under none: written anew beside it, then in its place.

Nobody else may have it open meanwhile. Killed at any moment, the library is the old one or the new one, whole; half a
copy is swept up by the next command. The bytes of a file that was plain are overwritten. A disk that keeps what was
overwritten, as SSDs and snapshots do, may hold them still.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ..errors import LibraryError
from . import drivers, partial, passphrase
from .database import BUSY_SECONDS, one_line_errors

BLOCK = 1 << 20


def is_sealed(path: Path) -> bool:
    """Whether a library file is under a passphrase."""
    return drivers.driver_of(path).secret is not None


def is_plain(path: Path) -> bool:
    """Whether a file is a library that anybody can read who can read the file."""
    with path.open("rb") as file:
        return file.read(len(drivers.HEAD)) == drivers.HEAD


def may_be_library(path: Path) -> bool:
    """Whether a file is a library, or may be one under a passphrase."""
    return is_plain(path) or passphrase.is_under_one(path)


def seal(path: Path, secret: str | None, *, busy_seconds: float = BUSY_SECONDS) -> None:
    """Put the library at a path under a passphrase; None: under none. It must not be open in this process.

    Raises LibraryError when it is open elsewhere, cannot be written, has another name that would be overwritten with
    it, or SQLCipher is missing; it is then as it was.
    """
    module = drivers.sqlcipher()
    path = path.resolve()  # else a link to it would be replaced, and the library itself overwritten
    before = drivers.driver_of(path)
    with (
        one_line_errors(str(path)),
        _readable(path) as old,
        closing(module.connect(str(path.absolute()), timeout=busy_seconds, isolation_level=None)) as source,
    ):
        if before.secret is not None:
            drivers.unlock(source, before.secret, path)
        elif os.fstat(old).st_nlink > 1:  # a hard link, as some backups are made of
            raise LibraryError(
                f"{path}: another name leads to the same file, and what is there would be overwritten too; find it "
                f"(find / -samefile FILE), and delete it or put a copy in its place"
            )
        _hold(source, path)
        try:
            with partial.writing(path, private=True) as made:
                _export(source, made, secret)
                _check(made, secret)
        except OSError as error:
            source.execute("PRAGMA main.journal_mode = WAL")
            raise LibraryError(f"{path}: {error.strerror or error}") from error
        except BaseException:
            source.execute("PRAGMA main.journal_mode = WAL")
            raise
        if before.secret is None:
            _overwrite(old, path)
    if secret is not None:
        passphrase.give(secret)


@contextmanager
def _readable(path: Path) -> Iterator[int]:
    """The file by a number that outlives its name. To close it lets go of SQLite's locks too, so it is closed last."""
    number = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        yield number
    finally:
        os.close(number)


def _hold(source: Any, path: Path) -> None:
    """Keeps everybody out until the connection is closed. Without a write-ahead log a late writer is told that the
    file has moved; with one it would go on in a file without a name.
    """
    (mode,) = source.execute("PRAGMA main.journal_mode = DELETE").fetchone()
    if mode == "delete":
        source.execute("PRAGMA main.locking_mode = EXCLUSIVE")
        source.execute("BEGIN EXCLUSIVE")
        source.execute("COMMIT")
        (mode,) = source.execute("PRAGMA main.journal_mode").fetchone()  # `Upkeep.tidy` may have come in between
    if mode != "delete":
        raise LibraryError(f"{path}: busy: another process holds it; try again when that is done")


def _export(source: Any, made: Path, secret: str | None) -> None:
    key = "''" if secret is None else drivers.quoted_key(secret, made)
    source.execute(f"ATTACH DATABASE ? AS made KEY {key}", (str(made.absolute()),))
    try:
        source.execute("PRAGMA made.secure_delete = ON")
        source.execute("BEGIN")
        source.execute("SELECT sqlcipher_export('made')")
        source.execute("COMMIT")
        source.execute("PRAGMA made.journal_mode = WAL")
    finally:
        if source.in_transaction:
            source.execute("ROLLBACK")
        source.execute("DETACH DATABASE made")


def _check(made: Path, secret: str | None) -> None:
    with closing(drivers.Driver(secret).connect(made, seconds=BUSY_SECONDS)) as copy:
        for (message,) in copy.execute("PRAGMA integrity_check"):
            if message != "ok":
                raise LibraryError(f"{made}: the copy is not whole ({message}); the library stays as it was")


def _overwrite(file: int, path: Path) -> None:
    left = os.fstat(file).st_size
    try:
        os.lseek(file, 0, os.SEEK_SET)
        while left > 0:
            left -= os.write(file, bytes(min(left, BLOCK)))
        os.fsync(file)
    except OSError as error:  # as a full disk that writes nothing in place
        told = f"is under the passphrase now, but its bytes of before cannot be overwritten: {error.strerror}"
        raise LibraryError(f"{path}: {told}") from error
