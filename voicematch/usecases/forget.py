"""Forget a person: out of the library, out of the files written for episodes, and if asked out of copies of both."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .. import given, outputs
from ..audio import Audio
from ..errors import LibraryError, VoicematchError
from ..formats.holding import holds_name
from ..library import Forgotten, Kin, Library, Trace, open_library
from ..library.copies import BACKUP, EPISODE, NOTES, PROFILES, SITE
from ..outputs import vault
from ..outputs.following import AWAY, Behind
from . import exchange

REMEDIES = {
    BACKUP: "a backup: delete it",
    PROFILES: "exported voices: delete it",
    EPISODE: "an exported copy: delete it, or export it again",
    NOTES: "a note with words of your own, or changed where voicematch writes: take the name out there",
    SITE: "a site: write it again (voicematch site), and wherever it was put",
}
OF_REMOVED = REMEDIES | {EPISODE: "an exported copy: delete it"}
TOO_LATE = "; --backups would have erased there too"


@dataclass(frozen=True, slots=True)
class Reached:
    """What forgetting came to.

    forgotten : in the library itself
    erased : copies in which the person was erased too, or which are gone for holding nobody else
    out_of_reach : files that may hold the person still, each with what to do about it
    """

    forgotten: Forgotten
    erased: tuple[Path, ...] = field(default=())
    out_of_reach: tuple[Behind, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class ToForget:
    """What a person is found by in files written out of the library; it has to be asked for before they are forgotten.

    stems : what files of the episodes in which they speak are called, without ending
    """

    trace: Trace
    stems: frozenset[str]

    def may_be_in(self, path: Path) -> bool:
        """Return whether an exported file may hold them, under whatever name they had then."""
        if _is_called(path, self.stems):
            return True
        try:
            text = given.text(path, errors="replace")
        except OSError:
            return True
        return any(holds_name(text, called) for called in self.trace.called)


def sought(name: str, *, library: Library, former: Sequence[str] = ()) -> ToForget:
    """Return what a person is found by. ``former``: names they had before. Raises ProfileNotFound."""
    heard = library.people.appearances(library.people.id(name))
    return ToForget(library.traces.of(name, former=former), frozenset(Audio(one.source).name for one in heard))


def forget(
    name: str, *, library: Library, words: bool = False, backups: bool = False, former: Sequence[str] = ()
) -> Reached:
    """Erase a person, from the files of episodes too, and return what went.

    words : redact the name where it is said in transcripts, in titles and in notes of others
    backups : erase the person also in backups of the library and in exported profiles, as far as they are where they
        were written
    former : names they had before, which go like today's; the library does not keep them

    Raises ProfileNotFound, LibraryError.
    """
    person = sought(name, library=library, former=former)
    with outputs.following(library) as behind:
        forgotten = library.profiles.forget(name, words=words, former=former)
    erased: list[Path] = []
    beyond = list(behind)
    for path, remedy in _copies(person, library, erase=backups, words=words):
        if remedy:
            late = not backups and remedy in (REMEDIES[BACKUP], REMEDIES[PROFILES])
            beyond.append((path, remedy + TOO_LATE if late else remedy))
        else:
            erased.append(path)
    for copy in library.copies.all():
        is_gone = not given.may_be_there(copy.path) and os.path.isdir(copy.path.parent)
        if is_gone and any(holds_name(str(copy.path), called) for called in person.trace.called):
            library.copies.remove(copy.path)
    forgotten = library.profiles.let_go(forgotten)
    return Reached(forgotten, tuple(erased), tuple(beyond))


def ahead(name: str, *, library: Library, former: Sequence[str] = ()) -> tuple[int, int]:
    """Return how many lines, titles and notes say a person's names, and in how many copies `forget` could erase them.

    It is asked before: afterwards nobody is left to be sought there. Raises ProfileNotFound.
    """
    person = sought(name, library=library, former=former)
    within = (REMEDIES[BACKUP], REMEDIES[PROFILES])
    num_copies = sum(remedy in within for _, remedy in _copies(person, library))
    return library.traces.num_mentions(person.trace), num_copies


def out_of_reach(people: Sequence[ToForget], *, library: Library) -> tuple[Behind, ...]:
    """Return the copies that may hold people who were forgotten, each with what to do about it."""
    return tuple(dict(place for person in people for place in _copies(person, library)).items())


def unnamed_out_of_reach(*, library: Library, stems: Collection[str] = ()) -> tuple[Behind, ...]:
    """Return the copies that may hold voices without a name that were erased, each with what to do about it.

    stems : what files of episodes that were removed are called, without ending; copies of these then too
    """
    return tuple(
        (path, _remedy(OF_REMOVED[kind], is_away=is_away))
        for path, kind, is_away in _places(library)
        if kind == BACKUP or (stems and (kind == SITE or (kind == EPISODE and _is_called(path, stems))))
    )


def _is_called(path: Path, stems: Collection[str]) -> bool:
    return any(path.name.startswith(f"{stem}.") for stem in stems)


def _places(library: Library) -> Iterator[tuple[Path, str, bool]]:
    """Yield the copies that are there, or are in a folder that is away: path, kind, and whether it is away."""
    for path in library.upkeep.backups():
        yield path, BACKUP, False
    for copy in library.copies.all():
        if os.path.exists(copy.path):
            if copy.kind != BACKUP:
                yield copy.path, copy.kind, False
        elif given.may_be_there(copy.path) or not os.path.isdir(copy.path.parent):
            yield copy.path, copy.kind, True


def _remedy(remedy: str, *, is_away: bool) -> str:
    return f"{AWAY}; {remedy}" if is_away else remedy


def _copies(person: ToForget, library: Library, *, erase: bool = False, words: bool = False) -> Iterator[Behind]:
    """Yield the copies that may hold a person, each with what to do about it; "" where they were erased in it.

    erase : erase them in backups and exported profiles
    """
    for path, kind, is_away in _places(library):
        remedy = _remedy(REMEDIES[kind], is_away=is_away)
        if is_away:
            yield path, remedy
        elif kind == BACKUP:
            yield path, _erase_in_backup(path, person.trace, words=words) if erase else remedy
        elif kind == PROFILES:
            found = _in_export(path, person.trace, erase=erase)
            if found is not None:
                yield path, found
        elif kind == NOTES:
            held = (note for called in person.trace.called for note in vault.holding(path, called))
            yield from ((note, remedy) for note in dict.fromkeys(held))
        elif kind == SITE or (kind == EPISODE and person.may_be_in(path)):
            yield path, remedy


def _erase_in_backup(path: Path, trace: Trace, *, words: bool) -> str:
    """Erases a person in a copy of the library, also under an earlier name. What is in the way, or nothing."""
    try:
        with open_library(path, create=False, keep_old=False) as backup:
            forgotten, strangers = backup.traces.forget(trace, words=words)
    except LibraryError as error:
        return f"a backup that cannot be changed: {error}; delete it"
    return forgotten.obstacle or _told_of("a backup", strangers)


def _in_export(path: Path, trace: Trace, *, erase: bool) -> str | None:
    """What to do about a file of exported profiles; "" when the person was taken out, None when nobody is to be.

    One without anybody else is deleted.
    """
    try:
        people = exchange.people(given.text(path), path)
        kin = {name: trace.kin(name, marks) for name, marks in people}
        is_there = Kin.SAME in kin.values()
        if is_there and not erase:
            return REMEDIES[PROFILES]
        if is_there:
            rest = exchange.without(given.text(path), path, lambda name, marks: trace.kin(name, marks) is Kin.SAME)
            if rest is None:
                path.unlink()
            else:
                outputs.write_atomically(path, rest, private=True)
    except (OSError, ValueError, VoicematchError) as error:
        return f"exported voices that cannot be changed: {error}; delete it"
    mixed = [name for name, who in kin.items() if who is Kin.MIXED]
    if mixed:
        return f"exported voices: part of what {' and '.join(mixed)} learned is of their voice; delete it"
    strangers = [name for name, who in kin.items() if who is Kin.STRANGER]
    return _told_of("exported voices", strangers) or ("" if is_there else None)


def _told_of(what: str, strangers: Sequence[str]) -> str:
    """What to do about a copy in which there is somebody whom the library does not know; "" when there is nobody."""
    if not strangers:
        return ""
    return f"{what}: {' and '.join(strangers)} is in it, and not in the library; if that is the same person, delete it"
