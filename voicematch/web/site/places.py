"""What a site is called, and where each of its pages is: addresses that people can read, and that stay.

Two people of one name, or two episodes of one title, are told apart by a number that the second keeps, whatever becomes
of the first; so what each is called is remembered beside the site. Who is renamed is found at the earlier address too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from ...errors import VoicematchError
from ...formats.addresses import slug
from .. import addresses

_CALLED = re.compile(r"[\w-]+")
MOST_EARLIER = 10  # addresses that one person is found at
INDEX = "index.html"


@dataclass(frozen=True, slots=True)
class About:
    """What a person says of their site.

    base_url : where it will be, "https://example.org/voices/"; "" where that is not known, and then it has nothing
        that needs to know: canonical addresses, cards, feeds, a sitemap

    Raises VoicematchError.
    """

    title: str = "Voicematch"
    description: str = ""
    base_url: str = ""

    def __post_init__(self) -> None:
        if not self.title.strip():
            raise VoicematchError("the title of a site cannot be empty")
        if not self.base_url:
            return
        try:
            address = urlsplit(self.base_url)
            is_whole = address.scheme in ("http", "https") and address.hostname and not address.username
        except ValueError:
            is_whole = False
        if not is_whole or address.query or address.fragment or not self.base_url.isprintable():
            raise VoicematchError(f"{self.base_url}: not where a site can be; give https://HOST/ or https://HOST/PATH/")

    def address(self, place: str) -> str:
        """Return the address of a file of the site; of an index.html, that of its folder. Needs ``base_url``."""
        folder = place.removesuffix(INDEX) if place == INDEX or place.endswith(f"/{INDEX}") else place
        return f"{self.base_url.rstrip('/')}/{quote(folder, safe='/')}"


class Places:
    """Where each page is. ids of speakers are numbers, keys of episodes the digits that the app has for them."""

    def __init__(
        self, speakers: Iterable[tuple[int, str]], episodes: Iterable[tuple[str, str]], earlier: Mapping[str, Any]
    ) -> None:
        self.called = {
            "speakers": _called(((str(number), name) for number, name in speakers), earlier.get("speakers")),
            "episodes": _called(episodes, earlier.get("episodes")),
        }

    def file(self, name: str, /, **values: object) -> str:
        """Return the file of a page, by what the app calls it."""
        if name.startswith("speaker") and "id" in values:
            values["id"] = self.called["speakers"][str(values["id"])][0]
        if name in ("episode", "speaker_episode"):
            values["key"] = self.called["episodes"][str(values["key"])][0]
        return addresses.file(name, **values)

    def url(self, place: str) -> addresses.Url:
        """Return ``url`` for the page that is written to ``place``."""

        def url(name: str, /, **values: object) -> str:
            at = values.pop("at", None)
            return addresses.between(place, self.file(name, **values), at)

        return url

    def absolute(self, prefix: str) -> addresses.Url:
        """Return ``url`` for a page that is shown at any address: with paths from the top of the host."""

        def url(name: str, /, **values: object) -> str:
            return prefix + quote(self.file(name, **values), safe="/")

        return url

    def moved(self, before: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield (place where a page was, place where it is): by number in an earlier version, by name since."""
        for place in before:
            found = re.fullmatch(r"(speakers|episodes)/([0-9a-f]+)\.html", place)
            if found and found[2] in self.called[found[1]]:
                yield place, f"{found[1]}/{self.called[found[1]][found[2]][0]}/{INDEX}"
            found = re.fullmatch(r"speakers/([0-9]+)/([0-9a-f]+)\.html", place)
            if found and found[1] in self.called["speakers"] and found[2] in self.called["episodes"]:
                yield place, self.file("speaker_episode", id=found[1], key=found[2])
        for kind, names in self.called.items():
            for now, *once in names.values():
                for name in once:
                    yield f"{kind}/{name}/{INDEX}", f"{kind}/{now}/{INDEX}"


def _called(named: Iterable[tuple[str, str]], earlier: object) -> dict[str, list[str]]:
    """By id what each is called in addresses today, then what it was called before."""
    names = dict(named)
    found = {
        one: _trusted(called)
        for one, called in (earlier.items() if isinstance(earlier, dict) else ())
        if one in names and isinstance(called, list)
    }
    taken = {name for called in found.values() for name in called}
    kept: dict[str, list[str]] = {}
    for one, name in names.items():
        plain, before = slug(name), found.get(one, [])
        now = before[0] if before and re.fullmatch(rf"{re.escape(plain)}(-[0-9]+)?", before[0]) else ""
        number = 1
        while not now:
            free = plain if number == 1 else f"{plain}-{number}"
            now, number = "" if free in taken and free not in before else free, number + 1
        taken.add(now)
        kept[one] = [now, *(other for other in before if other != now)][: MOST_EARLIER + 1]
    return kept


def _trusted(called: list[Any]) -> list[str]:
    return [name for name in called if isinstance(name, str) and _CALLED.fullmatch(name)]
