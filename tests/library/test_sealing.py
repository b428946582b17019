"""A library under a passphrase: who gets in, what stands on the disk, and that nothing is lost on the way."""

from __future__ import annotations

import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.library_example import DIMENSION, EMBEDDER, fill
from tests.support.tones import ENGINES, write_episode
from voicematch.batch import Settings, find, run
from voicematch.errors import LibraryError
from voicematch.library import Library, drivers, open_library, passphrase, sealing

pytest.importorskip("sqlcipher3", reason="needs the extra: pip install '.[passphrase]'")

SECRET = "nine green bottles"
FIXTURES = Path(__file__).parent.parent / "fixtures"
PLAIN = (b"SQLite format 3", b"Ann Lee", b"continual", b"fLaC: the clip")


@pytest.fixture(autouse=True)
def _nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(passphrase.VARIABLE, raising=False)
    monkeypatch.delenv(passphrase.FILE_VARIABLE, raising=False)
    monkeypatch.setattr(passphrase, "_keyring", lambda: None)
    passphrase.forget()
    yield
    passphrase.forget()


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    """A plain library."""
    with open_library(tmp_path / "library.db", embedder=EMBEDDER, dimension=DIMENSION) as library:
        fill(library)
    return tmp_path / "library.db"


@pytest.fixture(name="sealed")
def _sealed(path: Path) -> Path:
    """The same under a passphrase that this process does not know any more."""
    sealing.seal(path, SECRET)
    passphrase.forget()
    return path


def all_of(library: Library) -> tuple[object, ...]:
    people = library.people.names()
    return (
        people,
        [library.profiles.get(name) for name in people],
        [library.episodes.get(card.audio_sha256) for card in library.listings.episodes()[0]],
        library.search.lines("learning"),
        [row.tobytes() for row in library.voiceprints.all().vectors],
    )


def bytes_beside(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.parent.rglob("*")) if file.is_file())


def test_there_and_back_nothing_is_lost(path: Path) -> None:
    with open_library(path) as library:
        before = all_of(library)
    sealing.seal(path, SECRET)
    assert not [plain for plain in PLAIN if plain in bytes_beside(path)]
    with open_library(path) as library:
        assert all_of(library) == before
        assert library.upkeep.check() == ()
        assert library.upkeep.stats().encrypted
        library.profiles.rename("Ann Lee", "Anna Lee")
        assert not [plain for plain in PLAIN if plain in bytes_beside(path)]  # not in the write-ahead log either
        library.profiles.rename("Anna Lee", "Ann Lee")
    sealing.seal(path, None)
    passphrase.forget()
    with open_library(path) as library:
        assert all_of(library) == before
        assert library.upkeep.check() == ()
        assert not library.upkeep.stats().encrypted
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_through_a_link_it_is_the_library_that_changes(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(path)
    for secret in (SECRET, "ten green bottles", None):
        sealing.seal(link, secret)
        assert link.is_symlink()
        assert sealing.is_sealed(path) == (secret is not None)
        with open_library(path) as library:
            assert library.people.names() == ("Ann Lee", "Bob")


def test_a_file_of_two_names_is_not_overwritten_under_both(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "library.db"
    other.parent.mkdir()
    other.hardlink_to(path)
    before = path.read_bytes()
    with pytest.raises(LibraryError, match="another name leads to the same file"):
        sealing.seal(path, SECRET)
    assert path.read_bytes() == other.read_bytes() == before
    other.unlink()
    sealing.seal(path, SECRET)
    assert sealing.is_sealed(path)


def test_any_program_for_sqlcipher_opens_it_with_the_passphrase(sealed: Path) -> None:
    connection = drivers.sqlcipher().connect(str(sealed))
    connection.execute(f"PRAGMA key = '{SECRET}'")
    assert connection.execute("SELECT name FROM profiles ORDER BY id").fetchone() == ("Ann Lee",)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_nobody_gets_in_without_it(sealed: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = sealed.read_bytes()
    with pytest.raises(LibraryError, match="or one under a passphrase: give it with --passphrase-file or VOICEMATCH"):
        open_library(sealed)
    passphrase.give("ten green bottles")
    with pytest.raises(LibraryError, match=r"the passphrase \(given\) is wrong, or this is no voicematch library"):
        open_library(sealed)
    assert sealed.read_bytes() == before
    assert capfd.readouterr() == ("", "")


def test_where_it_comes_from(sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opens() -> bool:
        passphrase.forget()
        try:
            open_library(sealed).close()
        except LibraryError:
            return False
        return True

    monkeypatch.setenv(passphrase.VARIABLE, "something else")
    assert not opens()
    (tmp_path / "secret").write_text(SECRET + "\nand a note\n", encoding="utf-8")
    monkeypatch.setenv(passphrase.FILE_VARIABLE, str(tmp_path / "secret"))
    assert opens()
    monkeypatch.delenv(passphrase.FILE_VARIABLE)
    monkeypatch.setenv(passphrase.VARIABLE, SECRET)
    assert opens()
    monkeypatch.delenv(passphrase.VARIABLE)
    kept = {("voicematch", str(sealed.absolute())): SECRET}
    monkeypatch.setattr(passphrase, "_keyring", lambda: keyring_of(kept))
    assert opens()
    kept[("voicematch", str(sealed.absolute()))] = "of an earlier time"
    assert not opens()


def test_the_keyring_knows_it_wherever_the_change_ends(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[tuple[str, str], str] = {}
    monkeypatch.setattr(passphrase, "_keyring", lambda: keyring_of(kept))
    passphrase.keep(sealed, SECRET)
    with pytest.raises(KeyboardInterrupt), passphrase.keeping(sealed, "ten green bottles"):
        raise KeyboardInterrupt
    open_library(sealed).close()
    sealing.seal(sealed, "ten green bottles")
    passphrase.forget()
    open_library(sealed).close()
    with passphrase.keeping(sealed, "ten green bottles"):
        assert len(kept) == 2
    assert kept == {("voicematch", str(sealed)): "ten green bottles"}


def keyring_of(kept: dict[tuple[str, str], str], *, fails: bool = False) -> types.SimpleNamespace:
    """A keyring that is a dict."""

    class Locked(Exception):
        pass

    def get(service: str, user: str) -> str | None:
        if fails:
            raise Locked
        return kept.get((service, user))

    def put(service: str, user: str, secret: str) -> None:
        if fails:
            raise Locked
        kept[service, user] = secret

    return types.SimpleNamespace(
        get_password=get,
        set_password=put,
        delete_password=lambda service, user: kept.pop((service, user)),
        errors=types.SimpleNamespace(KeyringError=Locked),
    )


def test_a_keyring_keeps_it_and_lets_go_of_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[tuple[str, str], str] = {}
    monkeypatch.setattr(passphrase, "_keyring", lambda: keyring_of(kept))
    passphrase.keep(path, SECRET)
    assert kept == {("voicematch", str(path.absolute())): SECRET}
    passphrase.keep(path, None)
    passphrase.keep(path, None)
    assert kept == {}
    monkeypatch.setattr(passphrase, "_keyring", lambda: keyring_of(kept, fails=True))
    passphrase.keep(path, None)
    with pytest.raises(LibraryError, match="the system's keyring takes no passphrase: Locked"):
        passphrase.keep(path, SECRET)


def test_a_locked_keyring_is_as_none(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrase, "_keyring", lambda: keyring_of({}, fails=True))
    with pytest.raises(LibraryError, match="or one under a passphrase"):
        open_library(sealed)


def test_a_person_is_asked_once(sealed: Path) -> None:
    asked: list[Path] = []

    def wrong(path: Path) -> str:
        asked.append(path)
        return "a guess or two"

    passphrase.ask_with(wrong)
    for _ in range(2):
        with pytest.raises(LibraryError, match=r"the passphrase \(given\) is wrong"):
            open_library(sealed)
    assert asked == [sealed.absolute()]
    passphrase.forget()
    passphrase.ask_with(lambda path: SECRET)
    open_library(sealed).close()
    open_library(sealed).close()


def test_accents_are_the_same_from_any_keyboard(path: Path) -> None:
    sealing.seal(path, passphrase.checked("Zoe\u0308s Stu\u0308hle"))
    passphrase.forget()
    passphrase.give("Zoës Stühle")
    with open_library(path) as library:
        assert library.people.names() != ()


@pytest.mark.parametrize(("content", "says"), [("", "holds no passphrase"), ("\nsecond", "holds no passphrase")])
def test_a_file_without_one(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "secret").write_text(content)
    with pytest.raises(LibraryError, match=says):
        passphrase.read(tmp_path / "secret")
    with pytest.raises(LibraryError, match="no passphrase can be read: No such file"):
        passphrase.read(tmp_path / "gone")
    with pytest.raises(LibraryError, match="at least 8 characters"):
        passphrase.checked("sesame")


def test_another_passphrase_takes_the_place_of_the_first(sealed: Path) -> None:
    passphrase.give(SECRET)
    sealing.seal(sealed, "ten green bottles")
    passphrase.forget()
    passphrase.give(SECRET)
    with pytest.raises(LibraryError, match="is wrong"):
        open_library(sealed)
    passphrase.give("ten green bottles")
    with open_library(sealed) as library:
        assert library.upkeep.check() == ()


def test_a_library_made_under_one_never_was_plain(tmp_path: Path) -> None:
    passphrase.give(SECRET)
    with open_library(tmp_path / "new" / "library.db", embedder=EMBEDDER, dimension=DIMENSION) as library:
        fill(library)
        library.profiles.forget("Ann Lee")
        assert library.upkeep.check() == ()
        assert not [plain for plain in PLAIN if plain in bytes_beside(tmp_path / "new" / "library.db")]
    (tmp_path / "empty.db").touch()
    with pytest.raises(LibraryError, match="an empty file; remove it"):
        open_library(tmp_path / "empty.db")


def make(path: Path) -> str:
    passphrase.give(SECRET)
    with open_library(path) as library:
        library.jobs.add([])
        return library.embedder


def test_several_may_make_the_same_new_library(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(make, [tmp_path / "library.db"] * 8))) == 1
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as processes:
        assert len(set(processes.map(make, [tmp_path / "other.db"] * 4))) == 1
    assert {file.name for file in tmp_path.iterdir()} == {"library.db", "other.db"}


def test_copies_are_under_it_too(sealed: Path, tmp_path: Path) -> None:
    passphrase.give(SECRET)
    with open_library(sealed) as library:
        library.upkeep.backup(tmp_path / "copy.db")
    assert sealing.is_sealed(tmp_path / "copy.db")
    with open_library(tmp_path / "copy.db") as copy, open_library(sealed) as library:
        assert all_of(copy) == all_of(library)


def test_a_library_of_an_older_form_is_changed_under_it(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    path.write_bytes((FIXTURES / "library-0003.db").read_bytes())
    sealing.seal(path, SECRET)
    with open_library(path) as library:
        assert library.upkeep.check() == ()
    (backup,) = tmp_path.glob("*.backup")
    assert sealing.is_sealed(backup)
    assert not [plain for plain in PLAIN if plain in bytes_beside(path)]


def test_while_another_has_it_open_it_stays_as_it_was(path: Path) -> None:
    holds = "import sys; from voicematch.library import *; library = open_library(sys.argv[1]); "
    holds += "library.people.names(); print(); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holds, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(LibraryError, match="busy: another process holds it"):
            sealing.seal(path, SECRET, busy_seconds=0.1)
        assert not sealing.is_sealed(path)
        other.communicate(b"")
    with open_library(path) as library:
        assert library.upkeep.check() == ()
    assert {file.name for file in path.parent.iterdir()} == {"library.db"}


KILLED = """
import os, signal, sys
from pathlib import Path
from voicematch.library import partial, passphrase, sealing
passphrase.give("nine green bottles")
place, path, secret = sys.argv[1], Path(sys.argv[2]), sys.argv[3] or None
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if place == "rename":
    Path.replace = die
else:
    setattr(sealing, place, die)
sealing.seal(path, secret)
"""


@pytest.mark.parametrize("to", [SECRET, ""])
@pytest.mark.parametrize("place", ["_export", "_check", "rename", "_overwrite"])
def test_killed_in_the_middle_it_is_the_old_or_the_new(path: Path, place: str, to: str) -> None:
    with open_library(path) as library:
        before = all_of(library)
    if not to:
        sealing.seal(path, SECRET)
    killed = subprocess.run([sys.executable, "-c", KILLED, place, str(path), to], check=False)
    assert killed.returncode == (0 if place == "_overwrite" and not to else -signal.SIGKILL)
    passphrase.give(SECRET)
    is_new = place == "_overwrite"
    assert sealing.is_sealed(path) == (bool(to) == is_new)
    with open_library(path) as library:
        library.upkeep.tidy()
        with library._database.bare() as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert all_of(library) == before
        assert library.upkeep.check() == ()
    assert {file.name for file in path.parent.iterdir()} == {"library.db"}


def test_bytes_that_cannot_be_overwritten_are_told_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    passphrase.give(SECRET)
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(LibraryError, match="is under the passphrase now, but its bytes of before cannot"):
        sealing.seal(path, SECRET)
    assert sealing.is_sealed(path)


def test_a_full_disk_leaves_it_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sealing, "_check", full)
    with pytest.raises(LibraryError, match="No space left on device"):
        sealing.seal(path, SECRET)
    assert not sealing.is_sealed(path)
    with open_library(path) as library:
        assert library.upkeep.check() == ()
    assert {file.name for file in path.parent.iterdir()} == {"library.db"}


def test_what_was_plain_is_overwritten(path: Path) -> None:
    with path.open("rb") as old:
        sealing.seal(path, SECRET)
        assert set(old.read()) == {0}


def test_without_sqlcipher_it_says_what_is_missing(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, drivers.SQLCIPHER, None)
    with pytest.raises(LibraryError, match=r"needs SQLCipher: pip install 'voicematch\[passphrase\]'"):
        open_library(sealed)


def test_random_bytes_are_no_library(tmp_path: Path) -> None:
    passphrase.give(SECRET)
    (tmp_path / "a.db").write_bytes(os.urandom(8192))
    with pytest.raises(LibraryError, match="is wrong, or this is no voicematch library"):
        open_library(tmp_path / "a.db")
    (tmp_path / "b.db").write_bytes(b"these are not the voices" * 1024)
    with pytest.raises(LibraryError, match=r"b\.db: not a voicematch library$"):
        open_library(tmp_path / "b.db")


def test_the_workers_of_a_batch_get_in(tmp_path: Path) -> None:
    passphrase.give(SECRET)
    path = tmp_path / "library.db"
    with open_library(path, embedder="fake", dimension=8) as library:
        library.jobs.add(find([write_episode(tmp_path / f"{name}.wav", name) for name in "AB"]).jobs)
    settings = Settings(str(path), cache=tmp_path / "cache", engines=ENGINES)
    assert SECRET not in repr(settings)
    tally = run(settings, num_workers=2)
    assert (tally.num_done, tally.num_failed) == (2, 0)


def test_what_reads_it_does_not_show_it(sealed: Path) -> None:
    passphrase.give(SECRET)
    with open_library(sealed) as library:
        assert SECRET not in repr(library) + library.location + repr(library._database.driver)
