"""What the pages about people show."""

from __future__ import annotations

from dataclasses import dataclass

from ...library.reading.episodes import Named
from ...library.reading.people import CoSpeaker
from .pieces import FoundLine, Paging, TranscriptLine


@dataclass(frozen=True, slots=True)
class SpeakerCard:
    """A person in a list. ``initials`` fill the place of a picture, on colour ``color``, where there is none."""

    id: int
    name: str
    initials: str
    color: int
    role: str | None
    num_episodes: int
    talk_seconds: float
    num_voiceprints: int
    last_heard: str | None
    has_picture: bool = False


@dataclass(frozen=True, slots=True)
class SpeakersPage:
    """sort : "name", "talk" or "recent"

    empty : names that hold no voice and are heard nowhere, who are not among the others
    """

    query: str
    sort: str
    speakers: tuple[SpeakerCard, ...]
    paging: Paging
    empty: tuple[SpeakerCard, ...] = ()


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
class Quote:
    """A line worth quoting. line : its place in the episode, from 1"""

    key: str
    title: str
    date: str | None
    line: int
    start: float
    end: float
    text: str
    audio: str | None


@dataclass(frozen=True, slots=True)
class QuotePage:
    """One line to be shared: copied, embedded, or as a picture. person : who says it, None where nobody is named"""

    quote: Quote
    by: str
    person: Named | None
    show: str


@dataclass(frozen=True, slots=True)
class SpeakerPage:
    """A person. With a query, ``hits`` are the lines that hold its words, and chart and appearances are empty.

    note : private, and empty on a public page; names : all others, for the field of a name
    about, links : as somebody wrote them; quotes : a few lines worth quoting, of the latest episodes
    show : the one that the chart is about, or "" for all
    error : what is wrong with the query
    picture_in_feed : where a feed says that a picture of them is; nothing asks there but whoever presses the button
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
    loosely: bool = False
    names: tuple[str, ...] = ()
    about: str = ""
    links: tuple[str, ...] = ()
    quotes: tuple[Quote, ...] = ()
    show: str = ""
    picture_in_feed: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class SpeakerEpisodePage:
    """Every line that a person says in one episode."""

    person: SpeakerCard
    appearance: AppearanceCard
