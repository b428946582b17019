"""Teaches CAM++ that rooms, telephones, noise and who spoke before are not part of a voice.

    python models/train/campplus_train.py WORK/train campplus_cn_en_common.pt RUN [--minutes 80]

``WORK/train`` is a prepared folder (shows.py). The network hears simulated talks as the product lets it hear them, up
to 16 s at once, and spans of single voices are pooled out of its frames; each is to have the vector that the makers'
weights give to the clean clips of its speaker (distillation, arXiv 1503.02531), and to be nearer to it than to anybody
else's (additive angular margin softmax, arXiv 1801.07698, with these vectors as the fixed centres of the classes). So
vectors of clean speech stay where they are, and others move towards them. Run again with the same RUN it goes on
where it stopped. ``RUN/average.pt`` is what ``campplus.py`` makes ONNX of.
"""

from __future__ import annotations

import argparse
import copy
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from campplus import DIMENSION, Campplus, read
from numpy.random import Generator
from numpy.typing import NDArray
from segmentation_pool import SAMPLE_RATE, STEP, Samples
from segmentation_scenes import held_out, open_pool
from simulate import (
    Pool,
    Voice,
    another,
    coloured,
    in_room,
    meeting,
    noise,
    on_a_table,
    pause,
    room,
    say,
    telephone,
    tilt,
    transcoded,
)
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize
from torch.utils.data import DataLoader, IterableDataset

from voicematch.engines.features import log_mel

log = logging.getLogger("campplus")

Spans = list[tuple[int, int, int]]
Batch = list[tuple[Tensor, Spans]]
"""(frames, 80) rows of each talk, and (first frame, one past the last, person) of its spans."""

TALK_SECONDS = 96  # in a batch
SPANS = 10  # of a talk, at most
LEAST_SHARE, MOST_OTHERS = 0.7, 0.03  # of a span, in which its person and anybody else speaks
CLEAN_FRAMES, CLEAN_CUTS = 600, 5  # of a person, whose mean vector is the target
SECONDS = (3, 6, 9, 12, 16)  # of a talk; few lengths, for each is planned once
MARGIN, SCALE = 0.1, 20.0
COPY = 4.0  # weight of the distance to the target beside the softmax
DECAY = 0.995
WARM_UP = 100  # steps
DEV_TALKS = 120
REPORT = 600.0  # seconds between two checkpoints


@dataclass
class Run:
    """What a checkpoint holds. ``average`` is the moving average of ``net``."""

    net: Campplus
    average: Campplus
    optimizer: torch.optim.AdamW
    step: int = 0
    seconds: float = 0.0

    def save(self, folder: Path) -> None:
        state = {name: getattr(self, name).state_dict() for name in ("net", "average", "optimizer")}
        part = folder / "last.partial"
        torch.save({**state, "step": self.step, "seconds": self.seconds}, part)
        part.rename(folder / "last.pt")
        torch.save(self.average.state_dict(), folder / "average.pt")

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True, map_location="cpu")
        for name in ("net", "average", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.seconds = state["step"], state["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="a prepared folder")
    parser.add_argument("checkpoint", type=Path, help="the makers' weights")
    parser.add_argument("run", type=Path, help="folder of checkpoints and log")
    parser.add_argument("--minutes", type=float, default=80)
    parser.add_argument("--rate", type=float, default=2e-4, help="highest learning rate")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes that make talks")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    chosen.run.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = [logging.StreamHandler(), logging.FileHandler(chosen.run / "log.txt")]
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO, handlers=handlers)
    torch.manual_seed(chosen.seed)
    torch.set_num_threads(chosen.threads)
    pool = open_pool(chosen.work)
    people = pool.speakers
    net = read(chosen.checkpoint)
    targets = _targets(net, pool, people, chosen.run / "targets.npy")
    held = np.isin(people, held_out(pool))
    dev = {name: list(_dev(pool, people, held, kind)) for name, kind in (("talks", 0.0), ("tables", 1.0))}
    optimizer = torch.optim.AdamW(net.parameters(), lr=chosen.rate, weight_decay=0.01)
    run = Run(net, copy.deepcopy(net), optimizer)
    if (chosen.run / "last.pt").exists():
        run.load(chosen.run / "last.pt")
    train(run, Talks(chosen.work, people, held, chosen.seed + run.step), targets, dev, chosen)


def train(run: Run, talks: Talks, targets: Tensor, dev: dict[str, Batch], chosen: argparse.Namespace) -> None:
    """Until the minutes are over; the rate falls with the time spent."""
    log.info("step %d: %s", run.step, _report(run.average, dev, targets))
    batches = iter(DataLoader(talks, batch_size=None, num_workers=chosen.workers, prefetch_factor=4))
    budget, began, reported = chosen.minutes * 60, time.monotonic() - run.seconds, time.monotonic()
    sums: NDArray[np.float64] = np.zeros(3)
    while run.seconds < budget:
        falling = 0.02 + 0.98 * math.cos(math.pi / 2 * run.seconds / budget)
        rate = chosen.rate * min(1.0, (run.step + 1) / WARM_UP) * falling
        for group in run.optimizer.param_groups:
            group["lr"] = rate
        sums += [*_update(run, next(batches), targets), 1]
        run.seconds = time.monotonic() - began
        if run.step % 50 == 0:
            far, softmax, _ = sums / sums[2]
            log.info("step %d  %.1f min  far %.4f  softmax %.4f", run.step, run.seconds / 60, far, softmax)
            sums[:] = 0
        if time.monotonic() - reported > REPORT:
            run.save(chosen.run)
            log.info("step %d: %s", run.step, _report(run.average, dev, targets))
            reported = time.monotonic()
    run.save(chosen.run)
    log.info("step %d: %s", run.step, _report(run.average, dev, targets))


def _update(run: Run, batch: Batch, targets: Tensor) -> tuple[float, float]:
    vectors, people = _heard(run.net, batch)
    own = targets[people]
    far = 1 - (vectors * own).sum(dim=1)
    cosines = vectors @ targets.T
    angle = cosines.gather(1, people[:, None]).clamp(-1 + 1e-6, 1 - 1e-6).acos() + MARGIN
    softmax = cross_entropy(SCALE * cosines.scatter(1, people[:, None], angle.cos()), people)
    run.optimizer.zero_grad()
    (COPY * far.mean() + softmax).backward()
    torch.nn.utils.clip_grad_norm_(run.net.parameters(), 5.0)
    run.optimizer.step()
    run.step += 1
    with torch.no_grad():
        decay = min(DECAY, run.step / (run.step + 10))
        for average, current in zip(run.average.parameters(), run.net.parameters(), strict=True):
            average.lerp_(current, 1 - decay)
    return float(far.detach().mean()), float(softmax.detach())


def _heard(net: Campplus, batch: Batch) -> tuple[Tensor, Tensor]:
    """Unit vectors of all spans of a batch, and whose they are. Batch norm keeps its statistics (``net`` is in eval).

    Talks of one length are heard together.
    """
    vectors, people = [], []
    by_length: dict[int, list[int]] = {}
    for number, (rows, _) in enumerate(batch):
        by_length.setdefault(len(rows), []).append(number)
    for numbers in by_length.values():
        with torch.autocast("cpu", torch.bfloat16):
            frames = net.hear(torch.stack([batch[number][0] for number in numbers]))
        for heard, number in zip(frames.float(), numbers, strict=True):
            for first, last, person in batch[number][1]:
                vectors.append(net.pool(heard[None, :, first:last]))
                people.append(person)
    return normalize(torch.cat(vectors)), torch.tensor(people)


class Talks(IterableDataset[Batch]):
    """Endless batches of talks, those of a batch of one length, so that they are heard together."""

    def __init__(self, work: Path, people: list[str], held: NDArray[np.bool_], seed: int) -> None:
        self.work, self.people, self.held, self.seed = work, people, held, seed

    def __iter__(self) -> Iterator[Batch]:
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        pool = open_pool(self.work)
        caster = Caster(pool, self.people, ~self.held)
        while True:
            seconds = float(rng.choice(SECONDS))
            talks: Batch = []
            while len(talks) < TALK_SECONDS // seconds:
                rows, spans = talk(pool, rng, caster, seconds, on_table=0.35)
                if spans:
                    talks.append((torch.from_numpy(rows), spans))
            yield talks


class Caster:
    """Draws who talks with each other: in half of the talks people of one corpus, of one language."""

    def __init__(self, pool: Pool, people: list[str], allowed: NDArray[np.bool_]) -> None:
        self.numbers = np.flatnonzero(allowed)
        self.people = people
        seconds = np.array([sum(c.end - c.start for c in pool.clips[people[n]]) / SAMPLE_RATE for n in self.numbers])
        self.weights = np.sqrt(np.clip(seconds, 2, 40))
        self.corpora = np.array([pool.clips[people[n]][0].kind for n in self.numbers])
        self.names, counts = np.unique(self.corpora, return_counts=True)
        self.shares = np.sqrt(counts) / np.sqrt(counts).sum()

    def __call__(self, rng: Generator, count: int) -> list[int]:
        weights = self.weights
        if rng.random() < 0.5:
            weights = np.where(self.corpora == rng.choice(self.names, p=self.shares), weights, 0)
        count = min(count, int(np.count_nonzero(weights)))
        return [int(n) for n in rng.choice(self.numbers, count, replace=False, p=weights / weights.sum())]


def talk(pool: Pool, rng: Generator, caster: Caster, seconds: float, on_table: float) -> tuple[Samples, Spans]:
    """(frames, 80) centred rows of a simulated talk, and (first frame, one past the last, person) of spans in it."""
    total = int(seconds * SAMPLE_RATE) // STEP * STEP
    count = 1 if seconds < 5 else int(rng.choice([1, 2, 3, 4], p=[0.2, 0.4, 0.25, 0.15]))
    who = caster(rng, count)
    table = rng.random() < on_table
    studio = not table and rng.random() < 0.25
    voices = [Voice(caster.people[n], 1.0, float(rng.normal(0, 1.5 if studio else 4))) for n in who]
    tracks = np.zeros((len(who), total), np.float32)
    spoken = np.zeros((len(who), total // STEP), bool)
    if table and rng.random() < 0.5:
        meeting(pool, rng, voices, tracks, spoken)
    else:
        _turns(pool, rng, voices, tracks, spoken)
    mixed = on_a_table(pool, rng, tracks) if table else _mixed(pool, rng, tracks, studio)
    mixed *= np.float32(10 ** (-abs(rng.normal(0, 8)) / 20) / (np.abs(mixed).max() + 1e-6))
    if rng.random() < 0.25:
        mixed = transcoded(rng, mixed)
    mixed = np.round(np.clip(mixed, -1, 1) * 32_767) / np.float32(32_768)
    rows = log_mel(np.asarray(mixed, np.float32))
    return rows - rows.mean(axis=0), list(_spans(rng, spoken, who, len(rows)))


def _turns(pool: Pool, rng: Generator, voices: list[Voice], tracks: Samples, spoken: NDArray[np.bool_]) -> None:
    """One after another, in turns of a second or many."""
    lively = rng.random() < 0.5
    speaker, position = int(rng.integers(len(voices))), int(rng.integers(0, 60))
    while position < spoken.shape[1]:
        steps = int(np.clip(rng.lognormal(0.5 if lively else 1.5, 0.8), 0.5, 20) * 100)
        stop = say(pool, rng, voices[speaker], tracks[speaker], spoken[speaker], position, steps)
        position = max(position + 20, stop + pause(rng))
        speaker = another(rng, len(voices), speaker)


def _mixed(pool: Pool, rng: Generator, tracks: Samples, studio: bool) -> Samples:
    """Everybody through a room and a channel of their own, or through one for all; at times with noise."""
    total = tracks.shape[1]
    mixed = np.zeros(total, np.float32)
    shared = room(pool, rng) if rng.random() < 0.3 else None
    for track in tracks:
        if not studio:
            if shared is not None or rng.random() < 0.4:
                track = in_room(rng, track, room(pool, rng) if shared is None else shared)[:total]
            kind = rng.random()
            if kind < 0.2:
                track = telephone(rng, track)
            elif kind < 0.4:
                track = transcoded(rng, tilt(rng, track) if rng.random() < 0.5 else track)[:total]
            elif kind < 0.7:
                track = tilt(rng, track)
        mixed += track
    level = float(np.sqrt(np.mean(np.square(mixed)))) + 1e-5
    if not studio and rng.random() < 0.4:
        mixed += noise(pool, rng, total) * np.float32(level * 10 ** (-rng.uniform(3, 30) / 20))
    return mixed + coloured(rng, total) * np.float32(level * 10 ** (-rng.uniform(20, 70) / 20))


def _spans(
    rng: Generator, spoken: NDArray[np.bool_], who: list[int], num_frames: int
) -> Iterator[tuple[int, int, int]]:
    """Stretches in which one person alone speaks, for most of the time."""
    until = np.concatenate([np.zeros((len(who), 1)), np.cumsum(spoken[:, :num_frames], axis=1)], axis=1)
    for number in range(SPANS):
        voice = number % len(who)
        length = int(100 * (rng.uniform(0.7, 1.2) if rng.random() < 0.3 else rng.uniform(1.2, 4)))
        if length >= until.shape[1]:
            continue
        shares = (until[:, length:] - until[:, :-length]) / length
        possible = np.flatnonzero((shares[voice] > LEAST_SHARE) & (shares.sum(axis=0) - shares[voice] < MOST_OTHERS))
        if len(possible):
            first = int(rng.choice(possible))
            yield first, first + length, who[voice]


@torch.no_grad()
def _targets(net: Campplus, pool: Pool, people: list[str], kept: Path) -> Tensor:
    """(people, 192) unit vectors: what the makers' weights say of each one's clips, the longest first."""
    if not kept.exists():
        sums = torch.zeros(len(people), DIMENSION)
        cuts = [(number, rows) for number, person in enumerate(people) for rows in _clean(pool, person)]
        for first in range(0, len(cuts), 32):
            part = cuts[first : first + 32]
            with torch.autocast("cpu", torch.bfloat16):
                frames = net.hear(torch.from_numpy(np.stack([rows for _, rows in part])))
            vectors = normalize(net.pool(frames.float()))
            sums.index_add_(0, torch.tensor([number for number, _ in part]), vectors)
        log.info("targets of %d people from %d cuts", len(people), len(cuts))
        np.save(kept, normalize(sums).numpy())
    return torch.from_numpy(np.load(kept))


def _clean(pool: Pool, person: str) -> Iterator[Samples]:
    """Centred rows of ``CLEAN_FRAMES`` of up to ``CLEAN_CUTS`` clips; a short clip is heard again and again."""
    clips = sorted(pool.clips[person], key=lambda clip: (clip.start - clip.end, clip.start))
    for clip in clips[:CLEAN_CUTS]:
        rows = log_mel(pool.samples[clip.start : clip.end].astype(np.float32) / np.float32(32_768))
        rows = np.tile(rows, (-(-CLEAN_FRAMES // len(rows)), 1))[:CLEAN_FRAMES]
        yield rows - rows.mean(axis=0)


def _dev(pool: Pool, people: list[str], held: NDArray[np.bool_], on_table: float) -> Iterator[tuple[Tensor, Spans]]:
    """Talks of people who are not trained on."""
    rng, caster = np.random.default_rng(99), Caster(pool, people, held)
    for _ in range(DEV_TALKS):
        rows, spans = talk(pool, rng, caster, 10.0, on_table)
        if spans:
            yield torch.from_numpy(rows), spans


@torch.no_grad()
def _report(net: Campplus, dev: dict[str, Batch], targets: Tensor) -> str:
    """By kind of talk: equal error rate in % of spans against clean voices, and of pairs of spans; mean own cosine."""
    told = []
    for name, talks in dev.items():
        heard = [_heard(net, talks[first : first + 8]) for first in range(0, len(talks), 8)]
        vectors, people = (torch.cat(part) for part in zip(*heard, strict=True))
        present = people.unique()
        against = vectors @ targets[present].T
        own = people[:, None] == present[None]
        pairs = torch.triu(torch.ones(len(people), len(people), dtype=torch.bool), diagonal=1)
        of_clean = _equal_error(against.flatten(), own.flatten())
        of_pairs = _equal_error((vectors @ vectors.T)[pairs], (people[:, None] == people[None])[pairs])
        told.append(f"{name} {of_clean:.2f} {of_pairs:.2f} {float(against[own].mean()):.3f}")
    return ", ".join(told)


def _equal_error(scores: Tensor, same: Tensor) -> float:
    order = scores.argsort()
    missed = same[order].double().cumsum(0) / same.sum()
    alarms = 1 - (~same[order]).double().cumsum(0) / (~same).sum()
    return float(100 * (missed + alarms)[(missed - alarms).abs().argmin()] / 2)


if __name__ == "__main__":
    main()
