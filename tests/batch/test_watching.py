"""Watching: what is new is labelled, what is being written waits, what fails is asked later, and one watches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.library_example import episode
from tests.support.tones import write_episode
from voicematch.batch import Found, Tally, find
from voicematch.batch.liveness import worker_name
from voicematch.batch.watching import SILENT, STILL, WATCHER, watch
from voicematch.errors import AudioError, LibraryError, VoicematchError
from voicematch.library import Library, NewJob, State, open_library

WEB = "https://example.org/feed.xml"


@pytest.fixture(name="library")
def _library(tmp_path: Path) -> Iterator[Library]:
    with open_library(tmp_path / "library.db", embedder="fake", dimension=8) as opened:
        yield opened


class World:
    """A clock that only waiting moves, what is said, and how often the queue was worked off."""

    def __init__(self, library: Library, *, rounds: int, at: float | None = None) -> None:
        self.library = library
        self.at = time.time() if at is None else at
        self.said: list[str] = []
        self.waits: list[float] = []
        self.runs: list[list[str]] = []
        self._until = rounds
        self.between: Callable[[int], None] = lambda number: None

    def sleep(self, seconds: float) -> bool:
        self.at += seconds
        self.waits.append(seconds)
        self.between(len(self.waits))
        return len(self.waits) < self._until

    def run(self) -> Tally:
        done = []
        while (job := self.library.jobs.claim("elsewhere:1:2:3")) is not None:
            done.append(job.title)
            self.library.jobs.finish(job, "ab" * 32)
        self.runs.append(done)
        return Tally(num_done=len(done))

    def watch(self, *sources: str | Path, look: Callable[[str], Found] | None = None, every: float = 60.0) -> Tally:
        return watch(
            [str(source) for source in sources],
            self.library,
            every=every,
            look=look or (lambda source: find([source])),
            run=self.run,
            sleep=self.sleep,
            say=self.said.append,
            now=lambda: self.at,
        )


def test_what_comes_is_labelled_and_what_was_there_is_not_again(library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "show"
    os.utime(write_episode(folder / "one.wav", "A"), (1, 1))
    world = World(library, rounds=4)

    def between(number: int) -> None:
        if number == 1:
            os.utime(write_episode(folder / "two.wav", "B"), (1, 1))

    world.between = between
    assert world.watch(folder).interrupted
    assert world.runs == [["one"], ["two"]]
    assert world.said[0] == f"1 new in {folder}"
    assert "waiting until " in world.said[1]
    assert f"for what is new in {folder}; ^C stops" in world.said[1]
    assert library.settings.of_library(WATCHER) is None


def test_what_is_not_labelled_again_is_said_once(library: Library, tmp_path: Path) -> None:
    """A file with another sound than was labelled, and one whose episode was removed."""
    changed, removed = (write_episode(tmp_path / "show" / f"{name}.wav", "A") for name in ("one", "two"))
    for path in (changed, removed):
        os.utime(path, (1, 1))
    library.jobs.add(find([changed, removed]).jobs)
    library.episodes.store(replace(episode(matches={}), embedder="fake"), {})
    for sha256 in ("01" * 32, "ab" * 32):
        job = library.jobs.claim("w")
        assert job is not None
        library.jobs.finish(job, sha256)
    os.utime(write_episode(changed, "AB"), (1, 1))
    world = World(library, rounds=4)
    world.watch(tmp_path / "show")
    assert world.runs == []
    assert [line for line in world.said if "waiting" not in line] == [
        f"1 in {tmp_path / 'show'} offer another sound than was labelled; voicematch batch retry --changed",
        f"1 in {tmp_path / 'show'} were removed, and stay so; voicematch batch retry TITLE",
    ]


def test_a_file_that_is_being_written_waits_until_it_is_still(library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "show"
    file = write_episode(folder / "one.wav", "A")
    world = World(library, rounds=6, at=file.stat().st_mtime)

    def between(number: int) -> None:
        if number == 1:  # it grows
            write_episode(folder / "one.wav", "AB")
            os.utime(file, (world.at, world.at))

    world.between = between
    world.watch(folder, every=3600.0)
    assert world.runs == [["one"]]
    assert world.said.count(f"1 still being written in {folder}: one.wav") == 2
    assert world.waits[:2] == [STILL, STILL]  # sooner than the hour


def test_a_file_dated_by_another_clock_is_taken_once_it_is_still(library: Library, tmp_path: Path) -> None:
    file = write_episode(tmp_path / "show" / "one.wav", "A")
    world = World(library, rounds=4)
    os.utime(file, (world.at + 9999, world.at + 9999))
    world.watch(tmp_path / "show", every=3600.0)
    assert world.runs == [["one"]]


def test_a_feed_that_cannot_be_had_is_asked_later_and_later(library: Library) -> None:
    asked: list[float] = []
    world = World(library, rounds=20)

    def look(source: str) -> Found:
        asked.append(world.at)
        if len(asked) < 4:
            raise AudioError(source, "cannot be reached: no network")
        return Found((NewJob("one", "https://example.org/one.mp3", "one"),))

    world.watch(WEB, look=look)
    assert [round(b - a) for a, b in pairwise(asked)][:5] == [60, 120, 240, 60, 60]
    assert world.runs == [["one"]]
    assert any(line.startswith(f"{WEB}: cannot be reached: no network; asked again at ") for line in world.said)


def test_an_episode_from_the_web_that_failed_is_tried_again_but_not_for_ever(library: Library, tmp_path: Path) -> None:
    library.jobs.add([NewJob("one", "https://example.org/one.mp3", "one"), NewJob("two", str(tmp_path / "t"), "two")])
    world, tries = World(library, rounds=600), []

    def run() -> Tally:
        while (job := library.jobs.claim("elsewhere:1:2:3")) is not None:
            tries.append(job.title)
            library.jobs.fail(job, "no network", unexpected=False)
        return Tally()

    world.run = run  # type: ignore[method-assign]
    world.watch(WEB, look=lambda source: Found())
    assert (tries.count("one"), tries.count("two")) == (6, 1)
    assert library.jobs.counts()[State.FAILED] == 2


def test_a_run_that_is_stopped_ends_the_watch(library: Library) -> None:
    world = World(library, rounds=9)
    world.run = lambda: Tally(interrupted=True)  # type: ignore[method-assign]
    library.jobs.add([NewJob("one", "one.wav", "one")])
    assert world.watch(WEB, look=lambda source: Found()).interrupted
    assert world.waits == []


def test_a_run_that_gives_up_is_said_and_the_watch_goes_on(library: Library) -> None:
    world = World(library, rounds=1)
    world.run = lambda: Tally(stop="3 failures in a row")  # type: ignore[method-assign]
    library.jobs.add([NewJob("one", "one.wav", "one")])
    world.watch(WEB, look=lambda source: Found())
    assert world.said[0] == "stopped after 3 failures in a row"


def test_a_path_that_was_never_there_is_an_error_at_once(library: Library, tmp_path: Path) -> None:
    with pytest.raises(VoicematchError, match="no such file, folder"):
        World(library, rounds=1).watch(tmp_path / "shwo")


def test_a_folder_that_goes_is_asked_for_again(library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "stick"
    folder.mkdir()
    world = World(library, rounds=5)

    def between(number: int) -> None:
        if number == 1:
            folder.rmdir()
        if number == 2:
            os.utime(write_episode(folder / "one.wav", "A"), (1, 1))

    world.between = between
    world.watch(folder)
    assert world.runs == [["one"]]
    assert any("no such file" in line and "asked again at" in line for line in world.said)


@pytest.mark.parametrize("seen_before", [0.0, SILENT - 1])
def test_a_second_watch_of_a_library_is_refused(library: Library, seen_before: float) -> None:
    world = World(library, rounds=1)
    other = "elsewhere:12:1:ab" if seen_before else worker_name()
    library.settings.set_of_library(WATCHER, json.dumps({"name": other, "seen": world.at - seen_before}))
    with pytest.raises(LibraryError, match="another watch of it is at work"):
        world.watch(WEB, look=lambda source: Found())
    assert other in str(library.settings.of_library(WATCHER))


@pytest.mark.parametrize("ago", [SILENT + 1, -86_400.0])  # the latter by a clock that has gone back since
def test_a_watch_elsewhere_that_gives_no_sign_is_followed(library: Library, ago: float) -> None:
    world = World(library, rounds=1)
    holder = {"name": "elsewhere:12:1:ab", "seen": world.at - ago}
    library.settings.set_of_library(WATCHER, json.dumps(holder))
    assert world.watch(WEB, look=lambda source: Found()).interrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_watch_that_is_stopped_or_killed_is_begun_again_at_once(tmp_path: Path, number: signal.Signals) -> None:
    library, folder = tmp_path / "library.db", tmp_path / "show"
    folder.mkdir()
    command = [sys.executable, "-m", "voicematch", "batch", "watch", str(folder), "--every", "1h"]
    command += ["--library", str(library)]
    for _ in range(2):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        assert "waiting until" in process.stderr.readline()
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        if number == signal.SIGKILL:
            assert process.returncode == -9
        else:
            assert (process.returncode, "goes on where it was" in err) == (130, True)
    with open_library(library) as opened:
        assert (opened.settings.of_library(WATCHER) is not None) == (number == signal.SIGKILL)
