"""Windows of speech to unit vectors: near each other for one voice, apart for two."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..models import files, sessions, table
from ..models.table import DEFAULT_EMBEDDER
from ..types import Array
from ..voices.score import unit
from .features import HOP, log_mel, log_mel_snipped, num_frames, num_frames_snipped

BATCH = 16  # windows at once; more is not faster on a CPU and costs memory


class Embedder(Protocol):
    """Turns windows of sound into vectors. Where the windows lie is the caller's business.

    name : identifies the model; vectors of different names are never compared
    dimension : length of a vector
    min_speech : seconds of speech below which a vector means nothing
    """

    @property
    def name(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    @property
    def min_speech(self) -> float: ...

    def embed(self, samples: Array, windows: npt.NDArray[np.int64], features: Array | None = None) -> Array:
        """One unit vector per window, (num_windows, dimension) float32.

        samples : (num_samples,) float32 array, 16 kHz, -1 … 1
        windows : (num_windows, 2) array, first and one past the last sample of each, inside the samples
        features : ``log_mel(samples)`` if the caller has it; an embedder with another front end ignores it
        """


class OnnxEmbedder:
    """An embedder in ONNX Runtime: (batch, frames, 80) log mel rows, less their mean over the window, to vectors.

    device : one of ``table.DEVICES``; looked for when it is first used

    Raises ModelError when the model is not on this machine, or damaged; nothing is loaded yet.
    """

    def __init__(self, name: str = DEFAULT_EMBEDDER, device: str = "cpu") -> None:
        card = table.card(name)
        files.path(name)
        self.name = card.name
        self.dimension = card.dimension
        self.min_speech = card.min_speech
        self.device = device
        self._is_snipped = card.front_end == "kaldi-snipped"

    def embed(self, samples: Array, windows: npt.NDArray[np.int64], features: Array | None = None) -> Array:
        if self._is_snipped:
            rows, frames_in = log_mel_snipped(samples), num_frames_snipped
        else:
            rows, frames_in = log_mel(samples) if features is None else features, num_frames
        if len(windows) and (windows.min() < 0 or windows.max() > len(samples)):
            raise ValueError(f"windows reach outside the {len(samples)} samples")
        first = np.asarray(windows, np.int64)[:, 0] // HOP
        lengths = np.array([frames_in(end - start) for start, end in windows], dtype=np.int64)
        if len(lengths) and lengths.min() < 1:
            raise ValueError("a window is shorter than one frame")
        first = np.minimum(first, len(rows) - lengths)  # a window up to the last sample may begin half a frame early
        vectors = np.empty((len(windows), self.dimension), np.float32)
        for length in np.unique(lengths):
            same = np.flatnonzero(lengths == length)
            for at in range(0, len(same), BATCH):
                chosen = same[at : at + BATCH]
                vectors[chosen] = self._vectors(np.stack([rows[i : i + length] for i in first[chosen]]))
        return vectors

    def _vectors(self, batch: Array) -> Array:
        batch = batch - batch.mean(axis=1, keepdims=True)
        session = sessions.session(self.name, self.device)
        (vectors,) = session.run(None, {session.get_inputs()[0].name: batch})
        return unit(np.asarray(vectors, np.float32))
