"""Verdicts on speakers, stored by profile id, and the voices of all episodes as one matrix to match them again."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from ..errors import LibraryError
from ..types import Array, Candidate, Embedding, Match, Verdict
from . import keys, unknowns, vectors
from .database import Database
from .erasure import FORGOTTEN
from .pins import Pin
from .schema import candidates, episodes, profiles, speaker_embeddings, speakers

TOKEN = re.compile(r"\{profile (\d+)\}")
ACCEPTED_AS = sa.and_(profiles.c.id == speakers.c.profile_id, speakers.c.verdict == Verdict.ACCEPT.value)


@dataclass(frozen=True, slots=True, eq=False)
class StoredSpeakers:
    """The stored voices of one episode, each dict by local label; ``names`` holds those accepted as a profile."""

    audio_sha256: str
    embeddings: dict[str, tuple[Embedding, ...]]
    talk_seconds: dict[str, float]
    names: dict[str, str]
    confirmed: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerEmbeddings:
    """The voices of every speaker of every episode of the library's embedder, in one matrix.

    speakers : (audio_sha256, label) of each speaker; those of one episode follow each other
    vectors : (num_embeddings, dimension) float32 array of unit rows
    seconds, start, end : (num_embeddings,) float64 arrays: net speech, and where it lies in its episode
    speaker_idx : (num_embeddings,) int array, never falling: whose row it is, an index into ``speakers``
    talk_seconds : (num_speakers,) float64 array
    names : (num_speakers,) the profile each was accepted as, or None
    confirmed : (num_speakers,) bool array: a person said who this is, and ``set_matches`` leaves it alone
    """

    speakers: tuple[tuple[str, str], ...]
    vectors: Array
    seconds: npt.NDArray[np.float64]
    start: npt.NDArray[np.float64]
    end: npt.NDArray[np.float64]
    speaker_idx: npt.NDArray[np.int64]
    talk_seconds: npt.NDArray[np.float64]
    names: tuple[str | None, ...]
    confirmed: npt.NDArray[np.bool_]

    def episodes(self) -> Iterator[StoredSpeakers]:
        """Yield one episode after the other."""
        first_row = np.searchsorted(self.speaker_idx, np.arange(len(self.speakers) + 1)).tolist()
        spans = np.stack([self.seconds, self.start, self.end], axis=1)
        by_episode = itertools.groupby(range(len(self.speakers)), lambda speaker: self.speakers[speaker][0])
        for sha256, members in by_episode:
            label_by_idx = {idx: self.speakers[idx][1] for idx in members}
            rows = {idx: slice(first_row[idx], first_row[idx + 1]) for idx in label_by_idx}
            yield StoredSpeakers(
                audio_sha256=sha256,
                embeddings={
                    label: vectors.embeddings(self.vectors[rows[idx]], spans[rows[idx]])
                    for idx, label in label_by_idx.items()
                },
                talk_seconds={label: float(self.talk_seconds[idx]) for idx, label in label_by_idx.items()},
                names={label: name for idx, label in label_by_idx.items() if (name := self.names[idx]) is not None},
                confirmed=frozenset(label for idx, label in label_by_idx.items() if self.confirmed[idx]),
            )


class Speakers:
    """The speakers of an open library: their voices, and whom they are matched to. Each method is one transaction."""

    def __init__(self, database: Database, pin: Pin) -> None:
        self._database = database
        self._pin = pin

    def embeddings(self, audio_sha256: str) -> dict[str, tuple[Embedding, ...]]:
        """Return the stored voices of one episode, by label; none when it is not stored, or by another embedder."""
        rows = (
            sa.select(speakers.c.label, speaker_embeddings.c.vectors, speaker_embeddings.c.spans)
            .select_from(speaker_embeddings)
            .join(speakers)
            .join(episodes)
            .where(episodes.c.audio_sha256 == audio_sha256, episodes.c.embedder == self._pin.embedder)
            .order_by(speakers.c.position)
        )
        with self._database.read() as connection:
            dimension = self._pin.dimension(connection) or 0
            return {
                label: vectors.embeddings(vectors.from_bytes(blob, dimension), vectors.spans_from_bytes(spans))
                for label, blob, spans in connection.execute(rows)
            }

    def all_embeddings(self, audio_sha256: str | None = None) -> SpeakerEmbeddings:
        """Return the stored voices of all episodes, for matching the whole backlog at once, or those of one."""
        of_embedder = episodes.c.embedder == self._pin.embedder
        wanted = of_embedder if audio_sha256 is None else of_embedder & (episodes.c.audio_sha256 == audio_sha256)
        columns = (episodes.c.audio_sha256, speakers.c.label, speakers.c.talk_seconds, speakers.c.confirmed)
        select = (
            sa.select(*columns, profiles.c.name, speaker_embeddings.c.vectors, speaker_embeddings.c.spans)
            .select_from(speaker_embeddings)
            .join(speakers)
            .join(episodes)
            .outerjoin(profiles, ACCEPTED_AS)
            .where(wanted)
            .order_by(speakers.c.episode_id, speakers.c.position)
        )
        with self._database.read() as connection:
            rows = connection.execute(select).all()
            dimension = self._pin.dimension(connection) or 0
        spans = vectors.spans_from_bytes(b"".join([row.spans for row in rows]))
        return SpeakerEmbeddings(
            speakers=tuple((row.audio_sha256, row.label) for row in rows),
            vectors=vectors.from_bytes(b"".join([row.vectors for row in rows]), dimension),
            seconds=spans[:, 0].copy(),
            start=spans[:, 1].copy(),
            end=spans[:, 2].copy(),
            speaker_idx=np.repeat(np.arange(len(rows)), [len(row.spans) // 24 for row in rows]).astype(np.int64),
            talk_seconds=np.array([row.talk_seconds for row in rows], np.float64),
            names=tuple(row.name for row in rows),
            confirmed=np.array([row.confirmed is not None for row in rows], np.bool_),
        )

    def names(self) -> dict[tuple[str, str], str | None]:
        """Return {(audio_sha256, label): profile} of every speaker, None without a name, in the order stored."""
        select = (
            sa.select(episodes.c.audio_sha256, speakers.c.label, profiles.c.name)
            .select_from(speakers)
            .join(episodes)
            .outerjoin(profiles, ACCEPTED_AS)
            .order_by(speakers.c.episode_id, speakers.c.position)
        )
        with self._database.read() as connection:
            return {(sha256, label): name for sha256, label, name in connection.execute(select)}

    def set_matches(self, by_episode: Mapping[str, Mapping[str, Match]]) -> int:
        """Replace the verdicts given, {audio_sha256: {label: Match}}, and return on how many; confirmed ones stay.

        Raises LibraryError when there is no such speaker.
        """
        updated: list[dict[str, Any]] = []
        offered: list[dict[str, Any]] = []
        num_set = 0
        with self._database.write() as connection:
            names = Names(connection)
            stored, before = _stored_matches(connection, by_episode)
            for sha256, by_label in by_episode.items():
                for label, match in by_label.items():
                    if (sha256, label) not in stored:
                        raise LibraryError(f"episode {sha256[:12]} has no speaker {label}")
                    speaker = stored[sha256, label]
                    values, rows = to_row(match, names), list(candidate_rows(speaker.id, match, names))
                    if speaker.confirmed is None:
                        num_set += 1
                    else:  # its word stands; who else it may be, as far as the voice tells, follows
                        values = {column: speaker._mapping[column] for column in values}
                    is_same = all(speaker._mapping[column] == value for column, value in values.items())
                    if not is_same or before.get(speaker.id, []) != [tuple(row.values()) for row in rows]:
                        updated.append({"speaker": speaker.id} | values)
                        offered.extend(rows)
            if updated:
                connection.execute(speakers.update().where(speakers.c.id == sa.bindparam("speaker")), updated)
                connection.execute(
                    candidates.delete().where(candidates.c.speaker_id == sa.bindparam("speaker")), updated
                )
            if offered:
                connection.execute(candidates.insert(), offered)
        return num_set


def _stored_matches(
    connection: sa.Connection, audio_sha256s: Collection[str]
) -> tuple[dict[tuple[str, str], Any], dict[int, list[tuple[Any, ...]]]]:
    """Read the speakers of episodes, by (audio_sha256, label), and by their ids the candidates in order."""
    of_episodes: sa.ColumnElement[bool] = sa.true()
    if len(audio_sha256s) < 500:  # a longer list is cheaper to look up here than to send
        of_episodes = episodes.c.audio_sha256.in_(list(audio_sha256s))
    every = sa.select(speakers, episodes.c.audio_sha256).join(episodes).where(of_episodes)
    stored = {(row.audio_sha256, row.label): row for row in connection.execute(every).all()}
    offers = (
        sa.select(candidates)
        .join(speakers, speakers.c.id == candidates.c.speaker_id)
        .join(episodes, episodes.c.id == speakers.c.episode_id)
        .where(of_episodes)
        .order_by(candidates.c.speaker_id, candidates.c.position)
    )
    before: dict[int, list[tuple[Any, ...]]] = {}
    for row in connection.execute(offers).all():
        before.setdefault(row[0], []).append(tuple(row))
    return stored, before


def token(profile: int) -> str:
    """Write what stands for a profile's name in stored reasons, so that the name itself is stored once."""
    return f"{{profile {profile}}}"


class Names:
    """Profile names to ids and back, read once for a whole transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        rows = connection.execute(sa.select(profiles.c.id, profiles.c.name, profiles.c.name_key))
        self.by_id: dict[int, str] = {}
        self._ids: dict[str, int] = {}
        self._whole: dict[str, re.Pattern[str]] = {}
        for row in rows.all():
            self.by_id[row.id] = row.name
            self._ids[row.name] = self._ids[row.name_key] = row.id

    def id(self, name: str) -> int | None:
        profile = self._ids.get(name)
        return profile if profile is not None else self._ids.get(keys.key(name))

    def hide(self, reasons: Sequence[str], mentioned: Iterable[str]) -> str:
        """Return reasons as JSON, with a token for every name, so that renaming and forgetting reach them."""
        hidden, every = list(reasons), "\n".join(reasons)
        for name in sorted({name for name in mentioned if name and name in every}, key=len, reverse=True):
            if any(name in reason for reason in hidden):
                profile = self.id(name)
                stand_in = FORGOTTEN if profile is None else token(profile)
                whole = self._whole.get(name)
                if whole is None:
                    whole = self._whole[name] = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
                hidden = [whole.sub(stand_in, reason) for reason in hidden]
        return json.dumps(hidden, ensure_ascii=False)

    def show(self, reasons: str) -> tuple[str, ...]:
        return tuple(
            TOKEN.sub(lambda stand_in: self.by_id.get(int(stand_in[1]), FORGOTTEN), reason)
            for reason in json.loads(reasons)
        )


def to_row(match: Match | None, names: Names) -> dict[str, Any]:
    """Return the columns of ``speakers`` that hold a match. A profile gone meanwhile leaves the speaker unknown."""
    if match is None:
        return {"verdict": None, "profile_id": None, "probability": 0.0, "reasons": "[]"}
    profile = names.id(match.profile) if match.profile is not None else None
    gone = match.profile is not None and profile is None
    mentioned = [candidate.profile for candidate in match.candidates] + ([match.profile] if match.profile else [])
    return {
        "verdict": (Verdict.UNKNOWN if gone else match.verdict).value,
        "profile_id": profile,
        "probability": 0.0 if gone else float(match.probability),
        "reasons": names.hide(match.reasons, mentioned),
    }


def candidate_rows(speaker: int, match: Match | None, names: Names) -> Iterator[dict[str, Any]]:
    seen = set()
    for position, candidate in enumerate(match.candidates if match else ()):
        profile = names.id(candidate.profile)
        if profile is None or profile in seen:
            continue
        seen.add(profile)
        yield {
            "speaker_id": speaker,
            "profile_id": profile,
            "position": position,
            "score": float(candidate.score),
            "probability": float(candidate.probability),
            "agreement": float(candidate.agreement),
        }


def of_episode(connection: sa.Connection, episode_id: int) -> dict[str, Match]:
    names = Names(connection)
    by_speaker: dict[int, list[Candidate]] = {}
    stored = (
        sa.select(candidates)
        .join(speakers)
        .where(speakers.c.episode_id == episode_id)
        .order_by(candidates.c.speaker_id, candidates.c.position)
    )
    for row in connection.execute(stored):
        by_speaker.setdefault(row.speaker_id, []).append(
            Candidate(names.by_id[row.profile_id], row.score, row.probability, row.agreement)
        )
    unknown_by_label = unknowns.of_episode(connection, episode_id)
    of_episode = sa.select(speakers).where(speakers.c.episode_id == episode_id, speakers.c.verdict.is_not(None))
    return {
        row.label: Match(
            speaker=row.label,
            verdict=Verdict(row.verdict),
            profile=names.by_id[row.profile_id] if row.profile_id is not None else None,
            probability=row.probability,
            candidates=tuple(by_speaker.get(row.id, ())),
            reasons=names.show(row.reasons),
            unknown=unknown_by_label.get(row.label),
        )
        for row in connection.execute(of_episode.order_by(speakers.c.position))
    }
