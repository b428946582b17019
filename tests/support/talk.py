"""Sound that rises and falls as talk does, in tracks that hear each other: for what hears levels, not voices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy import signal

from voicematch.types import Array

RATE = 16_000
Spans = Sequence[tuple[float, float]]

QUIET = 10 ** (-75 / 20)  # of full scale: a microphone's own noise


def talk(seconds: float, seed: int, level: float = 0.1) -> Array:
    """Noise in eight bands, each louder and softer several times a second, (num_samples,)."""
    rng = np.random.default_rng(seed)
    num_samples = round(seconds * RATE)
    total = np.zeros(num_samples)
    edges = np.geomspace(120, 7000, 9)
    times = np.arange(num_samples) / RATE
    for low, high in pairwise(edges):
        band = signal.sosfilt(
            signal.butter(2, [low, high], "band", fs=RATE, output="sos"), rng.normal(size=num_samples)
        )
        knots = np.arange(0, seconds + 0.12, 0.12)
        gain = np.interp(times, knots, 10 ** (rng.uniform(-30, 0, len(knots)) / 20))
        total += band / np.sqrt(np.mean(np.square(band))) * gain
    sound: Array = (level * total / np.sqrt(np.mean(np.square(total)))).astype(np.float32)
    return sound


def tracks_of(
    seconds: float, spans: Sequence[Spans], *, bleed: float = -25.0, late: float = 0.3, seed: int = 0
) -> list[Array]:
    """A track for each person, who talks in their spans and is heard in the others' tracks.

    bleed : dB of what is heard of the others; -inf for nothing
    late : seconds by which it is
    """
    rng = np.random.default_rng(seed)
    own = []
    for person, of_person in enumerate(spans):
        track = np.zeros(round(seconds * RATE), np.float32)
        for number, (start, end) in enumerate(of_person):
            sound = talk(end - start, seed + 1000 * person + number)
            track[round(start * RATE) :][: len(sound)] = sound
        own.append(track)
    tracks = []
    for person, track in enumerate(own):
        heard = track + QUIET * rng.normal(size=len(track)).astype(np.float32)
        for other, sound in enumerate(own):
            if other != person:
                first = round(late * RATE)
                heard[first:] += np.float32(10 ** (bleed / 20)) * sound[: len(sound) - first]
        tracks.append(heard.astype(np.float32))
    return tracks
