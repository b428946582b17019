"""The public part of a library as files for any web server: people, episodes, words.

Nothing in doubt and nothing private is in it: no vector, no path, no note, no name that nobody is sure of. Each file is
written whole or not at all, and only when it differs; those of an earlier time that have no place any more go.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .. import given
from ..errors import OutputExists, VoicematchError
from ..library import Library
from ..outputs import write_atomically
from ..types import Progress
from . import addresses, episodes, people, rendering, views
from .reading import Reading

LIST = ".voicematch-site.json"  # in the folder: the files that are ours, each with the sha256 of what was written
WORD = re.compile(r"\w+")
EPISODES_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Written:
    num_pages: int
    num_changed: int
    num_removed: int


def write_site(library: Library, out: Path, *, force: bool = False, progress: Progress | None = None) -> Written:
    """Write the site, or what has changed of it.

    force : write into a folder that holds files which are not an earlier site

    Raises OutputExists, VoicematchError.
    """
    folder = Folder(out, force=force)
    words = Words()
    people_cards = people.speakers(_reading(library, "")).speakers
    episode_cards = tuple(_all_episodes(library))
    total = len(people_cards) + len(episode_cards)
    index: list[dict[str, object]] = []
    for done, card in enumerate(episode_cards):
        _tell(progress, "episodes", done, total)
        page = episodes.episode(_reading(library, ""), card.key)
        folder.page("episode", page, key=card.key)
        folder.json(f"lines/{card.key}.json", [[line.start, line.end, line.speaker, line.text] for line in page.lines])
        words.add(len(index), page.lines)
        index.append(_episode_entry(card, page.audio))
    for done, one in enumerate(people_cards, len(episode_cards)):
        _tell(progress, "speakers", done, total)
        folder.page("speaker", people.speaker(_reading(library, ""), one.id), id=one.id)
        for appearance in people.speaker_episodes(_reading(library, ""), one.id):
            folder.page("speaker_episode", appearance, id=one.id, key=appearance.appearance.key)
    for shard, places in words.shards():
        folder.json(f"words/{shard}.json", places)
    folder.json("index.json", {"speakers": [_speaker_entry(one) for one in people_cards], "episodes": index})
    everything = views.Paging(1, 1, len(episode_cards), max(len(episode_cards), 1))
    folder.page("episodes", views.EpisodesPage("", episode_cards, everything))
    folder.page("search", views.SearchPage("", "", "", (), views.Paging(1, 1, 0, 1)))
    folder.static()
    folder.page("speakers", people.speakers(_reading(library, "")))
    _tell(progress, "done", total, total)
    return folder.finish()


def _reading(library: Library, place: str) -> Reading:
    return Reading(library, addresses.relative(place), live=False, per_page=None)


def _all_episodes(library: Library) -> Iterator[views.EpisodeCard]:
    """Some at a time, for a database takes a bounded number of values in one question."""
    at = 0
    while some := library.listings.episodes(limit=EPISODES_AT_ONCE, offset=at)[0]:
        yield from map(episodes.card, some)
        at += len(some)


def _tell(progress: Progress | None, step: str, done: int, total: int) -> None:
    if progress is not None:
        progress(step, done, total)


def _speaker_entry(card: views.SpeakerCard) -> dict[str, object]:
    return {
        "id": card.id,
        "name": card.name,
        "role": card.role,
        "num_episodes": card.num_episodes,
        "talk_seconds": round(card.talk_seconds, 1),
        "url": addresses.file("speaker", id=card.id),
    }


def _episode_entry(card: views.EpisodeCard, audio: str | None) -> dict[str, object]:
    return {
        "key": card.key,
        "title": card.title,
        "show": card.show,
        "date": card.date,
        "duration": round(card.duration, 1),
        "people": [one.id for one in card.people],
        "url": addresses.file("episode", key=card.key),
        "audio": audio,
    }


class Words:
    """Which words are said in which lines, for a search that runs in a browser."""

    def __init__(self) -> None:
        self._places: dict[str, array[int]] = {}  # episode, line, episode, line …

    def add(self, episode: int, lines: tuple[views.TranscriptLine, ...]) -> None:
        for number, line in enumerate(lines):
            for word in set(WORD.findall(fold(line.text))):
                self._places.setdefault(word, array("I")).extend((episode, number))

    def shards(self) -> Iterator[tuple[str, dict[str, dict[str, list[int]]]]]:
        """Yield (name, {word: {episode: lines}}) of words that begin alike, so that a search loads only a few."""
        by_shard: dict[str, list[str]] = {}
        for word in sorted(self._places):
            by_shard.setdefault(shard_of(word), []).append(word)
        for shard, words in by_shard.items():
            places_by_word: dict[str, dict[str, list[int]]] = {}
            for word in words:
                places = self._places[word]
                for episode, line in zip(places[::2], places[1::2], strict=True):
                    places_by_word.setdefault(word, {}).setdefault(str(episode), []).append(line)
            yield shard, places_by_word


def fold(text: str) -> str:
    """Return what is compared: no upper case, no accents.

    >>> fold("Naïvely, ÉCOLE")
    'naively, ecole'
    """
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.category(c).startswith("M")).lower()


def shard_of(word: str) -> str:
    """
    >>> shard_of("learning"), shard_of("a"), shard_of("λόγος")
    ('le', 'a', 'u3bb')
    """
    start = word[:2]
    return start if start.isascii() and start.isalnum() else f"u{ord(word[0]):x}"


class Folder:
    """Where the site is written."""

    def __init__(self, out: Path, *, force: bool) -> None:
        self._out = out
        self._written: dict[str, str] = {}
        self._num_pages = self._num_changed = 0
        try:
            out.mkdir(parents=True, exist_ok=True)
            holds_files = any(out.iterdir())
            self._before = _listed(out / LIST)
        except OSError as error:
            raise VoicematchError(f"{out}: {error.strerror or error}") from error
        if holds_files and self._before is None and not force:
            raise OutputExists(f"{out}: holds files that are not an earlier site; name an empty folder, or --force")

    def page(self, name: str, view: object, **values: object) -> None:
        place = addresses.file(name, **values)
        context = {"live": False, "route": name, "undo": None, "badges": {}, "query": {}}
        text = rendering.html(name, view, url=addresses.relative(place), **context)
        self._put(place, text.encode())
        self._num_pages += 1

    def json(self, place: str, value: object) -> None:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        self._put(addresses.file("data", path=place), text.encode())

    def static(self) -> None:
        for path in sorted(rendering.STATIC.rglob("*")):
            if path.is_file():
                place = path.relative_to(rendering.STATIC).as_posix()
                self._put(addresses.file("static", path=place), path.read_bytes())

    def finish(self) -> Written:
        """Remove what has no place any more, of what an earlier time wrote and nobody changed."""
        num_removed = 0
        for place, digest in (self._before or {}).items():
            path = self._out / place
            if place not in self._written and path.is_file() and _digest(path.read_bytes()) == digest:
                path.unlink()
                num_removed += 1
                with suppress(OSError):  # other files are in it
                    path.parent.rmdir()
        listed = json.dumps(self._written, ensure_ascii=False, indent=0, sort_keys=True)
        write_atomically(self._out / LIST, listed)
        return Written(self._num_pages, self._num_changed, num_removed)

    def _put(self, place: str, content: bytes) -> None:
        path = self._out / place
        self._written[place] = _digest(content)
        try:
            if path.is_file() and path.read_bytes() == content:
                return
        except OSError as error:
            raise VoicematchError(f"{path}: {error.strerror or error}") from error
        write_atomically(path, content, durable=False)
        self._num_changed += 1


def _listed(path: Path) -> dict[str, str] | None:
    """The files of an earlier time; None when there was none. No name leads out of the folder."""
    if not path.is_file():
        return None
    try:
        listed = json.loads(given.text(path))
    except ValueError:
        return {}
    files = listed.items() if isinstance(listed, dict) else ()
    return {
        place: digest
        for place, digest in files
        if isinstance(digest, str) and not PurePosixPath(place).is_absolute() and ".." not in PurePosixPath(place).parts
    }


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
