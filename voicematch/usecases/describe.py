"""What can be told of an unknown, for a person to judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..library import Library, Unknown, UnknownSpeaker
from ..types import Line
from ..voices import roles
from ..voices.suggest import credited, mentioned

NUM_READ = 5  # latest episodes of a voice whose text is searched for its name
NUM_SUGGESTIONS = 2


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Who a voice may be, for a person to judge.

    reason : "says so", "welcomed", "addressed" …, or "named in the feed as host"
    quote : the line that mentions the name, or "" for one from the feed
    """

    name: str
    reason: str
    quote: str


@dataclass(frozen=True, slots=True)
class Described:
    """An unknown as a list shows it.

    role : what it seems to be: "host", "guest", "ad", or "" where there is too little to tell
    shows : where it is heard, most often first
    """

    id: str
    role: str
    ignored_as: str | None
    num_episodes: int
    talk_seconds: float
    shows: tuple[str, ...]
    speakers: tuple[UnknownSpeaker, ...]
    suggestions: tuple[Suggestion, ...]


def describe(unknown: Unknown, *, library: Library | None = None) -> Described:
    """Tell what is known of an unknown.

    library : where the text of its latest episodes is read, to suggest names; None suggests none
    """
    by_episode: dict[str, tuple[str, float]] = {}
    for voice in unknown.speakers:
        _, seconds = by_episode.get(voice.audio_sha256, ("", 0.0))
        by_episode[voice.audio_sha256] = (voice.show, seconds + voice.talk_seconds)
    role = roles.role(list(by_episode.values()), unknown.num_in_show)
    shows = Counter(show for show, _ in by_episode.values())
    return Described(
        id=unknown.id,
        role=role,
        ignored_as=unknown.ignored_as,
        num_episodes=unknown.num_episodes,
        talk_seconds=unknown.talk_seconds,
        shows=tuple(show for show, _ in shows.most_common()),
        speakers=unknown.speakers,
        suggestions=_suggestions(unknown, role, library) if library is not None else (),
    )


def _suggestions(unknown: Unknown, role: str, library: Library) -> tuple[Suggestion, ...]:
    """Suggest names, likeliest first, by what is said in its latest episodes and by whom their feeds name."""
    latest = unknown.speakers[-NUM_READ:]
    read = [(library.episodes.lines(voice.audio_sha256, words=False), voice.speaker) for voice in latest]
    episodes = list(dict.fromkeys(voice.audio_sha256 for voice in latest))
    return likely(read, [library.jobs.persons(sha256) for sha256 in episodes], role)


def likely(
    read: Sequence[tuple[Sequence[Line], str]], credits: Sequence[Sequence[tuple[str, str]]], role: str = ""
) -> tuple[Suggestion, ...]:
    """Return the names that a voice may have, likeliest first.

    read : the lines of each of its episodes, and its label there
    credits : of each, (name, part) of those whom its feed names
    role : what the voice seems to be
    """
    weights: dict[str, float] = {}
    first: dict[str, Suggestion] = {}

    def add(suggestion: Suggestion, weight: float) -> None:
        weights[suggestion.name] = weights.get(suggestion.name, 0.0) + weight
        first.setdefault(suggestion.name, suggestion)

    for lines, label in read:
        for mention, weight in mentioned(lines, label, role):
            add(Suggestion(mention.name, mention.reason, mention.line.text), weight)
    for name, part, weight in credited(credits, role):
        add(Suggestion(name, f"named in the feed as {part}", ""), weight)
    best = sorted(weights, key=lambda name: (-weights[name], name))[:NUM_SUGGESTIONS]
    return tuple(first[name] for name in best)
