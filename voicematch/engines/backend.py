"""What an embedder's vectors look like: how far those of one voice lie apart, and those of two.

One file for each embedder, made by `models/train/fit_engine.py` or `models/train/tune_clustering.py`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from ..types import Array
from .grouping import MOST_AT_ONCE, Numbers, unit_length

# Chosen by hand on simulated shows, of people whom the embedder was trained on and of others (models/train/shows.py);
# models/HISTORY.md says in which two the development episodes had a part.
EVENNESS = 0.1  # how far the spread within a voice is taken to be the same in all directions: few people tell it
SHRINKAGE = 0.5  # how far the centre of all voices moves from the training set's to the episode's own
EVIDENCE = 0.4  # F_A: windows overlap and resemble their neighbours, so each counts for less than an independent one;
# where the backend knows no better
ALIKE = 0.7  # cosine of two speakers' mean vectors from which they are one person; where the backend knows no better


@dataclass(frozen=True, eq=False)
class Backend:
    """What an embedder's vectors look like: two-covariance PLDA, diagonal after projection.

    mean : (dimension,) array, of all voices
    projection : (dimension, num_axes) array; along each axis the spread within one voice is 1
    between : (num_axes,) array, the variance between voices along each axis, largest first
    alike : cosine of two speakers' mean vectors from which they are one person in two rooms or moods
    unlike : cosine below which windows are not the voice of the speaker whom they were given to; -1 never finds any
    apart : cosine of the halves of a speaker's windows below which they are two people; -1 never finds any
    evidence : how much a window counts, F_A; less where the axes say the same twice

    The cosines are of whole vectors, not projected; they are chosen on simulated shows (`models/train/fit_engine.py`).
    """

    mean: Numbers
    projection: Numbers
    between: Numbers
    alike: float = ALIKE
    unlike: float = -1.0
    apart: float = -1.0
    evidence: float = EVIDENCE

    @classmethod
    def estimate(cls, vectors: Array, speakers: npt.NDArray[np.int64], num_axes: int = 100) -> Backend:
        """Estimate the backend of labelled vectors: the generalised eigenvectors of between against within (LDA).

        vectors : (num_vectors, dimension) array
        speakers : (num_vectors,) array; speakers with one vector tell nothing and are left out
        """
        mean = vectors.mean(axis=0, dtype=np.float64)
        centred = vectors - mean
        own = [centred[speakers == speaker] for speaker in np.unique(speakers)]
        own = [rows for rows in own if len(rows) > 1]
        if len(own) < 2:
            raise ValueError("needs two speakers of two vectors each")
        means = np.stack([rows.mean(axis=0) for rows in own])
        apart = np.concatenate([rows - rows.mean(axis=0) for rows in own])
        within = apart.T @ apart / (len(apart) - len(own))
        spread = np.cov(means.T) - within * np.mean([1 / len(rows) for rows in own])
        within = (1 - EVENNESS) * within + EVENNESS * np.trace(within) / len(within) * np.eye(len(within))
        values, axes = eigh(spread, within)
        order = np.argsort(-values)[: min(num_axes, len(values))]
        return cls(mean, axes[:, order], np.maximum(values[order], 1e-3))

    @classmethod
    def of_episode(cls, vectors: Array, pairs: npt.NDArray[np.int64], num_axes: int = 20) -> Backend:
        """Estimate a backend for an embedder that has none: windows that touch are mostly of one voice.

        vectors : (num_vectors, dimension) array
        pairs : (num_pairs, 2) array, indices of windows that touch and do not overlap
        """
        centred = vectors - vectors.mean(axis=0, dtype=np.float64)
        total = centred.T @ centred / max(1, len(centred) - 1)
        apart = centred[pairs[:, 1]] - centred[pairs[:, 0]]
        lengths = np.linalg.norm(apart, axis=1)
        apart = apart[lengths <= np.quantile(lengths, 0.8)] if len(apart) else apart  # without changes of speaker
        within = apart.T @ apart / max(1, 2 * len(apart))
        floor = max(np.trace(within), 0.1 * np.trace(total), 1e-6) / len(within)
        within = 0.8 * within + 0.2 * floor * np.eye(len(within))
        values, axes = eigh(total - within, within)
        order = np.argsort(-values)[: min(num_axes, len(values))]
        return cls(vectors.mean(axis=0, dtype=np.float64), axes[:, order], np.maximum(values[order], 0.05))

    def save(self, file: Path) -> None:
        """Write it, as float32, beside the model it belongs to."""
        file.write_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """What `load` reads, as a file has it."""
        file = io.BytesIO()
        arrays = {name: np.asarray(getattr(self, name)) for name in (*_ARRAYS, *_NUMBERS)}
        np.savez(file, **{name: array.astype(np.float32) for name, array in arrays.items()})  # type: ignore[arg-type]
        return file.getvalue()

    @classmethod
    def load(cls, file: Path) -> Backend:
        with np.load(io.BytesIO(file.read_bytes())) as kept:  # which would leave a damaged file open
            mean, projection, between = (kept[name].astype(np.float64) for name in _ARRAYS)
            numbers = {name: round(float(kept[name]), 3) for name in _NUMBERS if name in kept}
            if not all(np.isfinite(kept[name]).all() for name in (*_ARRAYS, *numbers)) or (between < 0).any():
                raise ValueError("a number out of range")
            return cls(mean, projection, between, **numbers)

    def project(self, vectors: Array) -> Numbers:
        """Project the vectors of one episode on the axes, scaled to the length that the model expects of them."""
        centre = self.mean + SHRINKAGE * (vectors.mean(axis=0, dtype=np.float64) - self.mean)
        length = np.sqrt((1 + self.between).sum())
        rows: Numbers = np.empty((len(vectors), self.projection.shape[1]))
        for at in range(0, len(vectors), MOST_AT_ONCE):  # in double precision without a copy of all
            some = slice(at, at + MOST_AT_ONCE)
            rows[some] = length * unit_length((vectors[some] - centre) @ self.projection)
        return rows


_ARRAYS = ("mean", "projection", "between")
_NUMBERS = ("alike", "unlike", "apart", "evidence")  # a file may have none
