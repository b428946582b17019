"""From labels and moments to turns, on voices that are axes."""

from __future__ import annotations

import numpy as np
import pytest

from voicematch.engines.turns import turns_of
from voicematch.engines.windows import MOMENT, MOMENT_STEP, Heard, Moments, in_bytes, place

ADA, MAYA = np.eye(8, dtype=np.float32)[:2]


def heard_of(*turns: tuple[float, np.ndarray], moments: bool = True) -> tuple[Heard, np.ndarray]:
    """What is heard of voices that follow each other without a pause, each for some seconds, and the true labels."""
    heard = Heard(8)
    ends = np.cumsum([seconds for seconds, _ in turns])
    total = float(ends[-1])

    def vector(start: float, end: float) -> np.ndarray:
        times = np.linspace(start, end, 50)
        voices = np.stack([voice for _, voice in turns])[np.minimum(np.searchsorted(ends, times), len(turns) - 1)]
        return np.asarray(voices.mean(axis=0) / np.linalg.norm(voices.mean(axis=0)), np.float32)

    heard.spans, heard.duration = [(0.0, total)], total
    heard.windows = np.array(place((0.0, total), total))
    heard.vectors = np.stack([vector(start, end) for start, end in heard.windows])
    heard.probabilities = [np.tile(np.array([1, 0, 0], np.float16), (round(total / 0.02), 1))]
    if moments:
        starts = np.arange(0, total - MOMENT, MOMENT_STEP)
        vectors = np.stack([vector(start, start + MOMENT) for start in starts])
        heard.moments = [Moments(MOMENT / 2, in_bytes(vectors))]
    centres = heard.windows.mean(axis=1)
    owner = np.minimum(np.searchsorted(ends, centres), len(turns) - 1)
    return heard, np.array([0 if turns[idx][1] is turns[0][1] else 1 for idx in owner])


@pytest.mark.parametrize("seconds", [4.2, 5.0, 5.5, 6.05])
def test_a_change_of_speaker_is_right_to_a_tenth_of_a_second(seconds: float) -> None:
    first, second = turns_of(*heard_of((seconds, ADA), (6.0, MAYA)))
    assert (first.speaker, second.speaker) == ("SPEAKER_00", "SPEAKER_01")
    assert first.end == second.start == pytest.approx(seconds, abs=0.1)


@pytest.mark.parametrize("pause", [4.9, 5.1])
def test_a_change_lies_in_the_pause_beside_it(pause: float) -> None:
    heard, labels = heard_of((5.0, ADA), (6.0, MAYA))
    at = round(pause / 0.02)
    heard.probabilities[0][at - 2 : at + 2, 0] = 0.6
    first, second = turns_of(heard, labels)
    assert first.end == second.start == pytest.approx(pause, abs=0.03)


def test_an_answer_shorter_than_a_window_is_a_turn() -> None:
    heard, labels = heard_of((6.0, ADA), (1.0, MAYA), (6.0, ADA), (5.0, MAYA))
    found = turns_of(heard, labels)
    assert [turn.speaker for turn in found] == ["SPEAKER_00", "SPEAKER_01"] * 2
    assert (found[1].start, found[1].end) == pytest.approx((6.0, 7.0), abs=0.15)


def test_without_moments_a_change_lies_between_two_windows() -> None:
    first, second = turns_of(*heard_of((5.0, ADA), (6.0, MAYA), moments=False))
    assert first.end == second.start == pytest.approx(5.0, abs=0.8)


def test_nobody_is_lost_to_a_neighbour_who_sounds_the_same() -> None:
    """Two labels with equal vectors, as when a number of speakers is asked for that is not there."""
    heard, labels = heard_of((5.0, ADA), (6.0, ADA))
    labels = (heard.windows.mean(axis=1) > 5.0).astype(np.int64)
    assert {turn.speaker for turn in turns_of(heard, labels)} == {"SPEAKER_00", "SPEAKER_01"}


@pytest.mark.parametrize(
    ("sure", "seconds", "fewest", "number"), [(0.6, 4, 1, 1), (0.9, 4, 1, 2), (0.6, 12, 1, 2), (0.6, 4, 2, 2)]
)
def test_a_noise_that_is_hardly_taken_for_speech_is_nobody(
    sure: float, seconds: float, fewest: int, number: int
) -> None:
    """Unless it goes on for long, or that many speakers were asked for."""
    heard, labels = heard_of((8.0, ADA), (seconds, MAYA), (8.0, ADA))
    heard.probabilities[0][round(8.0 / 0.02) : round((8.0 + seconds) / 0.02), 0] = sure
    found = turns_of(heard, labels, fewest)
    assert len({turn.speaker for turn in found}) == number
    assert (found[0].speaker, found[-1].end) == ("SPEAKER_00", 16.0 + seconds)


def test_who_speaks_alone_is_somebody_however_doubtful() -> None:
    heard, labels = heard_of((6.0, ADA))
    heard.probabilities[0][:, 0] = 0.6
    assert [turn.speaker for turn in turns_of(heard, labels)] == ["SPEAKER_00"]


def test_no_windows_no_turns() -> None:
    assert turns_of(Heard(8), np.zeros(0, np.int64)) == ()
