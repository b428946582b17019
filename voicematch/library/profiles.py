"""People with names: made, renamed, merged, found."""

from __future__ import annotations

import sqlalchemy as sa

from ..errors import LibraryError, ProfileExists
from .database import insert, now
from .keys import clean, key, not_found, profile_id  # noqa: F401
from .schema import candidates, clips, profiles, speakers, voiceprints


def create(connection: sa.Connection, name: str, role: str | None, note: str | None) -> int:
    name = clean(name)
    _refuse_taken(connection, name)
    return insert(connection, profiles, name=name, name_key=key(name), role=role, note=note, created=now())


def rename(connection: sa.Connection, old: str, new: str) -> int:
    renamed = profile_id(connection, old)
    new = clean(new)
    if key(new) != key(old):
        _refuse_taken(connection, new)
    connection.execute(profiles.update().where(profiles.c.id == renamed).values(name=new, name_key=key(new)))
    return renamed


def _refuse_taken(connection: sa.Connection, name: str) -> None:
    taken = connection.scalar(sa.select(profiles.c.name).where(profiles.c.name_key == key(name)))
    if taken is not None:
        raise ProfileExists(f"there is a profile {taken!r} already; to join two: voicematch profiles merge FROM INTO")


def describe(connection: sa.Connection, name: str, role: str | None, note: str | None) -> int:
    described = profile_id(connection, name)
    given = {column: value for column, value in (("role", role), ("note", note)) if value is not None}
    if given:
        connection.execute(profiles.update().where(profiles.c.id == described).values(given))
    return described


def merge(connection: sa.Connection, source: str, into: str) -> int:
    """Moves everything known of one profile to another, and removes the first."""
    from_id, into_id = profile_id(connection, source), profile_id(connection, into)
    if from_id == into_id:
        raise LibraryError(f"{source!r} and {into!r} are one profile already")
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
    return into_id


def _merge_candidates(connection: sa.Connection, from_id: int, into_id: int) -> None:
    """Where both were candidates for one speaker, the better one stays."""
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
    """What stands for a profile's name in stored reasons, so that the name itself is stored once."""
    return f"{{profile {profile}}}"


def remove_unused_clips(connection: sa.Connection, profile: int) -> None:
    used = sa.select(voiceprints.c.clip_id).where(voiceprints.c.clip_id.is_not(None))
    connection.execute(clips.delete().where(clips.c.profile_id == profile, clips.c.id.not_in(used)))
