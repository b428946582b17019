"""What is set for the library's embedder: calibration (JSON), thresholds."""

from __future__ import annotations

import sqlalchemy as sa

from . import erasure
from .database import Database
from .pins import Pin
from .schema import settings, windows

NO_WINDOWS = (settings.c.embedder == "", settings.c.key == "keep_windows")
FORGETFUL = (settings.c.embedder == "", settings.c.key == "remember_unknowns")


class LibrarySettings:
    """The settings of an open library. Each method is one transaction."""

    def __init__(self, database: Database, pin: Pin) -> None:
        self._database = database
        self._pin = pin

    def get(self, key: str) -> str | None:
        """Return what was set, or None."""
        with self._database.read() as connection:
            return connection.scalar(sa.select(settings.c.value).where(*self._is(key)))

    def set(self, key: str, value: str | None) -> None:
        """Set a value, or with None take it away."""
        with self._database.write() as connection:
            connection.execute(settings.delete().where(*self._is(key)))
            if value is not None:
                connection.execute(settings.insert().values(embedder=self._pin.embedder, key=key, value=value))

    def of_library(self, key: str) -> str | None:
        """Return what was set for the library, whichever embedder it keeps to, or None."""
        with self._database.read() as connection:
            of_key = (settings.c.embedder == "") & (settings.c.key == key)
            return connection.scalar(sa.select(settings.c.value).where(of_key))

    def set_of_library(self, key: str, value: str | None) -> None:
        """Set a value for the library, or with None take it away."""
        with self._database.write() as connection:
            connection.execute(settings.delete().where(settings.c.embedder == "", settings.c.key == key))
            if value is not None:
                connection.execute(settings.insert().values(embedder="", key=key, value=value))

    @property
    def remembers_unknowns(self) -> bool:
        """Whether voices without a name are kept, to be recognised again and named later."""
        with self._database.read() as connection:
            return connection.scalar(sa.select(settings.c.value).where(*FORGETFUL)) is None

    def remember_unknowns(self, yes: bool) -> None:
        """Set whether voices without a name are kept from now on; those that are kept already stay."""
        with self._database.write() as connection:
            connection.execute(settings.delete().where(*FORGETFUL))
            if not yes:
                connection.execute(settings.insert().values(embedder="", key="remember_unknowns", value="no"))

    @property
    def keeps_windows(self) -> bool:
        """Whether what was heard in an episode is kept, so that its voices can be told apart anew."""
        with self._database.read() as connection:
            return connection.scalar(sa.select(settings.c.value).where(*NO_WINDOWS)) is None

    def keep_windows(self, yes: bool) -> None:
        """Set whether it is kept from now on; with no, what is kept already goes, `Upkeep.tidy` does it for good."""
        with self._database.write() as connection:
            connection.execute(settings.delete().where(*NO_WINDOWS))
            if not yes:
                connection.execute(settings.insert().values(embedder="", key="keep_windows", value="no"))
                connection.execute(windows.delete())
                erasure.make_due(connection)

    def _is(self, key: str) -> tuple[sa.ColumnElement[bool], ...]:
        return settings.c.embedder == self._pin.embedder, settings.c.key == key
