"""Where the name of a person is said: in the words of transcripts, in titles and notes. It can be redacted there."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Collection
from typing import Any

import sqlalchemy as sa

from ..formats.addresses import slug
from . import as_heard, folding
from .schema import (
    PICTURES,
    episodes,
    jobs,
    known_as,
    lines,
    outputs,
    portrayals,
    profiles,
    settings,
    unknowns,
    voiceprints,
)

REDACTED = "[\u2026]"
TOLD = {
    episodes: ("title", "show", "chapters"),
    known_as: ("title", "show"),
    outputs: ("as_title", "as_show"),
    jobs: ("title", "show", "about", "changed_to"),
    profiles: ("role", "note"),
    portrayals: ("about",),
    voiceprints: ("consent_note",),
    unknowns: ("ignored_as",),
}
"""What episodes and shows are called, what a feed says of them, and what is noted of voices; some of it is JSON."""
EPISODE = {episodes: episodes.c.id, known_as: known_as.c.episode_id, outputs: outputs.c.episode_id}
PERSON = {profiles: profiles.c.id, portrayals: portrayals.c.profile_id, voiceprints: voiceprints.c.profile_id}
LETTER = rf"[^\W{folding.PAIRED.pattern[1:-1]}]"  # of a script that is written with blanks


def find(
    connection: sa.Connection, name: str, *, redact: bool, but_of: Collection[int] = ()
) -> tuple[int, frozenset[str]]:
    """Return how many lines, titles and notes say a name, as whole words in any case, and in which episodes (audio
    sha256). A title that an episode has in several places counts once.

    redact : put ``REDACTED`` in its place; a line then loses the times of its single words
    but_of : ids of profiles whose notes do not count
    """
    sought = whole(name)
    said, touched = set[tuple[object, ...]](), set[int]()
    for line, episode, text in connection.execute(maybe(name, lines.c.text, lines.c.id, lines.c.episode_id)).all():
        if sought.search(text):
            said.add((lines.name, line))
            touched.add(episode)
            if redact:
                without = sought.sub(REDACTED, text)
                values = {"text": without, "folded": folding.folded(without), "words": None}
                connection.execute(lines.update().where(lines.c.id == line).values(values))
    for table, column in ((table, table.c[name]) for table, names in TOLD.items() for name in names):
        keys = list(table.primary_key.columns)
        told = maybe(name, column, *keys, EPISODE.get(table, sa.null()))
        if but_of and table in PERSON:
            told = told.where(PERSON[table].not_in(list(but_of)))
        for *own, episode, text in connection.execute(told).all():
            redacted = text and _redacted(text, sought)
            if redacted != text:
                said.add((table.name, column.name, *own) if episode is None else (episode, text))
                touched.update(() if episode is None else (episode,))
                if redact:
                    same = (key == value for key, value in zip(keys, own, strict=True))
                    connection.execute(table.update().where(*same).values({column.name: redacted}))
    if redact:
        _redact_pictures(connection, name)
        as_heard.redact(connection, sought, REDACTED)
    by_number = connection.execute(sa.select(episodes.c.id, episodes.c.audio_sha256)) if touched else ()
    return len(said), frozenset(sha256 for number, sha256 in by_number if number in touched)


def whole(name: str) -> re.Pattern[str]:
    """Return what finds a name as whole words, in any case and spacing, composed or not.

    Where a script is written without blanks, or a particle follows its words, it is found within them.

    >>> bool(whole("宮崎駿").search("宮崎駿さん")), bool(whole("Ann Lee").search("Joann Lee"))
    (True, False)
    """
    spellings = {unicodedata.normalize(form, name) for form in ("NFC", "NFD")}
    spaced = "|".join(r"\s+".join(map(re.escape, spelling.split())) for spelling in sorted(spellings))
    letter = LETTER if len(name) > 1 else r"\w"  # a single character is half of too many words

    def edge(character: str, look: str) -> str:
        return "" if len(name) > 1 and folding.PAIRED.match(character) else f"({look}{letter})"

    return re.compile(rf"{edge(name[0], '?<!')}(?:{spaced}){edge(name[-1], '?!')}", re.IGNORECASE)


def maybe(name: str, text: sa.ColumnElement[str], *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Select columns, and a text, of rows whose text may hold a name: whose plain letters are all in it.

    Not i, k and s, which are another case of letters that databases do not know as such: İ, ı, the Kelvin sign, ſ.
    """
    plain = re.findall(r"[a-hjl-rt-z0-9]+", name.lower())
    return sa.select(*columns, text).where(*(sa.func.lower(text).contains(run) for run in plain))


def _redact_pictures(connection: sa.Connection, name: str) -> None:
    """The picture of a show is kept by what the show is called, as an address has it."""
    sought = whole(slug(name).replace("-", " "))
    of_shows = settings.c.embedder == PICTURES
    for key in connection.scalars(sa.select(settings.c.key).where(of_shows)).all():
        title = key.replace("-", " ")
        if sought.search(title):
            redacted = slug(sought.sub(REDACTED, title))
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
