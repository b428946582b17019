"""Where speech is: hand-made probabilities, and detectors on sounds whose answer is known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from voicematch.audio import Audio
from voicematch.engines.features import log_mel
from voicematch.engines.speech import FRAME, SPEECH, SegmentationDetector, default_detector, regions, runs
from voicematch.models import sessions
from voicematch.types import Array

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
    """40 dB make no difference to the model; each window has its own level."""
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


@pytest.mark.parametrize("seconds", [5.0, 17.6, 31.4, 60.02])
def test_a_moment_is_heard_in_two_windows_but_near_the_ends(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first window says that all is speech, each after it that nothing is; rows are as loud as they are late."""
    rows = np.repeat(np.arange(round(seconds * 100), dtype=np.float32)[:, None], 80, axis=1)
    heard = np.zeros(len(rows), np.int64)
    starts: list[int] = []

    class Session:
        def get_inputs(self) -> list[SimpleNamespace]:
            return [SimpleNamespace(name="features")]

        def run(self, _: None, given: dict[str, Array]) -> list[Array]:
            classes = np.zeros((len(given["features"]), SegmentationDetector.WINDOW // 2, 7), np.float32)
            for told, window in zip(classes, given["features"], strict=True):
                start = int(window[0, 0])
                told[:, 0 if starts else 1] = 1
                starts.append(start)
                heard[start : start + len(window)] += 1
            return [classes]

    monkeypatch.setattr(sessions, "session", lambda _: Session())
    detector = SegmentationDetector("any")
    found = np.concatenate([detector.process(rows[:0], rows), detector.finish()])
    assert len(found) == len(rows) // 2
    assert (heard[880:-880] == 2).all()
    assert heard.min() == 1
    assert starts == list(range(0, starts[-1] + 1, 880))
    assert (found[:440, SPEECH] == 1).all()  # the first window alone
    assert (found[880:, SPEECH] == 0).all()
    between = found[440:880, SPEECH]
    assert (np.diff(between) <= 0).all()  # it counts less towards its end
    assert not len(between) or between.max() < 1
