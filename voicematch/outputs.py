"""Where an episode's files go, by a template, and how they are written: whole or not at all."""

from __future__ import annotations

import os
import re
import string
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from .errors import VoicematchError

FIELDS = ("show", "date", "year", "title", "season", "episode", "name")
LONGEST_NAME = 120  # bytes of UTF-8 of one field; file systems take 255 for a name with everything in it
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # what Windows keeps for devices


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
