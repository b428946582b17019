"""Every clip of a manifest decoded once, with where somebody speaks in it.

Writes to a folder: ``speech.npy`` and ``noise.npy`` (all samples, 16 bits), ``speech.json`` and ``noise.json`` (where
each clip lies in them), ``active.npy`` (speech or not, every 10 ms of ``speech.npy``).
"""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from augment import decode
from numpy.typing import NDArray

log = logging.getLogger(__name__)

Samples = NDArray[np.float32]
SAMPLE_RATE = 16_000
STEP = 160  # samples between two values of ``active``
LEVEL = 0.05  # root mean square that clips are brought to before a detector hears them
QUIET_DB = 40.0  # below a clip's loud frames: not speech, whatever the detector says
PAUSE = 50  # steps; shorter pauses belong to the speech around them, as in the reference labels


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip: samples start to end of the array. ``kind``: noise, music or rir, or the corpus of a speaker."""

    speaker: str
    kind: str
    start: int
    end: int


def build(manifest: Path, folder: Path, name: str) -> None:
    """Write ``name.npy`` and ``name.json`` from a manifest with columns path, speaker (or corpus), kind (optional)."""
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    clips, blocks, position = [], [], 0
    for number, row in enumerate(rows):
        samples = decode(str(manifest.parent / row["path"]))
        samples = samples[: len(samples) // STEP * STEP]
        who = row.get("speaker") or row["corpus"]
        kind = row.get("kind") or row.get("corpus") or "speech"
        clips.append(Clip(who, kind, position, position + len(samples)))
        blocks.append(samples)
        position += len(samples)
        if number % 1_000 == 0:
            log.info("%s: %d of %d files", name, number, len(rows))
    np.save(folder / f"{name}.npy", np.concatenate(blocks))
    (folder / f"{name}.json").write_text(json.dumps([asdict(clip) for clip in clips]), encoding="utf-8")


def load(folder: Path, name: str) -> tuple[NDArray[np.int16], list[Clip]]:
    """The samples (memory-mapped) and the clips written by ``build``."""
    clips = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return np.load(folder / f"{name}.npy", mmap_mode="r"), [Clip(**clip) for clip in clips]


def runs(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(num_runs, 2) first and one past the last position of each stretch of True.

    >>> runs(np.array([True, True, False, True])).tolist()
    [[0, 2], [3, 4]]
    """
    edges = np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1)


def close_gaps(mask: NDArray[np.bool_], longest: int) -> NDArray[np.bool_]:
    """The mask with every gap of at most ``longest`` steps between two stretches of True filled.

    >>> close_gaps(np.array([False, True, False, True, False]), 1).tolist()
    [False, True, True, True, False]
    """
    closed = mask.copy()
    stretches = runs(mask)
    for (_, end), (start, _) in pairwise(stretches):
        if start - end <= longest:
            closed[end:start] = True
    return closed


def energies(samples: Samples) -> Samples:
    """(num_samples // 160,) level of each 10 ms in dB, smoothed over 50 ms."""
    power = np.square(samples[: len(samples) // STEP * STEP].reshape(-1, STEP)).mean(axis=1)
    smooth = 10 * np.log10(np.convolve(power, np.full(5, 0.2), mode="same") + 1e-10)
    return smooth.astype(np.float32)


def activity(samples: Samples, probabilities: Samples | None) -> NDArray[np.bool_]:
    """(num_samples // 160,) whether the one speaker of a clip speaks, pauses up to half a second included.

    probabilities : of speech, by a detector; without one the level alone decides, which needs clean clips
    """
    level = energies(samples)
    loud = float(np.percentile(level, 95)) if len(level) else 0.0
    if probabilities is None:
        floor = float(np.percentile(level, 5))
        return close_gaps(level > max(loud - 30, floor + 0.3 * (loud - floor)), PAUSE)
    return close_gaps((probabilities[: len(level)] > 0.5) & (level > loud - QUIET_DB), PAUSE)


def label(folder: Path, detector: Callable[[Samples], Samples] | None) -> None:
    """Write ``active.npy``: the detector hears all clips, levelled, one after the other."""
    samples, clips = load(folder, "speech")
    active = np.zeros(len(samples) // STEP, bool)
    group: list[Clip] = []
    for number, clip in enumerate(clips):
        group.append(clip)
        if number + 1 < len(clips) and clip.end - group[0].start < 300 * SAMPLE_RATE:
            continue
        levelled = np.concatenate([_levelled(samples[one.start : one.end]) for one in group])
        heard = detector(levelled) if detector is not None else None
        for one in group:
            first, last = (one.start - group[0].start) // STEP, (one.end - group[0].start) // STEP
            part = levelled[first * STEP : last * STEP]
            active[one.start // STEP : one.end // STEP] = activity(part, None if heard is None else heard[first:last])
        log.info(
            "labelled %d of %d clips, %.0f %% speech", number + 1, len(clips), 100 * active[: clip.end // STEP].mean()
        )
        group = []
    np.save(folder / "active.npy", active)


def _levelled(samples: NDArray[np.int16]) -> Samples:
    scaled = samples.astype(np.float32) / np.float32(32_768)
    level = float(np.sqrt(np.mean(np.square(scaled)))) if len(scaled) else 0.0
    return scaled * np.float32(LEVEL / max(level, 1e-5))
