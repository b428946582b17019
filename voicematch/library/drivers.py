"""Connections to library files: Python's own SQLite, or SQLCipher's where the file is under a passphrase."""

from __future__ import annotations

import importlib
import os
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import LibraryError
from . import passphrase

SQLCIPHER = "sqlcipher3.dbapi2"
HEAD = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True)
class Driver:
    """How files of one kind are opened. ``secret`` is the passphrase, None for a plain file."""

    secret: str | None = None

    def __repr__(self) -> str:
        return f"Driver({'plain' if self.secret is None else 'under a passphrase'})"

    @property
    def module(self) -> ModuleType:
        return sqlite3 if self.secret is None else sqlcipher()

    def connect(self, path: Path, *, seconds: float, is_lent: bool = False) -> Any:
        """Connect to a file that is there or is to be made.

        is_lent : it lies where nothing can be written, and nobody writes
        """
        where = f"{path.absolute().as_uri()}?mode=ro&immutable=1" if is_lent else str(path.absolute())
        connection = self.module.connect(where, timeout=seconds, uri=is_lent, check_same_thread=False)
        if self.secret is not None:
            unlock(connection, self.secret, path)
        return connection


def errors() -> tuple[type[Exception], ...]:
    """Return what the drivers in use raise."""
    module = sys.modules.get(SQLCIPHER)
    return (sqlite3.Error,) if module is None else (sqlite3.Error, module.Error)


def sqlcipher() -> ModuleType:
    """Return SQLCipher's driver. Raises LibraryError where it is not installed."""
    try:
        return importlib.import_module(SQLCIPHER)
    except ModuleNotFoundError as error:
        raise LibraryError(
            "a library under a passphrase needs SQLCipher: pip install 'voicematch[passphrase]'"
        ) from error


def driver_of(path: Path) -> Driver:
    """Return what opens a file that is there, with the passphrase looked for. Raises LibraryError, OSError."""
    with path.open("rb") as file:
        head = file.read(len(HEAD))
    if not head or head == HEAD:
        return Driver()
    if not passphrase.is_under_one(path):
        raise LibraryError(f"{path}: not a voicematch library")
    sqlcipher()
    return Driver(passphrase.found_for(path, lambda secret: _opens(path, secret)))


def unlock(connection: Any, secret: str, path: Path) -> None:
    """Give a new connection of SQLCipher's its key."""
    connection.execute("PRAGMA cipher_log_level = NONE")  # it would write to stderr
    connection.execute(f"PRAGMA key = {quoted_key(secret, path)}")


def quoted_key(secret: str, path: Path) -> str:
    """Return the key of a file as a literal of SQL; a file that is empty gets a salt of its own."""
    with path.open("rb") as file:
        salt = file.read(passphrase.SALT_BYTES) or os.urandom(passphrase.SALT_BYTES)
    return f"\"x'{passphrase.key(secret, salt)}'\""


def _opens(path: Path, secret: str) -> bool:
    is_lent = not os.access(path.parent, os.W_OK)
    connection = Driver(secret).connect(path, seconds=30.0, is_lent=is_lent)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except errors() as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_NOTADB":
            return False
        raise
    finally:
        connection.close()
    return True
