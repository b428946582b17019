"""Where speech is: hand-made probabilities, and detectors on sounds whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from voicematch.audio import Audio
from voicematch.engines.features import log_mel
from voicematch.engines.speech import FRAME, SPEECH, default_detector, regions, runs

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "episode.mp3"


def frames(*parts: tuple[float, int]) -> np.ndarray:
    return np.concatenate([np.full(num, value, np.float32) for value, num in parts])


def test_a_pause_ends_a_region_and_a_breath_does_not() -> None:
    probabilities = frames((0, 50), (1, 50), (0, 10), (1, 50), (0, 50), (1, 50))
    assert regions(probabilities, padding=0.0, longest_pause=0.3) == [
        (1.0, 3.2),
        (pytest.approx(4.2), pytest.approx(5.2)),
    ]


def test_hysteresis_keeps_what_follows_an_onset_and_drops_what_never_rises() -> None:
    probabilities = frames((0, 10), (0.4, 20), (0.8, 20), (0.4, 20), (0, 50), (0.4, 50))
    (found,) = regions(probabilities, onset=0.5, offset=0.3, padding=0.0)
    assert found == pytest.approx((0.2, 1.4))


def test_a_click_is_no_speech() -> None:
    assert regions(frames((0, 10), (1, 3), (0, 10)), shortest=0.1) == []


@given(hnp.arrays(np.float32, st.integers(0, 300), elements=st.floats(0, 1, width=32)))
def test_regions_are_ordered_inside_and_apart(probabilities: np.ndarray) -> None:
    edges = [edge for region in regions(probabilities) for edge in region]
    assert edges == sorted(set(edges))
    assert not edges or (edges[0] >= 0 and edges[-1] <= len(probabilities) * FRAME + 1e-9)


@given(hnp.arrays(bool, st.integers(0, 50)))
def test_runs_cover_exactly_the_true_values(flags: np.ndarray) -> None:
    covered = np.zeros(len(flags), bool)
    for first, end in runs(flags):
        assert first < end
        covered[first:end] = True
    np.testing.assert_array_equal(covered, flags)


def test_a_quiet_voice_is_heard_like_a_loud_one() -> None:
    """40 dB make no difference to the model; each window of 10 s has its own level."""
    loud = Audio(EXAMPLE).read(0.0, 10.0)
    found = []
    for samples in (loud, loud * 0.01):
        detector = default_detector()
        found.append(np.concatenate([detector.process(samples, log_mel(samples)), detector.finish()])[:, SPEECH])
    assert (found[0] > 0.5).mean() > 0.4
    np.testing.assert_allclose(found[0], found[1], atol=0.05)


def test_blocks_do_not_matter() -> None:
    samples = Audio(EXAMPLE).read(0.0, 27.0)
    rows = log_mel(samples)
    found = []
    for cuts in ([], [300, 1000, 1010, 2640]):
        detector = default_detector()
        pieces = [detector.process(samples[:0], part) for part in np.split(rows, cuts)]
        found.append(np.concatenate([*pieces, detector.finish()]))
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
