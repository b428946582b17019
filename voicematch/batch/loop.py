"""The loop of a run, wherever its workers are: start them, hear them, see to what the dead leave, stop when told."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import VoicematchError
from ..library import Job, Jobs, State
from .liveness import is_dead
from .work import Event, Outcome, Tally

log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0  # between two looks for jobs whose worker died elsewhere
LEAVE_SECONDS = 60.0  # for the stage in hand when a run is stopped

Watch = Callable[[Event], None]
Message = tuple[int, str, Any]


class Crew(Protocol):
    """How workers are started, asked and ended. A worker is known by its place, a number below that of workers."""

    def start(self, place: int) -> None:
        """Start a worker, without waiting for it."""

    def hear(self) -> Iterator[Message]:
        """Yield what the workers have to say, each as (place, kind, what); after a moment, nothing.

        name    : what the worker is called in the library, once it has its models
        at      : (job, step, done, total), where it is; the step is "" at the beginning
        outcome : of its job; None when the job was given up
        log     : (level, message), a warning
        broken  : why no worker of this run can work
        left    : it found nothing more to do
        gone    : its process has ended; how
        """

    def ask_to_stop(self, place: int) -> None:
        """Have a worker give its job up at the next step, and leave."""

    def end(self, place: int) -> None:
        """End a worker at once."""


@dataclass
class _Hand:
    """What is known of a worker: its name in the library, the job it has in hand, whether it said that it leaves."""

    name: str = ""
    job: Job | None = None
    left: bool = False


def work_off(jobs: Jobs, crew: Crew, *, num_workers: int = 1, watch: Watch | None = None) -> Tally:
    """Work the queue off with a crew, and return how it went once nothing is queued or the run has stopped.

    watch : called in this thread with what the workers do

    Started in the main thread, ^C stops after the stage in hand, with the jobs in hand queued again; a second ^C
    ends the workers at once. Raises VoicematchError when no worker can begin: a model is missing, the library gone.
    """
    with interrupts() as came:
        run = _Run(jobs, crew, num_workers, watch)
        try:
            run.work_off(came)
        finally:
            run.end()
    return run.tally


class _Run:
    """A run while it lasts."""

    def __init__(self, jobs: Jobs, crew: Crew, num_workers: int, watch: Watch | None) -> None:
        self.tally = Tally()
        self._jobs = jobs
        self._crew = crew
        self._num_workers = num_workers
        self._watch = watch
        self._hands: dict[int, _Hand] = {}

    def work_off(self, came: list[int]) -> None:
        looked, leave_by = -math.inf, math.inf
        while len(came) < 2 and time.monotonic() < leave_by:
            if time.monotonic() - looked >= LOOK_SECONDS:
                self._take_back()
                looked = time.monotonic()
            if came:
                self.tally.interrupted, self.tally.stop = True, self.tally.stop or "interrupted"
            if not self.tally.stop:
                self._recruit()
            elif leave_by == math.inf:
                leave_by = time.monotonic() + LEAVE_SECONDS
                for place in self._hands:
                    self._crew.ask_to_stop(place)
            if not self._hands:
                break
            for place, kind, what in self._crew.hear():
                self._take_in(place, kind, what)

    def end(self) -> None:
        """End the workers that are left, and queue their jobs again."""
        ended = {hand.name for hand in self._hands.values()}
        for place in self._hands:
            self._crew.end(place)
        self._jobs.take_back(lambda worker: worker in ended or is_dead(worker))

    def _take_back(self) -> None:
        """Queue the jobs of dead workers again, but not of this run's own, whose deaths are counted (``_bury``)."""
        own = {hand.name for hand in self._hands.values()}
        self._jobs.take_back(lambda worker: worker not in own and is_dead(worker))

    def _recruit(self) -> None:
        """Start workers for the free places, as far as there are jobs that none is on its way to."""
        free = [place for place in range(self._num_workers) if place not in self._hands]
        if not free:
            return
        num_coming = sum(hand.job is None and not hand.left for hand in self._hands.values())
        num_waiting = self._jobs.counts()[State.QUEUED] - num_coming
        for place in free[: max(0, num_waiting)]:
            self._crew.start(place)
            self._hands[place] = _Hand()

    def _take_in(self, place: int, kind: str, what: Any) -> None:
        hand = self._hands[place]
        match kind:
            case "name":
                hand.name = what
            case "at":
                job, step, done, total = what
                if hand.job is None:
                    self._tell(Event(place, job))
                hand.job = job
                if step:
                    self._tell(Event(place, job, step, done, total))
            case "outcome":
                hand.job = None
                if what is not None:
                    self._count(place, what)
            case "log":
                log.log(what[0], "%s", what[1])
            case "broken":
                raise VoicematchError(what)
            case "left":
                hand.left = True
            case "gone":
                del self._hands[place]
                if not hand.left:
                    self._bury(place, hand, what)

    def _bury(self, place: int, hand: _Hand, how: str) -> None:
        """See to what a worker that died leaves behind."""
        job = self._jobs.crashed(hand.name, how)
        if job is None:
            self.tally.count_unexpected(f"a worker died ({how})")
            return
        error = job.error or f"its worker died ({how})"
        log.warning("%s: %s", job.source, error)
        self._count(place, Outcome(job, job.state, 0.0, error=error, unexpected=True))

    def _count(self, place: int, outcome: Outcome) -> None:
        self.tally.count(outcome)
        self._tell(Event(place, outcome.job, outcome=outcome))

    def _tell(self, event: Event) -> None:
        if self._watch is not None:
            self._watch(event)


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """Collect the signals to stop, in place of a KeyboardInterrupt in the middle of something."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
