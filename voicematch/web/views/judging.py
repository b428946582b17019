"""What the pages for judging by ear show: voices without a name, and matches to review."""

from __future__ import annotations

from dataclasses import dataclass

from ...library.reading.episodes import Guess, Named
from ...usecases.describe import Suggestion
from .pieces import EpisodeExcerpt, Paging


@dataclass(frozen=True, slots=True)
class HeardIn:
    """Where an unknown voice is heard."""

    key: str
    title: str
    date: str | None
    label: str
    talk_seconds: float


@dataclass(frozen=True, slots=True)
class UnknownCard:
    """A voice without a name.

    id : U-0001
    role : what it seems to be: "host", "guest", "ad", or ""
    clip : address of its clearest ten seconds (WAV)
    heard : the latest few of ``num_episodes``
    can_split : it is heard as several speakers, so it may be several people
    """

    id: str
    role: str
    ignored_as: str | None
    num_episodes: int
    talk_seconds: float
    shows: tuple[str, ...]
    heard: tuple[HeardIn, ...]
    clip: str
    can_split: bool = False


@dataclass(frozen=True, slots=True)
class UnknownsPage:
    """ignored : whether these are the voices to be ignored; names : all profiles, for the field of a name

    is_new : no episode is in the library yet
    """

    ignored: bool
    unknowns: tuple[UnknownCard, ...]
    paging: Paging
    names: tuple[str, ...]
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class UnknownPage:
    """One unknown voice with suggested names; its text is read for them, so a list does without."""

    unknown: UnknownCard
    suggestions: tuple[Suggestion, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReviewCard:
    """A match that is neither sure nor out of the question.

    voice : a stretch of this voice in this episode
    known : a stretch of the suggested person elsewhere, to compare with; None where there is none
    """

    key: str
    title: str
    date: str | None
    label: str
    suggested: Named
    probability: float
    guesses: tuple[Guess, ...]
    reasons: tuple[str, ...]
    talk_seconds: float
    voice: EpisodeExcerpt | None
    known: EpisodeExcerpt | None


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """Oldest episode first."""

    matches: tuple[ReviewCard, ...]
    paging: Paging
    names: tuple[str, ...]
