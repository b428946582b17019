"""Episodes as they were labelled: stored whole, read back equal."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import sqlalchemy as sa

from ..types import Chapter, Embedding, LabelledEpisode, Line, Part, Turn, Word
from . import erasure, folding, keys, matches, said, shows, vectors
from .database import Database, insert, now
from .keys import storable
from .pins import Pin
from .said import Before
from .schema import candidates, episodes, known_as, lines, profiles, speaker_embeddings, speakers, turns

log = logging.getLogger(__name__)


class Episodes:
    """The labelled episodes of an open library. Each method is one transaction.

    A key is the first six or more digits of the audio's sha256, the source, the file's name or the title; one that
    means no episode, or several, is a LibraryError.
    """

    def __init__(self, database: Database, pin: Pin) -> None:
        self._database = database
        self._pin = pin

    def store(self, episode: LabelledEpisode, embeddings: Mapping[str, Sequence[Embedding]]) -> None:
        """Keep an episode by its audio's sha256, in place of an earlier answer on the same audio.

        What a person confirmed in the earlier answer is carried over to whoever now holds those turns.

        embeddings : of each speaker, by label

        Raises EmbedderMismatch.
        """
        every = [embedding for of_speaker in embeddings.values() for embedding in of_speaker]
        with self._database.write() as connection:
            _store(connection, episode, embeddings, self._pin.admit(connection, episode.embedder, every))

    def get(self, key: str) -> LabelledEpisode:
        """Return the one episode that a key means."""
        with self._database.read() as connection:
            return _read(connection, keys.episode_id(connection, key))

    def lines(self, audio_sha256: str, *, words: bool = True) -> tuple[Line, ...]:
        """Return what is said in one episode; nothing when it is not stored, or came without words.

        words : False leaves out the times of single words, which take most of the reading
        """
        number = sa.select(episodes.c.id).where(episodes.c.audio_sha256 == audio_sha256).scalar_subquery()
        columns = (lines.c.start, lines.c.stop, lines.c.text, lines.c.speaker, lines.c.words, lines.c.others)
        wanted = sa.select(*columns[: None if words else 4]).where(lines.c.episode_id == number)
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(lines.c.position)).all()
        return tuple(map(_line, rows)) if words else tuple(Line(*row) for row in rows)

    def stored_before(self, moment: str) -> tuple[str, ...]:
        """Return the sha256 of the audio of each episode that was last stored before a moment (ISO 8601)."""
        old = sa.select(episodes.c.audio_sha256).where(episodes.c.stored < moment).order_by(episodes.c.id)
        with self._database.read() as connection:
            return tuple(connection.scalars(old))

    def remove(self, key: str) -> None:
        """Forget an episode and the voices stored with it."""
        with self._database.write() as connection:
            removed = keys.episode_id(connection, key)
            connection.execute(episodes.delete().where(episodes.c.id == removed))
            erasure.make_due(connection)


def _store(
    connection: sa.Connection,
    episode: LabelledEpisode,
    embeddings: Mapping[str, Sequence[Embedding]],
    dimension: int | None,
) -> None:
    """Store an episode in place of what was known of the same audio.

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
    episode_id = _replace_episode(connection, episode)
    names = matches.Names(connection)
    held = {one.label for one in carried.values()}
    lost = [one for one in before if one.confirmed is not None and one.label not in held]
    said.put_aside(connection, episode_id, lost)
    _warn_of_lost(connection, episode.audio_sha256, lost)
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
    _insert_all(connection, turns, turn_rows(episode_id, episode.turns, ids))
    _insert_all(connection, lines, line_rows(episode_id, episode.lines))
    for label, known in carried.items():
        said.put(connection, ids[label], known, embeddings.get(label, ()) if label in blobs else ())


def _insert_all(connection: sa.Connection, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
    listed = list(rows)
    if listed:
        connection.execute(table.insert(), listed)


def _replace_episode(connection: sa.Connection, episode: LabelledEpisode) -> int:
    source = storable(shows.home_of(connection, episode.audio_sha256, episode.source))
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
        "parts": parts_to_json(episode.parts),
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


def _warn_of_lost(connection: sa.Connection, audio_sha256: str, lost: Sequence[Before]) -> None:
    named = {row.id: row.name for row in connection.execute(sa.select(profiles.c.id, profiles.c.name))} if lost else {}
    for one in lost:
        if not one.spans:  # a person has fixed who speaks there since
            continue
        who = named.get(one.confirmed["profile_id"], "nobody to be named") if one.confirmed is not None else ""
        where = ", ".join(f"{start:.0f}-{end:.0f} s" for start, end in one.spans[:3])
        log.warning(
            "episode %s: a person said that %s%s is %s, but no speaker there is that one alone; "
            "it is kept until an answer tells them apart",
            audio_sha256[:12],
            where,
            " …" if len(one.spans) > 3 else "",
            who,
        )


def turn_rows(episode_id: int, of_episode: Sequence[Turn], ids: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Yield the rows of an episode's turns."""
    for position, turn in enumerate(of_episode):
        yield {
            "episode_id": episode_id,
            "position": position,
            "speaker_id": ids[turn.speaker],
            "start": float(turn.start),
            "stop": float(turn.end),
        }


def line_rows(episode_id: int, of_episode: Sequence[Line]) -> Iterator[dict[str, Any]]:
    """Yield the rows of an episode's lines."""
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


def _read(connection: sa.Connection, episode_id: int) -> LabelledEpisode:
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
        parts=parts_from_json(row.parts),
    )


def parts_to_json(parts: Sequence[Part]) -> str | None:
    """Return what is kept of what was listened to."""
    rows = [[storable(part.source), part.track, part.channel, part.offset] for part in parts]
    return json.dumps(rows) if rows else None


def parts_from_json(text: str | None) -> tuple[Part, ...]:
    """Return what `parts_to_json` kept."""
    return tuple(Part(*row) for row in json.loads(text or "[]"))


def _line(row: Any) -> Line:
    return Line(
        start=row.start,
        end=row.stop,
        text=row.text,
        speaker=row.speaker,
        words=tuple(Word(*word) for word in json.loads(row.words)) if row.words else (),
        others=tuple(json.loads(row.others)) if row.others else (),
    )
