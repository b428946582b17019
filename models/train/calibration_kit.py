"""Make the calibration kit: openly licensed voices that any embedder can be calibrated with, in 4 MB.

    python models/train/calibration_kit.py ../shared/data/train models

Two recordings each of a few hundred people, and one each of some more who are only ever strangers. The second
recording of a person went through a telephone, a room, music or a codec at a low rate as often as not. All sound is
one Opus stream, ``calibration-kit.ogg``; ``calibration-kit.tsv`` lists who speaks where in it, and under which
licence. Speech under share-alike licences, or of which no licence was stated, stays out. The same input gives the
same bytes.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from augment import SAMPLE_RATE, Array, coded, companded, decode, rms
from av.container import Flags
from scipy import signal

from voicematch.engines.features import log_mel

BIT_RATE = 10_000  # a second; 2,900 s make 3.8 MB with all of Ogg
GAP = 0.1  # s of silence between two recordings, so that no codec mixes them
SEED = 15


@dataclass(frozen=True, slots=True)
class Corpus:
    """How many people of a corpus take part.

    seconds : of each of their recordings
    num_recordings : 1 for people of whom there is only one: strangers to everybody
    """

    licence: str
    num_people: int
    seconds: float
    num_recordings: int = 2


CORPORA = {
    "so762": Corpus("CC-BY-4.0", 50, 7.0),
    "dspspeech20": Corpus("MIT", 34, 7.0),
    "arabic_sc": Corpus("CC-BY-4.0", 20, 7.0),
    "alnum_duke": Corpus("MIT", 20, 7.0),
    "cv61": Corpus("CC0-1.0", 130, 3.0),
    "cv_fa": Corpus("CC0-1.0", 30, 3.0),
    "libri": Corpus("CC-BY-4.0", 40, 4.0, num_recordings=1),
}
CONDITIONS = ("clean", "telephone", "room", "music", "codec")
SHARES = (0.5, 0.125, 0.125, 0.125, 0.125)  # of the second recordings
FREE_MUSIC = ("Public Domain", "Public Domain (NPS)")


@dataclass(frozen=True, eq=False)
class KitRecording:
    """One row of the kit."""

    person: str
    condition: str
    corpus: str
    samples: Array


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="holds train.tsv and noise.tsv, as for ecapa_train.py")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    random = np.random.default_rng(SEED)
    sound = Surroundings.read(arguments.folder)
    recordings = list(chosen(arguments.folder, sound, random))
    ogg, table = arguments.out / "calibration-kit.ogg", arguments.out / "calibration-kit.tsv"
    gap = np.zeros(round(GAP * SAMPLE_RATE), np.float32)
    ogg.write_bytes(encoded(np.concatenate([part for one in recordings for part in (one.samples, gap)])))
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow(("person", "condition", "start", "end", "corpus", "licence"))
        at = 0
        for one in recordings:
            bounds = (f"{edge / SAMPLE_RATE:.3f}" for edge in (at, at + len(one.samples)))
            writer.writerow((one.person, one.condition, *bounds, one.corpus, CORPORA[one.corpus].licence))
            at += len(one.samples) + len(gap)
    people = {one.person for one in recordings}
    print(f"{len(people)} people, {len(recordings)} recordings, {at / SAMPLE_RATE:.0f} s, {ogg.stat().st_size} bytes")


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What recordings go through: music in the public domain, and rooms made by rule."""

    music: tuple[npt.NDArray[np.int16], ...]

    @classmethod
    def read(cls, folder: Path) -> Surroundings:
        with (folder / "noise.tsv").open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.DictReader(stream, delimiter="\t") if row["kind"] == "music"]
        free = [row for row in rows if row["licence"] in FREE_MUSIC]
        return cls(tuple(decode(str(folder / row["path"])) for row in free))

    def heard(self, samples: Array, condition: str, random: np.random.Generator) -> Array:
        """The samples as they come through; same length."""
        samples = samples * np.float32(0.08 / (rms(samples) + 1e-6))
        if condition == "telephone":
            band = signal.butter(4, (random.uniform(200, 350), random.uniform(3_000, 3_500)), "bandpass", fs=16_000)
            samples = companded(signal.lfilter(*band, samples).astype(np.float32) * np.float32(random.uniform(0.7, 3)))
        elif condition == "room":
            seconds = random.uniform(0.2, 0.7)
            decay = np.exp(-6.9 * np.arange(int(seconds * SAMPLE_RATE)) / (seconds * SAMPLE_RATE))
            response = random.standard_normal(len(decay)) * decay
            response *= 10 ** (-random.uniform(0, 10) / 20) / np.sqrt((response**2).sum())
            response[0] = 1.0
            samples = signal.fftconvolve(samples, response)[: len(samples)].astype(np.float32)
        elif condition == "music":
            piece = self.music[int(random.integers(len(self.music)))]
            start = int(random.integers(max(1, len(piece) - len(samples))))
            bed: Array = np.resize(piece[start : start + len(samples)], len(samples)).astype(np.float32)
            bed = bed / np.float32(32_768)
            samples = samples + bed * np.float32(0.08 * 10 ** (-random.uniform(5, 18) / 20) / (rms(bed) + 1e-6))
        elif condition == "codec":
            pcm = np.clip(samples * 32_768, -32_768, 32_767).astype(np.int16)
            samples = coded(pcm, random).astype(np.float32) / np.float32(32_768)
        peak = float(np.abs(samples).max()) + 1e-9
        return np.asarray(samples * min(1.0, 0.9 / peak), np.float32)


def chosen(folder: Path, sound: Surroundings, random: np.random.Generator) -> Iterator[KitRecording]:
    """The recordings, person after person, those with two first heard clean and then as chance has it."""
    clips: dict[tuple[str, str], list[str]] = {}
    with (folder / "train.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            clips.setdefault((row["corpus"], row["speaker"]), []).append(row["path"])
    number = 0
    for corpus, wanted in CORPORA.items():
        people = sorted(who for who in clips if who[0] == corpus and len(clips[who]) >= wanted.num_recordings)
        random.shuffle(people)
        taken = 0
        for who in people:
            sides = [spoken(folder, part, wanted.seconds) for part in halves(clips[who], wanted.num_recordings, random)]
            if taken == wanted.num_people or min(len(side) for side in sides) < 0.6 * wanted.seconds * SAMPLE_RATE:
                continue
            taken, number = taken + 1, number + 1
            yield from twice(f"P{number:03d}", corpus, sides, sound, random)


def twice(
    person: str, corpus: str, sides: Sequence[Array], sound: Surroundings, random: np.random.Generator
) -> Iterator[KitRecording]:
    conditions = ["clean", str(random.choice(CONDITIONS, p=SHARES))][: len(sides)]
    for side, condition in zip(sides, conditions, strict=True):
        yield KitRecording(person, condition, corpus, sound.heard(side, condition, random))


def loud(clip: Array) -> Array:
    """The clip without the silence before and after its speech."""
    loudness = log_mel(clip).mean(axis=1)
    found = np.flatnonzero(loudness > np.quantile(loudness, 0.95) - 6)
    return clip[max(0, found[0] - 10) * 160 : (found[-1] + 10) * 160]


def halves(paths: Sequence[str], num_parts: int, random: np.random.Generator) -> list[list[str]]:
    """The clips of one person in that many parts, shuffled within each: early ones and late ones."""
    parts = [list(part) for part in np.array_split(np.array(sorted(paths)), num_parts)]
    for part in parts:
        random.shuffle(part)
    return parts


def spoken(folder: Path, paths: Sequence[str], seconds: float) -> Array:
    """So much speech of these clips, without the silence before, between and after."""
    found: list[Array] = []
    missing = round(seconds * SAMPLE_RATE)
    for path in paths:
        part = loud(decode(str(folder / path)).astype(np.float32) / np.float32(32_768))[:missing]
        found.append(part * np.float32(0.08 / (rms(part) + 1e-6)))
        missing -= len(part)
        if missing <= 0:
            break
    return np.concatenate(found)


def encoded(samples: Array) -> bytes:
    """As Opus in Ogg; the same samples give the same bytes."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        container.flags |= cast("int", Flags.bitexact.value)
        stream = container.add_stream("libopus", rate=SAMPLE_RATE, layout="mono", options={"application": "voip"})
        stream.bit_rate = BIT_RATE
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for piece in (frame, None):
            container.mux(stream.encode(piece))
    return file.getvalue()


if __name__ == "__main__":
    main()
