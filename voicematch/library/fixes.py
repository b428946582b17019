"""What a person fixed in the answer on an episode, and that answer as it was heard, so that a fix can be taken back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..transcript.fixing import Fix, FixKind
from ..types import Embedding, Line, Match, Turn
from . import keys, matches, said, vectors
from .as_heard import AsHeard, line_of, listed, to_json
from .database import Database, insert, now
from .episodes import line_rows, turn_rows
from .pins import Pin
from .schema import (
    as_heard,
    episodes,
    fixes,
    heard_voices,
    lines,
    profiles,
    speaker_embeddings,
    speakers,
    turns,
    unknown_speakers,
)
from .unknowns import link


@dataclass(frozen=True, slots=True)
class FixRow:
    """A stored fix.

    batch : of those that were made at one go, and are taken back at one go
    profile : who a person said the speaker is, or None
    """

    batch: int
    fix: Fix
    profile: str | None
    created: str


class Fixes:
    """The fixes of an open library's episodes. Each method is one transaction."""

    def __init__(self, database: Database, pin: Pin) -> None:
        self._database = database
        self._pin = pin

    def of(self, audio_sha256: str) -> tuple[FixRow, ...]:
        """Return the fixes of an episode, in the order in which they were made; none where it is not stored."""
        wanted = (
            sa.select(fixes, profiles.c.name)
            .select_from(fixes)
            .join(episodes)
            .outerjoin(profiles, profiles.c.id == fixes.c.profile_id)
            .where(episodes.c.audio_sha256 == audio_sha256)
            .order_by(fixes.c.id)
        )
        with self._database.read() as connection:
            return tuple(
                FixRow(row.batch, _fix(row), row.name, row.created) for row in connection.execute(wanted).all()
            )

    def add(self, audio_sha256: str, made: Sequence[Fix], *, profile: str | None = None) -> FixRow:
        """Keep fixes that were made at one go, and return the last of them.

        profile : who a person said that the speaker is
        """
        created = now()
        with self._database.write() as connection:
            number = _episode(connection, audio_sha256)
            own = fixes.c.episode_id == number
            batch = (connection.scalar(sa.select(sa.func.max(fixes.c.batch)).where(own)) or 0) + 1
            profile_id = None if profile is None else keys.profile_id(connection, profile)
            for fix in made:
                values = _values(fix) | {"batch": batch, "profile_id": profile_id, "created": created}
                connection.execute(fixes.insert().values(episode_id=number, **values))
        return FixRow(batch, made[-1], profile, created)

    def remove(self, audio_sha256: str, batch: int) -> None:
        """Take back the fixes that were made at one go, and who a person said with them that a speaker is."""
        with self._database.write() as connection:
            number = _episode(connection, audio_sha256)
            own = (fixes.c.episode_id == number) & (fixes.c.batch == batch)
            nothing = {"verdict": "unknown", "profile_id": None, "probability": 0.0, "reasons": "[]"}
            for row in connection.execute(sa.select(fixes).where(own, fixes.c.profile_id.is_not(None))).all():
                said_then = (
                    (speakers.c.episode_id == number)
                    & (speakers.c.label == row.label)
                    & (speakers.c.profile_id == row.profile_id)
                    & (speakers.c.confirmed == row.created)
                )
                connection.execute(speakers.update().where(said_then).values(confirmed=None, **nothing))
            connection.execute(fixes.delete().where(own))

    def relabel(self, audio_sha256: str, carried: Sequence[Fix]) -> None:
        """Put other labels into the fixes of an episode, which are given in their order."""
        with self._database.write() as connection:
            own = fixes.c.episode_id == _episode(connection, audio_sha256)
            ids = connection.scalars(sa.select(fixes.c.id).where(own).order_by(fixes.c.id)).all()
            for number, fix in zip(ids, carried, strict=True):
                values = {"label": fix.label or None, "source": fix.source or None}
                connection.execute(fixes.update().where(fixes.c.id == number).values(values))

    def heard(self, audio_sha256: str) -> AsHeard | None:
        """Return the answer as it was heard; None where nothing in it was ever fixed."""
        with self._database.read() as connection:
            own = sa.select(as_heard, episodes.c.embedder).join(episodes).where(episodes.c.audio_sha256 == audio_sha256)
            row = connection.execute(own).one_or_none()
            if row is None:
                return None
            dimension = self._pin.dimension(connection) or 0
            voices = connection.execute(sa.select(heard_voices).where(heard_voices.c.episode_id == row.episode_id))
            # Of voices by another embedder, which the library was moved away from, nothing can be made.
            kept = {voice.label: voice for voice in voices if row.embedder == self._pin.embedder}
        return AsHeard(
            turns=tuple(Turn(*turn) for turn in json.loads(row.turns)),
            lines=tuple(map(line_of, json.loads(row.lines))),
            voices={
                label: vectors.embeddings(
                    vectors.from_bytes(voice.vectors, dimension), vectors.spans_from_bytes(voice.spans)
                )
                for label, voice in kept.items()
            },
            unknowns={label: int(voice.unknown_id) for label, voice in kept.items() if voice.unknown_id is not None},
        )

    def keep_heard(self, audio_sha256: str, heard: AsHeard | None) -> None:
        """Keep the answer of a stored episode as it was heard; with None, forget that.

        The numbers of unknowns are those of the speakers of today, by label.
        """
        with self._database.write() as connection:
            number = _episode(connection, audio_sha256)
            linked = (
                sa.select(speakers.c.label, unknown_speakers.c.unknown_id)
                .join(unknown_speakers, unknown_speakers.c.speaker_id == speakers.c.id)
                .where(speakers.c.episode_id == number)
            )
            unknown_by_label = {row.label: row.unknown_id for row in connection.execute(linked)}
            for table in (as_heard, heard_voices):
                connection.execute(table.delete().where(table.c.episode_id == number))
            if heard is None:
                return
            values = {"turns": to_json([[turn.start, turn.end, turn.speaker] for turn in heard.turns])}
            values["lines"] = to_json([listed(line) for line in heard.lines])
            connection.execute(as_heard.insert().values(episode_id=number, **values))
            for label, own in heard.voices.items():
                if own:
                    rows = vectors.stack(own, self._pin.dimension(connection) or 0, label)
                    blobs = {"vectors": vectors.to_bytes(rows), "spans": vectors.spans_to_bytes(own)}
                    known = heard.unknowns.get(label, unknown_by_label.get(label))
                    connection.execute(
                        heard_voices.insert().values(episode_id=number, label=label, unknown_id=known, **blobs)
                    )

    def confirm(self, audio_sha256: str, label: str, row: FixRow) -> None:
        """Record that a person said, by a fix, who a speaker is; `remove` takes that back with the fix."""
        with self._database.write() as connection:
            own = (speakers.c.episode_id == _episode(connection, audio_sha256)) & (speakers.c.label == label)
            connection.execute(speakers.update().where(own).values(confirmed=row.created))

    def rewrite(
        self,
        audio_sha256: str,
        answer: tuple[Sequence[Turn], Sequence[Line]],
        voices: Mapping[str, Sequence[Embedding]],
        blank: Mapping[str, Match],
        unknowns: Mapping[str, int],
    ) -> None:
        """Put other turns, lines and voices into a stored answer. Who a speaker is stays with the label.

        blank : for every label, the match of one without a voice
        unknowns : by label, for a speaker who comes back, which unknown it was

        What a person said of a speaker who is gone waits, as when another answer does not tell it apart.
        """
        of_turns, of_lines = answer
        with self._database.write() as connection:
            number = _episode(connection, audio_sha256)
            ids = _speakers(connection, number, audio_sha256, of_turns)
            connection.execute(turns.delete().where(turns.c.episode_id == number))
            connection.execute(lines.delete().where(lines.c.episode_id == number))
            _insert(connection, turns, turn_rows(number, of_turns, ids))
            _insert(connection, lines, line_rows(number, of_lines))
            dimension = self._pin.dimension(connection) or 0
            _put_voices(connection, ids, voices, dimension, unknowns)
            names = matches.Names(connection)
            for label, speaker in ids.items():
                if not voices.get(label):
                    own = (speakers.c.id == speaker) & speakers.c.confirmed.is_(None)
                    connection.execute(speakers.update().where(own).values(matches.to_row(blank.get(label), names)))


def _speakers(connection: sa.Connection, number: int, audio_sha256: str, of_turns: Sequence[Turn]) -> dict[str, int]:
    """Make the rows of the speakers fit the turns, and return their ids by label."""
    before = said.speakers_before(connection, audio_sha256)
    stored = connection.execute(sa.select(speakers).where(speakers.c.episode_id == number)).all()
    ids = {row.label: int(row.id) for row in stored}
    position = max((row.position for row in stored), default=-1)
    own: dict[str, list[Turn]] = {}
    for turn in of_turns:
        own.setdefault(turn.speaker, []).append(turn)
    waiting = [one for one in before if one.waits]
    back = said.origins(waiting, [turn for turn in of_turns if turn.speaker not in ids])
    gone = [one for one in before if not one.waits and one.label not in own and one.confirmed is not None]
    still = [one for one in waiting if one not in back.values()]
    said.put_aside(connection, number, [*still, *gone])
    for label in [label for label in ids if label not in own]:
        connection.execute(speakers.delete().where(speakers.c.id == ids.pop(label)))
    for label, talk in own.items():
        values: dict[str, Any] = {"talk_seconds": sum(turn.duration for turn in talk), "num_turns": len(talk)}
        if label in ids:
            connection.execute(speakers.update().where(speakers.c.id == ids[label]).values(values))
            continue
        position += 1
        nobody = {"verdict": "unknown", "profile_id": None, "probability": 0.0, "reasons": "[]", "confirmed": None}
        word = dict(back[label].confirmed or {}) if label in back else {}
        values |= {"episode_id": number, "label": label, "position": position}
        ids[label] = insert(connection, speakers, **(values | nobody | word))
    return ids


def _put_voices(
    connection: sa.Connection,
    ids: Mapping[str, int],
    voices: Mapping[str, Sequence[Embedding]],
    dimension: int,
    unknowns: Mapping[str, int],
) -> None:
    known = sa.select(unknown_speakers).where(unknown_speakers.c.speaker_id.in_(list(ids.values())))
    number_by_id = {row.speaker_id: row.unknown_id for row in connection.execute(known)}
    for table in (speaker_embeddings, unknown_speakers):
        connection.execute(table.delete().where(table.c.speaker_id.in_(list(ids.values()))))
    for label, speaker in ids.items():
        own = voices.get(label)
        if not own:
            continue
        rows = vectors.to_bytes(vectors.stack(own, dimension, label))
        spans = vectors.spans_to_bytes(own)
        connection.execute(speaker_embeddings.insert().values(speaker_id=speaker, vectors=rows, spans=spans))
        number = number_by_id.get(speaker, unknowns.get(label))
        if number is not None:
            link(connection, speaker, number, own)


def _episode(connection: sa.Connection, audio_sha256: str) -> int:
    return int(connection.execute(sa.select(episodes.c.id).where(episodes.c.audio_sha256 == audio_sha256)).scalar_one())


def _insert(connection: sa.Connection, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
    listed = list(rows)
    if listed:
        connection.execute(table.insert(), listed)


def _fix(row: Any) -> Fix:
    spans = tuple((start, end) for start, end in json.loads(row.spans))
    return Fix(FixKind(row.kind), spans, row.label or "", row.source or "", row.text or "", row.before or "")


def _values(fix: Fix) -> dict[str, str | None]:
    is_text = fix.kind is FixKind.TEXT
    return {
        "kind": fix.kind.value,
        "label": fix.label or None,
        "source": fix.source or None,
        "spans": to_json(fix.spans),
        "text": keys.storable(fix.text) if is_text else None,
        "before": keys.storable(fix.before) if is_text else None,
    }
