"""Simulated conversations on disk, and random windows of them with cheap augmentation of their features."""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import segmentation_pool
from numpy.random import Generator
from numpy.typing import NDArray
from segmentation_pool import Clip
from simulate import Pool, simulate

from voicematch.engines.features import NUM_BINS, log_mel

log = logging.getLogger(__name__)

WINDOW = 1_000  # frames of 10 ms
SCENE_SECONDS = 30.0
SCENES_PER_FILE = 20
MOST_IN_MEMORY = 6_000  # scenes; 30 s in 16 bits are half a megabyte


def open_pool(work: Path) -> Pool:
    """What ``prepare`` wrote."""
    samples, clips = segmentation_pool.load(work, "speech")
    noise_samples, noise = segmentation_pool.load(work, "noise")
    by_speaker: dict[str, list[Clip]] = defaultdict(list)
    by_kind: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_speaker[clip.speaker].append(clip)
    for clip in noise:
        by_kind[clip.kind].append(clip)
    return Pool(samples, np.load(work / "active.npy"), dict(by_speaker), noise_samples, dict(by_kind))


def generate(work: Path, hours: float, seed: int) -> None:
    """Write WORK/scenes/NNNNN.npz: features (scenes, frames, 80) float16 and labels (scenes, frames / 2) uint8."""
    folder = work / "scenes"
    folder.mkdir(exist_ok=True)
    pool = open_pool(work)
    for number in range(math.ceil(hours * 3_600 / SCENE_SECONDS / SCENES_PER_FILE)):
        path = folder / f"{number:05d}.npz"
        if path.exists():
            continue
        started = time.monotonic()
        rng = np.random.default_rng([seed, number])
        scenes = [simulate(pool, rng, SCENE_SECONDS) for _ in range(SCENES_PER_FILE)]
        features = np.stack([log_mel(scene.samples) for scene in scenes]).astype(np.float16)
        labels = np.stack([scene.labels for scene in scenes])
        np.savez(part := path.with_suffix(".part.npz"), features=features, labels=labels)
        part.rename(path)
        speech, overlap = (labels > 0).mean(), (labels & (labels - 1) > 0).mean()
        seconds = time.monotonic() - started
        log.info("%s: %.0f s, speech %.0f %%, overlap %.1f %%", path.name, seconds, 100 * speech, 100 * overlap)


class Scenes:
    """The scenes that are there so far, read again as more are written, and random windows of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: set[Path] = set()
        self.features: list[NDArray[np.float16]] = []
        self.labels: list[NDArray[np.uint8]] = []

    def refresh(self) -> None:
        for path in sorted(set(self.folder.glob("?????.npz")) - self.seen):
            if len(self.features) >= MOST_IN_MEMORY:
                return
            with np.load(path) as scenes:
                self.features += list(scenes["features"])
                self.labels += list(scenes["labels"])
            self.seen.add(path)

    def batch(self, rng: Generator, size: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """(size, 1000, 80) augmented features and (size, 500) bits of at most three speakers."""
        rows = np.empty((size, WINDOW, NUM_BINS), np.float32)
        bits = np.empty((size, WINDOW // 2), np.int64)
        for position in range(size):
            scene = int(rng.integers(len(self.features)))
            start = 2 * int(rng.integers((len(self.features[scene]) - WINDOW) // 2 + 1))
            rows[position] = self.features[scene][start : start + WINDOW]
            bits[position] = three_speakers(self.labels[scene][start // 2 : start // 2 + WINDOW // 2])
            augment(rng, rows[position])
        return rows, bits


def three_speakers(labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The bits of the three who speak most, the one who speaks most first; who else speaks counts as the third.

    >>> three_speakers(np.array([0, 8, 8, 9], np.uint8)).tolist()
    [0, 1, 1, 3]
    """
    spoken = (labels[None] >> np.arange(8)[:, None]) & 1
    order = np.argsort(-spoken.sum(axis=1), kind="stable")
    ranked = spoken[order].astype(np.int64)
    bits: NDArray[np.int64] = ranked[0] | ranked[1] << 1 | ranked[2:].max(axis=0) << 2
    return bits


def augment(rng: Generator, rows: NDArray[np.float32]) -> None:
    """Change one window in place: the channel's colour, a slow change of level, steady noise, lost bands."""
    places = np.linspace(0, NUM_BINS - 1, 6)
    if rng.random() < 0.6:
        rows += np.interp(np.arange(NUM_BINS), places, rng.normal(0, 1.0, 6)).astype(np.float32)
    if rng.random() < 0.3:
        drift = np.interp(np.arange(WINDOW), np.linspace(0, WINDOW, 4), rng.normal(0, 0.7, 4))
        rows += drift[:, None].astype(np.float32)
    if rng.random() < 0.3:
        colour = np.interp(np.arange(NUM_BINS), places, rng.normal(0, 1.5, 6))
        level = float(np.quantile(rows.mean(axis=1), 0.9)) - rng.uniform(3, 14)
        noise = colour + level + np.log(rng.gamma(6, 1 / 6, rows.shape))
        np.logaddexp(rows, noise.astype(np.float32), out=rows)
    if rng.random() < 0.2:
        first = int(rng.integers(NUM_BINS - 8))
        rows[:, first : first + int(rng.integers(2, 9))] = rows.mean()
