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
    assert cli.run(["library", "upgrade", "--embedder", "campplus", "--library", str(old), "-q"]) == 0
    said = capsys.readouterr()
    assert "ecapa-small-4 → campplus: 1 voiceprint(s) made anew as 1, from 1 kept clip(s)" in said.out
    assert "1 episode(s) queued: voicematch batch run" in said.out
    assert named(old) == before
    assert cli.run(["batch", "run", "--jobs", "1", "--library", str(old), "-q"]) == 0
    assert sorted(filter(None, named(old).values())) == ["Ada", "U-0001", "U-0002"]
    with open_library(old) as library:
        assert (library.embedder, library.episodes.get("episode.mp3").embedder) == ("campplus", "campplus")
        assert library.upkeep.check() == ()
    with open_library(old.with_name("library.db.ecapa-small-4.backup")) as library:
        assert library.embedder == "ecapa-small-4"
