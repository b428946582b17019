"""The vectors that ``ecapa_train.py --teacher`` learns from: a larger embedder's, of every clip at the three speeds.

    python models/train/ecapa_teach.py speechbrain --manifest train.tsv --noise noise.tsv --cache run/cache \
        --out teacher.npz

Any embedder of ``voicematch models list`` can teach. It hears each clip once, clean and whole (ten seconds at most,
the middle ones), and the student then hears short, spoilt crops of it. Half of each vector is the mean of its
speaker's clips, which knows less of one session. SpeechBrain's, exported to ONNX, hears 23 hours of speech an hour on
two cores, and there are three speeds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from augment import SAMPLE_RATE, Array, Bank
from ecapa_corpus import SPEED_NAMES, open_speech, speaker_numbers

from voicematch.engines import open_embedder
from voicematch.engines.embed import Embedder
from voicematch.voices.score import unit

LONGEST = 10 * SAMPLE_RATE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embedder")
    parser.add_argument("--manifest", type=Path, required=True, help="as for ecapa_train.py")
    parser.add_argument("--noise", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="npz")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    embedder = open_embedder(arguments.embedder, device=arguments.device)
    speech = open_speech(arguments.manifest, arguments.noise, arguments.cache, codecs=False)
    numbers = speaker_numbers(speech.clips)
    vectors = {}
    for name, bank in zip(SPEED_NAMES, speech.banks, strict=True):
        vectors[name] = steadied(heard(bank, embedder, name), numbers)
    np.savez(arguments.out, **vectors)  # type: ignore[arg-type]


def heard(bank: Bank, embedder: Embedder, name: str) -> Array:
    """(num_clips, dimension) array"""
    rows = []
    for index in range(len(bank)):
        clip = bank.clip(index)
        spare = max(0, len(clip) - LONGEST) // 2
        samples = clip[spare : spare + LONGEST].astype(np.float32) / np.float32(32_768)
        rows.append(embedder.embed(samples, np.array([[0, len(samples)]]))[0])
        if index % 500 == 0:
            print(f"{name}: {index} of {len(bank)} clips", file=sys.stderr)
    return np.stack(rows)


def steadied(vectors: Array, numbers: npt.NDArray[np.int64]) -> Array:
    """The vectors less their mean, of length 1, each moved half the way to the mean of its speaker's.

    numbers : (num_clips,) array of whose each is
    """
    centred = unit(unit(vectors) - unit(vectors).mean(axis=0))
    sums = np.zeros((numbers.max() + 1, centred.shape[1]), np.float32)
    np.add.at(sums, numbers, centred)
    return unit(centred + unit(sums)[numbers])


if __name__ == "__main__":
    main()
