"""Every action of the pages, done and undone: afterwards the library is as it was, to the last row."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from tests.support.library_example import EMBEDDER
from tests.support.web_library import HERE
from tests.usecases.test_name import ADA, CALIBRATION, LIAM, MAYA, ZOE, hear, like, sha
from voicematch import outputs
from voicematch.errors import ChangedSince, LibraryError, NothingThere
from voicematch.library import Library, NewJob, schema
from voicematch.types import Embedding
from voicematch.usecases import name as naming
from voicematch.web.actions import ACTIONS, WrongFields, perform, undo
from voicematch.web.app import create_app
from voicematch.web.journal import MOST_KEPT, Journal

JSON = {"accept": "application/json"}
NAME_ZOE = ("name-unknown", {"unknown": "U-0001", "name": "Zoe", "consent": "public"})


@pytest.fixture
def library(new_library: Library) -> Library:
    """Ada is known, by a clip of the first episode too; one voice is like her; Zoe is heard three times, unnamed."""
    library = new_library
    library.settings.set("calibration", CALIBRATION.to_json())
    for name, voice, number in (("Ada", ADA, 1), ("Maya", MAYA, 3)):
        library.profiles.create(name, note="met once")
        library.voiceprints.add(
            name,
            [Embedding(voice, 30.0, 0.0, 30.0)],
            embedder=EMBEDDER,
            consent="permission",
            source=f"{name}.wav",
            audio_sha256=sha(number),
            clip=b"a clip of " + name.encode(),
        )
    hear(library, 1, ADA, ZOE)
    hear(library, 2, like(ADA, 0.6), ZOE)
    hear(library, 3, ZOE, MAYA)
    hear(library, 4, MAYA, like(LIAM, 0.9, ADA))
    hear(library, 6, like(MAYA, 0.4, -LIAM))  # U-0003, somewhat like Maya
    naming.relabel(library=library)
    return library


def everything(library: Library) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with library._database.read() as connection:
        return {
            table.name: sorted(tuple(row) for row in connection.execute(sa.select(table)))
            for table in schema.metadata.sorted_tables
        }


def act(library: Library, journal: Journal, name: str, fields: dict[str, str]) -> int:
    done = perform(name, fields, library=library, journal=journal)
    assert done.action is not None
    return done.action


def take_back(library: Library, journal: Journal, action: int) -> None:
    undo({"action": str(action)}, library=library, journal=journal)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        NAME_ZOE,
        ("name-unknown", {"unknown": "U-0003", "name": "Maya"}),
        ("name-unknown", {"unknown": "U-0002", "name": "u-1"}),
        ("name", {"episode": sha(1), "speaker": "SPEAKER_01", "name": "Zoe", "consent": "self"}),
        ("correct", {"episode": sha(1), "speaker": "SPEAKER_00", "name": "Maya"}),
        ("correct", {"episode": sha(1), "speaker": "SPEAKER_00", "name": "Somebody", "consent": "public"}),
        ("correct", {"episode": sha(1), "speaker": "SPEAKER_00", "name": ""}),
        ("confirm", {"episode": sha(2), "speaker": "SPEAKER_00"}),
        ("not-them", {"episode": sha(2), "speaker": "SPEAKER_00"}),
        ("ignore", {"unknown": "U-0001", "as": "ad"}),
        ("ignore-voice", {"episode": sha(1), "speaker": "SPEAKER_01", "as": "ad"}),
        ("split", {"unknown": "U-0001"}),
        ("merge-unknowns", {"source": "U-0002", "into": "U-0001"}),
        ("merge", {"source": "Maya", "into": "Ada"}),
        ("delete", {"name": "Ada"}),
        ("rename", {"old": "Ada", "new": "Ada Ash"}),
        ("relabel", {}),
        ("tell", {"name": "Ada", "about": "Keeps hens.", "links": "https://ada.example.org"}),
        ("remove-voiceprints", {"name": "Ada", "voiceprints": "1"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value.values())[-20:],
)
def test_undone_is_as_before(library: Library, name: str, fields: dict[str, str]) -> None:
    before, journal = everything(library), Journal()
    action = act(library, journal, name, fields)
    assert name == "relabel" or everything(library) != before  # which finds everything as it is
    take_back(library, journal, action)
    assert everything(library) == before
    assert library.upkeep.check() == ()


def test_there_is_a_test_for_every_action() -> None:
    marks = test_undone_is_as_before.pytestmark  # type: ignore[attr-defined]
    recorded = {name for name, one in ACTIONS.items() if one.run and not one.is_final and not one.keeps_its_own}
    assert {name for name, _ in marks[0].args[1]} == recorded


def test_a_clip_that_a_correction_takes_back_returns(library: Library) -> None:
    """Correcting the very recording that a person was enrolled from removes the voiceprint with its clip."""
    journal, clips = Journal(), dict(library.voiceprints.clips("Ada"))
    action = act(library, journal, "correct", {"episode": sha(1), "speaker": "SPEAKER_00", "name": ""})
    assert library.profiles.find("Ada") is None  # it had nothing else
    take_back(library, journal, action)
    assert dict(library.voiceprints.clips("Ada")) == clips != {}


def test_many_are_undone_one_after_the_other(library: Library) -> None:
    before, journal = everything(library), Journal()
    done = [
        act(library, journal, *NAME_ZOE),
        act(library, journal, "confirm", {"episode": sha(2), "speaker": "SPEAKER_00"}),
        act(library, journal, "merge", {"source": "Zoe", "into": "Maya"}),
        act(library, journal, "rename", {"old": "Maya", "new": "Maya Lind"}),
    ]
    for action in reversed(done):
        latest = journal.latest()
        assert latest is not None
        assert latest.id == action
        take_back(library, journal, action)
    assert everything(library) == before
    assert journal.latest() is None


def test_an_earlier_one_is_undone_and_the_later_stays(library: Library) -> None:
    journal = Journal()
    first = act(library, journal, "ignore", {"unknown": "U-0001", "as": "ad"})
    act(library, journal, "confirm", {"episode": sha(2), "speaker": "SPEAKER_00"})
    take_back(library, journal, first)
    assert library.voices.unknown("U-0001").ignored_as is None
    assert library.episodes.get(sha(2)).matches["SPEAKER_00"].profile == "Ada"
    assert naming.relabel(library=library) == ()


def test_what_a_batch_stored_meanwhile_is_matched_again(library: Library) -> None:
    journal = Journal()
    action = act(library, journal, *NAME_ZOE)
    later = hear(library, 5, ZOE)
    naming.relabel(library=library)
    assert library.episodes.get(later.audio_sha256).name("SPEAKER_00") == "Zoe"
    take_back(library, journal, action)
    assert library.profiles.find("Zoe") is None
    assert library.episodes.get(later.audio_sha256).name("SPEAKER_00") == "SPEAKER_00"
    assert library.upkeep.check() == ()
    assert naming.relabel(library=library) == ()


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda library: library.profiles.forget("Zoe"),
        lambda library: library.profiles.rename("Zoe", "Zoë"),
        lambda library: library.profiles.merge("Zoe", "Maya"),
        lambda library: naming.correct(sha(3), "SPEAKER_00", "Maya", library=library),
        lambda library: naming.name(sha(4), "SPEAKER_01", "Zoe", library=library),
        lambda library: library.episodes.remove(sha(1)),
    ],
    ids=["forgotten", "renamed", "merged", "corrected", "taught", "removed"],
)
def test_what_others_changed_meanwhile_is_not_undone(library: Library, meanwhile: Callable[[Library], object]) -> None:
    journal = Journal()
    action = act(library, journal, *NAME_ZOE)
    meanwhile(library)
    before = everything(library)
    with pytest.raises(ChangedSince, match="changed again since"):
        take_back(library, journal, action)
    assert everything(library) == before


def test_the_files_follow(library: Library, tmp_path: Path) -> None:
    """What a batch wrote for an episode has the old names again."""
    library.jobs.add([NewJob(key="1", source="/show/1.mp3", title="One")])
    job = library.jobs.claim("here")
    assert job is not None
    path = tmp_path / "1.json"
    library.jobs.reserve(job, {"json": (str(path), str(path))}, lambda taken: None)
    library.jobs.finish(job, sha(1))
    path.write_text("{}")
    library.outputs.mark([sha(1)])
    outputs.finish(library)
    before, journal = path.read_text(), Journal()
    action = act(library, journal, *NAME_ZOE)
    assert "Zoe" in path.read_text()
    take_back(library, journal, action)
    assert json.loads(path.read_text()) == json.loads(before)


def test_nothing_to_undo(library: Library) -> None:
    journal = Journal()
    action = act(library, journal, *NAME_ZOE)
    take_back(library, journal, action)
    with pytest.raises(NothingThere, match="nothing to undo"):
        take_back(library, journal, action)
    with pytest.raises(WrongFields, match="is not the number"):
        undo({"action": "last"}, library=library, journal=journal)


def test_what_fails_is_not_in_the_journal(library: Library) -> None:
    before, journal = everything(library), Journal()
    with pytest.raises(LibraryError):
        perform("name-unknown", {"unknown": "U-9999", "name": "Zoe"}, library=library, journal=journal)
    with pytest.raises(WrongFields, match="name is missing"):
        perform("name-unknown", {"unknown": "U-0001", "name": " "}, library=library, journal=journal)
    with pytest.raises(LibraryError, match="unnamed voices are called that"):
        perform(
            "name",
            {"episode": sha(1), "speaker": "SPEAKER_01", "name": "U-2", "consent": "self"},
            library=library,
            journal=journal,
        )
    assert journal.latest() is None
    assert everything(library) == before


def test_the_journal_is_bounded(library: Library) -> None:
    journal = Journal()
    with library.recording() as recorded:
        pass
    assert recorded.changes == ()
    first = journal.add("first", lambda library: (), since=0)
    for number in range(MOST_KEPT):
        journal.add(str(number), lambda library: (), since=0)
    with pytest.raises(NothingThere):
        journal.get(first)


def test_whom_a_command_forgets_does_not_come_back(library: Library) -> None:
    pages = TestClient(create_app(library), base_url=HERE)
    done = pages.post("/actions/delete", data={"name": "Maya"}, headers=JSON).json()
    assert "Maya" in pages.get("/settings").text
    library.profiles.forget("Ada", former=["Maya"])  # as another process does
    assert "Maya" not in pages.get("/settings").text
    assert pages.post("/actions/undo", data={"action": str(done["action"])}, headers=JSON).status_code == 404
    assert library.people.names() == ()


def test_what_was_done_just_before_a_command_forgets_is_not_kept(library: Library) -> None:
    """The forgetting comes between the action and the journal's entry of it."""
    asked = 0

    def forgetting() -> int:
        nonlocal asked
        asked += 1
        if asked == 2:
            library.profiles.forget("Ada", former=["Maya"])
        return library.upkeep.num_erasures()

    journal = Journal(forgetting)
    done = perform("delete", {"name": "Maya"}, library=library, journal=journal)
    assert library.people.names() == ()
    assert journal.undoable() == ()
    assert journal.told(done.notice) is None
    assert not journal._kept


def test_whom_a_command_forgets_just_before_an_undo_does_not_come_back(library: Library) -> None:
    with library.recording(clips_of=["Maya"]) as recorded:
        library.profiles.remove("Maya")
    library.profiles.forget("Ada", former=["Maya"])
    with pytest.raises(ChangedSince, match="changed again since"):
        naming.undo(recorded, library=library)
    assert library.people.names() == ()


def test_what_is_warned_of_is_told_to_who_acts_and_to_no_log(library: Library, tmp_path: Path) -> None:
    """It names people, and files that may be called like them."""
    library.jobs.add([NewJob(key="1", source="/show/1.mp3", title="One")])
    job = library.jobs.claim("here")
    assert job is not None
    path = tmp_path / "With Ada.json"
    library.jobs.reserve(job, {"json": (str(path), str(path))}, lambda taken: None)
    library.jobs.finish(job, sha(1))
    path.write_text("{}")
    library.outputs.mark([sha(1)])
    outputs.finish(library)
    path.write_text("by hand")
    pages, logged = TestClient(create_app(library), base_url=HERE), io.StringIO()
    handler = logging.StreamHandler(logged)  # as the commands have one
    logging.getLogger("voicematch").addHandler(handler)
    try:
        nobody = {"episode": sha(1), "speaker": "SPEAKER_00", "name": ""}
        done = pages.post("/actions/correct", data=nobody, headers=JSON).json()
    finally:
        logging.getLogger("voicematch").removeHandler(handler)
    assert done["warnings"] == [
        "Ada had nothing but this voice, and is no profile any more",
        "With Ada.json was changed since it was written; it still shows the names of before",
    ]
    assert logged.getvalue() == ""
    assert done["warnings"][1] in pages.get(f"/settings?done={done['notice']}").text
