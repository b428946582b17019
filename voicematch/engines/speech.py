"""Where somebody speaks, where two do, and where the voice changes: probabilities for every 20 ms.

A detector hears the episode block by block and forgets the sound as it goes; what it returns is small.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..models import sessions
from ..types import Array

DEFAULT_SPEECH = "segmentation-small"
FRAME = 0.02  # s; one probability for each
SPEECH, OVERLAP, CHANGE = 0, 1, 2  # columns of what a detector returns: somebody speaks, two do, the voice changes

LONGEST_PAUSE = 0.3  # s; a shorter silence inside speech is a breath, not an end
SHORTEST_SPEECH = 0.1  # s; less is a click


class SpeechDetector(Protocol):
    """Hears an episode from its first block to its last; made anew for each.

    onset, offset : probabilities above which speech begins and below which it ends, for ``regions``
    """

    onset: float
    offset: float

    def process(self, samples: Array, features: Array) -> Array:
        """Return probabilities in the frames now decided, (num_frames, 3); they may lag behind the samples.

        samples : (num_samples,) float32 array, the next block
        features : (num_rows, 80) log mel rows of the same stretch of sound
        """

    def finish(self) -> Array:
        """Return the probabilities of the frames that were still open."""


def regions(
    probabilities: Array,
    *,
    onset: float = 0.5,
    offset: float = 0.4,
    longest_pause: float = LONGEST_PAUSE,
    shortest: float = SHORTEST_SPEECH,
    padding: float = 0.0,
) -> list[tuple[float, float]]:
    """Return stretches of speech in seconds, in order and apart by more than a pause.

    probabilities : (num_frames,) array, one for every 20 ms
    onset, offset : hysteresis; speech begins above ``onset`` and lasts while it stays above ``offset``
    padding : seconds that are speech on either side of a stretch, for a detector that hears edges late

    >>> regions(np.float32([0] * 50 + [1] * 100 + [0] * 50))
    [(1.0, 3.0)]
    """
    active = hysteresis(probabilities, onset, offset)
    spans: list[tuple[float, float]] = []
    last = len(probabilities) * FRAME
    for first, end in runs(active):
        if (end - first) * FRAME < shortest:
            continue
        start, stop = max(0.0, first * FRAME - padding), min(last, end * FRAME + padding)
        if spans and start - spans[-1][1] <= longest_pause:
            spans[-1] = (spans[-1][0], stop)
        else:
            spans.append((start, stop))
    return spans


def hysteresis(probabilities: Array, onset: float, offset: float) -> np.typing.NDArray[np.bool_]:
    """Return the frames of every run above ``offset`` that somewhere rises above ``onset``, (num_frames,) bool."""
    active = np.zeros(len(probabilities), dtype=bool)
    for first, end in runs(probabilities > offset):
        active[first:end] = bool((probabilities[first:end] > onset).any())
    return active


def runs(flags: np.typing.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the (first, one past the last) index of every run of True.

    >>> runs(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


class SegmentationDetector:
    """The project's segmentation model: who of up to three local speakers is active, in windows of 17.6 s.

    Its classes are sets of speakers (Plaquet and Bredin, "Powerset multi-class cross entropy loss for neural speaker
    diarization", 2023): nobody, A, B, C, A+B, A+C, B+C. All but the first and last seconds are heard in two
    windows; who A is changes from window to window, so they are averaged only over what does not depend on it. The
    level of a window does not matter to it: quiet voices are heard.
    """

    onset, offset = 0.5, 0.4
    WINDOW, HOP = 1760, 880  # rows of 10 ms, multiples of 4; trained on 10 s, it hears as well in more
    FADE = 62  # frames over which a window's edges count little: there it has heard only one side
    SPAN = 25  # frames on either side that a change of voice is judged from
    SILENCE = float(np.log(2.0**-23))  # rows of digital silence
    MEMBERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], np.float32)

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows = np.empty((0, 80), np.float32)
        self._sums = np.zeros((self.WINDOW // 2, 3), np.float32)
        self._weights = np.zeros((self.WINDOW // 2, 1), np.float32)
        ramp = np.arange(1, self.WINDOW // 2 + 1)
        self._fade = np.minimum(ramp, ramp[::-1]).clip(max=self.FADE).astype(np.float32)[:, None]

    def process(self, samples: Array, features: Array) -> Array:
        self._rows = np.concatenate([self._rows, features])
        starts = range(0, len(self._rows) - self.WINDOW + 1, self.HOP)
        if not starts:
            return np.empty((0, 3), np.float32)
        decided = self._heard(np.stack([self._rows[start : start + self.WINDOW] for start in starts]))
        self._rows = self._rows[len(starts) * self.HOP :]
        return decided

    def finish(self) -> Array:
        num_frames = len(self._rows) // 2
        missing = self.WINDOW - len(self._rows)
        padded = np.pad(self._rows, ((0, missing), (0, 0)), constant_values=self.SILENCE)
        decided = self._heard(padded[None])
        return np.concatenate([decided, self._sums / np.maximum(self._weights, 1)])[:num_frames]

    def _heard(self, windows: Array) -> Array:
        """Run the model and return the frames that no later window reaches."""
        session = sessions.session(self._name)
        (posteriors,) = session.run(None, {session.get_inputs()[0].name: windows})
        decided, hop = [], self.HOP // 2
        for classes in np.asarray(posteriors, np.float32):
            self._sums += self._fade * self._columns(classes)
            self._weights += self._fade
            decided.append(self._sums[:hop] / self._weights[:hop])
            self._sums = np.pad(self._sums[hop:], ((0, hop), (0, 0)))
            self._weights = np.pad(self._weights[hop:], ((0, hop), (0, 0)))
        return np.concatenate(decided)

    def _columns(self, classes: Array) -> Array:
        voices = classes @ self.MEMBERS
        sums = np.concatenate([np.zeros((1, 3), np.float32), np.cumsum(voices, axis=0)])
        means = (sums[self.SPAN :] - sums[: -self.SPAN]) / self.SPAN
        change = np.zeros(len(voices), np.float32)
        change[self.SPAN : len(voices) - self.SPAN + 1] = (
            np.abs(means[self.SPAN :] - means[: -self.SPAN]).sum(axis=1) / 2
        )
        return np.stack([1 - classes[:, 0], classes[:, 4:].sum(axis=1), np.minimum(change, 1)], axis=1)


def default_detector() -> SpeechDetector:
    """Open a detector for one episode, with the model that comes with the package."""
    return SegmentationDetector(DEFAULT_SPEECH)
