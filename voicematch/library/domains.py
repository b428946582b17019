"""What may stand in each column, and what is done about a value that cannot be right: damage that no constraint stops.

A row that says nothing without the value is taken out, as a turn without times is; else the value is, as a verdict
that is none. What a person said is never guessed at.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..transcript.fixing import FixKind
from ..types import Verdict
from ..voices.consent import CONSENT
from . import schema
from .job import State
from .keys import key
from .schema import (
    as_heard,
    candidates,
    clips,
    episodes,
    fixes,
    jobs,
    lines,
    profiles,
    settings,
    speakers,
    turns,
    unknown_speakers,
    voiceprints,
)

LONGEST = 1e9  # s; thirty years
NOBODY = {"verdict": Verdict.UNKNOWN.value, "profile_id": None, "probability": 0.0, "confirmed": None}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that cannot be right. ``values`` mend it; None: the row is to go."""

    table: sa.Table
    row: tuple[Any, ...]
    problem: str
    values: Mapping[str, Any] | None

    def __str__(self) -> str:
        return f"{self.table.name} {'/'.join(map(str, self.row))}: {self.problem}"

    @property
    def mended(self) -> str:
        """What `repair` did about it."""
        return f"{self}; {'taken out' if self.values is None else 'set to nothing'}"


def findings(connection: sa.Connection) -> Iterator[Finding]:
    """Find everything in the tables that cannot be right, vectors aside."""
    for table, bad, problem, values in _RULES:
        for row in connection.execute(sa.select(*table.primary_key.columns).where(bad)):
            yield Finding(table, tuple(row), problem, values)
    if connection.dialect.name == "sqlite":
        yield from _wrong_kinds(connection)
    yield from _wrong_texts(connection)
    yield from _wrong_pins(connection)
    yield from _wrong_clips(connection)
    rows = connection.execute(sa.select(profiles.c.id, profiles.c.name, profiles.c.name_key))
    for number, name, name_key in rows:
        if isinstance(name, str) and key(name) != name_key:
            yield Finding(profiles, (number,), f"{name!r} would not be found by its name", {"name_key": key(name)})


def repair(connection: sa.Connection) -> tuple[str, ...]:
    """Take out, or set to nothing, whatever `findings` finds; return what was done."""
    done = []
    for finding in list(findings(connection)):
        keys = zip(finding.table.primary_key.columns, finding.row, strict=True)
        own = sa.and_(*(column == value for column, value in keys))
        if finding.values is None:
            connection.execute(finding.table.delete().where(own))
        else:
            connection.execute(finding.table.update().where(own).values(finding.values))
        done.append(finding.mended)
    return tuple(done)


def _is_time(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    return (column >= 0) & (column < LONGEST)


def _span(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.not_(_is_time(table.c.start) & _is_time(table.c.stop) & (table.c.start <= table.c.stop))


def _is_share(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    return (column >= 0) & (column <= 1)


_VERDICTS = [verdict.value for verdict in Verdict]
_OTHER_EPISODE = sa.exists().where(speakers.c.id == turns.c.speaker_id, speakers.c.episode_id != turns.c.episode_id)
_PAST_THE_END = sa.exists().where(episodes.c.id == turns.c.episode_id, turns.c.stop > episodes.c.duration + 60.0)
_WITHOUT_PROFILE = (speakers.c.verdict == Verdict.ACCEPT.value) & speakers.c.profile_id.is_(None)

_RULES: tuple[tuple[sa.Table, sa.ColumnElement[bool], str, Mapping[str, Any] | None], ...] = (
    (episodes, sa.not_(_is_time(episodes.c.duration)), "an impossible duration", {"duration": 0.0}),
    (episodes, sa.not_(_is_time(episodes.c.lost_seconds)), "an impossible time lost", {"lost_seconds": 0.0}),
    (turns, _span(turns), "impossible times", None),
    (turns, _OTHER_EPISODE, "of a speaker of another episode", None),
    (turns, _PAST_THE_END, "after the end of its episode", None),
    (lines, _span(lines), "impossible times", None),
    (speakers, speakers.c.verdict.not_in(_VERDICTS), "an unknown verdict", NOBODY),
    (speakers, _WITHOUT_PROFILE, "accepted, but as nobody", NOBODY),
    (speakers, sa.not_(_is_share(speakers.c.probability)), "an impossible probability", {"probability": 0.0}),
    (speakers, sa.not_(_is_time(speakers.c.talk_seconds)), "an impossible time of talk", {"talk_seconds": 0.0}),
    (speakers, speakers.c.num_turns < 0, "an impossible number of turns", {"num_turns": 0}),
    (candidates, sa.not_(_is_share(candidates.c.probability)), "an impossible probability", None),
    (candidates, sa.not_(_is_share(candidates.c.agreement)), "an impossible agreement", None),
    (candidates, sa.not_(candidates.c.score.between(-2.0, 2.0)), "an impossible score", None),
    (voiceprints, _span(voiceprints), "impossible times", None),
    (voiceprints, sa.not_(_is_time(voiceprints.c.seconds)), "an impossible length", None),
    (voiceprints, voiceprints.c.consent.not_in(CONSENT), "kept for no known reason", None),
    (unknown_speakers, sa.not_(_is_time(unknown_speakers.c.seconds)), "an impossible length", None),
    (fixes, fixes.c.kind.not_in([kind.value for kind in FixKind]), "of no known kind", None),
    (fixes, fixes.c.label.is_(None) & (fixes.c.kind != FixKind.TEXT.value), "of no speaker", None),
    (jobs, jobs.c.state.not_in([state.value for state in State]), "in no known state", {"state": State.FAILED.value}),
    (jobs, jobs.c.attempts < 0, "an impossible number of attempts", {"attempts": 0}),
)


def _wrong_kinds(connection: sa.Connection) -> Iterator[Finding]:
    """SQLite takes a text where a number should be."""
    for table in schema.metadata.sorted_tables:
        for column in table.c:
            kinds = _kinds(column)
            if not kinds or column.primary_key:
                continue
            bad = sa.func.typeof(column).not_in((*kinds, "null"))
            for row in connection.execute(sa.select(*table.primary_key.columns).where(bad)):
                values = {column.name: None} if column.nullable else None
                yield Finding(table, tuple(row), f"{column.name} holds what is no {kinds[0]}", values)


def _kinds(column: sa.Column[Any]) -> tuple[str, ...]:
    if isinstance(column.type, sa.Integer | sa.Boolean):
        return ("integer",)
    if isinstance(column.type, sa.Double):
        return ("real", "integer")
    if isinstance(column.type, sa.LargeBinary):
        return ("blob",)
    return ("text",) if isinstance(column.type, sa.Text) else ()


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(word, list)
        and len(word) == 4
        and all(isinstance(time, int | float) and math.isfinite(time) for time in word[:2])
        and isinstance(word[2], str)
        and (word[3] is None or isinstance(word[3], str))
        for word in value
    )


def _is_chapters(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(chapter, list)
        and len(chapter) == 2
        and isinstance(chapter[0], int | float)
        and isinstance(chapter[1], str)
        for chapter in value
    )


def _is_spans(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(span, list)
        and len(span) == 2
        and all(isinstance(time, int | float) and math.isfinite(time) for time in span)
        for span in value
    )


def _is_turns(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(turn, list) and len(turn) == 3 and _is_spans([turn[:2]]) and isinstance(turn[2], str)
        for turn in value
    )


def _is_lines(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(line, list)
        and len(line) == 6
        and _is_spans([line[:2]])
        and isinstance(line[2], str)
        and (line[3] is None or isinstance(line[3], str))
        and _is_words(line[4])
        and _is_texts(line[5])
        for line in value
    )


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


_TEXTS: tuple[tuple[sa.Column[Any], Callable[[Any], bool], str | None], ...] = (
    (speakers.c.reasons, _is_texts, "[]"),
    (lines.c.words, _is_words, None),
    (lines.c.others, _is_texts, None),
    (episodes.c.chapters, _is_chapters, None),
    (fixes.c.spans, _is_spans, "[]"),
    (as_heard.c.turns, _is_turns, "[]"),
    (as_heard.c.lines, _is_lines, "[]"),
    (jobs.c.about, _is_object, "{}"),
    (jobs.c.changed_to, _is_object, None),
)


def _wrong_texts(connection: sa.Connection) -> Iterator[Finding]:
    """Columns that hold JSON."""
    for column, fits, nothing in _TEXTS:
        table = column.table
        assert isinstance(table, sa.Table)
        keys = table.primary_key.columns
        rows = connection.execute(
            sa.select(*keys, column).where(column.is_not(None)).execution_options(yield_per=10_000)
        )
        for *row, text in rows:
            try:
                is_right = fits(json.loads(text))
            except (TypeError, ValueError, RecursionError):
                is_right = False
            if not is_right:
                yield Finding(table, tuple(row), f"{column.name} cannot be read", {column.name: nothing})


def _wrong_pins(connection: sa.Connection) -> Iterator[Finding]:
    """A length of vectors that is none; without it the vectors say it."""
    pinned = sa.select(settings.c.embedder, settings.c.key, settings.c.value).where(settings.c.key == "dimension")
    for embedder, name, value in connection.execute(pinned):
        if not (isinstance(value, str) and value.isascii() and value.isdigit() and int(value) > 0):
            yield Finding(settings, (embedder, name), f"{value!r} is no length of vectors", None)


def _wrong_clips(connection: sa.Connection) -> Iterator[Finding]:
    """Clips that are not the bytes that were kept."""
    for number in connection.scalars(sa.select(clips.c.id)).all():
        audio, digest = connection.execute(sa.select(clips.c.audio, clips.c.sha256).where(clips.c.id == number)).one()
        if not isinstance(audio, bytes | memoryview) or not len(audio):
            yield Finding(clips, (number,), "is empty", None)
        elif hashlib.sha256(audio).hexdigest() != digest:
            yield Finding(clips, (number,), "is not the sound that was kept", None)
