"""Which show an episode is of, as far as anybody said."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Collection
from datetime import date
from pathlib import PurePath

import sqlalchemy as sa

from ..formats.addresses import slug
from ..net.addresses import is_address
from .database import Database, one_of
from .schema import PICTURES, episodes, jobs, profiles, settings, speakers, voiceprints


def show_of(show: str | None, source: str, *, folders: bool = False) -> str:
    """Return the feed's or folder's name that came with the episode, else the host of an address, else "".

    folders : a file that came without a show is of the one that its folder is called; for who owns the library alone

    >>> show_of("Ada", "/a/1.mp3"), show_of(None, "https://example.org/a/1.mp3"), show_of(None, "/home/ada/1.mp3")
    ('Ada', 'example.org', '')
    """
    host = re.match(r"https?://(?:[^/@]*@)?([^/:]+)", source)
    folder = PurePath(source.replace("\\", "/")).parent.name if folders else ""
    return show or (host[1] if host else folder)


_DAY = re.compile(r"(?<![0-9])((?:19|20)[0-9]{2})-([01][0-9])-([0-3][0-9])(?![0-9])")
_DAY_FIRST = re.compile(r"((?:19|20)[0-9]{2})[._ ]?([01][0-9])[._ ]?([0-3][0-9])(?=[ ._-]|$)")


def day_in_name(name: str) -> tuple[str | None, str]:
    """(ISO 8601 day, the rest) of a file's name; (None, the name) when there is no such day in it.

    >>> day_in_name("2024-06-14 Title"), day_in_name("20240614_Title"), day_in_name("Title 99")
    (('2024-06-14', 'Title'), ('2024-06-14', 'Title'), (None, 'Title 99'))
    """
    found = _DAY.search(name) or _DAY_FIRST.match(name)
    if found is None:
        return None, name
    try:
        day = date(*map(int, found.groups())).isoformat()
    except ValueError:
        return None, name
    rest = " ".join(part.strip(" ._-") for part in (name[: found.start()], name[found.end() :]))
    return day, rest.strip() or name


def by_episode(
    connection: sa.Connection, episode_ids: Collection[int] | None = None, *, folders: bool = True
) -> dict[int, str]:
    """Return by episode id the show, of all episodes or at least of some. ``folders`` is as for `show_of`."""
    show = sa.func.coalesce(sa.func.nullif(episodes.c.show, ""), jobs.c.show).label("show")
    of_job = jobs.c.audio_sha256 == episodes.c.audio_sha256
    wanted = sa.select(episodes.c.id, episodes.c.source, show).outerjoin(jobs, of_job).order_by(jobs.c.id.desc())
    if episode_ids is not None:
        wanted = wanted.where(one_of(episodes.c.id, episode_ids))
    return {row.id: show_of(row.show, row.source, folders=folders) for row in connection.execute(wanted).all()}


def home_of(connection: sa.Connection, audio_sha256: str, source: str) -> str:
    """Where a sound belongs that comes from ``source``: where it is stored from, if that file is still there.

    A copy made elsewhere is the same recording of the same show.
    """
    known = connection.scalar(sa.select(episodes.c.source).where(episodes.c.audio_sha256 == audio_sha256))
    is_file = known is not None and not is_address(known) and not is_address(source)
    return known if known is not None and is_file and known != source and os.path.isfile(known) else source


def of_audio(connection: sa.Connection, audio_sha256: str, show: str, source: str) -> str:
    """Return the show of an audio that may not be stored yet, as `by_episode` will have it once it is."""
    stored = connection.scalar(sa.select(episodes.c.show).where(episodes.c.audio_sha256 == audio_sha256))
    source = home_of(connection, audio_sha256, source)
    newest = sa.select(jobs.c.show).where(jobs.c.audio_sha256 == audio_sha256).order_by(jobs.c.id).limit(1)
    return show_of(show or stored or connection.scalar(newest), source, folders=True)


class Shows:
    """The shows of an open library. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep_picture(self, show: str, jpeg: bytes) -> None:
        """Keep what a show looks like, in place of what it looked like before."""
        with self._database.write() as connection:
            of_show = (settings.c.embedder == PICTURES, settings.c.key == slug(show))
            connection.execute(settings.delete().where(*of_show))
            text = base64.b64encode(jpeg).decode("ascii")
            connection.execute(settings.insert().values(embedder=PICTURES, key=slug(show), value=text))

    def of_episodes(self) -> dict[str, str]:
        """Return by audio sha256 the show."""
        with self._database.read() as connection:
            shows = by_episode(connection)
            hashes = connection.execute(sa.select(episodes.c.id, episodes.c.audio_sha256))
            return {sha256: shows[number] for number, sha256 in hashes}

    def of_profiles(self) -> dict[str, frozenset[str]]:
        """The shows in which a person named each profile, or from which its voice was learned; of those profiles that
        were learned from stored episodes alone.
        """
        learned = (
            sa.select(profiles.c.name, episodes.c.id)
            .distinct()
            .join(voiceprints, voiceprints.c.profile_id == profiles.c.id)
            .outerjoin(episodes, episodes.c.audio_sha256 == voiceprints.c.audio_sha256)
        )
        said = (
            sa.select(profiles.c.name, speakers.c.episode_id)
            .join(speakers, speakers.c.profile_id == profiles.c.id)
            .where(speakers.c.confirmed.is_not(None), speakers.c.verdict == "accept")
        )
        with self._database.read() as connection:
            shows = by_episode(connection)
            shows_by_name: dict[str, set[str | None]] = {}
            for name, episode in connection.execute(learned):
                shows_by_name.setdefault(name, set()).add(shows.get(episode))
            for name, episode in connection.execute(said):
                if name in shows_by_name:
                    shows_by_name[name].add(shows[episode])
        return {name: frozenset(filter(None, own)) for name, own in shows_by_name.items() if None not in own}
