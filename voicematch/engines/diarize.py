"""Who speaks when: the built-in diarizer, one streaming pass over the sound.

    blocks ─▶ log mel ─▶ speech probability ─▶ stretches of speech ─▶ windows of 1.5 s ─▶ vectors     (block by block)
    vectors ─▶ clusters ─▶ turns, and the vectors of each speaker                                    (at the end)

Only vectors and probabilities outlive their block, so memory hardly grows with the length of the episode.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from ..audio import SAMPLE_RATE
from ..models import files
from ..models.table import DEFAULT_EMBEDDER, is_known
from ..types import Array, Diarization, Progress, Sound, Turn
from .cluster import Backend, Labels, cluster
from .embed import Embedder, OnnxEmbedder
from .features import FRAMES_PER_SECOND, HOP, log_mel
from .speech import CHANGE, FRAME, SPEECH, SpeechDetector, default_detector, regions
from .windows import STEP, Clock, Heard, embeddings_of, place

SHORTEST_TURN = 0.2  # s
LONGEST_GAP = 0.5  # s; a shorter silence between two stretches of one speaker is part of their turn
REACH = 0.5  # s; how far a change of speaker is moved to a pause
FAR = 0.3  # probability of speech that a pause must gain for each second it is farther away
BACKEND = ".backend.npz"  # after the embedder's name: its Backend, made by models/train/tune_clustering.py
LONGEST_WAIT = 60.0  # s of speech without a pause after which it is cut all the same


class Diarizer(Protocol):
    """Finds the turns of an episode and what each voice is like."""

    @property
    def name(self) -> str: ...

    def diarize(
        self,
        audio: Sound,
        embedder: Embedder,
        *,
        speakers: tuple[int, int] | None = None,
        progress: Progress | None = None,
    ) -> Diarization:
        """Turns and speakers of the whole recording.

        speakers : (fewest, most); None finds the number
        progress : called with "listen" as the sound goes by and "cluster" at the end
        """


class BuiltinDiarizer:
    """Speech detection, windows, vectors, clustering: offline, on a CPU. The same input gives the same output.

    Within an episode, the built-in embedder tells voices apart for an embedder of the table of models that has no
    backend. Measured with ecapa-small on the development episodes, TTS: DER 3.8 % with its backend, 13.6 % with what
    the episode itself shows.
    """

    name = "built-in"

    def __init__(self, detector: Callable[[], SpeechDetector] = default_detector) -> None:
        self._detector = detector

    def diarize(
        self,
        audio: Sound,
        embedder: Embedder,
        *,
        speakers: tuple[int, int] | None = None,
        progress: Progress | None = None,
    ) -> Diarization:
        clock, guide = Clock(), guide_of(embedder)
        both = embedder if guide is None else _Both(guide, embedder)
        heard = listen(audio, both, clock, progress, self._detector)
        if progress:
            progress("cluster", 0.0, 1.0)
        if guide is None:
            diarization = conclude(heard, embedder, clock, speakers=speakers)
        else:
            guided, own = copy(heard), copy(heard)
            guided.vectors, own.vectors = np.hsplit(heard.vectors, [guide.dimension])
            diarization = conclude(guided, guide, clock, speakers=speakers)
            voices = embeddings_of(own, diarization.turns, embedder.min_speech)
            diarization = replace(diarization, embeddings=voices)
        if progress:
            progress("cluster", 1.0, 1.0)
        return diarization


def guide_of(embedder: Embedder) -> Embedder | None:
    """Who tells voices apart in place of an embedder of which the clustering knows nothing; None for the others."""
    if embedder.name == DEFAULT_EMBEDDER or not is_known(embedder.name):
        return None
    return OnnxEmbedder(device="auto")


class _Both:
    """Two embedders as one: their vectors side by side in a row."""

    def __init__(self, first: Embedder, second: Embedder) -> None:
        self._each = (first, second)
        self.name = f"{first.name} and {second.name}"
        self.dimension = first.dimension + second.dimension
        self.min_speech = max(first.min_speech, second.min_speech)

    def embed(self, samples: Array, windows: npt.NDArray[np.int64], features: Array | None = None) -> Array:
        return np.concatenate([one.embed(samples, windows, features) for one in self._each], axis=1)


def conclude(heard: Heard, embedder: Embedder, clock: Clock, *, speakers: tuple[int, int] | None = None) -> Diarization:
    """Who speaks when, from what was heard; ``embedder`` says which vectors these are."""
    if not len(heard.vectors):
        return Diarization((), {}, heard.duration, clock.seconds)
    fewest, most = speakers or (1, None)
    with clock("clustering"):
        backend = _backend(embedder, heard)
        joined = heard.windows[1:, 0] <= heard.windows[:-1, 1]
        labels = cluster(heard.vectors, backend=backend, joined=joined, min_speakers=fewest, max_speakers=most)
    with clock("boundaries"):
        turns = _turns(heard, labels)
        embeddings = embeddings_of(heard, turns, embedder.min_speech)
    return Diarization(turns, embeddings, heard.duration, clock.seconds)


def kept_backend(embedder: Embedder) -> Backend | None:
    """What is known of the embedder's vectors from the file beside its model; None when there is none."""
    file = files.beside(embedder.name, BACKEND)
    return None if file is None else Backend.load(file)


def _backend(embedder: Embedder, heard: Heard) -> Backend:
    """What is known of the embedder's vectors, else what the episode itself shows."""
    kept = kept_backend(embedder)
    if kept is not None:
        return kept
    apart = heard.windows[2:, 0] - heard.windows[:-2, 1]
    first = np.flatnonzero(np.abs(apart) < STEP / 2)
    return Backend.of_episode(heard.vectors, np.stack([first, first + 2], axis=1))


class _Features:
    """Log mel rows of a stream, row for row those of the whole recording (but for the very last)."""

    def __init__(self) -> None:
        self._samples = np.empty(0, np.float32)
        self._first = True

    def process(self, samples: Array, last: bool = False) -> Array:
        """The rows that are now decided. Rows at a cut would see a mirror image there, so they wait for more sound."""
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
    """One pass over the sound: what is said, where, and the vectors of it."""
    detector, features = detector_of(), _Features()
    heard = Heard(embedder.dimension)
    pending = _Pending()
    total = audio.estimate() or 0.0
    num_samples = 0
    blocks = iter(audio.blocks())
    while True:
        with clock("decode"):
            block = next(blocks, None)
        if block is None:
            break
        num_samples += len(block)
        _hear(block, detector, features, pending, clock)
        _embed(pending, detector, embedder, heard, clock)
        if progress:
            done = num_samples / SAMPLE_RATE
            progress("listen", done, max(total, done))
    with clock("features"):
        pending.add(np.empty(0, np.float32), features.process(np.empty(0, np.float32), last=True))
    with clock("speech"):
        pending.probabilities = np.concatenate([pending.probabilities, detector.finish()])
    _embed(pending, detector, embedder, heard, clock, last=True)
    heard.duration = num_samples / SAMPLE_RATE
    heard.spans = [(start, min(end, heard.duration)) for start, end in heard.spans]
    return heard


class _Pending:
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


def _hear(block: Array, detector: SpeechDetector, features: _Features, pending: _Pending, clock: Clock) -> None:
    with clock("features"):
        rows = features.process(block)
    with clock("speech"):
        probabilities = detector.process(block, rows)
    pending.add(block, rows)
    pending.probabilities = np.concatenate([pending.probabilities, probabilities])


def _embed(
    pending: _Pending,
    detector: SpeechDetector,
    embedder: Embedder,
    heard: Heard,
    clock: Clock,
    last: bool = False,
) -> None:
    """Embed the speech up to the last pause and forget its sound."""
    ready = min(len(pending.probabilities), len(pending.rows) // 2)
    with clock("speech"):
        found = regions(pending.probabilities[:ready, SPEECH], onset=detector.onset, offset=detector.offset)
    if not last:
        margin = 2.0  # s; what follows may still belong to the last stretch
        long = ready * FRAME > LONGEST_WAIT
        if not long:
            found = [span for span in found if span[1] < ready * FRAME - margin]
        ready = ready if long else round(found[-1][1] / FRAME) if found else 0
    offset = pending.frame * FRAME
    windows = [window for span in found for window in place(span, ready * FRAME)]
    if windows:
        with clock("embedding"):
            # on the grid of the features, so that their rows serve as they are
            bounds = np.rint(np.array(windows) * FRAMES_PER_SECOND).astype(np.int64) * HOP
            bounds = np.minimum(bounds, len(pending.samples))
            long_enough = bounds[:, 1] - bounds[:, 0] >= embedder.min_speech * SAMPLE_RATE
            vectors = embedder.embed(pending.samples, bounds[long_enough], features=pending.rows)
        heard.windows = np.concatenate([heard.windows, np.array(windows)[long_enough] + offset])
        heard.vectors = np.concatenate([heard.vectors, vectors])
    heard.spans += [(start + offset, end + offset) for start, end in found]
    heard.probabilities.append(pending.probabilities[:ready].astype(np.float16))
    pending.drop(ready)


def _turns(heard: Heard, labels: Labels) -> tuple[Turn, ...]:
    """Each moment of speech goes to the window whose centre is nearest."""
    if not len(labels):
        return ()
    centres = heard.windows.mean(axis=1)
    order = np.argsort(centres, kind="stable")
    centres, labels = centres[order], labels[order]
    cuts = _snapped((centres[1:] + centres[:-1])[labels[1:] != labels[:-1]] / 2, heard.probabilities)
    pieces: list[tuple[float, float, int]] = []
    for start, end in heard.spans:
        inner = cuts[(cuts > start + SHORTEST_TURN) & (cuts < end - SHORTEST_TURN)]
        for first, last in zip((start, *inner.tolist()), (*inner.tolist(), end), strict=True):
            if last - first >= SHORTEST_TURN:
                nearest = int(np.argmin(np.abs(centres - (first + last) / 2)))
                pieces.append((first, last, int(labels[nearest])))
    joined: list[tuple[float, float, int]] = []
    for start, end, label in pieces:
        if joined and joined[-1][2] == label and start - joined[-1][1] <= LONGEST_GAP:
            joined[-1] = (joined[-1][0], end, label)
        else:
            joined.append((start, end, label))
    names = {label: f"SPEAKER_{idx:02d}" for idx, label in enumerate(dict.fromkeys(label for _, _, label in joined))}
    return tuple(Turn(start, end, names[label]) for start, end, label in joined)


def _snapped(cuts: npt.NDArray[np.float64], probabilities: list[npt.NDArray[np.float16]]) -> npt.NDArray[np.float64]:
    """Changes of speaker moved to the likeliest pause nearby: a window tells only roughly where a voice begins."""
    heard = uniform_filter1d(np.concatenate(probabilities).astype(np.float32), 5, axis=0)
    heard = heard[:, SPEECH] - heard[:, CHANGE]
    snapped = []
    for cut in cuts:
        first = max(0, round((cut - REACH) / FRAME))
        near = heard[first : round((cut + REACH) / FRAME) + 1]
        away = np.abs((np.arange(first, first + len(near)) + 0.5) * FRAME - cut)
        snapped.append((first + int(np.argmin(near + FAR * away)) + 0.5) * FRAME if len(near) else cut)
    return np.maximum.accumulate(np.array(snapped, dtype=np.float64))
