"""How far a voice's vector moves when one thing changes that must not matter, against how far other people are.

    python models/train/moves.py --manifest train.tsv --noise noise.tsv --cache run/cache MODEL.onnx...

Each model hears 5 s of some training speakers as they are and with one change. Printed for each change: the cosine to
the vector of the untouched clip, mean and lowest tenth. Every model takes (batch, frames, 80) ``log_mel`` rows, less
their mean.
"""

from __future__ import annotations

import voicematch  # noqa: F401  # isort: skip  # before onnxruntime, which it keeps from reporting

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from augment import SAMPLE_RATE, Array, Augmenter, banded, coded, companded, rms, tilted
from ecapa_corpus import Speech, centred, open_speech, speaker_numbers
from manner import Manner, spoken
from scipy import fft

from voicematch.engines.features import log_mel
from voicematch.voices.score import unit

SECONDS = 5
Network = Callable[[Array], Array]
"""(batch, frames, 80) to (batch, dimension)"""

MANNERS = {
    "resynthesis alone": Manner(),
    **{f"pitch {semitones:+d} semitones": Manner(semitones=semitones) for semitones in (-6, -4, -2, 2, 4, 6)},
    "pitch range x 0.5": Manner(melody=0.5),
    "pitch range x 1.8": Manner(melody=1.8),
    "tempo x 0.8": Manner(tempo=0.8),
    "tempo x 1.25": Manner(tempo=1.25),
    "pace wandering by 30 %": Manner(rubato=0.3),
    "loud against soft +6 dB": Manner(level=6.0),
    "effort: +4 semitones, +2 dB an octave, +6 dB": Manner(semitones=4, melody=1.3, tilt=2.0, level=6.0),
    "breath 0.5": Manner(breath=0.5),
    "whisper": Manner(whisper=True),
    "laughing bursts": Manner(laugh=0.8),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--manifest", type=Path, required=True, help="as for ecapa_train.py")
    parser.add_argument("--noise", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--speakers", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    speech = open_speech(arguments.manifest, arguments.noise, arguments.cache, codecs=False)
    networks = [opened(path) for path in arguments.models]
    pairs = pairs_of_clips(speech, arguments.speakers, np.random.default_rng(arguments.seed))
    clips = np.stack([beginning(speech, first) for first, _ in pairs])
    plain = [vectors(network, clips) for network in networks]
    heads = [path.stem for path in arguments.models]
    print(f"| change | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}")
    for name, changed in changes(clips, speech.augmenter, arguments.seed):
        print(line(name, [(vectors(net, changed) * own).sum(axis=1) for net, own in zip(networks, plain, strict=True)]))
    again = np.stack([beginning(speech, second) for _, second in pairs])
    print(
        line(
            "another clip of the same person",
            [(vectors(net, again) * own).sum(axis=1) for net, own in zip(networks, plain, strict=True)],
        )
    )
    others = ~np.eye(len(pairs), dtype=bool)
    print(line("other people (mean, highest tenth)", [-(own @ own.T)[others] for own in plain], sign=-1))


def opened(path: Path) -> Network:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda rows: np.asarray(session.run(None, {name: rows})[0], np.float32)


def vectors(network: Network, clips: list[Array] | Array) -> Array:
    """(num_clips, dimension) array of unit rows"""
    return unit(np.concatenate([network(centred(log_mel(clip))[None]) for clip in clips]))


def pairs_of_clips(speech: Speech, count: int, random: np.random.Generator) -> list[tuple[int, int]]:
    """Two clips each of speakers drawn at random, long enough, and as many of each corpus as there can be."""
    numbers, lengths = speaker_numbers(speech.clips), np.diff(speech.banks[0].offsets)
    by_corpus: dict[str, list[tuple[int, int]]] = {}
    for speaker in random.permutation(numbers.max() + 1):
        own = np.flatnonzero((numbers == speaker) & (lengths >= SECONDS * SAMPLE_RATE))
        if len(own) >= 2:
            by_corpus.setdefault(speech.clips[own[0]].corpus, []).append((int(own[0]), int(own[1])))
    turns = [pair for place in range(count) for found in by_corpus.values() for pair in found[place : place + 1]]
    return turns[:count]


def beginning(speech: Speech, clip: int) -> Array:
    return speech.banks[0].clip(clip)[: SECONDS * SAMPLE_RATE].astype(np.float32) / np.float32(32_768)


def changes(clips: Array, augmenter: Augmenter, seed: int) -> Iterator[tuple[str, list[Array]]]:
    """Each change by name with the clips after it; every one draws anew from the same seed."""
    sixteen = [np.round(clip * 32_767).astype(np.int16) for clip in clips]
    for name, manner in MANNERS.items():
        random = np.random.default_rng(seed)
        yield name, [spoken(clip, manner, random).astype(np.float32) / np.float32(32_768) for clip in sixteen]
    for decibels in (-2.0, 2.0):
        yield f"tilt {decibels:+g} dB an octave", [sloped(clip, decibels) for clip in clips]
    yield (
        "20 dB softer, in 16 bits",
        [np.round(clip * 3_276.7).astype(np.float32) / np.float32(32_768) for clip in clips],
    )
    random = np.random.default_rng(seed)
    yield "room", [augmenter.in_room(clip, random) for clip in clips]
    yield "noise at 10 dB", [augmenter.with_noise(clip, 10.0, random) for clip in clips]
    yield "codec at a low rate", [coded(clip, random).astype(np.float32) / np.float32(32_768) for clip in sixteen]
    yield "telephone", [companded(banded(clip, 300.0, 3_400.0) * np.float32(0.1 / rms(clip))) for clip in clips]


def sloped(clip: Array, decibels: float) -> Array:
    hertz = np.linspace(0, SAMPLE_RATE / 2, len(clip) // 2 + 1)
    made: Array = fft.irfft(fft.rfft(clip) * tilted(hertz, decibels), len(clip)).astype(np.float32)
    return made * np.float32(rms(clip) / (rms(made) + 1e-9))


def line(name: str, cosines: list[Array], sign: int = 1) -> str:
    found = [f"{sign * cosine.mean():.2f} / {sign * np.quantile(cosine, 0.1):.2f}" for cosine in cosines]
    return f"| {name} | {' | '.join(found)} |"


if __name__ == "__main__":
    main()
