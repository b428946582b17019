"""Where somebody speaks: a probability for every 20 ms, and the stretches of speech that follow from it.

The detector hears the episode block by block and forgets the sound as it goes; what it returns is small.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from voicematch.errors import ModelError
from voicematch.types import Array

if TYPE_CHECKING:
    import onnxruntime

SAMPLE_RATE = 16_000
FRAME = 0.02  # s; one probability for each
FRAME_SAMPLES = 320

ONSET, OFFSET = 0.25, 0.18  # speech begins above the one and ends below the other
LONGEST_PAUSE = 0.35  # s; a shorter silence inside speech is a breath, not an end
SHORTEST_SPEECH = 0.1  # s; less is a click
PADDING = 0.03  # s; consonants at the edges are softer than what the detector hears first


class SpeechDetector(Protocol):
    """Hears an episode from its first block to its last; made anew for each."""

    def process(self, samples: Array, features: Array) -> Array:
        """Probabilities of speech in the frames that are now decided, (num_frames,); they may lag behind the samples.

        samples : (num_samples,) float32 array, the next block
        features : (num_rows, 80) log mel rows of the same stretch of sound
        """

    def finish(self) -> Array:
        """Probabilities of the frames that were still open."""


def regions(
    probabilities: Array,
    *,
    onset: float = ONSET,
    offset: float = OFFSET,
    longest_pause: float = LONGEST_PAUSE,
    shortest: float = SHORTEST_SPEECH,
    padding: float = PADDING,
) -> list[tuple[float, float]]:
    """Stretches of speech in seconds, in order and apart by more than a pause.

    probabilities : (num_frames,) array, one for every 20 ms
    onset, offset : hysteresis; speech begins above ``onset`` and lasts while it stays above ``offset``

    >>> regions(np.float32([0] * 50 + [1] * 100 + [0] * 50), padding=0.0)
    [(1.0, 3.0)]
    """
    active = hysteresis(probabilities, onset, offset)
    found: list[tuple[float, float]] = []
    last = len(probabilities) * FRAME
    for first, end in runs(active):
        if (end - first) * FRAME < shortest:
            continue
        start, stop = max(0.0, first * FRAME - padding), min(last, end * FRAME + padding)
        if found and start - found[-1][1] <= longest_pause:
            found[-1] = (found[-1][0], stop)
        else:
            found.append((start, stop))
    return found


def hysteresis(probabilities: Array, onset: float, offset: float) -> np.typing.NDArray[np.bool_]:
    """Frames of every run above ``offset`` that somewhere rises above ``onset``, (num_frames,) bool."""
    active = np.zeros(len(probabilities), dtype=bool)
    for first, end in runs(probabilities > offset):
        active[first:end] = bool((probabilities[first:end] > onset).any())
    return active


def runs(flags: np.typing.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, one past the last) index of every run of True.

    >>> runs(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def levelled(samples: Array, *, target: float = 0.1, reach: float = 1.5, most: float = 30.0) -> Array:
    """The samples with soft passages brought up and loud ones down, so that a quiet voice is heard beside a loud one.

    target : RMS that the loudest 0.1 s within ``reach`` seconds is brought to
    most : largest gain; silence stays silent
    """
    if len(samples) < FRAME_SAMPLES:
        return samples
    padded = np.pad(samples, (0, -len(samples) % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES)
    rms = np.sqrt(np.mean(padded**2, axis=1) + 1e-12)
    around = 2 * round(reach / FRAME) + 1
    loudness = maximum_filter1d(uniform_filter1d(rms, 5), around)
    gain = np.clip(target / uniform_filter1d(loudness, around), 1 / 3, most)
    centres = (np.arange(len(gain)) + 0.5) * FRAME_SAMPLES
    at = np.interp(np.arange(len(samples)), centres, gain)
    return (samples * at).astype(np.float32)


class SileroDetector:
    """Silero VAD v6 (MIT), run as one long sequence over the levelled sound."""

    CHUNK, CONTEXT = 512, 64  # samples that it takes at once, and that it sees of the chunk before

    def __init__(self) -> None:
        self._session = _silero()
        self._state = [np.zeros((1, 1, 128), np.float32), np.zeros((1, 1, 128), np.float32)]
        self._context = np.zeros(self.CONTEXT, np.float32)
        self._rest = np.zeros(0, np.float32)
        self._chunks = np.zeros(0, np.float32)  # probabilities of chunks that no frame has used up
        self._num_samples = self._num_frames = self._num_chunks_gone = 0

    def process(self, samples: Array, features: Array) -> Array:
        self._num_samples += len(samples)
        self._hear(np.concatenate([self._rest, levelled(samples)]))
        return self._frames(self._num_chunks_gone * self.CHUNK + len(self._chunks) * self.CHUNK)

    def finish(self) -> Array:
        self._hear(np.pad(self._rest, (0, -len(self._rest) % self.CHUNK)))
        return self._frames(self._num_samples)

    def _hear(self, samples: Array) -> None:
        whole = len(samples) // self.CHUNK * self.CHUNK
        self._rest = samples[whole:]
        if not whole:
            return
        chunks = samples[:whole].reshape(-1, self.CHUNK)
        before = np.vstack([self._context, chunks[:-1, -self.CONTEXT :]])
        self._context = chunks[-1, -self.CONTEXT :]
        h, c = self._state
        out, h, c = self._session.run(None, {"input": np.hstack([before, chunks]), "h": h, "c": c})
        self._state = [h, c]
        self._chunks = np.concatenate([self._chunks, np.asarray(out, np.float32).reshape(-1)])

    def _frames(self, until: int) -> Array:
        """Probabilities of the frames up to sample ``until``: each takes its centre's chunk."""
        last = until // FRAME_SAMPLES
        centres = (np.arange(self._num_frames, last) * FRAME_SAMPLES + FRAME_SAMPLES // 2) // self.CHUNK
        frames: Array = self._chunks[centres - self._num_chunks_gone]
        self._num_frames = last
        used = last * FRAME_SAMPLES // self.CHUNK
        self._chunks = self._chunks[used - self._num_chunks_gone :]
        self._num_chunks_gone = used
        return frames


def _silero() -> onnxruntime.InferenceSession:
    import onnxruntime

    package = find_spec("faster_whisper")
    if package is None or package.origin is None:
        raise ModelError("the speech detector is missing; pip install faster-whisper")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # one sequence: more threads do not help
    options.log_severity_level = 3
    file = Path(package.origin).parent / "assets" / "silero_vad_v6.onnx"
    return onnxruntime.InferenceSession(str(file), sess_options=options, providers=["CPUExecutionProvider"])
