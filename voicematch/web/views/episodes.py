"""What the pages about episodes and their words show."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...library.reading.episodes import AlsoIn, Guess, Named
from ...library.reading.figures import VoiceFigures
from ...usecases.describe import Suggestion
from .pieces import EpisodeExcerpt, FoundLine, Paging, TranscriptLine


@dataclass(frozen=True, slots=True)
class EpisodeCard:
    key: str
    title: str
    show: str
    date: str | None
    duration: float
    num_speakers: int
    num_unknown: int
    num_lines: int
    people: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class EpisodesPage:
    query: str
    episodes: tuple[EpisodeCard, ...]
    paging: Paging


@dataclass(frozen=True, slots=True)
class EpisodeSpeaker:
    """One voice of an episode.

    label : SPEAKER_00; with the episode's key it is what corrections are addressed to
    name : what to print: the accepted name, else "maybe NAME", what it is ignored as, "U-0001" or the label
    person : who was accepted; None otherwise
    suggested : who is suggested (verdict "review")
    confirmed : a person said so
    ignored_as : what it is ignored as ("ad"), or None
    color : a person's own, the same everywhere; is_like : another of the episode has it too
    excerpt : a stretch of this voice; suggestions : names that the text has for it. For who owns the library alone
    """

    label: str
    name: str
    color: int
    person: Named | None
    suggested: Named | None
    verdict: str
    probability: float
    guesses: tuple[Guess, ...]
    reasons: tuple[str, ...]
    unknown: str | None
    confirmed: bool
    talk_seconds: float
    share: float
    num_turns: int
    ignored_as: str | None = None
    is_like: bool = False
    excerpt: EpisodeExcerpt | None = None
    suggestions: tuple[Suggestion, ...] = ()


@dataclass(frozen=True, slots=True)
class TimelineTurn:
    """A stretch on the timeline; ``speaker`` is an index into the page's ``speakers``."""

    start: float
    end: float
    speaker: int
    color: int


@dataclass(frozen=True, slots=True)
class EpisodePage:
    """audio : address of the sound, None where it cannot be had; names : all profiles, for the field of a name

    figures : how each voice talks, most talk first; for who owns the library alone
    is_fixing : lines can be marked; line : the place, from 1, of the one whose words are worked on, or 0
    seen : stands for the lines as they are here, for who fixes them by their places
    also : the other shows that have the same sound
    """

    key: str
    title: str
    show: str
    date: str | None
    duration: float
    audio: str | None
    speakers: tuple[EpisodeSpeaker, ...]
    turns: tuple[TimelineTurn, ...]
    lines: tuple[TranscriptLine, ...]
    names: tuple[str, ...] = ()
    is_fixing: bool = False
    line: int = 0
    seen: str = ""
    figures: tuple[VoiceFigures, ...] = ()
    also: tuple[AlsoIn, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchPage:
    """What was found.

    hits : episode by episode, that with the best line first, and in one the lines as they are said; none when there is
        no query; counted up to a thousand
    error : what is wrong with the query; meant : people whose names come close to ``speaker``
    loosely : nobody said these words, and the hits have words that begin so
    """

    query: str
    speaker: str
    since: str
    hits: tuple[FoundLine, ...]
    paging: Paging
    error: str = ""
    names: tuple[str, ...] = field(default=())
    meant: tuple[str, ...] = ()
    loosely: bool = False
