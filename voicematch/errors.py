"""Every error voicematch raises on purpose. Each message says what, where, and what to do.

VoicematchError
├── AudioError            the sound cannot be had from this file or URL
├── ModelError            a model file is missing, damaged or not the one expected
├── FormatError           a transcript or label file cannot be read; names its line
├── EnrollmentError       this clip will not make a usable voiceprint; says why
├── LibraryError          the library refuses
│   ├── ProfileNotFound   no profile of that name
│   ├── ProfileExists     a profile of that name is there already
│   ├── NothingThere      no episode, voice or appearance at that address
│   ├── ChangedSince      cannot be undone, because it has been changed again
│   └── EmbedderMismatch  a vector of one model met a library of another
├── EvaluationError       a reference, hypothesis or trial list cannot be scored
└── OutputExists          would overwrite a file; ``--force`` allows it
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*://)(?:[^/?#\s]*@)?+([^?#\s]*)(\?[^#\s]*)?(#\S*)?", re.IGNORECASE)
_IN_TEXT = re.compile(r"[a-z][a-z0-9+.-]{0,30}://\S+", re.IGNORECASE)  # bounded, since a text may be one long word
_AFTER_ADDRESS = ":;,.)]'\""
_VALUE = re.compile(r"(?<==)[^&;]*")
_RUN = re.compile(r"[A-Za-z0-9]{16,}")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+")
_ALTERNATION = re.compile(r"[A-Za-z](?=[0-9])|[0-9](?=[A-Za-z])")
_BEFORE_KEYS = ("private", "auth", "token", "key", "secret", "access_token", "apikey", "signature")
ALTERNATIONS = 4
SHORT_KEY, LONG_KEY = 8, 20  # characters
_NUMBERED = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9a-f])(?=\d*[a-f])[0-9a-f]{16,}", re.IGNORECASE
)  # or UUID
_OF_FEEDS = ("feed", "feeds", "rss", "atom", "xml")  # in a host, a folder or an ending
_BEFORE_NUMBERS = ("episode", "episodes", "clip", "clips", "public")  # what anybody may know
_NUMBER = re.compile(r"\d{1,8}")  # of an episode, a page, a size; a key is longer or has letters in it


def shown(source: object) -> str:
    """Return a source as anybody may see it: an address without its password, nor what may be a key in it.

    What is no address stays as it is. In the path a key is what looks like one, or follows "private", "token" and the
    like; in the address of a feed also a UUID or 16 and more digits in hexadecimal, which elsewhere, in the name of a
    file and after "episodes" and the like number an episode, and stay.

    >>> shown("https://example.org/feed/k7Qz81LmP0vX4tRw92/rss"), shown("https://example.org/private/5e0f-11aa.rss")
    ('https://example.org/feed/…/rss', 'https://example.org/private/….rss')
    >>> shown("https://example.org/8f14e45fceea167a/rss"), shown("https://example.org/8f14e45fceea167a.mp3")
    ('https://example.org/…/rss', 'https://example.org/8f14e45fceea167a.mp3')
    >>> shown("https://ada:secret@example.org/feed?auth=s3cr3t&episode=12"), shown("a=b/talk.mp3")
    ('https://example.org/feed?auth=…&episode=12', 'a=b/talk.mp3')
    """
    address = _ADDRESS.fullmatch(str(source))
    return str(source) if address is None else _plain(address)


def redacted(text: str) -> str:
    """Return a line of text with every address in it as `shown` has it.

    >>> redacted("https://x.org/?key=abc: no such file")
    'https://x.org/?key=…: no such file'
    """

    def plain(found: re.Match[str]) -> str:
        address = found[0].rstrip(_AFTER_ADDRESS)
        return f"{shown(address)}{found[0][len(address) :]}"

    return _IN_TEXT.sub(plain, text)


def _plain(address: re.Match[str]) -> str:
    scheme, path, query, fragment = address.groups(default="")
    if scheme.lower() in ("http://", "https://"):
        path = _path(path)
    if "=" not in query:
        query = query if _NUMBER.fullmatch(query[1:]) else query[:1] + "…" * (len(query) > 1)
    parts = [
        _VALUE.sub(lambda value: value[0] if _NUMBER.fullmatch(value[0]) else "…", part) for part in (query, fragment)
    ]
    return scheme + path + "".join(parts)


def _path(path: str) -> str:
    """Host and path without what looks like a key."""
    host, *segments = path.split("/")
    kept = [host]
    words = {word for part in (host, *segments) for word in part.lower().split(".")}
    is_of_feed = not words.isdisjoint(_OF_FEEDS)
    for before, segment in zip(["", *segments], segments, strict=False):
        stem, point, ending = segment.partition(".")
        is_token = segment.startswith("eyJ") and len(segment) >= LONG_KEY  # how tokens in JSON begin, in base64
        follows_key = before.lower() in _BEFORE_KEYS and len(stem) >= SHORT_KEY
        is_number = before.lower() in _BEFORE_NUMBERS or ending.lower() not in ("", *_OF_FEEDS)
        may_be_key = is_of_feed and not is_number and _NUMBERED.search(stem)
        if is_token or _looks_random(stem) or follows_key or may_be_key:
            segment = "…" + (point + ending if not is_token and len(ending) <= 4 else "")
        kept.append(segment)
    return "/".join(kept)


def _looks_random(text: str) -> bool:
    """Whether letters and digits alternate in it, at length, as in no word and in no number."""
    return any(
        not _HEXADECIMAL.fullmatch(run) and len(_ALTERNATION.findall(run)) >= ALTERNATIONS for run in _RUN.findall(text)
    )


class VoicematchError(Exception):
    """Root of the tree. ``str(error)`` is one line, fit to show."""


class AudioError(VoicematchError):
    """The sound cannot be had: no such file, no audio stream, nothing decodable, nobody speaks."""

    def __init__(self, source: object, reason: str) -> None:
        super().__init__(f"{shown(source)}: {reason}")


class ModelError(VoicematchError):
    """A model file is missing, damaged or not the one expected."""


class FormatError(VoicematchError):
    """A transcript or label file cannot be read.

    line : 1-based, or None when the whole file is meant
    reason : what is wrong, without where
    """

    def __init__(self, source: object, reason: str, line: int | None = None) -> None:
        where = f"{shown(source)}:{line}" if line is not None else shown(source)
        super().__init__(f"{where}: {reason}")
        self.line = line
        self.reason = reason


class EnrollmentError(VoicematchError):
    """The clip will not make a usable voiceprint."""


class LibraryError(VoicematchError):
    """The library cannot do what was asked."""


class ProfileNotFound(LibraryError):
    """No profile has that name. ``close`` are names that come close to it, likeliest first."""

    def __init__(self, message: str, close: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.close = tuple(close)


class ProfileExists(LibraryError):
    """A profile has that name already."""


class NothingThere(LibraryError):
    """No episode, voice or appearance is there any more."""


class ChangedSince(LibraryError):
    """What is to be undone, or was shown when it was said what to change, has been changed again."""


class EmbedderMismatch(LibraryError):
    """A vector of one embedder was offered to a library of another."""


class EvaluationError(VoicematchError):
    """A reference, hypothesis or trial list cannot be scored."""


class OutputExists(VoicematchError):
    """An output file is already there."""
