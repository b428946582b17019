"""One sound that two shows have: the page of the episode, its JSON and the command name both."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support.library_example import DIMENSION, EMBEDDER, episode, fill, voices
from voicematch import cli
from voicematch.library import NewJob, open_library
from voicematch.library.reading.episodes import key_of
from voicematch.web.app import create_app


def test_both_shows_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "library.db"
    heard = replace(episode(2), show="The <Show>", source="https://one.example.org/2.mp3")
    with open_library(path, embedder=EMBEDDER, dimension=DIMENSION) as library:
        fill(library)
        library.episodes.store(heard, voices())
        named = (("The <Show>", "Same"), ("Other & Show", "Second"), ("Queued Show", "Later"))
        library.jobs.add(
            [NewJob(key=show, source=show, title=title, show=show, date="2026-02-03") for show, title in named]
        )
        for _ in range(2):
            job = library.jobs.claim("somewhere:1")
            assert job is not None
            library.jobs.finish(job, heard.audio_sha256)
        copy = replace(heard, source="https://two.example.org/2.mp3", show="Third Show", title="As a copy")
        library.episodes.store(copy, voices())
        library.episodes.store(replace(heard, lines=()), voices())
        client = TestClient(create_app(library), base_url="http://127.0.0.1:8765")
        address = f"/episodes/{key_of(heard.audio_sha256)}"
        shown = client.get(address).text
        assert ">The &lt;Show&gt;</a> · also in Other &amp; Show · also in Third Show<" in shown
        assert client.get(f"{address}.json").json()["also"] == [
            {"show": "Other & Show", "title": "Second", "date": "2026-02-03"},
            {"show": "Third Show", "title": "As a copy", "date": None},
        ]
        assert library.listings.episode(key_of(episode(1).audio_sha256)).also == ()
    assert cli.run(["episodes", "show", heard.audio_sha256, "--library", str(path)]) == 0
    assert "Also in Other & Show: 2026-02-03 Second\nAlso in Third Show: As a copy\n" in capsys.readouterr().out
    assert cli.run(["episodes", "show", heard.audio_sha256, "--json", "--library", str(path)]) == 0
    assert [one["show"] for one in json.loads(capsys.readouterr().out)["also"]] == ["Other & Show", "Third Show"]
