"""Files on disk: where they go, written whole, and written anew when a name changes.

``following`` has the files of episodes, ``vault`` a folder of notes, ``paths`` templates and whole writes.
"""

from __future__ import annotations

from ..formats.file_names import LONGEST_NAME, file_name
from .following import as_written, finish, following, is_own, refuse_changed, text_of, write
from .paths import FIELDS, check, fill, try_folder, try_place, write_atomically

__all__ = [
    "FIELDS",
    "LONGEST_NAME",
    "as_written",
    "check",
    "file_name",
    "fill",
    "finish",
    "following",
    "is_own",
    "refuse_changed",
    "text_of",
    "try_folder",
    "try_place",
    "write",
    "write_atomically",
]
