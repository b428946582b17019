"""Finding what was said: FTS5 on SQLite, its own full-text search on PostgreSQL, one answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...errors import LibraryError
from ...types import Verdict
from .. import keys
from ..schema import episodes, lines, speakers
from ..schema import profiles as profiles_table

MARK, UNMARK = "\x02", "\x03"  # around each found word; no transcript holds these

TERM = re.compile(r'"([^"]*)"?(\*?)|(\S+)')


@dataclass(frozen=True, slots=True)
class Hit:
    """One line that holds the words.

    speaker : the profile's present name, else the local label or the name the transcript gave
    marks : (start, end) of each found word in ``text``
    before, after : the neighbouring lines' text, empty at the edges
    """

    audio_sha256: str
    source: str
    title: str
    date: str | None
    start: float
    end: float
    speaker: str | None
    text: str
    marks: tuple[tuple[int, int], ...]
    before: str
    after: str

    @property
    def context(self) -> str:
        """The line between its neighbours."""
        return " ".join(text for text in (self.before, self.text, self.after) if text)


def terms(words: str) -> list[tuple[str, bool]]:
    """(phrase, whether it is only the beginning of a word) of each thing asked for.

    >>> terms('continual "reward model" contin*')
    [('continual', False), ('reward model', False), ('contin', True)]
    """
    found = []
    for phrase, star, word in TERM.findall(words):
        text, prefix = (phrase, bool(star)) if not word else (word.rstrip("*"), word.endswith("*"))
        text = " ".join(text.replace('"', " ").replace("\x00", " ").split())
        if any(character.isalnum() for character in text):
            found.append((text, prefix))
    if not found:
        raise LibraryError(f"{words!r}: no word to search for")
    return found


def search(
    connection: sa.Connection,
    words: str,
    *,
    speaker: str | None = None,
    profile: int | None = None,
    since: str | None = None,
    limit: int,
    offset: int = 0,
) -> Iterator[Hit]:
    """Lines that hold all the words, best first.

    speaker : a name, a profile's or one that transcripts give
    profile : the id of the profile that was accepted as who says the line
    """
    asked = _asked(connection, words)
    by_whom: Any = sa.true()
    if speaker is not None:
        by_whom = _spoken_by(connection, speaker)
    if profile is not None:
        by_whom = speakers.c.profile_id == profile
    # First which lines, for all that hold the words are ranked; then what is shown of those few.
    found = asked.index if speaker is None and profile is None and since is None else asked.with_lines
    if speaker is not None or profile is not None:
        found = found.outerjoin(speakers, _SAYS_IT)
    wanted = sa.select(asked.line_id).select_from(found).where(asked.holds, by_whom, _since(since))
    ids = connection.scalars(wanted.order_by(asked.rank, asked.line_id.desc()).limit(limit).offset(offset)).all()
    shown = (
        sa.select(
            lines.c.id,
            lines.c.episode_id,
            lines.c.position,
            lines.c.start,
            lines.c.stop,
            lines.c.text,
            sa.func.coalesce(profiles_table.c.name, lines.c.speaker).label("speaker"),
            asked.marked.label("marked"),
            *(episodes.c[name] for name in ("audio_sha256", "source", "title", "date")),
        )
        .select_from(asked.with_lines)
        .join(episodes, episodes.c.id == lines.c.episode_id)
        .outerjoin(speakers, _SAYS_IT)
        .outerjoin(profiles_table, profiles_table.c.id == speakers.c.profile_id)
        .where(asked.holds, asked.line_id.in_(ids))
    )
    row_by_id = {row.id: row for row in connection.execute(shown)}
    rows = [row_by_id[one] for one in ids]
    neighbours = _neighbours(connection, rows)
    for row in rows:
        yield Hit(
            audio_sha256=row.audio_sha256,
            source=row.source,
            title=row.title,
            date=row.date,
            start=row.start,
            end=row.stop,
            speaker=row.speaker,
            text=row.text,
            marks=spans(row.marked),
            before=neighbours.get((row.episode_id, row.position - 1), ""),
            after=neighbours.get((row.episode_id, row.position + 1), ""),
        )


def count(connection: sa.Connection, words: str, *, profile: int | None, since: str | None, most: int) -> int:
    """How many lines hold all the words; ``most`` when there are as many or more."""
    asked = _asked(connection, words)
    found = asked.index if profile is None and since is None else asked.with_lines
    if profile is not None:
        found = found.join(speakers, sa.and_(_SAYS_IT, speakers.c.profile_id == profile))
    wanted = sa.select(sa.literal(1)).select_from(found).where(asked.holds, _since(since)).limit(most)
    return connection.scalar(sa.select(sa.func.count()).select_from(wanted.subquery())) or 0


_SAYS_IT = sa.and_(
    speakers.c.episode_id == lines.c.episode_id,
    speakers.c.label == lines.c.speaker,
    speakers.c.verdict == Verdict.ACCEPT.value,
)


def _since(since: str | None) -> Any:
    when = sa.func.coalesce(episodes.c.date, episodes.c.stored)
    return sa.true() if since is None else lines.c.episode_id.in_(sa.select(episodes.c.id).where(when >= since))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked for, in the words of a database.

    index : the table that tells which lines hold the words; with_lines : that and the lines themselves
    line_id : of the index; marked : the text with marks around what was found
    """

    index: Any
    with_lines: Any
    line_id: Any
    holds: Any
    rank: Any
    marked: Any


def _asked(connection: sa.Connection, words: str) -> _Asked:
    return _in_fts5(terms(words)) if connection.dialect.name == "sqlite" else _in_postgresql(terms(words))


def _in_fts5(asked: Sequence[tuple[str, bool]]) -> _Asked:
    """Every term is an FTS5 string: nothing a person types is syntax."""
    query = " ".join(f'"{text}"{" *" if prefix else ""}' for text, prefix in asked)
    index = sa.table("lines_fts", sa.column("rowid", sa.Integer))
    return _Asked(
        index=index,
        with_lines=index.join(lines, lines.c.id == index.c.rowid),
        line_id=index.c.rowid,
        holds=sa.literal_column("lines_fts").op("MATCH")(query),
        rank=sa.literal_column("bm25(lines_fts)"),
        marked=sa.func.highlight(sa.literal_column("lines_fts"), 0, MARK, UNMARK),
    )


def _in_postgresql(asked: Sequence[tuple[str, bool]]) -> _Asked:
    simple: Any = sa.literal_column("'simple'::regconfig")
    query: Any = None
    for text, prefix in asked:
        quoted = "'" + text.replace("\\", "\\\\").replace("'", "''") + "':*"
        term = sa.func.to_tsquery(simple, quoted) if prefix else sa.func.phraseto_tsquery(simple, text)
        query = term if query is None else query.op("&&")(term)
    vector = sa.func.to_tsvector(simple, lines.c.text)
    options = f"HighlightAll=true, StartSel={MARK}, StopSel={UNMARK}"
    return _Asked(
        index=lines,
        with_lines=lines,
        line_id=lines.c.id,
        holds=vector.op("@@")(query),
        rank=-sa.func.ts_rank_cd(vector, query),
        marked=sa.func.ts_headline(simple, lines.c.text, query, options),
    )


def _spoken_by(connection: sa.Connection, speaker: str) -> Any:
    """By a profile, whatever the line calls it, or by the name or label the line itself carries."""
    known = connection.scalar(sa.select(profiles_table.c.id).where(profiles_table.c.name_key == keys.key(speaker)))
    written = [
        name
        for name in connection.scalars(sa.select(lines.c.speaker).distinct().where(lines.c.speaker.is_not(None)))
        if keys.key(name) == keys.key(speaker)
    ]
    if known is None and not written:
        raise keys.not_found(connection, speaker)
    says_so = lines.c.speaker.in_(written)
    return says_so if known is None else says_so | (speakers.c.profile_id == known)


def _neighbours(connection: sa.Connection, rows: Sequence[Any]) -> dict[tuple[int, int], str]:
    wanted: dict[int, list[int]] = {}
    for row in rows:
        wanted.setdefault(row.episode_id, []).extend((row.position - 1, row.position + 1))
    # Written as one condition an episode: SQLite has no index for pairs in a list of pairs.
    places = [(lines.c.episode_id == episode) & lines.c.position.in_(own) for episode, own in wanted.items()]
    texts: dict[tuple[int, int], str] = {}
    for first in range(0, len(places), 200):  # SQL takes conditions of a bounded depth
        here = sa.or_(*places[first : first + 200])
        for row in connection.execute(sa.select(lines.c.episode_id, lines.c.position, lines.c.text).where(here)):
            texts[row.episode_id, row.position] = row.text
    return texts


def spans(marked: str) -> tuple[tuple[int, int], ...]:
    """(start, end) of each marked stretch, counted without the marks.

    >>> spans("on \\x02continual\\x03 learning")
    ((3, 12),)
    """
    found = []
    position = start = 0
    for piece in re.split(f"([{MARK}{UNMARK}])", marked):
        if piece == MARK:
            start = position
        elif piece == UNMARK:
            found.append((start, position))
        else:
            position += len(piece)
    return tuple(found)
