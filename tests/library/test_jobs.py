"""The backlog, in SQLite and in PostgreSQL."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from tests.support.library_example import episode
from voicematch.errors import LibraryError, OutputExists
from voicematch.library import Added, Job, JobSpeaker, Library, NewJob, State, open_library, schema


def new(*names: str, fingerprint: str = "1") -> list[NewJob]:
    return [
        NewJob(key=name, source=f"/audio/{name}.mp3", title=f"Title {name}", fingerprint=fingerprint) for name in names
    ]


def states(library: Library) -> dict[str, str]:
    return {job.key: str(job.state) for job in library.jobs.find()}


def claim(library: Library, worker: str = "w1") -> Job:
    job = library.jobs.claim(worker)
    assert job is not None
    return job


def nobody(_worker: str) -> bool:
    return False


def anything(_path: str) -> None:
    return


def test_what_is_added_is_kept_as_it_is(library: Library) -> None:
    given = NewJob(
        "k", "https://e.org/a.mp3", "A", "Show", "2024-01-02", 60.0, "f", {"guid": "g", "persons": [["Zoë", "host"]]}
    )
    assert library.jobs.add([given]) == Added(num_new=1)
    (job,) = library.jobs.find()
    assert (job.key, job.source, job.title, job.show, job.date, job.duration) == (
        given.key, given.source, given.title, given.show, given.date, given.duration,
    )  # fmt: skip
    assert (job.about, job.state, job.attempts, job.worker) == (given.about, State.QUEUED, 0, None)


def test_what_is_known_is_not_added_again(library: Library) -> None:
    assert library.jobs.add(new("a", "b", "a")) == Added(num_new=2, num_known=1)
    again = NewJob("another feed's key", "/audio/a.mp3", "The same recording")
    assert library.jobs.add([*new("b", "c"), again]) == Added(num_new=1, num_known=2)
    assert library.jobs.counts() == {State.QUEUED: 3, State.RUNNING: 0, State.DONE: 0, State.FAILED: 0}


def test_what_was_removed_is_queued_again_by_hand_alone(filled: Library) -> None:
    """And what a feed lists only when it is named."""
    of_feed = NewJob("feed#1", "https://e.org/1.mp3", "One", about={"feed": "https://e.org/feed"})
    offered = [*new("a"), of_feed]
    filled.jobs.add(offered)
    for _ in offered:
        filled.jobs.finish(claim(filled), "01" * 32)
    assert filled.jobs.add(offered, by_hand=True) == Added(num_known=2)
    filled.episodes.remove("Episode 1")
    assert filled.jobs.add(offered) == Added(num_known=2, num_removed=2)
    assert filled.jobs.retry() == 0
    assert filled.jobs.add(offered, by_hand=True) == Added(num_new=1, num_known=1, num_removed=1)
    assert filled.jobs.retry(["One"]) == 1
    assert states(filled) == {"a": "queued", "feed#1": "queued"}


def test_jobs_are_claimed_once_in_order(library: Library) -> None:
    library.jobs.add(new("a", "b"))
    first, second = claim(library), claim(library, "w2")
    assert [(job.key, job.state, job.attempts, job.worker) for job in (first, second)] == [
        ("a", State.RUNNING, 1, "w1"),
        ("b", State.RUNNING, 1, "w2"),
    ]
    assert library.jobs.claim("w3") is None


def test_many_workers_claim_each_job_once(library: Library) -> None:
    library.jobs.add(new(*(f"{n:03}" for n in range(60))))
    claimed: list[str] = []

    def work(worker: str) -> None:
        while (job := library.jobs.claim(worker)) is not None:
            claimed.append(job.key)
            assert library.jobs.finish(job, job.key)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == [f"{n:03}" for n in range(60)]
    assert library.jobs.counts()[State.DONE] == 60


def test_how_a_job_ends(library: Library) -> None:
    library.jobs.add(new("a", "b", "c"))
    assert library.jobs.finish(claim(library), "sha")
    assert library.jobs.fail(claim(library), "no sound", unexpected=False)
    assert library.jobs.release(claim(library))
    done, failed, queued = library.jobs.find()
    assert (done.state, done.audio_sha256, done.error, done.worker) == (State.DONE, "sha", None, None)
    assert (failed.state, failed.error, failed.unexpected) == (State.FAILED, "no sound", False)
    assert (queued.state, queued.attempts) == (State.QUEUED, 0)
    assert done.finished is not None
    assert library.jobs.find(State.FAILED, State.QUEUED) == (failed, queued)


def test_a_worker_that_comes_back_from_the_dead_changes_nothing(library: Library) -> None:
    """Its job is another worker's by now, or the same worker's second attempt."""
    library.jobs.add(new("a"))
    lost = claim(library)
    assert library.jobs.beat(lost)
    assert library.jobs.take_back(nobody, stale_seconds=-1) == 1
    taken = claim(library, "w1")
    assert not library.jobs.beat(lost)
    assert not library.jobs.finish(lost, "old")
    assert not library.jobs.fail(lost, "old", unexpected=True)
    assert not library.jobs.release(lost)
    assert library.jobs.finish(taken, "new")
    assert not library.jobs.finish(lost, "old")
    (job,) = library.jobs.find()
    assert (job.state, job.audio_sha256, job.attempts) == (State.DONE, "new", 2)


def test_a_clock_that_went_back_keeps_no_job(library: Library) -> None:
    library.jobs.add(new("a"))
    claim(library, "elsewhere")
    with library._database.write() as connection:
        connection.execute(schema.jobs.update().values(heartbeat=schema.jobs.c.heartbeat + 86_400.0))
    assert library.jobs.take_back(nobody) == 1


def test_only_lost_jobs_are_taken_back(library: Library) -> None:
    library.jobs.add(new("a", "b", "c"))
    claim(library, "dead")
    claim(library, "alive")
    assert library.jobs.take_back(nobody, stale_seconds=60) == 0
    assert library.jobs.take_back(lambda worker: worker == "dead") == 1
    assert states(library) == {"a": "queued", "b": "running", "c": "queued"}


def test_a_job_that_kills_its_workers_fails_in_the_end(library: Library) -> None:
    library.jobs.add(new("a"))
    for _ in range(2):
        claim(library)
        queued = library.jobs.crashed("w1", "signal 9")
        assert queued is not None
        assert queued.state is State.QUEUED
    claim(library)
    failed = library.jobs.crashed("w1", "signal 9")
    assert failed is not None
    assert (failed.state, failed.unexpected) == (State.FAILED, True)
    assert failed.error == "its worker died 3 times (signal 9); is there enough memory?"
    assert library.jobs.crashed("w1", "signal 9") is None


def test_failed_jobs_are_tried_again(library: Library) -> None:
    library.jobs.add(new("a", "b", "c", "d"))
    for _ in range(3):
        library.jobs.fail(claim(library), "no sound", unexpected=True)
    assert library.jobs.retry(["TITLE B"]) == 1
    assert states(library) == {"a": "failed", "b": "queued", "c": "failed", "d": "queued"}
    assert library.jobs.retry() == 2
    assert all((job.attempts, job.error, job.unexpected) == (0, None, False) for job in library.jobs.find())
    with pytest.raises(LibraryError, match="no failed job has zz in its title"):
        library.jobs.retry(["zz"])


def test_a_sound_that_has_changed_since_it_was_labelled(filled: Library) -> None:
    filled.jobs.add(new("a", "b"))
    filled.jobs.finish(claim(filled), "01" * 32)
    later = [NewJob(key, f"/audio/{key}-2.mp3", "New title", fingerprint="2") for key in "ab"]
    assert filled.jobs.add(later) == Added(num_known=1, num_changed=1)
    done, queued = filled.jobs.find()
    assert (done.source, done.changed is not None) == ("/audio/a.mp3", True)
    assert (queued.source, queued.changed) == ("/audio/b-2.mp3", None)
    assert filled.jobs.retry() == 0
    assert filled.jobs.retry(changed=True) == 1
    again, _ = filled.jobs.find()
    assert (again.state, again.source, again.title, again.changed) == (
        State.QUEUED,
        "/audio/a-2.mp3",
        "New title",
        None,
    )


def test_a_sound_that_is_offered_again_as_it_was_labelled(filled: Library) -> None:
    """Some servers tell another length each time."""
    filled.jobs.add(new("a"))
    filled.jobs.finish(claim(filled), "01" * 32)
    assert filled.jobs.add(new("a", fingerprint="2")) == Added(num_changed=1)
    assert filled.jobs.add(new("a")) == Added(num_known=1)
    assert [job.changed for job in filled.jobs.find()] == [None]
    assert filled.jobs.retry(changed=True) == 0


def test_what_was_removed_is_tried_again_with_the_address_it_has_now(filled: Library) -> None:
    """Some addresses are signed anew each time, and the last one has run out."""

    def signed(signature: str) -> NewJob:
        return NewJob("feed#1", f"https://e.org/1.mp3?{signature}", "One", fingerprint="1", about={"feed": "f"})

    filled.jobs.add([signed("old")])
    filled.jobs.finish(claim(filled), "01" * 32)
    filled.episodes.remove("Episode 1")
    assert filled.jobs.add([signed("new")], by_hand=True) == Added(num_known=1, num_removed=1)
    assert filled.jobs.retry(["One"]) == 1
    assert claim(filled).source == "https://e.org/1.mp3?new"


def test_a_file_is_one_jobs_output(library: Library) -> None:
    library.jobs.add(new("a", "b"))
    first, second = claim(library), claim(library)
    wanted = {"srt": ("/out/x.srt", "/out/x-1.srt"), "vtt": ("/out/x.vtt", "/out/x-1.vtt")}
    assert library.jobs.reserve(first, wanted, anything) == {"srt": "/out/x.srt", "vtt": "/out/x.vtt"}
    other = {"srt": ("/out/x.srt", "/out/x-2.srt"), "json": ("/out/x.json", "/out/x-2.json")}
    for _ in range(2):
        assert library.jobs.reserve(second, other, anything) == {"srt": "/out/x-2.srt", "json": "/out/x-2.json"}
    library.jobs.finish(second, "sha")
    assert [str(output.path) for output in library.outputs.of("sha")] == ["/out/x-2.json", "/out/x-2.srt"]
    assert library.outputs.of("another") == ()


def test_what_is_not_the_jobs_own_is_refused(library: Library) -> None:
    library.jobs.add(new("a"))
    job = claim(library)
    asked: list[str] = []

    def refuse(path: str) -> None:
        asked.append(path)
        if path.endswith("vtt"):
            raise OutputExists(path)

    library.jobs.reserve(job, {"srt": ("/out/x.srt", "")}, refuse)
    with pytest.raises(OutputExists):
        library.jobs.reserve(job, {"srt": ("/out/x.srt", ""), "vtt": ("/out/x.vtt", "")}, refuse)
    with pytest.raises(OutputExists):
        library.jobs.reserve(job, {"vtt": ("/out/x.vtt", "")}, refuse)
    assert asked == ["/out/x.srt", "/out/x.vtt", "/out/x.vtt"]


def test_who_speaks_in_what_is_done(filled: Library) -> None:
    stored = episode()
    filled.jobs.add(new("a", "b"))
    filled.jobs.finish(claim(filled), stored.audio_sha256)
    found = filled.jobs.voices()
    assert list(found) == [filled.jobs.find(State.DONE)[0].id]
    (of_job,) = found.values()
    talk = stored.talk_seconds()
    assert {voice.speaker: voice.talk_seconds for voice in of_job} == pytest.approx(talk)
    assert [voice.talk_seconds for voice in of_job] == sorted(talk.values(), reverse=True)
    assert {voice.name for voice in of_job if voice.name} == {
        found.profile for found in stored.matches.values() if found.verdict == "accept"
    }
    assert isinstance(of_job[0], JobSpeaker)


def test_a_library_from_before_the_backlog_gets_one(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parent.parent / "fixtures" / "library-0001.db", tmp_path / "library.db")
    for expected in (Added(num_new=1), Added(num_known=1)):
        with open_library(tmp_path / "library.db") as library:
            assert library.jobs.add(new("a")) == expected
            assert library.listings.episodes()[0]
