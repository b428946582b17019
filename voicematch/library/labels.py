"""Local labels that are names, as of a transcript whose speakers were kept: forgetting the person reaches them too."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from ..transcript.fixing import free_label
from . import keys
from .schema import as_heard, episodes, fixes, heard_voices, lines, speakers


def scrub(connection: sa.Connection, name: str) -> frozenset[str]:
    """Give speakers who are labelled with a name another label, and return their episodes (audio sha256)."""
    forgotten = keys.key(name)
    found = connection.execute(sa.select(speakers.c.episode_id, speakers.c.label)).all()
    named = [row for row in found if keys.key(row.label) == forgotten]
    for row in named:
        used = {other.label for other in found if other.episode_id == row.episode_id}
        _relabel(connection, row.episode_id, row.label, free_label(used | {"SPEAKER_00"}))
    if not named:
        return frozenset()
    touched = sa.select(episodes.c.audio_sha256).where(episodes.c.id.in_([row.episode_id for row in named]))
    return frozenset(connection.scalars(touched))


def _relabel(connection: sa.Connection, number: int, old: str, new: str) -> None:
    """Put one label in place of another wherever an episode has it."""
    for table, column in (
        (speakers, speakers.c.label),
        (lines, lines.c.speaker),
        (heard_voices, heard_voices.c.label),
        (fixes, fixes.c.label),
        (fixes, fixes.c.source),
    ):
        own = (table.c.episode_id == number) & (column == old)
        connection.execute(table.update().where(own).values({column.name: new}))

    def changed(text: str | None, change: Callable[[Any], Any]) -> str | None:
        return text if text is None else json.dumps(change(json.loads(text)), ensure_ascii=False, separators=(",", ":"))

    def label(one: str | None) -> str | None:
        return new if one == old else one

    def words(listed: list[Any]) -> list[Any]:
        return [[*word[:3], label(word[3])] for word in listed]

    def others(listed: list[str]) -> list[str | None]:
        return [label(one) for one in listed]

    for row in connection.execute(
        sa.select(lines.c.id, lines.c.words, lines.c.others).where(
            lines.c.episode_id == number, lines.c.words.is_not(None) | lines.c.others.is_not(None)
        )
    ).all():
        values = {"words": changed(row.words, words), "others": changed(row.others, others)}
        connection.execute(lines.update().where(lines.c.id == row.id).values(values))
    for row in connection.execute(sa.select(as_heard).where(as_heard.c.episode_id == number)).all():
        turns = changed(row.turns, lambda listed: [[*turn[:2], label(turn[2])] for turn in listed])
        kept = changed(
            row.lines,
            lambda listed: [[*one[:3], label(one[3]), words(one[4]), others(one[5])] for one in listed],
        )
        kept_of = as_heard.c.episode_id == number
        connection.execute(as_heard.update().where(kept_of).values(turns=turns, lines=kept))
