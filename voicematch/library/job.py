"""What a job of the backlog is: as it is added, and as it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..errors import AudioError
from ..types import Part
from .shows import day_in_name


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NewJob:
    """An episode to be labelled.

    key : what it is known by when it is added again: its path, or its feed's and its own guid
    source : a path or an http(s) URL
    duration : seconds, as far as somebody claims to know
    fingerprint : changes when there is another sound behind the same key
    about : what else is known of it, as JSON takes it
    """

    key: str
    source: str
    title: str
    show: str = ""
    date: str | None = None
    duration: float | None = None
    fingerprint: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands.

    attempts : how often it was begun; a job that was interrupted by its user does not count
    changed : when its feed or folder was first seen with another sound than the one labelled
    unexpected : whether it failed for a reason that is not its own sound's
    """

    id: int
    key: str
    source: str
    title: str
    show: str
    date: str | None
    duration: float | None
    fingerprint: str
    about: Mapping[str, Any]
    state: State
    attempts: int
    worker: str | None
    error: str | None
    unexpected: bool
    audio_sha256: str | None
    changed: str | None
    started: str | None
    finished: str | None


@dataclass(frozen=True, slots=True)
class Added:
    """What adding came to.

    num_known : among them ``num_removed`` whose episodes were removed, and are not labelled again by themselves
    num_changed : jobs whose labels belong to a sound that is no longer offered
    """

    num_new: int = 0
    num_known: int = 0
    num_changed: int = 0
    num_removed: int = 0


@dataclass(frozen=True, slots=True)
class FeedPicture:
    """Where a feed says that the picture of a person is. nearby : as for `net.download.fetch`"""

    url: str
    nearby: str


@dataclass(frozen=True, slots=True)
class JobSpeaker:
    """Who speaks in a job's episode: ``name`` is None for a voice without one."""

    name: str | None
    speaker: str
    verdict: str
    talk_seconds: float


def about_parts(parts: Sequence[Part]) -> dict[str, Any]:
    """Return what a job has to know so that the same parts are listened to: "parts", [[source, track, channel], …]."""
    return {"parts": [[part.source, part.track, part.channel] for part in parts]} if parts else {}


def parts_about(about: Mapping[str, Any]) -> tuple[Part, ...]:
    """Return the parts that `about_parts` wrote down."""
    return tuple(Part(*part) for part in about.get("parts", ()))


def file_job(path: Path, show: str) -> tuple[str, NewJob]:
    """Return (the day in its name, else that it was last changed, the job) of a sound file."""
    try:
        stat = path.stat()
    except OSError as error:
        raise AudioError(path, f"cannot be opened: {error.strerror}") from error
    named_day, title = day_in_name(path.stem)
    day = named_day or datetime.fromtimestamp(stat.st_mtime, UTC).date().isoformat()
    source, key = str(path.absolute()), str(path.resolve())
    if not _is_text(source + key):
        raise AudioError(path, "its name, or a folder's, is not text in UTF-8; rename it")
    return day, NewJob(
        key=key,
        source=source,
        title=title,
        show=show,
        date=named_day,
        fingerprint=f"{stat.st_size}:{stat.st_mtime_ns}",
    )


def _is_text(name: str) -> bool:
    """Whether the name of a file is spelled in UTF-8, so that it can be stored and found again."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
