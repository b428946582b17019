"""People with names: made, renamed, merged, found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import LibraryError, ProfileExists, ProfileNotFound
from ..types import Verdict
from . import erasure, said
from .database import Database, insert, now
from .erasure import Forgotten
from .keys import clean, key, profile_id
from .pins import Pin
from .schema import candidates, clips, episodes, profiles, speakers, voiceprints


@dataclass(frozen=True, slots=True)
class Profile:
    """A named person.

    created, last_heard : ISO 8601; the latter is the date of the latest episode the person was named in
    consent : the bases on which the voiceprints are kept, each once
    speech_seconds : net speech behind the voiceprints
    num_episodes, talk_seconds : where the name was accepted
    """

    name: str
    role: str | None
    note: str | None
    created: str
    embedder: str | None
    consent: tuple[str, ...] = ()
    num_voiceprints: int = 0
    speech_seconds: float = 0.0
    num_episodes: int = 0
    talk_seconds: float = 0.0
    last_heard: str | None = None


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
            row = {"name": name, "name_key": key(name), "role": role, "note": note, "created": now()}
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

    def all(self) -> tuple[Profile, ...]:
        """Return all profiles, sorted by name."""
        with self._database.read() as connection:
            return tuple(_summaries(connection, None, self._pin.embedder))

    def describe(self, name: str, *, role: str | None = None, note: str | None = None) -> Profile:
        """Set what is given and leave the rest; an empty string clears."""
        given = {column: value for column, value in (("role", role), ("note", note)) if value is not None}
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

    def forget(self, name: str) -> Forgotten:
        """Erase a person, down to the bytes of the file: voiceprints, clips, the stored voices of speakers accepted
        as this person, and the name wherever voicematch wrote it. What was said, and titles, stay as they were.
        """
        with self._database.write() as connection:
            forgotten = erasure.forget(connection, name)
        return erasure.compact(self._database, forgotten)

    def _one(self, connection: sa.Connection, profile: int) -> Profile:
        return _summaries(connection, profile, self._pin.embedder)[0]


def _refuse_taken(connection: sa.Connection, name: str) -> None:
    taken = connection.scalar(sa.select(profiles.c.name).where(profiles.c.name_key == key(name)))
    if taken is not None:
        raise ProfileExists(f"there is a profile {taken!r} already; to join two: voicematch profiles merge FROM INTO")


def _summaries(connection: sa.Connection, only: int | None, embedder: str | None) -> list[Profile]:
    """Read profiles with their figures, sorted by name; all of them, or ``only`` one."""
    heard = (
        sa.select(
            speakers.c.profile_id,
            sa.func.count(sa.distinct(speakers.c.episode_id)).label("num_episodes"),
            sa.func.sum(speakers.c.talk_seconds).label("talk_seconds"),
            sa.func.max(sa.func.coalesce(episodes.c.date, episodes.c.stored)).label("last_heard"),
        )
        .join(episodes)
        .where(speakers.c.verdict == Verdict.ACCEPT.value)
        .group_by(speakers.c.profile_id)
        .subquery()
    )
    known = sa.select(
        voiceprints.c.profile_id,
        voiceprints.c.consent,
        sa.func.count().label("num_voiceprints"),
        sa.func.sum(voiceprints.c.seconds).label("speech_seconds"),
    ).group_by(voiceprints.c.profile_id, voiceprints.c.consent)
    people = sa.select(profiles, heard).outerjoin(heard, heard.c.profile_id == profiles.c.id)
    if only is not None:
        people = people.where(profiles.c.id == only)
        known = known.where(voiceprints.c.profile_id == only)
    by_profile: dict[int, list[Any]] = {}
    for row in connection.execute(known.order_by(voiceprints.c.consent)):
        by_profile.setdefault(row.profile_id, []).append(row)
    found = []
    for person in connection.execute(people):
        prints = by_profile.get(person.id, [])
        found.append(
            Profile(
                name=person.name,
                role=person.role,
                note=person.note,
                created=person.created,
                embedder=embedder,
                consent=tuple(row.consent for row in prints),
                num_voiceprints=sum(row.num_voiceprints for row in prints),
                speech_seconds=float(sum(row.speech_seconds for row in prints)),
                num_episodes=person.num_episodes or 0,
                talk_seconds=person.talk_seconds or 0.0,
                last_heard=person.last_heard,
            )
        )
    return sorted(found, key=lambda profile: (key(profile.name), profile.name))


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
    for table in (voiceprints, clips, speakers):
        connection.execute(table.update().where(table.c.profile_id == from_id).values(profile_id=into_id))
    _merge_candidates(connection, from_id, into_id)
    connection.execute(
        speakers.update()
        .where(speakers.c.reasons.contains(token(from_id)))
        .values(reasons=sa.func.replace(speakers.c.reasons, token(from_id), token(into_id)))
    )
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


def token(profile: int) -> str:
    """Write what stands for a profile's name in stored reasons, so that the name itself is stored once."""
    return f"{{profile {profile}}}"


def remove_unused_clips(connection: sa.Connection, profile: int) -> None:
    """Remove the clips of a profile that no voiceprint of it was made from."""
    used = sa.select(voiceprints.c.clip_id).where(voiceprints.c.clip_id.is_not(None))
    connection.execute(clips.delete().where(clips.c.profile_id == profile, clips.c.id.not_in(used)))
