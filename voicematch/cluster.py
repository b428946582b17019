"""Vectors of windows to speakers. Pure numpy and scipy; memory and time are bounded for an episode of many hours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage

from voicematch.types import Array

Labels = npt.NDArray[np.int64]

MOST_AT_ONCE = 3000  # vectors; their distances take 36 MB and the linkage 0.2 s
FINE = 0.6  # share of the threshold at which blocks of a long episode are first clustered


def cluster(
    vectors: Array,
    *,
    threshold: float,
    min_speakers: int = 1,
    max_speakers: int | None = None,
) -> Labels:
    """The speaker of each vector, (num_vectors,) from 0 in order of first appearance.

    vectors : (num_vectors, dimension) array of unit rows, in order of time
    threshold : cosine distance (0 … 2) at which two groups are two speakers
    min_speakers, max_speakers : honoured as long as there are that many vectors

    Agglomerative clustering, average linkage. More vectors than ``MOST_AT_ONCE`` are first joined into small pure
    groups within blocks of time, and the groups' means are clustered.
    """
    if not 1 <= min_speakers <= (max_speakers or min_speakers):
        raise ValueError(f"no such number of speakers: {min_speakers} to {max_speakers}")
    groups = _groups(vectors, threshold)
    means = np.stack([vectors[groups == group].mean(axis=0) for group in range(groups.max(initial=-1) + 1)])
    labels = _cut(means, threshold, min_speakers, max_speakers)[groups] if len(vectors) else groups
    return renumbered(labels)


def _groups(vectors: Array, threshold: float) -> Labels:
    """Small groups of one voice: each vector its own, unless there are too many for one linkage."""
    if len(vectors) <= MOST_AT_ONCE:
        return np.arange(len(vectors))
    labels = np.empty(len(vectors), np.int64)
    num_groups = 0
    for first in range(0, len(vectors), MOST_AT_ONCE):
        block = _cut(vectors[first : first + MOST_AT_ONCE], FINE * threshold, 1, MOST_AT_ONCE // 10)
        labels[first : first + MOST_AT_ONCE] = block + num_groups
        num_groups += block.max() + 1
    return labels


def _cut(vectors: Array, threshold: float, min_speakers: int, max_speakers: int | None) -> Labels:
    if len(vectors) < 2:
        return np.zeros(len(vectors), np.int64)
    tree = linkage(np.asarray(vectors, np.float64), "average", metric="cosine")
    labels = fcluster(tree, threshold, "distance")
    if labels.max() < min_speakers:
        labels = fcluster(tree, min(min_speakers, len(vectors)), "maxclust")
    elif max_speakers is not None and labels.max() > max_speakers:
        labels = fcluster(tree, max_speakers, "maxclust")
    return np.asarray(labels, np.int64) - 1


def renumbered(labels: Labels) -> Labels:
    """The same groups, counted from 0 in order of first appearance.

    >>> renumbered(np.array([7, 7, 2, 7])).tolist()
    [0, 0, 1, 0]
    """
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
