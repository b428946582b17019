"""Talk figures of stored episodes: by person, over time, in few questions to the database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.library_example import ANN, episode, voices
from voicematch.errors import NothingThere, ProfileNotFound
from voicematch.library import Library
from voicematch.types import Line


def test_an_episode_by_voice(filled: Library) -> None:
    stored = episode(1)
    found = filled.figures.episode(stored.audio_sha256)
    ann, other = found
    assert (ann.name, ann.labels) == ("Ann Lee", ("SPEAKER_00",))
    assert ann.person is not None
    assert other.person is None
    assert ann.figures.share == pytest.approx(25 / 35.5)
    assert (ann.figures.num_words, ann.figures.num_questions) == (4, 0)
    assert ann.figures.words_a_minute == pytest.approx(4 / (4 / 60))
    assert (ann.figures.num_interruptions, ann.figures.num_interrupted) == (0, 1)
    assert (other.figures.num_interruptions, other.figures.num_interrupted) == (1, 0)


def test_two_labels_of_one_person_are_one_voice(filled: Library) -> None:
    both = {"SPEAKER_00": ANN, "SPEAKER_01": replace(ANN, speaker="SPEAKER_01")}
    filled.episodes.store(episode(2, matches=both), voices())
    (only,) = filled.figures.episode(episode(2).audio_sha256)
    assert only.labels == ("SPEAKER_00", "SPEAKER_01")
    assert only.figures.talk_seconds == pytest.approx(35)  # what they say at once counts once
    assert only.figures.num_words == 7


def test_a_person_over_time(filled: Library) -> None:
    asked = replace(episode(2, date="2025-05-05"), lines=(Line(0.0, 20.0, "Is it? Was it?", "SPEAKER_00"),))
    filled.episodes.store(asked, voices())
    ann = filled.people.id("Ann Lee")
    found = filled.figures.person(ann)
    assert [(one.date, one.figures.num_questions) for one in found.episodes] == [("2025-05-05", 2), ("2026-01-01", 0)]
    assert found.total is not None
    assert (found.total.num_questions, found.total.num_words) == (2, 8)
    assert found.total.share == pytest.approx(25 / 35.5)
    newest = filled.figures.person(ann, most=1)
    assert [one.date for one in newest.episodes] == ["2026-01-01"]


def test_nobody_and_nowhere(filled: Library) -> None:
    bob = filled.figures.person(filled.people.id("Bob"))
    assert (bob.total, bob.episodes) == (None, ())
    with pytest.raises(ProfileNotFound):
        filled.figures.person(999)
    with pytest.raises(NothingThere):
        filled.figures.episode("f" * 16)
