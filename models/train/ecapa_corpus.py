"""From a manifest of speech to batches of augmented log-mel crops."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from augment import SAMPLE_RATE, Array, Augmenter, Bank, coded, decode, rms
from manner import Manner, spoken
from scipy.signal import resample_poly
from torch.utils.data import IterableDataset

from voicematch.engines.features import log_mel

SPEEDS = ((1, 1), (10, 9), (10, 11))  # resampling ratios of the speeds 1.0, 0.9 and 1.1: three voices of one person
SPEED_NAMES = tuple(f"speed_{down / up:.1f}" for up, down in SPEEDS)  # in a teacher's file
SPEED_SHARES = (0.6, 0.2, 0.2)
MANNERS_SHARE, CODED_SHARE = 0.45, 0.2  # of the clips at speed 1.0
CHUNK = 1_000  # frames that the product lets the network hear at once
SPANS = 2  # pooled out of each part of a chunk


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


def in_manners(bank: Bank, seed: int) -> Iterator[npt.NDArray[np.int16]]:
    with ProcessPoolExecutor(2) as pool:
        yield from pool.map(_in_manner, (bank.clip(i) for i in range(len(bank))), ((seed, i) for i in range(len(bank))))


def _in_manner(samples: npt.NDArray[np.int16], seed: tuple[int, int]) -> npt.NDArray[np.int16]:
    random = np.random.default_rng(seed)
    return spoken(samples, Manner.drawn(random), random)


@dataclass(frozen=True)
class Speech:
    """The clips with their sound at three speeds, through a codec, and said in another manner.

    banks : by speed, (1.0, 0.9, 1.1)
    coded : at speed 1.0, or None
    manners : at speed 1.0, each clip once as ``manner.spoken`` has it, or several such banks
    """

    clips: list[Clip]
    banks: tuple[Bank, ...]
    coded: Bank | None
    manners: tuple[Bank, ...]
    augmenter: Augmenter

    def part(self, clip: int, speed: int, num_samples: int, random: np.random.Generator) -> Array:
        """A random stretch of a clip at that speed; at speed 1.0 often through a codec or in another manner."""
        bank, kind = self.banks[speed], random.random() if speed == 0 else 1.0
        if self.manners and kind < MANNERS_SHARE:
            bank = self.manners[random.integers(len(self.manners))]
        elif self.coded is not None and kind < MANNERS_SHARE + CODED_SHARE:
            bank = self.coded
        return bank.crop(clip, num_samples, random)


def open_speech(
    manifest: Path, noise_manifest: Path, cache: Path, *, codecs: bool = True, manners: int = 0, seed: int = 0
) -> Speech:
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
    said = tuple(make_bank(f"train_manners_{seed + i}", cache, in_manners(plain, seed + i)) for i in range(manners))
    return Speech(clips, tuple(banks), after, said, Augmenter(plain, noise, noises, music, rooms))


@dataclass(frozen=True)
class Batch:
    """What the network hears at once, and the spans whose voices it is to know.

    features : (num_heard, frames, 80)
    spans : (num_spans, 3) row of ``features``, first frame, and one past the last; all of one length
    voices : (num_spans,) class; spans 2 i and 2 i + 1 are of one
    clips, speeds : (num_spans,) what the teacher heard
    """

    features: torch.Tensor
    spans: torch.Tensor
    voices: torch.Tensor
    clips: torch.Tensor
    speeds: torch.Tensor


class Crops(IterableDataset[Batch]):
    """Endless batches: pairs of crops of one voice, half of the voices from one corpus.

    Voices of one corpus share microphones and a language, so only what is left can tell them apart.
    Some batches are crops that are heard one by one; in the others the crops are spans of conversations.

    chunks : share of the batches that are conversations
    """

    def __init__(
        self,
        speech: Speech,
        allowed: npt.NDArray[np.int64],
        *,
        frames_per_batch: int,
        seconds: tuple[float, float],
        chunks: float,
        seed: int,
    ) -> None:
        self.speech, self.frames_per_batch, self.seconds, self.seed = speech, frames_per_batch, seconds, seed
        self.chunks = chunks
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
            length = int(random.uniform(*self.seconds) * 100)
            yield self._conversations(length, random) if random.random() < self.chunks else self._crops(length, random)

    def _crops(self, length: int, random: np.random.Generator) -> Batch:
        """Crops of so many frames, each heard by itself."""
        rows, said = [], self._voices(self.frames_per_batch // length // 2, random)
        for _, clip, speed in said:
            crop = self.speech.augmenter(self.speech.part(clip, speed, length * SAMPLE_RATE // 100, random), random)
            rows.append(masked(centred(log_mel(crop)), random))
        spans = [(row, 0, length) for row in range(len(rows))]
        return _batch(rows, spans, said)

    def _conversations(self, length: int, random: np.random.Generator) -> Batch:
        """Chunks of several parts, each another voice, and of each part some spans of so many frames."""
        num_parts = 3 if length <= 220 else 2
        num_chunks = max(2, self.frames_per_batch // CHUNK) // 2 * 2
        half = num_chunks * num_parts // 2
        said = self._voices(half, random)
        # The two parts of a voice lie in different chunks: all first ones fill one half of them, all second ones the
        # other, in another order.
        slots = np.concatenate([random.permutation(said[0::2]), random.permutation(said[1::2])])
        places: dict[int, list[tuple[int, int, int]]] = {}
        rows = []
        for row in range(num_chunks):
            parts = [(int(clip), int(speed)) for _, clip, speed in slots[row * num_parts : (row + 1) * num_parts]]
            ends = _cuts(num_parts, length, random)
            rows.append(centred(log_mel(self._chunk(parts, ends, random))))
            for part, (first, last) in enumerate(ends):
                voice = int(slots[row * num_parts + part][0])
                starts = random.integers(first, last - length + 1, SPANS)
                places.setdefault(voice, []).extend((row, int(start), int(start) + length) for start in starts)
        spans, of = [], []
        for number in range(half):
            first_said, second_said = said[2 * number], said[2 * number + 1]
            found = places[first_said[0]]
            for i in range(SPANS):
                spans += [found[i], found[SPANS + i]]
                of += [first_said, second_said]
        return _batch(rows, spans, of)

    def _chunk(self, parts: list[tuple[int, int]], ends: list[tuple[int, int]], random: np.random.Generator) -> Array:
        """The sound of a chunk: everybody in one room and at one microphone, or each at their own; some run over."""
        hop = SAMPLE_RATE // 100
        sound, together = np.zeros(CHUNK * hop, np.float32), random.random() < 0.4
        for (clip, speed), (first, last) in zip(parts, ends, strict=True):
            over = int(random.integers(10, 60)) if random.random() < 0.25 else 0
            num_samples = (min(last + over, CHUNK) - first) * hop
            part = self.speech.part(clip, speed, num_samples, random)
            if together:
                part = part * np.float32(10 ** (random.uniform(-6, 6) / 20) * 0.1 / (rms(part) + 1e-5))
            else:
                part = self.speech.augmenter(part, random)
            sound[first * hop : first * hop + num_samples] += part
        return self.speech.augmenter(sound, random) if together else np.clip(sound, -1, 1)

    def _voices(self, count: int, random: np.random.Generator) -> list[tuple[int, int, int]]:
        """(class, clip, speed) of two clips each of so many voices."""
        said = []
        for speaker in self._speakers(count, random):
            speed = int(random.choice(len(SPEEDS), p=SPEED_SHARES))
            clips = self.clips_by_speaker[int(speaker)]
            for clip in random.choice(clips, 2, replace=len(clips) < 2):
                said.append((int(speaker) * len(SPEEDS) + speed, int(clip), speed))
        return said

    def _speakers(self, num_voices: int, random: np.random.Generator) -> npt.NDArray[np.int64]:
        corpora, counts = np.unique(self.corpora, return_counts=True)
        same = self.corpora == random.choice(corpora, p=np.sqrt(counts) / np.sqrt(counts).sum())
        inside = self._draw(np.where(same, self.weights, 0), min(num_voices // 2, int(same.sum())), random)
        outside = np.where(np.isin(np.arange(len(same)), inside), 0, self.weights)
        return self.speakers[np.concatenate([inside, self._draw(outside, num_voices - len(inside), random)])]

    @staticmethod
    def _draw(weights: npt.NDArray[np.float64], count: int, random: np.random.Generator) -> npt.NDArray[np.int64]:
        return random.choice(len(weights), count, replace=False, p=weights / weights.sum())


def _batch(rows: list[Array], spans: list[tuple[int, int, int]], of: list[tuple[int, int, int]]) -> Batch:
    voices, clips, speeds = (torch.tensor(column) for column in zip(*of, strict=True))
    return Batch(torch.from_numpy(np.stack(rows)), torch.tensor(spans), voices, clips, speeds)


def _cuts(num_parts: int, shortest: int, random: np.random.Generator) -> list[tuple[int, int]]:
    """First and one past the last frame of each part of a chunk, none of them shorter than a span."""
    spare = CHUNK - num_parts * shortest
    lengths = shortest + np.floor(random.dirichlet(np.full(num_parts, 3.0)) * spare).astype(int)
    bounds = [0, *np.cumsum(lengths)[:-1].tolist(), CHUNK]
    return list(itertools.pairwise(bounds))


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
