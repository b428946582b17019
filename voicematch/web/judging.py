"""The pages for judging by ear, and the backlog: voices without a name, matches to review, jobs."""

from __future__ import annotations

from dataclasses import replace

from ..library import State
from ..library.reading.episodes import key_of
from ..library.reading.voices import Stretch
from ..usecases.describe import Described, describe
from . import views
from .reading import Reading

CARDS_PER_PAGE = 10  # as many as can be taken in at a glance
NUM_HEARD = 5  # episodes shown with an unknown voice
EXCERPT_SECONDS = 12.0
REASONS = {  # describe.Suggestion.reason, as a sentence about the name
    "guest": "is said to be the guest",
    "joined by": "is said to be there",
    "says so": "says so itself",
    "welcomed": "is welcomed",
    "addressed": "is addressed, and answers",
}


def unknowns(reading: Reading, *, ignored: bool = False, page: int = 1) -> views.UnknownsPage:
    """Return the unknowns, those heard in most episodes first; or those that are to be ignored."""
    few = replace(reading, per_page=CARDS_PER_PAGE)
    limit, offset = few.limits(page)
    some, total = reading.library.voices.unknowns(ignored=ignored, limit=limit, offset=offset)
    cards = tuple(_card(reading, describe(one)) for one in some)
    is_new = not total and not reading.library.listings.episodes(limit=1)[1]
    return views.UnknownsPage(ignored, cards, few.paging(page, total), reading.library.people.names(), is_new)


def unknown(reading: Reading, name: str) -> views.UnknownPage:
    """Return one unknown, with names that the text suggests. Raises NothingThere when it is heard nowhere."""
    described = describe(reading.library.voices.unknown(name), library=reading.library)
    suggestions = tuple(replace(one, reason=REASONS.get(one.reason, one.reason)) for one in described.suggestions)
    return views.UnknownPage(_card(reading, described), suggestions, reading.library.people.names())


def _card(reading: Reading, voice: Described) -> views.UnknownCard:
    return views.UnknownCard(
        id=voice.id,
        role=voice.role,
        ignored_as=voice.ignored_as,
        num_episodes=voice.num_episodes,
        talk_seconds=voice.talk_seconds,
        shows=voice.shows,
        heard=tuple(
            views.HeardIn(key_of(one.audio_sha256), one.shown_as, one.date, one.speaker, one.talk_seconds)
            for one in voice.speakers[: -NUM_HEARD - 1 : -1]
        ),
        clip=reading.url("clip", id=voice.id),
        can_split=len(voice.speakers) > 1,
    )


def review(reading: Reading, *, page: int = 1) -> views.ReviewPage:
    """Return matches that are neither sure nor out of the question, oldest episode first."""
    few = replace(reading, per_page=CARDS_PER_PAGE)
    limit, offset = few.limits(page)
    some, total = reading.library.voices.review(limit=limit or 1000, offset=offset)
    cards = tuple(
        views.ReviewCard(
            key=key_of(one.audio_sha256),
            title=one.shown_as,
            date=one.date,
            label=one.speaker.label,
            suggested=one.speaker.profile,
            probability=one.speaker.probability,
            guesses=one.speaker.guesses,
            reasons=one.speaker.reasons,
            talk_seconds=one.speaker.talk_seconds,
            voice=excerpt(reading, one.voice),
            known=excerpt(reading, one.known),
        )
        for one in some
        if one.speaker.profile is not None
    )
    return views.ReviewPage(cards, few.paging(page, total), reading.library.people.names())


def excerpt(reading: Reading, stretch: Stretch | None) -> views.EpisodeExcerpt | None:
    """Return the middle of a stretch, for turns begin and end with others' words."""
    if stretch is None:
        return None
    seconds = min(stretch.end - stretch.start, EXCERPT_SECONDS)
    start = (stretch.start + stretch.end - seconds) / 2
    audio = reading.audio(stretch.audio_sha256, stretch.source)
    return views.EpisodeExcerpt(
        key_of(stretch.audio_sha256), stretch.shown_as, stretch.date, start, start + seconds, audio
    )


def backlog(reading: Reading, *, state: str = "", page: int = 1) -> views.BacklogPage:
    """Return the jobs in one state, or all: what runs and what failed first."""
    state = state if state in set(State) else ""
    limit, offset = reading.limits(page)
    some, total = reading.library.jobs.listed(state=state, limit=limit or 1000, offset=offset)
    jobs = tuple(
        views.JobCard(
            id=one.id,
            title=one.title,
            show=one.show,
            date=one.date,
            state=one.state,
            attempts=one.attempts,
            error=one.error,
            started=one.started,
            finished=one.finished,
            key=key_of(one.audio_sha256) if one.state is State.DONE and one.audio_sha256 is not None else None,
        )
        for one in some
    )
    counts = {str(name): num for name, num in reading.library.jobs.counts().items()}
    return views.BacklogPage(state, counts, jobs, reading.paging(page, total))
