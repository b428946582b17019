"""What a person said of an episode's speakers: who they are, who they are not. It outlives another diarization."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from ..errors import LibraryError
from ..types import Embedding, LabelledEpisode, Turn, Verdict
from ..voices.overlaps import Span, overlap, without
from ..voices.rules import CONFIRMED, Said, name_of
from . import keys, shows
from .database import Database, now
from .schema import episodes, fixes, profiles, ruled_out, set_aside, speakers, turns, unknown_speakers, unknowns
from .unknowns import link

MOST_OF_ANOTHER = 0.25  # share of a speaker's talk that was somebody else's and leaves a person's word true
MOST_OF_TOLD_APART = 0.1  # the same, of people who a person said are others
WORD = ("verdict", "profile_id", "probability", "reasons", "confirmed")  # the columns that a word is kept in


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """One speaker of the answer that is stored for an audio, with what is known of them.

    confirmed : the columns of ``speakers`` in which a person's word stands; None without one
    set_aside : the id of a word that waits for an answer which tells its speaker apart; None for a speaker
    """

    label: str
    spans: tuple[tuple[float, float], ...]
    confirmed: Mapping[str, Any] | None
    unknown_id: int | None
    ruled_out: frozenset[int]
    set_aside: int | None = None

    @property
    def waits(self) -> bool:
        return self.set_aside is not None


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """What is known of the speakers of a new answer, because the same audio is stored already.

    origin : by new label, the stored label whose turns it mostly holds
    said : by new label
    embedder, diarizer : of the stored answer; "" when there is none
    """

    origin: Mapping[str, str]
    said: Said
    embedder: str = ""
    diarizer: str = ""


class SaidOfSpeakers:
    """What a person said of the speakers of an open library. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def confirm(self, episode: str, speaker: str, profile: str | None) -> None:
        """Record what a person said about a speaker: the profile it is, or None for none of them.

        Raises LibraryError when there is no such episode or speaker, ProfileNotFound when there is no such profile.
        """
        with self._database.write() as connection:
            number = _speaker_id(connection, episode, speaker)
            profile_id = None if profile is None else keys.profile_id(connection, profile)
            word = {
                "verdict": (Verdict.UNKNOWN if profile is None else Verdict.ACCEPT).value,
                "profile_id": profile_id,
                "probability": 0.0 if profile is None else 1.0,
                "reasons": json.dumps([CONFIRMED]),
                "confirmed": now(),
            }
            connection.execute(speakers.update().where(speakers.c.id == number).values(word))
            if profile_id is not None:
                _take_back(connection, number, profile_id)

    def rule_out(self, episode: str, speaker: str, profile: str) -> None:
        """Record that a person said a speaker is not this profile. Raises as `confirm` does."""
        with self._database.write() as connection:
            number = _speaker_id(connection, episode, speaker)
            profile_id = keys.profile_id(connection, profile)
            _take_back(connection, number, profile_id)  # said before, it is said once
            connection.execute(ruled_out.insert().values(speaker_id=number, profile_id=profile_id))

    def told(self, audio_sha256: str) -> dict[str, tuple[Span, ...]]:
        """Return where each person talks in a stored episode, as a person said; who is nobody, by label.

        Not where a person fixed that very stretch: it is laid over any answer.
        """
        with self._database.read() as connection:
            spans: dict[str, list[Span]] = {}
            fixed = _fixed(connection, audio_sha256)
            for one in speakers_before(connection, audio_sha256):
                if one.confirmed is not None:
                    profile = one.confirmed["profile_id"]
                    who = f"nobody {one.label}" if profile is None else f"profile {profile}"
                    spans.setdefault(who, []).extend(without(one.spans, fixed))
        return {who: tuple(own) for who, own in spans.items() if own}

    def of_episodes(self, audio_sha256: str | None = None) -> dict[str, Said]:
        """Return, by audio sha256, what is known of the speakers of every stored episode, or of one."""
        with self._database.read() as connection:
            return of_episodes(connection, audio_sha256)

    def carried(self, episode: LabelledEpisode) -> Carried:
        """Return what the stored answer on the same audio says of the speakers of a new one, before that is stored.

        Its turns, audio, source and show are read.
        """
        with self._database.read() as connection:
            before = speakers_before(connection, episode.audio_sha256)
            origin = origins(before, episode.turns)
            show = shows.of_audio(connection, episode.audio_sha256, episode.show, episode.source)
            named = connection.execute(sa.select(profiles.c.id, profiles.c.name))
            names = {row.id: row.name for row in named}
            ignored = _ignored_numbers(connection)
            engines = connection.execute(
                sa.select(episodes.c.embedder, episodes.c.diarizer).where(
                    episodes.c.audio_sha256 == episode.audio_sha256
                )
            ).one_or_none()
        said = Said(
            show=show,
            confirmed={
                label: names.get(one.confirmed["profile_id"])
                for label, one in origin.items()
                if one.confirmed is not None
            },
            ruled_out={label: frozenset(names[number] for number in one.ruled_out) for label, one in origin.items()},
            ignored={
                label: name_of(one.unknown_id)
                for label, one in origin.items()
                if one.unknown_id is not None and one.unknown_id in ignored
            },
        )
        by_label = {label: one.label for label, one in origin.items()}
        return Carried(by_label, said, *(engines or ()))


def _speaker_id(connection: sa.Connection, episode: str, label: str) -> int:
    """Find the speaker of an episode. Raises LibraryError that names its speakers when there is none of that label."""
    of_episode = speakers.c.episode_id == keys.episode_id(connection, episode)
    stored = connection.execute(
        sa.select(speakers.c.label, speakers.c.id).where(of_episode).order_by(speakers.c.position)
    )
    by_label = {row.label: int(row.id) for row in stored}
    if label not in by_label:
        raise LibraryError(f"the episode has no speaker {label}; it has {', '.join(by_label) or 'none'}")
    return by_label[label]


def _take_back(connection: sa.Connection, speaker: int, profile_id: int) -> None:
    """Forget that a speaker was said not to be a profile."""
    same = sa.and_(ruled_out.c.speaker_id == speaker, ruled_out.c.profile_id == profile_id)
    connection.execute(ruled_out.delete().where(same))


def speakers_before(connection: sa.Connection, audio_sha256: str) -> list[Before]:
    """Return the speakers of the answer that is stored for an audio, in its order."""
    of_episode = sa.select(speakers.c.id).join(episodes).where(episodes.c.audio_sha256 == audio_sha256)
    links = sa.select(unknown_speakers).where(unknown_speakers.c.speaker_id.in_(of_episode))
    numbers = {row.speaker_id: int(row.unknown_id) for row in connection.execute(links)}
    excluded: dict[int, set[int]] = {}
    for row in connection.execute(sa.select(ruled_out).where(ruled_out.c.speaker_id.in_(of_episode))):
        excluded.setdefault(row.speaker_id, set()).add(row.profile_id)
    spans: dict[int, list[tuple[float, float]]] = {}
    for row in connection.execute(sa.select(turns).where(turns.c.speaker_id.in_(of_episode)).order_by(turns.c.start)):
        spans.setdefault(row.speaker_id, []).append((row.start, row.stop))
    every = sa.select(speakers).where(speakers.c.id.in_(of_episode)).order_by(speakers.c.position)
    found = [
        Before(
            label=row.label,
            spans=tuple(spans.get(row.id, ())),
            confirmed=None if row.confirmed is None else {column: row._mapping[column] for column in WORD},
            unknown_id=numbers.get(row.id),
            ruled_out=frozenset(excluded.get(row.id, ())),
        )
        for row in connection.execute(every).all()
    ]
    waiting = (
        sa.select(set_aside).join(episodes).where(episodes.c.audio_sha256 == audio_sha256).order_by(set_aside.c.id)
    )
    fixed = _fixed(connection, audio_sha256)
    for row in connection.execute(waiting):
        # Where a person has fixed who speaks since, that is the later word.
        spans_said_of = tuple(without([(start, end) for start, end in json.loads(row.spans)], fixed))
        word = {column: row._mapping[column] for column in WORD}
        found.append(Before(f"set aside {row.id}", spans_said_of, word, None, frozenset(), row.id))
    return found


def _fixed(connection: sa.Connection, audio_sha256: str) -> list[Span]:
    """Return where a person has fixed who speaks."""
    own = sa.select(fixes.c.spans).join(episodes).where(episodes.c.audio_sha256 == audio_sha256)
    listed = connection.scalars(own.where(fixes.c.label.is_not(None))).all()
    return [(start, end) for spans in listed for start, end in json.loads(spans)]


def put_aside(connection: sa.Connection, episode_id: int, lost: Sequence[Before]) -> None:
    """Keep what a person said of stretches that no speaker holds now, for an answer that tells them apart again."""
    still = [one.set_aside for one in lost if one.waits]
    own = set_aside.c.episode_id == episode_id
    connection.execute(set_aside.delete().where(own, set_aside.c.id.not_in(still)))
    for one in lost:
        if one.waits:
            continue
        word = dict(one.confirmed or {})
        connection.execute(set_aside.insert().values(episode_id=episode_id, spans=json.dumps(one.spans), **word))


def origins(before: Sequence[Before], of_episode: Sequence[Turn]) -> dict[str, Before]:
    """Return by new label the stored speaker whose turns it mostly holds; absent for one who holds nobody's.

    Labels are local: another diarization may number the same voices otherwise, so what is known follows the time. It
    goes to a speaker at least half of whose talk it was about, never to one who is mostly somebody else. Who a person
    said somebody is goes only where next to nothing of anybody else has come in: two people whom a person told apart
    are never one.
    """
    if not before:
        return {}
    spans_by_label: dict[str, list[tuple[float, float]]] = {}
    for turn in of_episode:
        spans_by_label.setdefault(turn.speaker, []).append((turn.start, turn.end))
    found = {}
    for label, spans in spans_by_label.items():
        origin = _told(before, spans) or _held([one for one in before if one.confirmed is None], spans)
        if origin is not None:
            found[label] = origin
    return found


def held_before(before: Sequence[Turn], of_episode: Sequence[Turn]) -> dict[str, str]:
    """Return by label of an answer the label, of another on the same audio, whose turns that mostly holds."""
    spans: dict[str, list[Span]] = {}
    for turn in before:
        spans.setdefault(turn.speaker, []).append((turn.start, turn.end))
    every = [Before(label, tuple(own), None, None, frozenset()) for label, own in spans.items()]
    return {label: one.label for label, one in origins(every, of_episode).items()}


def _held(before: Sequence[Before], spans: Sequence[tuple[float, float]]) -> Before | None:
    """Return the one whose turns these spans mostly are."""
    shared = [overlap(one.spans, spans) for one in before]
    most = int(np.argmax(shared)) if shared else 0  # of equal ones the first
    seconds = sum(end - start for start, end in spans)
    return before[most] if shared and shared[most] > 0 and shared[most] >= 0.5 * seconds else None


def _told(before: Sequence[Before], spans: Sequence[tuple[float, float]]) -> Before | None:
    """Return the one of whom a person said something that holds for who talks in these spans.

    Several may be one person to whom a person gave the same name twice.
    """
    people: dict[object, list[Before]] = {}
    for one in before:
        if one.confirmed is not None:
            people.setdefault(one.confirmed["profile_id"] or one.label, []).append(one)
    shared = {who: sum(overlap(one.spans, spans) for one in own) for who, own in people.items()}
    who = max(shared, key=lambda one: shared[one], default=None)
    seconds = sum(end - start for start, end in spans)
    if who is None or shared[who] <= 0 or shared[who] < 0.5 * seconds:
        return None
    rest = without(spans, [span for one in people[who] for span in one.spans])
    others = [overlap(one.spans, rest) for one in before if one not in people[who]]
    told = [overlap(one.spans, rest) for other, own in people.items() if other != who for one in own]
    if max(others, default=0.0) > MOST_OF_ANOTHER * seconds or sum(told) > MOST_OF_TOLD_APART * seconds:
        return None
    return max(people[who], key=lambda one: overlap(one.spans, spans))


def of_episodes(connection: sa.Connection, audio_sha256: str | None) -> dict[str, Said]:
    wanted = sa.true() if audio_sha256 is None else episodes.c.audio_sha256 == audio_sha256
    show_by_episode = shows.by_episode(connection)
    stored = connection.execute(sa.select(episodes.c.id, episodes.c.audio_sha256).where(wanted)).all()
    confirmed: dict[str, dict[str, str | None]] = {row.audio_sha256: {} for row in stored}
    excluded: dict[str, dict[str, set[str]]] = {row.audio_sha256: {} for row in stored}
    ignored: dict[str, dict[str, str]] = {row.audio_sha256: {} for row in stored}
    words = (
        sa.select(episodes.c.audio_sha256, speakers.c.label, profiles.c.name)
        .select_from(speakers)
        .join(episodes)
        .outerjoin(profiles, profiles.c.id == speakers.c.profile_id)
        .where(wanted, speakers.c.confirmed.is_not(None))
    )
    for sha256, label, name in connection.execute(words):
        confirmed[sha256][label] = name
    not_these = (
        sa.select(episodes.c.audio_sha256, speakers.c.label, profiles.c.name)
        .select_from(ruled_out)
        .join(speakers)
        .join(episodes)
        .join(profiles, profiles.c.id == ruled_out.c.profile_id)
        .where(wanted)
    )
    for sha256, label, name in connection.execute(not_these):
        excluded[sha256].setdefault(label, set()).add(name)
    links = (
        sa.select(episodes.c.audio_sha256, speakers.c.label, unknowns.c.id)
        .select_from(unknown_speakers)
        .join(unknowns)
        .join(speakers, speakers.c.id == unknown_speakers.c.speaker_id)
        .join(episodes, episodes.c.id == speakers.c.episode_id)
        .where(wanted, unknowns.c.ignored_as.is_not(None))
    )
    for sha256, label, number in connection.execute(links):
        ignored[sha256][label] = name_of(number)
    return {
        row.audio_sha256: Said(
            show=show_by_episode[row.id],
            confirmed=confirmed[row.audio_sha256],
            ruled_out=excluded[row.audio_sha256],
            ignored=ignored[row.audio_sha256],
        )
        for row in stored
    }


def _ignored_numbers(connection: sa.Connection) -> frozenset[int]:
    return frozenset(connection.scalars(sa.select(unknowns.c.id).where(unknowns.c.ignored_as.is_not(None))))


def put(connection: sa.Connection, speaker: int, before: Before, embeddings: Sequence[Embedding]) -> None:
    """Write for a new speaker what was known of the one before, but a person's word, which is in its own row.

    embeddings : of the new speaker; without any it is no unknown
    """
    if before.unknown_id is not None and embeddings:
        link(connection, speaker, before.unknown_id, embeddings)
    for profile in sorted(before.ruled_out):
        connection.execute(ruled_out.insert().values(speaker_id=speaker, profile_id=profile))


def merge_ruled_out(connection: sa.Connection, from_id: int, into_id: int) -> None:
    """Make what was said of one profile said of the one it becomes part of, but where a person says otherwise."""
    said_so = sa.select(ruled_out.c.speaker_id).where(ruled_out.c.profile_id == into_id)
    is_it = sa.select(speakers.c.id).where(speakers.c.profile_id == into_id, speakers.c.confirmed.is_not(None))
    connection.execute(
        ruled_out.update()
        .where(ruled_out.c.profile_id == from_id)
        .where(ruled_out.c.speaker_id.not_in(said_so), ruled_out.c.speaker_id.not_in(is_it))
        .values(profile_id=into_id)
    )
