"""What the pages about work show: the backlog."""

from __future__ import annotations

from dataclasses import dataclass

from .pieces import Paging


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
    """counts : number of jobs by state, all four; state : the one listed, or "" for all (running and failed first)"""

    state: str
    counts: dict[str, int]
    jobs: tuple[JobCard, ...]
    paging: Paging
