"""Where files go, and how they are written: templates that no value leads out of, and whole files or none."""

from __future__ import annotations

import os
import string
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ..errors import OutputExists, VoicematchError
from ..formats.file_names import file_name
from ..library import partial, sealing

FIELDS = ("show", "date", "year", "title", "season", "episode", "name")


def fill(template: str, values: Mapping[str, str]) -> str:
    """Return the template's path with a value for each {field}; no value can leave its place in the path.

    >>> fill("out/{show}/{date}-{title}", {"show": "A/B", "date": "2024-01-02", "title": "../../etc/passwd"})
    'out/A-B/2024-01-02-etc-passwd'
    """
    check(template)
    named = {field: file_name(values.get(field, "")) or f"no {field}" for field in FIELDS}
    return template.format_map(named)


def check(template: str) -> None:
    """Raise VoicematchError when a template has anything in braces but the name of a field."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise VoicematchError(f"{template}: {error}; write a field as {{title}}") from error
    for _, field, form, conversion in parts:
        if field is not None and (field not in FIELDS or form or conversion):
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            raise VoicematchError(f"{template}: no field {{{field}}}; there are {known}")


def try_folder(folder: Path) -> None:
    """Raise VoicematchError when no file can be written to a folder, before there is work that would be lost.

    One that is not there is made to see whether it can be, and taken away again.
    """
    missing = [place for place in (folder, *folder.parents) if not os.path.lexists(place)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError as error:
        raise VoicematchError(f"{folder} is a file, not a folder") from error
    except OSError as error:
        raise VoicematchError(f"{folder}: cannot write there: {error.strerror}") from error
    finally:
        for place in missing:
            with suppress(OSError):  # it was never made, or somebody has just written to it
                place.rmdir()


def try_place(folder: Path) -> None:
    """Do as `try_folder` without making the folder, where others may be making it: the nearest that is there is tried.

    Raises VoicematchError.
    """
    try_folder(next((place for place in (folder, *folder.parents) if os.path.lexists(place)), folder))


def write_atomically(path: Path, content: str | bytes, *, private: bool = False, durable: bool = True) -> None:
    """Write the whole content under ``path``, or nothing: beside it under another name, then renamed.

    Raises VoicematchError, also where a library is.

    private : readable for its owner alone, in a folder that is there already
    durable : also a power cut leaves it whole, which takes some 6 ms; not for what is written again when it differs
    """
    try:
        if not private:
            path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and sealing.may_be_library(path):
            raise OutputExists(f"{path}: looks like a library, which no output takes the place of; give another name")
        with partial.writing(path, private=private, durable=durable) as temporary:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise VoicematchError(f"{path}: cannot write: {error.strerror}") from error
