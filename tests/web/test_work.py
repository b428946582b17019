"""Work from the pages: episodes added and followed in the queue, taken along as files, voices learned, settings."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.audio.test_audio import write
from tests.support.browsing import Visit
from tests.support.web_library import HERE
from tests.web.test_app import JSON, KEY
from tests.web.test_browser import EPISODE
from voicematch import identify
from voicematch.audio import SAMPLE_RATE, Audio, Choice
from voicematch.errors import VoicematchError
from voicematch.formats import read
from voicematch.library import Library, State, open_library
from voicematch.web import uploads
from voicematch.web.app import create_app
from voicematch.web.uploads import TooLarge
from voicematch.web.working import QueueRun, folder_of, sound_name

ENDURES = (sys.executable, "-c", "import time; time.sleep(60)")
BREAKS = (sys.executable, "-c", "import sys; print('Error: no model', file=sys.stderr); sys.exit(1)")
EXAMPLE = Path(__file__).parents[2] / "examples" / "episode.mp3"


@pytest.fixture
def queue(library: Library) -> Iterator[QueueRun]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's & ignores it, for all it starts
    run = QueueRun(str(library.path), ENDURES)
    yield run
    run.close()
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def writing(library: Library, queue: QueueRun) -> TestClient:
    return TestClient(create_app(library, queue=queue), base_url=HERE, follow_redirects=False)


# -- the queue


def test_a_file_is_taken_in_and_queued(library: Library, queue: QueueRun, writing: TestClient) -> None:
    sent = {"file": ("../../up/Night: hens.MP3", b"sound", "audio/mpeg")}
    done = writing.post("/uploads", files=sent, data={"start": "yes"}, headers=JSON).json()
    assert done["text"] == "1 episode queued"
    kept = folder_of(library) / "Night hens.mp3"
    assert kept.read_bytes() == b"sound"
    assert [job.source for job in library.jobs.find(State.QUEUED)][-1] == str(kept)
    assert queue.is_running()
    again = writing.post("/uploads", files=sent)  # by a form: goes on to the queue, with a notice
    assert (again.status_code, again.headers["location"]) == (303, "/backlog?done=2")
    assert "0 episodes queued, 1 known already" in writing.get("/backlog?done=2").text
    other = writing.post("/uploads", files={"file": ("Night hens.mp3", b"other sound")}, headers=JSON)
    assert other.json()["text"] == "1 episode queued"
    assert len(list(folder_of(library).iterdir())) == 2


def test_a_file_is_taken_in_from_another_disk(
    library: Library, writing: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/tmp is often in memory, and a file cannot be renamed from there to where the library lies."""
    folder = folder_of(library)
    rename = os.rename

    def of_one_disk(source: str | Path, target: str | Path) -> None:
        if Path(source).parent != Path(target).parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        rename(source, target)

    monkeypatch.setattr(os, "rename", of_one_disk)
    monkeypatch.setattr(os, "replace", of_one_disk)
    done = writing.post("/uploads", files={"file": ("hens.mp3", b"sound")}, headers=JSON).json()
    assert done["text"] == "1 episode queued"
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("hens.mp3", b"sound")]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"file": ("notes.txt", b"words")}, "no sound that is known by its name"),
        ({"file": ("", b"")}, "choose a sound file"),
        ({}, "multipart"),
    ],
)
def test_what_is_no_sound_is_refused(writing: TestClient, files: dict[str, tuple[str, bytes]], reason: str) -> None:
    answer = writing.post("/uploads", files=files, headers=JSON)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]


def test_too_much_is_refused_and_leaves_nothing(
    library: Library, writing: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicematch.web.app.MOST_UPLOADED", 100_000)
    answer = writing.post("/uploads", files={"file": ("a.mp3", bytes(200_000))}, headers=JSON)
    assert answer.status_code == 413
    assert not folder_of(library).exists()
    assert issubclass(TooLarge, VoicematchError)
    assert uploads.MOST_FIELDS < 100


def test_a_name_from_elsewhere_is_no_path() -> None:
    assert sound_name("/etc/cron.d/x.mp3") == "x.mp3"
    assert sound_name("...mp3") == "recording.mp3"
    assert "\x00" not in sound_name("a\x00b.wav")
    assert sound_name("-rf.mp3") == "rf.mp3"
    assert sound_name("con.mp3") == "_con.mp3"


def test_a_long_name_in_a_script_of_long_letters_is_cut(library: Library, writing: TestClient) -> None:
    """Systems that count letters allow it; a file system here counts bytes."""
    sent = {"file": ("語" * 200 + ".mp3", b"sound")}
    assert writing.post("/uploads", files=sent, headers=JSON).json()["text"] == "1 episode queued"
    assert [path.name for path in folder_of(library).iterdir()] == ["語" * 40 + ".mp3"]


@pytest.mark.parametrize("path", ["/uploads", "/speakers/1/picture", "/actions/rename"])
def test_who_hangs_up_half_way_is_no_fault(
    library: Library, queue: QueueRun, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    kind = b"application/json" if path == "/actions/rename" else b"multipart/form-data; boundary=x"
    pieces = iter([{"type": "http.request", "body": b"--x\r\n", "more_body": True}])
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", kind)],
    }

    async def receive() -> dict[str, object]:
        return next(pieces, {"type": "http.disconnect"})

    async def send(message: object) -> None: ...

    async def hang_up() -> None:
        await create_app(library, queue=queue)(scope, receive, send)

    before = library.jobs.find(State.QUEUED)
    asyncio.run(hang_up())  # raises what a server would write a traceback of
    assert caplog.messages == []
    assert library.jobs.find(State.QUEUED) == before


def test_the_queue_is_begun_stopped_and_tried_again(library: Library, queue: QueueRun, writing: TestClient) -> None:
    page = writing.get("/backlog.json").json()
    assert (page["can_work"], page["is_working"]) == (True, False)
    assert writing.post("/actions/start", headers=JSON).json()["text"] == "The queue is worked off"
    assert writing.get("/backlog.json").json()["is_working"]
    assert writing.post("/actions/stop", headers=JSON).is_success
    for _ in range(600):
        if not queue.is_running():
            break
        time.sleep(0.05)
    assert not writing.get("/backlog.json").json()["is_working"]
    failed = library.jobs.find(State.FAILED)
    assert writing.post("/actions/retry", data={"job": str(failed[0].id)}, headers=JSON).is_success
    assert len(library.jobs.find(State.FAILED)) == len(failed) - 1
    assert writing.post("/actions/retry", data={"job": ""}, headers=JSON).is_success
    assert library.jobs.find(State.FAILED) == ()
    assert writing.post("/actions/retry", data={"job": "999"}, headers=JSON).status_code == 400


def test_why_the_queue_cannot_be_worked_off_is_told(library: Library) -> None:
    queue = QueueRun(str(library.path), BREAKS)
    client = TestClient(create_app(library, queue=queue), base_url=HERE)
    client.post("/actions/start")
    for _ in range(600):
        if not queue.is_running():
            break
        time.sleep(0.05)
    assert client.get("/backlog.json").json()["problem"] == "no model"
    queue.close()


def test_only_addresses_are_added_by_name(writing: TestClient) -> None:
    answer = writing.post("/actions/add", data={"source": "/etc/passwd"}, headers=JSON)
    assert answer.status_code == 400
    done = writing.post("/actions/add", data={"source": "https://example.org/a/talk.mp3"}, headers=JSON).json()
    assert done["text"] == "1 episode queued"


def test_pages_that_work_nothing_off_say_so(library: Library) -> None:
    client = TestClient(create_app(library), base_url=HERE)
    assert client.post("/actions/start", headers=JSON).status_code == 400
    assert client.post("/uploads", headers=JSON).status_code == 400
    assert 'id="add"' not in client.get("/backlog").text


def test_a_file_is_dropped_followed_heard_named_taken_along_and_forgotten(changing: Visit) -> None:
    """The whole of it, with the real models, on the example episode."""
    page = changing.open("/backlog")
    page.set_default_timeout(120_000)
    page.evaluate(
        """async (bytes) => {
          const files = new DataTransfer();
          files.items.add(new File([new Uint8Array(bytes)], "Example.mp3", { type: "audio/mpeg" }));
          const init = { dataTransfer: files, bubbles: true, cancelable: true };
          document.getElementById("add").dispatchEvent(new DragEvent("drop", init));
        }""",
        list(EXAMPLE.read_bytes()),
    )
    page.locator(".notice", has_text="1 episode queued").wait_for()
    page.get_by_role("link", name="Example", exact=True).click()  # a link once it is done
    page.locator("h1", has_text="Example").wait_for()
    page.get_by_text("Correct who these voices are").click()
    case = page.locator("#names-of-voices [data-voice]").first
    case.locator(".excerpt").click()
    changing.hears(0.3)
    case.get_by_label("Name", exact=True).fill("Quentin Quince")
    case.locator("select[name=consent]").select_option("public")
    case.get_by_role("button", name="Name", exact=True).click()
    page.locator(".notice", has_text="is Quentin Quince").wait_for()
    page.locator("#lanes").get_by_role("link", name="Quentin Quince").click()
    page.get_by_text("Change or delete this speaker").click()
    page.get_by_role("button", name="Forget for good").click()
    page.locator("#sure").get_by_role("button", name="Forget Quentin Quince for good").click()
    page.locator(".notice", has_text="Forgotten: ").wait_for()
    assert "Quentin" not in changing.text("main")
    changing.faults[:] = [fault for fault in changing.faults if "409" not in fault and "404" not in fault]


# -- files to take along


@pytest.mark.parametrize("form", ["vtt", "srt", "txt", "md", "json"])
def test_an_episode_is_taken_along(writing: TestClient, form: str) -> None:
    answer = writing.get(f"/downloads/{KEY}.{form}")
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''1%20The%20moss")
    assert "Ada Ash" in answer.text
    if form in ("vtt", "srt", "json"):
        assert read(answer.text, "x")[0].text.startswith("Welcome to Night Garden Radio.")


def test_no_such_file_to_take_along(writing: TestClient) -> None:
    assert writing.get(f"/downloads/{KEY}.exe").status_code == 404
    assert writing.get("/downloads/ffffffffffffffff.vtt").status_code == 404


# -- learning and settings


def test_what_is_asked_of_a_stretch(writing: TestClient) -> None:
    fields = {"episode": KEY, "lines": "1,2", "name": "Somebody New", "consent": ""}
    assert writing.post("/actions/enroll-stretch", data=fields, headers=JSON).status_code == 400
    page = writing.get(f"/episodes/{KEY}?fix=1").text
    assert 'formaction="/actions/enroll-stretch"' in page


def test_a_voice_is_learned_from_marked_lines_and_unlearned(tmp_path: Path) -> None:
    """By the real models, from the example episode."""
    with open_library(tmp_path / "library.db") as library:
        lines = read(EXAMPLE.with_suffix(".srt").read_text("utf-8"), "x")
        episode = identify(EXAMPLE, library=library, lines=lines)
        client = TestClient(create_app(library), base_url=HERE)
        fields = {"episode": episode.audio_sha256, "name": "Quentin Quince", "consent": "permission"}
        answer = client.post("/actions/enroll-stretch", data=fields | {"lines": "8,9,10"}, headers=JSON)
        assert answer.json()["text"] == "The voice of Quentin Quince is learned from 12 seconds of speech"
        assert library.profiles.get("Quentin Quince").num_voiceprints == 1
        client.post("/actions/undo", data={"action": str(answer.json()["action"])})
        assert library.profiles.find("Quentin Quince") is None
        answer = client.post("/actions/enroll-stretch", data=fields | {"lines": "1,8,9,10"}, headers=JSON)
        assert answer.json()["text"] == "The voice of Quentin Quince is learned from 12 seconds of speech"


def test_a_voice_learned_again_from_the_same_lines_is_unlearned_to_what_it_was(tmp_path: Path) -> None:
    with open_library(tmp_path / "library.db") as library:
        lines = read(EXAMPLE.with_suffix(".srt").read_text("utf-8"), "x")
        episode = identify(EXAMPLE, library=library, lines=lines)
        client = TestClient(create_app(library), base_url=HERE)
        fields = {"episode": episode.audio_sha256, "name": "Quentin Quince", "consent": "permission", "lines": "8,9,10"}
        assert client.post("/actions/enroll-stretch", data=fields, headers=JSON).is_success
        before = library.voiceprints.rows("Quentin Quince"), list(library.voiceprints.clips("Quentin Quince"))
        again = client.post("/actions/enroll-stretch", data=fields | {"consent": "public"}, headers=JSON).json()
        assert [row.consent for row in library.voiceprints.rows("Quentin Quince")] == ["public"]
        assert client.post("/actions/undo", data={"action": str(again["action"])}, headers=JSON).is_success
        assert (library.voiceprints.rows("Quentin Quince"), list(library.voiceprints.clips("Quentin Quince"))) == before


def test_a_voice_is_learned_from_the_channel_that_was_listened_to(tmp_path: Path) -> None:
    """On the other one, somebody else speaks at the same time."""
    sound = np.concatenate(list(Audio(EXAMPLE).blocks()))
    file = write(tmp_path / "two.wav", "pcm_f32le", np.stack([np.roll(sound, 15 * SAMPLE_RATE), sound]), SAMPLE_RATE)
    with open_library(tmp_path / "library.db") as library:
        lines = read(EXAMPLE.with_suffix(".srt").read_text("utf-8"), "x")
        episode = identify(Audio(file, choice=Choice(channel=2)), library=library, lines=lines)
        client = TestClient(create_app(library), base_url=HERE)
        fields = {"episode": episode.audio_sha256, "lines": "8,9,10", "name": "Quentin Quince", "consent": "self"}
        assert client.post("/actions/enroll-stretch", data=fields, headers=JSON).is_success
        (learned,) = library.voiceprints.of("Quentin Quince")
        assert learned.audio_sha256 == episode.audio_sha256 != Audio(file).sha256


def test_settings_say_what_the_library_is(library: Library, writing: TestClient) -> None:
    page = writing.get("/settings.json").json()
    assert (page["num_episodes"], page["num_profiles"], page["num_lines"]) == (30, 8, 1800)
    assert 0 < page["review"] < page["accept"] < 1
    assert writing.post("/actions/remember-unknowns", data={"yes": "no"}, headers=JSON).is_success
    assert not writing.get("/settings.json").json()["remembers_unknowns"]
    assert writing.post("/actions/check", headers=JSON).json()["text"] == "The library is in order"
    writing.post("/actions/rename", data={"old": "Ada Ash", "new": "Ada Aspen"})
    assert [one["text"] for one in writing.get("/settings.json").json()["undoable"]] == ["Ada Ash is called Ada Aspen"]
    assert EPISODE != KEY
