"""An answer as the engines gave it, kept beside what a person fixed in it; erased with whom it is of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from ..types import Embedding, Line, Turn, Word
from ..voices.overlaps import Span, overlap, within
from . import earlier, keys, vectors, windows
from .schema import as_heard, fixes, heard_voices, speaker_embeddings, turns, unknown_speakers

HEARD_IN = 0.1  # s of a voice in a stretch from which on its vector is also that voice's


@dataclass(frozen=True, slots=True, eq=False)
class AsHeard:
    """An answer as the engines gave it.

    voices : by label
    unknowns : by label, the number of the unknown that it was then
    """

    turns: tuple[Turn, ...]
    lines: tuple[Line, ...]
    voices: Mapping[str, tuple[Embedding, ...]]
    unknowns: Mapping[str, int]


def erase_voices(connection: sa.Connection, forgotten: Sequence[int]) -> int:
    """Erase the stored voices of some speakers, by their ids, and what was heard of them: in windows, earlier answers,
    answers as they were heard. Return how many voices there were.
    """
    _forget_heard(connection, forgotten)
    own = speaker_embeddings.c.speaker_id.in_(list(forgotten))
    num_erased = connection.execute(speaker_embeddings.delete().where(own)).rowcount
    connection.execute(unknown_speakers.delete().where(unknown_speakers.c.speaker_id.in_(list(forgotten))))
    return num_erased


def _forget_heard(connection: sa.Connection, forgotten: Sequence[int]) -> None:
    windows.forget_of(connection, forgotten)
    earlier.forget_of(connection, forgotten)
    spoken = sa.select(turns.c.episode_id, turns.c.start, turns.c.stop).where(turns.c.speaker_id.in_(list(forgotten)))
    spans: dict[int, list[Span]] = {}
    for row in connection.execute(spoken):
        spans.setdefault(row.episode_id, []).append((row.start, row.stop))
    for number, own in spans.items():
        raw = connection.scalar(sa.select(as_heard.c.turns).where(as_heard.c.episode_id == number))
        if raw is None:
            continue
        heard = [Turn(*turn) for turn in json.loads(raw)]
        for voice in connection.execute(sa.select(heard_voices).where(heard_voices.c.episode_id == number)).all():
            of_label = [(turn.start, turn.end) for turn in heard if turn.speaker == voice.label]
            rows = vectors.spans_from_bytes(voice.spans)
            kept = [
                idx
                for idx, (_, start, end) in enumerate(rows.tolist())
                if overlap(within(of_label, start, end), own) <= HEARD_IN
            ]
            same = (heard_voices.c.episode_id == number) & (heard_voices.c.label == voice.label)
            size = len(voice.vectors) // max(1, len(rows))
            values = {
                "vectors": b"".join(voice.vectors[idx * size : (idx + 1) * size] for idx in kept),
                "spans": rows[kept].astype("<f8").tobytes(),
            }
            changed = heard_voices.update().where(same).values(values) if kept else heard_voices.delete().where(same)
            connection.execute(changed)


def scrub_speaker(connection: sa.Connection, name: str) -> None:
    """Take a name out of the speakers of lines that are kept as they were heard."""
    forgotten = keys.key(name)

    def is_it(speaker: str | None) -> bool:
        return speaker is not None and keys.key(speaker) == forgotten

    def scrubbed(line: Line) -> Line:
        words = tuple(replace(word, speaker=None) if is_it(word.speaker) else word for word in line.words)
        others = tuple(other for other in line.others if not is_it(other))
        return replace(line, speaker=None if is_it(line.speaker) else line.speaker, words=words, others=others)

    _change_lines(connection, scrubbed)


def redact(connection: sa.Connection, whole: re.Pattern[str], instead: str) -> None:
    """Put another text in place of a name in lines that are kept as they were heard, and in words that were fixed."""

    def redacted(line: Line) -> Line:
        return replace(line, text=whole.sub(instead, line.text), words=()) if whole.search(line.text) else line

    _change_lines(connection, redacted)
    for row in connection.execute(sa.select(fixes.c.id, fixes.c.text, fixes.c.before)).all():
        values = {"text": row.text and whole.sub(instead, row.text)}
        values["before"] = row.before and whole.sub(instead, row.before)
        if values != {"text": row.text, "before": row.before}:
            connection.execute(fixes.update().where(fixes.c.id == row.id).values(values))


def _change_lines(connection: sa.Connection, change: Callable[[Line], Line]) -> None:
    for row in connection.execute(sa.select(as_heard.c.episode_id, as_heard.c.lines)).all():
        kept = [line_of(line) for line in json.loads(row.lines)]
        changed = [change(line) for line in kept]
        if changed != kept:
            values = {"lines": to_json([listed(line) for line in changed])}
            connection.execute(as_heard.update().where(as_heard.c.episode_id == row.episode_id).values(values))


def listed(line: Line) -> list[Any]:
    words = [[word.start, word.end, keys.storable(word.text), word.speaker] for word in line.words]
    return [line.start, line.end, keys.storable(line.text), line.speaker, words, list(line.others)]


def line_of(listed: Any) -> Line:
    start, end, text, speaker, words, others = listed
    return Line(start, end, text, speaker, tuple(Word(*word) for word in words), tuple(others))


def to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
