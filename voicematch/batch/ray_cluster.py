"""A run on a Ray cluster: the same jobs, worked off by actors that load the models once.

The queue is the library's, so that a run on a cluster survives, and stands beside other runs, as one on a single
machine does. The nodes need voicematch installed, the same library within reach, and for files the same paths.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import Any

from ..errors import VoicematchError
from ..library import Job, Jobs, State, open_library
from .liveness import is_dead
from .local import LOOK_SECONDS, Watch, interrupts
from .work import Event, Outcome, Settings, Tally, Worker

LOCAL = "local"  # the address of a cluster that is made on this machine for the run
STEP_SECONDS = 1.0  # between two looks at what the actors do
CONNECT_SECONDS = 10.0
LEAVE_SECONDS = 60.0  # for the stage in hand when a run is stopped


class Actor:
    """A worker in a process of a cluster. Two threads: one works, the other one answers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._worker: Worker | None = None
        self._at: tuple[Job | None, str, float, float] = (None, "", 0.0, 0.0)

    def begin(self) -> tuple[str, str]:
        """("name", the worker's) or ("broken", why it cannot work): a VoicematchError does not travel whole."""
        try:
            self._worker = Worker(self._settings)
        except VoicematchError as error:
            return "broken", str(error)
        return "name", self._worker.name

    def work(self) -> tuple[str, Any]:
        """("outcome", of the next job), ("idle", None) when there is none, ("broken", why)."""
        assert self._worker is not None
        try:
            job = self._worker.claim()
            if job is None:
                return "idle", None
            self._at = (job, "", 0.0, 0.0)
            return "outcome", self._worker.work(job, self._note)
        except VoicematchError as error:  # the library itself
            return "broken", str(error)
        finally:
            self._at = (None, "", 0.0, 0.0)

    def look(self) -> tuple[Job | None, str, float, float]:
        """The job in hand, and how far it is."""
        return self._at

    def stop(self) -> None:
        if self._worker is not None:
            self._worker.stop.set()

    def _note(self, step: str, done: float, total: float) -> None:
        self._at = (self._at[0], step, done, total)


@dataclass
class _Place:
    """One of the run's places for an episode, and the actor that has it."""

    number: int
    actor: Any
    name: str = ""
    job_id: int | None = None


def run(settings: Settings, address: str, *, num_workers: int = 1, watch: Watch | None = None) -> Tally:
    """How it went, as ``local.run`` has it, on the Ray cluster at an address.

    Raises VoicematchError when Ray is not installed, there is no such cluster, or its nodes cannot share the library.
    """
    ray = _connected(address)
    try:
        with open_library(settings.library) as library, interrupts() as came:
            if library.path is not None and len({node["NodeManagerHostname"] for node in ray.nodes()}) > 1:
                raise VoicematchError(
                    f"{library.location}: a file, which the cluster's nodes cannot share; use a PostgreSQL library"
                )
            return _Run(ray, settings, library.jobs, num_workers, watch).work_off(came)
    finally:
        ray.shutdown()


def _connected(address: str) -> Any:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise VoicematchError("Ray is not installed: pip install 'voicematch[ray]'") from error
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if host and port.isdigit():  # Ray itself would go on trying for many minutes
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise VoicematchError(f"no Ray cluster at {address}: {error.strerror or error}") from error
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise VoicematchError(f"no Ray cluster at {address}: {' '.join(str(error).split())[:200]}") from error
    return ray


class _Run:
    """A run while it lasts."""

    def __init__(self, ray: Any, settings: Settings, jobs: Jobs, num_workers: int, watch: Watch | None) -> None:
        self._ray = ray
        self._settings = settings
        self._jobs = jobs
        self._num_workers = num_workers
        self._watch = watch
        self._tally = Tally()
        self._pending: dict[Any, _Place] = {}

    def work_off(self, came: list[int]) -> Tally:
        looked = -LOOK_SECONDS
        stop_by = float("inf")
        while len(came) < 2 and time.monotonic() < stop_by:
            if time.monotonic() - looked >= LOOK_SECONDS:
                self._jobs.take_back(is_dead)
                looked = time.monotonic()
            if came and not self._tally.interrupted:
                self._tally.interrupted, self._tally.stop = True, self._tally.stop or "interrupted"
            if not self._tally.stop:
                self._recruit()
            elif stop_by == float("inf"):
                stop_by = time.monotonic() + LEAVE_SECONDS
                for place in self._pending.values():
                    place.actor.stop.remote()
            if not self._pending:
                break
            self._hear()
        for place in self._pending.values():
            self._ray.kill(place.actor)
            self._jobs.take_back(lambda worker, name=place.name: worker == name)  # type: ignore[misc]
        return self._tally

    def _recruit(self) -> None:
        """Actors for the free places, as far as there are jobs that none is on its way to."""
        free = sorted(set(range(self._num_workers)) - {place.number for place in self._pending.values()})
        if not free:
            return
        num_coming = sum(place.job_id is None for place in self._pending.values())
        num_waiting = self._jobs.counts()[State.QUEUED] - num_coming
        remote = self._ray.remote(num_cpus=1, max_concurrency=2)(Actor)
        for number in free[: max(0, num_waiting)]:
            actor = remote.remote(self._settings)
            self._pending[actor.begin.remote()] = _Place(number, actor)

    def _hear(self) -> None:
        """Takes in what the actors have to say, if they do so soon."""
        ready, _ = self._ray.wait(list(self._pending), num_returns=1, timeout=STEP_SECONDS)
        for answer in ready:
            place = self._pending.pop(answer)
            try:
                kind, said = self._ray.get(answer)
            except self._ray.exceptions.RayError as error:
                self._bury(place, type(error).__name__)
                continue
            if kind == "broken":
                raise VoicematchError(said)
            if kind == "name":
                place.name = said
            elif kind == "outcome" and said is not None:
                self._ended(place, said)
            if kind == "idle":
                self._ray.kill(place.actor)
            else:
                place.job_id = None
                self._pending[place.actor.work.remote()] = place
        self._look()

    def _look(self) -> None:
        asked = {place.actor.look.remote(): place for place in self._pending.values() if place.name}
        answered, _ = self._ray.wait(list(asked), num_returns=len(asked), timeout=STEP_SECONDS) if asked else ([], [])
        for answer in answered:
            place = asked[answer]
            try:
                job, step, done, total = self._ray.get(answer)
            except self._ray.exceptions.RayError:
                continue  # its work will say so, too
            if job is not None:
                if job.id != place.job_id:
                    place.job_id = job.id
                    self._tell(Event(place.number, job))
                self._tell(Event(place.number, job, step, done, total))

    def _bury(self, place: _Place, how: str) -> None:
        """Sees to what an actor that died leaves behind."""
        job = self._jobs.crashed(place.name, how)
        if job is None:
            self._tally.count_unexpected(f"a worker died ({how})")
        else:
            error = job.error or f"its worker died ({how})"
            self._ended(place, Outcome(job, job.state, 0.0, error=error, unexpected=True))

    def _ended(self, place: _Place, outcome: Outcome) -> None:
        self._tally.count(outcome)
        self._tell(Event(place.number, outcome.job, outcome=outcome))

    def _tell(self, event: Event) -> None:
        if self._watch is not None:
            self._watch(event)
