"""What errors say to whoever reads pages: the same, without what to type into a terminal."""

from __future__ import annotations

import re

_COMMAND = re.compile(r"(?:^|[\s(`'\"])(?:voicematch [a-z]|--[a-z])|\bbatch (?:status|retry|run)\b|\^C")
_CLAUSE = re.compile(r"(;\s|:\s)")


def plain(message: str) -> str:
    """Return a message without the clauses that hold a command.

    >>> plain("no profile 'Ann'; voicematch profiles list shows them")
    "no profile 'Ann'"
    >>> plain("the library is empty: voicematch enroll NAME FILE")
    'the library is empty'
    >>> plain("/a.wav: no audio stream; is this a video without sound?")
    '/a.wav: no audio stream; is this a video without sound?'
    """
    pieces = _CLAUSE.split(message)
    kept = ""
    for mark, clause in zip(["", *pieces[1::2]], pieces[::2], strict=True):
        if not _COMMAND.search(clause):
            kept += mark + clause if kept else clause
    return kept.strip() or "that is not possible here"
