"""What the pages about work show: the backlog, and the library itself."""

from __future__ import annotations

from dataclasses import dataclass

from .pieces import Paging, Undoable


@dataclass(frozen=True, slots=True)
class JobCard:
    """state : "queued", "running", "done" or "failed"; key : the episode, once it is done"""

    id: int
    title: str
    show: str
    date: str | None
    state: str
    attempts: int
    error: str | None
    started: str | None
    finished: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class BacklogPage:
    """counts : number of jobs by state, all four; state : the one listed, or "" for all (running and failed first)

    can_work : the pages can work the queue off; is_working : they do; is_stopping : they were told to stop
    problem : why the last time they could not
    """

    state: str
    counts: dict[str, int]
    jobs: tuple[JobCard, ...]
    paging: Paging
    can_work: bool = False
    is_working: bool = False
    is_stopping: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """What the library is, and how it gives names.

    size : bytes on disk, None where that cannot be said
    accept, review : the probabilities from which a name is given, or suggested
    is_own : the calibration was made here, for these voices; else it came with the model
    undoable : what was done on these pages and can be undone, latest first
    """

    location: str
    version: str
    embedder: str
    size: int | None
    num_profiles: int
    num_voiceprints: int
    num_episodes: int
    num_lines: int
    audio_seconds: float
    accept: float
    review: float
    is_own: bool
    remembers_unknowns: bool
    undoable: tuple[Undoable, ...]
