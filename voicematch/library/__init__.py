"""What voicematch remembers: people and their voices, episodes, who speaks in them, and what they say.

``open_library()`` gives the library; each of its rooms (``library.profiles``, ``library.episodes`` …) owns its tables,
and each of their methods is one transaction. SQLite by default, PostgreSQL by URL.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import platformdirs

from ..errors import ChangedSince
from . import domains, erasure, migrations, undo
from .as_heard import AsHeard
from .copies import Copies, Copy
from .database import BUSY_SECONDS, Database, open_database
from .earlier import EarlierAnswers
from .episodes import Episodes
from .erasure import Forgotten
from .fixes import Fixes, FixRow
from .job import Added, FeedPicture, Job, JobSpeaker, NewJob, State
from .jobs import Jobs
from .matches import SpeakerEmbeddings, Speakers, StoredSpeakers
from .outputs import Output, Outputs
from .pins import Pin
from .portrayals import Portrayal, Portrayals
from .profiles import Profiles
from .reading.episodes import EpisodeSummary, Listings
from .reading.figures import Figures
from .reading.people import Appearance, People, Profile
from .reading.search import Hit, Search
from .reading.shows import Programmes
from .reading.voices import Unknown, UnknownSpeaker, Voices
from .said import SaidOfSpeakers
from .settings import LibrarySettings
from .shows import Shows
from .traces import Kin, Trace, Traces
from .undo import Recorded
from .unknowns import Unknowns
from .upgrade import Moving, Remade, StaleEpisode
from .upkeep import Stats, Upkeep, damage
from .voiceprints import StoredVoiceprint, StoredVoiceprints, VoiceprintRow
from .windows import KeptWindows

__all__ = [
    "Added",
    "Appearance",
    "AsHeard",
    "Copies",
    "Copy",
    "EpisodeSummary",
    "FeedPicture",
    "Figures",
    "FixRow",
    "Fixes",
    "Forgotten",
    "Hit",
    "Job",
    "JobSpeaker",
    "Jobs",
    "Kin",
    "Library",
    "Listings",
    "Moving",
    "NewJob",
    "Output",
    "People",
    "Portrayal",
    "Portrayals",
    "Profile",
    "Recorded",
    "Remade",
    "Search",
    "SpeakerEmbeddings",
    "StaleEpisode",
    "State",
    "Stats",
    "StoredSpeakers",
    "StoredVoiceprint",
    "Trace",
    "Unknown",
    "UnknownSpeaker",
    "Unknowns",
    "VoiceprintRow",
    "Voices",
    "default_location",
    "open_library",
]


def default_location() -> str:
    """Say where the library is when nobody says: VOICEMATCH_LIBRARY, else the platform's data directory."""
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
    keep_old: bool = True,
) -> Library:
    """Open the library at a file or ``postgresql://`` URL, and make it if need be.

    embedder, dimension : what this library's vectors are made by; pinned when first given, checked ever after
    create : False leaves an absent library absent
    busy_seconds : how long to wait while another process writes
    keep_old : where it is of an older form, keep a copy of it as it was

    Raises EmbedderMismatch when it holds another embedder's vectors, LibraryError when it is not a library, cannot
    be opened, or was changed by a newer voicematch.
    """
    database = open_database(
        default_location() if location is None else location, create=create, busy_seconds=busy_seconds
    )
    database.damage = lambda connection: map(str, domains.findings(connection))
    try:
        migrations.migrate(database, create=create, keep_old=keep_old)
        pin = Pin(database, embedder, dimension)
    except BaseException:
        database.close()
        raise
    return Library(database, pin)


class Library:
    """An open library; close it, or use it as a context manager. Threads may share one, processes may not.

    Its rooms hold what can be done with it: ``library.profiles.rename("Ann", "Anna")``.
    """

    def __init__(self, database: Database, pin: Pin) -> None:
        self._database = database
        self._pin = pin
        database.damage = lambda connection: damage(connection, pin)
        database.begun = pin.follow

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
        return self._pin.embedder

    @property
    def dimension(self) -> int | None:
        """Length of those vectors; None until the first, for an embedder that is not in the table of models."""
        with self._database.read() as connection:
            return self._pin.dimension(connection)

    def follow(self) -> None:
        """Keep to the embedder that the library has today, whoever moved it there; writing does so by itself."""
        with self._database.read() as connection:
            self._pin.follow(connection)

    def keep_to(self, embedder: str, dimension: int | None, weights: str | None = None) -> None:
        """Tie the library to an embedder, which may be another one while it holds no vectors yet.

        weights : sha256 of its file, where another may take its place under the same name

        Raises EmbedderMismatch.
        """
        self._pin.tie(embedder, dimension)
        if weights is not None:
            self._pin.tie_weights(weights)

    # -- what people and machines said of voices

    @property
    def profiles(self) -> Profiles:
        """People with names."""
        return Profiles(self._database, self._pin)

    @property
    def portrayals(self) -> Portrayals:
        """What is shown of them: a picture, a line, links."""
        return Portrayals(self._database)

    @property
    def voiceprints(self) -> StoredVoiceprints:
        """What profiles are known by."""
        return StoredVoiceprints(self._database, self._pin)

    @property
    def episodes(self) -> Episodes:
        """Recordings as they were labelled."""
        return Episodes(self._database, self._pin)

    @property
    def speakers(self) -> Speakers:
        """The voices in its episodes, and whom they are matched to."""
        return Speakers(self._database, self._pin)

    @property
    def unknowns(self) -> Unknowns:
        """The unknowns: voices that nobody has named."""
        return Unknowns(self._database, self._pin)

    @property
    def said(self) -> SaidOfSpeakers:
        """What a person said of its speakers."""
        return SaidOfSpeakers(self._database)

    @property
    def fixes(self) -> Fixes:
        """What a person fixed in its answers."""
        return Fixes(self._database, self._pin)

    @property
    def windows(self) -> KeptWindows:
        """What was heard in its episodes."""
        return KeptWindows(self._database)

    @property
    def earlier(self) -> EarlierAnswers:
        """Its answers of before their voices were told apart anew."""
        return EarlierAnswers(self._database, self._pin)

    @property
    def traces(self) -> Traces:
        """What its people are known by in copies of it."""
        return Traces(self._database)

    @property
    def shows(self) -> Shows:
        """Which show its episodes are of, and its people are from."""
        return Shows(self._database)

    # -- work, and the library itself

    @property
    def jobs(self) -> Jobs:
        """The backlog."""
        return Jobs(self._database)

    @property
    def outputs(self) -> Outputs:
        """The files that its episodes were written to."""
        return Outputs(self._database)

    @property
    def copies(self) -> Copies:
        """What was written out of it and does not follow it."""
        return Copies(self._database)

    @property
    def settings(self) -> LibrarySettings:
        """What is set for its embedder."""
        return LibrarySettings(self._database, self._pin)

    @property
    def upkeep(self) -> Upkeep:
        """Figures, checks and copies of it."""
        return Upkeep(self._database, self._pin)

    @property
    def upgrade(self) -> Moving:
        """Its way to another embedder."""
        return Moving(self._database)

    # -- reading, for commands and pages

    @property
    def people(self) -> People:
        """People: who they are, where they speak and with whom."""
        return People(self._database, self._pin)

    @property
    def listings(self) -> Listings:
        """Episodes in lists, and one with all that is in it."""
        return Listings(self._database)

    @property
    def programmes(self) -> Programmes:
        """Shows: who hosts them, who was a guest, who talks how much."""
        return Programmes(self._database)

    @property
    def figures(self) -> Figures:
        """How people talk: how much, how fast, whom they interrupt, what they ask."""
        return Figures(self._database)

    @property
    def voices(self) -> Voices:
        """Voices without a name, and matches to review."""
        return Voices(self._database)

    @property
    def search(self) -> Search:
        """Words in what was said."""
        return Search(self._database)

    # -- transactions of several steps

    def together(self, *, keep: bool = True) -> AbstractContextManager[None]:
        """Make one transaction of all that this thread does with the library until the end: all happens, or nothing.

        keep : False undoes it at the end, so that the caller has seen what would change
        """
        return self._database.together(keep=keep)

    @property
    def is_together(self) -> bool:
        """Whether this thread is within ``together``."""
        return self._database.is_together

    @contextmanager
    def recording(self, *, clips_of: Collection[str] = ()) -> Iterator[Recorded]:
        """Do as ``together`` does, with what it changes recorded, so that ``undo`` can take it back.

        clips_of : names of the profiles that may lose a kept clip by it
        """
        recorded = Recorded()
        with self.together():
            with self._database.read() as connection:
                before = undo.capture(connection, clips_of)
            yield recorded
            with self._database.read() as connection:
                recorded.changes = undo.difference(before, undo.capture(connection, ()))
                recorded.embedder, recorded.num_erasures = self.embedder, erasure.num_erasures(connection)

    def undo(self, recorded: Recorded) -> bool:
        """Take back what was recorded, and say whether all is as it was; if not, all episodes are to be matched again.

        `usecases.name.undo` does both. Raises ChangedSince when what a person said then has been changed again since.
        """
        with self._database.write() as connection:
            today = self.embedder, erasure.num_erasures(connection)
            if (recorded.embedder, recorded.num_erasures) != today:  # old vectors, or who was forgotten, would return
                raise ChangedSince(undo.REFUSED)
            return undo.restore(connection, recorded)
