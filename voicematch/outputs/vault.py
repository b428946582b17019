"""A folder of notes for Obsidian or Logseq: one for each episode, one for each person named, all linked.

What voicematch writes in a note stands between two markers, and in front matter under keys of its own. All else is
whoever's who keeps the notes: text above and below, other keys, other files, where a note lies and what it is called. A
stretch between the markers that somebody has changed stays as it is, and the log says so. The notes themselves say what
they are about (the key `ID`) and how they were left (the first marker), so that one which was moved is found again.

Notes of episodes are on the library's list of files that follow its names; people's pages are written with them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from .. import given
from ..errors import LibraryError, OutputExists, VoicematchError, shown
from ..formats import clock, front_matter, prose
from ..formats.file_names import alike, page_name
from ..formats.holding import holds_name
from ..library import EpisodeSummary, Library, Output, Profile
from ..library.copies import NOTES
from ..library.reading.episodes import key_of
from ..library.upkeep import recorded
from ..types import LabelledEpisode, Progress
from .paths import write_atomically

FORMAT = "note"  # of the library's list of files
ID = "voicematch"  # the key that says what a note is about: "episode 5eed…" or "person 12"
EPISODES, PEOPLE = "Episodes", "People"  # folders for new notes
PERSON_KEYS = ("name", "episodes", "talk", "last_heard")
MARKER = "<!-- voicematch: begin {section} {name} (what stands below is written anew; write elsewhere in the note) -->"
END = "<!-- voicematch: end -->"

_BEGIN = re.compile(r"^<!-- voicematch: begin ([0-9a-f]{12}) ([0-9a-f]{12}) [^\n]*-->[ \t]*\r?$", re.MULTILINE)
_END = re.compile(rf"^{re.escape(END)}[ \t]*\r?$", re.MULTILINE)
_ABOUT = re.compile(r"episode [0-9a-f]{16}|person [0-9]{1,18}")
_LINKS = re.compile(r"\[\[[^\]\n]*\]\]|\]\([^)\n]*\)")
_NUMBERED = re.compile(r" \([0-9]+\)$")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NotesWritten:
    """What became of a vault.

    num_changed : notes written or moved; num_removed : notes that went, because nobody had written in them
    left_alone : notes that stay as they are, because somebody changed what voicematch wrote, or they cannot be read
    """

    num_episodes: int
    num_people: int
    num_changed: int
    num_removed: int
    left_alone: tuple[Path, ...]


def write_vault(
    library: Library, folder: Path, *, force: bool = False, progress: Progress | None = None
) -> NotesWritten:
    """Write a note for every stored episode and everybody named in one, or what has changed of them.

    Notes of what is not there any more go, or lose what voicematch wrote, where somebody has written in them.

    force : also into a folder of notes that another library wrote, and over what was changed between the markers

    Raises OutputExists, VoicematchError.
    """
    folder = folder.absolute()
    vault = Vault(folder, force=force)
    is_known = any(copy.path == folder and copy.kind == NOTES for copy in library.copies.all())
    if vault.notes and not is_known and not force:
        raise OutputExists(f"{folder}: holds notes of another library, or of this one moved here; --force takes them")
    with recorded(library.copies, folder, NOTES):
        return _write(library, vault, None, progress)


def follow(library: Library, waiting: Sequence[Output]) -> list[Path]:
    """Write the notes of episodes that are still to be written, with the pages of people, and return those notes.

    A vault that is not there now may come back: its notes stay on the list.
    """
    if not waiting:
        return []
    folders = [copy.path for copy in library.copies.all() if copy.kind == NOTES]
    by_folder: dict[Path, list[Output]] = {}
    for output in waiting:
        home = next((folder for folder in folders if output.path.is_relative_to(folder)), None)
        if home is None:
            library.outputs.left_alone(output)
        elif os.path.isdir(home):
            by_folder.setdefault(home, []).append(output)
    done: list[Path] = []
    for folder, outputs in by_folder.items():
        try:
            vault = Vault(folder)
            _write(library, vault, {output.audio_sha256 for output in outputs}, None)
        except VoicematchError as error:
            log.warning("%s; its notes still show the names of before, and the next command tries again", error)
        else:
            done += [output.path for output in outputs]
    return done


def holding(folder: Path, name: str) -> tuple[Path, ...]:
    """Return the Markdown files of a vault that hold a name, in what they are called or in what they say."""

    def holds(path: Path) -> bool:
        try:
            return holds_name(path.stem, name) or holds_name(given.text(path, errors="replace"), name)
        except OSError:
            return True

    try:
        return tuple(path for path in _markdown_files(folder) if holds(path))
    except OSError:  # a folder that cannot be looked into may hold anything
        return (folder,)


def _write(library: Library, vault: Vault, only: Collection[str] | None, progress: Progress | None) -> NotesWritten:
    """only : the sha256 of the audio of those episodes whose notes are written, where there is one; None: all"""
    episodes = _all_episodes(library)
    people = [one for one in library.people.find()[0] if one.num_episodes]
    pages = {}
    for person in sorted(people, key=lambda one: one.id):
        pages[person.name] = vault.settle(f"person {person.id}", page_name(person.name), PEOPLE).stem
    written: list[tuple[Path, str]] = []
    wanted = [one for one in episodes if only is None or one.audio_sha256 in only]
    for done, summary in enumerate(wanted):
        if progress is not None:
            progress("episodes", done, len(wanted) + len(people))
        about = f"episode {key_of(summary.audio_sha256)}"
        if only is not None and about not in vault.notes:  # somebody has thrown it away
            for output in library.outputs.of(summary.audio_sha256):
                if output.format == FORMAT and output.path.is_relative_to(vault.folder):
                    library.outputs.forget(output.path)
            continue
        path = vault.settle(about, page_name(f"{summary.date or ''} {summary.shown_as}"), EPISODES)
        written += _write_episode(library, vault, summary, path, pages)
    heard: dict[int, list[EpisodeSummary]] = {}
    for summary in episodes:
        for named in summary.people:
            heard.setdefault(named.id, []).append(summary)
    for done, person in enumerate(people, len(wanted)):
        if progress is not None:
            progress("people", done, len(wanted) + len(people))
        path = vault.settle(f"person {person.id}", page_name(person.name), PEOPLE)
        fields, section = _person(person, heard.get(person.id, ()), vault, pages, path)
        vault.put(f"person {person.id}", path, fields, section, PERSON_KEYS, page_name(person.name))
    there = {f"person {person.id}" for person in people} | {f"episode {key_of(e.audio_sha256)}" for e in episodes}
    for about in sorted(set(vault.notes) - there):
        if only is None or about.startswith("person"):
            vault.remove(about)
    with library.together():
        for path, mark in written:
            library.outputs.written([path], mark)
    return NotesWritten(len(episodes), len(people), vault.num_changed, vault.num_removed, tuple(vault.left_alone))


def _all_episodes(library: Library) -> list[EpisodeSummary]:
    """Every episode, newest first; some at a time, for a database takes a bounded number of values in one question."""
    found: list[EpisodeSummary] = []
    while some := library.listings.episodes(limit=200, offset=len(found))[0]:
        found += some
    return found


def _write_episode(
    library: Library, vault: Vault, summary: EpisodeSummary, path: Path, pages: Mapping[str, str]
) -> list[tuple[Path, str]]:
    """Write one note, which the list of files knows before; return what that list is to be told after."""
    about = f"episode {key_of(summary.audio_sha256)}"
    with library.together():
        try:
            episode = library.episodes.get(summary.audio_sha256)
        except LibraryError:
            return []  # another process has just removed it
        for output in library.outputs.of(summary.audio_sha256):
            if output.format == FORMAT and output.path.is_relative_to(vault.folder) and output.path != path:
                library.outputs.forget(output.path)
        fields, section = _episode(replace(episode, source=shown(episode.source), show=summary.show), pages)
        digest = hashlib.sha256(section.encode()).hexdigest()
        written_as = (episode.source, episode.title, episode.show)
        mark = library.outputs.expect(episode.audio_sha256, [(path, FORMAT, digest, None)], written_as)
    name = page_name(f"{summary.date or ''} {summary.shown_as}")
    vault.put(about, path, fields, section, prose.MARKDOWN_KEYS, name)
    return [(path, mark)]


def _episode(episode: LabelledEpisode, pages: Mapping[str, str]) -> tuple[dict[str, front_matter.Value], str]:
    return prose.markdown_fields(episode, pages), prose.markdown_body(episode, pages)


def _person(
    person: Profile, heard: Sequence[EpisodeSummary], vault: Vault, pages: Mapping[str, str], path: Path
) -> tuple[dict[str, front_matter.Value], str]:
    """Return the front matter and the text of a person's page; ``heard`` is newest first."""
    talk = clock.clock(person.talk_seconds)
    fields: dict[str, front_matter.Value] = dict(
        zip(PERSON_KEYS, (person.name, person.num_episodes, talk, (person.last_heard or "")[:10]), strict=True)
    )
    rows = []
    for one in heard:
        note = vault.notes.get(f"episode {key_of(one.audio_sha256)}")
        title = prose.escaped(" ".join(one.shown_as.split()))
        where = f"[{title}]({quote(os.path.relpath(note, path.parent).replace(os.sep, '/'))})" if note else title
        others = ", ".join(prose.wikilink(other.name, pages) for other in one.people if other.id != person.id)
        told = (one.date or "", where, f"({prose.escaped(one.show)})" if one.show else "")
        rows.append(f"- {' '.join(part for part in told if part)}{f', with {others}' if others else ''}\n")
    episodes = "1 episode" if person.num_episodes == 1 else f"{person.num_episodes} episodes"
    heading = f"# {prose.escaped(' '.join(person.name.split()))}\n\nHeard in {episodes}, {talk} of talk.\n\n"
    return fields, heading + "".join(rows)


class Vault:
    """The notes in a folder, as they are on disk.

    notes : by what it is about, where the note lies
    """

    def __init__(self, folder: Path, *, force: bool = False) -> None:
        self.folder = folder
        self.notes: dict[str, Path] = {}
        self.num_changed = self.num_removed = 0
        self.left_alone: list[Path] = []
        self._force = force
        self._taken: dict[str, Path] = {}  # what files are called, as every system has it
        try:
            folder.mkdir(parents=True, exist_ok=True)
            paths = list(_markdown_files(folder))
        except OSError as error:
            raise VoicematchError(f"{folder}: {error.strerror or error}") from error
        for path in paths:
            self._taken.setdefault(alike(path.stem), path)
            about = None if path.is_symlink() else _about(path)
            if about is not None and (about not in self.notes or self._is_as_named(path)):  # else it is a copy
                self.notes[about] = path

    def settle(self, about: str, name: str, kind: str) -> Path:
        """Return where a note belongs that is to be called ``name``, and move it there if it lies elsewhere.

        One that somebody moved or renamed stays where it is. No two notes, and no other Markdown file, share a name,
        so that links lead to one of them.

        kind : the folder of the vault that a new note comes to
        """
        known = self.notes.get(about)
        name = name or about
        if known is not None and (_is_called(known.stem, name) or not self._is_as_named(known)):
            return known
        folder = known.parent if known is not None else self.folder / kind
        stem, number = name, 2
        while not self._is_free(folder / f"{stem}.md", known):
            stem, number = f"{name} ({number})", number + 1
        path = folder / f"{stem}.md"
        if known is not None:
            try:
                known.rename(path)
            except OSError as error:
                raise VoicematchError(f"{known}: cannot be renamed: {error.strerror}") from error
            self._taken.pop(alike(known.stem), None)
            self.num_changed += 1
        self._taken[alike(stem)] = path
        self.notes[about] = path
        return path

    def put(
        self,
        about: str,
        path: Path,
        fields: Mapping[str, front_matter.Value],
        section: str,
        own: Sequence[str],
        name: str,
    ) -> None:
        """Write what voicematch says in a note, and leave the rest of it as it is.

        own : the keys of the front matter that are ours, with values or without; name : what the note is called
        """
        marker = MARKER.format(section=_digest(section), name=_digest(name or about))
        ours = f"{marker}\n\n{section.strip()}\n\n{END}\n"
        fields = {ID: about, **fields}
        if not path.exists():
            write_atomically(path, f"{front_matter.write(fields)}\n{ours}", durable=False)
            self.num_changed += 1
            return
        note = _read(path)
        if note is None or not (self._force or note.is_as_left or _digest(note.section) == _digest(section)):
            log.warning("%s was changed where voicematch writes; it stays as it is", path)
            self.left_alone.append(path)
            return
        head = front_matter.change(note.head, fields, own=(ID, *own))
        self._replace(path, note, f"---\n{head}---\n{note.above}{ours}{note.below}")

    def remove(self, about: str) -> None:
        """Take what voicematch wrote out of a note, and the note away where that was all."""
        path = self.notes[about]
        note = _read(path)
        if note is None or not (self._force or note.is_as_left):
            log.warning("%s was changed where voicematch writes; it stays, and is about nothing in the library", path)
            self.left_alone.append(path)
            return
        own = (ID, *(PERSON_KEYS if about.startswith("person") else prose.MARKDOWN_KEYS))
        head = front_matter.change(note.head, {}, own=own)
        if head.strip() or note.above.strip() or note.below.strip():
            fenced = f"---\n{head}---\n" if head.strip() else ""
            self._replace(path, note, f"{fenced}{note.above}{note.below}")
        else:
            try:
                path.unlink()
            except OSError as error:
                raise VoicematchError(f"{path}: cannot be removed: {error.strerror}") from error
            self.num_removed += 1
            self._taken.pop(alike(path.stem), None)
        del self.notes[about]

    def _replace(self, path: Path, note: Note, text: str) -> None:
        if note.is_crlf:
            text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        if text != note.text:
            write_atomically(path, text, durable=False)
            self.num_changed += 1

    def _is_free(self, path: Path, known: Path | None) -> bool:
        """Whether a note, which lies at ``known`` now, may be called that."""
        taken = self._taken.get(alike(path.stem))
        if taken is not None and taken != known:
            return False
        return not os.path.lexists(path) or (known is not None and path.exists() and path.samefile(known))

    def _is_as_named(self, path: Path) -> bool:
        """Whether a note is still called as voicematch called it."""
        note = _read(path)
        return note is not None and note.name == _digest(_NUMBERED.sub("", path.stem))


@dataclass(frozen=True, slots=True)
class Note:
    """A note that voicematch wrote, taken apart.

    head : lines of its front matter
    above, below : what stands around our section
    left_as : the digest of the section as it was left; name : that of what the note was called
    """

    text: str
    head: str
    above: str
    section: str
    below: str
    left_as: str
    name: str
    is_crlf: bool = field(default=False)

    @property
    def is_as_left(self) -> bool:
        return _digest(self.section) == self.left_as


def _read(path: Path) -> Note | None:
    """A note; None when it cannot be read, or its markers are not there once each and in order."""
    try:
        text = given.text(path)
    except (OSError, UnicodeDecodeError):
        return None
    is_crlf = "\r\n" in text
    plain = text.replace("\r\n", "\n").removeprefix("\ufeff")
    head, rest = front_matter.divide(plain)
    begins, ends = list(_BEGIN.finditer(rest)), list(_END.finditer(rest))
    if head is None or len(begins) != 1 or len(ends) != 1 or ends[0].start() < begins[0].end():
        return None
    begin, end = begins[0], ends[0]
    return Note(
        text=text,
        head=head,
        above=rest[: begin.start()],
        section=rest[begin.end() : end.start()],
        below=rest[end.end() :].removeprefix("\n"),
        left_as=begin[1],
        name=begin[2],
        is_crlf=is_crlf,
    )


def _about(path: Path) -> str | None:
    """What a Markdown file says it is about; None for one that is not ours."""
    try:
        start = given.content(path, 2**16)
    except OSError:
        return None
    head, _ = front_matter.divide(start.decode("utf-8", errors="replace").removeprefix("\ufeff"))
    about = front_matter.value(head.replace("\r\n", "\n"), ID) if head is not None else None
    return about if about is not None and _ABOUT.fullmatch(about) else None


def _markdown_files(folder: Path) -> Iterator[Path]:
    """The Markdown files in a folder and below, in order, but for what is hidden, or Logseq's own."""
    for place, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "logseq")
        for name in sorted(files):
            path = Path(place) / name
            if name.lower().endswith(".md") and not name.startswith("."):
                yield path


def _raise(error: OSError) -> None:
    raise error


def _is_called(stem: str, name: str) -> bool:
    return stem == name or _NUMBERED.sub("", stem) == name


def _digest(section: str) -> str:
    """Of a text but for where its links lead: a note that is renamed in Obsidian changes the links to it everywhere."""
    plain = _LINKS.sub("[]", section.replace("\r\n", "\n")).strip()
    return hashlib.sha256(plain.encode()).hexdigest()[:12]
