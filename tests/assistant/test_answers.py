"""What an assistant is told: what the pages show, and nothing that is private."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.library_example import DIMENSION, EMBEDDER, episode, fill, voices
from voicematch.assistant import answers
from voicematch.errors import LibraryError, NothingThere, ProfileNotFound
from voicematch.library import Library, open_library
from voicematch.library.reading.episodes import key_of
from voicematch.types import Line

KEY = "000000005eed5eed"


@pytest.fixture
def library(web_folder: Path) -> Iterator[Library]:
    with open_library(web_folder / "library.db") as opened:
        yield opened


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Library]:
    with open_library(tmp_path / "small.db", embedder=EMBEDDER, dimension=DIMENSION) as opened:
        fill(opened)
        yield opened


def test_what_was_said_and_by_whom(library: Library) -> None:
    found = answers.search(library, "rain", speaker="ada ash")
    assert found["total"] > 20
    assert found["num_pages"] == -(-found["total"] // 20)
    assert len(found["lines"]) == 20
    assert {line["speaker"] for line in found["lines"]} == {"Ada Ash"}
    second = answers.search(library, "rain", speaker="Ada Ash", page=2)
    assert second["page"] == 2
    assert not [line for line in second["lines"] if line in found["lines"]]
    assert answers.search(library, "rain", since="2024-06-01")["total"] < answers.search(library, "rain")["total"]
    with pytest.raises(ProfileNotFound, match="did you mean Ada Ash"):
        answers.search(library, "rain", speaker="Ada Asch")


def test_a_person(library: Library) -> None:
    found = answers.person(library, "Ada Ash")
    heard = library.people.appearances(library.people.id("Ada Ash"))
    assert found["total"] == found["num_episodes"] == len(heard)
    assert [one["episode"] for one in found["appearances"]] == [key_of(one.audio_sha256) for one in heard[::-1]][:20]
    assert all(0 < one["share"] < 1 and "Ada Ash" not in one["with"] for one in found["appearances"])
    assert sum(found["most_often_with"].values()) > 0
    assert answers.people(library)["people"][0]["talk_seconds"] >= answers.people(library)["people"][1]["talk_seconds"]
    assert [one["name"] for one in answers.people(library, words="ada", sort="name")["people"]] == ["Ada Ash"]


def test_all_that_a_person_says(library: Library) -> None:
    episode = answers.person(library, "Ada Ash")["appearances"][0]
    said = answers.person_lines(library, "Ada Ash", episode["episode"])
    whole = answers.transcript(library, episode["episode"])
    own = [(line["start"], line["text"]) for line in whole["lines"] if line["speaker"] == "Ada Ash"]
    assert [(line["start"], line["text"]) for line in said["lines"]] == own
    with pytest.raises(NothingThere, match="Hazel Holly does not speak in this episode"):
        answers.person_lines(library, "Hazel Holly", KEY)


def test_an_episode_by_key_title_and_file(library: Library) -> None:
    title = answers.episode(library, KEY)["title"]
    assert answers.episode(library, title) == answers.episode(library, KEY)
    speakers = {one["label"]: one for one in answers.episode(library, KEY)["speakers"]}
    assert speakers["SPEAKER_00"]["name"] == "Ada Ash"
    assert sum(one["figures"]["share"] for one in speakers.values()) == pytest.approx(1, abs=0.01)
    with pytest.raises(LibraryError):
        answers.episode(library, "no such episode")
    with pytest.raises(NothingThere):
        answers.transcript(library, "f" * 16)
    assert answers.episodes(library, speaker="Ada Ash")["total"] < answers.episodes(library)["total"] == 30
    found = answers.episodes(library, words="moss")
    assert 0 < found["total"] < 30
    assert all("moss" in f"{one['title']} {one['show']}".lower() for one in found["episodes"])


def test_a_transcript_in_pages(small: Library) -> None:
    lines = tuple(Line(float(idx), idx + 1.0, f"Line {idx}.", f"SPEAKER_0{idx % 3}") for idx in range(250))
    small.episodes.store(replace(episode(2), lines=lines, duration=250.0), voices())
    key = key_of(episode(2).audio_sha256)
    pages = [answers.transcript(small, key, page=page) for page in (1, 2, 3, 4)]
    assert [page["num_pages"] for page in pages] == [3] * 4
    assert [line["line"] for page in pages for line in page["lines"]] == list(range(250))
    assert [line["text"] for page in pages for line in page["lines"]] == [line.text for line in lines]
    assert [(line["speaker"], line["label"]) for line in pages[0]["lines"][:3]] == [
        ("Ann Lee", "SPEAKER_00"),
        ("SPEAKER_01", "SPEAKER_01"),
        ("SPEAKER_02", None),  # a name of the transcript's own
    ]


def test_voices_without_a_name(library: Library) -> None:
    found = answers.unknown_voices(library)
    listed, total = library.voices.unknowns()
    assert found["total"] == total
    assert [one["voice"] for one in found["voices"]] == [one.id for one in listed[: answers.VOICES_PER_PAGE]]
    first = found["voices"][0]
    assert first["may_be"][0]["name"].startswith("Robin ")
    assert first["may_be"][0]["quote"]
    assert {one["label"] for one in first["latest"]} <= {"SPEAKER_00", "SPEAKER_01", "SPEAKER_02"}


def test_how_a_person_talks(library: Library) -> None:
    found = answers.talk_figures(library, "Ada Ash")
    assert found["total"]["words_a_minute"] > 0
    assert [one["date"] for one in found["episodes"]] == sorted(
        (one["date"] for one in found["episodes"]), reverse=True
    )
    assert answers.talk_figures(library, "Cleo Cedar")["name"] == "Cleo Cedar"


ASKED: list[Callable[[Library], Any]] = [
    lambda library: answers.search(library, "learning"),
    lambda library: answers.people(library),
    lambda library: answers.person(library, "Ann Lee"),
    lambda library: answers.person_lines(library, "Ann Lee", key_of(episode(2).audio_sha256)),
    lambda library: answers.episodes(library),
    lambda library: answers.episode(library, key_of(episode(2).audio_sha256)),
    lambda library: answers.transcript(library, key_of(episode(2).audio_sha256)),
    lambda library: answers.unknown_voices(library),
    lambda library: answers.talk_figures(library, "Ann Lee"),
]


@pytest.mark.parametrize("ask", ASKED)
def test_nothing_private_is_told(small: Library, ask: Callable[[Library], Any]) -> None:
    secret = replace(episode(2), source="https://ann:hunter2@x.org/1.mp3?token=s3cr3tt0ken")
    small.episodes.store(secret, voices())
    told = json.dumps(ask(small), allow_nan=False)
    for private in ("hunter2", "s3cr3t", "/shows/", "met in 2024", "ann.wav", "vector", str(small.path)):
        assert private not in told


def test_a_link_leads_to_the_second(small: Library) -> None:
    small.episodes.store(replace(episode(2), source="https://x.org/1.mp3"), voices())
    said = answers.person_lines(small, "Ann Lee", key_of(episode(2).audio_sha256))
    assert said["lines"][0]["link"] == "https://x.org/1.mp3#t=0"
    spoken = answers.transcript(small, key_of(episode(2).audio_sha256))["lines"][1]
    assert (spoken["at"], spoken["link"]) == ("0:04", "https://x.org/1.mp3#t=4")
    assert answers.transcript(small, key_of(episode(1).audio_sha256))["lines"][1]["link"] is None
