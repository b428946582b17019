"""Where each page is: paths of the app, or relative links between the files of a static site. Pure.

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
    "picture": "/speakers/{id}/picture",
    "quote": "/quotes/{key}/{line}",
    "episodes": "/episodes",
    "episode": "/episodes/{key}",
    "unknowns": "/unknowns",
    "unknown": "/unknowns/{id}",
    "review": "/review",
    "backlog": "/backlog",
    "search": "/search",
    "static": "/static/{path}",
    "settings": "/settings",
    "upload": "/uploads",
    "download": "/downloads/{key}.{format}",
    "audio": "/audio/{key}",
    "loudness": "/loudness/{key}.json",
    "clip": "/clips/{id}.wav",
    "action": "/actions/{name}",
    "openapi": "/openapi.json",
}
FILES = {
    "speakers": "index.html",
    "speaker": "speakers/{id}.html",
    "speaker_episode": "speakers/{id}/{key}.html",
    "episodes": "episodes.html",
    "episode": "episodes/{key}.html",
    "search": "search.html",
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

    >>> file("speaker", id=12)
    'speakers/12.html'
    """
    return _filled(FILES[name], values)


def relative(place: str) -> Url:
    """Return ``url`` for a page of a static site that is written to ``place``.

    >>> relative("speakers/12.html")("episode", key="ab12", at=5)
    '../episodes/ab12.html#t=5'
    """
    folder = posixpath.dirname(place) or "."

    def url(name: str, /, **values: object) -> str:
        target, hash_, time = file(name, **values).partition("#")
        return posixpath.relpath(target, folder) + hash_ + time

    return url


def _filled(pattern: str, values: dict[str, object]) -> str:
    given = {name: value for name, value in values.items() if value is not None and value != ""}
    at = given.pop("at", None)
    own = {name: quote(str(value), safe="/") for name, value in given.items() if f"{{{name}}}" in pattern}
    rest = {name: str(value) for name, value in given.items() if name not in own}
    address = pattern.format_map(own)
    if rest:
        address += "?" + urlencode(rest)
    return address if at is None else f"{address}#t={at}"
