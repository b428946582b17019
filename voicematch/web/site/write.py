"""Every page, picture, feed and index of a site, in an order that needs a library only once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...formats.amounts import plural, talk
from ...library import Library
from ...library.reading.episodes import EpisodeSummary
from ...types import Progress
from .. import addresses, episodes, people, rendering, shows, views
from ..reading import Reading
from . import cards, feeds
from .folder import Folder, Written
from .heads import Head, Heads, card_of
from .places import About, Places
from .words import Words

EPISODES_AT_ONCE = 200


def write_site(
    library: Library, out: Path, *, about: About | None = None, force: bool = False, progress: Progress | None = None
) -> Written:
    """Write the site, or what has changed of it.

    about : its title, description and address
    force : write into a folder that holds files which are not an earlier site

    Raises OutputExists, VoicematchError.
    """
    folder = Folder(out, force=force)
    site = _Site(library, folder, about or About())
    total = len(site.people.speakers) + len(site.episodes)
    site.write_episodes(progress, total)
    site.write_speakers(progress, total)
    site.write_shows()
    site.write_lists()
    if progress is not None:
        progress("done", total, total)
    return folder.finish(site.places.called)


class _Site:
    """One site while it is written."""

    def __init__(self, library: Library, folder: Folder, about: About) -> None:
        self._library, self._folder, self._about = library, folder, about
        everybody = people.speakers(self._reading())
        heard = tuple(card for card in everybody.speakers if card.num_episodes)  # a name that nobody carries is none
        self.people = replace(
            everybody, speakers=heard, paging=replace(everybody.paging, total=len(heard), per_page=max(len(heard), 1))
        )
        self.episodes = tuple(_all_episodes(library))
        keys = [(episodes.card(one).key, one.shown_as) for one in self.episodes]
        self.places = Places([(card.id, card.name) for card in self.people.speakers], keys, folder.addresses)
        self._heads = Heads(about, self.places)
        self._num_confirmed = library.listings.num_confirmed()
        self._words = Words()
        self._index: list[dict[str, Any]] = []
        self._pages: list[str] = []  # places of what a search engine may list

    def write_episodes(self, progress: Progress | None, total: int) -> None:
        for done, summary in enumerate(self.episodes):
            if progress is not None:
                progress("episodes", done, total)
            card = episodes.card(summary)
            page = episodes.episode(self._reading(), card.key)
            place = self.places.file("episode", key=card.key)
            self._page("episode", place, page, self._heads.episode(place, page))
            names = ", ".join(dict.fromkeys(one.person.name for one in page.speakers if one.person is not None))
            self._card(place, card.title, " · ".join(part for part in (card.show, names) if part))
            rows = [[line.start, line.end, line.speaker, line.text] for line in page.lines]
            self._json(f"lines/{card.key}.json", rows)
            self._words.add(len(self._index), page.lines)
            self._index.append(_episode_entry(card, place, page.audio))

    def write_speakers(self, progress: Progress | None, total: int) -> None:
        by_person: dict[int, list[EpisodeSummary]] = {}
        for one in self.episodes:
            for person in one.people:
                by_person.setdefault(person.id, []).append(one)
        for done, card in enumerate(self.people.speakers, len(self.episodes)):
            if progress is not None:
                progress("speakers", done, total)
            page = people.speaker(self._reading(), card.id)
            place = self.places.file("speaker", id=card.id)
            head = self._heads.speaker(place, page)
            head = self._feed(place, head, f"{card.name} in podcasts", by_person.get(card.id, []))
            self._page("speaker", place, page, head)
            heard = f"{plural(card.num_episodes, 'episode')} · {talk(card.talk_seconds)} of talk"
            self._card(place, card.name, heard, initials=card.initials, color=card.color)
            for appearance in people.speaker_episodes(self._reading(), card.id):
                key, title = appearance.appearance.key, f"{card.name} in {appearance.appearance.title}"
                own = self.places.file("speaker_episode", id=card.id, key=key)
                more = {"picture": self._about.address(card_of(place))} if self._about.base_url else {}
                told = f"Every line of {title}."
                self._page("speaker_episode", own, appearance, self._heads.plain(own, title, told, **more))

    def write_shows(self) -> None:
        page = shows.shows(self._reading())
        self._page("shows", self.places.file("shows"), page, self._heads.plain("shows.html", "Shows"))
        by_key = {episodes.card(one).key: one for one in self.episodes}
        for card in page.shows:
            show = shows.show(self._reading(), card.key)
            place = self.places.file("show", key=card.key)
            own = [by_key[one.key] for one in show.episodes]
            if card.has_picture:
                self._folder.put(self.places.file("picture", key=card.key), self._library.programmes.picture(card.key))
            self._page("show", place, show, self._feed(place, self._heads.show(place, show), card.title, own))
            hosts = ", ".join(one.person.name for one in show.hosts)
            under = " · ".join(part for part in (plural(card.num_episodes, "episode"), hosts) if part)
            self._card(place, card.title, under, initials=card.initials, color=card.color)

    def write_lists(self) -> None:
        """What needs to know of everything else, the first page last."""
        for shard, places_by_word in self._words.shards():
            self._json(f"words/{shard}.json", places_by_word)
        self._json(
            "index.json", {"speakers": [self._entry(one) for one in self.people.speakers], "episodes": self._index}
        )
        heads, cards_ = self._heads, tuple(map(episodes.card, self.episodes))
        everything = views.Paging(1, 1, len(cards_), max(len(cards_), 1))
        listed = views.EpisodesPage("", cards_, everything)
        self._page("episodes", "episodes.html", listed, heads.plain("episodes.html", "Episodes"))
        empty = views.SearchPage("", "", "", (), views.Paging(1, 1, 0, 1))
        self._page("search", "search.html", empty, heads.plain("search.html", "Search"))
        for path in sorted(rendering.STATIC.rglob("*")):
            if path.is_file():
                place = addresses.file("static", path=path.relative_to(rendering.STATIC).as_posix())
                self._folder.put(place, path.read_bytes())
        self._missing()
        for before, now in self.places.moved(self._folder.before or ()):
            if not self._folder.has(before) and self._folder.has(now):
                link = addresses.between(before, now)
                address = self._about.address(now) if self._about.base_url else link
                text = rendering.environment().get_template("moved.html").render(to=link, canonical=address)
                self._folder.put(before, text.encode())
        about = self._about
        self._card("index.html", about.title, about.description)
        head = self._feed("index.html", heads.site("index.html"), about.title, self.episodes)
        self._page("speakers", "index.html", self.people, head)
        if about.base_url:
            listed_pages = [about.address(place) for place in sorted(self._pages)]
            self._folder.put("sitemap.xml", feeds.sitemap(listed_pages))

    def _missing(self) -> None:
        """The page of an address that is none; a server shows it under any, so its links begin at the host's top."""
        path = urlsplit(self._about.base_url).path
        url = self.places.absolute(f"{path.rstrip('/')}/") if self._about.base_url else self.places.url("404.html")
        head = Head("There is no such page", "There is no such page")
        self._folder.page("404.html", self._html("missing", None, url, head))

    def _page(self, name: str, place: str, view: object, head: Head) -> None:
        self._folder.page(place, self._html(name, view, self.places.url(place), head))
        self._pages.append(place)

    def _html(self, name: str, view: object, url: addresses.Url, head: Head) -> str:
        return rendering.html(
            name,
            view,
            url=url,
            live=False,
            route=name,
            undo=None,
            badges={},
            query={},
            head=head,
            site_title=self._about.title,
            lede=self._about.description,
            num_confirmed=self._num_confirmed,
        )

    def _json(self, place: str, value: object) -> None:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        self._folder.put(addresses.file("data", path=place), text.encode())

    def _card(self, place: str, title: str, under: str, *, initials: str = "", color: int | None = None) -> None:
        if self._about.base_url:
            card = cards.Card(title, under, self._about.title, initials, color)
            self._folder.put(card_of(place), cards.draw(card))

    def _feed(self, place: str, head: Head, title: str, some: Sequence[EpisodeSummary]) -> Head:
        """Write the feed of a page; return its head with a link to that."""
        if not self._about.base_url:
            return head
        own = place.removesuffix("index.html") + "feed.xml"
        linked = [
            (one, self._about.address(self.places.file("episode", key=episodes.card(one).key)))
            for one in some[: feeds.MOST_ENTRIES]
        ]
        page, address = self._about.address(place), self._about.address(own)
        self._folder.put(own, feeds.atom(title, self._about.title, page, address, linked))
        return replace(head, feeds=((title, addresses.between(place, own)),))

    def _entry(self, card: views.SpeakerCard) -> dict[str, object]:
        return {
            "id": card.id,
            "name": card.name,
            "role": card.role,
            "num_episodes": card.num_episodes,
            "talk_seconds": round(card.talk_seconds, 1),
            "url": self.places.file("speaker", id=card.id),
        }

    def _reading(self) -> Reading:
        return Reading(self._library, _no_url, live=False, per_page=None)


def _no_url(name: str, /, **values: object) -> str:
    raise NotImplementedError(f"a public page has no sound of its own: {name} {values}")


def _all_episodes(library: Library) -> Iterator[EpisodeSummary]:
    """Some at a time, for a database takes a bounded number of values in one question."""
    at = 0
    while some := library.listings.episodes(limit=EPISODES_AT_ONCE, offset=at)[0]:
        yield from some
        at += len(some)


def _episode_entry(card: views.EpisodeCard, place: str, audio: str | None) -> dict[str, Any]:
    return {
        "key": card.key,
        "title": card.title,
        "show": card.show,
        "date": card.date,
        "duration": round(card.duration, 1),
        "people": [one.id for one in card.people],
        "url": place,
        "audio": audio,
    }
