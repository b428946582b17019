"""SpeechBrain's ECAPA-TDNN (speechbrain/spkrec-ecapa-voxceleb) as an Embedder, on torch, or exported, without it.

Only the checkpoint is read, as weights: SpeechBrain's own way there runs a YAML file of the repository and asks the hub
even when the folder is local. The network is SpeechBrain's class with the sizes of that YAML file; the features are its
``Fbank``, whose window, filters and logarithm are not Kaldi's.
"""

from __future__ import annotations

import functools
import os
import pickle
import tempfile
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
EXPORTED = "speechbrain.onnx"  # beside the checkpoint, made by `export`; twice as quick on a CPU, and without torch
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
    """The embedder ``speechbrain``; where it was exported and no GPU is asked for, ONNX Runtime runs it.

    checkpoint : another file than the one that was pulled, with weights of the same sizes

    Raises ModelError when SpeechBrain is not installed, or the model not on this machine.
    """

    name = MODEL

    def __init__(self, *, device: str = "auto", checkpoint: Path | None = None) -> None:
        card = table.card(MODEL)
        self.dimension = card.dimension
        self.min_speech = card.min_speech
        self._device = device
        self._exported = files.pulled_folder(MODEL) / EXPORTED
        if checkpoint is not None or device not in ("auto", "cpu") or not self._exported.is_file():
            require("speechbrain")
            self._checkpoint: Path | None = checkpoint or files.path(MODEL)
        else:
            self._checkpoint = None
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
                self._network = _exported_network(self._exported)
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


def _exported_network(file: Path) -> Network:
    onnxruntime = sessions.runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = sessions.num_cores()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), sess_options=options, providers=["CPUExecutionProvider"])

    def run(rows: Array) -> Array:
        (vectors,) = session.run(None, {"features": rows})
        return np.asarray(vectors, np.float32)

    return run


def export(target: Path | None = None, *, checkpoint: Path | None = None) -> Path:
    """Where the network now lies as ONNX: (batch, frames, 80) ``features`` to (batch, 192) ``embedding``.

    target : default where `SpeechBrainEmbedder` looks for it
    checkpoint : the weights; default those that were pulled

    Features are `filterbank`'s, less their mean over the window. Raises ModelError when a package is missing, or what
    was written does not answer as the network does.
    """
    require("speechbrain")
    require("onnx")
    torch = load("torch")
    made = network(checkpoint or files.path(MODEL))
    rows = np.random.default_rng(0).normal(0, 10, (3, 120, NUM_BINS)).astype(np.float32)
    expected = _torch_network(made, torch.device("cpu"))(rows)
    made.asp.forward = functools.partial(_pooled, made.asp)
    inner = made.forward
    made.forward = lambda features: inner(features)[:, 0]
    file = target or files.pulled_folder(MODEL) / EXPORTED
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        written = Path(folder) / file.name
        _write(made, written)
        worst = float(np.abs(_exported_network(written)(rows) - expected).max() / np.abs(expected).max())
        if worst > 1e-4:
            raise ModelError(f"the exported network is {worst:.1g} from the one on torch; {file} was not written")
        os.replace(written, file)
    return file


def _write(made: Any, file: Path) -> None:
    import warnings

    torch = load("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the tracing exporter is the older of two; the other needs more packages
        torch.onnx.export(
            made,
            (torch.zeros(2, 150, NUM_BINS),),
            str(file),
            input_names=["features"],
            output_names=["embedding"],
            dynamic_axes={"features": {0: "batch", 1: "frames"}, "embedding": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )


def _pooled(pooling: Any, values: Any, lengths: None = None) -> Any:
    """SpeechBrain's AttentiveStatisticsPooling for windows of one length, so without its mask.

    The mask is made for the number of windows at hand, and tracing would keep that number.
    """
    torch = load("torch")
    mean = values.mean(dim=2, keepdim=True)
    spread = ((values - mean) ** 2).mean(dim=2, keepdim=True).clamp(pooling.eps).sqrt()
    context = torch.cat([values, mean.expand_as(values), spread.expand_as(values)], dim=1)
    shares = pooling.conv(pooling.tanh(pooling.tdnn(context))).softmax(dim=2)
    mean = (shares * values).sum(dim=2, keepdim=True)
    spread = (shares * (values - mean) ** 2).sum(dim=2, keepdim=True).clamp(pooling.eps).sqrt()
    return torch.cat([mean, spread], dim=1)
