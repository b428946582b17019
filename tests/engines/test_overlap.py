"""Two who speak at once: who is the second."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engines.test_turns import ADA, MAYA, heard_of
from tests.support.fakes import FakeEmbedder
from voicematch.engines.diarize import conclude
from voicematch.engines.overlap import OFFSET, ONSET, REACH, of_this_episode, with_second
from voicematch.engines.windows import Clock, Heard
from voicematch.types import Turn


def heard_with(*overlaps: tuple[float, float], seconds: float = 120.0) -> Heard:
    """An episode in which two speak at once from and to these times."""
    heard = Heard(8)
    frames = np.zeros((round(seconds / 0.02), 3), np.float16)
    for start, end in overlaps:
        frames[round(start / 0.02) : round(end / 0.02), 1] = 0.9
    heard.probabilities = [frames[:1_000], frames[1_000:]]
    heard.duration = seconds
    return heard


def test_where_the_floor_changes_each_speaks_into_the_others_turn() -> None:
    turns = (Turn(0.0, 10.0, "A"), Turn(10.0, 20.0, "B"))
    assert with_second(heard_with((9.6, 10.4)), turns) == (Turn(0.0, 10.4, "A"), Turn(9.6, 20.0, "B"))


def test_within_a_turn_the_second_is_who_speaks_next_to_it() -> None:
    turns = (Turn(0.0, 4.0, "A"), Turn(4.0, 14.0, "B"), Turn(15.0, 20.0, "C"))
    assert with_second(heard_with((12.0, 12.6)), turns) == (*turns[:2], Turn(12.0, 12.6, "C"), turns[2])


@pytest.mark.parametrize(
    ("overlap", "turns"),
    [
        ((5.0, 6.0), (Turn(0.0, 10.0, "A"), Turn(12.0, 20.0, "A"))),  # there is nobody else
        ((5.0, 6.0), (Turn(0.0, 10.0, "A"), Turn(6.0 + REACH + 1, 50.0, "B"))),  # who speaks far away
        ((10.2, 10.8), (Turn(0.0, 10.0, "A"), Turn(11.0, 20.0, "B"))),  # where nobody speaks
        ((5.0, 5.06), (Turn(0.0, 10.0, "A"), Turn(10.0, 20.0, "B"))),  # a click
        ((5.0, 6.0), ()),
    ],
)
def test_where_no_second_is_added(overlap: tuple[float, float], turns: tuple[Turn, ...]) -> None:
    assert with_second(heard_with(overlap), turns) == turns


def talk_of(*overlaps: tuple[float, float], seconds: float = 600.0) -> np.ndarray:
    """What a detector says of talk: for how many seconds in a row, in turn with a second of one, how likely two are."""
    frames = np.tile(np.array([1.0, 0.01, 0.0], np.float32), (round(seconds / 0.02), 1))
    at = 0
    for length, probability in overlaps:
        frames[at : at + round(length / 0.02), 1] = probability
        at += round((length + 1) / 0.02)
    return frames


def test_what_sounds_like_two_is_sooner_so_where_people_interrupt_each_other() -> None:
    doubtful = [(0.5, 0.75)] * 3
    interview, meeting = talk_of(*doubtful), talk_of(*doubtful, *[(2.0, 0.97)] * 150)
    assert of_this_episode(interview)[0] < OFFSET < ONSET < of_this_episode(meeting)[0]


def test_a_short_episode_is_taken_for_a_usual_one() -> None:
    short = talk_of((0.5, 0.75), seconds=3.0)
    assert of_this_episode(short)[0] == pytest.approx(0.75, abs=0.05)


def test_what_is_sure_stays_sure_and_silence_counts_for_nothing() -> None:
    frames = np.array([[1, 1, 0], [1, 0, 0]] * 500, np.float32)
    found = of_this_episode(frames)
    assert found[0] > 0.999
    assert found[1] < 0.001
    silent = np.concatenate([frames, np.zeros((100_000, 3), np.float32)])
    assert np.array_equal(of_this_episode(silent)[:1_000], found)


def test_a_change_inside_an_overlap_of_three_gives_each_moment_two() -> None:
    turns = (Turn(0.0, 10.0, "A"), Turn(10.0, 10.5, "C"), Turn(10.5, 20.0, "B"))
    found = with_second(heard_with((9.8, 10.8)), turns)
    for moment in (9.9, 10.2, 10.7):
        assert sum(turn.start <= moment < turn.end for turn in found) == 2


def test_the_answer_has_two_where_two_speak_and_one_who_holds_the_floor() -> None:
    heard, _ = heard_of((20.0, ADA), (12.0, MAYA), (9.0, ADA))
    (frames,) = heard.probabilities
    frames[round(19.0 / 0.02) : round(20.0 / 0.02), 1] = 0.9
    found = conclude(heard, FakeEmbedder(), Clock())
    first, second, _ = found.exclusive
    assert second.start == first.end
    earlier = min(turn.start for turn in found.turns if turn.speaker == second.speaker)
    assert earlier == pytest.approx(19.0, abs=0.02)
    alone = conclude(heard_of((20.0, ADA), (12.0, MAYA), (9.0, ADA))[0], FakeEmbedder(), Clock())
    assert alone.turns == alone.exclusive
    assert sum(e.seconds for e in found.embeddings[first.speaker]) < sum(
        e.seconds for e in alone.embeddings[first.speaker]
    )  # what two say is no part of either voice
