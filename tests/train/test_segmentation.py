"""The parts of the segmentation recipe that need no torch: labels and simulated conversations."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng

RECIPE = Path(__file__).resolve().parents[2] / "models" / "train"
sys.path.insert(0, str(RECIPE))  # its files import each other by their own names, as scripts do

from segmentation_pool import Clip, activity, close_gaps, load, runs  # noqa: E402
from segmentation_scenes import Scenes, augment, generate, hear, nearest, one_hot, renamed, three_speakers  # noqa: E402
from simulate import Pool, handling, simulate, transcoded  # noqa: E402

from tests.support.tones import write_episode  # noqa: E402
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


def test_what_a_table_hears_is_noise_beside_the_voices(pool: Pool) -> None:
    heard = handling(default_rng(2), 30 * SECOND)
    assert np.abs(heard).max() == pytest.approx(1.0)
    scenes = [simulate(pool, default_rng(seed), 10.0, on_table=1.0) for seed in range(8)]
    assert all(scene.samples.shape == (10 * SECOND,) and np.isfinite(scene.samples).all() for scene in scenes)
    assert any(scene.labels.any() for scene in scenes)
    nobody = Pool(pool.samples, pool.active, {}, pool.noise_samples, pool.noise)
    alone = simulate(nobody, default_rng(0), 10.0, on_table=1.0)
    assert not alone.labels.any()
    assert np.abs(alone.samples).max() > 0


def test_windows_are_read_from_files_as_they_appear(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    scenes.refresh()
    assert scenes.features == []
    rows = np.zeros((1, 1_000, 80), np.float16)
    alone, two = np.eye(7, dtype=np.float16)[[1, 4]]
    np.savez(tmp_path / "1-00000.npz", features=rows, labels=np.ones((1, 500), np.uint8))
    scenes.refresh()
    scenes.refresh()
    assert len(scenes.features) == 1
    batch, targets = scenes.batch(default_rng(0), 3, trust=0.25)
    assert batch.shape == (3, 1_000, 80)
    assert (targets == alone).all()
    heard = np.tile(two, (1, 500, 1))
    np.savez(tmp_path / "1-00000.npz", features=rows, labels=np.ones((1, 500), np.uint8), heard=heard)
    np.savez(tmp_path / "heard-00000.npz", features=rows, heard=heard)
    again = Scenes(tmp_path)
    again.refresh()
    _, targets = again.batch(default_rng(0), 20, trust=0.25)
    assert np.unique(targets[:, 0], axis=0).tolist() == [two.tolist(), (0.75 * alone + 0.25 * two).tolist()]


def test_scenes_are_written_as_windows_with_what_a_teacher_hears(tmp_path: Path) -> None:
    samples = 8_000 * np.concatenate([tone(2, 300), tone(2, 1_000)])
    np.save(tmp_path / "speech.npy", samples.astype(np.int16))
    np.save(tmp_path / "noise.npy", np.zeros(0, np.int16))
    np.save(tmp_path / "active.npy", np.ones(400, bool))
    clips = [asdict(Clip("low", "a", 0, 32_000)), asdict(Clip("high", "a", 32_000, 64_000))]
    (tmp_path / "speech.json").write_text(json.dumps(clips), encoding="utf-8")
    (tmp_path / "noise.json").write_text("[]", encoding="utf-8")

    def teacher(sound: Array) -> Array:
        return np.full((len(sound) // 160_000, 500, 7), 1 / 7, np.float32)

    generate(tmp_path, 0.01, seed=3, teacher=teacher)
    with np.load(tmp_path / "scenes" / "3-00000.npz") as windows:
        assert windows["features"].shape == (60, 1_000, 80)
        assert windows["labels"].shape == (60, 500)
        assert windows["labels"].any()
        assert windows["heard"].shape == (60, 500, 7)
    hear(tmp_path, [write_episode(tmp_path / "call.wav", "A" * 25)], teacher)
    with np.load(tmp_path / "scenes" / "heard-00000.npz") as windows:
        assert set(windows) == {"features", "heard"}
        assert windows["features"].shape == (2, 1_000, 80)


def test_a_teachers_speakers_take_the_names_of_the_truth() -> None:
    bits = np.array([0, 1, 1, 3, 2, 0])
    other = np.array([0, 4, 4, 6, 2, 0])  # the same, with the first as the third, and the second as the second
    assert renamed(one_hot(other), bits).argmax(axis=1).tolist() == one_hot(bits).argmax(axis=1).tolist()


def test_who_may_be_the_same_person_is_not_put_beside_as_another() -> None:
    cosines = {"a": {"a": 1.0, "b": 0.8, "c": 0.4, "d": 0.6}}
    assert nearest(cosines) == {"a": ["d", "c"]}


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
