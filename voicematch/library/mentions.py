"""Where the name of a person is said: in the words of transcripts, and in titles. It can be redacted there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from . import as_heard, folding
from .schema import episodes, jobs, known_as, lines, outputs

REDACTED = "[\u2026]"


def find(connection: sa.Connection, name: str, *, redact: bool) -> tuple[int, frozenset[str]]:
    """Return how many lines and titles say a name, as whole words in any case, and in which episodes (audio sha256).

    redact : put ``REDACTED`` in its place; a line then loses the times of its single words
    """
    spaced = r"\s+".join(map(re.escape, name.split()))
    whole = re.compile(rf"(?<!\w){spaced}(?!\w)", re.IGNORECASE)
    num_said, touched = 0, set[int]()
    for line, episode, text in connection.execute(_maybe(lines.c.id, lines.c.episode_id, lines.c.text, name)).all():
        if whole.search(text):
            num_said += 1
            touched.add(episode)
            if redact:
                said = whole.sub(REDACTED, text)
                values = {"text": said, "folded": folding.folded(said), "words": None}
                connection.execute(lines.update().where(lines.c.id == line).values(values))
    for row in connection.execute(sa.select(episodes.c.id, episodes.c.title, episodes.c.chapters)).all():
        told = {"title": row.title, "chapters": row.chapters}
        redacted = {what: _redacted(text, whole) for what, text in told.items() if text and whole.search(text)}
        if redacted:
            num_said += len(redacted)
            touched.add(row.id)
            if redact:
                connection.execute(episodes.update().where(episodes.c.id == row.id).values(redacted))
    if redact:
        _redact_other_names(connection, whole)
        as_heard.redact(connection, whole, REDACTED)
    columns = (jobs.c.title, jobs.c.about, jobs.c.changed_to)
    for job in connection.execute(sa.select(jobs.c.id, *columns)).all():
        known = job._mapping
        redacted = {
            column.name: _redacted(known[column], whole)
            for column in columns
            if known[column] and whole.search(known[column])
        }
        num_said += len(redacted)
        if redacted and redact:
            connection.execute(jobs.update().where(jobs.c.id == job.id).values(redacted))
    by_number = connection.execute(sa.select(episodes.c.id, episodes.c.audio_sha256)) if touched else ()
    return num_said, frozenset(sha256 for number, sha256 in by_number if number in touched)


def _redact_other_names(connection: sa.Connection, whole: re.Pattern[str]) -> None:
    """Redacts the titles that an episode has in other places, and under which its files were written."""
    for row in connection.execute(sa.select(known_as)).all():
        values = {what: whole.sub(REDACTED, row._mapping[what]) for what in ("title", "show")}
        own = (known_as.c.episode_id == row.episode_id) & (known_as.c.source == row.source)
        connection.execute(known_as.update().where(own).values(values))
    for row in connection.execute(sa.select(outputs.c.path, outputs.c.as_title).where(outputs.c.as_title != "")).all():
        values = {"as_title": whole.sub(REDACTED, row.as_title)}
        connection.execute(outputs.update().where(outputs.c.path == row.path).values(values))


def _maybe(number: sa.Column[Any], episode: sa.Column[Any], text: sa.Column[Any], name: str) -> sa.Select[Any]:
    """The lines that may say it: those with the longest run of plain letters in it, if there is one."""
    plain = max(re.findall(r"[a-z0-9]+", name.lower()), key=len, default="")
    texts = sa.select(number, episode, text)
    return texts.where(sa.func.lower(text).contains(plain)) if plain else texts


def _redacted(text: str, whole: re.Pattern[str]) -> str:
    """The text without the name; of JSON, every text in it but addresses."""
    try:
        document = json.loads(text)
    except ValueError:
        document = text
    if not isinstance(document, dict | list):
        return whole.sub(REDACTED, text)
    return json.dumps(_walked(document, lambda said: said if "://" in said else whole.sub(REDACTED, said)))


def _walked(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_walked(each, change) for each in value]
    if isinstance(value, dict):
        return {key: _walked(each, change) for key, each in value.items()}
    return value
