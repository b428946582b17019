"""Kills, full disks and many writers, and what is left of a library and its files afterwards.

``python -m tests.measure.faults --kills 200 --minutes 1`` prints a line for each kind, and exits 1 when anything was
lost, left behind, or not put right by the very next command. With ``--sealed`` the library is under a passphrase, with
``--postgresql URL`` it is in databases of that server that are made for it. It runs with engines that tell pure tones
apart, so that most of a command's time is what is put to the test here: its writing.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from tests.support.fakes import CALIBRATION, FakeEmbedder
from tests.support.tones import ToneDiarizer, write_episode
from voicematch import cli, outputs
from voicematch.errors import LibraryError
from voicematch.library import Library, drivers, open_library, passphrase, sealing
from voicematch.library.partial import NAME
from voicematch.usecases.chosen import Engines

SECRETS = ("nine green bottles", "ten green bottles")
DATABASE = "voicematch_faults"
FIXTURES = Path(__file__).parent.parent / "fixtures"
FORMATS = ("json", "vtt", "md")
PERSON = "Ann Quorra"  # bytes that nothing else has
NEXT = (
    ("profiles", "list"),
    ("episodes", "list"),
    ("unknowns", "list"),
    ("batch", "status"),
    ("search", "word"),
    ("library", "stats"),
    ("profiles", "show", "nobody"),
)


class Grand(FakeEmbedder):
    """Another embedder, to move to."""

    name = "grand"


ENGINES = Engines(ToneDiarizer(), FakeEmbedder())


@dataclass(frozen=True)
class Victim:
    """A command that is put to the test.

    old : on a library of that fixture
    sealed : on a library under a passphrase
    """

    arguments: tuple[str, ...]
    engines: Engines = ENGINES
    old: str = ""
    sealed: bool = False


COMMANDS = {
    "enroll": Victim(("enroll", "Cy Fairfax", "voices/C.wav", "--consent", "public", "-q")),
    "identify": Victim(("identify", "three.wav", "-f", "json", "-f", "vtt", "-o", "out", "-q")),
    "name": Victim(("name", "two.wav:SPEAKER_01", "Di Moss", "--consent", "public")),
    "correct": Victim(("correct", "one.wav:SPEAKER_00", "Di Moss", "--consent", "public")),
    "merge": Victim(("profiles", "merge", PERSON, "Bob Cole")),
    "forget": Victim(("profiles", "forget", PERSON, "--yes")),
    "batch": Victim(("batch", "run", "-f", "vtt", "-q", "--jobs", "1")),
    "upgrade": Victim(("library", "upgrade", "--embedder", "grand", "-q", "--force"), Engines(ToneDiarizer(), Grand())),
    "encrypt": Victim(("library", "encrypt")),
    "change": Victim(("library", "encrypt", "--new-passphrase-file", "passphrase"), sealed=True),
    "decrypt": Victim(("library", "decrypt", "--yes"), sealed=True),
    "migrate": Victim(("profiles", "list"), old="library-0003.db"),
}

SEALING = ("encrypt", "change", "decrypt")


@dataclass
class Tally:
    """How often a kind was tried, how often the command was caught at work, and what was wrong afterwards."""

    kind: str
    num_tried: int = 0
    num_caught: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.kind}: {self.num_tried} tried, {self.num_caught} caught at work, {len(self.faults)} faults"


@dataclass
class Where:
    """Which kind of library the faults are tried on. server : of PostgreSQL, a URL without a database"""

    server: str = ""

    def location(self, folder: Path) -> str:
        return f"{self.server}/{DATABASE}" if self.server else str(folder / "library.db")

    def make(self, name: str, template: str = "template0") -> None:
        """A database anew, whoever is connected to the old one."""
        engine = sa.create_engine(f"{self.server}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        engine.dispose()


WHERE = Where()


def prepare(folder: Path) -> None:
    """A library with two named people, two episodes with files, one episode to be heard, and two queued."""
    (folder / "voices").mkdir(parents=True)
    (folder / "backlog").mkdir()
    for place, spoken in (
        ("one.wav", "AAAAAAAAAAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBBBBBBBBB"),
        ("two.wav", "AAAAAAAAAAAAAAAAAAAAAAAACCCCCCCCCCCCCCCCCCCCCCCC"),
        ("three.wav", "BBBBBBBBBBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCCCCCCCCC"),
        ("voices/A.wav", "A" * 24),
        ("voices/B.wav", "B" * 24),
        ("voices/C.wav", "C" * 24),
        ("backlog/four.wav", "A" * 24 + "D" * 24),
        ("backlog/five.wav", "B" * 24 + "D" * 24),
    ):
        write_episode(folder / place, spoken)
    (folder / "passphrase").write_text(SECRETS[1], encoding="utf-8")
    if WHERE.server:
        WHERE.make(DATABASE)
    with open_library(WHERE.location(folder), embedder="fake", dimension=FakeEmbedder.dimension) as library:
        library.settings.set("calibration", CALIBRATION.to_json())
    with Inside(folder):
        for arguments in (
            ("enroll", PERSON, "voices/A.wav", "--consent", "public", "-q"),
            ("enroll", "Bob Cole", "voices/B.wav", "--consent", "public", "-q"),
            ("identify", "one.wav", "two.wav", *(part for form in FORMATS for part in ("-f", form)), "-o", "out", "-q"),
            ("batch", "add", "backlog"),
        ):
            code, said = command(folder, arguments)
            if code:
                raise RuntimeError(f"{arguments}: {said}")
    if WHERE.server:
        WHERE.make(f"{DATABASE}_before", DATABASE)


class Inside:
    """The working directory, for a while."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        self._before = Path.cwd()
        os.chdir(self._folder)

    def __exit__(self, *_: object) -> None:
        os.chdir(self._before)


def command(folder: Path, arguments: tuple[str, ...], engines: Engines = ENGINES) -> tuple[int, str]:
    """Exit code and all that was said by a command, run here."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = cli.run([*arguments, "--library", WHERE.location(folder)], engines=engines)
    return code, said.getvalue()


def run(folder: Path, victim: Victim) -> int:
    """The exit code of a victim."""
    return command(folder, victim.arguments, victim.engines)[0]


def fork(work: Callable[[], int]) -> int:
    """The process in which this happens; its exit code is what ``work`` gives."""
    sys.stdout.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, none of which holds a library
        child = os.fork()
    if child:
        return child
    code = 99
    try:
        os.setpgid(0, 0)  # a killed batch takes its workers along
        code = work()
    finally:
        os._exit(code)
    return 0


def restore(template: Path, folder: Path, victim: Victim) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)
    if WHERE.server:
        WHERE.make(DATABASE, f"{DATABASE}_before")
    if victim.sealed and not sealing.is_sealed(folder / "library.db"):
        sealing.seal(folder / "library.db", SECRETS[0])
        passphrase.forget()
    if victim.old:
        shutil.rmtree(folder / "out")
        shutil.copyfile(FIXTURES / victim.old, folder / "library.db")


def possible() -> tuple[str, ...]:
    """The commands that can be put to the test here."""
    try:
        drivers.sqlcipher()
    except LibraryError:
        return tuple(name for name in COMMANDS if name not in SEALING)
    return tuple(name for name in COMMANDS if not WHERE.server or (name not in SEALING and not COMMANDS[name].old))


def kills(num: int, folder: Path, *, seed: int = 0, names: tuple[str, ...] = ()) -> list[Tally]:
    """Kill each command ``num`` / so many times, at random moments of the time that it takes."""
    names = names or possible()
    chance = random.Random(seed)
    template, work = folder / "template", folder / "work"
    prepare(work)
    work.rename(template)
    tallies = []
    for name in names:
        victim, tally = COMMANDS[name], Tally(f"kill {name}")
        know_passphrases(name in SEALING, work)
        restore(template, work, victim)
        with Inside(work):
            began = time.monotonic()
            child = fork(partial(run, work, victim))
            _, status = os.waitpid(child, 0)
            seconds = time.monotonic() - began
        if os.waitstatus_to_exitcode(status):
            tally.faults.append(f"undisturbed it ends with {os.waitstatus_to_exitcode(status)}")
        for _ in range(-(-num // len(names))):
            restore(template, work, victim)
            with Inside(work):
                child = fork(partial(run, work, victim))
                time.sleep(chance.uniform(0.0, seconds))
                tally.num_tried += 1
                try:
                    os.killpg(child, signal.SIGKILL)
                except ProcessLookupError:
                    os.kill(child, signal.SIGKILL)
                _, status = os.waitpid(child, 0)
                tally.num_caught += os.WIFSIGNALED(status)
                then = chance.choice(NEXT)
                tally.faults += [f"then {' '.join(then)}: {fault}" for fault in after(work, then)]
        tallies.append(tally)
    return tallies


def after(folder: Path, then: tuple[str, ...], *, taught: bool = True) -> list[str]:
    """What is wrong with a library and its files when one more command has run.

    taught : whether nobody took back what a person's voice was learned from
    """
    code, said = command(folder, then)
    found = [] if code in (0, 1) and "Traceback" not in said else [f"exit {code}: {said}"]
    found += [f"left behind: {path.name}" for path in folder.rglob("*") if NAME.fullmatch(path.name)]
    found += [f"left behind: {path.name}" for path in folder.rglob(".*") if path.is_dir()]
    found += [f"an empty {path.name}" for path in folder.glob("library.db*.backup") if not path.stat().st_size]
    with open_library(WHERE.location(folder)) as library:
        found += list(library.upkeep.check())
        names = library.people.names()
        found += [
            f"{name} without a voice" for name in names if taught and not library.profiles.get(name).num_voiceprints
        ]
        found += not_of_today(library)
    if PERSON not in names and "Bob Cole" in names:
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix != ".backup" and PERSON.encode() in path.read_bytes():
                found.append(f"{PERSON} is in {path.name}")
    return found


def not_of_today(library: Library) -> list[str]:
    """The files that do not say what the library says."""
    found = []
    for card in library.listings.episodes(limit=10_000, offset=0)[0]:
        episode = library.episodes.get(card.audio_sha256)
        for output in library.outputs.of(card.audio_sha256):
            if output.stale is not None:
                found.append(f"{output.path.name} is still to be written")
            elif output.path.exists():
                today = outputs.text_of(outputs.as_written(episode, output), output.format)
                if output.path.read_text(encoding="utf-8") != today:
                    found.append(f"{output.path.name} is not of today")
    return found


def know_passphrases(yes: bool, folder: Path) -> None:
    """Let every process from now on open a library under either passphrase, and put a plain one under the first."""
    if yes:
        os.environ |= {passphrase.VARIABLE: SECRETS[0], passphrase.FILE_VARIABLE: str(folder / "passphrase")}


def full_disks(folder: Path, *, names: tuple[str, ...] = (), steps: int = 6) -> list[Tally]:
    """Run each command where only so much room is left; ``folder`` is on a file system of a few MB of its own."""
    names = names or possible()
    template = folder.parent / f"{folder.name}-template"
    shutil.rmtree(template, ignore_errors=True)
    work = folder / "work"
    prepare(work)
    shutil.copytree(work, template)
    tallies = []
    for name in names:
        victim, tally = COMMANDS[name], Tally(f"full disk {name}")
        know_passphrases(name in SEALING, work)
        for step in range(steps):
            restore(template, work, victim)
            fill(folder / "filler", leave=(0, 8, 32, 100, 250, 500)[step % 6] * 1024)
            with Inside(work):
                code, said = command(work, victim.arguments, victim.engines)
                tally.num_tried += 1
                tally.num_caught += code != 0
                if "Traceback" in said or "another process" in said:
                    tally.faults.append(f"says {said.splitlines()[-1]}")
                (folder / "filler").unlink()
                tally.faults += after(work, NEXT[step % len(NEXT)])
        tallies.append(tally)
    shutil.rmtree(template)
    return tallies


def fill(path: Path, *, leave: int) -> None:
    """Takes all the room of a file system but ``leave`` bytes."""
    with path.open("wb") as file:
        found = os.statvfs(path.parent)
        room = found.f_bavail * found.f_frsize - leave
        try:
            while room > 0:
                room -= file.write(bytes(min(room, 1 << 16)))
                file.flush()
        except OSError:
            return


def writers(seconds: float, folder: Path, *, num: int = 8) -> Tally:
    """Many processes that name, rename, merge, forget and identify in one library, all the time."""
    tally = Tally(f"{num} writers for {seconds:.0f} s")
    prepare(folder)

    def work(writer: int) -> int:
        chance, until = random.Random(writer), time.monotonic() + seconds
        num_done = 0
        while time.monotonic() < until:
            own = f"Writer {writer}"
            arguments = chance.choice(
                (
                    ("enroll", own, "voices/D.wav", "--consent", "public", "-q"),
                    ("name", "two.wav:SPEAKER_01", own, "--consent", "public"),
                    ("correct", "two.wav:SPEAKER_01", "--nobody"),
                    ("profiles", "rename", own, own.upper()),
                    ("profiles", "forget", own, "--yes"),
                    ("episodes", "relabel"),
                    ("identify", "one.wav", "-q"),
                )
            )
            code, said = command(folder, arguments)
            if code not in (0, 1) or "Traceback" in said or "damaged" in said:
                (folder / f"fault-{writer}").write_text(f"{arguments}: {said}")
                return 98
            num_done += 1
        (folder / f"done-{writer}").write_text(str(num_done))
        return 0

    with Inside(folder):
        children = [fork(partial(work, writer)) for writer in range(num)]
        for child in children:
            os.waitpid(child, 0)
        tally.num_tried = sum(int(path.read_text()) for path in folder.glob("done-*"))
        tally.num_caught = tally.num_tried
        tally.faults += [path.read_text() for path in folder.glob("fault-*")]
        for path in (*folder.glob("done-*"), *folder.glob("fault-*")):
            path.unlink()
        tally.faults += after(folder, ("profiles", "list"), taught=False)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--small-disk", type=Path, help="a folder on a file system of 24 MB or so, with nothing else")
    parser.add_argument("--only", action="append", default=[], choices=tuple(COMMANDS), help="kill these alone")
    parser.add_argument("--sealed", action="store_true", help="on a library under a passphrase")
    parser.add_argument("--postgresql", default="", metavar="URL", help="postgresql+psycopg://user@host:port")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    tallies = []
    WHERE.server = asked.postgresql
    if asked.sealed:
        os.environ[passphrase.VARIABLE] = SECRETS[0]
    with tempfile.TemporaryDirectory() as folder:
        if asked.kills:
            tallies += kills(asked.kills, Path(folder) / "kills", seed=asked.seed, names=tuple(asked.only))
        if asked.minutes:
            tallies.append(writers(60.0 * asked.minutes, Path(folder) / "writers"))
    if asked.small_disk:
        tallies += full_disks(asked.small_disk)
    for tally in tallies:
        print(tally)
        for fault in tally.faults[:5]:
            print(f"  {fault}")
    print(f"{sum(tally.num_tried for tally in tallies)} tried, {sum(len(tally.faults) for tally in tallies)} faults")
    return int(any(tally.faults for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
