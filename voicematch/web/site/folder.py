"""Where a site is written: each file whole or not at all, and only when it differs; what has no place any more goes."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ... import given
from ...errors import OutputExists, VoicematchError
from ...outputs import write_atomically

LIST = ".voicematch-site.json"  # in the folder: the files that are ours, each with the sha256 of what was written


@dataclass(frozen=True, slots=True)
class Written:
    num_pages: int
    num_changed: int
    num_removed: int


class Folder:
    """A folder that holds a site, an earlier one, or nothing.

    before : places of the earlier site, None where there is none
    addresses : what the earlier site called people and episodes, as `finish` was given it; never trusted
    """

    def __init__(self, out: Path, *, force: bool) -> None:
        self._out = out
        self._written: dict[str, str] = {}
        self._num_pages = self._num_changed = 0
        try:
            out.mkdir(parents=True, exist_ok=True)
            holds_files = any(out.iterdir())
            self.before, self.addresses = _listed(out / LIST)
        except OSError as error:
            raise VoicematchError(f"{out}: {error.strerror or error}") from error
        if holds_files and self.before is None and not force:
            raise OutputExists(f"{out}: holds files that are not an earlier site; name an empty folder, or --force")

    def page(self, place: str, text: str) -> None:
        self.put(place, text.encode())
        self._num_pages += 1

    def put(self, place: str, content: bytes) -> None:
        """Write a file, unless it is there as it should be. Raises VoicematchError."""
        path = self._out / place
        self._written[place] = _digest(content)
        try:
            if path.is_file() and path.read_bytes() == content:
                return
        except OSError as error:
            raise VoicematchError(f"{path}: {error.strerror or error}") from error
        write_atomically(path, content, durable=False)
        self._num_changed += 1

    def has(self, place: str) -> bool:
        """Whether this time something was written there."""
        return place in self._written

    def finish(self, addresses: dict[str, Any]) -> Written:
        """Remove what has no place any more, of what an earlier time wrote and nobody changed."""
        num_removed = 0
        for place, digest in (self.before or {}).items():
            path = self._out / place
            if place not in self._written and path.is_file() and _digest(path.read_bytes()) == digest:
                path.unlink()
                num_removed += 1
                with suppress(OSError):  # other files are in it
                    for parent in PurePosixPath(place).parents[:-1]:
                        (self._out / parent).rmdir()
        listed = {"files": self._written, "addresses": addresses}
        write_atomically(self._out / LIST, json.dumps(listed, ensure_ascii=False, indent=0, sort_keys=True))
        return Written(self._num_pages, self._num_changed, num_removed)


def _listed(path: Path) -> tuple[dict[str, str] | None, dict[str, Any]]:
    """(files, addresses) of an earlier time; no files where there was none. No name leads out of the folder."""
    if not path.is_file():
        return None, {}
    try:
        listed = given.parsed(given.text(path))
    except ValueError:
        return {}, {}
    if not isinstance(listed, dict):
        return {}, {}
    files, addresses = listed.get("files", listed), listed.get("addresses")  # an earlier version's list is flat
    kept = {
        place: digest
        for place, digest in (files.items() if isinstance(files, dict) else ())
        if isinstance(digest, str) and not PurePosixPath(place).is_absolute() and ".." not in PurePosixPath(place).parts
    }
    return kept, addresses if isinstance(addresses, dict) else {}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
