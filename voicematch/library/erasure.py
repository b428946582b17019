"""Forgetting a person: out of the tables, and out of the bytes of the file."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection
from dataclasses import dataclass, replace

import sqlalchemy as sa

from ..errors import LibraryError
from ..types import Verdict
from . import as_heard, earlier, keys, labels, mentions
from .database import Database, now
from .schema import (
    REBUILD_SEARCH_ON_SQLITE,
    candidates,
    clips,
    episodes,
    jobs,
    lines,
    metadata,
    settings,
    speakers,
    voiceprints,
)
from .schema import profiles as profiles_table

log = logging.getLogger(__name__)

FORGOTTEN = "a forgotten profile"
"""What stands where a forgotten name stood."""
TO_COMPACT = (settings.c.embedder == "", settings.c.key == "to_compact")
COUNT = (settings.c.embedder == "", settings.c.key == "num_erasures")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What went when a profile was forgotten.

    num_speakers : speakers of episodes that carried the name or had it suggested; they are unknown now
    num_speaker_embeddings : of those, the ones whose stored voice was erased, because the name had been accepted
    num_lines : lines of transcripts from which the name was taken as speaker; what was said stays as it was
    changed : the episodes (audio sha256) whose lines were changed
    num_mentions : lines, titles and notes that say the name; they stay as they are unless they were to be redacted
    compacted : the bytes are gone from the file too; ``obstacle`` says why not, and the next command tries again
    """

    num_voiceprints: int
    num_clips: int
    num_speakers: int
    num_speaker_embeddings: int
    num_candidates: int
    num_lines: int
    changed: frozenset[str] = frozenset()
    num_mentions: int = 0
    compacted: bool = False
    obstacle: str = ""


NOBODY = Forgotten(0, 0, 0, 0, 0, 0)


def forget(connection: sa.Connection, name: str, *, words: bool = False, former: Collection[str] = ()) -> Forgotten:
    """Erase a profile from every table. ``compact`` then takes it out of the file.

    words : also redact the name where it is said, in titles and notes
    former : names the person had before, which go like today's; LibraryError for one that is somebody else's
    """
    profile = keys.profile_id(connection, name)
    stored_name = connection.scalar(sa.select(profiles_table.c.name).where(profiles_table.c.id == profile)) or name

    def num_rows(column: sa.Column[int]) -> int:
        counted = sa.select(sa.func.count()).select_from(column.table).where(column == profile)
        return int(connection.scalar(counted) or 0)

    num_voiceprints, num_clips = num_rows(voiceprints.c.profile_id), num_rows(clips.c.profile_id)
    num_candidates = num_rows(candidates.c.profile_id)
    accepted = sa.select(speakers.c.id).where(
        speakers.c.profile_id == profile, speakers.c.verdict == Verdict.ACCEPT.value
    )
    num_voices = as_heard.erase_voices(connection, connection.scalars(accepted).all())
    unnamed = connection.execute(
        speakers.update()
        .where(speakers.c.profile_id == profile)
        .values(
            verdict=Verdict.UNKNOWN.value,
            profile_id=None,
            probability=0.0,
            confirmed=None,
            reasons=json.dumps([f"was matched to {FORGOTTEN}"]),
        )
    )
    connection.execute(profiles_table.delete().where(profiles_table.c.id == profile))
    num_lines, num_mentions, changed = 0, 0, frozenset[str]()
    for called in {keys.key(one): one for one in (*map(keys.clean, former), stored_name)}.values():
        _refuse_others(connection, called)
        num_scrubbed, num_said, touched = scrub(connection, called, words=words)
        num_lines, num_mentions, changed = num_lines + num_scrubbed, num_mentions + num_said, changed | touched
    make_due(connection)
    return Forgotten(
        num_voiceprints=num_voiceprints,
        num_clips=num_clips,
        num_speakers=unnamed.rowcount,
        num_speaker_embeddings=num_voices,
        num_candidates=num_candidates,
        num_lines=num_lines,
        changed=changed,
        num_mentions=num_mentions,
    )


def scrub(connection: sa.Connection, name: str, *, words: bool) -> tuple[int, int, frozenset[str]]:
    """Take a name from wherever it was written.

    words : also redact it where it is said, in titles and notes

    Return how many lines lost it as their speaker, how many lines, titles and notes say it, and the episodes changed.
    """
    _scrub_reasons(connection, name)
    _scrub_credits(connection, name)
    changed = labels.scrub(connection, name)
    num_lines, touched = _scrub_lines(connection, name)
    as_heard.scrub_speaker(connection, name)
    num_mentions, mentioned = mentions.find(connection, name, redact=words)
    return num_lines, num_mentions, changed | touched | (mentioned if words else frozenset())


def _refuse_others(connection: sa.Connection, name: str) -> None:
    """Raise LibraryError when a name is that of somebody in the library."""
    other = connection.scalar(sa.select(profiles_table.c.name).where(profiles_table.c.name_key == keys.key(name)))
    if other is not None:
        raise LibraryError(f"{other!r} is somebody of their own here, and not a former name; nothing was erased")


def _scrub_reasons(connection: sa.Connection, name: str) -> None:
    """Reasons hold ids in place of names; this catches a name that came in as a label, or spelled another way.

    Reasons are written in lower case: a single word of theirs is none but the name as it is stored.
    """
    whole = mentions.whole(name)
    is_word = len(name.split()) == 1

    def instead(found: re.Match[str]) -> str:
        return found[0] if is_word and found[0].islower() and found[0] != name else FORGOTTEN

    for speaker, told in connection.execute(mentions.maybe(name, speakers.c.reasons, speakers.c.id)).all():
        reasons = json.loads(told)
        scrubbed = [whole.sub(instead, reason) for reason in reasons]
        if scrubbed != reasons:
            values = {"reasons": json.dumps(scrubbed, ensure_ascii=False)}
            connection.execute(speakers.update().where(speakers.c.id == speaker).values(values))


def _scrub_credits(connection: sa.Connection, name: str) -> None:
    """A feed may name who takes part in an episode: that name goes from what is kept of it."""
    forgotten = keys.key(name)

    def scrubbed(about: str) -> str:
        known = json.loads(about)
        if "persons" in known:
            known["persons"] = [person for person in known["persons"] if keys.key(str(person[0])) != forgotten]
        return json.dumps(known)

    credited = jobs.c.about.contains('"persons"') | jobs.c.changed_to.contains("persons")
    for job, about, changed_to in connection.execute(
        sa.select(jobs.c.id, jobs.c.about, jobs.c.changed_to).where(credited)
    ).all():
        values: dict[str, str | None] = {"about": scrubbed(about)}
        if changed_to is not None:
            waiting = json.loads(changed_to)
            values["changed_to"] = json.dumps(waiting | {"about": scrubbed(waiting["about"])})
        connection.execute(jobs.update().where(jobs.c.id == job).values(values))


def _scrub_lines(connection: sa.Connection, name: str) -> tuple[int, frozenset[str]]:
    """Lines of a transcript file may name their speaker: that name goes, the words stay.

    Gives how many lines, and the episodes (audio sha256) in which anything changed.
    """
    forgotten = keys.key(name)
    spellings = [
        speaker
        for speaker in connection.scalars(sa.select(lines.c.speaker).distinct().where(lines.c.speaker.is_not(None)))
        if keys.key(speaker) == forgotten
    ]
    num_scrubbed, touched = 0, set[int]()
    if spellings:
        own = lines.c.speaker.in_(spellings)
        touched.update(connection.scalars(sa.select(lines.c.episode_id).distinct().where(own)))
        num_scrubbed = connection.execute(lines.update().where(own).values(speaker=None)).rowcount
    told = sa.func.coalesce(lines.c.words, "") + sa.func.coalesce(lines.c.others, "")
    columns = (lines.c.id, lines.c.episode_id, lines.c.words, lines.c.others)
    for line, episode, words, others, _ in connection.execute(mentions.maybe(name, told, *columns)).all():
        spoken, beside = json.loads(words or "[]"), json.loads(others or "[]")
        scrubbed = [[*word[:3], None] if word[3] and keys.key(word[3]) == forgotten else word for word in spoken]
        kept = [other for other in beside if keys.key(other) != forgotten]
        if (scrubbed, kept) != (spoken, beside):
            values = {"words": json.dumps(scrubbed, ensure_ascii=False, separators=(",", ":")) if words else None}
            values["others"] = json.dumps(kept, ensure_ascii=False) if kept else None
            connection.execute(lines.update().where(lines.c.id == line).values(values))
            touched.add(episode)
    of_touched = sa.select(episodes.c.id, episodes.c.audio_sha256)
    changed = {sha256 for number, sha256 in connection.execute(of_touched) if number in touched} if touched else ()
    return num_scrubbed, frozenset(changed)


def make_due(connection: sa.Connection) -> None:
    """Note that something was erased which is in the bytes of the file until it is compacted; it must not come back."""
    earlier.forget_all(connection)
    connection.execute(settings.delete().where(*TO_COMPACT))
    connection.execute(settings.insert().values(embedder="", key="to_compact", value=now()))
    number = num_erasures(connection) + 1
    connection.execute(settings.delete().where(*COUNT))
    connection.execute(settings.insert().values(embedder="", key="num_erasures", value=str(number)))


def num_erasures(connection: sa.Connection) -> int:
    """Return how often something was erased: whoever keeps rows in memory lets go of them when it changes."""
    return int(connection.scalar(sa.select(settings.c.value).where(*COUNT)) or 0)


def is_due(database: Database) -> bool:
    """Return whether what was forgotten is still in the bytes of the file, because nobody could compact it."""
    with database.read() as connection:
        return connection.scalar(sa.select(settings.c.value).where(*TO_COMPACT)) is not None


def compact(database: Database, forgotten: Forgotten) -> Forgotten:
    """Rewrite the file without what was deleted; return whether that could be done now."""
    obstacle = _compact(database)
    if not obstacle:
        with database.write() as connection:
            connection.execute(settings.delete().where(*TO_COMPACT))
    return replace(forgotten, compacted=not obstacle, obstacle=obstacle)


def _compact(database: Database) -> str:
    """What was in the way of it, or nothing."""
    if database.path is None:
        _vacuum_postgresql(database)
        return ""
    try:
        with database.bare() as connection:
            connection.execute(REBUILD_SEARCH_ON_SQLITE)  # VACUUM copies its pages as they are
            connection.execute("VACUUM")
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except LibraryError as error:
        log.warning("%s; what was forgotten is still in the bytes of the file, and the next command tries again", error)
        return str(error)
    if busy:
        log.warning(
            "%s: another process reads it; the write-ahead log still holds old bytes until it ends", database.location
        )
        return f"{database.location}: another process reads it"
    return ""


def _vacuum_postgresql(database: Database) -> None:
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in metadata.sorted_tables:
            connection.exec_driver_sql(f"VACUUM (FULL) {table.name}")
