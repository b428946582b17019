"""Trains the speaker embedder: one command from a manifest of audio to a state that ``ecapa_export.py`` makes ONNX of.

    python models/train/ecapa_train.py --manifest train.tsv --noise noise.tsv --out run [--teacher teacher.npz] \
        [--start state.pt] [--minutes 90]

Run again with the same ``--out`` it goes on where it stopped. The learning rate falls with the time spent, so the
budget in minutes is kept on any machine.
"""

from __future__ import annotations

import argparse
import copy
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ecapa import Ecapa
from ecapa_corpus import SPEEDS, Batch, Crops, Speech, centred, held_out_speakers, open_speech, speaker_numbers
from ecapa_losses import WEIGHTS, Losses, Teacher
from torch import Tensor
from torch.utils.data import DataLoader

from voicematch.engines.features import log_mel

log = logging.getLogger("ecapa")


@dataclass
class Run:
    """Everything that a checkpoint holds.

    average : the exponential moving average of ``net``; what is evaluated and exported
    """

    net: Ecapa
    losses: Losses
    average: Ecapa
    optimizer: torch.optim.AdamW
    step: int = 0
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        state = {name: getattr(self, name).state_dict() for name in ("net", "losses", "average", "optimizer")}
        torch.save({**state, "step": self.step, "seconds": self.seconds}, path.with_suffix(".partial"))
        path.with_suffix(".partial").rename(path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True, map_location="cpu")
        for name in ("net", "losses", "average", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.seconds = state["step"], state["seconds"]


def main() -> None:
    arguments = parse()
    arguments.out.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        format="%(asctime)s %(message)s",
        level=logging.INFO,
        handlers=[logging.StreamHandler(), logging.FileHandler(arguments.out / "log.txt")],
    )
    log.info("%s", vars(arguments))
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    cache = arguments.cache or arguments.out / "cache"
    chosen = {name: getattr(arguments, name) for name in ("codecs", "manners", "seed")}
    speech = open_speech(arguments.manifest, arguments.noise, cache, **chosen)
    held = held_out_speakers(speech.clips, arguments.held_out, arguments.seed)
    run = begin(arguments, speech, held)
    dev = dev_features(speech, held, seed=arguments.seed)
    train(arguments, run, speech, np.flatnonzero(~held), dev)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--manifest", type=Path, required=True, help="tsv: speaker, path, and corpus if there are several"
    )
    parser.add_argument("--noise", type=Path, required=True, help="tsv: kind (noise, music, rir), path")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and log")
    parser.add_argument("--cache", type=Path, help="folder of decoded audio (default: OUT/cache)")
    parser.add_argument("--teacher", type=Path, help="npz of vectors per clip, made by ecapa_teach.py")
    parser.add_argument("--start", type=Path, help="state dict to start from")
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--rate", type=float, default=1e-3, help="highest learning rate")
    parser.add_argument("--margin", type=float, default=0.2)
    parser.add_argument("--weights", type=float, nargs=4, default=WEIGHTS, metavar=("VOICE", "PAIR", "COPY", "ARRANGE"))
    parser.add_argument("--frames-per-batch", type=int, default=16_000)
    parser.add_argument("--seconds", type=float, nargs=2, default=(1.0, 3.0), help="length of crops")
    parser.add_argument("--last-seconds", type=float, nargs=2, default=(1.5, 4.0), help="the same in the last fifth")
    parser.add_argument("--decay", type=float, default=0.997, help="of the moving average of the weights")
    parser.add_argument("--warm-up", type=int, default=200, help="steps until the rate and the margin are whole")
    parser.add_argument("--held-out", type=float, default=0.1, help="share of speakers kept for choosing a checkpoint")
    parser.add_argument("--codecs", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--manners", type=int, default=2, help="ways each clip is said in another manner (pyworld)")
    parser.add_argument("--chunks", type=float, default=0.5, help="share of batches that are conversations of 10 s")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1, help="processes that prepare batches: 8 or more for a GPU")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def begin(arguments: argparse.Namespace, speech: Speech, held: np.typing.NDArray[np.bool_]) -> Run:
    """A new run, or the one that was interrupted."""
    net = Ecapa(arguments.channels).to(arguments.device)
    if arguments.start:
        net.load_state_dict(torch.load(arguments.start, weights_only=True, map_location=arguments.device))
    teacher = Teacher.read(arguments.teacher, len(speech.clips)) if arguments.teacher else None
    num_voices = len(SPEEDS) * len({clip.speaker for clip in speech.clips})
    losses = Losses(num_voices, margin=arguments.margin, teacher=teacher, weights=arguments.weights).to(
        arguments.device
    )
    optimizer = torch.optim.AdamW([*net.parameters(), *losses.parameters()], lr=arguments.rate, weight_decay=0.02)
    run = Run(net, losses, copy.deepcopy(net), optimizer)
    if (arguments.out / "last.pt").exists():
        run.load(arguments.out / "last.pt")
        log.info("goes on at step %d after %.0f min", run.step, run.seconds / 60)
    elif arguments.start:
        warm_heads(run, speech, np.flatnonzero(~held), seed=arguments.seed)
    return run


@torch.no_grad()
def warm_heads(run: Run, speech: Speech, allowed: np.typing.NDArray[np.int64], *, seed: int, most: int = 1) -> None:
    """Lets a trained network start with class centres and a projection that fit it, so that it is not torn apart."""
    run.net.eval()
    random = np.random.default_rng(seed)
    numbers = speaker_numbers(speech.clips)
    seen = np.zeros(len(numbers), int)
    chosen = []
    for clip in allowed:
        if seen[numbers[clip]] < most:
            chosen.append(int(clip))
            seen[numbers[clip]] += 1
    rows, voices, clips, speeds = [], [], [], []
    for speed, bank in enumerate(speech.banks):
        for first in range(0, len(chosen), 64):
            part = chosen[first : first + 64]
            crops = np.stack([centred(log_mel(bank.crop(clip, 24_000, random))) for clip in part])
            with torch.autocast(run.losses.centres.device.type, torch.bfloat16):
                rows.append(run.net(torch.from_numpy(crops).to(run.losses.centres.device)).float())
            voices += [numbers[clip] * len(SPEEDS) + speed for clip in part]
            clips += part
            speeds += [speed] * len(part)
    run.losses.warm(torch.cat(rows), torch.tensor(np.array(voices)), torch.tensor(clips), torch.tensor(speeds))
    log.info("heads warmed by %d crops", len(clips))


def train(
    arguments: argparse.Namespace,
    run: Run,
    speech: Speech,
    allowed: np.typing.NDArray[np.int64],
    dev: tuple[Tensor, Tensor],
) -> None:
    log.info("step %d: dev EER %.2f %% (average)", run.step, dev_eer(run.average, dev))
    budget = arguments.minutes * 60
    for until, seconds in ((0.8, arguments.seconds), (1.0, arguments.last_seconds)):
        if run.seconds >= until * budget:
            continue
        crops = Crops(
            speech,
            allowed,
            frames_per_batch=arguments.frames_per_batch,
            seconds=seconds,
            chunks=arguments.chunks,
            seed=arguments.seed + run.step,
        )
        batches = iter(DataLoader(crops, batch_size=None, num_workers=arguments.workers, prefetch_factor=4))
        began, saved, first_step = time.monotonic() - run.seconds, time.monotonic(), run.step
        sums: dict[str, float] = {}
        num_crops, since = 0, time.monotonic()
        while run.seconds < until * budget:
            batch = next(batches)
            for name, value in update(run, batch, run.seconds / budget, arguments).items():
                sums[name] = sums.get(name, 0.0) + value
            run.seconds = time.monotonic() - began
            num_crops += len(batch.voices)
            if (run.step - first_step) % 50 == 0:
                means = "  ".join(f"{name} {value / 50:.3f}" for name, value in sums.items())
                rate = num_crops / (time.monotonic() - since)
                log.info("step %d  %.1f min  %.0f crops/s  %s", run.step, run.seconds / 60, rate, means)
                sums, num_crops, since = {}, 0, time.monotonic()
            if time.monotonic() - saved > 300:
                run.save(arguments.out / "last.pt")
                eers = dev_eer(run.average, dev), dev_eer(run.net, dev)
                log.info("step %d: dev EER %.2f %% (average), %.2f %% (last)", run.step, *eers)
                saved = time.monotonic()
        run.save(arguments.out / "last.pt")
    torch.save(run.average.state_dict(), arguments.out / "average.pt")
    log.info("step %d: dev EER %.2f %% (average); done", run.step, dev_eer(run.average, dev))


def update(run: Run, batch: Batch, progress: float, arguments: argparse.Namespace) -> dict[str, float]:
    """One step of AdamW; the rate rises over the warm-up and then falls with the cosine of the time spent."""
    device = arguments.device
    rate = (
        arguments.rate
        * max(0.01, (1 + math.cos(math.pi * progress)) / 2)
        * min(1.0, (run.step + 1) / arguments.warm_up)
    )
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.net.train()
    with torch.autocast(torch.device(device).type, torch.bfloat16):
        vectors = spans_heard(run.net, batch, device)
    ramp = min(1.0, run.step / arguments.warm_up)  # the margin grows while the classes settle
    parts = run.losses(vectors.float(), batch.voices, batch.clips, batch.speeds, ramp)
    loss = torch.stack(list(parts.values())).sum()
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(run.net.parameters(), 5.0)
    run.optimizer.step()
    run.step += 1
    decay = min(arguments.decay, run.step / (run.step + 10))
    with torch.no_grad():
        for mean, value in zip(run.average.state_dict().values(), run.net.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)
    return {name: value.item() for name, value in parts.items()}


def spans_heard(net: Ecapa, batch: Batch, device: str) -> Tensor:
    """(num_spans, 192) vectors, pooled out of what the network heard at once."""
    heard, spans = net.hear(batch.features.to(device)), batch.spans
    if len(spans) != len(heard) or int(spans[0, 2] - spans[0, 1]) != heard.shape[2]:
        heard = torch.stack([heard[row, :, first:last] for row, first, last in spans.tolist()])
    return net.pool(heard)


def dev_features(speech: Speech, held: np.typing.NDArray[np.bool_], *, seed: int) -> tuple[Tensor, Tensor]:
    """Augmented 2 s crops of up to 6 clips of every held-out speaker, and whom and which corpus each is of."""
    random = np.random.default_rng(seed)
    numbers, corpora = speaker_numbers(speech.clips), sorted({clip.corpus for clip in speech.clips})
    rows, labels = [], []
    for speaker in np.unique(numbers[held]):
        for clip in np.flatnonzero(numbers == speaker)[:6]:
            crop = speech.augmenter(speech.banks[0].crop(int(clip), 32_000, random), random)
            rows.append(centred(log_mel(crop)))
            labels.append((speaker, corpora.index(speech.clips[clip].corpus)))
    if not rows:
        return torch.zeros(0, 200, 80), torch.zeros(0, 2, dtype=torch.int64)
    return torch.from_numpy(np.stack(rows)), torch.tensor(np.array(labels))


@torch.no_grad()
def dev_eer(net: Ecapa, dev: tuple[Tensor, Tensor]) -> float:
    """Equal error rate in percent over all pairs of crops inside a corpus."""
    features, labels = dev
    if not len(features):
        return float("nan")
    net.eval()
    device = next(net.parameters()).device
    vectors = torch.cat([net(part.to(device)).cpu() for part in features.split(64)])
    vectors = torch.nn.functional.normalize(vectors)
    pairs = torch.triu(labels[:, 1:] == labels[:, 1:].T, diagonal=1)
    same = (labels[:, :1] == labels[:, :1].T)[pairs]
    scores = (vectors @ vectors.T)[pairs]
    order = scores.argsort()
    missed = same[order].cumsum(0) / same.sum()
    alarms = 1 - (~same[order]).cumsum(0) / (~same).sum()
    return float(100 * (missed + alarms)[(missed - alarms).abs().argmin()] / 2)


if __name__ == "__main__":
    main()
