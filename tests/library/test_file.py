"""The library as a file: who may read it, what it may be mistaken for, many writers, old schemas, erased bytes."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import signal
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from tests.support.library_example import CLIP, DIMENSION, EMBEDDER, embedding, episode, fill, voices
from voicematch import cli
from voicematch.errors import EmbedderMismatch, LibraryError, OutputExists
from voicematch.library import Library, Output, State, default_location, erasure, migrations, open_library, schema
from voicematch.library.database import open_database
from voicematch.models.table import DEFAULT_EMBEDDER, MODELS
from voicematch.types import Line

NEWEST = migrations.STEPS[-1][0]

FIXTURES = Path(__file__).parent.parent / "fixtures"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A filled library, closed."""
    made = tmp_path / "kept" / "library.db"
    with open_library(made, embedder=EMBEDDER, dimension=DIMENSION) as library:
        fill(library)
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -- opening


def test_only_its_owner_may_read_it(path: Path) -> None:
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    with open_library(path) as library:
        library.settings.set("accept", "0.8")
        beside = [file for file in path.parent.iterdir() if file != path]
        assert {file.name for file in beside} == {"library.db-wal", "library.db-shm"}
        assert {mode(file) for file in beside} == {0o600}
    assert list(path.parent.iterdir()) == [path]


def test_a_new_library_takes_the_default_embedder(tmp_path: Path) -> None:
    with open_library(tmp_path / "library.db") as library:
        assert library.embedder == DEFAULT_EMBEDDER
        assert library.dimension == MODELS[DEFAULT_EMBEDDER].dimension


def test_the_environment_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMATCH_LIBRARY", str(tmp_path / "mine.db"))
    with open_library() as library:
        assert library.path == tmp_path / "mine.db"
    monkeypatch.delenv("VOICEMATCH_LIBRARY")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_location().endswith("library.db")


def test_through_a_link_copies_are_beside_the_library(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(path)
    with open_library(tmp_path / "link.db") as library:
        library.profiles.create("Cy")
        wal = path.with_name(f"{path.name}-wal")
        assert library.upkeep.stats().size == path.stat().st_size + wal.stat().st_size > path.stat().st_size
    shutil.copy(FIXTURES / "library-0007.db", path)
    open_library(tmp_path / "link.db").close()
    with open_library(path) as library:
        assert library.upkeep.backups() == (path.with_name("library.db.0007_unfinished.backup"),)


def test_an_sqlite_url_is_a_file(path: Path) -> None:
    with open_library(f"sqlite:///{path}") as library:
        assert (library.location, library.path) == (str(path), path)


def test_without_create_an_absent_library_stays_absent(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="no library there yet; voicematch enroll NAME FILE makes one"):
        open_library(tmp_path / "new" / "library.db", create=False)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty.db").touch()
    with pytest.raises(LibraryError, match="no library there yet"):
        open_library(tmp_path / "empty.db", create=False)
    assert (tmp_path / "empty.db").read_bytes() == b""


def directory(path: Path) -> None:
    path.mkdir()


def text_file(path: Path) -> None:
    path.write_text("these are not the voices")


def other_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE episodes (name)")
    connection.close()


def newer_library(path: Path) -> None:
    shutil.copy(FIXTURES / "library-0001.db", path)
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO migrations VALUES ('9999_telepathy', '2031-01-01T00:00:00Z')")
    connection.commit()
    connection.close()


def gapped_library(path: Path) -> None:
    shutil.copy(FIXTURES / f"library-{NEWEST[:4]}.db", path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM migrations WHERE name LIKE '0003%'")


def library_without_steps(path: Path) -> None:
    shutil.copy(FIXTURES / "library-0001.db", path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM migrations")


def truncated_library(path: Path) -> None:
    path.write_bytes((FIXTURES / "library-0001.db").read_bytes()[:5000])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (directory, "a directory, not a library"),
        (text_file, "not a voicematch library"),
        (other_database, "not a voicematch library"),
        (newer_library, r"made by a newer voicematch \(9999_telepathy\); pip install --upgrade"),
        (gapped_library, "damaged: what it says of its own form has gaps; restore a backup"),
        (library_without_steps, "damaged: what it says of its own form has gaps; restore a backup"),
        (truncated_library, "damaged; restore a backup"),
    ],
)
def test_what_is_no_library(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    make(tmp_path / "it.db")
    before = (tmp_path / "it.db").is_file() and (tmp_path / "it.db").read_bytes()
    with pytest.raises(LibraryError, match=reason) as raised:
        open_library(tmp_path / "it.db")
    assert str(raised.value).startswith(f"{tmp_path / 'it.db'}: ")
    assert "\n" not in str(raised.value)
    assert before == ((tmp_path / "it.db").is_file() and (tmp_path / "it.db").read_bytes())


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("mysql://host/db", "mysql: no such kind of library"),
        ("postgresql+nonesuch://host/db", "not a PostgreSQL URL"),
        ("postgresql+pg8000://host/db", "package pg8000 is missing; for PostgreSQL: pip install"),
        ("~nobody-here/library.db", "~ stands for the home of nobody here; write the path out"),
        ("/dev/null/library.db", "/dev/null is a file, not a folder"),
        ("/dev/null/voices/library.db", "Not a directory"),
    ],
)
def test_where_no_library_can_be(location: str, reason: str) -> None:
    with pytest.raises(LibraryError, match=reason):
        open_library(location)


def test_a_server_that_is_not_there_keeps_the_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(LibraryError) as raised:
        open_library("postgresql://ann:sesame@127.0.0.1:1/voices")
    assert "sesame" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("postgresql+psycopg://ann:***@127.0.0.1:1/voices: ")


# -- the embedder


def test_another_embedder_is_refused(path: Path) -> None:
    with pytest.raises(EmbedderMismatch) as raised:
        open_library(path, embedder="grand", dimension=8)
    assert str(raised.value) == (
        f"{path} holds voices of 'tiny', not of 'grand', and the two cannot be compared; "
        "choose another library for 'grand', or move this one to it: voicematch library upgrade --embedder grand"
    )
    with pytest.raises(EmbedderMismatch, match="dimension 4, but 'tiny' now gives 8"):
        open_library(path, embedder=EMBEDDER, dimension=8)


def test_an_embedder_of_the_table_can_be_gone_back_to(tmp_path: Path) -> None:
    with open_library(tmp_path / "library.db", embedder="ecapa512", dimension=4) as library:
        library.profiles.create("Ann")
        library.voiceprints.add(
            "Ann", [embedding(0)], embedder="ecapa512", consent="self", source="a", audio_sha256="a" * 64
        )
    with pytest.raises(EmbedderMismatch, match="use 'ecapa512', choose another library for 'grand'"):
        open_library(tmp_path / "library.db", embedder="grand")


def test_a_library_without_voices_may_change_its_embedder(tmp_path: Path) -> None:
    open_library(tmp_path / "library.db").close()
    with open_library(tmp_path / "library.db", embedder="grand") as library:
        assert (library.embedder, library.dimension) == ("grand", None)
        library.profiles.create("Ann")
        library.voiceprints.add(
            "Ann", [embedding(0)], embedder="grand", consent="self", source="a", audio_sha256="a" * 64
        )
        assert library.dimension == DIMENSION  # the first vector said so
    with open_library(tmp_path / "library.db") as library:
        assert (library.embedder, library.dimension) == ("grand", DIMENSION)


def test_a_library_that_knows_no_dimension_yet_holds_no_voice(tmp_path: Path) -> None:
    with open_library(tmp_path / "library.db", embedder="grand") as library:
        assert (library.dimension, library.upkeep.check()) == (None, ())
        assert list(library.speakers.all_embeddings().episodes()) == []
        assert library.voiceprints.all().profiles == library.unknowns.ignored_voiceprints().profiles == ()
        with library.together(keep=False):
            library.profiles.create("Ann")
            library.voiceprints.add(
                "Ann", [embedding(0)], embedder="grand", consent="self", source="a", audio_sha256="a" * 64
            )
            assert library.dimension == DIMENSION
        assert library.dimension is None  # what was not kept said nothing


# -- several processes


def write_fifty(path: Path, writer: int) -> None:
    with open_library(path) as library:
        for number in range(25):
            library.episodes.store(episode(100 * writer + number), voices())
            library.voiceprints.add(
                "Bob",
                [embedding(1, start=float(number), end=number + 1.0)],
                embedder=EMBEDDER,
                consent="public",
                source="bob.wav",
                audio_sha256=f"{writer:064x}",
            )


def make_one(path: Path, name: str) -> None:
    with open_library(path, embedder=EMBEDDER, dimension=DIMENSION) as library:
        library.profiles.create(name)


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(abs, range(4)))
        yield pool


def test_two_processes_write_at_once(path: Path, processes: ProcessPoolExecutor) -> None:
    for writing in [processes.submit(write_fifty, path, writer) for writer in (1, 2)]:
        writing.result()
    with open_library(path) as library:
        assert len(library.listings.episodes()[0]) == 1 + 2 * 25
        assert library.profiles.get("Bob").num_voiceprints == 1 + 2 * 25
        assert library.upkeep.check() == ()


def test_four_processes_make_one_library(tmp_path: Path, processes: ProcessPoolExecutor) -> None:
    for attempt in range(5):
        path = tmp_path / f"{attempt}" / "library.db"
        names = ["Ann", "Bob", "Cy", "Di"]
        for making in [processes.submit(make_one, path, name) for name in names]:
            making.result()
        with open_library(path) as library:
            assert [profile.name for profile in library.people.find()[0]] == names


def names_in(path: Path) -> tuple[str, ...]:
    with open_library(path) as library:
        return library.people.names()


def test_four_processes_open_an_older_library(tmp_path: Path, processes: ProcessPoolExecutor) -> None:
    for attempt in range(5):
        path = tmp_path / f"[{attempt}]" / "[old] library.db"
        path.parent.mkdir()
        shutil.copy(FIXTURES / "library-0007.db", path)
        opening = [processes.submit(names_in, path) for _ in range(4)]
        assert {one.result() for one in opening} == {("Ann Lee", "Bob")}
        (backup,) = (file for file in path.parent.iterdir() if file.suffix == ".backup")
        assert newest_step(backup) == "0007_unfinished"
        with open_library(path) as library:
            assert library.upkeep.backups() == (backup,)


def test_a_writer_that_waits_too_long_says_so(path: Path) -> None:
    holder = sqlite3.connect(path, isolation_level=None)
    with open_library(path, busy_seconds=0.05) as library:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(LibraryError, match="busy: another process holds it; try again when that is done"):
            library.profiles.create("Cy")
        assert library.profiles.find("Cy") is None  # reading goes on meanwhile
        holder.execute("ROLLBACK")
        library.profiles.create("Cy")
    holder.close()


def test_a_library_that_somebody_else_is_making_is_waited_for(tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "library.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LibraryError, match="busy"):
        open_library(tmp_path / "library.db", busy_seconds=0.05)
    holder.close()


# -- a disk that refuses


def without_permission(folder: Path, call: Callable[[Library], str]) -> str:
    """What a user who may only read is told; root may do anything, so it becomes somebody else first."""
    os.chdir(folder)  # the folders above may be closed to that somebody
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        with open_library("library.db") as library:
            return call(library)
    except LibraryError as error:
        return str(error)


def error_of_growing(path: Path) -> str:
    """What is said when the file cannot grow."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open_library(path) as library:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, resource.RLIM_INFINITY))
        try:
            library.episodes.store(replace(episode(2), lines=(Line(0.0, 1.0, "word " * 100_000),)), {})
        except LibraryError as error:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            return f"{error}; {len(library.listings.episodes()[0])} episode; sound: {library.upkeep.check() == ()}"
    return "no error"


def create_cy(library: Library) -> str:
    return library.profiles.create("Cy").name


@pytest.fixture
def lent_folder(path: Path) -> Iterator[Path]:
    """The library in a folder that anybody may enter and read."""
    folder = Path(tempfile.mkdtemp())  # not in tmp_path, whose parents are closed to other users
    shutil.copy(path, folder / "library.db")
    (folder / "library.db").chmod(0o444)
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


def alone(call: Callable[..., str], *arguments: object) -> str:
    """The answer of a process of its own, which may spoil itself."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as own:
        return own.submit(call, *arguments).result()


def read_ann(library: Library) -> str:
    return f"{library.profiles.get('Ann Lee').num_voiceprints} voiceprints; sound: {library.upkeep.check() == ()}"


@pytest.mark.parametrize("folder_mode", [0o777, 0o555])
def test_a_read_only_file_is_read(lent_folder: Path, folder_mode: int) -> None:
    lent_folder.chmod(folder_mode)
    assert alone(without_permission, lent_folder, read_ann) == "2 voiceprints; sound: True"


@pytest.mark.parametrize("folder_mode", [0o777, 0o555])
def test_a_read_only_file(lent_folder: Path, folder_mode: int) -> None:
    lent_folder.chmod(folder_mode)
    assert alone(without_permission, lent_folder, create_cy) == (
        "library.db: read-only; check the permissions of the file and its folder, or choose another library"
    )


@pytest.mark.parametrize("folder_mode", [0o777, 0o555])
def test_a_read_only_file_of_an_older_version(lent_folder: Path, folder_mode: int) -> None:
    (lent_folder / "library.db").chmod(0o644)
    with closing(sqlite3.connect(lent_folder / "library.db")) as older, older:
        older.execute("DELETE FROM migrations WHERE name = (SELECT max(name) FROM migrations)")
    (lent_folder / "library.db").chmod(0o444)
    lent_folder.chmod(folder_mode)
    assert alone(without_permission, lent_folder, read_ann) == (
        "library.db: made by an older voicematch, and can only be read here; "
        "a copy of it elsewhere is brought to today's form"
    )
    assert not list(lent_folder.glob("*.backup"))


def test_a_library_that_others_may_read_is_mended(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.chmod(0o644)
    open_library(path).close()
    assert mode(path) == 0o600
    assert caplog.messages == [f"{path} could be read by others of this machine; now only you can"]
    caplog.clear()
    open_library(path).close()
    assert caplog.messages == []


@pytest.mark.parametrize("location", ["postgres://[::1", "postgresql://host:port/library"])
def test_an_address_that_is_none(location: str) -> None:
    with pytest.raises(LibraryError, match="not a PostgreSQL URL"):
        open_library(location)


def test_a_pipe_is_no_library(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "library.db")
    for place in (tmp_path / "library.db", Path("/dev/zero")):
        with pytest.raises(LibraryError, match="not an ordinary file"):
            open_library(place)


def test_a_file_that_cannot_grow(path: Path) -> None:
    assert alone(error_of_growing, path) == (
        f"{path}: cannot be read or written; is the disk full or failing?; 1 episode; sound: True"
    )


def test_a_full_disk(path: Path) -> None:
    database = open_database(path, create=False)
    with database.bare() as connection:
        connection.execute("PRAGMA max_page_count = 1")  # SQLite then says what it says of a full disk
    with pytest.raises(LibraryError, match="the disk is full; nothing of this was stored"), database.write() as full:
        full.execute(schema.clips.insert().values(profile_id=1, audio=bytes(1_000_000), created=""))
    database.close()


# -- forgetting


def bytes_beside(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith("-shm"))


def test_a_forgotten_person_is_gone_from_the_bytes(path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(4, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    enrolled, heard, other = (replace(embedding(0, start=float(n), end=9.0), vector=vectors[n]) for n in range(3))
    with open_library(path) as library:
        library.profiles.rename("Ann Lee", "Quorra Flynn")
        library.voiceprints.add(
            "Quorra Flynn",
            [enrolled],
            embedder=EMBEDDER,
            consent="self",
            source="quorra flynn.wav",
            audio_sha256="cc" * 32,
            clip=b"clip of a voice " * 1000,
        )
        said = episode(2)
        match = replace(
            said.matches["SPEAKER_00"],
            profile="Quorra Flynn",
            candidates=(replace(said.matches["SPEAKER_00"].candidates[0], profile="Quorra Flynn"),),
            reasons=("Quorra Flynn fits", "QUORRA FLYNN says so"),
        )
        library.episodes.store(
            replace(said, matches={"SPEAKER_00": match}, lines=(Line(0.0, 1.0, "Hi", "Quorra Flynn"),)),
            {"SPEAKER_00": (heard,), "SPEAKER_01": (other,)},
        )
        secrets = [
            b"Quorra Flynn",
            b"quorra flynn",
            b"clip of a voice",
            enrolled.vector.tobytes(),
            heard.vector.tobytes(),
        ]
        before = bytes_beside(path)
        assert all(secret in before for secret in secrets)
        assert library.profiles.forget("Quorra Flynn").compacted
        after = bytes_beside(path)
        assert not any(secret.lower() in after.lower() for secret in secrets)
        assert other.vector.tobytes() in after
    assert not any(secret.lower() in bytes_beside(path).lower() for secret in secrets)


@pytest.mark.parametrize(
    ("name", "erase"), [("Quorra", "profiles forget Quorra --words"), ("Bo", "episodes remove 020202")]
)
def test_words_are_gone_from_the_bytes_of_the_search_index(path: Path, name: str, erase: str) -> None:
    with open_library(path) as library:
        library.profiles.create(name)
        said = replace(episode(2, matches={}), lines=(Line(0.0, 1.0, "Quorra is here"), Line(1.0, 2.0, "Yes")))
        library.episodes.store(said, {})
    assert b"quorra" in bytes_beside(path)
    assert cli.run([*erase.split(), "--yes", "--library", str(path)]) == 0
    assert b"quorra" not in bytes_beside(path).lower()
    with open_library(path) as library:
        assert library.upkeep.check() == ()


def test_on_postgresql_every_table_is_written_anew(postgresql: str) -> None:
    with open_library(postgresql, embedder=EMBEDDER, dimension=DIMENSION) as library:
        fill(library)

        def file_of(table: str) -> int:
            with library._database.read() as connection:
                return int(connection.scalar(sa.select(sa.func.pg_relation_filenode(table))) or 0)

        before = {table: file_of(table) for table in schema.metadata.tables}
        library.profiles.forget("Ann Lee")
        assert not [table for table, number in before.items() if file_of(table) == number]


def test_a_reader_in_the_way_of_erasing_is_reported(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reader = sqlite3.connect(path, isolation_level=None)
    with open_library(path, busy_seconds=0.05) as library:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM profiles").fetchall()
        assert not library.profiles.forget("Ann Lee").compacted
        assert "old bytes until it ends" in caplog.text
        reader.close()
    assert CLIP not in bytes_beside(path)


def test_a_writer_in_the_way_of_erasing_is_reported(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = open_database(path, create=False, busy_seconds=0.05)
    with database.write() as connection:
        forgotten = erasure.forget(connection, "Ann Lee")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert not erasure.compact(database, forgotten).compacted
    assert "busy" in caplog.text
    holder.close()
    assert erasure.compact(database, forgotten).compacted
    database.close()


# -- upkeep


def test_a_backup_is_the_library(path: Path, tmp_path: Path) -> None:
    with open_library(path) as library:
        library.upkeep.backup(tmp_path / "copy.db")
        with pytest.raises(OutputExists, match="already there"):
            library.upkeep.backup(tmp_path / "copy.db")
        with pytest.raises(LibraryError, match="No such file or directory"):
            library.upkeep.backup(tmp_path / "nowhere" / "copy.db")
        assert mode(tmp_path / "copy.db") == 0o600
        with open_library(tmp_path / "copy.db") as copy:
            assert copy.people.find()[0] == library.people.find()[0]
            assert copy.episodes.get("Episode 1") == library.episodes.get("Episode 1")
    assert {file.name for file in tmp_path.iterdir()} == {"kept", "copy.db"}


def test_a_backup_that_fails_leaves_nothing(path: Path, tmp_path: Path) -> None:
    with open_library(path) as library:
        path.write_bytes(path.read_bytes()[:8192])  # torn off while open
        with pytest.raises(LibraryError, match="damaged"):
            library.upkeep.backup(tmp_path / "copy.db")
    assert {file.name for file in tmp_path.iterdir()} == {"kept"}


def test_check_finds_what_is_wrong(path: Path) -> None:
    spoiled = sqlite3.connect(path)
    spoiled.execute("UPDATE voiceprints SET vector = x'0000' WHERE audio_sha256 = ?", ("bb" * 32,))
    spoiled.execute("UPDATE voiceprints SET embedder = 'grand' WHERE start = 1.0")
    spoiled.execute("UPDATE voiceprints SET vector = ? WHERE start = 11.0", (np.full(4, np.inf, "<f4").tobytes(),))
    spoiled.execute("UPDATE speaker_embeddings SET vectors = ? WHERE speaker_id = 1", (np.ones(8, "<f4").tobytes(),))
    spoiled.execute("UPDATE speaker_embeddings SET spans = x'' WHERE speaker_id = 2")
    spoiled.execute("UPDATE turns SET speaker_id = 77 WHERE position = 0")
    spoiled.execute("DROP TRIGGER lines_updated")
    spoiled.execute("UPDATE lines SET text = 'never indexed' WHERE position = 0")
    spoiled.commit()
    spoiled.close()
    with open_library(path) as library:
        assert set(library.upkeep.check()) == {
            "turns row 1 points at a row of speakers that is not there",
            "the search index does not agree with the lines",
            "voiceprint 1: made by 'grand'",
            "voiceprint 2: not finite",
            "voiceprint 3: 2 bytes are not vectors of dimension 4",
            "episode 010101010101, SPEAKER_00: not of unit length",
            "episode 010101010101, SPEAKER_01: not one span for each embedding",
        }


def test_check_finds_a_damaged_file(path: Path) -> None:
    for old, new in (("created TEXT NOT NULL", "created TEXT"), ("created TEXT", "created TEXT NOT NULL")):
        spoiled = sqlite3.connect(path, isolation_level=None)
        spoiled.execute("PRAGMA writable_schema = ON")
        spoiled.execute("UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE name = 'clips'", (old, new))
        spoiled.close()
        if new == "created TEXT":
            spoiled = sqlite3.connect(path, isolation_level=None)
            spoiled.execute("UPDATE clips SET created = NULL")
            spoiled.close()
    with open_library(path) as library:
        assert library.upkeep.check() == ("the file is damaged: NULL value in clips.created",)


# -- schemas


def shape(path: Path) -> set[tuple[str, frozenset[str]]]:
    """Every table, index and trigger, each with the clauses of its SQL: a column that came later stands last in it."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    clauses = re.compile(r"^[^(]*\(|,\s(?![^(]*\))|\)\s*$")  # not at a comma within brackets
    return {
        (name, frozenset(" ".join(clause.split()) for clause in clauses.split(sql) if clause.strip()))
        for name, sql in rows
    }


def newest_step(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        (name,) = connection.execute("SELECT max(name) FROM migrations").fetchone()
    return str(name)


def test_a_library_of_the_newest_schema_is_kept(path: Path) -> None:
    assert newest_step(FIXTURES / f"library-{NEWEST[:4]}.db") == newest_step(path) == NEWEST


@pytest.mark.parametrize("released", sorted(FIXTURES.glob("library-*.db")), ids=lambda path: path.stem)
def test_every_released_schema_opens_as_todays(released: Path, path: Path, tmp_path: Path) -> None:
    assert f"library-{newest_step(released)[:4]}" == released.stem
    shutil.copy(released, tmp_path / "old.db")
    with open_library(path) as today, open_library(tmp_path / "old.db") as library:
        assert library.episodes.get("Episode 1") == today.episodes.get("Episode 1")
        known = [replace(profile, created="", consents=()) for profile in library.people.find()[0]]
        assert known == [replace(profile, created="", consents=()) for profile in today.people.find()[0]]
        assert list(library.voiceprints.clips("Ann Lee")) == [(1, CLIP)]
        assert library.settings.get("accept") == "0.9"
        assert [hit.text for hit in library.search.lines("continual")] == ["On continual learning, naïvely."]
        assert library.upkeep.check() == ()
    assert shape(tmp_path / "old.db") == shape(path)


def test_an_older_library_keeps_its_backlog(tmp_path: Path) -> None:
    shutil.copy(FIXTURES / "library-0002.db", tmp_path / "old.db")
    with open_library(tmp_path / "old.db") as library:
        failed, queued = library.jobs.find(State.FAILED, State.QUEUED)
        assert (failed.key, failed.show, failed.duration, failed.error) == ("k2", "The Show", 61.5, "no audio stream")
        assert failed.about == {"persons": [["Ann Lee", "host"]]}
        assert (queued.key, queued.attempts, queued.error) == ("k3", 0, None)
        assert library.voices.unknowns()[0] == ()


def test_an_older_library_learns_shows_steadiness_and_files(path: Path, tmp_path: Path) -> None:
    """Its second episode came from a job that wrote a file; its stretches have the cosines 0.8, 0.8 and 0.64."""
    shutil.copy(FIXTURES / "library-0003.db", tmp_path / "old.db")
    with open_library(tmp_path / "old.db") as library:
        assert [library.episodes.get(f"Episode {number}").show for number in (1, 2)] == ["", "The Show"]
        assert [(u.id, u.speakers[0].show) for u in library.voices.unknowns()[0]] == [("U-0001", "The Show")]
        assert library.outputs.of("02" * 32) == (Output(Path("/nowhere/2.json"), "json"),)
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        assert connection.execute("SELECT steadiness FROM unknown_speakers").fetchall() == [(pytest.approx(2.24 / 3),)]


def add_colour(connection: sa.Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE profiles ADD COLUMN colour TEXT")


def add_and_fail(connection: sa.Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE profiles ADD COLUMN sound TEXT")
    raise LibraryError("no more")


def test_a_migration_backs_up_and_runs_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    steps = (*migrations.STEPS, ("0099_colour", add_colour))
    database = open_database(path, create=False)
    for _ in range(2):
        migrations.migrate(database, steps=steps)
    database.close()
    assert "colour TEXT" in dict(shape(path))["profiles"]
    backup = path.with_name(f"library.db.{NEWEST}.backup")
    assert [file.name for file in path.parent.iterdir() if file != path] == [backup.name]
    assert f"the library as it was is {backup.name}" in caplog.text
    assert mode(backup) == 0o600
    with open_library(backup) as before:
        assert before.profiles.find("Ann Lee")
        assert before.upkeep.backups() == ()
    with pytest.raises(LibraryError, match="made by a newer voicematch"):
        open_library(path)


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    before = shape(path)
    database = open_database(path, create=False)
    for _ in range(2):
        with pytest.raises(LibraryError, match="no more"):
            migrations.migrate(
                database, steps=(*migrations.STEPS, ("0098_colour", add_colour), ("0099_fail", add_and_fail))
            )
    database.close()
    assert shape(path) == before
    assert list(path.parent.iterdir()) == [path]  # no copy more at each try
    with open_library(path) as library:
        assert library.upkeep.backups() == ()
