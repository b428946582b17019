"""The loop of a run with workers that only say what a test has them say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from voicematch.batch import Event, Outcome, Settings
from voicematch.batch.loop import Message, work_off
from voicematch.batch.ray_cluster import Actor
from voicematch.errors import VoicematchError
from voicematch.library import Library, NewJob, State, open_library

NAME = "elsewhere:1:2:3"  # of a worker on another machine: nobody can tell whether it lives


@pytest.fixture(name="backlog")
def _backlog(tmp_path: Path) -> Iterator[Library]:
    with open_library(tmp_path / "library.db", embedder="fake", dimension=8) as library:
        library.jobs.add(NewJob(name, f"{name}.wav", name) for name in ("one", "two"))
        yield library


class Script:
    """A crew of one that says what is next in a script, each time it is heard."""

    def __init__(self, *said: Sequence[tuple[str, object]]) -> None:
        self._said = list(said)
        self.did: list[str] = []

    def start(self, place: int) -> None:
        self.did.append("start")

    def hear(self) -> Iterator[Message]:
        for kind, what in self._said.pop(0):
            yield 0, kind, what

    def ask_to_stop(self, place: int) -> None:
        self.did.append("ask")

    def end(self, place: int) -> None:
        self.did.append("end")


def test_who_watches_hears_of_a_beginning_once_and_of_each_step(backlog: Library) -> None:
    job = backlog.jobs.claim(NAME)
    assert job is not None
    done = Outcome(job, State.DONE, 1.0)
    crew = Script(
        [("name", NAME), ("at", (job, "listen", 1.0, 2.0))],
        [("at", (job, "listen", 2.0, 2.0)), ("outcome", done)],
        [("left", None), ("gone", "")],
    )
    events: list[Event] = []

    def watch(event: Event) -> None:
        events.append(event)
        if event.outcome is not None:
            assert backlog.jobs.claim("elsewhere:4:5:6") is not None  # what is left is another run's

    tally = work_off(backlog.jobs, crew, watch=watch)
    assert [(event.step, event.done, event.outcome) for event in events] == [
        ("", 0.0, None),
        ("listen", 1.0, None),
        ("listen", 2.0, None),
        ("", 0.0, done),
    ]
    assert (tally.num_done, tally.stop) == (1, "")


def test_deaths_before_a_job_stop_a_run(backlog: Library) -> None:
    crew = Script(*[[("gone", "exit 1")]] * 3)
    assert work_off(backlog.jobs, crew).stop.startswith("3 failures in a row")
    assert crew.did == ["start"] * 3


def test_workers_asked_to_stop_may_finish_their_step(backlog: Library) -> None:
    job = backlog.jobs.claim(NAME)
    assert job is not None
    failed = [("outcome", Outcome(job, State.FAILED, 1.0, error="a fault", unexpected=True))] * 3
    crew = Script([("name", NAME), *failed], [], [("outcome", None), ("left", None), ("gone", "")])
    assert "the last: a fault" in work_off(backlog.jobs, crew).stop
    assert crew.did == ["start", "ask"]


def test_what_the_others_have_in_hand_is_queued_again_when_one_cannot_work(backlog: Library) -> None:
    job = backlog.jobs.claim(NAME)
    crew = Script([("name", NAME), ("at", (job, "", 0.0, 0.0))], [("broken", "no such model")])
    with pytest.raises(VoicematchError, match="no such model"):
        work_off(backlog.jobs, crew)
    assert crew.did == ["start", "end"]
    assert backlog.jobs.counts()[State.QUEUED] == 2


def test_an_actor_that_is_stopped_before_it_begins_takes_no_job(backlog: Library) -> None:
    from tests.support.tones import ENGINES

    actor = Actor(Settings(backlog.location, engines=ENGINES))
    actor.stop()
    assert actor.begin()[0] == "name"
    assert actor.work() == ("left", None)
    assert backlog.jobs.counts()[State.QUEUED] == 2
