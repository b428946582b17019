"""A run in processes of this machine: as many episodes at once as there are workers, and in memory no more."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from ..errors import VoicematchError
from ..library import Job, Jobs, State, open_library
from .liveness import is_dead
from .work import Event, Outcome, Settings, Tally, Worker

log = logging.getLogger(__name__)

STEP_SECONDS = 0.2  # between two reports of a worker's progress
LOOK_SECONDS = 30.0  # between two looks for jobs whose worker died elsewhere
LEAVE_SECONDS = 5.0  # for a worker that was told to end at once

Watch = Callable[[Event], None]


@dataclass
class _Child:
    """A worker's process, the way to it, and the job it has in hand.

    left : it said that it ends
    gone : nothing more will come from it
    """

    place: int
    process: BaseProcess
    pipe: Connection
    name: str = ""
    job: Job | None = None
    left: bool = False
    gone: bool = False
    asked_to_stop: bool = False


def run(settings: Settings, *, num_workers: int = 1, watch: Watch | None = None) -> Tally:
    """How it went, when the queue is worked off or the run has stopped.

    watch : called in this thread with what the workers do

    Started in the main thread, ^C stops after the stage in hand, with the jobs in hand queued again; a second ^C
    ends the workers at once. Raises VoicematchError when no worker can begin: a model is missing, the library gone.
    """
    tally = Tally()
    children: list[_Child] = []
    with open_library(settings.library) as library, interrupts() as came:
        try:
            looked = -LOOK_SECONDS
            while len(came) < 2:
                if time.monotonic() - looked >= LOOK_SECONDS:
                    library.jobs.take_back(is_dead)
                    looked = time.monotonic()
                if came:
                    tally.interrupted, tally.stop = True, tally.stop or "interrupted"
                if tally.stop:
                    _ask_to_stop(children)
                else:
                    children += _recruits(settings, children, num_workers, library.jobs)
                if not children:
                    break
                for child in _ready(children):
                    _listen(child, tally, watch)
                    if child.gone:
                        children.remove(child)
                        _bury(child, library.jobs, tally, watch)
        finally:
            for child in children:
                child.process.terminate()
            for child in children:
                _reap(child)
            library.jobs.take_back(is_dead)
    return tally


def _recruits(settings: Settings, children: list[_Child], num_workers: int, jobs: Jobs) -> list[_Child]:
    """New workers, as far as there are places for them and jobs that no worker is on its way to."""
    free = sorted(set(range(num_workers)) - {child.place for child in children})
    if not free:
        return []
    num_waiting = jobs.counts()[State.QUEUED] - sum(child.job is None and not child.left for child in children)
    return [_start(settings, place, num_workers) for place in free[: max(0, num_waiting)]]


def _start(settings: Settings, place: int, num_workers: int) -> _Child:
    """A worker in a process of its own, started afresh: a fork would share this one's library and threads."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_child, args=(settings, place, num_workers, theirs), daemon=True)
    with _ignored_interrupts():
        process.start()
    theirs.close()
    return _Child(place, process, ours)


def _ready(children: list[_Child]) -> list[_Child]:
    """The children that have something to say, or have gone; after a moment, none."""
    ready = connection.wait([child.pipe for child in children], timeout=STEP_SECONDS)
    return [child for child in children if child.pipe in ready]


def _listen(child: _Child, tally: Tally, watch: Watch | None) -> None:
    """Takes in what a child has said."""
    try:
        while child.pipe.poll():
            kind, said = child.pipe.recv()
            if kind == "name":
                child.name = said
            elif kind == "job":
                child.job = said
                _tell(watch, Event(child.place, said))
            elif kind == "step" and child.job is not None:
                _tell(watch, Event(child.place, child.job, *said))
            elif kind == "outcome" and child.job is not None:
                if said is not None:
                    tally.count(said)
                    _tell(watch, Event(child.place, child.job, outcome=said))
                child.job = None
            elif kind == "log":
                log.log(*said)
            elif kind == "broken":
                raise VoicematchError(said)
            elif kind == "left":
                child.left = True
    except (EOFError, OSError, pickle.UnpicklingError):  # it ended, perhaps in the middle of a word
        child.gone = True


def _bury(child: _Child, jobs: Jobs, tally: Tally, watch: Watch | None) -> None:
    """Sees to what a child that has gone leaves behind."""
    _reap(child)
    if child.left:
        return
    code = child.process.exitcode or 0
    how = f"signal {-code}" if code < 0 else f"exit {code}"
    job = jobs.crashed(child.name, how)
    if job is None:
        tally.count_unexpected(f"a worker died ({how})")
        return
    error = job.error or f"its worker died ({how})"
    log.warning("%s: %s", job.source, error)
    outcome = Outcome(job, job.state, 0.0, error=error, unexpected=True)
    tally.count(outcome)
    _tell(watch, Event(child.place, job, outcome=outcome))


def _reap(child: _Child) -> None:
    child.process.join(LEAVE_SECONDS)
    if child.process.exitcode is None:
        child.process.kill()
        child.process.join()
    child.pipe.close()


def _ask_to_stop(children: list[_Child]) -> None:
    for child in children:
        if not child.asked_to_stop:
            child.asked_to_stop = True
            with suppress(OSError):
                child.pipe.send("stop")


def _tell(watch: Watch | None, event: Event) -> None:
    if watch is not None:
        watch(event)


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """The signals to stop that came since, in place of a KeyboardInterrupt in the middle of something."""
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


@contextmanager
def _ignored_interrupts() -> Iterator[None]:
    """What is started in the block never hears ^C, which a terminal sends to all processes; this one tells them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# -- in the worker's process


def _child(settings: Settings, place: int, num_workers: int, pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _take_share_of_cores(place, num_workers)
    speaker = _Speaker(pipe)
    talk = _Talk(speaker)
    logging.getLogger("voicematch").addHandler(talk)
    try:
        worker = Worker(settings)
    except VoicematchError as error:
        speaker.say("broken", str(error))
        return
    speaker.stop = worker.stop
    speaker.say("name", worker.name)
    threading.Thread(target=_hear_stop, args=(pipe, worker.stop), daemon=True).start()
    try:
        while (job := worker.claim()) is not None:
            speaker.say("job", job)
            speaker.say("outcome", worker.work(job, speaker.step))
        speaker.say("left", None)
    except VoicematchError as error:  # the library itself
        speaker.say("broken", str(error))
    finally:
        worker.close()


def _hear_stop(pipe: Connection, stop: threading.Event) -> None:
    """Ends the worker when the run says so, or is no more."""
    with suppress(EOFError, OSError):
        pipe.recv()
    stop.set()


def _take_share_of_cores(place: int, num_workers: int) -> None:
    """As many threads in each worker as there are cores for it: the models take what the process may use."""
    if num_workers > 1 and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        with suppress(OSError):
            os.sched_setaffinity(0, cores[place % len(cores) :: num_workers])


class _Speaker:
    """A worker's way of telling the run what it does."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._said = ("", 0.0)
        self.stop: threading.Event | None = None

    def say(self, kind: str, what: Any) -> None:
        try:
            with self._lock:
                self._pipe.send((kind, what))
        except OSError:  # the run is no more
            if self.stop is not None:
                self.stop.set()

    def step(self, step: str, done: float, total: float) -> None:
        """Progress, but not more of it than can be looked at."""
        last, at = self._said
        if step != last or time.monotonic() - at >= STEP_SECONDS:
            self._said = (step, time.monotonic())
            self.say("step", (step, done, total))


class _Talk(logging.Handler):
    """Hands a worker's warnings to the run, which knows where they belong."""

    def __init__(self, speaker: _Speaker) -> None:
        super().__init__(logging.WARNING)
        self._speaker = speaker

    def emit(self, record: logging.LogRecord) -> None:
        self._speaker.say("log", (record.levelno, "%s", self.format(record)))
