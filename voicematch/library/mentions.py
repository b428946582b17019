"""Where the name of a person is said: in the words of transcripts, and in titles. It can be redacted there."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from ..formats.addresses import slug
from . import as_heard, folding
from .schema import PICTURES, episodes, jobs, known_as, lines, outputs, settings

REDACTED = "[\u2026]"
TITLES = {episodes: ("title", "show", "chapters"), jobs: ("title", "show", "about", "changed_to")}
"""What an episode and its show are called, and what else a feed says of them; some of it is JSON."""


def find(connection: sa.Connection, name: str, *, redact: bool) -> tuple[int, frozenset[str]]:
    """Return how many lines and titles say a name, as whole words in any case, and in which episodes (audio sha256).

    redact : put ``REDACTED`` in its place; a line then loses the times of its single words
    """
    sought = whole(name)
    num_said, touched = 0, set[int]()
    for line, episode, text in connection.execute(maybe(name, lines.c.text, lines.c.id, lines.c.episode_id)).all():
        if sought.search(text):
            num_said += 1
            touched.add(episode)
            if redact:
                said = sought.sub(REDACTED, text)
                values = {"text": said, "folded": folding.folded(said), "words": None}
                connection.execute(lines.update().where(lines.c.id == line).values(values))
    for table, columns in TITLES.items():
        for row in connection.execute(sa.select(table.c.id, *(table.c[column] for column in columns))).all():
            told = {column: row._mapping[column] for column in columns}
            redacted = {what: said for what, text in told.items() if text and (said := _redacted(text, sought)) != text}
            num_said += len(redacted)
            if redacted and table is episodes:
                touched.add(row.id)
            if redacted and redact:
                connection.execute(table.update().where(table.c.id == row.id).values(redacted))
    if redact:
        _redact_other_names(connection, sought)
        _redact_pictures(connection, name)
        as_heard.redact(connection, sought, REDACTED)
    by_number = connection.execute(sa.select(episodes.c.id, episodes.c.audio_sha256)) if touched else ()
    return num_said, frozenset(sha256 for number, sha256 in by_number if number in touched)


def whole(name: str) -> re.Pattern[str]:
    """Return what finds a name as whole words, in any case and spacing, composed or not."""
    spellings = {unicodedata.normalize(form, name) for form in ("NFC", "NFD")}
    spaced = "|".join(r"\s+".join(map(re.escape, spelling.split())) for spelling in sorted(spellings))
    return re.compile(rf"(?<!\w)(?:{spaced})(?!\w)", re.IGNORECASE)


def maybe(name: str, text: sa.ColumnElement[str], *columns: sa.Column[Any]) -> sa.Select[Any]:
    """Select columns, and a text, of rows whose text may hold a name: whose plain letters are all in it."""
    plain = re.findall(r"[a-z0-9]+", name.lower())
    return sa.select(*columns, text).where(*(sa.func.lower(text).contains(run) for run in plain))


def _redact_other_names(connection: sa.Connection, sought: re.Pattern[str]) -> None:
    """Redacts the titles that an episode has in other places, and under which its files were written."""
    for row in connection.execute(sa.select(known_as)).all():
        values = {what: sought.sub(REDACTED, row._mapping[what]) for what in ("title", "show")}
        own = (known_as.c.episode_id == row.episode_id) & (known_as.c.source == row.source)
        connection.execute(known_as.update().where(own).values(values))
    of_files = sa.select(outputs.c.path, outputs.c.as_title, outputs.c.as_show).where(outputs.c.as_source.is_not(None))
    for row in connection.execute(of_files).all():
        values = {what: sought.sub(REDACTED, row._mapping[what] or "") for what in ("as_title", "as_show")}
        connection.execute(outputs.update().where(outputs.c.path == row.path).values(values))


def _redact_pictures(connection: sa.Connection, name: str) -> None:
    """The picture of a show is kept by what the show is called, as an address has it."""
    sought = re.compile(rf"(?<![^-]){re.escape(slug(name))}(?![^-])")
    of_shows = settings.c.embedder == PICTURES
    for key in connection.scalars(sa.select(settings.c.key).where(of_shows)).all():
        if sought.search(key):
            redacted = slug(sought.sub(REDACTED, key))
            connection.execute(settings.delete().where(of_shows, settings.c.key == redacted))
            connection.execute(settings.update().where(of_shows, settings.c.key == key).values(key=redacted))


def _redacted(text: str, sought: re.Pattern[str]) -> str:
    """The text without the name; of JSON, every text in it but addresses."""
    try:
        document = json.loads(text)
    except ValueError:
        document = text
    if not isinstance(document, dict | list):
        return sought.sub(REDACTED, text)
    redacted = _walked(document, lambda said: said if "://" in said else sought.sub(REDACTED, said))
    return text if redacted == document else json.dumps(redacted)


def _walked(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_walked(each, change) for each in value]
    if isinstance(value, dict):
        return {key: _walked(each, change) for key, each in value.items()}
    return value
