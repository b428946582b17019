"""From a manifest of speech to batches of augmented log-mel crops."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from augment import SAMPLE_RATE, Array, Augmenter, Bank, coded, decode
from scipy.signal import resample_poly
from torch.utils.data import IterableDataset

from voicematch.engines.features import log_mel

SPEEDS = ((1, 1), (10, 9), (10, 11))  # resampling ratios of the speeds 1.0, 0.9 and 1.1: three voices of one person
SPEED_NAMES = tuple(f"speed_{down / up:.1f}" for up, down in SPEEDS)  # in a teacher's file
SPEED_SHARES = (0.6, 0.2, 0.2)


@dataclass(frozen=True)
class Clip:
    speaker: str
    corpus: str
    path: Path


def read_manifest(path: Path) -> list[Clip]:
    """The clips of a tab-separated table with columns ``speaker``, ``path`` (relative to it) and perhaps ``corpus``."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [Clip(row["speaker"], row.get("corpus", ""), path.parent / row["path"]) for row in rows]


def open_bank(name: str, cache: Path) -> Bank:
    return Bank(np.load(cache / f"{name}.npy", mmap_mode="r"), np.load(cache / f"{name}_offsets.npy"))


def make_bank(name: str, cache: Path, clips: Iterator[npt.NDArray[np.int16]]) -> Bank:
    """The bank of that name in the cache folder, made of the clips if it is not there yet."""
    if not (cache / f"{name}_offsets.npy").exists():
        arrays = list(clips)
        np.save(cache / f"{name}.npy", np.concatenate(arrays))
        np.save(cache / f"{name}_offsets.npy", np.cumsum([0] + [len(array) for array in arrays]))
    return open_bank(name, cache)


def decoded(paths: list[Path]) -> Iterator[npt.NDArray[np.int16]]:
    with ProcessPoolExecutor(2) as pool:
        yield from pool.map(decode, map(str, paths), chunksize=16)


def at_speed(bank: Bank, up: int, down: int) -> Iterator[npt.NDArray[np.int16]]:
    for index in range(len(bank)):
        samples = resample_poly(bank.clip(index).astype(np.float32), up, down)
        yield np.clip(np.round(samples), -32_768, 32_767).astype(np.int16)


def through_codecs(bank: Bank, seed: int) -> Iterator[npt.NDArray[np.int16]]:
    for index in range(len(bank)):
        yield coded(bank.clip(index), np.random.default_rng((seed, index)))


@dataclass(frozen=True)
class Speech:
    """The clips with their sound at three speeds, and once more through a codec.

    banks : by speed, (1.0, 0.9, 1.1)
    coded : at speed 1.0, or None
    """

    clips: list[Clip]
    banks: tuple[Bank, ...]
    coded: Bank | None
    augmenter: Augmenter


def open_speech(manifest: Path, noise_manifest: Path, cache: Path, *, codecs: bool = True, seed: int = 0) -> Speech:
    """Everything decoded into ``cache``: on the first call some minutes per ten hours of speech, then at once."""
    cache.mkdir(parents=True, exist_ok=True)
    clips = read_manifest(manifest)
    plain = make_bank("train", cache, decoded([clip.path for clip in clips]))
    banks = [plain]
    for up, down in SPEEDS[1:]:
        banks.append(make_bank(f"train_{up}_{down}", cache, at_speed(plain, up, down)))
    with noise_manifest.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    noise = make_bank("noise", cache, decoded([noise_manifest.parent / row["path"] for row in rows]))
    noises, music, rooms = (
        tuple(i for i, row in enumerate(rows) if row["kind"] == kind) for kind in ("noise", "music", "rir")
    )
    after = make_bank("train_coded", cache, through_codecs(plain, seed)) if codecs else None
    return Speech(clips, tuple(banks), after, Augmenter(plain, noise, noises, music, rooms))


@dataclass(frozen=True)
class Batch:
    """features : (batch, frames, 80); voices : (batch,) class; clips, speeds : (batch,) what the teacher heard"""

    features: torch.Tensor
    voices: torch.Tensor
    clips: torch.Tensor
    speeds: torch.Tensor


class Crops(IterableDataset[Batch]):
    """Endless batches: pairs of crops of one voice, half of the voices from one corpus.

    Voices of one corpus share microphones and a language, so only what is left can tell them apart.
    """

    def __init__(
        self,
        speech: Speech,
        allowed: npt.NDArray[np.int64],
        *,
        frames_per_batch: int,
        seconds: tuple[float, float],
        seed: int,
    ) -> None:
        self.speech, self.frames_per_batch, self.seconds, self.seed = speech, frames_per_batch, seconds, seed
        self.speaker_idx = speaker_numbers(speech.clips)
        self.clips_by_speaker: dict[int, list[int]] = {}
        for clip in allowed:
            self.clips_by_speaker.setdefault(int(self.speaker_idx[clip]), []).append(int(clip))
        self.speakers = np.array(sorted(self.clips_by_speaker))
        # A speaker with one clip says less than one with twenty, but not twenty times less.
        self.weights = np.sqrt([min(len(self.clips_by_speaker[speaker]), 16) for speaker in self.speakers])
        self.corpora = np.array([speech.clips[self.clips_by_speaker[speaker][0]].corpus for speaker in self.speakers])

    def __iter__(self) -> Iterator[Batch]:
        worker = torch.utils.data.get_worker_info()
        random = np.random.default_rng((self.seed, worker.id if worker else 0))
        while True:
            yield self._batch(random)

    def _batch(self, random: np.random.Generator) -> Batch:
        seconds = random.uniform(*self.seconds)
        num_samples = int(seconds * 100) * SAMPLE_RATE // 100
        num_voices = int(self.frames_per_batch / seconds / 100) // 2
        rows = []
        for speaker in self._speakers(num_voices, random):
            speed = int(random.choice(len(SPEEDS), p=SPEED_SHARES))
            clips = self.clips_by_speaker[int(speaker)]
            for clip in random.choice(clips, 2, replace=len(clips) < 2):
                bank = self.speech.banks[speed]
                if speed == 0 and self.speech.coded is not None and random.random() < 0.35:
                    bank = self.speech.coded
                crop = self.speech.augmenter(bank.crop(int(clip), num_samples, random), random)
                rows.append((masked(centred(log_mel(crop)), random), speaker * len(SPEEDS) + speed, clip, speed))
        features, *numbers = zip(*rows, strict=True)
        return Batch(torch.from_numpy(np.stack(features)), *(torch.tensor(np.array(column)) for column in numbers))

    def _speakers(self, num_voices: int, random: np.random.Generator) -> npt.NDArray[np.int64]:
        corpora, counts = np.unique(self.corpora, return_counts=True)
        same = self.corpora == random.choice(corpora, p=np.sqrt(counts) / np.sqrt(counts).sum())
        inside = self._draw(np.where(same, self.weights, 0), min(num_voices // 2, int(same.sum())), random)
        outside = np.where(np.isin(np.arange(len(same)), inside), 0, self.weights)
        return self.speakers[np.concatenate([inside, self._draw(outside, num_voices - len(inside), random)])]

    @staticmethod
    def _draw(weights: npt.NDArray[np.float64], count: int, random: np.random.Generator) -> npt.NDArray[np.int64]:
        return random.choice(len(weights), count, replace=False, p=weights / weights.sum())


def speaker_numbers(clips: list[Clip]) -> npt.NDArray[np.int64]:
    """(num_clips,) array: the speaker of each clip, numbered in the order of their names."""
    names = {name: number for number, name in enumerate(sorted({clip.speaker for clip in clips}))}
    return np.array([names[clip.speaker] for clip in clips])


def centred(features: Array) -> Array:
    return features - features.mean(axis=0)


def masked(features: Array, random: np.random.Generator) -> Array:
    """Now and then a stretch of time and a band of mel bins are hidden (SpecAugment, arXiv 1904.08779)."""
    if random.random() < 0.3:
        width, height = random.integers(1, max(2, len(features) // 10)), random.integers(1, 10)
        start, low = random.integers(len(features) - width), random.integers(features.shape[1] - height)
        features[start : start + width] = 0
        features[:, low : low + height] = 0
    return features


def held_out_speakers(clips: list[Clip], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """(num_clips,) mask of the clips kept from training: a share of the speakers who have at least three clips."""
    numbers = speaker_numbers(clips)
    counts = np.bincount(numbers)
    random = np.random.default_rng(seed)
    held = (counts >= 3) & (random.random(len(counts)) < share)
    return held[numbers]
