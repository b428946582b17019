"""Finding what was said: FTS5 on SQLite, its own full-text search on PostgreSQL, one answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...errors import LibraryError
from ...voices.rules import name_of
from .. import folding
from ..database import Database
from ..keys import key, not_found
from ..schema import (
    ACCEPTED,
    SOUGHT_ON_POSTGRESQL,
    UNNAMED,
    episodes,
    lines,
    profiles,
    speakers,
    unknown_speakers,
)
from .episodes import Named, from_day

TERM = re.compile(r'"([^"]*)"?(\*?)|(\S+)')


@dataclass(frozen=True, slots=True)
class Hit:
    """One line that holds the words.

    title : as it was given, which may be ""; shown_as : that, else the file's name
    speaker : the profile's present name, else the local label or the name the transcript gave
    person : whom the voice that says it was accepted as; unknown : U-0001 when it is remembered without a name
    marks : (start, end) of each found word in ``text``
    before, after : the neighbouring lines' text, empty at the edges
    before_by, after_by : who says that, as ``speaker`` has it, where it is not who says this line; else ""
    """

    audio_sha256: str
    source: str
    title: str
    shown_as: str
    date: str | None
    start: float
    end: float
    speaker: str | None
    person: Named | None
    unknown: str | None
    text: str
    marks: tuple[tuple[int, int], ...]
    before: str
    after: str
    before_by: str = ""
    after_by: str = ""

    @property
    def context(self) -> str:
        """The line between its neighbours."""
        return " ".join(text for text in (self.before, self.text, self.after) if text)


class Search:
    """The words of an open library. Each method is one transaction.

    "Words in quotes" stand together; a star ends an open word. Nothing to search for, or no day to search from, is a
    LibraryError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def lines(
        self,
        words: str,
        *,
        speaker: str | None = None,
        profile: int | None = None,
        since: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[Hit, ...]:
        """Return some of the lines that hold all the words, best first.

        speaker : only by whom is called that, a profile or somebody whom a transcript names; else ProfileNotFound
        profile : only by voices that were accepted as the profile of that id
        since : only in episodes of this day (ISO 8601), month or year, or later
        """
        with self._database.read() as connection:
            by_whom: Any = sa.true()
            if speaker is not None:
                by_whom = _spoken_by(connection, speaker)
            if profile is not None:
                by_whom &= speakers.c.profile_id == profile
            wanted_words = terms(words)
            asked = _asked(connection, wanted_words)
            needs_speakers = speaker is not None or profile is not None
            # First which lines, for all that hold the words are ranked; then what is shown of those few.
            wanted = _holding(asked, sa.select(asked.line_id), needs_speakers, since).where(by_whom)
            ranked = wanted.order_by(asked.rank, asked.line_id.desc()).limit(limit).offset(offset)
            return _hits(connection, wanted_words, connection.scalars(ranked).all())

    def count(self, words: str, *, profile: int | None = None, since: str | None = None, most: int = 1000) -> int:
        """Count the lines that hold all the words; ``most`` when there are as many or more."""
        with self._database.read() as connection:
            asked = _asked(connection, terms(words))
            wanted = _holding(asked, sa.select(sa.literal(1)), profile is not None, since).limit(most)
            if profile is not None:
                wanted = wanted.where(speakers.c.profile_id == profile)
            return connection.scalar(sa.select(sa.func.count()).select_from(wanted.subquery())) or 0


def terms(words: str) -> list[tuple[str, bool]]:
    """(phrase, whether it is only the beginning of a word) of each thing asked for.

    >>> terms('continual "reward model" contin*')
    [('continual', False), ('reward model', False), ('contin', True)]
    """
    asked = []
    for phrase, star, word in TERM.findall(words):
        text, prefix = (phrase, bool(star)) if not word else (word.rstrip("*"), word.endswith("*"))
        text = " ".join(text.replace('"', " ").replace("\x00", " ").split())
        if folding.tokens(text):
            asked.append((text, prefix))
    if not asked:
        raise LibraryError(f"{words!r}: no word to search for")
    return asked


def _holding(asked: _Asked, columns: sa.Select[Any], needs_speakers: bool, since: str | None) -> sa.Select[Any]:
    """Ask for lines that hold the words, with the table of speakers or without."""
    of_day: sa.ColumnElement[bool] = sa.true()
    if since is not None:
        of_day = lines.c.episode_id.in_(sa.select(episodes.c.id).where(from_day(since)))
    table = asked.with_lines if needs_speakers or since is not None else asked.index
    if needs_speakers:
        table = table.outerjoin(speakers, _SAYS_IT)
    return columns.select_from(table).where(asked.holds, of_day)


def _hits(connection: sa.Connection, words: Sequence[tuple[str, bool]], ids: Sequence[int]) -> tuple[Hit, ...]:
    """Read what is shown of lines, in the order given."""
    shown = (
        sa.select(lines, profiles.c.id.label("profile_id"), profiles.c.name.label("profile"))
        .add_columns(unknown_speakers.c.unknown_id)
        .add_columns(*(episodes.c[name] for name in ("audio_sha256", "source", "title", "name", "date")))
        .select_from(lines)
        .join(episodes, episodes.c.id == lines.c.episode_id)
        .outerjoin(speakers, (speakers.c.episode_id == lines.c.episode_id) & (speakers.c.label == lines.c.speaker))
        .outerjoin(profiles, (profiles.c.id == speakers.c.profile_id) & ACCEPTED)
        .outerjoin(unknown_speakers, (unknown_speakers.c.speaker_id == speakers.c.id) & UNNAMED)
        .where(lines.c.id.in_(ids))
    )
    row_by_id = {row.id: row for row in connection.execute(shown)}
    rows = [row_by_id[one] for one in ids]
    neighbours = _neighbours(connection, rows)

    def beside(row: Any, step: int) -> tuple[str, str]:
        """The text of a neighbouring line, and by whom it is where that is somebody else."""
        text, name, label = neighbours.get((row.episode_id, row.position + step), ("", "", row.speaker))
        return text, "" if label == row.speaker else name

    return tuple(
        Hit(
            audio_sha256=row.audio_sha256,
            source=row.source,
            title=row.title,
            shown_as=row.title or row.name,
            date=row.date,
            start=row.start,
            end=row.stop,
            speaker=row.profile if row.profile is not None else row.speaker,
            person=Named(row.profile_id, row.profile) if row.profile is not None else None,
            unknown=name_of(row.unknown_id) if row.unknown_id is not None else None,
            text=row.text,
            marks=folding.marks(row.text, words),
            before=before,
            after=after,
            before_by=before_by,
            after_by=after_by,
        )
        for row in rows
        for (before, before_by), (after, after_by) in [(beside(row, -1), beside(row, 1))]
    )


_SAYS_IT = sa.and_(speakers.c.episode_id == lines.c.episode_id, speakers.c.label == lines.c.speaker, ACCEPTED)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked for, in the words of a database.

    index : the table that tells which lines hold the words; with_lines : that and the lines themselves
    line_id : of the index
    """

    index: Any
    with_lines: Any
    line_id: Any
    holds: Any
    rank: Any


def _asked(connection: sa.Connection, asked: Sequence[tuple[str, bool]]) -> _Asked:
    sought = [one for text, is_open in asked for one in folding.sought(text, is_open=is_open)]
    return _in_fts5(sought) if connection.dialect.name == "sqlite" else _in_postgresql(sought)


def _in_fts5(sought: Sequence[folding.Sought]) -> _Asked:
    """Every term is an FTS5 string: nothing a person types is syntax."""
    query = " ".join(f'"{" ".join(one.words)}"{" *" if one.is_open else ""}' for one in sought)
    index = sa.table("lines_fts", sa.column("rowid", sa.Integer))
    return _Asked(
        index=index,
        with_lines=index.join(lines, lines.c.id == index.c.rowid),
        line_id=index.c.rowid,
        holds=sa.literal_column("lines_fts").op("MATCH")(query),
        rank=sa.literal_column("bm25(lines_fts)"),
    )


def _in_postgresql(sought: Sequence[folding.Sought]) -> _Asked:
    """Every word is letters and digits alone: nothing a person types is syntax."""
    simple: Any = sa.literal_column("'simple'::regconfig")
    query: Any = None
    for one in sought:
        text = " <-> ".join(f"'{word}'" for word in one.words) + (":*" if one.is_open else "")
        term = sa.func.to_tsquery(simple, text)
        query = term if query is None else query.op("&&")(term)
    vector: Any = sa.literal_column(
        SOUGHT_ON_POSTGRESQL.replace("folded", "lines.folded").replace("(text", "(lines.text")
    )
    return _Asked(
        index=lines,
        with_lines=lines,
        line_id=lines.c.id,
        holds=vector.op("@@")(query),
        rank=-sa.func.ts_rank_cd(vector, query),
    )


def _spoken_by(connection: sa.Connection, speaker: str) -> Any:
    """By a profile, whatever the line calls it, or by the name or label the line itself carries."""
    known = connection.scalar(sa.select(profiles.c.id).where(profiles.c.name_key == key(speaker)))
    written = [
        name
        for name in connection.scalars(sa.select(lines.c.speaker).distinct().where(lines.c.speaker.is_not(None)))
        if key(name) == key(speaker)
    ]
    if known is None and not written:
        raise not_found(connection, speaker)
    says_so = lines.c.speaker.in_(written)
    return says_so if known is None else says_so | (speakers.c.profile_id == known)


def _neighbours(connection: sa.Connection, rows: Sequence[Any]) -> dict[tuple[int, int], tuple[str, str, str]]:
    """Return by (episode, position) the text of a line, who says it, and that one's label there."""
    wanted: dict[int, list[int]] = {}
    for row in rows:
        wanted.setdefault(row.episode_id, []).extend((row.position - 1, row.position + 1))
    # Written as one condition an episode: SQLite has no index for pairs in a list of pairs.
    places = [(lines.c.episode_id == episode) & lines.c.position.in_(own) for episode, own in wanted.items()]
    found: dict[tuple[int, int], tuple[str, str, str]] = {}
    says_it = sa.and_(speakers.c.episode_id == lines.c.episode_id, speakers.c.label == lines.c.speaker)
    of_lines = (
        sa.select(lines.c.episode_id, lines.c.position, lines.c.text, lines.c.speaker, profiles.c.name)
        .add_columns(unknown_speakers.c.unknown_id)
        .outerjoin(speakers, says_it)
        .outerjoin(profiles, (profiles.c.id == speakers.c.profile_id) & ACCEPTED)
        .outerjoin(unknown_speakers, (unknown_speakers.c.speaker_id == speakers.c.id) & UNNAMED)
    )
    for first in range(0, len(places), 200):  # SQL takes conditions of a bounded depth
        here = sa.or_(*places[first : first + 200])
        for row in connection.execute(of_lines.where(here)):
            unnamed = name_of(row.unknown_id) if row.unknown_id is not None else row.speaker
            name = row.name or unnamed or "nobody named"
            found[row.episode_id, row.position] = (row.text, name, row.speaker)
    return found
