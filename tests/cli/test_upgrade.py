"""A library that an earlier version filled, with its embedder of then, moved to a later one; with the real models."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from voicematch import cli
from voicematch.library import open_library
from voicematch.types import Verdict

TOP = Path(__file__).parents[2]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Ada is enrolled from a clip, and named in the example's episode; the two others there are U-0001 and U-0002."""
    path = tmp_path / "library.db"
    shutil.copy(TOP / "tests" / "fixtures" / "voices-ecapa-small-4.db", path)
    episode = shutil.copy(TOP / "examples" / "episode.mp3", tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        for table in ("episodes", "known_as"):
            connection.execute(f"UPDATE {table} SET source = ?", (str(episode),))
        connection.commit()
    return path


def named(path: Path) -> dict[str, str | None]:
    """Who each speaker of the episode is."""
    with open_library(path) as library:
        episode = library.episodes.get("episode.mp3")
        unknowns = {one.speaker: unknown.id for unknown in library.voices.unknowns()[0] for one in unknown.speakers}
    return {
        label: match.profile if match.verdict is Verdict.ACCEPT else unknowns.get(label)
        for label, match in episode.matches.items()
    }


def test_profiles_episodes_and_unknowns_go_over_to_the_new_embedder(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = named(old)
    assert sorted(filter(None, before.values())) == ["Ada", "U-0001", "U-0002"]
    assert cli.run(["library", "upgrade", "--embedder", "campplus-2", "--library", str(old), "-q"]) == 0
    said = capsys.readouterr()
    assert "ecapa-small-4 → campplus-2: 1 voiceprint(s) made anew as 1, from 1 kept clip(s)" in said.out
    assert "1 episode(s) queued: voicematch batch run" in said.out
    assert named(old) == before
    assert cli.run(["batch", "run", "--jobs", "1", "--library", str(old), "-q"]) == 0
    assert sorted(filter(None, named(old).values())) == ["Ada", "U-0001", "U-0002"]
    with open_library(old) as library:
        assert (library.embedder, library.episodes.get("episode.mp3").embedder) == ("campplus-2", "campplus-2")
        assert library.upkeep.check() == ()
    with open_library(old.with_name("library.db.ecapa-small-4.backup")) as library:
        assert library.embedder == "ecapa-small-4"


def test_a_library_of_a_former_default_serves_on_and_is_told_of_the_newer(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["identify", str(old.with_name("episode.mp3")), "--no-store", "--library", str(old)]
    assert cli.run(command) == 0
    said = capsys.readouterr()
    assert "Ada" in said.out
    assert f"{old} keeps to the voices of 'ecapa-small-4'; 'campplus-2' tells people apart better" in said.err
    assert cli.run(["batch", "run", "--library", str(old)]) == 0
    assert "voicematch library upgrade moves it" in capsys.readouterr().err
    for quietly in (["-q"], ["--embedder", "ecapa-small-4"]):
        assert cli.run([*command, *quietly]) == 0
        assert "upgrade" not in capsys.readouterr().err


def test_a_former_default_is_there_without_pulling_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VOICEMATCH_MODELS", str(tmp_path / "none"))
    voices, episode = TOP / "examples" / "voices", TOP / "examples" / "episode.mp3"
    assert cli.run(["identify", str(episode), "--voices", str(voices), "--embedder", "ecapa-small-4", "-q"]) == 0
    shown = capsys.readouterr().out
    assert all(f" {name} " in shown for name in ("Ada", "Basil", "Conrad"))
