"""Windows of speech to unit vectors: near each other for one voice, apart for two."""

from __future__ import annotations

from itertools import chain, pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..models import files, sessions, table
from ..models.table import DEFAULT_EMBEDDER
from ..types import Array
from ..voices.score import unit
from .features import HOP, NUM_BINS, log_mel, log_mel_snipped, num_frames, num_frames_snipped

CELL = 5  # rows whose frames are summed, 50 ms: spans that are pooled begin and end between two cells
MOST_CELLS = 320  # heard at once, 16 s
CONTEXT = 100  # rows on either side that the network hears too
LEAST_VARIANCE = 1e-6  # of a channel's frames, as in the network
MOST_WEIGHT = 60.0  # logarithm; keeps the sums finite
SPANS_AT_ONCE = 32  # whose statistics are reckoned; half a megabyte each time stays in the processor's cache
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
        """Return one unit vector per window, (num_windows, dimension) float32.

        samples : (num_samples,) float32 array, 16 kHz, -1 … 1
        windows : (num_windows, 2) array, first and one past the last sample of each, inside the samples
        features : ``log_mel(samples)`` if the caller has it; an embedder with another front end ignores it
        """


class Sums:
    """Sums over the cells of a run of frames: of weights, of weighted frames and of their squares.

    What attentive statistics pooling (Okabe et al. 2018) makes of any span follows from them.
    """

    def __init__(self, *runs: Array) -> None:
        """runs : (num_cells, 3, channels) arrays, one after the other"""
        self._until = np.zeros((sum(len(cells) for cells in runs) + 1, *runs[0].shape[1:]), np.float64)
        # A tenth of the time of numpy's cumsum, which goes down each column
        for idx, cell in enumerate(chain.from_iterable(runs)):
            np.add(self._until[idx], cell, out=self._until[idx + 1])

    def __len__(self) -> int:
        return len(self._until) - 1

    def statistics(self, spans: npt.ArrayLike) -> Array:
        """Return (num_spans, 2 * channels): weighted mean and deviation of the frames of each span.

        spans : (num_spans, 2) array, first and one past the last cell; kept inside the run
        """
        starts = np.clip(np.asarray(spans, np.int64)[:, 0], 0, len(self) - 1)
        ends = np.clip(np.asarray(spans, np.int64)[:, 1], starts + 1, len(self))
        channels = self._until.shape[2]
        found = np.empty((len(starts), 2 * channels), np.float32)
        for at in range(0, len(starts), SPANS_AT_ONCE):
            some = slice(at, at + SPANS_AT_ONCE)
            weight, first, second = np.moveaxis(self._until[ends[some]] - self._until[starts[some]], 1, 0)
            mean = first / weight
            found[some, :channels] = mean
            found[some, channels:] = np.sqrt(np.maximum(second / weight - mean**2, LEAST_VARIANCE))
        return found


def _in_cells(frames: Array, weights: Array) -> Array:
    """(num_cells, 3, channels) sums of both, each (channels, num_frames); the last cell may be shorter."""
    missing = -frames.shape[1] % CELL
    shares = np.exp(np.minimum(weights, MOST_WEIGHT))
    weighted = shares * frames
    tables = []
    for channels in (shares, weighted, weighted * frames):
        by_row = np.pad(channels, ((0, 0), (0, missing))).reshape(len(channels), -1, CELL)
        tables.append(sum((by_row[:, :, row] for row in range(1, CELL)), start=by_row[:, :, 0]).T)
    return np.stack(tables, axis=1)


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

    @property
    def can_pool(self) -> bool:
        """Whether ``pool`` serves: the network can be cut, and hears rows that are cut out of a recording."""
        return not self._is_snipped and sessions.halves_of(self.name) is not None

    def sums(self, rows: Array, first: int, end: int) -> Sums:
        """Return what any span of a stretch is pooled from, in cells of ``CELL`` rows; the network hears each row once.

        rows : (num_rows, 80) log mel rows
        first, end : first and one past the last row of the stretch
        """
        session = sessions.session(self.name, self.device, "front")
        (source,) = (one.name for one in session.get_inputs())
        num_cells = max(1, (end - first) // CELL)
        parts = np.linspace(0, num_cells, -(-num_cells // MOST_CELLS) + 1).astype(int)
        cells = []
        for start, stop in pairwise(parts.tolist()):
            at, until = first + start * CELL, min(first + stop * CELL, len(rows))
            before = max(0, at - CONTEXT)
            heard = rows[before : until + CONTEXT]
            frames, weights = session.run(None, {source: (heard - heard.mean(axis=0))[None]})
            inside = slice(at - before, until - before)
            cells.append(_in_cells(frames[0, :, inside], weights[0, :, inside]))
        return Sums(*cells)

    def pooled(self, statistics: Array) -> Array:
        """Return the unit vectors of spans, (num_spans, dimension) float32, from their ``Sums.statistics``."""
        session = sessions.session(self.name, self.device, "head")
        (vectors,) = session.run(None, {session.get_inputs()[0].name: statistics.T[None]})
        return unit(np.asarray(vectors[0], np.float32).T)

    def rest(self) -> None:
        """Give back the memory that the network took for the longest stretch; the next one takes it anew."""
        session = sessions.session(self.name, self.device, "front" if self.can_pool else "whole")
        if session.get_providers()[0] == "CPUExecutionProvider":
            shrinking = sessions.runtime().RunOptions()
            shrinking.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
            session.run(None, {session.get_inputs()[0].name: np.zeros((1, CONTEXT, NUM_BINS), np.float32)}, shrinking)

    def _vectors(self, batch: Array) -> Array:
        batch = batch - batch.mean(axis=1, keepdims=True)
        session = sessions.session(self.name, self.device)
        (vectors,) = session.run(None, {session.get_inputs()[0].name: batch})
        return unit(np.asarray(vectors, np.float32))
