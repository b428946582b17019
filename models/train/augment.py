"""What happens to a voice between a mouth and a podcast: rooms, noise, telephones, codecs, levels, effort.

What happens in the mouth itself is in ``manner``.
Everything is drawn from the generator that is passed in, so the same seed gives the same sound.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt
from scipy import fft

Array = npt.NDArray[np.float32]
SAMPLE_RATE = 16_000

CODECS = (  # (codec, container, sample rates, bit rates)
    ("libmp3lame", "mp3", (16_000, 22_050), (16_000, 24_000, 32_000, 48_000)),
    ("libmp3lame", "mp3", (44_100,), (48_000, 64_000)),
    ("libopus", "ogg", (16_000, 48_000), (6_000, 8_000, 12_000, 20_000)),
    ("aac", "adts", (16_000, 24_000), (16_000, 24_000, 32_000)),
    ("libopencore_amrnb", "amr", (8_000,), (4_750, 6_700, 12_200)),
)


@dataclass(frozen=True, eq=False)
class Bank:
    """Many clips in one array on disk, so that a crop is one slice.

    samples : (total,) int16 array, memory mapped
    offsets : (num_clips + 1,) int64 array
    """

    samples: npt.NDArray[np.int16]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def clip(self, index: int) -> npt.NDArray[np.int16]:
        return self.samples[self.offsets[index] : self.offsets[index + 1]]

    def crop(self, index: int, num_samples: int, random: np.random.Generator) -> Array:
        """A random stretch of a clip, -1 … 1; a clip that is too short is repeated."""
        clip = self.clip(index)
        if len(clip) < num_samples:
            clip = np.tile(clip, -(-num_samples // len(clip)))
        start = random.integers(0, len(clip) - num_samples + 1)
        return clip[start : start + num_samples].astype(np.float32) / np.float32(32_768)


@dataclass(frozen=True, eq=False)
class Augmenter:
    """Rooms, bands, noise, babble, music and levels for one crop at a time.

    speech : where babble comes from
    noises, music, rooms : indices into ``noise``
    """

    speech: Bank
    noise: Bank
    noises: tuple[int, ...]
    music: tuple[int, ...]
    rooms: tuple[int, ...]

    def __call__(self, crop: Array, random: np.random.Generator) -> Array:
        """The crop as it might have been recorded; same length, peak at most 1."""
        crop = crop * np.float32(0.1 / (rms(crop) + 1e-5))
        telephone = random.random() < 0.2
        room = self._room(random) if random.random() < 0.35 else None
        tilt = random.uniform(-4, 4) if random.random() < 0.3 else 0.0
        crop = self._filtered(crop, room, _band(telephone, random), tilt)
        if random.random() < 0.65:
            crop = self._noisy(crop, random)
        if telephone:
            crop = companded(crop * np.float32(random.uniform(0.5, 3.0)))
        gain = 10 ** (random.uniform(-30, 6) / 20)
        if random.random() < 0.1:
            gain *= 10  # clipped
        if random.random() < 0.3:
            # The floor that quiet recordings sit on: without it the gain would vanish with the mean of the log.
            crop = crop + random.standard_normal(len(crop), np.float32) * np.float32(
                10 ** (random.uniform(-80, -45) / 20)
            )
        return np.clip(crop * np.float32(gain), -1, 1)

    def in_room(self, clip: Array, random: np.random.Generator) -> Array:
        return self._filtered(clip, self._room(random), (0.0, SAMPLE_RATE / 2), 0.0)

    def with_noise(self, clip: Array, decibels: float, random: np.random.Generator) -> Array:
        """Noise so far below the clip."""
        other = self.noise.crop(int(random.choice(self.noises)), len(clip), random)
        noisy: Array = clip + other * np.float32(rms(clip) / (rms(other) + 1e-5) * 10 ** (-decibels / 20))
        return noisy

    def _room(self, random: np.random.Generator) -> Array:
        """An impulse response, measured or made: a direct sound and noise that decays by 60 dB in 0.1 … 0.8 s."""
        if self.rooms and random.random() < 0.3:
            measured = self.noise.clip(int(random.choice(self.rooms)))[:8_000].astype(np.float32)
            return measured / (np.abs(measured).max() + np.float32(1e-6))
        seconds = random.uniform(0.1, 0.8)
        length = min(int(seconds * SAMPLE_RATE), 8_000)
        decay = np.exp(-6.9 * np.arange(length, dtype=np.float32) / (seconds * SAMPLE_RATE)).astype(np.float32)
        response = random.standard_normal(length, np.float32) * decay
        response *= np.float32(10 ** (-random.uniform(-3, 12) / 20) / (np.sqrt((response**2).sum()) + 1e-6))
        response[0] = 1.0
        return response

    def _filtered(self, crop: Array, room: Array | None, band: tuple[float, float], tilt: float) -> Array:
        if room is None and band == (0.0, SAMPLE_RATE / 2) and not tilt:
            return crop
        size = fft.next_fast_len(len(crop) + (len(room) if room is not None else 0), real=True)
        spectrum = fft.rfft(crop, size)
        if room is not None:
            spectrum *= fft.rfft(room, size)
        hertz = np.linspace(0, SAMPLE_RATE / 2, len(spectrum), dtype=np.float32)
        low, high = band
        # Slopes of a few hundred hertz down to -60 dB, like the filters in telephones and encoders.
        spectrum *= np.maximum(np.clip((hertz - low * 0.5) / (low * 0.5 + 1), 0, 1), 1e-3)
        spectrum *= np.maximum(np.clip((high + 300 - hertz) / 300, 0, 1), 1e-3)
        spectrum *= tilted(hertz, tilt)
        filtered: Array = fft.irfft(spectrum, size)[: len(crop)]
        return filtered * np.float32(0.1 / (rms(filtered) + 1e-5))

    def _noisy(self, crop: Array, random: np.random.Generator) -> Array:
        kind = random.random()
        if kind < 0.35:
            voices = [self.speech.crop(int(random.integers(len(self.speech))), len(crop), random) for _ in range(4)]
            other, ratio = np.sum(voices[: random.integers(1, 5)], axis=0), random.uniform(8, 22)
        elif kind < 0.6 and self.music:
            other, ratio = self.noise.crop(int(random.choice(self.music)), len(crop), random), random.uniform(3, 20)
        else:
            other, ratio = self.noise.crop(int(random.choice(self.noises)), len(crop), random), random.uniform(0, 20)
        level = rms(other)
        if level < 1e-5:
            return crop
        mixed: Array = crop + other * np.float32(0.1 / level * 10 ** (-ratio / 20))
        return mixed


def tilted(hertz: npt.NDArray[np.floating], decibels: float) -> Array:
    """The gain at each frequency of a spectrum that rises by so many decibels an octave, from 100 Hz; 1 at 1 kHz."""
    octaves = np.log2(np.maximum(hertz, 100) / 1_000)
    return np.power(10, decibels * octaves / 20).astype(np.float32)


def rms(samples: Array) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def _band(telephone: bool, random: np.random.Generator) -> tuple[float, float]:
    if telephone:
        return random.uniform(100, 400), random.uniform(3_000, 3_700)
    if random.random() < 0.3:
        return random.uniform(0, 250), random.uniform(3_500, 7_500)
    return 0.0, SAMPLE_RATE / 2


def banded(clip: Array, low: float, high: float) -> Array:
    hertz = np.linspace(0, SAMPLE_RATE / 2, len(clip) // 2 + 1)
    inside = np.where((hertz >= low) & (hertz <= high), 1.0, 1e-3).astype(np.float32)
    made: Array = fft.irfft(fft.rfft(clip) * inside, len(clip)).astype(np.float32)
    return made


def companded(samples: Array) -> Array:
    """Through 8 bits of µ-law, as on a telephone line (ITU-T G.711)."""
    clipped = np.clip(samples, -1, 1)
    bits = np.round(np.sign(clipped) * np.log1p(255 * np.abs(clipped)) / np.log(256) * 127) / 127
    expanded: Array = (np.sign(bits) * (np.power(256, np.abs(bits)) - 1) / 255).astype(np.float32)
    return expanded


def coded(samples: npt.NDArray[np.int16], random: np.random.Generator) -> npt.NDArray[np.int16]:
    """The samples after a lossy codec at a low rate drawn at random; the same length, to within the codec's delay."""
    codec, container, rates, bit_rates = CODECS[random.integers(len(CODECS))]
    return passed_through(samples, codec, container, int(random.choice(rates)), int(random.choice(bit_rates)))


def passed_through(
    samples: npt.NDArray[np.int16], codec: str, container: str, rate: int, bit_rate: int
) -> npt.NDArray[np.int16]:
    """The samples after that codec; the same length, to within the codec's delay."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = bit_rate
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=rate, frame_size=stream.frame_size)
        for part in (frame, None):
            for piece in resampler.resample(part):
                output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    file.seek(0)
    decoded = decode(file)[: len(samples)]
    return np.pad(decoded, (0, len(samples) - len(decoded)))


def decode(file: str | io.BytesIO) -> npt.NDArray[np.int16]:
    """(num_samples,) int16 array at 16 kHz, mono."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    with av.open(file, "r") as source:
        pieces = [piece.to_ndarray()[0] for frame in source.decode(audio=0) for piece in resampler.resample(frame)]
        pieces += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    return np.concatenate(pieces)
