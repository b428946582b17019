"""Hears an episode once: blocks of sound to stretches of speech, and to vectors of windows in them.

Vectors are made on threads of their own, a stretch or two behind the first, which decodes and looks for speech. Only
vectors and probabilities outlive their block, so memory hardly grows with the length of the episode.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..audio import SAMPLE_RATE
from ..models import sessions
from ..types import Array, Progress, Sound
from .embed import CELL, Embedder, OnnxEmbedder, num_cells
from .features import FRAMES_PER_SECOND, HOP, log_mel
from .speech import FRAME, SPEECH, SpeechDetector, default_detector, regions
from .windows import MOMENT, MOMENT_STEP, Clock, Heard, Moments, in_bytes, place

MOST_WAITING = 2  # stretches of sound that wait to be embedded
MOST_THREADS = 2  # that embed, where the embedder is known to serve several
LONGEST_WAIT = 60.0  # s of speech without a pause after which it is cut all the same
MARGIN = 2.0  # s; what follows a stretch more closely may still belong to it
M_MMAP_THRESHOLD, LARGE = -3, 8 << 20  # of malloc.h, and bytes
M_TRIM_THRESHOLD, LEFT = -1, 16 << 20
LONGEST_SILENCE = 1.0  # s; over a longer one the network is not run


class Features:
    """Log mel rows of a stream, row for row those of the whole recording (but for the very last)."""

    def __init__(self) -> None:
        self._samples = np.empty(0, np.float32)
        self._first = True

    def process(self, samples: Array, last: bool = False) -> Array:
        """Return the rows that are decided. Rows at a cut would see a mirror image there; they wait for more sound."""
        joined = np.concatenate([self._samples, samples])
        rows = log_mel(joined)
        keep = len(joined) // HOP
        start = 0 if self._first else 1
        if last:
            return rows[start:]
        end = max(keep - 1, start)
        if end <= start:
            self._samples = joined
            return rows[:0]
        self._samples, self._first = joined[(end - 1) * HOP :], False
        return rows[start:end]


def listen(
    audio: Sound,
    embedder: Embedder,
    clock: Clock,
    progress: Progress | None = None,
    detector_of: Callable[[], SpeechDetector] = default_detector,
) -> Heard:
    """Listen to the sound in one pass: what is said, where, and the vectors of it."""
    _give_back_large_arrays()
    detector, features = detector_of(), Features()
    heard = Heard(embedder.dimension)
    pending = Pending()
    total = audio.estimate() or 0.0
    num_samples = 0
    blocks = iter(audio.blocks())
    with Queue(embedder, heard, clock) as embedding:
        while True:
            with clock("decode"):
                block = next(blocks, None)
            if block is None:
                break
            num_samples += len(block)
            _hear(block, detector, features, pending, clock)
            embedding.put(spoken_of(pending, detector, embedder, heard, clock))
            if progress:
                done = num_samples / SAMPLE_RATE
                progress("listen", done, max(total, done))
        with clock("features"):
            pending.add(np.empty(0, np.float32), features.process(np.empty(0, np.float32), last=True))
        with clock("speech"):
            pending.probabilities = np.concatenate([pending.probabilities, detector.finish()])
        embedding.put(spoken_of(pending, detector, embedder, heard, clock, last=True))
    heard.duration = num_samples / SAMPLE_RATE
    heard.spans = [(start, min(end, heard.duration)) for start, end in heard.spans]
    return heard


@functools.cache
def _give_back_large_arrays() -> None:
    """Have the memory of every large array go back to the system with the array; of 5 h that is an eighth of the most.

    glibc lets the size from which it does so grow with what is freed, and keeps smaller ones for later (mallopt(3)).
    What it keeps no longer grows by itself then, and would be fetched from the system again and again.
    """
    if sys.platform == "linux" and (set_option := getattr(ctypes.CDLL(None), "mallopt", None)):
        set_option(M_MMAP_THRESHOLD, LARGE)
        set_option(M_TRIM_THRESHOLD, LEFT)


@dataclass(frozen=True, slots=True, eq=False)
class _Spoken:
    """Sound with windows of speech in it, all times from its own beginning, ``offset`` seconds into the episode."""

    samples: Array
    rows: Array
    windows: npt.NDArray[np.float64]
    offset: float


_Heard = tuple[Array, list[Moments], float]
"""The vectors of windows, those of moments, and how many seconds they took."""


class Queue:
    """Embeds what is put on threads of its own, while the next block is decoded and searched for speech.

    What comes out is in the order of what was put. Embedding takes longer than all else, so two stretches are embedded
    at a time; on the clock, both count. Each network runs on half of the cores: together they take less than one after
    the other on all.
    """

    def __init__(self, embedder: Embedder, heard: Heard, clock: Clock) -> None:
        self._embedder, self._heard, self._clock = embedder, heard, clock
        most = min(MOST_THREADS, sessions.num_cores()) if isinstance(embedder, OnnxEmbedder) else 1
        self._threads = ThreadPoolExecutor(most)
        self._waiting: deque[tuple[_Spoken, Future[_Heard]]] = deque()
        self._taken: list[tuple[npt.NDArray[np.float64], Array]] = []  # joined once, at the end: no copy for each

    def __enter__(self) -> Queue:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            self._take(0)
            self._heard.windows = np.concatenate([self._heard.windows, *(windows for windows, _ in self._taken)])
            self._heard.vectors = np.concatenate([self._heard.vectors, *(vectors for _, vectors in self._taken)])
            if self._taken and isinstance(self._embedder, OnnxEmbedder):
                self._embedder.rest()  # what comes now takes memory of its own
            self._taken.clear()

    def put(self, spoken: _Spoken | None) -> None:
        """Hand over more to embed. Raises what the embedder raised on what was put before."""
        if spoken is not None:
            self._waiting.append((spoken, self._threads.submit(self._hear, spoken)))
        self._take(MOST_WAITING)

    def _hear(self, spoken: _Spoken) -> _Heard:
        began = time.perf_counter()
        vectors, moments = _vectors(self._embedder, spoken)
        return vectors, moments, time.perf_counter() - began

    def _take(self, most: int) -> None:
        """Move into what is heard until no more than that many wait."""
        while len(self._waiting) > most or (self._waiting and self._waiting[0][1].done()):
            spoken, future = self._waiting.popleft()
            vectors, moments, seconds = future.result()
            self._clock.add("embedding", seconds)
            self._taken.append((spoken.windows + spoken.offset, vectors))
            self._heard.moments += [Moments(part.first + spoken.offset, part.vectors) for part in moments]


class Pending:
    """Sound that is heard but not yet embedded, all of it beginning at frame ``frame`` (20 ms) of the episode."""

    def __init__(self) -> None:
        self.frame = 0
        self.samples = np.empty(0, np.float32)
        self.rows = np.empty((0, 80), np.float32)
        self.probabilities = np.empty((0, 3), np.float32)

    def add(self, samples: Array, rows: Array) -> None:
        self.samples = np.concatenate([self.samples, samples])
        self.rows = np.concatenate([self.rows, rows])

    def drop(self, num_frames: int) -> None:
        self.frame += num_frames
        self.samples = self.samples[num_frames * round(FRAME * SAMPLE_RATE) :]
        self.rows = self.rows[num_frames * round(FRAME * FRAMES_PER_SECOND) :]
        self.probabilities = self.probabilities[num_frames:]


def _hear(block: Array, detector: SpeechDetector, features: Features, pending: Pending, clock: Clock) -> None:
    with clock("features"):
        rows = features.process(block)
    with clock("speech"):
        probabilities = detector.process(block, rows)
    pending.add(block, rows)
    pending.probabilities = np.concatenate([pending.probabilities, probabilities])


def spoken_of(
    pending: Pending,
    detector: SpeechDetector,
    embedder: Embedder,
    heard: Heard,
    clock: Clock,
    last: bool = False,
) -> _Spoken | None:
    """Take what is said up to the last pause, with windows to embed; its sound is forgotten here."""
    ready = min(len(pending.probabilities), len(pending.rows) // 2)
    is_long = not last and ready * FRAME > LONGEST_WAIT
    if is_long:  # cut all the same, but not so near to what follows that this would be too short to be speech
        ready -= round(MARGIN / FRAME)
    with clock("speech"):
        spans = regions(pending.probabilities[:ready, SPEECH], onset=detector.onset, offset=detector.offset)
    if not last and not is_long:
        spans = [span for span in spans if span[1] < ready * FRAME - MARGIN]
        ready = round(spans[-1][1] / FRAME) if spans else 0
    offset = pending.frame * FRAME
    windows = np.array([window for span in spans for window in place(span, ready * FRAME)]).reshape(-1, 2)
    windows = windows[windows[:, 1] - windows[:, 0] >= embedder.min_speech]
    spoken = _Spoken(pending.samples, pending.rows, windows, offset) if len(windows) else None
    heard.spans += [(start + offset, end + offset) for start, end in spans]
    heard.probabilities.append(pending.probabilities[:ready].astype(np.float16))
    pending.drop(ready)
    return spoken


def vectors_of(embedder: Embedder, samples: Array, windows: npt.NDArray[np.float64]) -> Array:
    """Return the vectors of windows (in seconds) of sound that is all at hand, as `listen` makes them."""
    return _vectors(embedder, _Spoken(samples, log_mel(samples), windows, 0.0))[0]


def _vectors(embedder: Embedder, spoken: _Spoken) -> tuple[Array, list[Moments]]:
    """(num_windows, dimension) vectors of the windows, and those of moments beside them."""
    windows = spoken.windows
    if not (isinstance(embedder, OnnxEmbedder) and embedder.can_pool):
        # on the grid of the features, so that their rows serve as they are
        bounds = np.rint(windows * FRAMES_PER_SECOND).astype(np.int64) * HOP
        bounds = np.minimum(bounds, len(spoken.samples))
        return embedder.embed(spoken.samples, bounds, features=spoken.rows), []
    vectors: Array = np.empty((len(windows), embedder.dimension), np.float32)
    moments: list[Moments] = []
    cells = FRAMES_PER_SECOND / CELL
    for first, last, inside in _runs(windows):
        begin, end = round(first * FRAMES_PER_SECOND), round(last * FRAMES_PER_SECOND)
        most = num_cells(spoken.rows, begin, end) - round(MOMENT * cells)
        starts = np.arange(0, most + 1, round(MOMENT_STEP * cells))
        spans = np.rint((windows[inside] - first) * cells).astype(np.int64)
        near = np.stack([starts, starts + round(MOMENT * cells)], axis=1)
        found = embedder.pool(spoken.rows, begin, end, np.concatenate([spans, near]))
        vectors[inside] = found[: len(spans)]
        if len(near):
            moments.append(Moments(first + MOMENT / 2, in_bytes(found[len(spans) :])))
    return vectors, moments


def _runs(windows: npt.NDArray[np.float64]) -> Iterator[tuple[float, float, npt.NDArray[np.int64]]]:
    """(start, end, windows) of stretches of sound that the network hears at one go: windows hardly a pause apart."""
    ends = np.maximum.accumulate(windows[:, 1])
    breaks = np.flatnonzero(windows[1:, 0] - ends[:-1] > LONGEST_SILENCE) + 1
    for part in np.split(np.arange(len(windows)), breaks):
        yield float(windows[part[0], 0]), float(ends[part[-1]]), part
