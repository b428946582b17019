"""Windows of speech to unit vectors: near each other for one voice, apart for two."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from ..models import files, sessions, table
from ..models.table import DEFAULT_EMBEDDER
from ..types import Array
from ..voices.score import unit
from .features import HOP, NUM_BINS, log_mel, log_mel_snipped, num_frames, num_frames_snipped

if TYPE_CHECKING:
    import onnxruntime

CELL = 10  # rows whose frames are summed, 100 ms: spans that are pooled begin and end between two cells
MOST_CELLS = 160  # heard at once, 16 s; a part that ends in a pause may be longer by twice REACH
REACH = 20  # cells by which the end of a part is moved to where it is quietest
CONTEXT = 30  # rows on either side that the network hears too
LEAST_VARIANCE = 1e-6  # of a channel's frames, as in the network
MOST_WEIGHT = 60.0  # logarithm; keeps the sums finite
CHANNELS_AT_ONCE = 64  # whose frames are summed; the same for them
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

    def __init__(self) -> None:
        self._first = 0  # cell that the table begins with
        self._until: npt.NDArray[np.float64] = np.zeros((1, 3, 1))

    def __len__(self) -> int:
        """How many cells were added, those forgotten among them."""
        return self._first + len(self._until) - 1

    def add(self, cells: Array) -> None:
        """Go on with (num_cells, 3, channels) sums of a part of the run."""
        until = np.zeros((len(self._until) + len(cells), *cells.shape[1:]), np.float64)
        until[: len(self._until)] = self._until
        # A tenth of the time of numpy's cumsum, which goes down each column
        for idx, cell in enumerate(cells, len(self._until)):
            np.add(until[idx - 1], cell, out=until[idx])
        self._until = until

    def forget(self, before: int) -> None:
        """Drop the cells before this one, of which no more spans come."""
        gone = min(max(before, self._first), len(self)) - self._first
        self._first, self._until = self._first + gone, self._until[gone:].copy()

    def statistics(self, spans: npt.ArrayLike) -> Array:
        """Return (num_spans, 2 * channels): weighted mean and deviation of the frames of each span.

        spans : (num_spans, 2) array, first and one past the last cell; kept inside the run
        """
        last = len(self._until) - 1
        starts = np.clip(np.asarray(spans, np.int64)[:, 0] - self._first, 0, last - 1)
        ends = np.clip(np.asarray(spans, np.int64)[:, 1] - self._first, starts + 1, last)
        channels = self._until.shape[2]
        found = np.empty((len(starts), 2 * channels), np.float32)
        for at in range(0, len(starts), SPANS_AT_ONCE):
            some = slice(at, at + SPANS_AT_ONCE)
            weight, first, second = np.moveaxis(self._until[ends[some]] - self._until[starts[some]], 1, 0)
            mean = first / weight
            found[some, :channels] = mean
            found[some, channels:] = np.sqrt(np.maximum(second / weight - mean**2, LEAST_VARIANCE))
        return found


def num_cells(rows: Array, first: int, end: int) -> int:
    """Return how many cells of ``CELL`` rows a stretch has; the last may be shorter where the rows end."""
    return min(max(1, (end - first) // CELL), -(-(len(rows) - first) // CELL))


def parts_of(rows: Array, first: int, total: int) -> list[tuple[int, int]]:
    """Return (first, one past the last) cells of the parts in which a stretch is heard: even ones, each up to a pause.

    rows : (num_rows, 80) log mel rows
    first : row with which the stretch begins; total : its cells

    Beyond the end of a part the network hears little that matters where nobody speaks, so a short context is enough.
    """
    bounds = np.linspace(0, total, -(-total // MOST_CELLS) + 1).astype(int)
    for idx, at in enumerate(bounds[1:-1].tolist(), 1):
        around = rows[first + (at - REACH - 1) * CELL : first + (at + REACH + 1) * CELL]
        loudness = around.reshape(-1, CELL * NUM_BINS).mean(axis=1)  # of each cell
        bounds[idx] += int(np.argmin(loudness[:-1] + loudness[1:])) - REACH
    return list(pairwise(bounds.tolist()))


def _in_cells(frames: Array, weights: Array, length: int) -> Array:
    """(num_cells, 3, channels) sums of both, each (channels, num_frames), of so many frames in a cell.

    The last cell may be shorter.
    """
    num_channels, num_frames = frames.shape
    missing = -num_frames % length
    cells: Array = np.empty(((num_frames + missing) // length, 3, num_channels), np.float32)
    for at in range(0, num_channels, CHANNELS_AT_ONCE):
        some = slice(at, at + CHANNELS_AT_ONCE)
        shares = np.exp(np.minimum(weights[some], MOST_WEIGHT))
        weighted = shares * frames[some]
        for which, channels in enumerate((shares, weighted, weighted * frames[some])):
            padded = np.pad(channels, ((0, 0), (0, missing))) if missing else channels
            by_frame = padded.reshape(len(channels), -1, length)
            total = by_frame[:, :, 0].copy()
            for frame in range(1, length):
                total += by_frame[:, :, frame]
            cells[:, which, some] = total.T
    return cells


class OnnxEmbedder:
    """An embedder in ONNX Runtime: (batch, frames, 80) log mel rows, less their mean over the window, to vectors.

    device : one of ``table.DEVICES``; looked for when it is first used

    Its vectors are of the weights that the file holds when it is first used; where that is replaced, one that is made
    then has the new ones. Raises ModelError when the model is not on this machine, or damaged; nothing is loaded yet.
    """

    def __init__(self, name: str = DEFAULT_EMBEDDER, device: str = "cpu") -> None:
        card = table.card(name)
        files.path(name)
        self.name = card.name
        self.dimension = card.dimension
        self.min_speech = card.min_speech
        self.device = device
        self._is_snipped = card.front_end == "kaldi-snipped"
        self._weights: str | None = None  # their fingerprint, from the first use on

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_weights": None}

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
        return not self._is_snipped and sessions.can_be_cut(self.name, self._meant())

    def pool(self, rows: Array, first: int, end: int, spans: npt.ArrayLike) -> Array:
        """Return the unit vectors of spans of a stretch, (num_spans, dimension); the network hears each row once.

        rows : (num_rows, 80) log mel rows
        first, end : first and one past the last row of the stretch
        spans : (num_spans, 2) array, first and one past the last cell of ``CELL`` rows, counted from ``first``;
            kept inside the ``num_cells`` of the stretch

        What no more spans need is forgotten, so a long stretch takes no more memory than a short one.
        """
        spans = np.asarray(spans, np.int64)
        vectors: Array = np.empty((len(spans), self.dimension), np.float32)
        sums, waiting = Sums(), np.arange(len(spans))
        total = num_cells(rows, first, end)
        ends = np.minimum(spans[:, 1], total)
        for cells in self._cells(rows, first, end):
            sums.add(cells)
            is_whole = ends[waiting] <= len(sums)
            ready, waiting = waiting[is_whole], waiting[~is_whole]
            if len(ready):
                vectors[ready] = self._pooled(sums.statistics(spans[ready]))
            sums.forget(int(spans[waiting, 0].min(initial=len(sums))))
        return vectors

    def _cells(self, rows: Array, first: int, end: int) -> Iterator[Array]:
        """(num_cells, 3, channels) sums of what the network makes of a stretch, a part of it at a time."""
        session = self._session("front")
        (source,) = (one.name for one in session.get_inputs())
        total = max(1, (end - first) // CELL)
        for start, stop in parts_of(rows, first, total):
            at, until = first + start * CELL, min(first + stop * CELL, len(rows))
            before = max(0, at - CONTEXT)
            heard = rows[before : until + CONTEXT]
            frames, weights = session.run(None, {source: (heard - heard.mean(axis=0))[None]})
            period = max(1, round(len(heard) / frames.shape[2]))  # rows for each frame of the network
            if CELL % period:
                frames, weights, period = (*(np.repeat(one, period, axis=2) for one in (frames, weights)), 1)
            inside = slice((at - before) // period, -(-(until - before) // period))
            cells = _in_cells(frames[0, :, inside], weights[0, :, inside], CELL // period)
            del frames, weights  # 9 MB and more, not to be held while the next part is heard
            yield cells

    def _pooled(self, statistics: Array) -> Array:
        """The unit vectors of spans, (num_spans, dimension) float32, from their ``Sums.statistics``."""
        session = self._session("head")
        (vectors,) = session.run(None, {session.get_inputs()[0].name: statistics.T[None]})
        return unit(np.asarray(vectors[0], np.float32).T)

    def rest(self) -> None:
        """Give back the memory that the network took for the longest stretch; the next one takes it anew."""
        session = self._session("front" if self.can_pool else "whole")
        if session.get_providers()[0] == "CPUExecutionProvider":
            shrinking = sessions.runtime().RunOptions()
            shrinking.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
            session.run(None, {session.get_inputs()[0].name: np.zeros((1, CONTEXT, NUM_BINS), np.float32)}, shrinking)

    def _session(self, part: sessions.Part) -> onnxruntime.InferenceSession:
        return sessions.session(self.name, self.device, part, self._meant())

    def _meant(self) -> str:
        if self._weights is None:
            self._weights = files.fingerprint(self.name)
        return self._weights

    def _vectors(self, batch: Array) -> Array:
        batch = batch - batch.mean(axis=1, keepdims=True)
        session = self._session("whole")
        (vectors,) = session.run(None, {session.get_inputs()[0].name: batch})
        return unit(np.asarray(vectors, np.float32))
