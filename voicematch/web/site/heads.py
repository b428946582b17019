"""What the head of a page tells those who do not read it: search engines, and whoever shows a link to it.

The data are schema.org's, as JSON-LD; OpenGraph's tags are what chats and feeds make a preview from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...formats.addresses import slug
from ...formats.amounts import date_of, plural, talk
from .. import views
from ..shows import ShowPage
from .places import About, Places

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Head:
    """The head of one page.

    kind : OpenGraph's type of it
    canonical, picture : addresses, "" where it is not known where the site will be
    feeds : (title, link) of what can be subscribed to on it
    data : schema.org's graph
    """

    title: str
    description: str
    kind: str = "website"
    canonical: str = ""
    picture: str = ""
    feeds: tuple[tuple[str, str], ...] = ()
    data: tuple[Data, ...] = ()


@dataclass(frozen=True, slots=True)
class Heads:
    """Makes the heads of a site's pages."""

    about: About
    places: Places

    def plain(self, place: str, title: str, description: str = "", **more: Any) -> Head:
        """Return the head of a page that is about nothing in particular."""
        if self.about.base_url:
            more.setdefault("canonical", self.about.address(place))
            more.setdefault("picture", self.about.address("card.png"))
        return Head(title, description or title, **more)

    def site(self, place: str) -> Head:
        about = self.about
        data = _with({"@type": "WebSite", "name": about.title, "description": about.description}, url=self._url(place))
        return self.plain(place, about.title, about.description, data=(data,))

    def speaker(self, place: str, page: views.SpeakerPage) -> Head:
        card = page.person
        told = told_of_speaker(card)
        shows = [self._series(one.show) for one in page.roles if one.show]
        data = _with(
            {"@type": "Person", "name": card.name, "description": told, "performerIn": shows},
            url=self._url(place),
            image=self._card(place),
        )
        return self.plain(place, card.name, told, kind="profile", data=(data,), **self._shown(place))

    def episode(self, place: str, page: views.EpisodePage) -> Head:
        people = [one.person for one in page.speakers if one.person is not None]
        names = ", ".join(dict.fromkeys(one.name for one in people))
        told = f"{names} in {page.title}" if names else page.title
        told += ": who speaks when, and what they say."
        data = _with(
            {"@type": "PodcastEpisode", "name": page.title, "duration": duration(page.duration)},
            url=self._url(place),
            image=self._card(place),
            datePublished=day.isoformat() if (day := date_of(page.date)) else "",
            partOfSeries=self._series(page.show) if page.show else {},
            actor=[
                _with({"@type": "Person", "name": one.name}, url=self._url(self.places.file("speaker", id=one.id)))
                for one in dict.fromkeys(people)
            ],
            associatedMedia={"@type": "AudioObject", "contentUrl": page.audio} if page.audio else {},
        )
        return self.plain(place, page.title, told, kind="article", data=(data,), **self._shown(place))

    def show(self, place: str, page: ShowPage) -> Head:
        hosts = ", ".join(one.person.name for one in page.hosts)
        told = f"{plural(page.show.num_episodes, 'episode')} of {page.show.title}"
        told += f" with {hosts}: who talks how much, and what they say." if hosts else ": who talks how much."
        data = self._series(page.show.title) | _with(
            {"description": told},
            image=self._card(place),
            actor=[{"@type": "Person", "name": one.person.name} for one in page.hosts],
        )
        return self.plain(place, page.show.title, told, data=(data,), **self._shown(place))

    def _series(self, title: str) -> Data:
        return _with(
            {"@type": "PodcastSeries", "name": title}, url=self._url(self.places.file("show", key=slug(title)))
        )

    def _url(self, place: str) -> str:
        return self.about.address(place) if self.about.base_url else ""

    def _card(self, place: str) -> str:
        return self._url(card_of(place))

    def _shown(self, place: str) -> dict[str, Any]:
        return {"picture": self._card(place)} if self.about.base_url else {}


def card_of(place: str) -> str:
    """Return where the card of a page is."""
    return place.removesuffix("index.html") + "card.png"


def told_of_speaker(card: views.SpeakerCard) -> str:
    """Say what there is of a person, in one sentence."""
    return f"{card.name}: {plural(card.num_episodes, 'episode')}, {talk(card.talk_seconds)} of talk, and every line."


def duration(seconds: float) -> str:
    """Return how long, as ISO 8601 has it.

    >>> duration(3723.4), duration(59.6), duration(0)
    ('PT1H2M3S', 'PT1M', 'PT0S')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if number]
    return "PT" + ("".join(parts) or "0S")


def _with(data: Data, **more: Any) -> Data:
    """The data with what is not empty of the rest."""
    return {name: value for name, value in (data | more).items() if value not in ("", {}, [])}
