"""Which show an episode is of, as far as anybody said."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePath

import sqlalchemy as sa

from .database import Database, one_of
from .schema import episodes, jobs, profiles, speakers, voiceprints


def show_of(show: str | None, source: str, *, folders: bool = False) -> str:
    """Return the feed's or folder's name that came with the episode, else the host of an address, else "".

    folders : a file that came without a show is of the one that its folder is called; for who owns the library alone

    >>> show_of("Ada", "/a/1.mp3"), show_of(None, "https://example.org/a/1.mp3"), show_of(None, "/home/ada/1.mp3")
    ('Ada', 'example.org', '')
    """
    host = re.match(r"https?://(?:[^/@]*@)?([^/:]+)", source)
    folder = PurePath(source.replace("\\", "/")).parent.name if folders else ""
    return show or (host[1] if host else folder)


def by_episode(
    connection: sa.Connection, episode_ids: Collection[int] | None = None, *, folders: bool = True
) -> dict[int, str]:
    """By episode id, the show; of all episodes, or at least of some. ``folders`` is as for `show_of`."""
    show = sa.func.coalesce(sa.func.nullif(episodes.c.show, ""), jobs.c.show).label("show")
    of_job = jobs.c.audio_sha256 == episodes.c.audio_sha256
    wanted = sa.select(episodes.c.id, episodes.c.source, show).outerjoin(jobs, of_job).order_by(jobs.c.id.desc())
    if episode_ids is not None:
        wanted = wanted.where(one_of(episodes.c.id, episode_ids))
    return {row.id: show_of(row.show, row.source, folders=folders) for row in connection.execute(wanted).all()}


def of_audio(connection: sa.Connection, audio_sha256: str, show: str, source: str) -> str:
    """Return the show of an audio that may not be stored yet, as `by_episode` will have it once it is."""
    stored = connection.scalar(sa.select(episodes.c.show).where(episodes.c.audio_sha256 == audio_sha256))
    newest = sa.select(jobs.c.show).where(jobs.c.audio_sha256 == audio_sha256).order_by(jobs.c.id).limit(1)
    return show_of(show or stored or connection.scalar(newest), source, folders=True)


class Shows:
    """The shows of an open library. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_episodes(self) -> dict[str, str]:
        """By audio sha256, the show."""
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
