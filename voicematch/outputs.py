"""An episode's files on disk: written whole, remembered by the library, and written anew when a name changes.

A file that somebody has changed since is theirs: it is left as it is, and the log says so.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import string
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from . import formats
from .errors import OutputExists, VoicematchError
from .library import Library
from .types import LabelledEpisode

FIELDS = ("show", "date", "year", "title", "season", "episode", "name")
LONGEST_NAME = 120  # bytes of UTF-8 of one field; file systems take 255 for a name with everything in it
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # what Windows keeps for devices

log = logging.getLogger(__name__)


def write(library: Library, episode: LabelledEpisode, files: Sequence[tuple[Path, str]]) -> None:
    """Writes an episode to files, which follow its names from then on if the episode is stored.

    files : (path, format) of each

    Raises VoicematchError when one cannot be written.
    """
    texts = [(path, form, formats.FORMATS[form](episode)) for path, form in files]
    expected = [(path.absolute(), form, _digest(text.encode()), _digest_at(path)) for path, form, text in texts]
    library.outputs.expect(episode.audio_sha256, expected)
    for path, _, text in texts:
        write_atomically(path, text)


def refuse_changed(library: Library, paths: Sequence[Path]) -> None:
    """Raises OutputExists when one of these files was written by voicematch, and changed by somebody since."""
    for path, output in library.outputs.at([path.absolute() for path in paths]).items():
        digest = _digest_at(path)
        if digest is not None and not output.is_ours(digest):
            raise OutputExists(f"{path} was changed since voicematch wrote it; --force overwrites it")


def rewrite(library: Library, audio_sha256s: Sequence[str]) -> tuple[Path, ...]:
    """The files written again, with the names of today, of those that were written for these episodes.

    A file that is gone stays gone; one that was changed since, or cannot be written, is reported in the log, and the
    others follow.
    """
    written = []
    for sha256 in dict.fromkeys(audio_sha256s):
        files = [output for output in library.outputs.of(sha256) if output.format in formats.FORMATS]
        stale: list[tuple[Path, str]] = []
        for output in files:
            digest = _digest_at(output.path)
            if digest is not None and output.is_ours(digest):
                stale.append((output.path, output.format))
            elif output.path.exists():
                why = "was changed since it was written" if digest is not None else "cannot be read"
                log.warning("%s %s; it still shows the names of before", output.path, why)
        episode = library.episodes.get(sha256) if stale else None
        for path, form in stale:
            assert episode is not None
            try:
                write(library, episode, [(path, form)])
            except VoicematchError as error:
                log.warning("%s; it still shows the names of before", error)
            else:
                written.append(path)
    return tuple(written)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_at(path: Path) -> str | None:
    """Of what is in a file; None when there is none that can be read."""
    try:
        return _digest(path.read_bytes())
    except OSError:
        return None


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template's path with a value for each {field}; no value can leave its place in the path.

    >>> fill("out/{show}/{date}-{title}", {"show": "A/B", "date": "2024-01-02", "title": "../../etc/passwd"})
    'out/A-B/2024-01-02-etc-passwd'
    """
    check(template)
    named = {field: file_name(values.get(field, "")) or f"no {field}" for field in FIELDS}
    return template.format_map(named)


def check(template: str) -> None:
    """Raises VoicematchError when a template has anything in braces but the name of a field."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise VoicematchError(f"{template}: {error}; write a field as {{title}}") from error
    for _, field, form, conversion in parts:
        if field is not None and (field not in FIELDS or form or conversion):
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            raise VoicematchError(f"{template}: no field {{{field}}}; there are {known}")


def file_name(text: str) -> str:
    """The text as a part of a file's name on any system, or "" when nothing of it can stay.

    >>> file_name("What is AI?  Part 1/2: …"), file_name(".."), file_name("con.txt")
    ('What is AI Part 1-2 …', '', '_con.txt')
    """
    composed = unicodedata.normalize("NFC", text)
    plain = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in composed)
    plain = re.sub(r"\s*[/\\|]\s*", "-", plain)
    plain = re.sub(r'[<>:"?*]', "", plain)
    plain = " ".join(plain.split())
    while len(plain.encode()) > LONGEST_NAME:
        plain = plain[:-1]
    plain = plain.strip(" .-")  # a leading point hides a file, a leading dash is an option
    return f"_{plain}" if RESERVED.fullmatch(plain) else plain


def write_atomically(path: Path, text: str) -> None:
    """The whole text under ``path``, or nothing: written beside it under another name, then renamed."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the new name with nothing behind it
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):  # it may not even be there; the reason above is the one to tell
            temporary.unlink()
        raise VoicematchError(f"{path}: cannot write: {error.strerror}") from error
