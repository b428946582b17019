"""The embedder in the repository: shapes, batches, and windows at the edges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voicematch.engines import open_embedder
from voicematch.engines.embed import OnnxEmbedder
from voicematch.engines.features import log_mel
from voicematch.errors import ModelError

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
    embedder = OnnxEmbedder()
    window = np.array([[0, 24_000]])
    assert float(embedder.embed(NOISE, window)[0] @ embedder.embed(NOISE * 0.1, window)[0]) > 0.999


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
