"""Log-mel filterbanks: what the models hear.

The same numbers as Kaldi's ``fbank`` (feature-window.cc, feature-fbank.cc, mel-computations.cc) with 80 bins, 25 ms
frames every 10 ms, a hamming window, pre-emphasis 0.97, the mean of each frame removed and no dither, on samples scaled
to 16 bits; `log_mel` as with ``snip_edges`` false, `log_mel_snipped` as with it true. Subtracting the mean over a
window is left to the embedder: it knows its windows.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import fft, sparse

from ..types import Array

SAMPLE_RATE = 16_000
FRAMES_PER_SECOND = 100
NUM_BINS = 80

FRAME = 400  # samples in 25 ms
HOP = SAMPLE_RATE // FRAMES_PER_SECOND
NUM_FFT = 512
PREEMPHASIS = 0.97
LOW_HZ, HIGH_HZ = 20.0, SAMPLE_RATE / 2
FULL_SCALE = 32_768.0
FRAMES_AT_ONCE = 512  # about 1 MB of frames: stays in the processor's cache, and memory does not grow with the audio


def num_frames(num_samples: int) -> int:
    """Return how many frames ``log_mel`` makes of that many samples: frame i is centred on sample 160 i + 80.

    >>> num_frames(16_000), num_frames(79), num_frames(80)
    (100, 0, 1)
    """
    return (num_samples + HOP // 2) // HOP


def log_mel(samples: Array) -> Array:
    """Return log mel energies, one row every 10 ms.

    samples : (num_samples,) float32 array, -1 … 1, 16 kHz
    returns : (num_frames, 80) float32 array, natural logarithm of the energy, not below log(2 ** -23)

    The edges are mirrored, so a slice cut out of a recording (at a multiple of 160 samples) differs from the rows of
    the recording in its first and last frame only.
    """
    total = num_frames(len(samples))
    rows = np.empty((total, NUM_BINS), np.float32)
    before = (FRAME - HOP) // 2
    for first in range(0, total, FRAMES_AT_ONCE):
        last = min(first + FRAMES_AT_ONCE, total)
        chunk = _mirrored(samples, first * HOP - before, (last - 1) * HOP - before + FRAME)
        rows[first:last] = _rows(chunk)
    return rows


def num_frames_snipped(num_samples: int) -> int:
    """Return how many frames ``log_mel_snipped`` makes of that many samples: frame i begins at sample 160 i.

    >>> num_frames_snipped(16_000), num_frames_snipped(399), num_frames_snipped(400)
    (98, 0, 1)
    """
    return max(0, (num_samples - FRAME) // HOP + 1)


def log_mel_snipped(samples: Array) -> Array:
    """Return the rows of the frames that lie wholly inside the samples: what models of WeSpeaker hear.

    Arguments and result as for `log_mel`. A slice cut out of a recording at a multiple of 160 samples has the rows of
    the recording. Source: WeSpeaker's ``compute_fbank``
    (bin/infer_onnx.py), which is Kaldi's with its default of snipped edges.
    """
    total = num_frames_snipped(len(samples))
    rows = np.empty((total, NUM_BINS), np.float32)
    for first in range(0, total, FRAMES_AT_ONCE):
        last = min(first + FRAMES_AT_ONCE, total)
        rows[first:last] = _rows(samples[first * HOP : (last - 1) * HOP + FRAME])
    return rows


def _mirrored(samples: Array, start: int, end: int) -> Array:
    """samples[start:end], with the signal reflected beyond both of its ends (feature-window.cc, ExtractWindow)."""
    left, right = max(0, -start), max(0, end - len(samples))
    if left or right:
        # A signal shorter than a frame is reflected more than once, which numpy can do only with all of it at hand.
        inside = samples if len(samples) < FRAME else samples[max(0, start) : end]
        return np.pad(inside, (left, right), mode="symmetric")
    return samples[start:end]


def _rows(chunk: Array) -> Array:
    """(num_frames, 80) log energies of the frames that lie wholly inside a chunk."""
    frames = np.lib.stride_tricks.sliding_window_view(chunk, FRAME)[::HOP] * np.float32(FULL_SCALE)
    frames -= frames.mean(axis=1, keepdims=True)
    windowed = np.empty_like(frames)
    windowed[:, 1:] = frames[:, 1:] - np.float32(PREEMPHASIS) * frames[:, :-1]
    windowed[:, 0] = np.float32(1 - PREEMPHASIS) * frames[:, 0]
    windowed *= _hamming()
    spectrum = fft.rfft(windowed, NUM_FFT, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    energies = (_by_mel_bin() @ power.T).T
    rows: Array = np.log(np.maximum(energies, np.finfo(np.float32).eps))
    return rows


@cache
def _hamming() -> Array:
    window: Array = np.hamming(FRAME).astype(np.float32)
    return window


@cache
def _by_mel_bin() -> sparse.csr_array:
    """(80, 257) `mel_weights`, of which one in forty is not 0.

    In one thread and in one order for every frame. A product of dense ones is as quick, but BLAS does it in several
    threads, which then wait in a loop on cores that the networks use, and rounds by how many frames there are.
    """
    return sparse.csr_array(mel_weights().T)


@cache
def mel_weights() -> Array:
    """Return a (257, 80) float32 array: the share of each FFT bin in each mel bin.

    Triangles are straight in mel, not in hertz, and reach 1 at their centres (mel-computations.cc, MelBanks).
    """
    hertz = np.arange(NUM_FFT // 2 + 1) * SAMPLE_RATE / NUM_FFT
    edges = np.linspace(_mel(LOW_HZ), _mel(HIGH_HZ), NUM_BINS + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    mel = _mel(hertz)[:, None]
    weights = np.minimum((mel - left) / (centre - left), (right - mel) / (right - centre))
    return np.maximum(weights, 0.0).astype(np.float32)


def _mel(hertz: np.typing.NDArray[np.float64] | float) -> np.typing.NDArray[np.float64]:
    mel: np.typing.NDArray[np.float64] = 1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0)
    return mel
