"""Who speaks when: the built-in diarizer, one streaming pass over the sound.

    blocks ─▶ log mel ─▶ speech probability ─▶ stretches of speech ─▶ windows of 1.5 s ─▶ vectors     (block by block)
    vectors ─▶ clusters ─▶ turns, and the vectors of each speaker                                    (at the end)

Vectors are made on a second thread, a stretch behind. Only vectors and probabilities outlive their block, so memory hardly grows with the length of the episode.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from voicematch import models
from voicematch.audio import SAMPLE_RATE
from voicematch.cluster import Backend, Labels, cluster
from voicematch.embed import CELL, Embedder, OnnxEmbedder
from voicematch.features import FRAMES_PER_SECOND, HOP, log_mel
from voicematch.score import unit
from voicematch.speech import CHANGE, FRAME, SPEECH, SpeechDetector, default_detector, regions
from voicematch.types import Array, Diarization, Embedding, Progress, Sound, Turn

WINDOW = 1.5  # s of speech in one vector: long enough to tell voices apart, short enough to hold one
STEP = 0.75  # s between windows
MOMENT = 0.7  # s of speech in a vector that tells when a voice changes
MOMENT_STEP = 0.1  # s between them
LONGEST_SILENCE = 1.0  # s; over a longer one the network is not run
STRETCH = 10.0  # s of one speaker's speech in one embedding of the answer
FOREIGN = 0.2  # s of somebody else that a window of a speaker's embedding may hear
SHORTEST_TURN = 0.2  # s
LONGEST_GAP = 0.5  # s; a shorter silence between two stretches of one speaker is part of their turn
REACH = 0.5  # s; how far a change of speaker is moved to a pause
FAR = 0.3  # probability of speech that a pause must gain for each second it is farther away
BACKEND = ".backend.npz"  # after the embedder's name: its Backend, made by models/train/tune_clustering.py
BLOCK = 60.0  # s of sound decoded at a time: eight windows of the speech detector, which are quicker together
MOST_WAITING = 2  # stretches of sound that wait to be embedded
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
    is_known = models.beside(embedder.name, BACKEND) is not None
    if is_known or embedder.name not in models.MODELS or embedder.name == models.DEFAULT_EMBEDDER:
        return None
    return OnnxEmbedder(device="auto")


class _Both:
    """Two embedders as one: their vectors side by side in a row."""

    def __init__(self, first: Embedder, second: Embedder) -> None:
        self.each = (first, second)
        self.name = f"{first.name} and {second.name}"
        self.dimension = first.dimension + second.dimension
        self.min_speech = max(first.min_speech, second.min_speech)

    def embed(self, samples: Array, windows: npt.NDArray[np.int64], features: Array | None = None) -> Array:
        return np.concatenate([one.embed(samples, windows, features) for one in self.each], axis=1)


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
    file = models.beside(embedder.name, BACKEND)
    return None if file is None else Backend.load(file)


def _backend(embedder: Embedder, heard: Heard) -> Backend:
    """What is known of the embedder's vectors, else what the episode itself shows."""
    kept = kept_backend(embedder)
    if kept is not None:
        return kept
    apart = heard.windows[2:, 0] - heard.windows[:-2, 1]
    first = np.flatnonzero(np.abs(apart) < STEP / 2)
    return Backend.of_episode(heard.vectors, np.stack([first, first + 2], axis=1))


class Clock:
    """Wall time by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Vectors of short spans at close intervals: too short to say who speaks, close enough to say when that changes.

    first : middle of the first span, in seconds; the next ones follow every ``MOMENT_STEP``
    vectors : (num_moments, dimension) float16 array of unit rows
    """

    first: float
    vectors: npt.NDArray[np.float16]


class Heard:
    """What is left of an episode once its sound has gone by.

    spans : stretches of speech, in seconds
    probabilities : what the speech detector said, in pieces of (num_frames, 3)
    windows : (num_windows, 2) array, seconds
    vectors : (num_windows, dimension) unit rows
    moments : beside the windows, where the embedder can pool its frames anywhere; in order of time
    """

    def __init__(self, dimension: int) -> None:
        self.spans: list[tuple[float, float]] = []
        self.windows: npt.NDArray[np.float64] = np.empty((0, 2))
        self.vectors: Array = np.empty((0, dimension), np.float32)
        self.moments: list[Moments] = []
        self.probabilities: list[npt.NDArray[np.float16]] = []
        self.duration = 0.0


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
    pending = Pending()
    total = audio.estimate() or 0.0
    num_samples = 0
    blocks = iter(audio.blocks(BLOCK))
    with Embedding_(embedder, heard, clock) as embedding:
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


@dataclass(frozen=True, slots=True, eq=False)
class _Spoken:
    """Sound with windows of speech in it, all times from its own beginning, ``offset`` seconds into the episode."""

    samples: Array
    rows: Array
    windows: npt.NDArray[np.float64]
    offset: float


class Embedding_:
    """Embeds what it is given on a thread of its own, in order, while the next block is decoded and searched for speech.

    Each network runs on half of the cores: together they take less than one after the other on all.
    """

    def __init__(self, embedder: Embedder, heard: Heard, clock: Clock) -> None:
        self._embedder, self._heard, self._clock = embedder, heard, clock
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[tuple[_Spoken, Future[tuple[Array, list[Moments]]]]] = deque()

    def __enter__(self) -> Embedding_:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._thread.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            self._take(0)

    def put(self, spoken: _Spoken | None) -> None:
        """Raises what the embedder raised on what was put before."""
        if spoken is not None:
            self._waiting.append((spoken, self._thread.submit(self._vectors, spoken)))
        self._take(MOST_WAITING)

    def _vectors(self, spoken: _Spoken) -> tuple[Array, list[Moments]]:
        with self._clock("embedding"):
            return _vectors(self._embedder, spoken)

    def _take(self, most: int) -> None:
        """Move into what is heard until no more than that many wait."""
        heard = self._heard
        while len(self._waiting) > most or (self._waiting and self._waiting[0][1].done()):
            spoken, future = self._waiting.popleft()
            vectors, moments = future.result()
            heard.windows = np.concatenate([heard.windows, spoken.windows + spoken.offset])
            heard.vectors = np.concatenate([heard.vectors, vectors])
            heard.moments += [Moments(part.first + spoken.offset, part.vectors) for part in moments]


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


def _hear(block: Array, detector: SpeechDetector, features: _Features, pending: Pending, clock: Clock) -> None:
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
    """What is said up to the last pause, with windows to embed; its sound is forgotten here."""
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
    windows = np.array([window for span in found for window in place(span, ready * FRAME)]).reshape(-1, 2)
    windows = windows[windows[:, 1] - windows[:, 0] >= embedder.min_speech]
    spoken = _Spoken(pending.samples, pending.rows, windows, offset) if len(windows) else None
    heard.spans += [(start + offset, end + offset) for start, end in found]
    heard.probabilities.append(pending.probabilities[:ready].astype(np.float16))
    pending.drop(ready)
    return spoken


def _vectors(
    embedder: Embedder, spoken: _Spoken
) -> tuple[Array, list[Moments]]:
    """(num_windows, dimension) vectors of the windows, and those of moments beside them."""
    windows = spoken.windows
    if isinstance(embedder, _Both):
        vectors, moments = zip(*(_vectors(one, spoken) for one in embedder.each), strict=True)
        return np.concatenate(vectors, axis=1), moments[0]
    if not (isinstance(embedder, OnnxEmbedder) and embedder.can_pool):
        # on the grid of the features, so that their rows serve as they are
        bounds = np.rint(windows * FRAMES_PER_SECOND).astype(np.int64) * HOP
        bounds = np.minimum(bounds, len(spoken.samples))
        return embedder.embed(spoken.samples, bounds, features=spoken.rows), []
    vectors, moments = np.empty((len(windows), embedder.dimension), np.float32), []
    for first, last, inside in _runs(windows):
        sums = embedder.sums(spoken.rows, round(first * FRAMES_PER_SECOND), round(last * FRAMES_PER_SECOND))
        cells = FRAMES_PER_SECOND / CELL
        vectors[inside] = embedder.pooled(sums.statistics(np.rint((windows[inside] - first) * cells)))
        starts = np.arange(0, len(sums) - round(MOMENT * cells) + 1, round(MOMENT_STEP * cells))
        if len(starts):
            spans = np.stack([starts, starts + round(MOMENT * cells)], axis=1)
            moments.append(Moments(first + MOMENT / 2, embedder.pooled(sums.statistics(spans)).astype(np.float16)))
    return vectors, moments


def _runs(windows: npt.NDArray[np.float64]) -> Iterator[tuple[float, float, npt.NDArray[np.int64]]]:
    """(start, end, windows) of stretches of sound that the network hears at one go: windows hardly a pause apart."""
    ends = np.maximum.accumulate(windows[:, 1])
    breaks = np.flatnonzero(windows[1:, 0] - ends[:-1] > LONGEST_SILENCE) + 1
    for part in np.split(np.arange(len(windows)), breaks):
        yield float(windows[part[0], 0]), float(ends[part[-1]]), part


def place(span: tuple[float, float], limit: float) -> list[tuple[float, float]]:
    """Windows of 1.5 s that cover a stretch of speech evenly, at most 0.75 s apart; a short one gets one around it.

    limit : end of the sound at hand; no window reaches past it

    >>> place((1.0, 4.0), 10.0)
    [(1.0, 2.5), (1.75, 3.25), (2.5, 4.0)]
    """
    start, end = span
    if end - start <= WINDOW:
        first = max(0.0, min((start + end - WINDOW) / 2, limit - WINDOW))
        return [(first, min(first + WINDOW, limit))]
    num_steps = int(np.ceil((end - start - WINDOW) / STEP - 1e-9))
    return [(float(s), float(s) + WINDOW) for s in np.linspace(start, end - WINDOW, num_steps + 1)]


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


def embeddings_of(heard: Heard, turns: tuple[Turn, ...], min_speech: float) -> dict[str, tuple[Embedding, ...]]:
    """For each speaker an embedding per stretch of about ``STRETCH``: the mean of the windows in their turns."""
    embeddings: dict[str, tuple[Embedding, ...]] = {}
    for speaker in dict.fromkeys(turn.speaker for turn in turns):
        own = [turn for turn in turns if turn.speaker == speaker]
        others = [turn for turn in turns if turn.speaker != speaker]
        windows_by_turn = _within(heard.windows, own, others)
        stretches = [_embedding(heard, stretch) for stretch in _stretches(windows_by_turn)]
        if sum(stretch.seconds for stretch in stretches) >= min_speech:
            embeddings[speaker] = tuple(stretches)
    return embeddings


Spoken = tuple[int, float, float]
"""A window's index, and the part of it, in seconds, that the turn covers and the window before does not."""


def _within(windows: npt.NDArray[np.float64], own: list[Turn], others: list[Turn]) -> list[list[Spoken]]:
    """The windows of each turn that hardly hear anybody else; if there is none in all turns, those that do."""
    other_starts = np.array([turn.start for turn in others])
    other_ends = np.array([turn.end for turn in others])
    clean: list[list[Spoken]] = []
    mixed: list[list[Spoken]] = []
    centres = windows.mean(axis=1)
    for turn in own:
        inside = np.flatnonzero((centres >= turn.start) & (centres < turn.end))
        ends = np.minimum(windows[inside, 1], turn.end)
        starts = np.maximum(windows[inside, 0], np.concatenate([[turn.start], ends[:-1]])[: len(inside)])
        heard = [(int(i), float(min(a, b)), float(b)) for i, a, b in zip(inside, starts, ends, strict=True)]
        foreign = [
            np.clip(np.minimum(other_ends, windows[i, 1]) - np.maximum(other_starts, windows[i, 0]), 0, None).sum()
            for i in inside
        ]
        clean.append([one for one, seconds in zip(heard, foreign, strict=True) if seconds <= FOREIGN])
        mixed.append(heard)
    return clean if any(clean) else mixed


def _stretches(windows_by_turn: list[list[Spoken]]) -> list[list[Spoken]]:
    """Long turns in even parts, short ones together: a stretch mixes as few turns as it can."""
    per_stretch = round(STRETCH / STEP)
    stretches: list[list[Spoken]] = []
    together: list[Spoken] = []
    for windows in windows_by_turn:
        if len(windows) >= per_stretch:
            parts = np.array_split(np.arange(len(windows)), -(-len(windows) // per_stretch))
            stretches += [[windows[i] for i in part] for part in parts]
            continue
        together += windows
        if len(together) >= per_stretch:
            stretches.append(together)
            together = []
    if together:
        stretches.append(together)
    return sorted(stretches)


def _embedding(heard: Heard, stretch: list[Spoken]) -> Embedding:
    vector = unit(heard.vectors[[idx for idx, _, _ in stretch]].mean(axis=0))
    return Embedding(vector, sum(end - start for _, start, end in stretch), stretch[0][1], stretch[-1][2])
