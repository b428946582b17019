"""Keeping no voice for longer than it is needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.fakes import CALIBRATION
from tests.support.library_example import DIMENSION, EMBEDDER, embedding, episode, fill
from voicematch import cli, outputs
from voicematch.library import Library, open_library, schema
from voicematch.types import Embedding, Turn
from voicematch.usecases import name as naming
from voicematch.usecases import recognise
from voicematch.usecases.expire import Expired, expire, forget_unknown, remove_episode

LONG_AGO = "2020-01-01T00:00:00Z"
BEFORE = "2024-01-01T00:00:00Z"


@pytest.fixture
def library(library: Library) -> Library:
    fill(library)
    library.settings.set("calibration", CALIBRATION.to_json())
    return library


def unnamed(number: int) -> dict[str, tuple[Embedding, ...]]:
    return {"SPEAKER_01": (embedding(2, start=0.0, end=60.0, seconds=60.0),)}


def hear(library: Library, number: int) -> None:
    """An episode in which a voice that nobody has named talks for a minute."""
    heard = replace(episode(number, matches={}), turns=(Turn(0.0, 60.0, "SPEAKER_01"),), lines=())
    recognise.store(library, heard, unnamed(number))


def age(library: Library, table: sa.Table, column: str, which: sa.ColumnElement[bool] | None = None) -> None:
    with library._database.write() as connection:
        connection.execute(table.update().where(sa.true() if which is None else which).values({column: LONG_AGO}))


def test_what_is_old_goes_and_what_is_not_stays(library: Library) -> None:
    hear(library, 2)
    bob = schema.profiles.c.name == "Bob"
    age(library, schema.profiles, "created", bob)
    age(library, schema.voiceprints, "created", schema.voiceprints.c.profile_id == 2)
    age(library, schema.episodes, "stored", schema.episodes.c.audio_sha256 == "02" * 32)
    kinds = ("profiles", "unknowns", "episodes")
    expected = Expired(("Bob",), ("U-0001",), ("02" * 32,))
    assert expire(BEFORE, kinds, library=library, dry_run=True) == expected
    assert library.people.names() == ("Ann Lee", "Bob")
    assert expire(BEFORE, ("profiles",), library=library, dry_run=True) == Expired(("Bob",))
    assert expire(BEFORE, kinds, library=library) == expected
    assert library.people.names() == ("Ann Lee",)
    assert [one.title for one in library.listings.episodes(limit=9, offset=0)[0]] == ["Episode 1"]
    assert expire(BEFORE, kinds, library=library) == Expired()


def test_a_voice_that_was_named_is_no_unknown_that_is_old(library: Library) -> None:
    hear(library, 2)
    age(library, schema.episodes, "stored")
    naming.name_unknown("U-0001", "Cy", library=library, consent="public")
    assert expire(BEFORE, ("unknowns",), library=library, dry_run=True) == Expired()


def test_people_who_expire_are_told_of_as_forgotten_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "library.db")
    with open_library(path, embedder=EMBEDDER, dimension=DIMENSION) as library:
        fill(library)
        age(library, schema.profiles, "created")
        age(library, schema.voiceprints, "created")
        library.upkeep.backup(tmp_path / "backup.db")
    assert cli.run(["profiles", "export", "Bob", str(tmp_path / "bob.json"), "--library", path]) == 0
    capsys.readouterr()
    assert cli.run(["library", "expire", "--older-than", "1y", "--profiles", "--yes", "--library", path]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"warning: {tmp_path / 'backup.db'} may hold the name still: a backup: delete it",
        f"warning: {tmp_path / 'bob.json'} may hold the name still: exported voices: delete it",
    ]


def test_copies_of_what_nobody_had_named_are_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, backup = str(tmp_path / "library.db"), tmp_path / "backup.db"

    def warnings(*command: str) -> list[str]:
        capsys.readouterr()
        assert cli.run([*command, "--yes", "--library", path]) == 0
        return capsys.readouterr().err.splitlines()

    with open_library(path, embedder=EMBEDDER, dimension=DIMENSION) as library:
        fill(library)
        library.settings.set("calibration", CALIBRATION.to_json())
        for number, axis in ((2, 2), (3, 3)):
            heard = replace(episode(number, matches={}), turns=(Turn(0.0, 60.0, "SPEAKER_01"),), lines=())
            voice = {"SPEAKER_01": (embedding(axis, start=0.0, end=60.0, seconds=60.0),)}
            recognise.store(library, heard, voice)
        age(library, schema.episodes, "stored")
        library.upkeep.backup(backup)
    assert cli.run(["profiles", "export", "Bob", str(tmp_path / "bob.json"), "--library", path]) == 0
    for title in ("Episode 1", "Episode 2"):
        assert cli.run(["episodes", "export", title, "-f", "rttm", "-o", str(tmp_path), "--library", path]) == 0
    first, second = sorted(tmp_path.glob("*.rttm"))
    assert warnings("unknowns", "forget", "U-0001") == [
        f"warning: {backup} may hold the voice still: a backup: delete it",
    ]
    assert warnings("episodes", "remove", "Episode 1") == [
        f"warning: {backup} may hold the episode still: a backup: delete it",
        f"warning: {first} may hold the episode still: an exported copy: delete it",
    ]
    assert warnings("library", "expire", "--older-than", "1y", "--unknowns") == [
        f"warning: {backup} may hold what was erased still: a backup: delete it",
    ]
    assert warnings("library", "expire", "--older-than", "1y", "--episodes") == [
        f"warning: {backup} may hold what was erased still: a backup: delete it",
        f"warning: {second} may hold what was erased still: an exported copy: delete it",
    ]


def test_a_forgotten_unknown_is_not_remembered_again(library: Library) -> None:
    hear(library, 2)
    assert forget_unknown("U-0001", library=library) == (1, ())
    naming.relabel(library=library)
    assert library.speakers.embeddings("02" * 32) == {}
    assert library.upkeep.check() == ()
    with library._database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.unknowns)) == 0


def test_a_removed_episode_leaves_its_files(library: Library, tmp_path: Path) -> None:
    outputs.write(library, library.episodes.get("Episode 1"), [(tmp_path / "1.txt", "txt")])
    files, beyond = remove_episode("Episode 1", library=library)
    assert ([output.path for output in files], beyond) == ([tmp_path / "1.txt"], ())
    assert library.listings.episodes(limit=9, offset=0)[1] == 0


def test_voices_without_a_name_are_not_remembered_where_that_is_set(library: Library) -> None:
    library.settings.remember_unknowns(False)
    hear(library, 2)
    naming.relabel(library=library)
    assert library.speakers.embeddings("02" * 32) == {}
    assert library.episodes.get("02" * 32).matches["SPEAKER_01"].unknown is None
    library.settings.remember_unknowns(True)
    hear(library, 3)
    assert library.episodes.get("03" * 32).matches["SPEAKER_01"].unknown == "U-0001"


def test_the_bytes_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    with open_library(path, embedder=EMBEDDER, dimension=DIMENSION) as library:
        library.settings.set("calibration", CALIBRATION.to_json())
        loud = replace(embedding(2, start=0.0, end=60.0, seconds=60.0))
        hear(library, 2)
    raw = loud.vector.tobytes()
    assert raw in path.read_bytes()
    assert cli.run(["unknowns", "forget", "U-0001", "--yes", "--library", str(path)]) == 0
    assert raw not in path.read_bytes()


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "library.db")
    with open_library(path, embedder=EMBEDDER, dimension=DIMENSION) as library:
        fill(library)
        age(library, schema.episodes, "stored")
    assert cli.run(["library", "expire", "--older-than", "1y", "--library", path]) == cli.EXIT_USAGE
    for wrong in ("soon", "9999y", "99999y"):
        assert cli.run(["library", "expire", "--older-than", wrong, "--episodes", "--library", path]) == cli.EXIT_USAGE
    assert cli.run(["library", "expire", "--older-than", "2y", "--episodes", "--dry-run", "--library", path]) == 0
    assert capsys.readouterr().out.startswith("Would erase 1 episodes of before ")
    assert cli.run(["library", "expire", "--older-than", "2y", "--episodes", "--yes", "--json", "--library", path]) == 0
    assert '"episodes": ["0101' in capsys.readouterr().out
    assert cli.run(["library", "set", "remember-unknowns", "no", "--library", path]) == 0
    assert capsys.readouterr().out == "voices without a name are not remembered from now on\n"
    assert cli.run(["episodes", "remove", "Episode 1", "--yes", "--library", path]) == cli.EXIT_ERROR
