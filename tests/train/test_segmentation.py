"""The parts of the segmentation recipe that need no torch: labels and simulated conversations."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng

RECIPE = Path(__file__).resolve().parents[2] / "models" / "train"
sys.path.insert(0, str(RECIPE))  # its files import each other by their own names, as scripts do

from segmentation_pool import Clip, activity, close_gaps, load, runs  # noqa: E402
from segmentation_scenes import Scenes, augment, three_speakers  # noqa: E402
from simulate import Pool, simulate, transcoded  # noqa: E402

from voicematch.types import Array  # noqa: E402

SECOND = 16_000


def tone(seconds: float, hertz: float = 440.0) -> Array:
    return np.asarray(np.sin(2 * np.pi * hertz * np.arange(int(seconds * SECOND)) / SECOND), np.float32)


@pytest.fixture
def pool() -> Pool:
    """Two speakers who hum for 2 s each, one pitch each, and no noise."""
    samples = 8_000 * np.concatenate([tone(2, 300), tone(2, 1_000)])
    clips = {"low": [Clip("low", "speech", 0, 32_000)], "high": [Clip("high", "speech", 32_000, 64_000)]}
    return Pool(samples.astype(np.int16), np.ones(400, bool), clips, np.zeros(0, np.int16), {})


def test_runs_and_gaps() -> None:
    mask = np.array([True, False, False, True, False, False, False, True])
    assert runs(mask).tolist() == [[0, 1], [3, 4], [7, 8]]
    assert close_gaps(mask, 2).tolist() == [True] * 4 + [False] * 3 + [True]
    assert runs(np.zeros(3, bool)).tolist() == []


def test_activity_by_level_alone_finds_the_loud_part() -> None:
    quiet = default_rng(0).normal(0, 1e-4, SECOND).astype(np.float32)
    active = activity(np.concatenate([quiet, tone(1) * 0.3, quiet]), None)
    assert runs(active).tolist() == [[98, 202]]  # 50 ms of smoothing widen it by 20 ms on each side


def test_activity_trusts_the_detector_only_where_there_is_sound() -> None:
    samples = np.concatenate([np.zeros(SECOND, np.float32), tone(2) * 0.3])
    heard = np.concatenate([np.ones(200, np.float32), np.zeros(100, np.float32)])
    assert runs(activity(samples, heard)).tolist() == [[98, 200]]


def test_a_clip_with_hardly_any_speech_is_left_out_of_the_pool() -> None:
    clips = {"mute": [Clip("mute", "speech", 0, 16_000)]}
    assert Pool(np.zeros(16_000, np.int16), np.zeros(100, bool), clips, np.zeros(0, np.int16), {}).speakers == []


def test_a_scene_follows_from_its_seed_and_has_labels_where_somebody_hums(pool: Pool) -> None:
    first, again = (simulate(pool, default_rng(5), 12.0) for _ in range(2))
    assert first.samples.shape == (12 * SECOND,)
    assert first.labels.shape == (600,)
    assert np.array_equal(first.samples, again.samples)
    assert np.array_equal(first.labels, again.labels)
    assert set(np.unique(first.labels)) <= {0, 1, 2, 3}
    assert np.abs(first.samples).max() <= 1


def test_scenes_with_nobody_have_sound_and_no_labels(pool: Pool) -> None:
    scene = simulate(Pool(pool.samples, pool.active, {}, pool.noise_samples, {}), default_rng(0), 2.0)
    assert not scene.labels.any()
    assert scene.samples.any()


def test_a_codec_leaves_the_sound_where_it_was() -> None:
    rng = default_rng(1)
    sound = np.zeros(3 * SECOND, np.float32)
    sound[SECOND : SECOND + 8_000] = rng.normal(0, 0.1, 8_000).astype(np.float32)
    for seed in range(6):
        coded = transcoded(default_rng(seed), sound)
        assert len(coded) == len(sound)
        loud = np.flatnonzero(np.convolve(np.abs(coded), np.full(80, 1 / 80), "same") > 0.01)
        assert abs(loud[0] - SECOND) < 400, seed
        assert abs(loud[-1] - (SECOND + 8_000)) < 400, seed


def test_three_speakers_keeps_who_speaks_most_and_joins_the_rest() -> None:
    labels = np.array([0b0001] * 2 + [0b0010] * 5 + [0b0100] * 4 + [0b1000] * 3 + [0b1010], np.uint8)
    assert three_speakers(labels).tolist() == [0b100] * 2 + [0b001] * 5 + [0b010] * 4 + [0b100] * 3 + [0b101]


def test_windows_are_read_from_files_as_they_appear(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    scenes.refresh()
    assert scenes.features == []
    rows = np.broadcast_to(np.arange(1_200, dtype=np.float16)[:, None], (1, 1_200, 80))
    np.savez(tmp_path / "00000.npz", features=rows, labels=np.ones((1, 600), np.uint8))
    scenes.refresh()
    scenes.refresh()
    assert len(scenes.features) == 1
    batch, bits = scenes.batch(default_rng(0), 3)
    assert batch.shape == (3, 1_000, 80)
    assert bits.shape == (3, 500)
    assert (bits == 1).all()


def test_augmentation_keeps_shape_and_stays_finite() -> None:
    for seed in range(20):
        rows = np.full((1_000, 80), -15.9, np.float32)
        augment(default_rng(seed), rows)
        assert np.isfinite(rows).all()


def test_load_reads_what_lies_in_the_folder(tmp_path: Path) -> None:
    np.save(tmp_path / "noise.npy", np.arange(4, dtype=np.int16))
    (tmp_path / "noise.json").write_text('[{"speaker": "room", "kind": "rir", "start": 0, "end": 4}]', encoding="utf-8")
    samples, clips = load(tmp_path, "noise")
    assert samples.tolist() == [0, 1, 2, 3]
    assert clips == [Clip("room", "rir", 0, 4)]
