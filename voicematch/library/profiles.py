"""People with names: made, renamed, merged, found."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from ..errors import LibraryError, ProfileExists, ProfileNotFound
from ..types import Verdict
from . import erasure, said, stale
from .database import Database, insert, now
from .erasure import Forgotten
from .keys import clean, key, plain, profile_id
from .matches import token
from .pins import Pin
from .reading.people import Profile, read_profile
from .schema import candidates, clips, fixes, portrayals, profiles, set_aside, speakers, voiceprints


class Profiles:
    """The named people of an open library. Each method is one transaction, and an unknown name is ProfileNotFound."""

    def __init__(self, database: Database, pin: Pin) -> None:
        self._database = database
        self._pin = pin

    def create(self, name: str, *, role: str | None = None, note: str | None = None) -> Profile:
        """Make a new profile. Raises ProfileExists when the name is taken, in whatever spelling."""
        name = clean(name)
        with self._database.write() as connection:
            _refuse_taken(connection, name)
            told = {what: text and plain(text) for what, text in (("role", role), ("note", note))}
            row = {"name": name, "name_key": key(name), **told, "created": now()}
            return self._one(connection, insert(connection, profiles, **row))

    def get(self, name: str) -> Profile:
        """Return the profile of that name; upper and lower case and spacing do not matter. Raises ProfileNotFound."""
        with self._database.read() as connection:
            return self._one(connection, profile_id(connection, name))

    def find(self, name: str) -> Profile | None:
        """Return the profile of that name, or None."""
        try:
            return self.get(name)
        except ProfileNotFound:
            return None

    def describe(self, name: str, *, role: str | None = None, note: str | None = None) -> Profile:
        """Set what is given and leave the rest; an empty string clears."""
        given = {column: plain(value) for column, value in (("role", role), ("note", note)) if value is not None}
        with self._database.write() as connection:
            described = profile_id(connection, name)
            if given:
                connection.execute(profiles.update().where(profiles.c.id == described).values(given))
            return self._one(connection, described)

    def rename(self, old: str, new: str) -> Profile:
        """Rename a profile everywhere: every stored episode shows the new name from now on."""
        with self._database.write() as connection:
            renamed = profile_id(connection, old)
            new = clean(new)
            if key(new) != key(old):
                _refuse_taken(connection, new)
            row = {"name": new, "name_key": key(new)}
            connection.execute(profiles.update().where(profiles.c.id == renamed).values(row))
            return self._one(connection, renamed)

    def merge(self, source: str, into: str) -> Profile:
        """Move everything known of ``source`` to ``into``, and remove ``source``."""
        with self._database.write() as connection:
            from_id, into_id = profile_id(connection, source), profile_id(connection, into)
            if from_id == into_id:
                raise LibraryError(f"{source!r} and {into!r} are one profile already")
            said.merge_ruled_out(connection, from_id, into_id)
            _merge(connection, from_id, into_id)
            return self._one(connection, into_id)

    def remove(self, name: str) -> None:
        """Remove a profile with its voiceprints and clips; who carried its name is unnamed again."""
        with self._database.write() as connection:
            number = profile_id(connection, name)
            unnamed = {"verdict": Verdict.UNKNOWN.value, "profile_id": None, "probability": 0.0, "reasons": "[]"}
            carried = speakers.update().where(speakers.c.profile_id == number)
            connection.execute(carried.values(**unnamed, confirmed=None))
            connection.execute(profiles.delete().where(profiles.c.id == number))

    def remove_empty(self, name: str) -> bool:
        """Remove a profile that holds no voice and of which no person said anything; False when it holds something."""
        with self._database.write() as connection:
            number = profile_id(connection, name)
            held = (
                sa.select(sa.literal(1)).where(voiceprints.c.profile_id == number),
                sa.select(sa.literal(1)).where(clips.c.profile_id == number),
                sa.select(sa.literal(1)).where(set_aside.c.profile_id == number),
                sa.select(sa.literal(1)).where(speakers.c.profile_id == number, speakers.c.confirmed.is_not(None)),
            )
            if any(connection.scalar(one.limit(1)) is not None for one in held):
                return False
            connection.execute(profiles.delete().where(profiles.c.id == number))
            return True

    def forget(self, name: str, *, words: bool = False, former: Collection[str] = ()) -> Forgotten:
        """Erase a person, down to the bytes of the file: voiceprints, clips, the stored voices of speakers accepted
        as this person, and the name wherever voicematch wrote it. What was said, titles and notes stay.

        words : redact the name there too
        former : names the person had before, which go like today's; LibraryError for one that is somebody else's

        Within ``together``, `let_go` is due afterwards.
        """
        with self._database.write() as connection:
            forgotten = erasure.forget(connection, name, words=words, former=former)
            stale.mark(connection, forgotten.changed)
        return forgotten if self._database.is_together else self.let_go(forgotten)

    def let_go(self, forgotten: Forgotten) -> Forgotten:
        """Rewrite the bytes of the file, and say whether that could be done now."""
        return erasure.compact(self._database, forgotten)

    def _one(self, connection: sa.Connection, profile: int) -> Profile:
        return read_profile(connection, profile, self._pin.embedder)


def _refuse_taken(connection: sa.Connection, name: str) -> None:
    taken = connection.scalar(sa.select(profiles.c.name).where(profiles.c.name_key == key(name)))
    if taken is not None:
        raise ProfileExists(f"there is a profile {taken!r} already; voicematch profiles merge FROM INTO joins two")


def _merge(connection: sa.Connection, from_id: int, into_id: int) -> None:
    same_span = voiceprints.alias()
    connection.execute(
        voiceprints.delete().where(
            voiceprints.c.profile_id == from_id,
            sa.exists().where(
                same_span.c.profile_id == into_id,
                *(same_span.c[name] == voiceprints.c[name] for name in ("embedder", "audio_sha256", "start", "stop")),
            ),
        )
    )
    for table in (voiceprints, clips, speakers, set_aside):
        connection.execute(table.update().where(table.c.profile_id == from_id).values(profile_id=into_id))
    _merge_candidates(connection, from_id, into_id)
    shown = portrayals.c.profile_id
    if connection.scalar(sa.select(shown).where(shown == into_id)) is None:
        connection.execute(portrayals.update().where(shown == from_id).values(profile_id=into_id))
    connection.execute(
        speakers.update()
        .where(speakers.c.reasons.contains(token(from_id)))
        .values(reasons=sa.func.replace(speakers.c.reasons, token(from_id), token(into_id)))
    )
    connection.execute(fixes.update().where(fixes.c.profile_id == from_id).values(profile_id=into_id))
    connection.execute(profiles.delete().where(profiles.c.id == from_id))
    remove_unused_clips(connection, into_id)


def _merge_candidates(connection: sa.Connection, from_id: int, into_id: int) -> None:
    """Keep the better one where both were candidates for one speaker."""
    one, other = candidates.alias(), candidates.alias()
    both = (
        sa.select(one.c.speaker_id, one.c.position.label("from_position"), other.c.position.label("into_position"))
        .join(other, one.c.speaker_id == other.c.speaker_id)
        .where(one.c.profile_id == from_id, other.c.profile_id == into_id)
    )
    worse = [
        (row.speaker_id, into_id if row.from_position < row.into_position else from_id)
        for row in connection.execute(both)
    ]
    if worse:
        connection.execute(
            candidates.delete().where(
                candidates.c.speaker_id == sa.bindparam("worse_speaker"),
                candidates.c.profile_id == sa.bindparam("worse_profile"),
            ),
            [{"worse_speaker": speaker, "worse_profile": profile} for speaker, profile in worse],
        )
    connection.execute(candidates.update().where(candidates.c.profile_id == from_id).values(profile_id=into_id))


def remove_unused_clips(connection: sa.Connection, profile: int) -> None:
    """Remove the clips of a profile that no voiceprint of it was made from."""
    used = sa.select(voiceprints.c.clip_id).where(voiceprints.c.clip_id.is_not(None))
    connection.execute(clips.delete().where(clips.c.profile_id == profile, clips.c.id.not_in(used)))
