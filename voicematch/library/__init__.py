"""What voicematch remembers: people and their voices, episodes, who speaks in them, and what they say.

``open_library()`` gives the library; each method is one transaction. SQLite by default, PostgreSQL by URL.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import platformdirs
import sqlalchemy as sa

from ..errors import ProfileNotFound
from ..types import Embedding, LabelledEpisode, Line, Match
from ..voices.score import Voiceprints
from . import episodes, erasure, matches, migrations, pins, profiles, said, schema, undo, unknowns, upkeep, voiceprints
from .database import BUSY_SECONDS, Database, open_database
from .erasure import Forgotten
from .jobs import Added, Job, Jobs, NewJob, State, Voice
from .matches import SpeakerEmbeddings, StoredSpeakers
from .outputs import Output, Outputs
from .profiles import Profile
from .reading import search
from .reading.episodes import Appearance, EpisodeSummary, Listings, appearances, summaries
from .reading.people import People
from .reading.search import Hit
from .reading.voices import Judging
from .said import SaidOfSpeakers
from .shows import Shows
from .undo import Recorded
from .unknowns import Recognise, Unknown, Unknowns, UnknownSpeaker
from .upgrade import Moving, Remade, StaleEpisode
from .upkeep import Stats
from .voiceprints import CONSENT, StoredVoiceprint, VoiceprintRow

__all__ = [
    "CONSENT",
    "Added",
    "Appearance",
    "EpisodeSummary",
    "Forgotten",
    "Hit",
    "Job",
    "Jobs",
    "Judging",
    "Library",
    "Listings",
    "Moving",
    "NewJob",
    "Output",
    "People",
    "Profile",
    "Recorded",
    "Remade",
    "SpeakerEmbeddings",
    "StaleEpisode",
    "State",
    "Stats",
    "StoredSpeakers",
    "StoredVoiceprint",
    "Unknown",
    "UnknownSpeaker",
    "Unknowns",
    "Voice",
    "VoiceprintRow",
    "default_location",
    "open_library",
]


def default_location() -> str:
    """Where the library is when nobody says: VOICEMATCH_LIBRARY, else the platform's data directory."""
    return os.environ.get("VOICEMATCH_LIBRARY") or str(
        Path(platformdirs.user_data_dir("voicematch", appauthor=False)) / "library.db"
    )


def open_library(
    location: str | Path | None = None,
    *,
    embedder: str | None = None,
    dimension: int | None = None,
    create: bool = True,
    busy_seconds: float = BUSY_SECONDS,
) -> Library:
    """The library at a file or ``postgresql://`` URL, made if need be.

    embedder, dimension : what this library's vectors are made by; pinned when first given, checked ever after
    create : False leaves an absent library absent
    busy_seconds : how long to wait while another process writes

    Raises EmbedderMismatch when it holds another embedder's vectors, LibraryError when it is not a library, cannot
    be opened, or was changed by a newer voicematch.
    """
    database = open_database(
        default_location() if location is None else location, create=create, busy_seconds=busy_seconds
    )
    try:
        migrations.migrate(database, create=create)
        pinned, pinned_dimension = _tie(database, embedder, dimension)
    except BaseException:
        database.close()
        raise
    return Library(database, pinned, pinned_dimension)


def _tie(database: Database, embedder: str | None, dimension: int | None) -> tuple[str, int | None]:
    with database.read() as connection:
        pinned, pinned_dimension = pins.read(connection)
    if pinned is not None and embedder in (None, pinned) and dimension in (None, pinned_dimension):
        return pinned, pinned_dimension  # nothing to write, so another process may be writing meanwhile
    with database.write() as connection:
        return pins.tie(connection, database.location, embedder, dimension)


class Library:
    """An open library; close it, or use it as a context manager. Threads may share one, processes may not."""

    def __init__(self, database: Database, embedder: str, dimension: int | None) -> None:
        self._database = database
        self._embedder = embedder
        self._dimension = dimension

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Library {self.location}>"

    def close(self) -> None:
        self._database.close()

    @property
    def location(self) -> str:
        """The file, or the URL without its password."""
        return self._database.location

    @property
    def path(self) -> Path | None:
        """The file, or None on PostgreSQL."""
        return self._database.path

    @property
    def embedder(self) -> str:
        """Whose vectors this library holds."""
        return self._embedder

    @property
    def dimension(self) -> int | None:
        """Length of those vectors; None until the first, for an embedder that is not in the table of models."""
        return self._dimension

    def keep_to(self, embedder: str, dimension: int | None) -> None:
        """Ties the library to an embedder, which may be another one while it holds no vectors yet.

        Raises EmbedderMismatch.
        """
        self._embedder, self._dimension = _tie(self._database, embedder, dimension)

    @property
    def jobs(self) -> Jobs:
        """The backlog."""
        return Jobs(self._database)

    @property
    def shows(self) -> Shows:
        """Which show its episodes are of, and its people are from."""
        return Shows(self._database)

    @property
    def said(self) -> SaidOfSpeakers:
        """What a person said of its speakers."""
        return SaidOfSpeakers(self._database)

    @property
    def outputs(self) -> Outputs:
        """The files that its episodes were written to."""
        return Outputs(self._database)

    @property
    def moving(self) -> Moving:
        """Its way to another embedder."""
        return Moving(self._database, self._embedder)

    @property
    def unknowns(self) -> Unknowns:
        """The remembered voices without a name."""
        return Unknowns(self._database, self._embedder, self._dimension)

    @property
    def people(self) -> People:
        """People as a page shows them, by id."""
        return People(self._database)

    @property
    def listings(self) -> Listings:
        """Episodes and jobs as a page lists them."""
        return Listings(self._database)

    @property
    def judging(self) -> Judging:
        """What waits for a person's judgement."""
        return Judging(self._database)

    def together(self, *, keep: bool = True) -> AbstractContextManager[None]:
        """All that this thread does with the library until the end is one transaction: all of it happens, or nothing.

        keep : False undoes it at the end, so that the caller has seen what would change
        """
        return self._database.together(keep=keep)

    @contextmanager
    def recording(self, *, clips_of: Collection[str] = ()) -> Iterator[Recorded]:
        """``together``, with what it changes recorded, so that ``undo`` can take it back.

        clips_of : names of the profiles that may lose a kept clip by it
        """
        recorded = Recorded()
        with self.together():
            with self._database.read() as connection:
                before = undo.capture(connection, clips_of)
            yield recorded
            with self._database.read() as connection:
                recorded.changes = undo.difference(before, undo.capture(connection, ()))

    def undo(self, recorded: Recorded) -> bool:
        """Takes back what was recorded, and says whether all is as it was; if not, ``name.relabel`` is due.

        Raises LibraryError when what a person said then has been changed again since.
        """
        with self._database.write() as connection:
            self._admit(connection, self._embedder, ())  # vectors of before an upgrade must not come back
            return undo.restore(connection, recorded)

    def _admit(self, connection: sa.Connection, embedder: str, embeddings: Sequence[Embedding]) -> int | None:
        dimension = int(embeddings[0].vector.shape[-1]) if embeddings else None
        return pins.admit(connection, self.location, embedder, dimension)

    # -- profiles

    def create_profile(self, name: str, *, role: str | None = None, note: str | None = None) -> Profile:
        """A new profile. Raises ProfileExists when the name is taken, in whatever spelling."""
        with self._database.write() as connection:
            created = profiles.create(connection, name, role, note)
            return profiles.summaries(connection, created, self._embedder)[0]

    def profile(self, name: str) -> Profile:
        """The profile of that name; upper and lower case and spacing do not matter. Raises ProfileNotFound."""
        with self._database.read() as connection:
            found = profiles.profile_id(connection, name)
            return profiles.summaries(connection, found, self._embedder)[0]

    def find_profile(self, name: str) -> Profile | None:
        """The profile of that name, or None."""
        try:
            return self.profile(name)
        except ProfileNotFound:
            return None

    def profiles(self) -> tuple[Profile, ...]:
        """All profiles, sorted by name."""
        with self._database.read() as connection:
            return tuple(profiles.summaries(connection, None, self._embedder))

    def describe_profile(self, name: str, *, role: str | None = None, note: str | None = None) -> Profile:
        """Sets what is given and leaves the rest; an empty string clears."""
        with self._database.write() as connection:
            described = profiles.describe(connection, name, role, note)
            return profiles.summaries(connection, described, self._embedder)[0]

    def rename_profile(self, old: str, new: str) -> Profile:
        """The profile under its new name, which every stored episode shows from now on."""
        with self._database.write() as connection:
            renamed = profiles.rename(connection, old, new)
            return profiles.summaries(connection, renamed, self._embedder)[0]

    def merge_profiles(self, source: str, into: str) -> Profile:
        """``into`` with the voiceprints, matches and appearances of ``source``, which is gone."""
        with self._database.write() as connection:
            said.merge_ruled_out(
                connection, profiles.profile_id(connection, source), profiles.profile_id(connection, into)
            )
            merged = profiles.merge(connection, source, into)
            return profiles.summaries(connection, merged, self._embedder)[0]

    def forget_profile(self, name: str) -> Forgotten:
        """Erases a person, down to the bytes of the file: voiceprints, clips, the stored voices of speakers accepted
        as this person, and the name wherever voicematch wrote it. What was said, and titles, stay as they were.
        """
        with self._database.write() as connection:
            forgotten = erasure.forget(connection, name)
        return erasure.compact(self._database, forgotten)

    # -- voiceprints

    def add_voiceprints(
        self,
        profile: str,
        embeddings: Sequence[Embedding],
        *,
        embedder: str,
        consent: str,
        source: str,
        audio_sha256: str,
        clip: bytes | None = None,
    ) -> int:
        """How many voiceprints the profile gained; the same span of the same audio is replaced, not added.

        consent : "self", "permission" or "public"
        clip : the encoded audio they were made from, kept so that a later embedder can hear it again
        """
        with self._database.write() as connection:
            dimension = self._admit(connection, embedder, embeddings)
            num_new = voiceprints.add_voiceprints(
                connection,
                profile,
                embeddings,
                embedder=embedder,
                dimension=dimension or 0,
                consent=consent,
                source=episodes.storable(source),
                audio_sha256=audio_sha256,
                clip=clip,
            )
        self._dimension = dimension
        return num_new

    def voiceprint_rows(self, profile: str) -> tuple[VoiceprintRow, ...]:
        """Where each voiceprint of a profile comes from, oldest first."""
        with self._database.read() as connection:
            return tuple(voiceprints.voiceprint_rows(connection, profile))

    def voiceprints_of(self, profile: str) -> tuple[StoredVoiceprint, ...]:
        """The voiceprints of one profile with their vectors, oldest first."""
        with self._database.read() as connection:
            number = profiles.profile_id(connection, profile)
            return tuple(voiceprints.of_profile(connection, number, self._embedder, self._dimension or 0))

    def remove_voiceprints(self, profile: str, ids: Collection[int]) -> int:
        """Removes some voiceprints of a profile, and says how many."""
        with self._database.write() as connection:
            return voiceprints.remove(connection, profiles.profile_id(connection, profile), ids)

    def voiceprints(self) -> Voiceprints:
        """Every voiceprint, as ``score.scores`` takes them; the rows of one profile follow each other."""
        with self._database.read() as connection:
            names, rows, seconds = voiceprints.all_voiceprints(connection, self._embedder, self._dimension or 0)
        return Voiceprints(profiles=names, vectors=rows, seconds=seconds)

    def clips(self, profile: str) -> Iterator[tuple[int, bytes]]:
        """(id of its first voiceprint, encoded audio) of each clip kept, one in memory at a time."""
        with self._database.read() as connection:
            kept = voiceprints.kept_clips(connection, profile)
        for voiceprint, clip in kept:
            with self._database.read() as connection:
                audio = connection.scalar(sa.select(schema.clips.c.audio).where(schema.clips.c.id == clip))
            if audio is not None:
                yield voiceprint, bytes(audio)

    # -- episodes

    def store_episode(
        self,
        episode: LabelledEpisode,
        embeddings: Mapping[str, Sequence[Embedding]],
        *,
        recognise: Recognise | None = None,
    ) -> LabelledEpisode:
        """The episode as it is kept by its audio's sha256, in place of an earlier answer on the same audio.

        What a person confirmed in the earlier answer is carried over to whoever now holds those turns.

        recognise : which remembered voices the unnamed speakers are; every other who says enough is remembered as a
            new one. None remembers nobody.
        """
        every = [embedding for of_speaker in embeddings.values() for embedding in of_speaker]
        with self._database.write() as connection:
            dimension = self._admit(connection, episode.embedder, every)
            stored = episodes.store(connection, episode, embeddings, dimension)
            if recognise is not None:
                unknowns.remember(connection, stored, recognise, episode.embedder, dimension or 0)
            of_episode = matches.of_episode(connection, stored)
        self._dimension = dimension
        return replace(episode, matches={label: of_episode[label] for label in episode.matches})

    def episode(self, key: str) -> LabelledEpisode:
        """The one episode meant by the first six or more digits of its sha256, its source, file name or title."""
        with self._database.read() as connection:
            return episodes.read(connection, episodes.find(connection, key))

    def lines(self, audio_sha256: str) -> tuple[Line, ...]:
        """What is said in one episode; empty when it is not stored, or came without words."""
        with self._database.read() as connection:
            return episodes.lines_of(connection, audio_sha256)

    def episodes(
        self, *, profile: str | None = None, since: str | None = None, limit: int | None = None
    ) -> tuple[EpisodeSummary, ...]:
        """Stored episodes, newest first; those with a profile, or since an ISO 8601 date."""
        with self._database.read() as connection:
            of_profile = None if profile is None else profiles.profile_id(connection, profile)
            return tuple(summaries(connection, of_profile, since, limit))

    def remove_episode(self, key: str) -> None:
        """Forgets an episode and the voices stored with it."""
        with self._database.write() as connection:
            removed = episodes.find(connection, key)
            connection.execute(schema.episodes.delete().where(schema.episodes.c.id == removed))

    def appearances(self, profile: str) -> tuple[Appearance, ...]:
        """The episodes in which a profile was named, oldest first."""
        with self._database.read() as connection:
            return tuple(appearances(connection, profiles.profile_id(connection, profile)))

    # -- matching again

    def speaker_embeddings(self, audio_sha256: str) -> dict[str, tuple[Embedding, ...]]:
        """The stored voices of one episode, by local label; empty when it is not stored, or by another embedder."""
        with self._database.read() as connection:
            return matches.speaker_embeddings_of(connection, audio_sha256, self._embedder, self._dimension or 0)

    def all_speaker_embeddings(self, audio_sha256: str | None = None) -> SpeakerEmbeddings:
        """Return the stored voices of all episodes, for matching the whole backlog at once, or those of one."""
        with self._database.read() as connection:
            return matches.all_speaker_embeddings(connection, self._embedder, self._dimension or 0, audio_sha256)

    def stored_speakers(self) -> Iterator[StoredSpeakers]:
        """The same voices, one episode after the other."""
        return self.all_speaker_embeddings().episodes()

    def names(self) -> dict[tuple[str, str], str | None]:
        """{(audio_sha256, label): profile} of every speaker, None without a name, in the order stored."""
        with self._database.read() as connection:
            return matches.names(connection)

    def set_matches(self, by_episode: Mapping[str, Mapping[str, Match]]) -> int:
        """Replaces the verdicts given, {audio_sha256: {label: Match}}, and says how many; confirmed ones stay."""
        with self._database.write() as connection:
            return matches.set_matches(connection, by_episode)

    def rule_out(self, episode: str, speaker: str, profile: str) -> None:
        """Records that a person said a speaker is not this profile."""
        with self._database.write() as connection:
            not_this = profiles.profile_id(connection, profile)
            said.rule_out(connection, episodes.find(connection, episode), speaker, not_this)

    def confirm(self, episode: str, speaker: str, profile: str | None) -> None:
        """Records what a person said about a speaker: the profile it is, or None for none of them."""
        with self._database.write() as connection:
            matches.confirm(connection, episodes.find(connection, episode), speaker, profile)

    # -- words

    def search(
        self, words: str, *, speaker: str | None = None, since: str | None = None, limit: int = 50
    ) -> tuple[Hit, ...]:
        """Lines that hold all the words, best first. "Words in quotes" stand together; a star ends an open word.

        Raises ProfileNotFound when nobody is called ``speaker``.
        """
        with self._database.read() as connection:
            return tuple(search.search(connection, words, speaker=speaker, since=since, limit=limit))

    # -- settings and upkeep

    def setting(self, key: str) -> str | None:
        """What was set for the library's embedder: calibration (JSON), thresholds."""
        value = schema.settings.c.value
        with self._database.read() as connection:
            return connection.scalar(sa.select(value).where(*self._setting(key)))

    def set_setting(self, key: str, value: str | None) -> None:
        """Sets it, or with None takes it away."""
        with self._database.write() as connection:
            connection.execute(schema.settings.delete().where(*self._setting(key)))
            if value is not None:
                connection.execute(schema.settings.insert().values(embedder=self._embedder, key=key, value=value))

    def _setting(self, key: str) -> tuple[sa.ColumnElement[bool], ...]:
        return schema.settings.c.embedder == self._embedder, schema.settings.c.key == key

    def stats(self) -> Stats:
        """How much the library holds."""
        with self._database.read() as connection:
            return upkeep.stats(connection, self._database, self._embedder, self._dimension)

    def check(self) -> tuple[str, ...]:
        """What is wrong, one line each: the file, references, the search index, vectors. Empty when all is well."""
        return tuple(upkeep.findings(self._database, self._embedder, self._dimension))

    def backup(self, target: str | Path) -> None:
        """Copies the library, whole and as of one moment. Raises OutputExists."""
        upkeep.backup(self._database, Path(target))
