"""Forget a person: out of the library, out of the files written for episodes, and if asked out of copies of both."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from .. import given, outputs
from ..errors import LibraryError, VoicematchError
from ..library import Copy, Forgotten, Library, open_library
from ..library.copies import NOTES
from ..library.keys import key
from ..outputs import vault


@dataclass(frozen=True, slots=True)
class Reached:
    """What forgetting came to.

    forgotten : in the library itself
    erased : copies in which the person was erased too, or which are gone for holding nobody else
    out_of_reach : copies that may hold the person still, each with what to do about it
    """

    forgotten: Forgotten
    erased: tuple[Path, ...] = field(default=())
    out_of_reach: tuple[tuple[Path, str], ...] = field(default=())


def forget(name: str, *, library: Library, words: bool = False, backups: bool = False) -> Reached:
    """Erase a person, from the files of episodes too, and return what went.

    words : redact the name where it is said in transcripts, and in titles
    backups : erase the person also in backups of the library and in exported profiles, as far as they are where they
        were written

    Raises ProfileNotFound, LibraryError.
    """
    profile, number = library.profiles.get(name), library.people.id(name)
    with outputs.following(library):
        forgotten = library.profiles.forget(name, words=words)
    forgotten = library.profiles.let_go(forgotten)
    erased: list[Path] = []
    beyond: list[tuple[Path, str]] = []
    for path in forgotten.backups:
        remedy = "a backup: delete it, or --backups erases there too"
        if backups:
            remedy = _erase_in_backup(path, profile.name, (number, profile.created), words=words)
        erased.append(path) if not remedy else beyond.append((path, remedy))
    for copy in forgotten.copies:
        remedy = REMEDIES[copy.kind]
        if copy.kind == "profiles":
            if not _may_hold(copy, profile.name):
                continue
            remedy = _erase_in_export(copy.path, profile.name) if backups else remedy
        elif copy.kind == NOTES:
            beyond += [(path, remedy) for path in vault.holding(copy.path, profile.name)]
            continue
        elif copy.kind == "episode" and not _may_hold(copy, profile.name):
            continue
        erased.append(copy.path) if not remedy else beyond.append((copy.path, remedy))
    return Reached(forgotten, tuple(erased), tuple(beyond))


REMEDIES = {
    "profiles": "exported voices: delete it, or --backups erases there too",
    "episode": "an exported copy: delete it, or export it again",
    NOTES: "a note with words of your own, or changed where voicematch writes: take the name out there",
    "site": "a site: write it again (voicematch site), and wherever it was put",
}


def _erase_in_backup(path: Path, name: str, same: tuple[int, str], *, words: bool) -> str:
    """Erases a person in a copy of the library, also under an earlier name. What is in the way, or nothing."""
    try:
        with open_library(path, create=False, keep_old=False) as backup:
            for known_as in backup.people.names():
                profile = backup.profiles.get(known_as)
                is_same = (backup.people.id(profile.name), profile.created) == same
                if is_same or key(profile.name) == key(name):
                    forgotten = backup.profiles.forget(profile.name, words=words)
                    if not forgotten.compacted:
                        return forgotten.obstacle
    except LibraryError as error:
        return f"a backup that cannot be changed ({error}); delete it"
    return ""


def _may_hold(copy: Copy, name: str) -> bool:
    """Whether a name is in a file, as far as that can be read."""
    try:
        text = given.text(copy.path, errors="replace")
    except OSError:
        return True
    return any(key(form) in key(text) for form in (name, json.dumps(name)[1:-1]))


def _erase_in_export(path: Path, name: str) -> str:
    """Takes a person out of a file of exported profiles; one without anybody is deleted. What is in the way, or ""."""
    from . import exchange

    try:
        rest = exchange.without(given.text(path), path, name)
        if rest is None:
            path.unlink()
        else:
            outputs.write_atomically(path, rest, private=True)
    except (OSError, ValueError, VoicematchError) as error:
        return f"exported voices that cannot be changed ({error}); delete it"
    return ""
