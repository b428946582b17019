"""The names that people type, and the one profile or episode that each of them means."""

from __future__ import annotations

import difflib
import json
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

import sqlalchemy as sa

from ..audio.together import is_recording, is_sound
from ..errors import LibraryError, ProfileNotFound, shown
from ..net.addresses import is_address
from ..types import Part
from .schema import episodes, known_as, profiles

LONGEST_NAME = 200  # characters
RESERVED = re.compile(r"(speaker_\d+|u-\d+)$", re.IGNORECASE)  # what voicematch itself calls unnamed voices
SHORTEST_PREFIX = 6  # of a sha256; six digits tell apart some thousand episodes


def clean(name: str) -> str:
    """Return a name as it is kept: composed (NFC), single spaces.

    >>> clean("  Zoe\u0308   Baker ")
    'Zoë Baker'
    """
    cleaned = unicodedata.normalize("NFC", " ".join(name.split()))
    if not cleaned:
        raise LibraryError("a profile needs a name")
    if len(cleaned) > LONGEST_NAME:
        raise LibraryError(f"{cleaned[:40]}…: a name has at most {LONGEST_NAME} characters")
    if any(_is_control(character) for character in cleaned):
        raise LibraryError(f"{cleaned!a}: a name cannot hold control characters, nor ones that change how it reads")
    if RESERVED.match(cleaned):
        raise LibraryError(f"{cleaned}: unnamed voices are called that; give the person's name")
    return cleaned


def _is_control(character: str) -> bool:
    """Whether it does something to the text about it: line ends, changes of direction, what cannot be seen.

    The joiners that some scripts spell names with may stay.
    """
    return unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp") and character not in "\u200c\u200d"


def harmless(text: str) -> str:
    """Return a text with spaces for what does something to the text about it."""
    return "".join(" " if _is_control(character) else character for character in text)


def plain(text: str) -> str:
    """Return what is said of somebody as it is kept: harmless, on one line.

    >>> plain("host\\x1b[31m of\\nthe show")
    'host [31m of the show'
    """
    return " ".join(harmless(text).split())


def key(name: str) -> str:
    """Return what two spellings of one name share: case, spacing and composition do not matter."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", " ".join(name.split())).casefold())


def profile_id(connection: sa.Connection, name: str) -> int:
    """Return the id behind a name, or raise ProfileNotFound with the names that come close."""
    number = connection.scalar(sa.select(profiles.c.id).where(profiles.c.name_key == key(name)))
    if number is None:
        raise not_found(connection, name)
    return int(number)


def not_found(connection: sa.Connection, name: str) -> ProfileNotFound:
    names = {row.name_key: row.name for row in connection.execute(sa.select(profiles.c.name_key, profiles.c.name))}
    close = [names[match] for match in difflib.get_close_matches(key(name), list(names), n=3)]
    close += [full for part, full in names.items() if key(name) in part.split() and full not in close][:3]
    if close:
        return ProfileNotFound(f"no profile {name!r}; did you mean {' or '.join(close)}?", close)
    hint = "voicematch profiles list shows them" if names else "the library is empty: voicematch enroll NAME FILE"
    return ProfileNotFound(f"no profile {name!r}; {hint}")


def storable(text: str) -> str:
    """Return text a database takes: no NUL, and file names that are not Unicode written with escapes."""
    return text.replace("\x00", "").encode("utf-8", "backslashreplace").decode()


def episode_id(connection: sa.Connection, key: str) -> int:
    """Return the id of the one episode meant by a source, the start of an audio sha256, a file's name or a title.

    A path is the file that is there, and so is a name alone where a file of that name is in the folder worked in: an
    episode of the same name that is stored from elsewhere is meant only if it is the same recording. An address may
    also be as voicematch shows it, without its keys.

    Raises LibraryError that names the choices when there are several, or what comes close when there is none.
    """
    stored = storable(key).strip()
    if not stored:  # an episode without a title is not called by that
        raise LibraryError(f"no episode {key!r}; {_close(connection, stored)}")
    path = stored if is_address(stored) else os.path.realpath(stored)
    for condition in _by_source(stored, path):
        matching = _matching(connection, condition)
        if matching:
            return _only(key, matching)
    is_file = not is_address(stored) and os.path.isfile(path)
    for condition in _by_name(connection, stored, is_file=is_file):
        matching = _matching(connection, condition)
        if matching:
            return _only(key, _held_by(path, stored, matching) if is_file else matching)
    raise LibraryError(f"no episode {key!r}; {_close(connection, stored)}")


def _by_source(stored: str, path: str) -> Iterator[sa.ColumnElement[bool]]:
    """What tells an episode by where it came from, or by its sound, the surest first."""
    sources = sa.select(known_as.c.episode_id).where(known_as.c.source.in_([stored, path]))
    yield (episodes.c.source == stored) | (episodes.c.audio_sha256 == stored.lower())
    yield (episodes.c.source == path) | episodes.c.id.in_(sources)
    if re.fullmatch(rf"[0-9a-fA-F]{{{SHORTEST_PREFIX},64}}", stored):
        yield episodes.c.audio_sha256.startswith(stored.lower())


def _by_name(connection: sa.Connection, stored: str, *, is_file: bool) -> Iterator[sa.ColumnElement[bool]]:
    """What tells an episode by what it is called, the surest first; a path to nothing is no name."""
    also = sa.select(known_as.c.episode_id)
    yield (episodes.c.name == stored) | (episodes.c.title == stored)
    if is_address(stored):
        rows = connection.execute(sa.select(known_as.c.episode_id, known_as.c.source)).all()
        yield episodes.c.id.in_([row.episode_id for row in rows if shown(row.source) == shown(stored)])
    elif is_file or PurePath(stored).name == stored:
        stem = PurePath(stored).stem or stored
        yield episodes.c.name == stem
        yield episodes.c.id.in_(also.where(known_as.c.name.in_([stored, stem])))
    yield episodes.c.id.in_(also.where(known_as.c.title == stored))


def _matching(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> Sequence[Any]:
    return connection.execute(sa.select(episodes).where(condition).order_by(episodes.c.id)).all()


def _only(key: str, matching: Sequence[Any]) -> int:
    if len(matching) == 1:
        return int(matching[0].id)
    choices = "; ".join(f"{row.audio_sha256[:12]} {row.title or row.source}" for row in matching[:5])
    more = f"; and {len(matching) - 5} more" if len(matching) > 5 else ""
    raise LibraryError(f"{key!r} is {len(matching)} episodes, name one by its number: {choices}{more}")


def _held_by(path: str, key: str, named: Sequence[Any]) -> Sequence[Any]:
    """Those of the episodes of a file's name that are in the file; LibraryError where it is another recording."""
    if PurePath(key).name == key and not is_sound(path):  # a transcript: its episode is meant
        return named
    held = []
    for row in named:
        parts = [Part(*part) for part in json.loads(row.parts or "[]")]
        if is_recording(path, parts, row.audio_sha256):
            held.append(row)
    if not held:
        numbers = " or ".join(row.audio_sha256[:12] for row in named[:5])
        other = f"or name the stored one of that name by its number: {numbers}"
        raise LibraryError(f"the file {key!r} is not identified yet: voicematch identify FILE, {other}")
    return held


def _close(connection: sa.Connection, key: str) -> str:
    names = dict.fromkeys(
        name for row in connection.execute(sa.select(episodes.c.name, episodes.c.title)) for name in row if name
    )
    if not names:
        return "none is stored yet: voicematch identify FILE"
    if re.fullmatch(rf"[0-9a-fA-F]{{1,{SHORTEST_PREFIX - 1}}}", key):
        return f"give at least {SHORTEST_PREFIX} digits of its number"
    close = difflib.get_close_matches(PurePath(key).name, list(names), n=3)
    return f"did you mean {' or '.join(close)}?" if close else "voicematch episodes list shows them"
