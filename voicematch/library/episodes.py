"""Episodes as they were labelled: stored whole, read back equal."""

from __future__ import annotations

import difflib
import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import sqlalchemy as sa

from ..errors import LibraryError
from ..net.addresses import is_address
from ..types import Chapter, Embedding, LabelledEpisode, Line, Turn, Word
from . import folding, matches, said, vectors
from .database import insert, now
from .said import Before
from .schema import candidates, episodes, known_as, lines, speaker_embeddings, speakers, turns

log = logging.getLogger(__name__)

SHORTEST_PREFIX = 6  # of a sha256; six digits tell apart some thousand episodes


def storable(text: str) -> str:
    """Text a database takes: no NUL, and file names that are not Unicode written with escapes."""
    return text.replace("\x00", "").encode("utf-8", "backslashreplace").decode()


def store(
    connection: sa.Connection,
    episode: LabelledEpisode,
    embeddings: Mapping[str, Sequence[Embedding]],
    dimension: int | None,
) -> int:
    """The id of an episode, now stored in place of what was known of the same audio.

    What a person said of a speaker, and the unknown a speaker was taken for, is carried over. The verdicts are stored
    as they are given: who gives names heeds what was said.
    """
    talk_seconds = episode.talk_seconds()
    labels = list(dict.fromkeys([*episode.matches, *talk_seconds, *embeddings]))
    blobs = {
        label: (vectors.to_bytes(vectors.stack(of_label, dimension, label)), vectors.spans_to_bytes(of_label))
        for label, of_label in embeddings.items()
        if of_label and dimension is not None
    }
    before = said.speakers_before(connection, episode.audio_sha256)
    carried = said.origins(before, episode.turns)
    _warn_of_lost(episode.audio_sha256, before, carried)
    episode_id = _replace_episode(connection, episode)
    names = matches.Names(connection)
    num_turns = dict.fromkeys(labels, 0)
    for turn in episode.turns:
        num_turns[turn.speaker] += 1
    ids = {}
    for position, label in enumerate(labels):
        word = carried[label].confirmed if label in carried else None
        values = {"label": label, "position": position, "num_turns": num_turns[label]}
        values |= {"episode_id": episode_id, "talk_seconds": talk_seconds.get(label, 0.0)}
        values |= matches.to_row(episode.matches.get(label), names) | dict(word or {})
        ids[label] = insert(connection, speakers, **values)
    _insert_all(
        connection,
        candidates,
        (
            row
            for label, speaker in ids.items()
            for row in matches.candidate_rows(speaker, episode.matches.get(label), names)
        ),
    )
    _insert_all(
        connection,
        speaker_embeddings,
        ({"speaker_id": ids[label], "vectors": rows, "spans": spans} for label, (rows, spans) in blobs.items()),
    )
    _insert_all(connection, turns, _turn_rows(episode_id, episode.turns, ids))
    _insert_all(connection, lines, _line_rows(episode_id, episode.lines))
    for label, known in carried.items():
        said.put(connection, ids[label], known, embeddings.get(label, ()) if label in blobs else ())
    return episode_id


def _insert_all(connection: sa.Connection, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
    listed = list(rows)
    if listed:
        connection.execute(table.insert(), listed)


def _replace_episode(connection: sa.Connection, episode: LabelledEpisode) -> int:
    source = storable(episode.source)
    values = {
        "source": source,
        "name": _stem(source),
        "title": storable(episode.title),
        "date": episode.date,
        "duration": float(episode.duration),
        "lost_seconds": float(episode.lost_seconds),
        "embedder": episode.embedder,
        "diarizer": episode.diarizer,
        "stored": now(),
    }
    if episode.show:  # one that is labelled again by hand stays of the show it was found in
        values["show"] = storable(episode.show)
    if episode.chapters:
        values["chapters"] = json.dumps([[chapter.start, storable(chapter.title)] for chapter in episode.chapters])
    sha256 = episode.audio_sha256
    known = connection.scalar(sa.select(episodes.c.id).where(episodes.c.audio_sha256 == sha256))
    if known is None:
        made = insert(connection, episodes, audio_sha256=sha256, **values)
        _remember_name(connection, made, episode)
        return made
    _remember_name(connection, int(known), episode)
    connection.execute(episodes.update().where(episodes.c.id == known).values(values))
    connection.execute(lines.delete().where(lines.c.episode_id == known))
    connection.execute(speakers.delete().where(speakers.c.episode_id == known))  # takes turns and voices with it
    return int(known)


def _remember_name(connection: sa.Connection, episode_id: int, episode: LabelledEpisode) -> None:
    """Adds a name to those under which the episode is found."""
    source = storable(episode.source)
    same = (known_as.c.episode_id == episode_id) & (known_as.c.source == source)
    connection.execute(known_as.delete().where(same))
    values = {"title": storable(episode.title), "show": storable(episode.show), "name": _stem(source)}
    connection.execute(known_as.insert().values(episode_id=episode_id, source=source, **values))


def _stem(source: str) -> str:
    return PurePath(source.partition("?")[0]).stem


def _warn_of_lost(audio_sha256: str, before: Sequence[Before], carried: Mapping[str, Before]) -> None:
    held = {one.label for one in carried.values()}
    for one in before:
        if one.confirmed is not None and one.label not in held:
            log.warning("episode %s: no speaker holds the turns of confirmed %s", audio_sha256[:12], one.label)


def _turn_rows(episode_id: int, of_episode: Sequence[Turn], ids: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    for position, turn in enumerate(of_episode):
        yield {
            "episode_id": episode_id,
            "position": position,
            "speaker_id": ids[turn.speaker],
            "start": float(turn.start),
            "stop": float(turn.end),
        }


def _line_rows(episode_id: int, of_episode: Sequence[Line]) -> Iterator[dict[str, Any]]:
    for position, line in enumerate(of_episode):
        words = [[float(word.start), float(word.end), storable(word.text), word.speaker] for word in line.words]
        text = storable(line.text)
        yield {
            "episode_id": episode_id,
            "position": position,
            "start": float(line.start),
            "stop": float(line.end),
            "speaker": line.speaker,
            "text": text,
            "folded": folding.folded(text),
            "words": json.dumps(words, ensure_ascii=False, separators=(",", ":")) if words else None,
            "others": json.dumps(line.others, ensure_ascii=False) if line.others else None,
        }


def lines_of(connection: sa.Connection, sha256: str) -> tuple[Line, ...]:
    """The lines of an episode, in order."""
    of_episode = sa.select(lines).join(episodes).where(episodes.c.audio_sha256 == sha256).order_by(lines.c.position)
    return tuple(_line(line) for line in connection.execute(of_episode))


def read(connection: sa.Connection, episode_id: int) -> LabelledEpisode:
    row = connection.execute(sa.select(episodes).where(episodes.c.id == episode_id)).one()
    of_turns = (
        sa.select(turns.c.start, turns.c.stop, speakers.c.label)
        .join(speakers)
        .where(turns.c.episode_id == episode_id)
        .order_by(turns.c.position)
    )
    of_lines = sa.select(lines).where(lines.c.episode_id == episode_id).order_by(lines.c.position)
    return LabelledEpisode(
        source=row.source,
        audio_sha256=row.audio_sha256,
        duration=row.duration,
        turns=tuple(Turn(start, stop, label) for start, stop, label in connection.execute(of_turns)),
        matches=matches.of_episode(connection, episode_id),
        lines=tuple(_line(line) for line in connection.execute(of_lines)),
        title=row.title,
        date=row.date,
        embedder=row.embedder,
        diarizer=row.diarizer,
        lost_seconds=row.lost_seconds,
        show=row.show,
        chapters=tuple(Chapter(*chapter) for chapter in json.loads(row.chapters or "[]")),
    )


def _line(row: Any) -> Line:
    return Line(
        start=row.start,
        end=row.stop,
        text=row.text,
        speaker=row.speaker,
        words=tuple(Word(*word) for word in json.loads(row.words)) if row.words else (),
        others=tuple(json.loads(row.others)) if row.others else (),
    )


def find(connection: sa.Connection, key: str) -> int:
    """The id of the one episode meant by a source, the start of an audio sha256, a file's name or a title.

    Raises LibraryError that names the choices when there are several, or what comes close when there is none.
    """
    stored = storable(key.strip())
    path = stored if is_address(stored) else os.path.realpath(stored)
    also = sa.select(known_as.c.episode_id)
    asked = (
        (episodes.c.source == stored) | (episodes.c.audio_sha256 == stored.lower()),
        (episodes.c.source == path) | episodes.c.id.in_(also.where(known_as.c.source.in_([stored, path]))),
        episodes.c.audio_sha256.startswith(stored.lower())
        if re.fullmatch(rf"[0-9a-fA-F]{{{SHORTEST_PREFIX},64}}", stored)
        else None,
        (episodes.c.name == stored) | (episodes.c.title == stored),
        episodes.c.name == PurePath(stored).stem,
        episodes.c.id.in_(
            also.where((known_as.c.name.in_([stored, PurePath(stored).stem])) | (known_as.c.title == stored))
        ),
    )
    for condition in asked:
        if condition is None:
            continue
        found = connection.execute(sa.select(episodes).where(condition).order_by(episodes.c.id)).all()
        if len(found) == 1:
            return int(found[0].id)
        if found:
            choices = "; ".join(f"{row.audio_sha256[:12]} {row.title or row.source}" for row in found[:5])
            more = f"; and {len(found) - 5} more" if len(found) > 5 else ""
            raise LibraryError(f"{key!r} is {len(found)} episodes, name one by its number: {choices}{more}")
    raise LibraryError(f"no episode {key!r}; {_close(connection, stored)}")


def _close(connection: sa.Connection, key: str) -> str:
    names = dict.fromkeys(
        name for row in connection.execute(sa.select(episodes.c.name, episodes.c.title)) for name in row if name
    )
    if not names:
        return "none is stored yet: voicematch identify FILE"
    if re.fullmatch(rf"[0-9a-fA-F]{{1,{SHORTEST_PREFIX - 1}}}", key):
        return f"give at least {SHORTEST_PREFIX} digits of its number"
    close = difflib.get_close_matches(key, list(names), n=3)
    return f"did you mean {' or '.join(close)}?" if close else "voicematch episodes list shows them"
