"""People with names: made, renamed, merged, found."""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import LibraryError, ProfileExists, ProfileNotFound
from ..types import Verdict
from .database import insert, now
from .schema import candidates, clips, episodes, profiles, speakers, voiceprints

LONGEST_NAME = 200  # characters
RESERVED = re.compile(r"(speaker_\d+|u-\d+)$", re.IGNORECASE)  # what voicematch itself calls unnamed voices


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


def clean(name: str) -> str:
    """A name as it is kept: composed (NFC), single spaces.

    >>> clean("  Zoe\u0308   Baker ")
    'Zoë Baker'
    """
    cleaned = unicodedata.normalize("NFC", " ".join(name.split()))
    if not cleaned:
        raise LibraryError("a profile needs a name")
    if len(cleaned) > LONGEST_NAME:
        raise LibraryError(f"{cleaned[:40]}…: a name has at most {LONGEST_NAME} characters")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in cleaned):
        raise LibraryError(f"{cleaned!r}: a name cannot hold control characters")
    if RESERVED.match(cleaned):
        raise LibraryError(f"{cleaned}: unnamed voices are called that; give the person's name")
    return cleaned


def key(name: str) -> str:
    """What two spellings of one name share: upper or lower case, spacing and composition do not matter."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", " ".join(name.split())).casefold())


def create(connection: sa.Connection, name: str, role: str | None, note: str | None) -> int:
    name = clean(name)
    _refuse_taken(connection, name)
    return insert(connection, profiles, name=name, name_key=key(name), role=role, note=note, created=now())


def profile_id(connection: sa.Connection, name: str) -> int:
    """The id behind a name, or ProfileNotFound with the names that come close."""
    found = connection.scalar(sa.select(profiles.c.id).where(profiles.c.name_key == key(name)))
    if found is None:
        raise not_found(connection, name)
    return int(found)


def not_found(connection: sa.Connection, name: str) -> ProfileNotFound:
    names = {row.name_key: row.name for row in connection.execute(sa.select(profiles.c.name_key, profiles.c.name))}
    close = [names[match] for match in difflib.get_close_matches(key(name), list(names), n=3)]
    close += [full for part, full in names.items() if key(name) in part.split() and full not in close][:3]
    if close:
        return ProfileNotFound(f"no profile {name!r}; did you mean {' or '.join(close)}?")
    hint = "voicematch profiles list shows them" if names else "the library is empty: voicematch enroll NAME FILE"
    return ProfileNotFound(f"no profile {name!r}; {hint}")


def summaries(connection: sa.Connection, only: int | None, embedder: str | None) -> list[Profile]:
    """Profiles with their figures, sorted by name; all of them, or ``only`` one."""
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
