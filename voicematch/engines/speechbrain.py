"""SpeechBrain's ECAPA-TDNN (speechbrain/spkrec-ecapa-voxceleb) as an Embedder, in ONNX Runtime; no torch is needed.

Its features are SpeechBrain's ``Fbank``, whose window, filters and logarithm are not Kaldi's. A checkpoint with other
weights, such as a pipeline of pyannote.audio may name, runs on torch, in SpeechBrain's own class with the sizes of the
repository's YAML file. Only the weights are read: SpeechBrain's own way there runs that file, and asks the hub even
when the folder is local.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.signal import get_window

from ..audio import SAMPLE_RATE
from ..errors import ModelError
from ..models import files, sessions, table
from ..types import Array
from ..voices.score import unit
from .device import in_batches, load, pick, require
from .features import FRAME, HOP, NUM_BINS

MODEL = "speechbrain"
SIZES: dict[str, Any] = {
    "input_size": NUM_BINS,
    "channels": [1024, 1024, 1024, 1024, 3072],
    "kernel_sizes": [5, 3, 3, 3, 1],
    "dilations": [1, 2, 3, 4, 1],
    "attention_channels": 128,
    "lin_neurons": 192,
}
DECIBELS = 80.0  # how far below a window's loudest bin the others may lie
FAINTEST = 1e-10
FRAMES_AT_ONCE = {"cpu": 2_400, "mps": 9_600, "cuda": 38_400}  # 16, 64 and 256 windows of 1.5 s

Network = Callable[[Array], Array]
"""(batch, frames, 80) features to (batch, 192) vectors of any length."""


class SpeechBrainEmbedder:
    """The embedder ``speechbrain``, or one of a user's own that hears the same features.

    checkpoint : weights of the same sizes to run on torch, in place of the model that was pulled

    Raises ModelError when the model is not on this machine, or for a checkpoint when SpeechBrain is not installed.
    """

    def __init__(self, name: str = MODEL, *, device: str = "auto", checkpoint: Path | None = None) -> None:
        card = table.card(name)
        self.name = card.name
        self.dimension = card.dimension
        self.min_speech = card.min_speech
        self._device = device
        self._checkpoint = checkpoint
        if checkpoint is None:
            files.path(name)
        else:
            require("speechbrain")
        self._network: Network | None = None
        self._most = FRAMES_AT_ONCE["cpu"]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_network": None}

    def embed(self, samples: Array, windows: npt.NDArray[np.int64], features: Array | None = None) -> Array:
        """As the protocol has it; ``features`` are of another front end."""
        windows = np.asarray(windows, np.int64).reshape(-1, 2)
        if len(windows) and (windows.min() < 0 or windows.max() > len(samples)):
            raise ValueError(f"windows reach outside the {len(samples)} samples")
        lengths = windows[:, 1] - windows[:, 0]
        vectors = np.empty((len(windows), self.dimension), np.float32)
        for length in np.unique(lengths):
            same = np.flatnonzero(lengths == length)
            at_once = max(1, self._most // (1 + int(length) // HOP))
            for at in range(0, len(same), at_once):
                chosen = same[at : at + at_once]
                vectors[chosen] = self._vectors(np.stack([samples[start:end] for start, end in windows[chosen]]))
        return vectors

    def _vectors(self, cut: Array) -> Array:
        """cut : (num_windows, num_samples) array"""
        rows = filterbank(cut)
        rows -= rows.mean(axis=1, keepdims=True)
        return unit(self._opened()(rows))

    def _opened(self) -> Network:
        if self._network is None:
            if self._checkpoint is None:
                self._network = _onnx_network(self.name, self._device)
            else:
                device = pick(self._device)
                self._network = _torch_network(network(self._checkpoint), device)
                self._most = FRAMES_AT_ONCE[device.type]
        return self._network


def filterbank(samples: Array) -> Array:
    """SpeechBrain's ``Fbank(n_mels=80)``: (num_windows, 1 + num_samples // 160, 80) decibels.

    samples : (num_windows, num_samples) float32 array, each row a recording of its own: zeros lie beyond its ends

    speechbrain/processing/features.py: STFT (25 ms every 10 ms, periodic hamming, 400 points, centred), power, and
    triangles as wide to the right as to the left of their centres, 10 log10, at most 80 dB below the window's loudest.
    """
    padded = np.pad(samples, [(0, 0), (FRAME // 2, FRAME // 2)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME, axis=1)[:, ::HOP]
    spectrum = fft.rfft(frames * _hamming(), axis=2)
    energies = (spectrum.real**2 + spectrum.imag**2) @ _triangles()
    decibels = 10 * np.log10(np.maximum(energies, FAINTEST))
    rows: Array = np.maximum(decibels, decibels.max(axis=(1, 2), keepdims=True) - DECIBELS).astype(np.float32)
    return rows


@functools.cache
def _hamming() -> Array:
    window: Array = get_window("hamming", FRAME).astype(np.float32)
    return window


@functools.cache
def _triangles() -> Array:
    """(201, 80) array: the share of each FFT bin in each band."""
    mel = np.linspace(0.0, 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700), NUM_BINS + 2)
    hertz = 700 * (10 ** (mel / 2595) - 1)
    slope = (np.linspace(0, SAMPLE_RATE / 2, FRAME // 2 + 1)[:, None] - hertz[1:-1]) / np.diff(hertz)[:-1]
    return np.maximum(0.0, np.minimum(slope + 1, 1 - slope)).astype(np.float32)


def network(checkpoint: Path) -> Any:
    """SpeechBrain's ECAPA_TDNN with these weights, ready to answer. Raises ModelError when they are others."""
    torch = load("torch")
    made = load("speechbrain.lobes.models.ECAPA_TDNN").ECAPA_TDNN(**SIZES)
    try:
        made.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, ValueError, EOFError, TypeError, AttributeError, pickle.UnpicklingError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(f"{checkpoint}: holds no weights of {MODEL}: {reason}") from error
    return made.eval()


def _torch_network(made: Any, device: Any) -> Network:
    torch = load("torch")
    made.to(device)

    def run(rows: Array) -> Array:
        def in_parts(most: int) -> Array:
            with torch.inference_mode():
                parts = torch.from_numpy(rows).split(most)
                return np.concatenate([made(part.to(device))[:, 0].cpu().numpy() for part in parts])

        return in_batches(in_parts, len(rows))

    return run


def _onnx_network(name: str, device: str) -> Network:
    session = sessions.session(name, device)
    (source,) = (one.name for one in session.get_inputs())

    def run(rows: Array) -> Array:
        (vectors,) = session.run(None, {source: rows})
        return np.asarray(vectors, np.float32)

    return run
