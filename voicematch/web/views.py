"""What each page shows, as values: a template lays out one of these, and the page's JSON is the same value.

Times are seconds; dates are ISO 8601 text. ``key`` is what an episode is called in an address: the first digits of its
audio's sha256. Nothing here holds a vector or a local path.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..library.reading.episodes import Guess, Named
from ..library.reading.people import CoSpeaker
from ..usecases.describe import Suggestion

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


@dataclass(frozen=True, slots=True)
class Undoable:
    """Something a person did here that can be undone: ``text`` says what it was."""

    id: int
    text: str
    done: str


# -- speakers


@dataclass(frozen=True, slots=True)
class SpeakerCard:
    """A person in a list. ``initials`` fill the place of a picture, on colour ``color``."""

    id: int
    name: str
    initials: str
    color: int
    role: str | None
    num_episodes: int
    talk_seconds: float
    num_voiceprints: int
    last_heard: str | None


@dataclass(frozen=True, slots=True)
class SpeakersPage:
    """sort : "name", "talk" or "recent" """

    query: str
    sort: str
    speakers: tuple[SpeakerCard, ...]
    paging: Paging


@dataclass(frozen=True, slots=True)
class VoiceprintSource:
    """One recording that voiceprints of a person come from.

    title : the episode's, or the clip's file name
    key : the episode, when it is in the library
    created : day on which they were taken
    ids, numbers : the voiceprints, and what `profiles show` calls them; for who owns the library alone
    """

    title: str
    key: str | None
    date: str | None
    num_voiceprints: int
    seconds: float
    consent: str
    created: str
    ids: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class VoiceProfile:
    """How a person is recognised.

    active : there is a voiceprint, so the person is recognised in new episodes
    consents : "self", "permission", "public": each basis once
    since : day of the first voiceprint
    """

    active: bool
    num_voiceprints: int
    seconds: float
    consents: tuple[str, ...]
    since: str | None
    sources: tuple[VoiceprintSource, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One episode on the chart of appearances, oldest first. ``share`` is of all talk in the episode, 0 … 1."""

    key: str
    title: str
    date: str | None
    talk_seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class AppearanceCard:
    """An episode in which a person speaks.

    lines : the first few of ``num_lines``; the page "speaker_episode" has them all
    """

    key: str
    title: str
    show: str
    date: str | None
    duration: float
    talk_seconds: float
    share: float
    num_turns: int
    num_lines: int
    co_speakers: tuple[Named, ...]
    lines: tuple[TranscriptLine, ...]
    audio: str | None


@dataclass(frozen=True, slots=True)
class ShowRole:
    """What a person is on one show: "host", "guest", or "" where there is too little to tell."""

    show: str
    role: str
    num_episodes: int
    num_in_show: int
    talk_seconds: float


@dataclass(frozen=True, slots=True)
class SpeakerPage:
    """A person. With a query, ``hits`` are the lines that hold its words, and chart and appearances are empty.

    note : private, and empty on a public page
    """

    person: SpeakerCard
    note: str
    voice: VoiceProfile
    chart: tuple[Point, ...]
    appearances: tuple[AppearanceCard, ...]
    paging: Paging
    co_speakers: tuple[CoSpeaker, ...]
    roles: tuple[ShowRole, ...]
    query: str = ""
    hits: tuple[FoundLine, ...] | None = None
    hits_paging: Paging | None = None


@dataclass(frozen=True, slots=True)
class SpeakerEpisodePage:
    """Every line that a person says in one episode."""

    person: SpeakerCard
    appearance: AppearanceCard


# -- episodes


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
    name : what to print: the accepted name, else "maybe NAME", "U-0001" or the label
    person : who was accepted; None otherwise
    suggested : who is suggested (verdict "review")
    confirmed : a person said so
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


@dataclass(frozen=True, slots=True)
class TimelineTurn:
    """A stretch on the timeline; ``speaker`` is an index into the page's ``speakers``."""

    start: float
    end: float
    speaker: int
    color: int


@dataclass(frozen=True, slots=True)
class EpisodePage:
    """audio : address of the sound, None where it cannot be had; names : all profiles, for the field of a name"""

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


# -- voices without a name, review, backlog, search


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
    """

    id: str
    role: str
    ignored_as: str | None
    num_episodes: int
    talk_seconds: float
    shows: tuple[str, ...]
    heard: tuple[HeardIn, ...]
    clip: str


@dataclass(frozen=True, slots=True)
class UnknownsPage:
    """ignored : whether these are the voices to be ignored; names : all profiles, for the field of a name"""

    ignored: bool
    unknowns: tuple[UnknownCard, ...]
    paging: Paging
    names: tuple[str, ...]


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


@dataclass(frozen=True, slots=True)
class JobCard:
    """state : "queued", "running", "done" or "failed"; key : the episode, once it is done"""

    id: int
    title: str
    show: str
    date: str | None
    state: str
    attempts: int
    error: str | None
    started: str | None
    finished: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class BacklogPage:
    """counts : number of jobs by state, all four; state : the one listed, or "" for all (running and failed first)"""

    state: str
    counts: dict[str, int]
    jobs: tuple[JobCard, ...]
    paging: Paging


@dataclass(frozen=True, slots=True)
class SearchPage:
    """hits : best first; none when there is no query; counted up to a thousand. error : what is wrong with the query"""

    query: str
    speaker: str
    since: str
    hits: tuple[FoundLine, ...]
    paging: Paging
    error: str = ""
    names: tuple[str, ...] = field(default=())


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
    """

    text: str
    action: int | None
    num_changes: int
    num_episodes: int
    warnings: tuple[str, ...] = ()
    person: Named | None = None
