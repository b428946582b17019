"""The pages about shows: all of them, and one with its hosts, guests and episodes."""

from __future__ import annotations

from dataclasses import dataclass

from ..library.reading.episodes import Named, key_of
from ..library.reading.shows import Regular, ShowSummary
from . import episodes, views
from .reading import Reading, initials


@dataclass(frozen=True, slots=True)
class ShowCard:
    """A show in a list.

    key : what its address calls it
    first, last : days of its oldest and newest episode
    has_picture : what it looks like is at the address "picture"
    """

    key: str
    title: str
    initials: str
    color: int
    num_episodes: int
    talk_seconds: float
    first: str | None
    last: str | None
    has_picture: bool = False


@dataclass(frozen=True, slots=True)
class ShowsPage:
    """Every show, by title."""

    shows: tuple[ShowCard, ...]


@dataclass(frozen=True, slots=True)
class ShowPerson:
    """A person on a show.

    role : "host", "guest", "ad", or "" where there is too little to tell
    share : of all talk in the show, 0 … 1
    chart : one point an episode in which they speak, oldest first
    """

    person: Named
    initials: str
    color: int
    role: str
    num_episodes: int
    talk_seconds: float
    share: float
    chart: tuple[views.Point, ...]


@dataclass(frozen=True, slots=True)
class ShowPage:
    """One show.

    hosts, guests : most talk first; who is neither, as far as can be told, is among the guests
    unnamed_share : of the talk, by voices without a name
    """

    show: ShowCard
    hosts: tuple[ShowPerson, ...]
    guests: tuple[ShowPerson, ...]
    unnamed_share: float
    episodes: tuple[views.EpisodeCard, ...]
    paging: views.Paging


def shows(reading: Reading) -> ShowsPage:
    """Return every show that a stored episode is of."""
    return ShowsPage(tuple(map(card, reading.library.programmes.all())))


def card(summary: ShowSummary) -> ShowCard:
    return ShowCard(
        key=summary.key,
        title=summary.title,
        initials=initials(summary.title),
        color=sum(summary.key.encode()) % views.NUM_COLORS,
        num_episodes=summary.num_episodes,
        talk_seconds=summary.talk_seconds,
        first=summary.first,
        last=summary.last,
        has_picture=summary.has_picture,
    )


def show(reading: Reading, key: str, *, page: int = 1) -> ShowPage:
    """Return one show. Raises NothingThere when no episode is of it."""
    content = reading.library.programmes.show(key)
    limit, offset = reading.limits(page)
    some = content.hashes[offset : None if limit is None else offset + limit]
    people = [_person(one) for one in content.people if one.role != "ad"]
    return ShowPage(
        show=card(content.summary),
        hosts=tuple(one for one in people if one.role == "host"),
        guests=tuple(one for one in people if one.role != "host"),
        unnamed_share=content.unnamed_share,
        episodes=tuple(map(episodes.card, reading.library.listings.of(some))),
        paging=reading.paging(page, len(content.hashes)),
    )


def _person(one: Regular) -> ShowPerson:
    return ShowPerson(
        person=one.person,
        initials=initials(one.person.name),
        color=one.person.id % views.NUM_COLORS,
        role=one.role,
        num_episodes=len(one.episodes),
        talk_seconds=one.talk_seconds,
        share=one.share,
        chart=tuple(
            views.Point(key_of(own.audio_sha256), own.title, own.date, own.talk_seconds, own.share)
            for own in one.episodes
        ),
    )
