"""Simulated conversations and recordings on disk, as windows with targets, and cheap augmentation of their features."""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import permutations
from pathlib import Path

import numpy as np
import segmentation_pool
from augment import decode
from numpy.random import Generator
from numpy.typing import NDArray
from segmentation_pool import SAMPLE_RATE, Clip, Samples
from simulate import Pool, simulate

from voicematch.engines.features import NUM_BINS, log_mel
from voicematch.voices.score import unit

log = logging.getLogger(__name__)

WINDOW = 1_000  # frames of 10 ms
WINDOW_SAMPLES = 10 * SAMPLE_RATE
SCENE_SECONDS = 30.0
SCENES_PER_FILE = 20
MOST_IN_MEMORY = 40_000  # windows; one in 16 bits is 170 kB
CLASSES = (0b000, 0b001, 0b010, 0b100, 0b011, 0b101, 0b110)  # bit k: local speaker k, as in the network
HELD_OUT = 10  # every so many-th person of a prepared folder, where some are not trained on
MOST_ALIKE = 0.75  # cosine of two people from which a corpus may well count one person twice
NUM_NEAR = 12  # voices that may be put beside one that they resemble
CLEAN = 7.0  # nats, 30 dB, between the loud and the soft rows of a window whose speaker may be added to another

Teacher = Callable[[Samples], NDArray[np.float32]]
"""(num_samples,) sound to (num_windows, 500, 7) probabilities of CLASSES in windows of 10 s."""


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


def held_out(pool: Pool) -> list[str]:
    """The people whom campplus_train.py does not learn from, so that what is fitted to its vectors may."""
    return pool.speakers[::HELD_OUT]


def cosines_of(pool: Pool, file: Path) -> dict[str, dict[str, float]]:
    """The cosine of any two of the pool's people, by the vectors of their clips (a clips-*.npz of fit_engine.py)."""
    with np.load(file) as kept:
        names, vectors = kept["people"], kept["vectors"]
    people = [person for person in pool.speakers if np.count_nonzero(names == person) > 1]
    means = np.stack([unit(vectors[names == person].mean(axis=0)) for person in people])
    return {person: dict(zip(people, row, strict=True)) for person, row in zip(people, means @ means.T, strict=True)}


def nearest(cosines: Mapping[str, Mapping[str, float]]) -> dict[str, list[str]]:
    """Of each person those who are most alike, without those who may be that person again."""
    found = {}
    for person, row in cosines.items():
        others = [other for other in row if other != person and row[other] < MOST_ALIKE]
        found[person] = sorted(others, key=lambda other: (-row[other], other))[:NUM_NEAR]
    return found


def generate(
    work: Path,
    hours: float,
    seed: int,
    similar: Path | None = None,
    teacher: Teacher | None = None,
    on_table: float = 0.0,
) -> None:
    """Write WORK/scenes/SEED-NNNNN.npz: windows of simulated scenes, with who speaks in them.

    similar : a clips-*.npz of fit_engine.py, for scenes of voices that resemble each other
    teacher : what it hears is written beside
    """
    pool = open_pool(work)
    if similar is not None:
        pool.near = nearest(cosines_of(pool, similar))
    for number in range(math.ceil(hours * 3_600 / SCENE_SECONDS / SCENES_PER_FILE)):
        path = work / "scenes" / f"{seed}-{number:05d}.npz"
        if path.exists():
            continue
        rng = np.random.default_rng([seed, number])
        scenes = [simulate(pool, rng, SCENE_SECONDS, on_table) for _ in range(SCENES_PER_FILE)]
        _write(path, [scene.samples for scene in scenes], [scene.labels for scene in scenes], teacher)


def hear(work: Path, files: list[Path], teacher: Teacher, seconds: float = 600.0) -> None:
    """Write WORK/scenes/heard-NNNNN.npz: windows of recordings, of which nothing is known but what the teacher hears.

    Recordings follow each other, so that short ones are not lost.

    seconds : of sound in one file
    """
    waiting: list[Samples] = []
    number = 0
    for file in files:
        waiting.append(decode(str(file)).astype(np.float32) / np.float32(32_768))
        length = sum(map(len, waiting)) // WINDOW_SAMPLES * WINDOW_SAMPLES
        if length >= seconds * SAMPLE_RATE or (length and file == files[-1]):
            path = work / "scenes" / f"heard-{number:05d}.npz"
            if not path.exists():
                _write(path, [np.concatenate(waiting)[:length]], None, teacher)
            waiting, number = [], number + 1


def _write(path: Path, sounds: list[Samples], labels: list[NDArray[np.uint8]] | None, teacher: Teacher | None) -> None:
    """Cut sounds into windows: ``features`` (windows, 1000, 80), ``labels`` (windows, 500), ``heard`` (…, 500, 7)."""
    path.parent.mkdir(exist_ok=True)
    started = time.monotonic()
    features = np.concatenate([log_mel(sound)[: len(sound) // 160].reshape(-1, WINDOW, NUM_BINS) for sound in sounds])
    windows: dict[str, NDArray[np.generic]] = {"features": features.astype(np.float16)}
    if labels is not None:
        bits = [three_speakers(part) for one in labels for part in one.reshape(-1, WINDOW // 2)]
        windows["labels"] = np.stack(bits).astype(np.uint8)
    if teacher is not None:
        heard = np.concatenate([teacher(sound) for sound in sounds])
        if labels is not None:
            heard = np.stack([renamed(classes, own) for classes, own in zip(heard, bits, strict=True)])
        windows["heard"] = heard.astype(np.float16)
    np.savez(part := path.with_suffix(".part.npz"), **windows)  # type: ignore[arg-type]  # no keyword is allow_pickle
    part.rename(path)
    log.info("%s: %d windows, %.0f s", path.name, len(features), time.monotonic() - started)


def renamed(classes: NDArray[np.float32], bits: NDArray[np.int64]) -> NDArray[np.float32]:
    """(frames, 7) probabilities with the teacher's speakers in that order in which they fit the labels best."""
    best, found = -np.inf, classes
    own = one_hot(bits)
    for names in permutations(range(3)):
        moved = [CLASSES.index(sum(1 << names[k] for k in range(3) if group >> k & 1)) for group in CLASSES]
        again = np.empty_like(classes)
        again[:, moved] = classes
        fit = float((own * np.log(np.maximum(again, 1e-4))).sum())
        if fit > best:
            best, found = fit, again
    return found


def one_hot(bits: NDArray[np.int64]) -> NDArray[np.float32]:
    """(frames, 7) one for the class of who speaks; three at once count as the first two.

    >>> one_hot(np.array([0, 3, 7])).argmax(axis=1).tolist()
    [0, 4, 4]
    """
    place = np.array([CLASSES.index(group if group != 0b111 else 0b011) for group in range(8)])
    return np.eye(len(CLASSES), dtype=np.float32)[place[bits]]


class Scenes:
    """The windows that are there so far, read again as more are written, in batches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: set[Path] = set()
        self.features: list[NDArray[np.float16]] = []
        self.targets: list[tuple[NDArray[np.uint8] | None, NDArray[np.float16] | None]] = []
        self.alone: list[int] = []  # windows of one speaker without much noise

    def refresh(self) -> None:
        for path in sorted(set(self.folder.glob("*[0-9].npz")) - self.seen):
            if len(self.features) >= MOST_IN_MEMORY:
                return
            with np.load(path) as windows:
                self.features += list(windows["features"])
                none = [None] * len(windows["features"])
                labels = windows.get("labels", none)
                heard = windows.get("heard", none)
                self.targets += list(zip(labels, heard, strict=True))
                first = len(self.features) - len(none)
                self.alone += [first + at for at, bits in enumerate(labels) if self._is_alone(first + at, bits)]
            self.seen.add(path)

    def _is_alone(self, window: int, bits: NDArray[np.uint8] | None) -> bool:
        if bits is None or bits.max() != 1 or (bits > 0).mean() < 0.4:
            return False
        soft, loud = np.quantile(self.features[window].mean(axis=1, dtype=np.float32), (0.05, 0.95))
        return bool(loud - soft > CLEAN)

    def batch(
        self, rng: Generator, size: int, trust: float, added: float = 0.0
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(size, 1000, 80) augmented features and (size, 500, 7) how likely each class is.

        trust : weight of what the teacher heard, against what is known
        added : share of the windows in which one more speaker talks for a while
        """
        rows = np.empty((size, WINDOW, NUM_BINS), np.float32)
        targets = np.empty((size, WINDOW // 2, len(CLASSES)), np.float32)
        for position in range(size):
            window = int(rng.integers(len(self.features)))
            rows[position] = self.features[window]
            labels, heard = self.targets[window]
            if labels is None:
                targets[position] = heard
            elif self.alone and labels.max() <= 3 and rng.random() < added:
                targets[position] = one_hot(self._add_speaker(rng, rows[position], labels.astype(np.int64)))
            else:
                known = one_hot(labels.astype(np.int64))
                targets[position] = known if heard is None else trust * heard.astype(np.float32) + (1 - trust) * known
            augment(rng, rows[position])
        return rows, targets

    def _add_speaker(self, rng: Generator, rows: NDArray[np.float32], bits: NDArray[np.int64]) -> NDArray[np.int64]:
        """Let one more speak for a while, in place; returns who speaks now. Energies add up where sounds do."""
        window = self.alone[int(rng.integers(len(self.alone)))]
        other = self.features[window].astype(np.float32)
        said = self.targets[window][0]
        assert said is not None  # of those who are alone
        level = float(np.quantile(rows.mean(axis=1), 0.9) - np.quantile(other.mean(axis=1), 0.9))
        length = 2 * int(rng.integers(20, 300))
        start = 2 * int(rng.integers((WINDOW - length) // 2 + 1))
        part = slice(start, start + length)
        rows[part] = np.logaddexp(rows[part], other[part] + np.float32(level + rng.normal(-0.7, 1.2)))
        frames = slice(start // 2, (start + length) // 2)
        bits = bits.copy()
        bits[frames] |= (said[frames] > 0).astype(np.int64) << int(bits.max()).bit_length()
        return bits


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
