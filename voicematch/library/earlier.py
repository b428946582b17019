"""The answer on an episode as it was before its voices were told apart anew, so that this can be taken back.

It holds voices: it goes with the episode, with any voice in it that is forgotten, and whenever a person is.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from ..errors import ChangedSince, LibraryError
from . import folding
from .database import Database, insert, now
from .pins import Pin
from .schema import (
    as_heard,
    earlier_answers,
    episodes,
    fixes,
    heard_voices,
    lines,
    profiles,
    ruled_out,
    set_aside,
    speaker_embeddings,
    speakers,
    turns,
    unknown_speakers,
    unknowns,
)

MOST_KEPT = 5  # answers of one episode: a few tries to find the number of speakers
NOTHING = "its voices were not told apart anew, or what there was before is not kept any more"
CHANGED = "cannot be undone: who speaks in the episode was named, fixed or heard anew since; take that back first"

OF_EPISODE = (set_aside, fixes, as_heard, heard_voices, lines)
OF_SPEAKER = (turns, speaker_embeddings, unknown_speakers, ruled_out)
MADE = ("verdict", "profile_id", "probability", "reasons")  # of a speaker, by the machine where nobody confirmed it

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class EarlierAnswer:
    """An answer, packed.

    digest : of what a person sees of it and said of it, which tells whether it is still the same
    """

    packed: bytes = field(repr=False)
    digest: str


class EarlierAnswers:
    """The earlier answers on an open library's episodes. Each method is one transaction."""

    def __init__(self, database: Database, pin: Pin) -> None:
        self._database = database
        self._pin = pin

    def today(self, audio_sha256: str) -> EarlierAnswer:
        """Return the answer on an episode as it is now, to be kept when it has become another."""
        with self._database.read() as connection:
            rows = _rows(connection, _episode(connection, audio_sha256))
        return EarlierAnswer(_pack(rows), _digest(rows, self._pin.embedder))

    def keep(self, audio_sha256: str, before: EarlierAnswer) -> int:
        """Keep what was there before the answer of today, and return the number that `put_back` takes."""
        with self._database.write() as connection:
            number = _episode(connection, audio_sha256)
            kept = _kept(connection, number)
            if kept and kept[-1].digest != before.digest:  # nothing leads back to these
                connection.execute(earlier_answers.delete().where(earlier_answers.c.episode_id == number))
            elif len(kept) >= MOST_KEPT:
                connection.execute(earlier_answers.delete().where(earlier_answers.c.id == kept[0].id))
            digest = _digest(_rows(connection, number), self._pin.embedder)
            values = {"episode_id": number, "made": now(), "digest": digest, "answer": before.packed}
            return insert(connection, earlier_answers, **values)

    def put_back(self, audio_sha256: str, kept: int | None = None) -> None:
        """Put an earlier answer back, the latest when no number is given. The episodes are to be matched again then.

        Raises LibraryError when there is none, ChangedSince when today's answer is not the one that came after it.
        """
        with self._database.write() as connection:
            number = _episode(connection, audio_sha256)
            found = [row for row in _kept(connection, number) if kept is None or row.id == kept]
            if not found:
                raise LibraryError(NOTHING)
            if found[-1].digest != _digest(_rows(connection, number), self._pin.embedder):
                raise ChangedSince(CHANGED)
            row = connection.execute(sa.select(earlier_answers).where(earlier_answers.c.id == found[-1].id)).one()
            _put(connection, number, _unpacked(row.answer))
            gone = (earlier_answers.c.episode_id == number) & (earlier_answers.c.id >= row.id)
            connection.execute(earlier_answers.delete().where(gone))


def forget_all(connection: sa.Connection) -> None:
    """Keep no earlier answer: whoever was forgotten may speak in any of them."""
    connection.execute(earlier_answers.delete())


def forget_of(connection: sa.Connection, forgotten: Sequence[int]) -> None:
    """Keep no earlier answer on the episodes of these speakers, given by their ids."""
    of_them = sa.select(speakers.c.episode_id).where(speakers.c.id.in_(list(forgotten)))
    connection.execute(earlier_answers.delete().where(earlier_answers.c.episode_id.in_(of_them)))


def findings(connection: sa.Connection) -> Iterator[str]:
    """Find earlier answers that cannot be read, one line each."""
    for _, finding in _unreadable(connection):
        yield finding


def remove_unreadable(connection: sa.Connection) -> tuple[str, ...]:
    """Take out earlier answers that cannot be read, and say which they were."""
    done = list(_unreadable(connection))
    for number, _ in done:
        connection.execute(earlier_answers.delete().where(earlier_answers.c.id == number))
    return tuple(f"{finding}; taken out" for _, finding in done)


def _unreadable(connection: sa.Connection) -> Iterator[tuple[int, str]]:
    wanted = sa.select(earlier_answers.c.id, episodes.c.audio_sha256).join(episodes).order_by(earlier_answers.c.id)
    for number, sha256 in connection.execute(wanted).all():
        packed = connection.scalar(sa.select(earlier_answers.c.answer).where(earlier_answers.c.id == number))
        try:
            _unpacked(packed)
        except LibraryError:
            yield number, f"episode {sha256[:12]}: its earlier answer cannot be read"


def _kept(connection: sa.Connection, number: int) -> Sequence[Any]:
    wanted = sa.select(earlier_answers.c.id, earlier_answers.c.digest).where(earlier_answers.c.episode_id == number)
    return connection.execute(wanted.order_by(earlier_answers.c.id)).all()


def _rows(connection: sa.Connection, number: int) -> Rows:
    """The rows of an answer by table, with labels in place of the ids of speakers, which are made anew."""
    of_episode = sa.select(episodes.c.embedder, episodes.c.diarizer, episodes.c.stored).where(episodes.c.id == number)
    rows: Rows = {"episodes": [dict(connection.execute(of_episode).one()._mapping)]}
    labels: dict[int, str] = {}
    for row in _all(connection, speakers, speakers.c.episode_id == number):
        labels[row["id"]] = row["label"]
        rows.setdefault("speakers", []).append(_without(row, "id", "episode_id"))
    for table in OF_EPISODE:
        own = _all(connection, table, table.c.episode_id == number)
        rows[table.name] = [_without(row, "id", "episode_id") for row in own]
    for table in OF_SPEAKER:
        own = _all(connection, table, table.c.speaker_id.in_(list(labels)))
        named = ({"speaker": labels[row["speaker_id"]]} | _without(row, "episode_id", "speaker_id") for row in own)
        rows[table.name] = list(named)
    return rows


def _all(connection: sa.Connection, table: sa.Table, wanted: sa.ColumnElement[bool]) -> Iterable[dict[str, Any]]:
    found = connection.execute(sa.select(table).where(wanted).order_by(*table.primary_key.columns))
    return [dict(row._mapping) for row in found]


def _put(connection: sa.Connection, number: int, rows: Rows) -> None:
    """Put the rows of an answer in place of those that are there."""
    for table in (speakers, *OF_EPISODE):  # with a speaker go the rows about them
        connection.execute(table.delete().where(table.c.episode_id == number))
    (of_episode,) = rows["episodes"]
    connection.execute(episodes.update().where(episodes.c.id == number).values(of_episode))
    rows = _of_those_there(connection, rows)
    ids = {row["label"]: insert(connection, speakers, episode_id=number, **row) for row in rows.get("speakers", [])}
    for row in rows["lines"]:
        row["folded"] = folding.folded(row["text"])
    for table in OF_EPISODE:
        _insert(connection, table, [{"episode_id": number} | row for row in rows[table.name]])
    for table in OF_SPEAKER:
        of_table = ({"speaker_id": ids[row["speaker"]]} | _without(row, "speaker") for row in rows[table.name])
        own_number = {"episode_id": number} if table is turns else {}
        _insert(connection, table, [own_number | row for row in of_table])


def _of_those_there(connection: sa.Connection, rows: Rows) -> Rows:
    """The rows without people and unknowns that are gone since: who was suggested, or ruled out.

    Whom a person named is not gone, or the digest would tell.
    """
    for column, table in (("profile_id", profiles), ("unknown_id", unknowns)):
        there = {None, *connection.scalars(sa.select(table.c.id))}
        for row in (row for own in rows.values() for row in own if row.get(column) not in there):
            row[column] = None
    rows["ruled_out"] = [row for row in rows["ruled_out"] if row["profile_id"] is not None]
    rows["unknown_speakers"] = [row for row in rows["unknown_speakers"] if row["unknown_id"] is not None]
    return rows


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(table.insert(), list(rows))


def _without(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def _digest(rows: Rows, embedder: str) -> str:
    """What tells whether an answer, and what a person said of it, is still the same; not what is matched again."""
    of_speakers = [
        _without(row, *(MADE if row["confirmed"] is None else ())) | {"confirmed": row["confirmed"]}
        for row in rows.get("speakers", [])
    ]
    seen: dict[str, Any] = {"embedder": embedder, "of": rows["episodes"][0]["embedder"], "speakers": of_speakers}
    for table in (turns, lines, ruled_out, set_aside, fixes):
        seen[table.name] = rows[table.name]
    seen["unknowns"] = [(row["speaker"], row["unknown_id"]) for row in rows["unknown_speakers"]]
    return hashlib.sha256(_to_json(seen)).hexdigest()


def _pack(rows: Rows) -> bytes:
    return zlib.compress(_to_json(rows))


def _unpacked(packed: Any) -> Rows:
    """Read what `_pack` wrote. Raises LibraryError when it is something else."""
    try:
        rows: Rows = json.loads(zlib.decompress(packed), object_hook=_from_base64)
        is_right = set(rows) >= {"episodes", *(table.name for table in (*OF_EPISODE, *OF_SPEAKER))}
    except (zlib.error, ValueError, TypeError, RecursionError):
        is_right = False
    if not is_right:
        raise LibraryError("what there was before cannot be read any more; voicematch library check --repair")
    return rows


def _to_json(value: object) -> bytes:
    return json.dumps(value, default=_as_base64, sort_keys=True, separators=(",", ":")).encode()


def _as_base64(blob: Any) -> dict[str, str]:
    return {"base64": base64.b64encode(bytes(blob)).decode()}


def _from_base64(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["base64"]) if set(value) == {"base64"} else value


def _episode(connection: sa.Connection, audio_sha256: str) -> int:
    return int(connection.execute(sa.select(episodes.c.id).where(episodes.c.audio_sha256 == audio_sha256)).scalar_one())
