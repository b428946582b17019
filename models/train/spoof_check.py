"""How well a light check tells synthetic speech from real speech, on synthesisers and corpora it was not fitted on.

    python models/train/spoof_check.py SYNTHETIC --data ../shared/data

SYNTHETIC is a folder that ``synthetic_speech.py`` made. Each family of synthesisers is left out in turn: a model learns
all others against the corpora of ``train`` that are not in UNSEEN, and is asked about the one left out and about
UNSEEN. The threshold is where 1 % of the clips of UNSEEN are called synthetic. The development episodes are asked with
a model of all families. Beside clips, the mean over up to four clips of a voice is judged, as of a speaker.

Printed for each kind of features and of model: for each family the area under the curve, and how much is found.
"""

from __future__ import annotations

import voicematch  # noqa: F401  # isort: skip  # before onnxruntime, which it keeps from reporting

import argparse
import csv
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from augment import SAMPLE_RATE, Array, Augmenter, Bank, coded, decode
from manner import Manner, spoken
from scipy import fft
from scipy.special import logit
from scipy.stats import skew
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from voicematch.engines import open_embedder
from voicematch.engines.features import log_mel
from voicematch.evaluate import read_rttm

Numbers = npt.NDArray[np.float64]
Samples = npt.NDArray[np.int16]

UNSEEN = ("wuw2", "msc", "alnum_duke", "cv_tw", "cv_vi", "cv_en")  # real corpora that no model is fitted on
LENGTH, SHORTEST = 5 * SAMPLE_RATE, 3 * SAMPLE_RATE  # samples of a clip
MOST = 40  # clips of one corpus or family
FALSE_ALARMS = 0.01
TOGETHER = 4  # clips of a voice that are judged together
MODULATION = (0.5, 2, 4, 8, 16, 32, 50)  # hertz, edges of bands
PITCH = (60, 400)  # hertz


@dataclass(frozen=True)
class Clip:
    """family : of synthesisers, or the corpus of a real one"""

    family: str
    voice: str
    is_synthetic: bool
    samples: Samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("synthetic", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with train, trials and dev")
    parser.add_argument("--cache", type=Path, default=Path("build/spoof_check.npz"))
    chosen = parser.parse_args()
    if not chosen.cache.is_file():
        chosen.cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            chosen.cache, allow_pickle=False, **table_of(list(clips_of(chosen.synthetic, chosen.data)), chosen.data)
        )
    table = dict(np.load(chosen.cache))
    counts = dict(zip(*np.unique(table["family"], return_counts=True), strict=True))
    print("clips:", ", ".join(f"{name} {count}" for name, count in counts.items()))
    print("| features, model | left out | area | clips found at 1 % | voices found at 1 % | real, development, wrong |")
    print("|---|---|---|---|---|---|")
    for kind in (("statistics",), ("vector",), ("statistics", "vector")):
        for name, model in models().items():
            for line in lines(table, kind, model):
                print(f"| {' + '.join(kind)}, {name} | {line} |", flush=True)


def clips_of(synthetic: Path, data: Path) -> Iterator[Clip]:
    chance = np.random.default_rng(0)
    for family in sorted(synthetic.iterdir()):
        paths = sorted(family.glob("*/*.opus"))
        for place in chance.permutation(len(paths))[:MOST]:
            yield from pieces(family.name, paths[place].parent.name, True, decode(str(paths[place])))
    for folder, manifest in ((data / "train", "train.tsv"), (data / "trials", "clips.tsv")):
        with (folder / manifest).open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file, delimiter="\t") if float(row["seconds"]) >= 3.2]
        wanted = [row for row in rows if folder.name == "train" or row["corpus"] in UNSEEN]
        for corpus in sorted({row["corpus"] for row in wanted}):
            own = [row for row in wanted if row["corpus"] == corpus]
            for place in chance.permutation(len(own))[:MOST]:
                yield from pieces(corpus, own[place]["speaker"], False, decode(str(folder / own[place]["path"])))
    for entry in json.loads((data / "dev" / "manifest.json").read_text(encoding="utf-8"))["episodes"]:
        if not entry["id"].endswith(("_e2", "_e02", "_e03")):
            yield from of_episode(data / "dev" / entry["id"], entry["audio"])


def of_episode(folder: Path, audio: str) -> Iterator[Clip]:
    """What each voice of a development episode says alone, up to four clips."""
    sound = decode(str(folder / audio))
    turns, is_synthetic = read_rttm(folder / "ref.rttm"), folder.name.startswith(("tts", "azure"))
    family = f"dev {'TTS' if is_synthetic else 'real'}"
    for speaker in sorted({turn.speaker for turn in turns}):
        own = [turn for turn in turns if turn.speaker == speaker and turn.end - turn.start >= 3.2]
        alone = [t for t in own if all(o.speaker == speaker or o.end <= t.start or o.start >= t.end for o in turns)]
        for turn in alone[:4]:
            part = sound[int(turn.start * SAMPLE_RATE) : int(turn.end * SAMPLE_RATE)]
            yield from pieces(family, f"{folder.name} {speaker}", is_synthetic, part)


def pieces(family: str, voice: str, is_synthetic: bool, samples: Samples) -> Iterator[Clip]:
    """The first five seconds, or all that there is; nothing of a clip too short."""
    if len(samples) >= SHORTEST:
        yield Clip(family, voice, is_synthetic, samples[:LENGTH])


def table_of(clips: Sequence[Clip], data: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Every clip as it is, half of those to learn from as if recorded elsewhere, some real ones as WORLD makes them."""
    augmenter, embedder = augmenter_of(clips, data / "train"), open_embedder(device="cpu")
    rows: list[tuple[str, str, bool, bool, Array, Array]] = []
    for place, clip in enumerate(clips):
        random = np.random.default_rng([5, place, zlib.crc32(clip.voice.encode())])
        forms = [(clip.family, clip.is_synthetic, True, clip.samples)]
        if not clip.family.startswith("dev") and clip.family not in UNSEEN and place % 2:
            forms.append((clip.family, clip.is_synthetic, False, elsewhere(clip.samples, augmenter, random)))
        if not clip.is_synthetic and clip.family in UNSEEN and place % 10 == 0:
            forms.append(("WORLD", True, True, spoken(clip.samples, Manner(), random)))
        for family, is_synthetic, is_plain, samples in forms:
            sound = samples.astype(np.float32) / np.float32(32_768)
            features = log_mel(sound)
            vector = embedder.embed(sound, np.array([[0, len(sound)]]), features)[0]
            rows.append((family, clip.voice, is_synthetic, is_plain, statistics(sound, features), vector))
        if place % 100 == 0:
            print(place, "of", len(clips), flush=True)
    names = ("family", "voice", "is_synthetic", "is_plain", "statistics", "vector")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def augmenter_of(clips: Sequence[Clip], train: Path) -> Augmenter:
    with (train / "noise.tsv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    kinds = [tuple(i for i, row in enumerate(rows) if row["kind"] == kind) for kind in ("noise", "music", "rir")]
    noise = bank_of([decode(str(train / row["path"])) for row in rows])
    real = bank_of(
        [c.samples for c in clips if not c.is_synthetic and c.family not in UNSEEN and "dev" not in c.family]
    )
    return Augmenter(real, noise, *kinds)


def bank_of(arrays: list[Samples]) -> Bank:
    return Bank(np.concatenate(arrays), np.cumsum([0] + [len(array) for array in arrays]))


def elsewhere(samples: Samples, augmenter: Augmenter, random: np.random.Generator) -> Samples:
    changed = augmenter(samples.astype(np.float32) / np.float32(32_768), random)
    made = np.round(changed * 32_767).astype(np.int16)
    return coded(made, random) if random.random() < 0.25 else made


def statistics(sound: Array, rows: Array) -> Array:
    """What a clip is like without its level and its colour: how its bands move, and how steady its pitch is."""
    loudness = rows.mean(axis=1)
    spoken_rows = rows[loudness > np.percentile(loudness, 95) - 6.0]
    moves = np.diff(rows, axis=0)
    coarse = rows.reshape(len(rows), 20, 4).mean(axis=2)
    power = np.abs(fft.rfft(coarse - coarse.mean(axis=0), axis=0)) ** 2
    hertz = fft.rfftfreq(len(rows), 0.01)
    bands = [power[(hertz >= a) & (hertz < b)].sum(axis=0) for a, b in pairwise(MODULATION)]
    modulation = np.log(np.stack(bands) + 1e-6) - np.log(power[1:].sum(axis=0) + 1e-6)
    cepstra = fft.dct(spoken_rows, axis=1, norm="ortho")[:, :30]
    steps = np.diff(cepstra, axis=0)
    return np.concatenate(
        [
            spoken_rows.std(axis=0),
            moves.std(axis=0),
            np.abs(moves).mean(axis=0) / (moves.std(axis=0) + 1e-6),
            modulation.ravel(),
            skew(spoken_rows.reshape(-1, 80)[:, ::4], axis=0),
            cepstra.std(axis=0),
            np.log(steps.std(axis=0) + 1e-6),
            np.percentile(loudness, (1, 10, 50, 90)) - loudness.max(),
            pitch(sound),
        ]
    ).astype(np.float32)


def pitch(sound: Array) -> Numbers:
    """How steady the pitch is from frame to frame, how wide it moves, and how periodic the voice is."""
    size, hop = 640, 160
    frames = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop] * np.hanning(size).astype(np.float32)
    power = np.abs(fft.rfft(frames, 2 * size, axis=1)) ** 2
    lags = fft.irfft(power, axis=1)[:, :size]
    window = fft.irfft(np.abs(fft.rfft(np.hanning(size), 2 * size)) ** 2)[:size]
    periodicity = lags / (lags[:, :1] + 1e-9) / np.maximum(window / window[0], 0.05)
    low, high = SAMPLE_RATE // PITCH[1], SAMPLE_RATE // PITCH[0]
    best = periodicity[:, low:high].argmax(axis=1) + low
    height = np.clip(periodicity[np.arange(len(best)), best], 0, 1.2)
    around = np.stack([periodicity[np.arange(len(best)), np.clip(best + d, 0, size - 1)] for d in (-1, 0, 1)])
    bend = around[0] - 2 * around[1] + around[2]
    exact = best + np.clip(np.where(np.abs(bend) > 1e-6, (around[0] - around[2]) / (2 * bend + 1e-9), 0), -0.5, 0.5)
    voiced = (height > 0.6) & (lags[:, 0] > np.percentile(lags[:, 0], 30))
    track = np.log(SAMPLE_RATE / exact)
    both = voiced[1:] & voiced[:-1]
    steps = np.abs(np.diff(track))[both]
    small = steps[steps < 0.15]
    if len(small) < 10:
        return np.zeros(12)
    bends = np.abs(np.diff(track, 2))[both[1:] & both[:-1]]
    return np.concatenate(
        [
            np.log(np.percentile(small, (10, 25, 50, 75, 90)) + 1e-4),
            np.log(np.percentile(bends, (25, 50)) + 1e-4) if len(bends) else np.zeros(2),
            [track[voiced].std(), len(small) / len(steps), height[voiced].mean(), height[voiced].std(), voiced.mean()],
        ]
    )


def models() -> dict[str, Pipeline]:
    return {
        "logistic": make_pipeline(
            StandardScaler(), LogisticRegression(C=0.01, max_iter=2_000, class_weight="balanced")
        ),
        "MLP": make_pipeline(
            StandardScaler(), MLPClassifier((64,), alpha=1.0, early_stopping=True, random_state=0, max_iter=100)
        ),
    }


def lines(table: dict[str, npt.NDArray[np.generic]], kind: Sequence[str], model: Pipeline) -> Iterator[str]:
    """A row for each family left out, one for WORLD's and one for the development episodes' voices."""
    x = np.concatenate([table[name] for name in kind], axis=1)
    family, synthetic, plain = table["family"], table["is_synthetic"].astype(bool), table["is_plain"].astype(bool)
    dev = np.char.startswith(family.astype(str), "dev")
    unseen = np.isin(family, UNSEEN)
    apart = dev | unseen | (family == "WORLD")
    found = []
    families = sorted(set(family[synthetic & ~dev & (family != "WORLD")]))
    for left_out in (*families, "WORLD", "dev TTS"):
        learnt = ~apart & (family != left_out)
        model.fit(x[learnt], synthetic[learnt])
        score = logit(np.clip(model.predict_proba(x)[:, 1].astype(np.float64), 1e-9, 1 - 1e-9))
        real, fake, wild = unseen & ~synthetic & plain, (family == left_out) & plain, family == "dev real"
        clip = judged(score[fake], score[real], score[wild])
        voices = [means(score[rows], table["voice"][rows]) for rows in (fake, real, wild)]
        voice = judged(*voices)
        if left_out in families:
            found.append((clip[1], voice[1]))
        yield f"{left_out} | {clip[0]:.3f} | {clip[1]:.0%} | {voice[1]:.0%} | {clip[2]:.0%}, {voice[2]:.0%}"
    mean, least = np.mean(found, axis=0), np.min(found, axis=0)
    yield f"**mean (least) of the families** | | {mean[0]:.0%} ({least[0]:.0%}) | {mean[1]:.0%} ({least[1]:.0%}) |"


def judged(fake: Numbers, real: Numbers, wild: Numbers) -> tuple[float, float, float]:
    """Area under the curve, share found at FALSE_ALARMS, and share of the development's real voices found with it."""
    truth = np.r_[np.ones(len(fake)), np.zeros(len(real))]
    threshold = np.quantile(real, 1 - FALSE_ALARMS)
    area = float(roc_auc_score(truth, np.r_[fake, real]))
    return area, float((fake > threshold).mean()), float((wild > threshold).mean())


def means(score: Numbers, voice: npt.NDArray[np.generic]) -> Numbers:
    """The mean over up to TOGETHER clips of one voice, group after group."""
    groups = []
    for one in np.unique(voice):
        own = score[voice == one]
        groups += [own[at : at + TOGETHER].mean() for at in range(0, len(own), TOGETHER)]
    return np.array(groups)


if __name__ == "__main__":
    main()
