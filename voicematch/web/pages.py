"""Which pages there are, and what may be asked of each: one table for the app, its JSON and its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from . import episodes, judging, people, shows, views
from .reading import Reading

LARGEST = 2**53 - 1  # of a number in an address: what JSON's readers agree on, and a database takes


@dataclass(frozen=True, slots=True)
class Parameter:
    """kind : "integer", "string" or "boolean"; part of the path when ``in_path``, else of the query"""

    name: str
    kind: str
    about: str
    in_path: bool = False


class Asked:
    """What an address asks for; what makes no sense there counts as not given."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        return self._values.get(name, "").replace("\x00", "").strip()

    def number(self, name: str, otherwise: int) -> int:
        text = self._values.get(name, "")
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 17 else otherwise
        return number if 1 <= number <= LARGEST else otherwise

    def flag(self, name: str) -> bool:
        return self._values.get(name, "") not in ("", "0", "false")

    @property
    def page(self) -> int:
        return min(self.number("page", 1), 10**9)


@dataclass(frozen=True, slots=True)
class Page:
    """view : the class that ``make`` answers with, and that the template of the page's name lays out"""

    summary: str
    view: type
    make: Callable[[Reading, Asked], object]
    parameters: tuple[Parameter, ...] = ()


_PAGE = Parameter("page", "integer", "which page of the list, from 1")
_PERSON = Parameter("id", "integer", "the person's number", in_path=True)
_KEY = Parameter("key", "string", "the episode's key: the first digits of its audio's sha256", in_path=True)

PAGES = {
    "speakers": Page(
        "Everybody with a profile.",
        views.SpeakersPage,
        lambda reading, asked: people.speakers(
            reading, query=asked.text("q"), sort=asked.text("sort"), page=asked.page
        ),
        (
            Parameter("q", "string", "only those whose names hold these words"),
            Parameter("sort", "string", "name, talk or recent"),
            _PAGE,
        ),
    ),
    "speaker": Page(
        "One person: voice profile, appearances, what was said.",
        views.SpeakerPage,
        lambda reading, asked: people.speaker(reading, asked.number("id", 0), query=asked.text("q"), page=asked.page),
        (_PERSON, Parameter("q", "string", "words to find in what the person said"), _PAGE),
    ),
    "speaker_episode": Page(
        "Every line that a person says in one episode.",
        views.SpeakerEpisodePage,
        lambda reading, asked: people.speaker_episode(reading, asked.number("id", 0), asked.text("key")),
        (_PERSON, _KEY),
    ),
    "episodes": Page(
        "The stored episodes, newest first.",
        views.EpisodesPage,
        lambda reading, asked: episodes.episodes(reading, query=asked.text("q"), page=asked.page),
        (Parameter("q", "string", "only those whose titles hold these words"), _PAGE),
    ),
    "episode": Page(
        "One episode: who speaks when, and what.",
        views.EpisodePage,
        lambda reading, asked: episodes.episode(reading, asked.text("key")),
        (_KEY,),
    ),
    "shows": Page(
        "Every show that a stored episode is of.", shows.ShowsPage, lambda reading, asked: shows.shows(reading)
    ),
    "show": Page(
        "One show: its hosts, guests and episodes, and who talks how much.",
        shows.ShowPage,
        lambda reading, asked: shows.show(reading, asked.text("key"), page=asked.page),
        (Parameter("key", "string", "the show's title in lower case, its words joined by -", in_path=True), _PAGE),
    ),
    "unknowns": Page(
        "Voices without a name.",
        views.UnknownsPage,
        lambda reading, asked: judging.unknowns(reading, ignored=asked.flag("ignored"), page=asked.page),
        (Parameter("ignored", "boolean", "those to be ignored, in place of the others"), _PAGE),
    ),
    "unknown": Page(
        "One voice without a name, with names that the text suggests.",
        views.UnknownPage,
        lambda reading, asked: judging.unknown(reading, asked.text("id")),
        (Parameter("id", "string", "the voice's number, U-0001", in_path=True),),
    ),
    "review": Page(
        "Matches that are neither sure nor out of the question, oldest episode first.",
        views.ReviewPage,
        lambda reading, asked: judging.review(reading, page=asked.page),
        (_PAGE,),
    ),
    "backlog": Page(
        "The jobs.",
        views.BacklogPage,
        lambda reading, asked: judging.backlog(reading, state=asked.text("state"), page=asked.page),
        (Parameter("state", "string", "queued, running, done or failed; otherwise all"), _PAGE),
    ),
    "search": Page(
        "What was said, and by whom.",
        views.SearchPage,
        lambda reading, asked: episodes.search(
            reading,
            query=asked.text("q"),
            speaker=asked.text("speaker"),
            since=asked.text("since"),
            page=asked.page,
        ),
        (
            Parameter("q", "string", "all of these words; those in quotes stand together"),
            Parameter("speaker", "string", "only what this person said"),
            Parameter("since", "string", "only episodes from this day on, 2026-01-31"),
            _PAGE,
        ),
    ),
}
