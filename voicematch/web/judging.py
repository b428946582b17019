"""The pages for judging by ear, and the backlog: voices without a name, matches to review, jobs."""

from __future__ import annotations

from collections import Counter

from ..library import State, UnknownSpeaker
from ..library.reading.episodes import key_of
from ..library.reading.voices import Stretch, UnknownRow
from ..usecases.describe import suggestions
from ..voices.roles import role
from . import views
from .episodes import guesses
from .reading import Reading, person

NUM_HEARD = 5  # episodes shown with an unknown voice
EXCERPT_SECONDS = 12.0
REASONS = {  # naming.Suggestion.reason, as a sentence about the name
    "guest": "is said to be the guest",
    "joined by": "is said to be there",
    "says so": "says so itself",
    "welcomed": "is welcomed",
    "addressed": "is addressed, and answers",
}


def unknowns(reading: Reading, *, ignored: bool = False, page: int = 1) -> views.UnknownsPage:
    """Voices without a name, those heard in most episodes first; or those that are to be ignored."""
    limit, offset = reading.limits(page)
    found, total = reading.library.judging.unknowns(ignored=ignored, limit=limit, offset=offset)
    num_in_show = reading.library.judging.num_in_show()
    cards = tuple(_card(reading, one, num_in_show) for one in found)
    return views.UnknownsPage(ignored, cards, reading.paging(page, total), reading.library.people.names())


def unknown(reading: Reading, name: str) -> views.UnknownPage:
    """One voice without a name, with names that the text suggests. Raises NothingThere when it is heard nowhere."""
    found = reading.library.judging.unknown(name)
    card = _card(reading, found, reading.library.judging.num_in_show())
    return views.UnknownPage(card, _suggestions(reading, found, card.role), reading.library.people.names())


def _card(reading: Reading, found: UnknownRow, num_in_show: dict[str, int]) -> views.UnknownCard:
    by_episode: dict[str, tuple[str, float]] = {}
    for one in found.heard:
        _, seconds = by_episode.get(one.sha256, ("", 0.0))
        by_episode[one.sha256] = (one.show, seconds + one.talk_seconds)
    shows = Counter(show for show, _ in by_episode.values())
    return views.UnknownCard(
        id=found.id,
        role=role(list(by_episode.values()), num_in_show),
        ignored_as=found.ignored_as,
        num_episodes=found.num_episodes,
        talk_seconds=found.talk_seconds,
        shows=tuple(show for show, _ in shows.most_common()),
        heard=tuple(
            views.Heard(key_of(one.sha256), one.title, one.date, one.label, one.talk_seconds)
            for one in found.heard[:NUM_HEARD]
        ),
        clip=reading.url("clip", id=found.id),
    )


def _suggestions(reading: Reading, found: UnknownRow, role: str) -> tuple[views.Suggestion, ...]:
    oldest_first = [
        UnknownSpeaker(one.sha256, one.label, "", one.title, one.date, one.show, one.talk_seconds)
        for one in reversed(found.heard)
    ]
    return tuple(
        views.Suggestion(one.name, REASONS.get(one.reason, one.reason), one.quote)
        for one in suggestions(oldest_first, role, library=reading.library)
    )


def review(reading: Reading, *, page: int = 1) -> views.ReviewPage:
    """Matches that are neither sure nor out of the question, oldest episode first."""
    limit, offset = reading.limits(page)
    found, total = reading.library.judging.review(limit=limit or 1000, offset=offset)
    cards = tuple(
        views.ReviewCard(
            key=key_of(one.sha256),
            title=one.title,
            date=one.date,
            label=one.speaker.label,
            suggested=person(one.speaker.profile),
            probability=one.speaker.probability,
            guesses=guesses(one.speaker),
            reasons=one.speaker.reasons,
            talk_seconds=one.speaker.talk_seconds,
            voice=_excerpt(reading, one.voice),
            known=_excerpt(reading, one.known),
        )
        for one in found
        if one.speaker.profile is not None
    )
    return views.ReviewPage(cards, reading.paging(page, total), reading.library.people.names())


def _excerpt(reading: Reading, stretch: Stretch | None) -> views.Excerpt | None:
    """The middle of a stretch, for turns begin and end with others' words."""
    if stretch is None:
        return None
    seconds = min(stretch.end - stretch.start, EXCERPT_SECONDS)
    start = (stretch.start + stretch.end - seconds) / 2
    audio = reading.audio(stretch.sha256, stretch.source)
    return views.Excerpt(key_of(stretch.sha256), stretch.title, stretch.date, start, start + seconds, audio)


def backlog(reading: Reading, *, state: str = "", page: int = 1) -> views.BacklogPage:
    """The jobs in one state, or all: what runs and what failed first."""
    state = state if state in set(State) else ""
    limit, offset = reading.limits(page)
    found, total = reading.library.listings.jobs(state=state, limit=limit or 1000, offset=offset)
    jobs = tuple(
        views.Job(
            id=one.id,
            title=one.title,
            show=one.show,
            date=one.date,
            state=one.state,
            attempts=one.attempts,
            error=one.error,
            started=one.started,
            finished=one.finished,
            key=key_of(one.sha256) if one.sha256 is not None else None,
        )
        for one in found
    )
    counts = {str(name): num for name, num in reading.library.jobs.counts().items()}
    return views.BacklogPage(state, counts, jobs, reading.paging(page, total))
