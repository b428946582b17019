"""What a person's page shows of them: a picture, a line, links."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import LibraryError
from ..net.addresses import is_address
from .database import Database
from .keys import plain, profile_id
from .schema import portrayals

MOST_LINKS = 8
LONGEST_ABOUT = 500  # characters


@dataclass(frozen=True, slots=True)
class Portrayal:
    """about : a line or two, or ""; picture : its sha256, to tell one from the next, or "" where there is none"""

    about: str = ""
    links: tuple[str, ...] = ()
    picture: str = ""


class Portrayals:
    """What is shown of the people of an open library. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, profile: int) -> Portrayal:
        """Return what is shown of the profile of that id."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(portrayals).where(portrayals.c.profile_id == profile)).one_or_none()
        if row is None:
            return Portrayal()
        picture = hashlib.sha256(row.picture).hexdigest()[:16] if row.picture else ""
        return Portrayal(row.about, tuple(json.loads(row.links)), picture)

    def pictured(self) -> frozenset[int]:
        """Return the ids of those who have a picture."""
        with self._database.read() as connection:
            has = sa.select(portrayals.c.profile_id).where(portrayals.c.picture.is_not(None))
            return frozenset(connection.scalars(has))

    def picture(self, profile: int) -> bytes | None:
        """Return the picture (JPEG) of the profile of that id; None where there is none."""
        with self._database.read() as connection:
            return connection.scalar(sa.select(portrayals.c.picture).where(portrayals.c.profile_id == profile))

    def tell(self, name: str, about: str, links: Sequence[str]) -> None:
        """Set the line and the links of a person. Raises ProfileNotFound, LibraryError for a link that is none."""
        wrong = [link for link in links if not is_address(link) or "".join(plain(link).split()) != link]
        if wrong:
            raise LibraryError(f"{plain(wrong[0])[:80]} is no address; write https://…")
        self._set(name, about=plain(about)[:LONGEST_ABOUT], links=json.dumps(list(links[:MOST_LINKS])))

    def show(self, name: str, picture: bytes | None) -> None:
        """Set the picture of a person, or take it away. Raises ProfileNotFound."""
        self._set(name, picture=picture)

    def _set(self, name: str, **values: Any) -> None:
        with self._database.write() as connection:
            own = portrayals.c.profile_id == (number := profile_id(connection, name))
            if connection.execute(portrayals.update().where(own).values(values)).rowcount == 0:
                connection.execute(portrayals.insert().values(profile_id=number, **values))
