"""A backlog from its first claim to its report, with workers that fail, die and come back."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.batch.test_feeds import SRT, rss
from tests.support.fakes import FakeEmbedder
from tests.support.loopback import Page, Site, serve
from tests.support.tones import ENGINES, SLOW_ENGINES, write_episode
from tests.usecases.test_identify import CALIBRATION
from voicematch.batch import Event, Settings, as_json, as_markdown, find, run
from voicematch.batch.liveness import is_dead, machine, worker_name
from voicematch.batch.work import Tally, Worker
from voicematch.errors import VoicematchError
from voicematch.library import Library, State, open_library
from voicematch.usecases.chosen import Engines
from voicematch.usecases.identify import identify


@pytest.fixture(name="site")
def _site() -> Iterator[Site]:
    with serve() as running:
        yield running


@pytest.fixture(name="settings")
def _settings(tmp_path: Path) -> Settings:
    with open_library(tmp_path / "library.db", embedder="fake", dimension=8) as library:
        library.settings.set("calibration", CALIBRATION.to_json())
        return Settings(str(tmp_path / "library.db"), cache=tmp_path / "cache", engines=ENGINES)


@pytest.fixture(name="backlog")
def _backlog(settings: Settings) -> Iterator[Library]:
    with open_library(settings.library) as library:
        yield library


def queue(library: Library, *paths: Path | str) -> None:
    library.jobs.add(find(paths).jobs)


def states(library: Library) -> dict[str, str]:
    return {job.title: str(job.state) for job in library.jobs.find()}


# -- one worker


def work(worker: Worker) -> str:
    """What came of the next job, in a word."""
    claimed = worker.claim()
    if claimed is None:
        return "nothing to do"
    outcome = worker.work(claimed)
    return "given up" if outcome is None else str(outcome.state) + (" unexpectedly" if outcome.unexpected else "")


def test_an_episode_is_labelled_and_written(settings: Settings, backlog: Library, tmp_path: Path) -> None:
    queue(backlog, write_episode(tmp_path / "show" / "one.wav", "ABA"))
    worker = Worker(replace(settings, formats=("json", "rttm")))
    assert [work(worker), work(worker)] == ["done", "nothing to do"]
    worker.close()
    (done,) = backlog.jobs.find(State.DONE)
    assert [voice.talk_seconds for voice in backlog.jobs.voices()[done.id]] == pytest.approx([2, 1], abs=0.01)
    assert json.loads((tmp_path / "show" / "one.json").read_text())["duration"] == pytest.approx(3)
    assert (tmp_path / "show" / "one.rttm").read_text().count("SPEAKER one 1") == 3
    assert done.audio_sha256 is not None
    assert [output.path.name for output in backlog.outputs.of(done.audio_sha256)] == ["one.json", "one.rttm"]


def test_an_entry_is_fetched_with_its_transcript(
    settings: Settings, backlog: Library, site: Site, tmp_path: Path
) -> None:
    site.pages["/1.wav"] = Page(write_episode(tmp_path / "1.wav", "AB"))
    site.pages["/1.srt"] = Page(SRT.encode())
    site.pages["/1.json"] = Page(b'{"chapters": [{"startTime": 1, "title": "Two"}, {"startTime": 0, "title": "One"}]}')
    entry = """<item><guid>1</guid><title>../One</title><enclosure url="/1.wav"/>
      <podcast:chapters url="/1.json"/><podcast:transcript url="/1.srt" type="application/srt"/></item>"""
    site.pages["/feed"] = Page(rss(entry))
    queue(backlog, f"{site.url}/feed")
    worker = Worker(replace(settings, formats=("srt",), out=str(tmp_path / "out")))
    assert work(worker) == "done"
    worker.close()
    assert "Hello" in (tmp_path / "out" / "The Show" / "undated-One.srt").read_text()
    (done,) = backlog.jobs.find(State.DONE)
    episode = backlog.episodes.get(done.audio_sha256 or "")
    assert (episode.source, episode.title, episode.show) == (f"{site.url}/1.wav", "../One", "The Show")
    assert [(chapter.start, chapter.title) for chapter in episode.chapters] == [(0.0, "One"), (1.0, "Two")]


def test_what_was_no_sound_is_fetched_again(settings: Settings, backlog: Library, site: Site, tmp_path: Path) -> None:
    """A page to log in, as hotels have them, comes in place of everything, and with 200 OK."""
    site.pages["/1.wav"] = Page(b"<!doctype html><title>Welcome</title>")
    queue(backlog, f"{site.url}/1.wav")
    worker = Worker(settings)
    assert work(worker) == "failed"
    site.pages["/1.wav"] = Page(write_episode(tmp_path / "1.wav", "AB"))
    assert backlog.jobs.retry() == 1
    assert work(worker) == "done"
    worker.close()


def test_the_same_sound_in_two_shows_is_listed_in_both_and_heard_once(
    settings: Settings, backlog: Library, site: Site, tmp_path: Path
) -> None:
    site.pages["/1.wav"] = Page(write_episode(tmp_path / "1.wav", "AB"))
    entry = '<item><guid>{}</guid><title>{}</title><enclosure url="/1.wav" length="5"/></item>'
    site.pages["/one"] = Page(rss(entry.format("a", "First"), entry.format("a2", "First again")))
    site.pages["/two"] = Page(rss(entry.format("b", "Second")).replace(b"The Show", b"Other Show"))
    queue(backlog, f"{site.url}/one", f"{site.url}/two")
    assert [(job.show, job.title) for job in backlog.jobs.find()] == [("The Show", "First"), ("Other Show", "Second")]
    worker = Worker(replace(settings, formats=("md",), out=str(tmp_path / "out")))
    assert [work(worker), work(worker)] == ["done", "done"]
    worker.close()
    files = [tmp_path / "out" / name for name in ("The Show/undated-First.md", "Other Show/undated-Second.md")]
    assert [file.read_text().splitlines()[1] for file in files] == ['title: "First"', 'title: "Second"']
    (sha256,) = {job.audio_sha256 for job in backlog.jobs.find(State.DONE)}
    assert [path for path, *_ in site.asked].count("/1.wav") == 1
    content = backlog.listings.episode(sha256 or "")
    shows = {content.summary.show, *(other.show for other in content.also)}
    assert shows == {"The Show", "Other Show"}
    assert len(content.also) == 1


def test_chapters_that_cannot_be_had_are_left_out(
    settings: Settings, backlog: Library, site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site.pages["/1.wav"] = Page(write_episode(tmp_path / "1.wav", "AB"))
    entry = '<item><title>1</title><enclosure url="/1.wav"/><podcast:chapters url="/absent.json"/></item>'
    site.pages["/feed"] = Page(rss(entry))
    queue(backlog, f"{site.url}/feed")
    worker = Worker(settings)
    assert work(worker) == "done"
    worker.close()
    assert "chapters left out: " in caplog.text


def test_a_file_changed_by_hand_is_not_overwritten_by_doing_its_episode_again(
    settings: Settings, backlog: Library, tmp_path: Path
) -> None:
    queue(backlog, write_episode(tmp_path / "one.wav", "ABA"))
    first = Worker(replace(settings, formats=("txt",)))
    assert work(first) == "done"
    (done,) = backlog.jobs.find(State.DONE)
    assert done.audio_sha256 is not None
    backlog.jobs.again([done.audio_sha256])
    assert work(first) == "done"
    (tmp_path / "one.txt").write_text("by hand", encoding="utf-8")
    backlog.jobs.again([done.audio_sha256])
    assert work(first) == "failed"
    first.close()
    (failed,) = backlog.jobs.find(State.FAILED)
    assert failed.error is not None
    assert failed.error.endswith("one.txt was changed since voicematch wrote it; --force overwrites it")
    backlog.jobs.retry()
    forced = Worker(replace(settings, formats=("txt",), force=True))
    assert work(forced) == "done"
    forced.close()
    assert (tmp_path / "one.txt").read_text(encoding="utf-8") != "by hand"


def test_an_entry_whose_sound_has_changed_is_labelled_again(
    settings: Settings, backlog: Library, site: Site, tmp_path: Path
) -> None:
    worker = Worker(settings)
    for voices in ("AB", "ABC"):
        path = write_episode(tmp_path / f"{voices}.wav", voices)
        site.pages["/1.wav"] = Page(path)
        entry = f'<item><guid>1</guid><title>One</title><enclosure url="/1.wav" length="{path.stat().st_size}"/></item>'
        site.pages["/feed"] = Page(rss(entry))
        added = backlog.jobs.add(find([f"{site.url}/feed"]).jobs)
        assert (added.num_new, added.num_changed) == ((1, 0) if voices == "AB" else (0, 1))
        assert backlog.jobs.retry(changed=True) == added.num_changed
        assert work(worker) == "done"
    worker.close()
    (done,) = backlog.jobs.find(State.DONE)
    assert len(backlog.jobs.voices()[done.id]) == 3


def test_failures_are_told_apart(settings: Settings, backlog: Library, tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"not sound")
    queue(backlog, tmp_path / "broken.wav", write_episode(tmp_path / "bug.wav", "A"))
    worker = Worker(settings)
    assert [work(worker), work(worker)] == ["failed", "failed unexpectedly"]
    worker.close()
    broken, bug = backlog.jobs.find(State.FAILED)
    assert "is not a sound file" in str(broken.error)
    assert (bug.error, bug.unexpected) == ("ZeroDivisionError: in bug", True)


def test_where_nothing_can_be_written_nothing_is_heard(settings: Settings, backlog: Library, tmp_path: Path) -> None:
    queue(backlog, write_episode(tmp_path / "bug.wav", "A"))  # a bug that would come to light in listening
    (tmp_path / "out").write_text("a file")
    worker = Worker(replace(settings, formats=("json",), out=str(tmp_path / "out" / "{show}" / "{name}")))
    assert work(worker) == "failed unexpectedly"
    worker.close()
    assert backlog.jobs.find()[0].error == f"{tmp_path / 'out'} is a file, not a folder"


def test_a_file_of_someone_elses_is_not_overwritten(settings: Settings, backlog: Library, tmp_path: Path) -> None:
    queue(backlog, write_episode(tmp_path / "one.wav", "A"))
    (tmp_path / "one.json").write_text("mine")
    worker = Worker(replace(settings, formats=("json",)))
    assert work(worker) == "failed"
    worker.close()
    assert (tmp_path / "one.json").read_text() == "mine"
    assert "--force overwrites it" in str(backlog.jobs.find()[0].error)
    backlog.jobs.retry()
    for force in (True, False):  # once written by this job, it is its own
        worker = Worker(replace(settings, formats=("json",), force=force))
        assert work(worker) == "done"
        worker.close()
        with backlog._database.write() as connection:
            connection.exec_driver_sql("UPDATE jobs SET state = 'queued'")


def test_two_episodes_of_one_name(settings: Settings, backlog: Library, tmp_path: Path) -> None:
    queue(backlog, write_episode(tmp_path / "a" / "ep.wav", "A"), write_episode(tmp_path / "b" / "ep.wav", "B"))
    worker = Worker(replace(settings, formats=("json",), out=str(tmp_path / "out")))
    assert [work(worker), work(worker)] == ["done", "done"]
    worker.close()
    written = {json.loads(path.read_text())["source"] for path in (tmp_path / "out").iterdir()}
    assert written == {str(tmp_path / "a" / "ep.wav"), str(tmp_path / "b" / "ep.wav")}


def test_a_worker_that_lost_its_job_writes_nothing(settings: Settings, backlog: Library, tmp_path: Path) -> None:
    queue(backlog, write_episode(tmp_path / "one.wav", "AAAAAAAA"))
    worker = Worker(replace(settings, formats=("json",), engines=SLOW_ENGINES, beat_seconds=0.05))
    claimed = worker.claim()
    assert claimed is not None

    def lose(step: str, done: float, _total: float) -> None:
        if step == "listen" and done == 1:
            backlog.jobs.take_back(lambda _: True)

    assert worker.work(claimed, lose) is None
    worker.close()
    assert states(backlog) == {"one": "queued"}
    assert not (tmp_path / "one.json").exists()


def test_a_worker_that_is_asked_to_stop_gives_its_job_back(
    settings: Settings, backlog: Library, tmp_path: Path
) -> None:
    queue(backlog, write_episode(tmp_path / "one.wav", "AAA"))
    worker = Worker(settings)
    claimed = worker.claim()
    assert claimed is not None
    assert worker.work(claimed, lambda *_: worker.stop.set()) is None
    assert worker.claim() is None
    worker.close()
    assert [(found.state, found.attempts) for found in backlog.jobs.find()] == [(State.QUEUED, 0)]


def test_who_is_dead() -> None:
    assert not is_dead(worker_name())
    host, pid, begun, word = worker_name().split(":")
    assert not is_dead(f"elsewhere:{pid}:{begun}:{word}")
    assert not is_dead("")
    assert is_dead(f"{host}:{pid}:another time:{word}")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert is_dead(f"{machine()}:{gone.pid}:{begun}:{word}")


# -- runs


class OtherEmbedder(FakeEmbedder):
    name = "other"


def test_a_run_to_its_end(settings: Settings, backlog: Library, tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "broken.mp3").write_bytes(b"ID3 not sound")
    for n, voices in enumerate(["AB", "AC", "AD", "BA"]):
        write_episode(tmp_path / "audio" / f"{n}.wav", voices)
    queue(backlog, tmp_path / "audio")
    events: list[Event] = []
    tally = run(replace(settings, formats=("json",)), num_workers=2, watch=events.append)
    assert (tally.num_done, tally.num_failed, tally.stop) == (4, 1, "")
    assert states(backlog) == {"0": "done", "1": "done", "2": "done", "3": "done", "broken": "failed"}
    assert all(job.attempts == 1 for job in backlog.jobs.find())
    assert {event.worker for event in events} == {0, 1}
    begun = [event.job.title for event in events if not event.step and event.outcome is None]
    ended = [event.job.title for event in events if event.outcome is not None]
    assert sorted(begun) == sorted(ended) == ["0", "1", "2", "3", "broken"]
    assert {event.step for event in events} >= {"begin", "listen", "write"}
    assert len(list((tmp_path / "audio").glob("*.json"))) == 4
    assert run(settings).num_done == 0


def test_three_unexpected_failures_in_a_row_stop_a_run(settings: Settings, backlog: Library, tmp_path: Path) -> None:
    names = ["bug1", "broken", "bug2", "bug3", "fine", "bug4", "bug5", "bug6", "never"]
    for name in names:
        path = write_episode(tmp_path / f"{name}.wav", "A", seconds=0.3)
        if name == "broken":
            path.write_bytes(b"not sound")
        queue(backlog, path)
    tally = run(settings)
    assert tally.stop.startswith(
        "3 failures in a row that are not the episodes' own, the last: ZeroDivisionError: in bug6"
    )
    assert (tally.num_done, tally.num_failed) == (1, 7)
    assert states(backlog)["never"] == "queued"


def test_a_job_that_kills_its_workers(
    settings: Settings, backlog: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queue(backlog, write_episode(tmp_path / "deadly.wav", "A"), write_episode(tmp_path / "fine.wav", "A"))
    with caplog.at_level(logging.WARNING):
        tally = run(settings)
    assert "its worker died 3 times (signal 9)" in tally.stop
    assert states(backlog) == {"deadly": "failed", "fine": "queued"}
    assert run(settings).num_done == 1
    assert caplog.messages[-1].endswith("deadly.wav: its worker died 3 times (signal 9); is there enough memory?")


def test_a_run_whose_workers_cannot_begin(settings: Settings, backlog: Library, tmp_path: Path) -> None:
    identify(write_episode(tmp_path / "before.wav", "A"), library=backlog, engines=ENGINES)
    queue(backlog, write_episode(tmp_path / "one.wav", "A"))
    with pytest.raises(VoicematchError, match="holds voices of 'fake', not of 'other'"):
        run(replace(settings, engines=Engines(ENGINES.diarizer, OtherEmbedder())))
    assert states(backlog) == {"one": "queued"}


def test_a_run_takes_up_what_a_dead_one_left(settings: Settings, backlog: Library, tmp_path: Path) -> None:
    queue(backlog, write_episode(tmp_path / "one.wav", "A"))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert backlog.jobs.claim(f"{machine()}:{gone.pid}:1:x") is not None
    assert run(settings).num_done == 1
    assert backlog.jobs.find()[0].attempts == 2


RUN = """
import sys
from dataclasses import replace
from pathlib import Path
from voicematch.batch import Settings, run
from tests.support.tones import SLOW_ENGINES

if __name__ == "__main__":
    settings = Settings(sys.argv[1], cache=Path(sys.argv[2]), engines=SLOW_ENGINES, formats=("json",))
    tally = run(settings, num_workers=2)
    print(tally.num_done, tally.stop)
"""


def start(settings: Settings, tmp_path: Path) -> subprocess.Popen[str]:
    """A run in a process group of its own."""
    script = tmp_path / "run.py"
    script.write_text(RUN)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    command = [sys.executable, str(script), settings.library, str(settings.cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)


def wait_for(condition: object, seconds: float = 120.0) -> None:
    assert callable(condition)
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "never happened"
        time.sleep(0.02)


def num_running(library: Library) -> int:
    return library.jobs.counts()[State.RUNNING]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupt_stops_after_the_stage_in_hand(settings: Settings, backlog: Library, tmp_path: Path) -> None:
    for n in range(3):
        queue(backlog, write_episode(tmp_path / f"{n}.wav", "AB" * 30))
    process = start(settings, tmp_path)
    wait_for(lambda: num_running(backlog) == 2)
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    assert out == "0 interrupted\n"
    assert process.returncode == 0
    assert {(found.state, found.attempts) for found in backlog.jobs.find()} == {(State.QUEUED, 0)}


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_workers_whose_run_was_killed_give_their_jobs_back(
    settings: Settings, backlog: Library, tmp_path: Path
) -> None:
    queue(backlog, write_episode(tmp_path / "0.wav", "AB" * 30))
    process = start(settings, tmp_path)
    wait_for(lambda: num_running(backlog) == 1)
    process.kill()
    process.communicate()
    wait_for(lambda: num_running(backlog) == 0)
    assert states(backlog) == {"0": "queued"}


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_run_that_is_killed_again_and_again_does_each_episode_once(
    settings: Settings, backlog: Library, tmp_path: Path
) -> None:
    for n in range(6):
        queue(backlog, write_episode(tmp_path / "audio" / f"{n}.wav", "ABCD" * 2, seconds=0.9 + n / 100))
    for _ in range(3):
        process = start(settings, tmp_path)
        num_done = backlog.jobs.counts()[State.DONE]
        wait_for(lambda done=num_done: num_running(backlog) or backlog.jobs.counts()[State.DONE] > done)
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    process = start(settings, tmp_path)
    process.communicate(timeout=300)
    assert set(states(backlog).values()) == {"done"}
    assert len(backlog.listings.episodes()[0]) == 6
    assert backlog.upkeep.check() == ()
    written = sorted(path.name for path in (tmp_path / "audio").glob("*.json"))
    assert written == [f"{n}.json" for n in range(6)]


def test_a_run_on_postgresql(settings: Settings, postgresql: str, tmp_path: Path) -> None:
    on_server = replace(settings, library=postgresql, formats=("json",))
    with open_library(postgresql, embedder="fake", dimension=8) as library:
        library.settings.set("calibration", CALIBRATION.to_json())
        for n, voices in enumerate(["AB", "AC", "AD", "BA", "bad"]):
            if voices == "bad":
                (tmp_path / "bad.wav").write_bytes(b"not sound")
                queue(library, tmp_path / "bad.wav")
            else:
                queue(library, write_episode(tmp_path / f"{n}.wav", voices))
        tally = run(on_server, num_workers=2)
        assert (tally.num_done, tally.num_failed, tally.stop) == (4, 1, "")
        assert all(found.attempts == 1 for found in library.jobs.find())
        assert len(library.listings.episodes()[0]) == 4


def test_a_run_beside_the_main_thread(settings: Settings, backlog: Library, tmp_path: Path) -> None:
    queue(backlog, write_episode(tmp_path / "one.wav", "A"))
    tallies: list[Tally] = []
    thread = threading.Thread(target=lambda: tallies.append(run(settings)))
    thread.start()
    thread.join()
    assert tallies[0].num_done == 1


# -- the report


def test_a_report(settings: Settings, backlog: Library, tmp_path: Path) -> None:
    from voicematch.usecases.name import name

    queue(backlog, write_episode(tmp_path / "A|B.wav", "AB" * 20), write_episode(tmp_path / "C.wav", "AAAC" * 10))
    (tmp_path / "broken.wav").write_bytes(b"not sound")
    queue(backlog, tmp_path / "broken.wav")
    worker = Worker(settings)
    assert [work(worker) for _ in range(3)] == ["done", "done", "failed"]
    worker.close()
    name("C", "SPEAKER_00", "Ann", library=backlog, consent="public")
    report = as_json(backlog)
    assert report["counts"] == {"queued": 0, "running": 0, "done": 2, "failed": 1}
    assert report["talk_seconds"] == pytest.approx(80)
    assert [(p["name"], p["num_episodes"], p["talk_seconds"]) for p in report["people"]] == [
        ("Ann", 2, pytest.approx(50))
    ]
    text = as_markdown(backlog)
    assert "2 done, 1 failed, 0 to do. 1:20 of talk, 62% of it by people with a name." in text
    assert "| Ann | 2 | 0:50 |" in text
    assert "|  | " in text
    assert "A\\|B | Ann 0:20 | SPEAKER_01 0:20 |" in text
    assert "| broken | " in text
