"""Which show an episode is of, as far as anybody said."""

from __future__ import annotations

import re
from pathlib import PurePath


def show_of(show: str | None, source: str, *, folders: bool = False) -> str:
    """The feed's or folder's name that came with the episode, else the host of an address, else "".

    folders : a file that came without a show is of the one that its folder is called; for who owns the library alone

    >>> show_of("Ada", "/a/1.mp3"), show_of(None, "https://example.org/a/1.mp3"), show_of(None, "/home/ada/1.mp3")
    ('Ada', 'example.org', '')
    """
    host = re.match(r"https?://(?:[^/@]*@)?([^/:]+)", source)
    folder = PurePath(source.replace("\\", "/")).parent.name if folders else ""
    return show or (host[1] if host else folder)
