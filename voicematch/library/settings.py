"""What is set for the library's embedder: calibration (JSON), thresholds."""

from __future__ import annotations

import sqlalchemy as sa

from .database import Database
from .pins import Pin
from .schema import settings


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

    def _is(self, key: str) -> tuple[sa.ColumnElement[bool], ...]:
        return settings.c.embedder == self._pin.embedder, settings.c.key == key
