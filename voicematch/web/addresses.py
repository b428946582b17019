"""Where each page is: paths of the app, or links between the files of a static site. Pure.

Both give one function, ``url("speaker", id=12)``, so that one set of templates serves both.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from urllib.parse import quote, urlencode

Url = Callable[..., str]

PATHS = {
    "speakers": "/speakers",
    "speaker": "/speakers/{id}",
    "speaker_episode": "/speakers/{id}/episodes/{key}",
    "episodes": "/episodes",
    "episode": "/episodes/{key}",
    "shows": "/shows",
    "show": "/shows/{key}",
    "picture": "/shows/{key}/picture.jpg",
    "unknowns": "/unknowns",
    "unknown": "/unknowns/{id}",
    "review": "/review",
    "backlog": "/backlog",
    "search": "/search",
    "static": "/static/{path}",
    "audio": "/audio/{key}",
    "clip": "/clips/{id}.wav",
    "action": "/actions/{name}",
    "openapi": "/openapi.json",
}
# Of a static site. A page is a folder's index.html, so that its address is the folder; ``id``, ``key`` are what people
# can read (site/places.py).
FILES = {
    "speakers": "index.html",
    "speaker": "speakers/{id}/index.html",
    "speaker_episode": "speakers/{id}/{key}/index.html",
    "episodes": "episodes.html",
    "episode": "episodes/{key}/index.html",
    "shows": "shows.html",
    "show": "shows/{key}/index.html",
    "picture": "shows/{key}/picture.jpg",
    "search": "search.html",
    "missing": "404.html",
    "static": "static/{path}",
    "data": "data/{path}",
}


def path(name: str, /, **values: object) -> str:
    """Return the app's address of a page; what its path has no place for becomes the query, ``at`` a time in it.

    >>> path("speaker", id=12, page=2, q="a b"), path("episode", key="ab12", at=63.5)
    ('/speakers/12?page=2&q=a+b', '/episodes/ab12#t=63.5')
    """
    return _filled(PATHS[name], values)


def file(name: str, /, **values: object) -> str:
    """Return the file of a static site that a page is written to.

    >>> file("speaker", id="ada-ash")
    'speakers/ada-ash/index.html'
    """
    return FILES[name].format_map({key: str(value) for key, value in values.items()})


def between(place: str, target: str, at: object = None) -> str:
    """Return the link from one file of a static site to another, ``at`` a time in it.

    >>> between("speakers/ada/index.html", "episodes/moss/index.html", 5)
    '../../episodes/moss/index.html#t=5'
    """
    link = quote(posixpath.relpath(target, posixpath.dirname(place) or "."), safe="/")
    return link if at is None else f"{link}#t={at}"


def _filled(pattern: str, values: dict[str, object]) -> str:
    given = {name: value for name, value in values.items() if value is not None and value != ""}
    at = given.pop("at", None)
    own = {name: quote(str(value), safe="/") for name, value in given.items() if f"{{{name}}}" in pattern}
    rest = {name: str(value) for name, value in given.items() if name not in own}
    address = pattern.format_map(own)
    if rest:
        address += "?" + urlencode(rest)
    return address if at is None else f"{address}#t={at}"
