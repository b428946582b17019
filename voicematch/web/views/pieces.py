"""What several pages show: where a list goes on, a stretch to hear, a line, and what an action came to."""

from __future__ import annotations

from dataclasses import dataclass

from ...library.reading.episodes import Named

NUM_COLORS = 8  # told apart on a timeline; the ninth voice of an episode takes the first colour again


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page of a list this is; pages count from 1."""

    number: int
    num_pages: int
    total: int
    per_page: int

    @property
    def previous(self) -> int | None:
        return self.number - 1 if self.number > 1 else None

    @property
    def next(self) -> int | None:
        return self.number + 1 if self.number < self.num_pages else None


@dataclass(frozen=True, slots=True)
class EpisodeExcerpt:
    """A stretch of an episode to listen to.

    audio : address of the whole episode's sound, to be played from ``start``; None where there is none
    """

    key: str
    title: str
    date: str | None
    start: float
    end: float
    audio: str | None


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """One line of a transcript.

    speaker : the name to print: a person's, else the local label or the name in the transcript; "" for nobody
    color : 0 … NUM_COLORS - 1, the same as the voice's on the timeline; None for a line of nobody
    """

    start: float
    end: float
    text: str
    speaker: str = ""
    person: Named | None = None
    color: int | None = None


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A line that was searched for, cut at the found words: (text, whether it is one of them).

    before, after : the text of the neighbouring lines, or ""
    before_by, after_by : who says that, where it is somebody else than ``speaker``
    """

    key: str
    title: str
    date: str | None
    start: float
    end: float
    speaker: str
    person: Named | None
    parts: tuple[tuple[str, bool], ...]
    before: str
    after: str
    audio: str | None
    before_by: str = ""
    after_by: str = ""


@dataclass(frozen=True, slots=True)
class Undoable:
    """Something a person did here that can be undone: ``text`` says what it was."""

    id: int
    text: str
    done: str


@dataclass(frozen=True, slots=True)
class ErrorPage:
    status: int
    title: str
    message: str


@dataclass(frozen=True, slots=True)
class Done:
    """What an action came to: the JSON answer of every action.

    text : one sentence, also what "undo" shows
    action : its number, for undo; None for an undo itself
    num_changes : voices whose name changed; num_episodes : in how many episodes
    notice : the number that pages tell of it under, ?done=N
    go : the page to go on with where the one it was done on is no more
    """

    text: str
    action: int | None
    num_changes: int
    num_episodes: int
    warnings: tuple[str, ...] = ()
    person: Named | None = None
    notice: int = 0
    go: str = ""


@dataclass(frozen=True, slots=True)
class SurePage:
    """A question before something is done that may be a mistake, or cannot be taken back.

    fields : (name, value) of what is sent when it is meant; back : the page it was asked on
    """

    question: str
    yes: str
    action: str
    fields: tuple[tuple[str, str], ...]
    back: str
