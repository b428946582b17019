"""Vectors of windows to speakers. Pure numpy and scipy; memory and time are bounded for an episode of many hours.

Agglomerative clustering over-divides; a Bayesian hidden Markov model over the sequence of windows then drops the
speakers that the vectors do not need (VBx: Landini et al., "Bayesian HMM clustering of x-vector sequences", 2022, whose
F_A and F_B are named below). What is usual for one voice and between voices comes from a ``Backend``; ``parting`` looks
the speakers through once more.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..types import Array
from .backend import Backend
from .grouping import MOST_AT_ONCE, Labels, Numbers, halved, linked, means_of, renumbered, smoothed, unit_length, ward
from .parting import alike_joined, found_again, halves_parted, unlike_parted

MOST_GROUPS = 80  # of one linkage that are kept; the smallest beyond are left to find their place

# Chosen by hand on simulated shows, of people whom the embedder was trained on and of others (models/train/shows.py);
# models/HISTORY.md says in which the development episodes had a part.
THRESHOLD = 0.7  # cosine distance below which groups are joined at first; too low costs time, too high merges people
PARSIMONY = 20.0  # F_B: the larger, the fewer speakers
CAUTION = 1.0  # F_B at the start, where only what is surely one voice is made one
STAY = 0.95  # probability that the next window is the same speaker's, before anything is heard
RESCALED = 10  # windows, after which what is carried on is scaled: each may take all but a share of 1e-6 of it


def cluster(
    vectors: Array,
    *,
    backend: Backend,
    joined: npt.NDArray[np.bool_] | None = None,
    min_speakers: int = 1,
    max_speakers: int | None = None,
) -> Labels:
    """Return the speaker of each vector, (num_vectors,) from 0 in order of first appearance.

    vectors : (num_vectors, dimension) array of unit rows, in order of time
    joined : (num_vectors - 1,) bool array, whether a vector's sound goes on into the next one's; None for all
    min_speakers, max_speakers : honoured as long as there are that many vectors
    """
    if not 1 <= min_speakers <= (max_speakers or min_speakers):
        raise ValueError(f"no such number of speakers: {min_speakers} to {max_speakers}")
    if len(vectors) == 0:
        return np.zeros(0, np.int64)
    rows = backend.project(vectors)
    links = np.ones(len(rows) - 1, dtype=bool) if joined is None else joined
    start = _merged(rows, _start(smoothed(rows, links)), backend, CAUTION)
    for parsimony in (PARSIMONY, 0.7 * PARSIMONY, 0.5 * PARSIMONY, 0.25 * PARSIMONY):
        labels = _settle(rows, start, backend, parsimony=parsimony)
        if labels.max() + 1 >= min_speakers:
            break
        max_speakers = max_speakers or min_speakers
    labels = alike_joined(vectors, labels, backend.alike, min_speakers)
    labels = unlike_parted(vectors, labels, links, backend.unlike)
    labels = found_again(vectors, labels, start, links, backend.unlike)
    labels = halves_parted(vectors, labels, links, backend)
    return renumbered(_bounded(rows, labels, backend, min_speakers, max_speakers))


def _start(rows: Numbers) -> Labels:
    """Too many speakers rather than too few, block by block; a block's smallest groups beyond ``MOST_GROUPS`` go."""
    labels = np.empty(len(rows), np.int64)
    num_groups = 0
    for first in range(0, len(rows), MOST_AT_ONCE):
        block = rows[first : first + MOST_AT_ONCE]
        groups = linked(block, THRESHOLD)
        sizes = np.bincount(groups)
        kept = np.sort(np.argsort(-sizes, kind="stable")[:MOST_GROUPS])
        lost = ~np.isin(groups, kept)
        groups[lost] = kept[(block[lost] @ unit_length(means_of(block, groups)[kept]).T).argmax(axis=1)]
        labels[first : first + MOST_AT_ONCE] = renumbered(groups) + num_groups
        num_groups += len(kept)
    return labels


def _merged(rows: Numbers, labels: Labels, backend: Backend, parsimony: float) -> Labels:
    """The labels with those speakers made one, pair by pair, of whom the evidence says that they are.

    The evidence of one speaker, in the model of ``_settle`` with its means integrated out, is
    F_B / 2 (precision mean² - log precision), summed over the axes; a pair is merged when one has more than two.
    """
    between, ratio = backend.between, backend.evidence / parsimony
    sizes = np.bincount(labels).astype(np.float64)
    sums = means_of(rows, labels) * sizes[:, None] * np.sqrt(between)

    def evidence(size: Numbers, total: Numbers) -> Numbers:
        precision = 1 + ratio * size[..., None] * between
        nats: Numbers = ((ratio * total) ** 2 / precision - np.log(precision)).sum(axis=-1)
        return nats

    alone = evidence(sizes, sums)

    def gains_of(idx: int) -> Numbers:
        gains: Numbers = evidence(sizes + sizes[idx], sums + sums[idx]) - alone - alone[idx]
        gains[idx] = -np.inf
        return gains

    gains = np.stack([gains_of(idx) for idx in range(len(sizes))])
    into_by_label = np.arange(len(sizes))
    while (best := float(gains.max())) > 0:
        into, gone = np.unravel_index(int(gains.argmax()), gains.shape)
        into_by_label[into_by_label == gone] = into
        sizes[into] += sizes[gone]
        sums[into] += sums[gone]
        alone[into] += alone[gone] + best
        gains[gone, :] = gains[:, gone] = -np.inf
        gone_already = np.isneginf(gains[into]) & (np.arange(len(sizes)) != into)
        gains[into] = np.where(gone_already, -np.inf, gains_of(int(into)))
        gains[:, into] = gains[into]
    return renumbered(into_by_label[labels])


def _settle(
    rows: Numbers,
    labels: Labels,
    backend: Backend,
    *,
    parsimony: float = PARSIMONY,
    keep_all: bool = False,
    iterations: int = 20,
) -> Labels:
    """Variational Bayes from a first guess; a speaker whose share of the windows vanishes is dropped.

    keep_all : the number of speakers is given: their shares stay equal, so that none vanishes
    """
    num_speakers = int(labels.max()) + 1
    shares = np.full(num_speakers, 1 / num_speakers)
    weights = np.where(np.eye(num_speakers)[labels] > 0, 1.0, np.exp(-7.0))
    weights /= weights.sum(axis=1, keepdims=True)
    between, evidence = backend.between, backend.evidence
    scaled = rows * np.sqrt(between)
    last = -np.inf
    for _ in range(iterations):
        # Precision and mean of each speaker's vector, given who speaks when
        precision = 1 + evidence / parsimony * weights.sum(axis=0)[:, None] * between
        means = evidence / parsimony * (weights.T @ scaled) / precision
        # Expected log likelihood, without what is the same for all speakers
        likelihood = evidence * (scaled @ means.T - 0.5 * (1 / precision + means**2) @ between)
        weights, expected, log_evidence = _forward_backward(likelihood, shares)
        bound = log_evidence + parsimony * 0.5 * (1 - np.log(precision) - 1 / precision - means**2).sum()
        if not keep_all:
            shares = expected / expected.sum()
            kept = shares > 1e-4
            if not kept.all():
                shares, weights = shares[kept] / shares[kept].sum(), weights[:, kept]
                last = -np.inf
                continue
        if bound - last < 1e-3 * abs(bound) / len(rows):
            break
        last = bound
    return renumbered(weights.argmax(axis=1))


def _forward_backward(likelihood: Numbers, shares: Numbers) -> tuple[Numbers, Numbers, float]:
    """Probability of each speaker in each window, expected entries into each speaker, and the log evidence.

    likelihood : (num_windows, num_speakers) array of logarithms
    shares : (num_speakers,) array, where a change of speaker leads

    A step is a product with the matrix of transitions; what is carried on is scaled now and then, before it underflows.
    """
    largest = likelihood.max(axis=1, keepdims=True)
    seen = likelihood - largest
    np.exp(seen, out=seen)
    moves = STAY * np.eye(len(shares)) + (1 - STAY) * shares[:, None]  # to each speaker from each
    forward, backward = np.empty_like(seen), np.ones_like(seen)
    forward[0] = seen[0] * shares
    log_scale = 0.0
    for at in range(1, len(seen)):
        np.dot(moves, forward[at - 1], out=forward[at])
        forward[at] *= seen[at]
        if at % RESCALED == 0:
            scale = forward[at].sum()
            forward[at] /= scale
            log_scale += float(np.log(scale))
    ahead = moves.T.copy()
    for at in range(len(seen) - 2, -1, -1):
        np.dot(ahead, seen[at + 1] * backward[at + 1], out=backward[at])
        if at % RESCALED == 0:
            backward[at] /= backward[at].sum()
    weights = forward * backward
    weights /= weights.sum(axis=1, keepdims=True)
    reached = seen[1:] * backward[1:]
    ways = ((forward[:-1] @ ahead) * reached).sum(axis=1)  # in which two windows may follow each other
    entries = (1 - STAY) * shares * ((forward[:-1].sum(axis=1) / ways) @ reached)
    log_evidence = log_scale + float(np.log(forward[-1].sum()) + largest.sum())
    return weights, weights[0] + entries, log_evidence


def _bounded(rows: Numbers, labels: Labels, backend: Backend, fewest: int, most: int | None) -> Labels:
    """The labels with speakers merged or split, the least loss first, until their number is in the range."""
    num_found = num_speakers = int(labels.max()) + 1
    fewest = min(fewest, len(rows))
    while most is not None and num_speakers > most:
        sizes, means = np.bincount(labels), means_of(rows, labels)
        costs = ward(sizes[:, None], sizes[None, :], means[:, None], means[None, :])
        np.fill_diagonal(costs, np.inf)
        into, gone = sorted(np.unravel_index(int(costs.argmin()), costs.shape))
        labels = renumbered(np.where(labels == gone, into, labels))
        num_speakers -= 1
    while num_speakers < fewest:
        halves = [halved(rows[labels == speaker]) for speaker in range(num_speakers)]
        split = int(np.argmax([gain for gain, _ in halves]))
        labels[np.flatnonzero(labels == split)[halves[split][1]]] = num_speakers
        num_speakers += 1
    if num_speakers != num_found:
        settled = _settle(rows, labels, backend, keep_all=True)
        if len(np.unique(settled)) == num_speakers:
            return settled
    return labels
