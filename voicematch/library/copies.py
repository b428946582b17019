"""What was written out of a library and does not follow it: backups, exports, sites. Forgetting has to tell of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from .database import Database, now
from .schema import copies

BACKUP, PROFILES, EPISODE, SITE, NOTES = "backup", "profiles", "episode", "site", "notes"


@dataclass(frozen=True, slots=True)
class Copy:
    """A file or folder.

    kind : "backup", "profiles", "episode", "site" or "notes"
    is_whole : False while it is being written
    """

    path: Path
    kind: str
    begun: str
    is_whole: bool


class Copies:
    """The copies made of an open library. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, path: Path, kind: str) -> None:
        """Record a copy before it is written, so that one whose writer is killed is known too."""
        with self._database.write() as connection:
            connection.execute(copies.delete().where(copies.c.path == str(path.absolute())))
            connection.execute(copies.insert().values(path=str(path.absolute()), kind=kind, begun=now()))

    def finish(self, path: Path) -> None:
        """Record that it is written."""
        own = copies.c.path == str(path.absolute())
        with self._database.write() as connection:
            connection.execute(copies.update().where(own).values(finished=now()))

    def remove(self, path: Path) -> None:
        """Take a copy from the list that is there no more, or never came about."""
        with self._database.write() as connection:
            connection.execute(copies.delete().where(copies.c.path == str(path.absolute())))

    def all(self) -> tuple[Copy, ...]:
        """Return every copy recorded, in the order of their paths, those that are gone since too."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(copies).order_by(copies.c.path))
            return tuple(Copy(Path(row.path), row.kind, row.begun, row.finished is not None) for row in rows)
