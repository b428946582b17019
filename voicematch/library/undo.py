"""Taking back what was said of voices: the rows that a transaction changed, as they were and as they became.

What a person said (profiles, voiceprints, what was confirmed or ruled out, unknowns) goes back exactly or not at all.
What the machine made of it (verdicts that nobody confirmed, candidates) goes back exactly too; where it has been made
anew since, it is left to be made again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from ..errors import ChangedSince
from ..types import Verdict
from .keys import key
from .schema import (
    candidates,
    clips,
    portrayals,
    profiles,
    ruled_out,
    set_aside,
    speakers,
    unknown_speakers,
    unknowns,
    voiceprints,
)

REFUSED = "cannot be undone: what it changed has been changed again since; correct it by hand"
_MATCH = ("verdict", "profile_id", "probability", "reasons", "confirmed")
_COLUMNS: dict[sa.Table, tuple[sa.Column[Any], ...]] = {  # parents first
    profiles: tuple(profiles.c),
    unknowns: tuple(unknowns.c),
    clips: tuple(column for column in clips.c if column.name != "audio"),
    portrayals: tuple(column for column in portrayals.c if column.name != "picture"),
    voiceprints: tuple(voiceprints.c),
    speakers: (speakers.c.id, *(speakers.c[name] for name in _MATCH)),
    candidates: tuple(candidates.c),
    ruled_out: tuple(ruled_out.c),
    set_aside: tuple(set_aside.c),
    unknown_speakers: tuple(unknown_speakers.c),
}

Row = Mapping[str, Any]
Snapshot = dict[sa.Table, dict[tuple[Any, ...], Row]]


@dataclass(frozen=True, slots=True)
class Changed:
    """One row; ``before`` is None for a new one, ``after`` for one that is gone."""

    table: sa.Table
    key: tuple[Any, ...]
    before: Row | None
    after: Row | None

    @property
    def is_made(self) -> bool:
        """Whether the machine made it, and can make it again."""
        rows = [row for row in (self.before, self.after) if row is not None]
        return self.table is candidates or (
            self.table is speakers and len(rows) == 2 and all(row["confirmed"] is None for row in rows)
        )


@dataclass
class Recorded:
    """What a transaction changed; complete when it is over. Holds voices: keep it in memory alone.

    embedder, num_erasures : of the library then
    """

    changes: tuple[Changed, ...] = field(default=(), repr=False)
    embedder: str = ""
    num_erasures: int = 0


def capture(connection: sa.Connection, clips_of: Collection[str]) -> Snapshot:
    """Return every row that naming can change. Of the kept clips, which are large, only those of profiles called so."""
    snapshot: Snapshot = {}
    for table, columns in _COLUMNS.items():
        of_table = snapshot[table] = {}
        names = [column.name for column in columns]
        places = [names.index(column.name) for column in table.primary_key]
        for row in connection.execute(sa.select(*columns)):
            of_table[tuple(row[place] for place in places)] = dict(zip(names, row, strict=True))
    own = sa.select(clips.c.id, clips.c.audio).join(profiles)
    for number, audio in connection.execute(own.where(profiles.c.name_key.in_([key(name) for name in clips_of]))):
        snapshot[clips][number,] = {**snapshot[clips][number,], "audio": audio}
    shown = sa.select(portrayals.c.profile_id, portrayals.c.picture).join(profiles)
    for number, picture in connection.execute(shown.where(profiles.c.name_key.in_([key(name) for name in clips_of]))):
        snapshot[portrayals][number,] = {**snapshot[portrayals][number,], "picture": picture}
    return snapshot


def difference(before: Snapshot, after: Snapshot) -> tuple[Changed, ...]:
    """Return the rows that differ, parents first."""
    changes = []
    for table in _COLUMNS:
        old, new = before[table], after[table]
        for number in old.keys() | new.keys():
            was, became = old.get(number), new.get(number)
            if not _same(was, became):
                changes.append(Changed(table, number, was, became))
    return tuple(changes)


def _same(one: Row | None, other: Row | None) -> bool:
    """Whether two rows agree in the columns that both know."""
    if one is None or other is None:
        return one is other
    return all(other[name] == value for name, value in one.items() if name in other)


def restore(connection: sa.Connection, recorded: Recorded) -> bool:
    """Put the rows back, and return whether all is as it was; if not, every episode has to be matched again.

    Raises ChangedSince, and nothing is to be kept, when somebody has changed the same things since.
    """
    now = capture(connection, ())
    fresh, num_stale = [], 0
    for change in recorded.changes:
        if _same(change.after, now[change.table].get(change.key)):
            fresh.append(change)
        elif change.is_made:
            num_stale += 1
        else:
            raise ChangedSince(REFUSED)
    by_table = {table: [change for change in fresh if change.table is table] for table in _COLUMNS}
    for table, changes in by_table.items():
        _insert(connection, table, [change.before for change in changes if change.after is None and change.before])
        _update(connection, table, [change.before for change in changes if change.after and change.before])
    num_freed = _free(connection, by_table)
    for table in reversed(_COLUMNS):
        _delete(connection, table, [change.key for change in by_table[table] if change.before is None])
    return not num_stale and not num_freed


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    if table is clips and not all("audio" in row for row in rows):
        raise ChangedSince("cannot be undone: a clip that went with it was not kept")
    if rows:
        connection.execute(table.insert(), [dict(row) for row in rows])


def _update(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    rest = [name for name in rows[0] if name not in keys]  # a picture too, where it was read
    statement = table.update().where(*(table.c[name] == sa.bindparam(f"its_{name}") for name in keys))
    statement = statement.values({name: sa.bindparam(f"new_{name}") for name in rest})
    values = [{f"its_{name}": row[name] for name in keys} | {f"new_{name}": row[name] for name in rest} for row in rows]
    connection.execute(statement, values)


def _delete(connection: sa.Connection, table: sa.Table, keys: Sequence[tuple[Any, ...]]) -> None:
    if keys:
        names = [column.name for column in table.primary_key]
        statement = table.delete().where(*(table.c[name] == sa.bindparam(f"its_{name}") for name in names))
        own = [f"its_{name}" for name in names]
        connection.execute(statement, [dict(zip(own, key, strict=True)) for key in keys])


def _free(connection: sa.Connection, by_table: Mapping[sa.Table, Sequence[Changed]]) -> int:
    """Take profiles that are about to go from the speakers a batch has matched to them since; return how many."""
    going = [change.key[0] for change in by_table[profiles] if change.before is None]
    if not going:
        return 0
    learned = {change.key[0] for change in by_table[voiceprints]}
    now_known = connection.scalars(sa.select(voiceprints.c.id).where(voiceprints.c.profile_id.in_(going)))
    of_them = speakers.c.profile_id.in_(going)
    said_so = connection.scalar(sa.select(sa.func.count()).where(of_them, speakers.c.confirmed.is_not(None)))
    if said_so or set(now_known) - learned:  # somebody has taught the profile more since
        raise ChangedSince(REFUSED)
    nobody = {"verdict": Verdict.UNKNOWN.value, "profile_id": None, "probability": 0.0, "reasons": "[]"}
    return connection.execute(speakers.update().where(of_them).values(nobody)).rowcount
