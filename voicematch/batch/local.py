"""A run in processes of this machine: as many episodes at once as there are workers, and in memory no more."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from ..errors import VoicematchError
from ..library import Job, open_library
from .loop import Message, Watch, work_off
from .work import Settings, Tally, Worker

STEP_SECONDS = 0.2  # between two reports of a worker's progress
END_SECONDS = 5.0  # for a process that was told to end at once


def run(settings: Settings, *, num_workers: int = 1, watch: Watch | None = None) -> Tally:
    """Work the queue off in processes of this machine, and return how it went. See ``loop.work_off``."""
    with open_library(settings.library) as library:
        return work_off(library.jobs, _Processes(settings, num_workers), num_workers=num_workers, watch=watch)


class _Processes:
    """Workers in processes of their own, and the pipes to them, by place."""

    def __init__(self, settings: Settings, num_workers: int) -> None:
        self._settings = settings
        self._num_workers = num_workers
        self._children: dict[int, tuple[BaseProcess, Connection]] = {}

    def start(self, place: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would share this process's library and threads
        ours, theirs = context.Pipe()
        process = context.Process(target=_child, args=(self._settings, place, self._num_workers, theirs), daemon=True)
        with _ignored_interrupts():
            process.start()
        theirs.close()
        self._children[place] = process, ours

    def hear(self) -> Iterator[Message]:
        pipes = {place: pipe for place, (_, pipe) in self._children.items()}
        ready = connection.wait(list(pipes.values()), timeout=STEP_SECONDS)
        for place in [place for place, pipe in pipes.items() if pipe in ready]:
            try:
                while pipes[place].poll():
                    yield place, *pipes[place].recv()
            except (EOFError, OSError, pickle.UnpicklingError):  # it ended, perhaps in the middle of a word
                code = self._reap(place)
                yield place, "gone", f"signal {-code}" if code < 0 else f"exit {code}"

    def ask_to_stop(self, place: int) -> None:
        _, pipe = self._children[place]
        with suppress(OSError):
            pipe.send("stop")

    def end(self, place: int) -> None:
        self._children[place][0].terminate()
        self._reap(place)

    def _reap(self, place: int) -> int:
        """Wait until a process has ended, and return its exit code."""
        process, pipe = self._children.pop(place)
        process.join(END_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
        pipe.close()
        return process.exitcode or 0


@contextmanager
def _ignored_interrupts() -> Iterator[None]:
    """Start processes that never hear ^C, which a terminal sends to all of them; the run tells its workers."""
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run hears ^C, and says what to do
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # by which the run ends it at once
    _take_share_of_cores(place, num_workers)
    stop = threading.Event()
    speaker = _Speaker(pipe, stop)
    logging.getLogger("voicematch").addHandler(_Warnings(speaker))
    try:
        worker = Worker(settings, stop)
        speaker.say("name", worker.name)
        threading.Thread(target=_hear_stop, args=(pipe, stop), daemon=True).start()
        try:
            while (job := worker.claim()) is not None:
                speaker.begin(job)
                speaker.say("outcome", worker.work(job, speaker.step))
        finally:
            worker.close()
        speaker.say("left", None)
    except VoicematchError as error:  # of the models or the library, no episode's own
        speaker.say("broken", str(error))


def _hear_stop(pipe: Connection, stop: threading.Event) -> None:
    """End the worker when the run says so, or is no more."""
    with suppress(EOFError, OSError):
        pipe.recv()
    stop.set()


def _take_share_of_cores(place: int, num_workers: int) -> None:
    """Keep to as many cores as there are for each worker: the models take all that the process may use."""
    if num_workers > 1 and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        with suppress(OSError):
            os.sched_setaffinity(0, cores[place % len(cores) :: num_workers])


class _Speaker:
    """A worker's way of telling the run what it does."""

    def __init__(self, pipe: Connection, stop: threading.Event) -> None:
        self._pipe = pipe
        self._stop = stop
        self._lock = threading.Lock()
        self._job: Job | None = None
        self._last = ("", 0.0)

    def say(self, kind: str, what: Any) -> None:
        try:
            with self._lock:
                self._pipe.send((kind, what))
        except OSError:  # the run is no more
            self._stop.set()

    def begin(self, job: Job) -> None:
        self._job = job
        self.say("at", (job, "", 0.0, 0.0))

    def step(self, step: str, done: float, total: float) -> None:
        """Tell of progress, but not more often than anybody looks."""
        last_step, said = self._last
        if step != last_step or time.monotonic() - said >= STEP_SECONDS:
            self._last = (step, time.monotonic())
            self.say("at", (self._job, step, done, total))


class _Warnings(logging.Handler):
    """Hands a worker's warnings to the run, which knows where they belong."""

    def __init__(self, speaker: _Speaker) -> None:
        super().__init__(logging.WARNING)
        self._speaker = speaker

    def emit(self, record: logging.LogRecord) -> None:
        self._speaker.say("log", (record.levelno, self.format(record)))
