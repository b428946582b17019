"""What a person does to their own voice: pitch, melody, pace, effort, breath, a laugh in it. The formants stay.

A voice is taken apart by WORLD (Morise, Yokomori, Ozawa 2016) into pitch, envelope and aperiodicity and put together
again with one or several of them changed, so it stays the voice of the same mouth and throat: the same speaker, with
the same teacher's vector. Speed, which moves the formants too, makes another speaker, and is not here.
Everything is drawn from the generator that is passed in, so the same seed gives the same sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from augment import SAMPLE_RATE, tilted

Numbers = npt.NDArray[np.float64]

PERIOD = 0.01  # seconds from one of WORLD's frames to the next
FLOOR, CEILING = 60.0, 700.0  # hertz; a pitch is kept inside
LONGEST = 8 * SAMPLE_RATE  # samples; of longer clips the middle is taken
SYLLABLES = (3.8, 6.0)  # per second, of a laugh


@dataclass(frozen=True, kw_only=True)
class Manner:
    """What changes. As it stands, nothing does.

    semitones : how much higher the pitch is
    melody : how many times as wide its movement around its middle
    tempo : how many times as fast, on the whole
    rubato : by how much, as a share, the pace wanders about that
    tilt : decibels an octave: effort, together with ``level``
    level : decibels by which loud stretches stand out more
    breath : 0 as it is, 1 nothing but breath
    whisper : without any pitch
    laugh : depth of the bursts, 0 to 1, of pitch, level and breath
    """

    semitones: float = 0.0
    melody: float = 1.0
    tempo: float = 1.0
    rubato: float = 0.0
    tilt: float = 0.0
    level: float = 0.0
    breath: float = 0.0
    whisper: bool = False
    laugh: float = 0.0

    @classmethod
    def drawn(cls, random: np.random.Generator) -> Self:
        """Mostly higher, livelier and louder, as somebody excited; now and then lower and softer."""
        effort = random.normal(0, 1)
        return cls(
            semitones=float(np.clip(1.0 + 2.0 * effort + random.normal(0, 2.0), -5, 8)),
            melody=float(np.exp(np.clip(random.normal(0.15 * effort, 0.35), -0.7, 0.8))),
            tempo=float(np.exp(np.clip(random.normal(0, 0.12), -0.3, 0.3))),
            rubato=float(random.uniform(0, 0.2)),
            tilt=float(np.clip(1.5 * effort + random.normal(0, 1.0), -5, 5)),
            level=float(random.uniform(-6, 6)),
            breath=float(random.uniform(0.1, 0.7)) if random.random() < 0.2 else 0.0,
            whisper=random.random() < 0.03,
            laugh=float(random.uniform(0.3, 1.0)) if random.random() < 0.2 else 0.0,
        )


def spoken(samples: npt.NDArray[np.int16], manner: Manner, random: np.random.Generator) -> npt.NDArray[np.int16]:
    """The samples as the same person might have said them; as loud as before, and longer or shorter with the tempo."""
    import pyworld

    spare = max(0, len(samples) - LONGEST) // 2
    sound = samples[spare : spare + LONGEST].astype(np.float64) / 32_768
    milliseconds = 1_000 * PERIOD
    rough, times = pyworld.dio(sound, SAMPLE_RATE, f0_floor=FLOOR, f0_ceil=CEILING, frame_period=milliseconds, speed=4)
    pitch = pyworld.stonemask(sound, rough, times, SAMPLE_RATE)
    envelope = pyworld.cheaptrick(sound, pitch, times, SAMPLE_RATE)
    breath = pyworld.d4c(sound, pitch, times, SAMPLE_RATE)

    order = paced(len(pitch), manner, random)
    pitch, envelope, breath = melodic(pitch, manner)[order], envelope[order], breath[order]
    pitch, envelope, breath = burst(pitch, emphasised(envelope, manner), breath, manner.laugh, random)
    breath = breath + (1 - breath) * manner.breath
    if manner.whisper:
        pitch = np.zeros_like(pitch)
    made = pyworld.synthesize(
        pitch, np.ascontiguousarray(envelope), np.ascontiguousarray(breath), SAMPLE_RATE, milliseconds
    )
    gain = np.sqrt(np.mean(sound**2) / (np.mean(made**2) + 1e-12))
    return np.clip(np.round(32_768 * gain * made), -32_768, 32_767).astype(np.int16)


def melodic(pitch: Numbers, manner: Manner) -> Numbers:
    """The pitch moved and its movement widened; 0, where there is none, stays 0."""
    voiced = pitch > 0
    if not voiced.any():
        return pitch
    logarithm = np.log2(pitch[voiced])
    middle = np.median(logarithm)
    changed = np.zeros_like(pitch)
    changed[voiced] = np.exp2(middle + manner.melody * (logarithm - middle) + manner.semitones / 12)
    return np.where(voiced, np.clip(changed, FLOOR, CEILING), 0)


def paced(num_frames: int, manner: Manner, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Which frame is heard when: the tempo, wandering from half second to half second."""
    knots = np.arange(0, num_frames * PERIOD + 1.0, 0.5)
    wandering = np.exp(random.uniform(-manner.rubato, manner.rubato, len(knots)))
    pace = manner.tempo * np.interp(np.arange(num_frames) * PERIOD, knots, wandering)
    moments = np.cumsum(1 / pace)  # when each frame ends, in frames of the result
    ticks = np.arange(max(1, round(moments[-1])))
    return np.searchsorted(moments, ticks + 1e-9, side="right").clip(max=num_frames - 1)


def emphasised(envelope: Numbers, manner: Manner) -> Numbers:
    """The power envelope tilted, and its loud frames louder against the soft ones."""
    hertz = np.linspace(0, SAMPLE_RATE / 2, envelope.shape[1])
    loudness = np.log10(envelope.mean(axis=1) + 1e-12)
    stands_out = np.clip((loudness - np.median(loudness)) / 2, -1, 1)  # 1 is 20 dB above the middle
    gain = np.power(10, manner.level * stands_out / 10)[:, None]
    louder: Numbers = envelope * gain * np.square(tilted(hertz, manner.tilt).astype(np.float64))
    return louder


def burst(
    pitch: Numbers, envelope: Numbers, breath: Numbers, depth: float, random: np.random.Generator
) -> tuple[Numbers, Numbers, Numbers]:
    """A stretch shaken as by laughing: bursts at the rate of syllables, each falling in pitch, with breath between."""
    num_frames = len(pitch)
    if not depth or num_frames < 2:
        return pitch, envelope, breath
    rate, phase = random.uniform(*SYLLABLES), random.uniform(0, 2 * np.pi)
    wave = 0.5 - 0.5 * np.cos(2 * np.pi * rate * np.arange(num_frames) * PERIOD + phase)
    # It comes and goes: full over a stretch of one to three seconds, with slopes of 0.3 s.
    length, centre = random.uniform(1.0, 3.0) / PERIOD, random.uniform(0, num_frames)
    inside = np.clip((length / 2 - np.abs(np.arange(num_frames) - centre)) * PERIOD / 0.3, 0, 1) * depth
    trough = inside * (1 - wave)
    pitch = np.where(pitch > 0, np.clip(pitch * np.exp2(inside * (wave - 0.2) * 4 / 12), FLOOR, CEILING), 0)
    envelope = envelope * np.power(10, -2.0 * trough)[:, None]
    breath = breath + (1 - breath) * (0.8 * trough)[:, None]
    return pitch, envelope, breath
