"""Labels of vectors, and what groups of vectors are made with: means, linkage, halves. Numpy and scipy alone."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from ..types import Array

Labels = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Rows = TypeVar("Rows", Array, Numbers)

MOST_AT_ONCE = 2000  # vectors in one linkage: their distances take 16 MB


def renumbered(labels: Labels) -> Labels:
    """Return the same groups, counted from 0 in order of first appearance.

    >>> renumbered(np.array([7, 7, 2, 7])).tolist()
    [0, 0, 1, 0]
    """
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def unit_length(rows: Numbers) -> Numbers:
    """Scale each row, the last axis, to length 1; a row of zeros stays."""
    scaled: Numbers = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    return scaled


def means_of(rows: Array | Numbers, labels: Labels) -> Numbers:
    """Return the mean of the rows of each label from 0 to the largest, (num_labels, dimension)."""
    sums = np.zeros((int(labels.max()) + 1, rows.shape[1]))
    for at in range(0, len(rows), MOST_AT_ONCE):  # in double precision without a copy of all
        some = slice(at, at + MOST_AT_ONCE)
        np.add.at(sums, labels[some], rows[some].astype(np.float64, copy=False))
    means: Numbers = sums / np.maximum(np.bincount(labels), 1)[:, None]
    return means


def smoothed(rows: Rows, joined: npt.NDArray[np.bool_]) -> Rows:
    """Add half of its neighbours to each row, and scale it: less noise for the linkage, which cannot see time.

    joined : (num_rows - 1,) bool array, whether a row's sound goes on into the next one's
    """
    mixed = rows.copy()
    mixed[1:] += 0.5 * rows[:-1] * joined[:, None]
    mixed[:-1] += 0.5 * rows[1:] * joined[:, None]
    mixed /= np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-12)
    return mixed


def linked(rows: Numbers, distance: float) -> Labels:
    """Return the groups of at most ``MOST_AT_ONCE`` rows by average linkage up to that cosine distance."""
    if len(rows) < 2:
        return np.zeros(len(rows), np.int64)
    unit = unit_length(rows)
    square = unit @ unit.T
    np.subtract(1, square, out=square)
    distances = squareform(np.clip(square, 0, 2, out=square), checks=False)  # a row of zeros is far from all
    del square
    return np.asarray(fcluster(linkage(distances, "average"), distance, "distance"), np.int64) - 1


def halved(rows: Array | Numbers) -> tuple[float, npt.NDArray[np.bool_]]:
    """Return what splitting these rows in two would gain, and which of them go; two-means from the widest axis."""
    if len(rows) < 2:
        return -1.0, np.zeros(len(rows), dtype=bool)
    mean = rows.mean(axis=0, dtype=np.float64)
    spread = rows.T @ rows - len(rows) * np.outer(mean, mean)
    side = rows @ np.linalg.eigh(spread)[1][:, -1].astype(rows.dtype)
    goes = side > np.median(side)
    for _ in range(10):
        if goes.all() or not goes.any():
            return 0.0, np.arange(len(rows)) == len(rows) - 1
        here, there = two_means(rows, goes)
        goes = rows @ (there - here).astype(rows.dtype) > (there @ there - here @ here) / 2
    if goes.all() or not goes.any():
        return 0.0, np.arange(len(rows)) == len(rows) - 1
    return float(ward(np.array((~goes).sum()), np.array(goes.sum()), *two_means(rows, goes))), goes


def two_means(rows: Array | Numbers, goes: npt.NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
    """Return the means of the rows that stay and of those that go, without a copy of either."""
    both = np.stack([~goes, goes])
    here, there = np.asarray(both @ rows, np.float64) / both.sum(axis=1, keepdims=True)
    return here, there


def ward(num_a: npt.NDArray[np.int64], num_b: npt.NDArray[np.int64], a: Numbers, b: Numbers) -> Numbers:
    """Return the growth of the squared error when two groups become one (Ward 1963)."""
    cost: Numbers = num_a * num_b / (num_a + num_b) * ((a - b) ** 2).sum(axis=-1)
    return cost
