"""What every page is made from: the library, where sound is to be had, and lists a page at a time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..errors import shown
from ..library import Library
from ..library.reading.episodes import key_of
from ..net.addresses import is_address
from . import views
from .addresses import Url
from .working import QueueRun

PER_PAGE = 20


@dataclass(frozen=True)
class Reading:
    """One look at a library, to make one page.

    live : the pages of the app; False for public ones, which tell nothing that is private or in doubt
    per_page : None puts a whole list on one page
    queue : what works the queue off, where the pages can begin it; undoable : what was done and can be undone
    schemes : how sound that is not of this app is fetched, if the page has any; filled while it is made
    """

    library: Library
    url: Url
    live: bool = True
    per_page: int | None = PER_PAGE
    queue: QueueRun | None = None
    undoable: tuple[views.Undoable, ...] = ()
    schemes: set[str] = field(default_factory=set)

    def audio(self, sha256: str, source: str) -> str | None:
        """Return where an episode's sound is: its own address if it has one, else the app's while the file is there."""
        if is_address(source):
            return self._feed_address(source)
        if self.live and os.path.isfile(source):
            return self.url("audio", key=key_of(sha256))
        return None

    def _feed_address(self, source: str) -> str | None:
        try:
            address = urlsplit(source)
        except ValueError:
            return None
        if not address.hostname or address.username or address.password:  # a password is not for a page
            return None
        if not self.live and shown(source) != source:  # nor what may be a key in it for everybody
            return None
        # Feeds lead to their sound over several hosts, which no policy could name; and any may turn to https.
        self.schemes.update({"https:", f"{address.scheme}:"})
        return source

    def limits(self, page: int) -> tuple[int | None, int]:
        """Return (limit, offset) of a page of a list; a page too far shows nothing."""
        if self.per_page is None:
            return None, 0
        return self.per_page, (max(page, 1) - 1) * self.per_page

    def paging(self, page: int, total: int) -> views.Paging:
        per_page = self.per_page or max(total, 1)
        num_pages = max(-(-total // per_page), 1)
        return views.Paging(number=max(page, 1), num_pages=num_pages, total=total, per_page=per_page)


def share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def cut(text: str, marks: Sequence[tuple[int, int]]) -> tuple[tuple[str, bool], ...]:
    """Cut the text in pieces, each with whether it is marked.

    >>> cut("on learning, again", [(3, 11)])
    (('on ', False), ('learning', True), (', again', False))
    """
    pieces, at = [], 0
    for start, end in marks:
        pieces += [(text[at:start], False), (text[start:end], True)]
        at = end
    pieces.append((text[at:], False))
    return tuple((piece, marked) for piece, marked in pieces if piece)


def initials(name: str) -> str:
    """Return what stands in the place of a picture.

    >>> initials("Ada Ash"), initials("ada"), initials("<b>")
    ('AA', 'A', 'B')
    """
    words = [letters for word in name.split() if (letters := [c for c in word if c.isalnum()])]
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "?"
