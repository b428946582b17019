"""Watching folders and feeds: look, label what is new, wait, look again; for a machine without a scheduler.

One watch a library: who watches is in the library's settings, and whoever died is followed at once on the same machine.
Nothing but that and the backlog is kept, so that a watch may be stopped or killed at any moment and begun again.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from .. import given
from ..errors import LibraryError, VoicematchError
from ..library import Added, Job, Library, NewJob, State
from ..net.addresses import is_address
from .discover import Found
from .liveness import beating, is_dead, machine, worker_name
from .work import Tally

STILL = 30.0  # s for which a file has to stay as it is before it is taken to be whole
MOST_WAIT = 86_400.0  # s between two tries of what fails again and again
MOST_TRIES = 6  # of an episode from the web that fails
SILENT = 300.0  # s without a sign of life, after which another machine's watch is given up for dead
LOOK = 60.0  # s between two looks whether another watch has taken over
WATCHER = "watcher"

Look = Callable[[str], Found]
Sleep = Callable[[float], bool]
"""Waits for so many seconds; False when it was told to stop meanwhile."""


@dataclass
class _Source:
    """A folder, list or feed: when it is looked at next, how often it failed, files seen that may still grow, and what
    was said of it last.
    """

    name: str
    due: float = 0.0
    num_failures: int = 0
    growing: dict[str, tuple[str, float]] = field(default_factory=dict)
    told: tuple[str, ...] = ()


def watch(
    sources: Sequence[str],
    library: Library,
    *,
    every: float,
    look: Look,
    run: Callable[[], Tally],
    sleep: Sleep,
    say: Callable[[str], None],
    now: Callable[[], float] = time.time,
) -> Tally:
    """Look at the sources every so many seconds, and label what is new in them, until told to stop.

    look : finds the episodes of one source, as `discover.find` does
    run : works the queue off
    say : is told in a line what is waited for

    Return the tally of the run in which it was stopped, or an empty one. Raises LibraryError when another watch of this
    library is at work, VoicematchError when a path is not there at the beginning.
    """
    for source in sources:
        if not is_address(source) and not given.may_be_there(source):
            raise VoicematchError(f"{source}: no such file, folder or http(s) address")
    watched = [_Source(source) for source in sources]
    with _alone(library, now) as lost:
        while True:
            for one in watched:
                if one.due <= now():
                    _look(one, library, every=every, look=look, say=say, now=now)
            _try_again(library.jobs.find(State.FAILED), library, every, now())
            if library.jobs.counts()[State.QUEUED] + library.jobs.counts()[State.RUNNING]:
                tally = run()
                if tally.interrupted:
                    return tally
                if tally.stop:
                    say(f"stopped after {tally.stop}")
            until = min(one.due for one in watched)
            say(f"waiting until {_clock(until)} for what is new in {', '.join(sources)}; ^C stops")
            while now() < until:
                if lost.is_set():
                    raise LibraryError(f"{library.location}: another watch of it has taken over")
                if not sleep(min(until - now(), LOOK)):
                    return Tally(interrupted=True)


def _look(
    source: _Source,
    library: Library,
    *,
    every: float,
    look: Look,
    say: Callable[[str], None],
    now: Callable[[], float],
) -> None:
    """Queue what is new in a source, and set when to look again: the later, the oftener it failed."""
    try:
        found = look(source.name)
    except (VoicematchError, OSError) as error:
        source.num_failures += 1
        wait = min(MOST_WAIT, every * 2 ** (source.num_failures - 1))
        source.due = now() + wait
        say(f"{error}; asked again at {_clock(source.due)}")
        return
    source.num_failures = 0
    whole = [job for job in found.jobs if _is_whole(source, job, now())]
    there = {job.source for job in found.jobs}
    source.growing = {path: seen for path, seen in source.growing.items() if path in there}
    added = library.jobs.add(whole)
    if added.num_new:
        say(f"{added.num_new} new in {source.name}")
    told = _not_labelled(source.name, added)
    for line in told:
        if line not in source.told:
            say(line)
    source.told = told
    source.due = now() + every
    if source.growing:
        files = ", ".join(sorted(Path(path).name for path in source.growing))
        say(f"{len(source.growing)} still being written in {source.name}: {files}")
        source.due = min(source.due, now() + STILL)


def _not_labelled(name: str, added: Added) -> tuple[str, ...]:
    """What is not labelled again although it is there."""
    changed = f"{added.num_changed} in {name} offer another sound than was labelled; voicematch batch retry --changed"
    removed = f"{added.num_removed} in {name} were removed, and stay so; voicematch batch retry TITLE"
    return (changed,) * bool(added.num_changed) + (removed,) * bool(added.num_removed)


def _is_whole(source: _Source, job: NewJob, at: float) -> bool:
    """Whether a file has been as it is for long enough; what comes from the web is whole once it is offered."""
    if is_address(job.source):
        return True
    try:
        stat = Path(job.source).stat()
    except OSError:
        return False  # it went meanwhile
    if at - stat.st_mtime >= STILL:
        source.growing.pop(job.source, None)
        return True
    print_before, since = source.growing.get(job.source, ("", at))
    fingerprint = f"{stat.st_size}:{stat.st_mtime_ns}"
    if fingerprint != print_before:
        source.growing[job.source] = fingerprint, at
        return False
    if at - since < STILL:
        return False
    del source.growing[job.source]  # its date is of another clock
    return True


def _try_again(failed: Sequence[Job], library: Library, every: float, at: float) -> None:
    """Queue episodes from the web again that failed, each time after twice as long, but not for ever."""
    due = [
        job.id
        for job in failed
        if is_address(job.source)
        and job.attempts < MOST_TRIES
        and job.finished is not None
        and at - _seconds(job.finished) >= min(MOST_WAIT, every * 2 ** max(0, job.attempts - 1))
    ]
    if due:
        library.jobs.try_again(due)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


@contextmanager
def _alone(library: Library, now: Callable[[], float]) -> Iterator[threading.Event]:
    """Be the only watch of a library, and give signs of life; the event is set when another one has taken over.

    Raises LibraryError when there is one already.
    """
    own = worker_name()
    _take(library, own, now())

    def beat() -> bool:
        try:
            _take(library, own, now())
        except LibraryError:
            return bool(_holder(library).get("name") == own)
        return True

    try:
        with beating(beat, SILENT / 5) as lost:
            yield lost
    finally:
        with library.together():
            if _holder(library).get("name") == own:
                library.settings.set_of_library(WATCHER, None)


def _take(library: Library, own: str, at: float) -> None:
    """Write down who watches. Raises LibraryError when somebody else does."""
    with library.together():
        holder = _holder(library)
        name, seen = holder.get("name", own), holder.get("seen", 0.0)
        is_here = name.split(":")[0] == machine()
        if name != own and not is_dead(name) and (is_here or abs(at - seen) < SILENT):
            where, process, *_ = name.split(":")
            raise LibraryError(
                f"{library.location}: another watch of it is at work (process {process} on {where}); "
                "stop it, or have it watch this too"
            )
        library.settings.set_of_library(WATCHER, json.dumps({"name": own, "seen": at}))


def _holder(library: Library) -> dict[str, Any]:
    holder: dict[str, Any] = json.loads(library.settings.of_library(WATCHER) or "{}")
    return holder


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))
