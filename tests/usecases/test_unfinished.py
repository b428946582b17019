"""What a command leaves undone when it is killed, or the disk is full, and the next one, of any kind, does.

Within ``together`` no file is written, as in a process that is killed as soon as its transaction is over.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.fakes import CALIBRATION, FakeEmbedder
from tests.support.library_example import DIMENSION, EMBEDDER, embedding, episode, fill, voices
from tests.support.tones import ENGINES, write_episode
from tests.usecases.test_exchange import SOUND
from voicematch import cli, outputs
from voicematch.errors import LibraryError, VoicematchError
from voicematch.formats import FORMATS as WRITERS
from voicematch.formats.addresses import slug
from voicematch.library import Library, NewJob, open_library
from voicematch.library.partial import writing
from voicematch.types import Line
from voicematch.usecases import exchange, recognise, unfinished
from voicematch.usecases import name as naming
from voicematch.usecases.enroll import enroll
from voicematch.usecases.forget import ahead, forget
from voicematch.web.actions import perform, undo
from voicematch.web.journal import Journal

FORMATS = ("json", "vtt", "md", "rttm")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A library, and the files of its episode."""
    with open_library(tmp_path / "library.db", embedder=EMBEDDER, dimension=DIMENSION) as library:
        fill(library)
        library.settings.set("calibration", CALIBRATION.to_json())
        write(library, tmp_path)
    return tmp_path


@pytest.fixture
def library(folder: Path) -> Iterator[Library]:
    with open_library(folder / "library.db") as opened:
        yield opened


def write(library: Library, folder: Path) -> None:
    files = [(folder / "out" / f"1.{form}", form) for form in FORMATS]
    outputs.write(library, library.episodes.get("Episode 1"), files)


def texts(folder: Path) -> str:
    return "\n".join((folder / "out" / f"1.{form}").read_text(encoding="utf-8") for form in FORMATS)


def as_of_today(library: Library) -> list[str]:
    return [WRITERS[form](library.episodes.get("Episode 1")) for form in FORMATS]


def stored(folder: Path) -> list[str]:
    return [(folder / "out" / f"1.{form}").read_text(encoding="utf-8") for form in FORMATS]


def undo_a_naming(library: Library) -> None:
    journal = Journal()
    done = perform("rename", {"old": "Bob", "new": "Robert"}, library=library, journal=journal)
    undo({"action": str(done.action)}, library=library, journal=journal)
    perform("rename", {"old": "Bob", "new": "Rob"}, library=library, journal=journal)


CHANGES: dict[str, Callable[[Library], object]] = {
    "name": lambda library: naming.name("Episode 1", "SPEAKER_01", "Cy", library=library, consent="public"),
    "correct": lambda library: naming.correct("Episode 1", "SPEAKER_00", "Cy", library=library, consent="public"),
    "correct to nobody": lambda library: naming.correct("Episode 1", "SPEAKER_00", None, library=library),
    "merge": lambda library: naming.merge("Bob", "Ann Lee", library=library),
    "rename who is named": lambda library: naming.rename("Ann Lee", "Ann Byron", library=library),
    "rename who is a candidate alone": lambda library: naming.rename("Bob", "Robert", library=library),
    "relabel": lambda library: naming.relabel(library=library),
    "forget who is named": lambda library: forget("Ann Lee", library=library),
    "forget who is a candidate alone": lambda library: forget("Bob", library=library),
    "undo": undo_a_naming,
}
COMMANDS = (
    ("profiles", "list"),
    ("episodes", "list"),
    ("unknowns", "list"),
    ("batch", "status"),
    ("search", "learning"),
    ("library", "check"),
    ("library", "stats"),
    ("profiles", "show", "nobody at all"),  # also one that fails
)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_files_follow_every_change_at_once(library: Library, folder: Path, change: Callable[[Library], object]) -> None:
    before = stored(folder)
    change(library)
    assert stored(folder) == as_of_today(library) != before
    assert library.outputs.stale() == ()


@pytest.mark.parametrize("change", [name for name in CHANGES if not name.startswith("forget")])
def test_a_killed_change_is_finished_by_the_next_command(folder: Path, change: str) -> None:
    before = stored(folder)
    with open_library(folder / "library.db") as library, library.together():
        CHANGES[change](library)
    assert stored(folder) == before
    cli.run(["profiles", "list", "--library", str(folder / "library.db")])
    with open_library(folder / "library.db") as library:
        assert stored(folder) == as_of_today(library) != before


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_killed_forgetting_is_finished_by_the_next_command(folder: Path, command: tuple[str, ...]) -> None:
    with open_library(folder / "library.db") as library, library.together(), outputs.following(library):
        library.profiles.forget("Ann Lee")
    assert "Ann Lee" in texts(folder)
    assert cli.run([*command, "--library", str(folder / "library.db")]) in (0, 1)
    assert "Ann" not in texts(folder)
    left = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"Ann Lee" not in left
    assert b"ann lee" not in left


def test_what_a_killed_writer_left_is_swept_up(folder: Path) -> None:
    """Half a file beside an output and beside the library; that of a process that lives stays."""
    with open_library(folder / "library.db") as library, library.together():
        naming.rename("Ann Lee", "Ann Byron", library=library)
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    name = f".voicematch-{dead.stdout.strip()}-7.part"
    stray = [place / f"{name}{more}" for place in (folder, folder / "out") for more in ("", "-wal")]
    for path in stray:
        path.write_text("half")
    with writing(folder / "out" / "other") as alive:
        cli.run(["profiles", "list", "--library", str(folder / "library.db")])
        assert alive.exists()
        assert not any(path.exists() for path in stray)


def test_a_first_file_that_was_never_written_is(library: Library, folder: Path) -> None:
    path = folder / "later" / "1.txt"
    library.outputs.expect("01" * 32, [(path, "txt", "0" * 64, None)])
    unfinished.finish_for(library)
    assert "Ann Lee" in path.read_text(encoding="utf-8")
    path.unlink()
    naming.rename("Ann Lee", "Ann Byron", library=library)
    assert not path.exists()  # who deletes a file does not get it again


def full(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_first_file_that_cannot_be_written_is_not_waited_for(
    library: Library, folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked for it is told, or where they were killed the next command says it once."""
    known = set(library.outputs.of("01" * 32))
    later = folder / "2.txt"
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(VoicematchError, match="No space left"):
        outputs.write(library, library.episodes.get("Episode 1"), [(later, "txt")])
    assert set(library.outputs.of("01" * 32)) == known
    library.outputs.expect("01" * 32, [(later, "txt", "0" * 64, None)])
    with caplog.at_level(logging.WARNING):
        unfinished.finish_for(library)
        unfinished.finish_for(library)
    assert [record.getMessage() for record in caplog.records] == [f"{later}: cannot write: No space left on device"]


def test_a_file_that_cannot_be_written_stays_on_the_list(
    library: Library, folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is away, and one that is full."""
    (folder / "out").rename(folder / "away")
    naming.rename("Ann Lee", "Ann Byron", library=library)
    assert [output.path.name for output in library.outputs.stale()] == sorted(f"1.{form}" for form in FORMATS)
    (folder / "away").rename(folder / "out")
    with caplog.at_level(logging.WARNING), monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        unfinished.finish_for(library)
    assert "No space left on device; it still shows the names of before, and the next command tries" in caplog.text
    assert sorted(path.name for path in (folder / "out").iterdir()) == sorted(f"1.{form}" for form in FORMATS)
    unfinished.finish_for(library)
    assert stored(folder) == as_of_today(library)


def test_a_change_while_a_file_is_written_is_not_lost(library: Library, folder: Path) -> None:
    (mark,) = {library.outputs.expect("01" * 32, [(folder / "x.txt", "txt", "0" * 64, "1" * 64)])}
    library.outputs.mark(["01" * 32])  # somebody names the voice meanwhile
    library.outputs.written([folder / "x.txt"], mark)
    assert folder / "x.txt" in {output.path for output in library.outputs.stale()}


# -- one transaction a use case


@pytest.fixture
def writes(library: Library) -> list[set[str]]:
    """The tables that each transaction changed, as they are committed; the list of files to write is bookkeeping."""
    return watched(library)


def watched(library: Library) -> list[set[str]]:
    committed: list[set[str]] = []
    changed: set[str] = set()
    engine = library._database.engine
    bookkeeping = {"outputs", "copies"}

    def executed(connection: object, cursor: object, statement: str, *_: object) -> None:
        words = statement.split()
        if words[0] in ("INSERT", "UPDATE", "DELETE"):
            changed.update({words[1 if words[0] == "UPDATE" else 2].strip('"')} - bookkeeping)

    def commit(connection: object) -> None:
        if changed:
            committed.append(set(changed))
        changed.clear()

    def rollback(connection: object) -> None:
        changed.clear()

    for name, listener in (("after_cursor_execute", executed), ("commit", commit), ("rollback", rollback)):
        sa.event.listen(engine, name, listener)
    return committed


@pytest.mark.parametrize("change", [name for name in CHANGES if name not in ("undo", "relabel")])
def test_a_change_is_one_transaction(library: Library, writes: list[set[str]], change: str) -> None:
    CHANGES[change](library)
    assert len([tables for tables in writes if tables != {"settings"}]) == 1  # that the file was compacted comes later


def test_taking_in_voices_is_one_transaction(library: Library, writes: list[set[str]]) -> None:
    library.voiceprints.add(
        "Bob", [embedding(2)], embedder=EMBEDDER, consent="public", source="b.wav", audio_sha256="cc" * 32, clip=SOUND
    )
    text = exchange.write_profiles(library, ["Bob"], with_clips=True)
    naming.rename("Bob", "Rob", library=library)
    writes.clear()
    exchange.take_in(text, "bob.json", library=library)
    assert len(writes) == 1


def test_the_watch_sees_two_transactions(library: Library, writes: list[set[str]]) -> None:
    library.profiles.create("Cy")
    library.profiles.create("Di")
    assert writes == [{"profiles"}, {"profiles"}]


def test_identifying_is_one_transaction(library: Library, writes: list[set[str]]) -> None:
    recognise.store(library, episode(2), voices())
    assert len(writes) == 1


def test_enrolling_is_one_transaction(tmp_path: Path) -> None:
    clip = write_episode(tmp_path / "ann.wav", "A" * 24)
    with open_library(tmp_path / "library.db", embedder="fake", dimension=FakeEmbedder.dimension) as library:
        writes = watched(library)
        enroll("Ann", clip, library=library, consent="public", consent_note="said on air", engines=ENGINES)
        assert len(writes) == 1
        (consent,) = library.profiles.get("Ann").consents
        assert (consent.basis, consent.note) == ("public", "said on air")


# -- copies


def test_forgetting_lists_what_is_out_of_reach(library: Library, folder: Path) -> None:
    path = str(folder / "library.db")
    library.upkeep.backup(folder / "backup.db")
    assert cli.run(["profiles", "export", "--all", "--voices", str(folder / "all.json"), "--library", path]) == 0
    assert cli.run(["profiles", "export", "Bob", "--voices", str(folder / "bob.json"), "--library", path]) == 0
    assert cli.run(["episodes", "export", "Episode 1", "-f", "md", "-o", str(folder / "x"), "--library", path]) == 0
    reached = forget("Ann Lee", library=library)
    assert {place.name for place, _ in reached.out_of_reach} == {"backup.db", "all.json", "episode-1.md"}
    assert reached.erased == ()


def test_backups_are_erased_too_where_asked(library: Library, folder: Path) -> None:
    """In what was written before a renaming the person has another name; in exports only the others stay."""
    path = str(folder / "library.db")
    library.upkeep.backup(folder / "backup.db")
    assert cli.run(["profiles", "export", "Ann Lee", "--voices", str(folder / "ann.json"), "--library", path]) == 0
    naming.rename("Ann Lee", "Ann Byron", library=library)
    assert cli.run(["profiles", "export", "--all", "--voices", str(folder / "all.json"), "--library", path]) == 0
    reached = forget("Ann Byron", library=library, backups=True)
    assert {place.name for place in reached.erased} == {"backup.db", "ann.json", "all.json"}
    assert [profile["name"] for profile in json.loads((folder / "all.json").read_text())["profiles"]] == ["Bob"]
    with open_library(folder / "backup.db") as backup:
        assert backup.people.names() == ("Bob",)
    assert b"Ann" not in (folder / "backup.db").read_bytes()


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_name_in_the_name_of_a_copy_that_is_gone_goes(library: Library, folder: Path, is_deleted: bool) -> None:
    copies = [folder / "Ann Lee.json", folder / "Ann Lee as of today.db"]
    path = str(folder / "library.db")
    assert cli.run(["profiles", "export", "Ann Lee", "--voices", str(copies[0]), "--library", path]) == 0
    library.upkeep.backup(copies[1])
    copies[1].unlink()
    if is_deleted:
        copies[0].unlink()
    assert forget("Ann Lee", library=library, backups=True).out_of_reach == ()
    library.close()
    assert b"Ann Lee" not in (folder / "library.db").read_bytes()


def test_a_backup_that_became_the_library_is_no_copy_of_it(library: Library, folder: Path) -> None:
    library.upkeep.backup(folder / "backup.db")
    with open_library(folder / "backup.db") as restored:
        assert forget("Bob", library=restored).out_of_reach == ()


def test_backups_of_before_a_merge_hold_nothing_of_a_person(library: Library, folder: Path) -> None:
    """Both of whom they were made, and their voice where nobody had named it yet."""
    library.episodes.store(episode(2, matches={}), voices(second=2))
    library.upkeep.backup(folder / "backup.db")
    naming.merge("Bob", "Ann Lee", library=library)
    library.said.confirm("Episode 2", "SPEAKER_01", "Ann Lee")
    reached = forget("Ann Lee", library=library, backups=True)
    assert (reached.erased, reached.out_of_reach) == ((folder / "backup.db",), ())
    with open_library(folder / "backup.db") as backup:
        assert backup.people.names() == ()
        assert set(backup.speakers.embeddings("02" * 32)) == {"SPEAKER_00"}
    assert b"Bob" not in (folder / "backup.db").read_bytes()


def test_who_may_be_the_person_in_a_backup_is_told(library: Library, folder: Path) -> None:
    library.profiles.create("Ann Once")
    library.upkeep.backup(folder / "backup.db")
    naming.merge("Ann Once", "Ann Lee", library=library)
    reached = forget("Ann Lee", library=library, backups=True)
    assert reached.erased == ()
    ((path, what),) = reached.out_of_reach
    assert (path.name, what) == (
        "backup.db",
        "a backup: Ann Once is in it, and not in the library; if that is the same person, delete it",
    )


def test_others_in_a_backup_keep_what_is_theirs(library: Library, folder: Path) -> None:
    """Bob was taken to have said what Ann did; he himself stays."""

    def learn(name: str) -> None:
        heard = [embedding(3, start=50.0, end=60.0)]
        library.voiceprints.add(
            name, heard, embedder=EMBEDDER, consent="public", source="c.wav", audio_sha256="cc" * 32
        )

    learn("Bob")
    library.upkeep.backup(folder / "backup.db")
    library.voiceprints.remove("Bob", [library.voiceprints.rows("Bob")[-1].id])
    learn("Ann Lee")
    naming.rename("Bob", "Robert", library=library)
    reached = forget("Ann Lee", library=library, backups=True)
    assert reached.erased == (folder / "backup.db",)
    with open_library(folder / "backup.db") as backup:
        assert [row.source for row in backup.voiceprints.rows("Bob")] == ["bob.wav"]


def test_voices_exported_under_an_earlier_name_are_found(library: Library, folder: Path) -> None:
    path = str(folder / "library.db")
    for name in ("Ann Lee", "Bob"):
        assert cli.run(["profiles", "export", name, str(folder / f"{name}.json"), "--library", path]) == 0
    naming.rename("Ann Lee", "Ann Byron", library=library)
    with library.together(keep=False):
        assert [place.name for place, _ in forget("Ann Byron", library=library).out_of_reach] == ["Ann Lee.json"]
    assert forget("Ann Byron", library=library, backups=True).erased == (folder / "Ann Lee.json",)
    assert not (folder / "Ann Lee.json").exists()


@pytest.mark.parametrize("form", sorted(WRITERS))
def test_exported_copies_are_found_in_every_format(library: Library, folder: Path, form: str) -> None:
    library.profiles.rename("Bob", 'Zoë "Z" O\'Hara & <Co>')
    library.said.confirm("Episode 1", "SPEAKER_01", 'Zoë "Z" O\'Hara & <Co>')
    path = folder / "elsewhere"  # so that its name does not tell which episode it is of
    path.write_text(WRITERS[form](library.episodes.get("Episode 1")), encoding="utf-8")
    library.copies.begin(path, "episode")
    assert path in dict(forget('Zoë "Z" O\'Hara & <Co>', library=library).out_of_reach)


def test_exported_copies_of_before_a_renaming_are_found(library: Library, folder: Path) -> None:
    export = ["episodes", "export", "Episode 1", "-f", "rttm", "-o", str(folder / "x")]
    assert cli.run([*export, "--library", str(folder / "library.db")]) == 0
    naming.rename("Ann Lee", "Cy", library=library)
    assert [place.name for place, _ in forget("Cy", library=library).out_of_reach] == ["episode-1.rttm"]


def test_what_is_in_a_folder_that_is_not_there_is_told(
    library: Library, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Files that follow, and copies; the disk may come back."""
    (folder / "disk").mkdir()
    library.upkeep.backup(folder / "disk" / "backup.db")
    for name in ("disk", "out"):
        (folder / name).rename(folder / f"{name} moved")
    with caplog.at_level(logging.WARNING):
        naming.rename("Ann Lee", "Ann Byron", library=library)
    assert caplog.messages == [f"{folder / 'out'}: not there, so that the files in it still show the names of before"]
    reached = forget("Ann Byron", library=library, backups=True)
    assert {(place.name, what.partition(";")[0]) for place, what in reached.out_of_reach} == {
        (name, "is in a folder that is not there now") for name in ("backup.db", *(f"1.{form}" for form in FORMATS))
    }


def test_copies_where_nobody_may_look_stop_no_command(library: Library, folder: Path) -> None:
    nowhere = folder / ("x" * 300)  # asked for, it is an error, as what lies in a closed folder
    library.copies.begin(nowhere, "site")
    assert cli.run(["profiles", "list", "--library", str(folder / "library.db")]) == 0
    assert library.copies.all() == ()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_copies_in_a_closed_folder_are_told(library: Library, folder: Path) -> None:
    (folder / "closed").mkdir(mode=0)
    copies = [folder / "closed" / "site", folder / "closed" / "voices.json"]
    library.copies.begin(copies[0], "site")
    library.copies.begin(copies[1], "profiles")
    assert cli.run(["profiles", "list", "--library", str(folder / "library.db")]) == 0
    forgotten = forget("Ann Lee", library=library)
    assert set(copies) <= {path for path, _ in forgotten.out_of_reach}


def test_a_file_that_somebody_changed_is_told_when_its_name_is_forgotten(library: Library, folder: Path) -> None:
    (folder / "out" / "1.md").write_text("Ann Lee, by hand")
    reached = forget("Ann Lee", library=library)
    assert reached.out_of_reach == ((folder / "out" / "1.md", "was changed since it was written"),)


def test_where_the_name_is_said_it_is_told_and_redacted(library: Library, folder: Path) -> None:
    spoken = replace(
        episode(3, matches={}),
        title="A talk with  ann lee",
        lines=(Line(0.0, 1.0, "Welcome, Ann  Lee!"), Line(1.0, 2.0, "Joann Leed")),
    )
    library.episodes.store(spoken, {})
    outputs.write(library, library.episodes.get("03" * 32), [(folder / "3.vtt", "vtt")])
    with library.together(keep=False):
        assert library.profiles.forget("Ann Lee").num_mentions == 2
        assert library.episodes.get("03" * 32).lines[0].text == "Welcome, Ann  Lee!"
    assert forget("Ann Lee", library=library, words=True).forgotten.num_mentions == 2
    after = library.episodes.get("03" * 32)
    assert (after.title, [line.text for line in after.lines]) == ("A talk with  […]", ["Welcome, […]!", "Joann Leed"])
    assert "Welcome, […]!" in (folder / "3.vtt").read_text(encoding="utf-8")
    assert library.search.lines("lee") == ()


@pytest.mark.parametrize(
    ("name", "said", "left"),
    [
        ("İbo Can", "Merhaba İbo Can!", "Merhaba […]!"),
        ("Mika Isik", "MİKA ISIK, Mıka ıſık", "[…], […]"),
        ("宮崎駿", "こんにちは宮崎駿さん", "こんにちは[…]さん"),
        ("김철수", "오늘 김철수가 왔다", "오늘 […]가 왔다"),
        ("สมชาย", "คุณสมชายครับ", "คุณ[…]ครับ"),
        ("Ada", "ゲストはAdaさん、Adam", "ゲストは[…]さん、Adam"),
        ("王", "王さん、王 と 国王", "王さん、[…] と 国王"),
    ],
)
def test_a_name_is_redacted_in_every_script(library: Library, name: str, said: str, left: str) -> None:
    library.episodes.store(replace(episode(3, matches={}), title="3", lines=(Line(0.0, 1.0, said),)), {})
    library.shows.keep_picture(f"{name} 日記", b"jpeg")
    library.profiles.create(name)
    assert library.profiles.forget(name, words=True).num_mentions == 1
    assert library.episodes.get("03" * 32).lines[0].text == left
    assert library.programmes.picture(slug("[…] 日記")) == b"jpeg"


def test_a_name_goes_from_other_titles_and_from_notes_of_others(library: Library, folder: Path) -> None:
    library.profiles.describe("Bob", role="Ann Lee's brother", note="see Ann Lee")
    library.profiles.describe("Ann Lee", note="Ann Lee herself")
    library.portrayals.tell("Bob", "Sings with Ann Lee.", [])
    library.voiceprints.add(
        "Bob",
        [embedding(1)],
        embedder=EMBEDDER,
        consent="permission",
        consent_note="Ann Lee asked him",
        source="bob.wav",
        audio_sha256="cc" * 32,
    )
    plain = replace(episode(3, matches={}), title="Plain", source="/shows/a.mp3")
    elsewhere = replace(plain, title="With Ann Lee", source="/shows/b.mp3")
    library.episodes.store(elsewhere, {})
    library.episodes.store(plain, {})
    outputs.write(library, elsewhere, [(folder / "b.json", "json")])
    assert ahead("Ann Lee", library=library)[0] == 5
    assert forget("Ann Lee", library=library, words=True).forgotten.num_mentions == 5
    assert "With […]" in (folder / "b.json").read_text(encoding="utf-8")
    library.close()
    assert b"Ann Lee" not in (folder / "library.db").read_bytes()


def test_former_names_go_where_they_are_given(library: Library, folder: Path) -> None:
    lines = (Line(0.0, 1.0, "Welcome, Ann Lee, now Ann Oak!"), Line(1.0, 2.0, "Thank you.", "Ann Lee"))
    library.episodes.store(replace(episode(3, matches={}), title="With Ann Lee", lines=lines), {})
    library.profiles.rename("Ann Lee", "Ann Oak")
    library.upkeep.backup(folder / "backup.db")
    for wrong in ("bob", " "):
        with pytest.raises(LibraryError, match=r"'Bob' is somebody of their own|needs a name"):
            forget("Ann Oak", library=library, former=[wrong])
    command = ["profiles", "forget", "Ann Oak", "--also", "Ann Lee", "--words", "--backups", "--yes"]
    assert cli.run([*command, "--library", str(library.location)]) == 0
    with open_library(folder / "backup.db") as backup:
        for erased in (library, backup):
            after = erased.episodes.get("03" * 32)
            assert after.title == "With […]"
            assert [(line.speaker, line.text) for line in after.lines] == [
                (None, "Welcome, […], now […]!"),
                (None, "Thank you."),
            ]


@pytest.mark.parametrize("name", ["Ann Lee", "Zoë Ümit"])
def test_a_name_in_the_name_of_a_show_is_redacted_wherever_that_stands(
    library: Library, folder: Path, name: str
) -> None:
    if library.profiles.find(name) is None:
        library.profiles.create(name)
    show = f"The {name} Hour"
    library.episodes.store(replace(episode(3, matches={}), show=show, title="3"), {})
    outputs.write(library, library.episodes.get("03" * 32), [(folder / "3.json", "json")])
    library.shows.keep_picture(show, b"jpeg")
    library.jobs.add([NewJob("k", "https://e.org/3.mp3", "3", show, about={"persons": [["Al", f"as {name}"]]})])
    assert library.profiles.forget(name, words=True).num_mentions == 3
    (job,) = library.jobs.find()
    assert (job.show, job.about["persons"]) == ("The […] Hour", [["Al", "as […]"]])
    assert library.episodes.get("03" * 32).show == "The […] Hour"
    assert library.programmes.picture(slug("The […] Hour")) == b"jpeg"
    library.close()
    left = (folder / "library.db").read_bytes()
    assert name.encode() not in left
    assert slug(name).encode() not in left
