"""The embedder in the repository: shapes, batches, and windows at the edges."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from voicematch.audio import Audio
from voicematch.engines import open_embedder
from voicematch.engines.diarize import BuiltinDiarizer
from voicematch.engines.embed import CELL, OnnxEmbedder, Sums, num_cells, parts_of
from voicematch.engines.features import HOP, log_mel
from voicematch.errors import ModelError
from voicematch.models import sessions
from voicematch.voices.score import centroid, unit

EXAMPLE = Path(__file__).parents[2] / "examples" / "episode.mp3"
NOISE = np.random.default_rng(0).normal(0, 0.1, 16_000 * 3).astype(np.float32)


def test_features_at_hand_give_the_same_vectors() -> None:
    embedder = OnnxEmbedder()
    windows = np.array([[0, 24_000], [12_000, 36_000]])
    np.testing.assert_allclose(
        embedder.embed(NOISE, windows), embedder.embed(NOISE, windows, features=log_mel(NOISE)), atol=1e-4
    )


def test_a_window_of_a_recording_is_nearly_the_window_cut_out() -> None:
    """Only the features' first and last row differ, which see what lies outside."""
    embedder = OnnxEmbedder()
    inside = embedder.embed(NOISE, np.array([[8_000, 32_000]]))
    alone = embedder.embed(NOISE[8_000:32_000], np.array([[0, 24_000]]))
    assert float(inside[0] @ alone[0]) > 0.98


def test_level_does_not_matter() -> None:
    """The rows less their mean are the same; what is left is what int8 rounds, 0.003 of a cosine in this noise."""
    loud, soft = (log_mel(NOISE * np.float32(level)) for level in (1, 0.1))
    np.testing.assert_allclose(loud - loud.mean(axis=0), soft - soft.mean(axis=0), atol=1e-3)
    embedder = OnnxEmbedder()
    window = np.array([[0, 24_000]])
    assert float(embedder.embed(NOISE, window)[0] @ embedder.embed(NOISE * 0.1, window)[0]) > 0.99


def test_windows_of_unequal_length_keep_their_order() -> None:
    embedder = OnnxEmbedder()
    windows = np.array([[0, 16_000], [0, 24_000], [16_000, 32_000]])
    together = embedder.embed(NOISE, windows)
    for window, vector in zip(windows, together, strict=True):
        np.testing.assert_allclose(embedder.embed(NOISE, window[None])[0], vector, atol=1e-4)


@pytest.mark.parametrize("window", [(-1, 100), (0, 48_001)])
def test_a_window_outside_is_refused(window: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="outside"):
        OnnxEmbedder().embed(NOISE, np.array([window]))


def test_a_window_without_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than one frame"):
        OnnxEmbedder().embed(NOISE, np.array([[0, 50]]))


def test_a_model_that_is_not_here_is_said_before_anything_else_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEMATCH_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match="voicematch models pull ecapa512"):
        OnnxEmbedder("ecapa512")
    with pytest.raises(ModelError, match="voicematch models pull ecapa512"):
        open_embedder("ecapa512")


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(ModelError, match="nosuch"):
        OnnxEmbedder("nosuch")


def test_a_span_out_of_a_run_is_nearly_the_window_heard_alone() -> None:
    """The network heard what lies beside it too, and the weights know the run's mean: near, and not the same."""
    embedder = OnnxEmbedder()
    sound = Audio(EXAMPLE).read(0.0, 20.0)
    rows = log_mel(sound)
    assert num_cells(rows, 100, 1_900) == 1_800 // CELL
    spans = np.array([[0, 30], [50, 80], [100, 115]])
    bounds = (100 + spans * CELL) * HOP
    likeness = embedder.pool(rows, 100, 1_900, spans) @ embedder.embed(sound, bounds, features=rows).T
    assert np.diag(likeness).min() > 0.8
    assert (likeness.argmax(axis=1) == np.arange(3)).all()


def test_statistics_of_a_span_are_those_of_its_frames() -> None:
    """By hand: mean and deviation of the cells' frames, weighted; spans are kept inside the run."""
    frames, weights = np.array([1.0, 3.0, 5.0]), np.array([1.0, 1.0, 2.0])
    cells = np.stack([weights, weights * frames, weights * frames**2], axis=1)[:, :, None].astype(np.float32)
    found = summed(cells).statistics([[0, 2], [1, 3], [2, 9]])
    second = np.sqrt((9 + 2 * 25) / 3 - (13 / 3) ** 2)
    np.testing.assert_allclose(found, [[2.0, 1.0], [13 / 3, second], [5.0, 1e-3]], rtol=1e-5)


def test_many_spans_over_several_runs_are_as_each_alone() -> None:
    rng = np.random.default_rng(1)
    runs = [rng.uniform(0.5, 2.0, (length, 3, 4)).astype(np.float32) for length in (30, 1, 50)]
    sums = summed(*runs)
    assert len(sums) == 81
    spans = np.stack([np.arange(75), np.arange(75) + 6], axis=1)
    alone = np.concatenate([summed(np.concatenate(runs)).statistics([span]) for span in spans])
    np.testing.assert_array_equal(sums.statistics(spans), alone)
    sums.forget(40)
    assert len(sums) == 81
    np.testing.assert_array_equal(sums.statistics(spans[40:]), alone[40:])


def summed(*runs: np.ndarray) -> Sums:
    sums = Sums()
    for cells in runs:
        sums.add(cells)
    return sums


def test_a_stretch_is_heard_in_parts_that_end_in_pauses() -> None:
    rows = np.random.default_rng(0).normal(0, 0.1, (10_000, 80)).astype(np.float32)
    for pause in (1_420, 2_670, 4_000):
        rows[pause - 15 : pause + 15] -= 10.0
    assert parts_of(rows, 0, 400) == [(0, 142), (142, 267), (267, 400)]  # 133 and 266 if nobody paused
    assert parts_of(rows, 1_000, 300) == [(0, 167), (167, 300)]
    (_, middle), _ = parts_of(rows, 0, 161)
    assert 60 <= middle <= 100
    assert parts_of(rows, 9_990, 1) == [(0, 1)]


def test_frames_of_any_period_are_summed_in_cells_of_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network whose frames come every 10, 20 or 40 ms and say what time it is."""

    class Network:
        def __init__(self, period: int) -> None:
            self.period = period

        def get_inputs(self) -> list[SimpleNamespace]:
            return [SimpleNamespace(name="features")]

        def run(self, _: object, given: dict[str, np.ndarray]) -> list[np.ndarray]:
            (heard,) = given.values()
            frames = heard[:, :: self.period, :1].transpose(0, 2, 1)
            return [frames, np.zeros_like(frames)]

    rows = np.tile(np.linspace(0, 40, 4_000, dtype=np.float32)[:, None], 80)
    for period in (1, 2, 4):
        monkeypatch.setattr(sessions, "session", lambda *_, period=period: Network(period))
        cells = np.concatenate(list(OnnxEmbedder()._cells(rows, 100, 1_703)))
        assert len(cells) == num_cells(rows, 100, 1_703)
        seconds = np.diff(cells[:, 1, 0] / cells[:, 0, 0])
        np.testing.assert_allclose(seconds, CELL / 100, atol=0.05)


def test_a_network_that_has_rested_hears_the_same_again() -> None:
    embedder = OnnxEmbedder()
    rows = np.random.default_rng(2).normal(-5, 3, (1_800, 80)).astype(np.float32)
    spans = np.array([[0, 15], [50, 150]])
    before = embedder.pool(rows, 0, 1_800, spans)
    embedder.rest()
    np.testing.assert_array_equal(embedder.pool(rows, 0, 1_800, spans), before)


def test_a_stretch_of_many_parts_is_pooled_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans across two parts, out of order, and past the end; what is forgotten on the way is not needed."""
    embedder = OnnxEmbedder()
    rows = np.random.default_rng(3).normal(-5, 3, (5_003, 80)).astype(np.float32)
    spans = np.array([[450, 501], [155, 170], [0, 15], [495, 650]])
    whole = Sums()
    for cells in embedder._cells(rows, 0, 5_003):
        whole.add(cells)
    assert len(whole) == num_cells(rows, 0, 5_003) == 500
    np.testing.assert_allclose(
        embedder.pool(rows, 0, 5_003, spans), embedder._pooled(whole.statistics(spans)), atol=1e-5
    )


def test_vectors_pooled_out_of_a_run_and_heard_alone_know_one_another() -> None:
    """What a library keeps from windows that were each run alone still tells the voices of an episode."""
    embedder = OnnxEmbedder()
    sound = Audio(EXAMPLE).read(0.0, 60.0)
    alone: dict[str, list[np.ndarray]] = {}
    found = BuiltinDiarizer().diarize(Audio(EXAMPLE), embedder)
    for turn in found.turns:
        if turn.end < 60.0 and turn.duration > 2.0:
            bounds = np.array([[int(turn.start * 16_000), int((turn.start + 1.5) * 16_000)]])
            alone.setdefault(turn.speaker, []).append(embedder.embed(sound, bounds)[0])
    assert len(alone) > 1
    for speaker, vectors in alone.items():
        before = unit(np.mean(vectors, axis=0))
        now = {label: float(before @ centroid(own).vector) for label, own in found.embeddings.items()}
        assert max(now, key=lambda label: now[label]) == speaker
        assert now[speaker] > 0.8
