"""Which words are said in which lines, for a search that runs in a browser."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterator

from .. import views

WORD = re.compile(r"\w+")


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
