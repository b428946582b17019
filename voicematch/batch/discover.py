"""Which episodes there are: in folders, files, lists, feeds and lists of feeds."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from ..audio import EVERYTHING, Choice
from ..errors import AudioError, FormatError, VoicematchError
from ..formats import decode
from ..library import NewJob
from ..library.job import about_parts, file_job
from ..net.addresses import is_address, path_of
from ..net.download import Document
from ..net.reach import ANYWHERE
from ..types import Part
from . import feeds, opml
from .pictures import Picture

MOST_DEEP = 5  # lists in lists
LISTS = (".txt", ".lst", ".list", ".m3u", ".m3u8")


@dataclass(frozen=True)
class Found:
    """What a search came to.

    left_out : why entries of folders, feeds and lists cannot be had, a sentence each
    pictures : of the shows whose feeds were read
    """

    jobs: tuple[NewJob, ...] = ()
    left_out: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class _Filter:
    """What is wanted of each folder, list or feed: the newest ``limit`` that match, not older than ``since``."""

    since: str | None
    limit: int | None
    match: re.Pattern[str] | None

    def newest(self, dated: Iterable[tuple[str, NewJob]]) -> Iterator[NewJob]:
        """dated : (ISO 8601 day, or "" where nobody knows; the job)"""
        wanted = [
            (day, job)
            for day, job in dated
            if (self.since is None or not day or day >= self.since)
            and (self.match is None or self.match.search(job.title) or self.match.search(job.source))
        ]
        newest_first = sorted(wanted, key=lambda pair: pair[0], reverse=True)
        yield from (job for _, job in newest_first[: self.limit])


@dataclass
class _Search:
    """What was found so far.

    allow_local : whatever a feed names may be in this machine's own network
    lists : those that were looked through; depth : how many of them are one in the other now
    """

    wanted: _Filter
    allow_local: bool = False
    jobs: dict[str, NewJob] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    lists: set[str] = field(default_factory=set)
    depth: int = 0

    def keep(self, dated: Iterable[tuple[str, NewJob]]) -> None:
        for job in self.wanted.newest(dated):
            self.jobs.setdefault(job.key, job)


def find(
    sources: Sequence[str | Path],
    *,
    since: str | None = None,
    limit: int | None = None,
    match: str | None = None,
    allow_local: bool = False,
) -> Found:
    """Find the episodes in folders, sound files, text files that list sources, RSS feeds and OPML lists.

    since : ISO 8601 day; of a file, the day it was last changed counts, and what has no date is taken
    limit : at most so many of each folder, list and feed, the newest
    match : a regular expression looked for in titles, paths and addresses, in upper or lower case
    allow_local : trust feeds and OPML lists to name addresses of this machine and its network. Without it, they may do
        so only for the host they came from, and their sound is not fetched from any other one there

    Raises VoicematchError when a source itself cannot be read. What is wrong inside one is said in ``left_out``.
    """
    try:
        pattern = re.compile(match, re.IGNORECASE) if match else None
    except re.error as error:
        raise VoicematchError(f"{match}: not a regular expression: {error}") from error
    search = _Search(_Filter(since, limit, pattern), allow_local)
    for source in sources:
        _look(search, source)
    return Found(tuple(search.jobs.values()), tuple(search.left_out), tuple(search.pictures))


def heard_as(found: Found, choice: Choice, apart: str | None = None) -> Found:
    """Return the same episodes, to be listened to in one track or channel, or with a person for each of them.

    apart : "tracks", "channels", or None
    """
    if choice == EVERYTHING and apart is None:
        return found
    about = about_parts((Part("", choice.track, choice.channel),)) if choice != EVERYTHING else {}
    about |= {"apart": apart} if apart is not None else {}
    return replace(found, jobs=tuple(replace(job, about={**job.about, **about}) for job in found.jobs))


def _look(search: _Search, source: str | Path, nearby: str | None = None) -> None:
    """nearby : who in this machine's own network the source may be; None where a person named it"""
    if is_address(source):
        _look_at_address(search, str(source), nearby)
        return
    path = Path(source)
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a zero byte
        raise AudioError(source, "no such file, folder or http(s) address") from error
    except OSError as error:
        raise AudioError(source, f"cannot be opened: {error.strerror}") from error
    if is_folder:
        show = path.resolve().name  # "." and links have no name of their own
        search.keep(_file_jobs(search, path, show))
    elif feeds.SOUND.search(path.name):
        search.keep([file_job(path, path.resolve().parent.name)])
    elif path.suffix.lower() in LISTS:
        _look_through(search, _listed(path), path)
    else:
        _look_at_document(search, feeds.load(path), source)


def _look_at_address(search: _Search, url: str, nearby: str | None) -> None:
    if feeds.SOUND.search(urlsplit(url).path):
        search.keep([_url_job(url, nearby)])
    else:
        _look_at_document(search, feeds.load(url, nearby=nearby), url)


def _look_at_document(search: _Search, document: Document, source: str | Path) -> None:
    kind = feeds.kind(document.raw)
    if search.allow_local:
        document = replace(document, nearby=ANYWHERE)
    if kind == "opml":
        _look_through(search, opml.read_opml(document, source), source, document.nearby)
    elif kind == "feed":
        feed = feeds.read_feed(source, document)
        search.left_out += feed.left_out
        if feed.picture:
            search.pictures.append(Picture(feed.title, feed.picture, feed.nearby))
        search.keep(_entry_job(feed, entry) for entry in feed.entries)
    else:
        raise FormatError(source, "neither sound, nor a feed, nor a list of them; name lists of paths .txt")


def _look_through(search: _Search, sources: Iterable[str | Path], where: str | Path, nearby: str | None = None) -> None:
    """Look at each source of a list. One that cannot be had is left out; ``limit`` counts single files together."""
    with _within(search, where) as is_new:
        if is_new:
            _look_at_each(search, sources, where, nearby)


@contextmanager
def _within(search: _Search, where: str | Path) -> Iterator[bool]:
    """Whether a list is to be looked through. Raises FormatError in a list that names itself, or one too deep down."""
    mark = str(where) if is_address(where) else str(Path(where).resolve())
    is_new = mark not in search.lists
    if search.depth and not is_new:
        raise FormatError(where, "was looked through already; it names itself, or is listed twice")
    if search.depth == MOST_DEEP:
        raise FormatError(where, f"is more than {MOST_DEEP} lists deep; add it by itself")
    search.lists.add(mark)
    search.depth += 1
    try:
        yield is_new
    finally:
        search.depth -= 1


def _look_at_each(search: _Search, sources: Iterable[str | Path], where: str | Path, nearby: str | None) -> None:
    single: list[tuple[str, NewJob]] = []
    for source in sources:
        try:
            if not is_address(source) and os.path.isfile(source) and feeds.SOUND.search(str(source)):
                single.append(file_job(Path(source), Path(source).resolve().parent.name))
            elif is_address(source) and feeds.SOUND.search(urlsplit(str(source)).path):
                single.append(_url_job(str(source), nearby))
            else:
                _look(search, source, nearby)
        except (VoicematchError, ValueError) as error:
            search.left_out.append(f"{where}: {error}")
    search.keep(single)


def _listed(path: Path) -> Iterator[str | Path]:
    """A line a source; paths count from the list's folder, and a hash begins a comment."""
    for line in decode(feeds.load(path).raw, path).splitlines():
        entry = line.strip()
        if entry and not entry.startswith("#"):
            yield entry if is_address(entry) else path.parent / os.path.expanduser(entry)


def _file_jobs(search: _Search, folder: Path, show: str) -> Iterator[tuple[str, NewJob]]:
    """A job a sound file in a folder and below it. What cannot be had is left out, but for the folder itself."""

    def leave_out(error: OSError) -> None:
        reason = AudioError(error.filename, f"cannot be opened: {error.strerror}")
        if Path(error.filename) == folder:
            raise reason from error
        search.left_out.append(str(reason))

    for file in _sound_files(folder, leave_out):
        try:
            yield file_job(file, show)
        except AudioError as error:
            search.left_out.append(str(error))


def _sound_files(folder: Path, onerror: Callable[[OSError], None]) -> Iterator[Path]:
    """The sound files in a folder and those below it, in order of their names; hidden ones and links to folders not."""
    for parent, folders, files in os.walk(folder, onerror=onerror):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if feeds.SOUND.search(name) and not name.startswith("."):
                yield Path(parent, name)


def _url_job(url: str, nearby: str | None) -> tuple[str, NewJob]:
    title = path_of(url).stem or "untitled"
    about = {} if nearby is None else {"nearby": nearby}
    return "", NewJob(key=url, source=url, title=title, show=urlsplit(url).hostname or "", about=about)


def _entry_job(feed: feeds.Feed, entry: feeds.Entry) -> tuple[str, NewJob]:
    persons = entry.persons or feed.persons
    about = {
        "feed": feed.url,
        "guid": entry.guid,
        "season": entry.season,
        "episode": entry.episode,
        "persons": [[one.name, one.role, *([one.picture] if one.picture else [])] for one in persons],
        "transcripts": [[t.url, t.media_type, t.language] for t in entry.transcripts],
        "chapters": entry.chapters,
    }
    # What follows the question mark is often a signature that differs every time the feed is asked for.
    fingerprint = f"{entry.enclosure.url.partition('?')[0]} {entry.enclosure.num_bytes}"
    return entry.date or "", NewJob(
        key=f"{feed.guid}#{entry.guid}",
        source=entry.enclosure.url,
        title=entry.title,
        show=feed.title,
        date=entry.date,
        duration=entry.duration,
        fingerprint=fingerprint,
        about={key: value for key, value in about.items() if value} | {"nearby": feed.nearby},
    )
