"""A run on a Ray cluster: the same jobs, worked off by actors that load the models once.

The queue is the library's, so that a run on a cluster survives, and stands beside other runs, as one on a single
machine does. The nodes need voicematch installed, the same library within reach, and for files the same paths.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import VoicematchError
from ..library import Job, open_library
from ..net import reports
from .loop import Message, Watch, work_off
from .work import Settings, Tally, Worker

LOCAL = "local"  # the address of a cluster that is made on this machine for the run
STEP_SECONDS = 1.0  # between two looks at what the actors do
CONNECT_SECONDS = 10.0


class Actor:
    """A worker in a process of a cluster. Two threads: one works, the other one answers.

    What it answers is of the kinds of ``loop.Crew.hear``: a VoicematchError would not travel whole.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._worker: Worker | None = None
        self._at: tuple[Job, str, float, float] | None = None

    def begin(self) -> tuple[str, str]:
        """Load the models. Return ("name", the worker's), or ("broken", why)."""
        try:
            self._worker = Worker(self._settings, self._stop)
        except VoicematchError as error:
            return "broken", str(error)
        return "name", self._worker.name

    def work(self) -> tuple[str, Any]:
        """Do the next job. Return ("outcome", its), ("left", None) when there is none, or ("broken", why)."""
        assert self._worker is not None
        try:
            job = self._worker.claim()
            if job is None:
                return "left", None
            self._at = (job, "", 0.0, 0.0)
            return "outcome", self._worker.work(job, self._note)
        except VoicematchError as error:  # the library itself
            return "broken", str(error)
        finally:
            self._at = None

    def look(self) -> tuple[Job, str, float, float] | None:
        """Return the job in hand, and how far it is."""
        return self._at

    def stop(self) -> None:
        self._stop.set()

    def _note(self, step: str, done: float, total: float) -> None:
        if self._at is not None:
            self._at = (self._at[0], step, done, total)


def run(settings: Settings, address: str, *, num_workers: int = 1, watch: Watch | None = None) -> Tally:
    """Work the queue off on the Ray cluster at an address, and return how it went. See ``loop.work_off``.

    Raises VoicematchError when Ray is not installed, there is no such cluster, or its nodes cannot share the library.
    """
    with _connected(address) as ray, open_library(settings.library) as library:
        if library.path is not None and len({node["NodeManagerHostname"] for node in ray.nodes()}) > 1:
            raise VoicematchError(
                f"{library.location}: a file, which the cluster's nodes cannot share; use a PostgreSQL library"
            )
        return work_off(library.jobs, _Actors(ray, settings), num_workers=num_workers, watch=watch)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Ray, on the cluster at an address. Of one that is made for the run, nothing is left on this machine."""
    try:
        import ray
    except ModuleNotFoundError as error:
        raise VoicematchError("Ray is not installed: pip install 'voicematch[ray]'") from error
    if address != LOCAL:
        _connect(ray, address)
        try:
            yield ray
        finally:
            ray.shutdown()
        return
    reports.switch_off_ray()
    if "RAY_AUTH_TOKEN_PATH" not in os.environ and not (Path.home() / ".ray" / "auth_token").exists():
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else it writes one into that file
    # Its sockets lie in it, whose paths may have some 100 characters; macOS' own temp folder takes half of them.
    within = "/tmp" if sys.platform == "darwin" else None
    with TemporaryDirectory(prefix="ray", dir=within, ignore_cleanup_errors=True) as folder:
        try:
            _connect(ray, address, _temp_dir=folder)
            yield ray
        finally:
            ray.shutdown()


def _connect(ray: Any, address: str, **options: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if host and port.isdigit():  # Ray itself would go on trying for many minutes
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise VoicematchError(f"no Ray cluster at {address}: {error.strerror or error}") from error
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", include_dashboard=False, **options)
    except Exception as error:  # Ray raises bare ones
        raise VoicematchError(f"no Ray cluster at {address}: {' '.join(str(error).split())[:200]}") from error


class _Actors:
    """Workers in actors, by place, and what they were asked: to begin, or to work on the next job."""

    def __init__(self, ray: Any, settings: Settings) -> None:
        self._ray = ray
        self._settings = settings
        self._actors: dict[int, Any] = {}
        self._begun: set[int] = set()
        self._asked: dict[Any, int] = {}  # place by answer to come

    def start(self, place: int) -> None:
        actor = self._ray.remote(num_cpus=1, max_concurrency=2)(Actor).remote(self._settings)
        self._actors[place] = actor
        self._asked[actor.begin.remote()] = place

    def hear(self) -> Iterator[Message]:
        answered, _ = self._ray.wait(list(self._asked), num_returns=1, timeout=STEP_SECONDS)
        for answer in answered:
            place = self._asked.pop(answer)
            try:
                kind, what = self._ray.get(answer)
            except self._ray.exceptions.RayError as error:
                self.end(place)
                yield place, "gone", type(error).__name__
                continue
            yield place, kind, what
            self._begun.add(place)
            if kind == "left":
                self.end(place)
                yield place, "gone", ""
            else:
                self._asked[self._actors[place].work.remote()] = place
        yield from self._look()

    def _look(self) -> Iterator[Message]:
        """Yield how far the actors are that have begun and answer soon."""
        asked = {self._actors[place].look.remote(): place for place in self._begun}
        answered, _ = self._ray.wait(list(asked), num_returns=len(asked), timeout=STEP_SECONDS) if asked else ([], [])
        for answer in answered:
            try:
                at = self._ray.get(answer)
            except self._ray.exceptions.RayError:
                continue  # its work will say so, too
            if at is not None:
                yield asked[answer], "at", at

    def ask_to_stop(self, place: int) -> None:
        self._actors[place].stop.remote()

    def end(self, place: int) -> None:
        self._begun.discard(place)
        self._ray.kill(self._actors.pop(place))
