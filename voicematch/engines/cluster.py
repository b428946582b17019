"""Vectors of windows to speakers. Pure numpy and scipy; memory and time are bounded for an episode of many hours.

Agglomerative clustering over-divides; a Bayesian hidden Markov model over the sequence of windows then drops the
speakers that the vectors do not need (VBx: Landini et al., "Bayesian HMM clustering of x-vector sequences", 2022, whose
F_A and F_B are named below). What is usual for one voice and between voices comes from a ``Backend``.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.linalg import eigh
from scipy.spatial.distance import squareform

from ..types import Array

Labels = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Rows = TypeVar("Rows", Array, Numbers)

MOST_AT_ONCE = 2000  # vectors in one linkage: their distances take 16 MB
MOST_GROUPS = 80  # of one linkage that are kept; the smallest beyond are left to find their place

# Chosen by hand on simulated shows, of people whom the embedder was trained on and of others (models/train/shows.py);
# models/README.md says in which two the development episodes had a part.
EVENNESS = 0.1  # how far the spread within a voice is taken to be the same in all directions: few people tell it
SHRINKAGE = 0.5  # how far the centre of all voices moves from the training set's to the episode's own
THRESHOLD = 0.7  # cosine distance below which groups are joined at first; too low costs time, too high merges people
EVIDENCE = 0.4  # F_A: windows overlap and resemble their neighbours, so each counts for less than an independent one;
# where the backend knows no better
PARSIMONY = 20.0  # F_B: the larger, the fewer speakers
CAUTION = 1.0  # F_B at the start, where only what is surely one voice is made one
ALIKE = 0.7  # cosine of two speakers' mean vectors from which they are one person; where the backend knows no better
CLOSE = 0.45  # mean cosine of smoothed windows from which they are one voice, where a speaker is looked through
FEWER = 0.55  # cosine, over their number, by which fewer windows of one voice may be farther from the rest of it
COHERENT = 0.6  # mean cosine of a window and the rest of its group from which the group may be one voice
TOGETHER = 0.4  # share of a group's windows that the next one follows; those at changes of speaker lie apart
LEAST_GROUP = 3  # windows of a voice that is found again
LEAST_HALF = 8  # windows on either side where a speaker is parted into two
MANY_WINDOWS = 40  # on either side, half a minute; halves of one voice are then as near as speakers who are one
CONSTANT = 0.97  # share of windows whose next one, of the same stretch of speech, is on the same side
LEAST_WINDOWS = 2  # that make a voice of its own; one alone may be a laugh or a change of speaker
RESCALED = 10  # windows, after which what is carried on is scaled: each may take all but a share of 1e-6 of it
STAY = 0.95  # probability that the next window is the same speaker's, before anything is heard


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
            rows[some] = length * _unit((vectors[some] - centre) @ self.projection)
        return rows


_ARRAYS = ("mean", "projection", "between")
_NUMBERS = ("alike", "unlike", "apart", "evidence")  # a file may have none


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
    start = _merged(rows, _start(_smoothed(rows, links)), backend, CAUTION)
    for parsimony in (PARSIMONY, 0.7 * PARSIMONY, 0.5 * PARSIMONY, 0.25 * PARSIMONY):
        labels = _settle(rows, start, backend, parsimony=parsimony)
        if labels.max() + 1 >= min_speakers:
            break
        max_speakers = max_speakers or min_speakers
    labels = _alike_joined(vectors, labels, backend.alike, min_speakers)
    labels = _unlike_parted(vectors, labels, links, backend.unlike)
    labels = _found_again(vectors, labels, start, links, backend.unlike)
    labels = _halves_parted(vectors, labels, links, backend)
    return renumbered(_bounded(rows, labels, backend, min_speakers, max_speakers))


def _alike_joined(vectors: Array, labels: Labels, alike: float, min_speakers: int) -> Labels:
    """The labels with those speakers made one, most alike first, whose mean vectors no two people come so near.

    Windows of one voice from one sitting are alike in more than the voice, and in a long episode there are enough of
    each sitting to be taken for speakers.
    """
    labels = renumbered(labels)
    while labels.max() + 1 > min_speakers:
        means = _unit(_means(vectors, labels))
        likeness = np.triu(means @ means.T, 1)
        if likeness.max() < alike:
            break
        kept, gone = np.unravel_index(int(likeness.argmax()), likeness.shape)
        labels = renumbered(np.where(labels == gone, kept, labels))
    return labels


def _unlike_parted(vectors: Array, labels: Labels, joined: npt.NDArray[np.bool_], unlike: float) -> Labels:
    """The labels with those windows given to another speaker, or to a new one, that are unlike the rest of their own.

    The model of ``_settle`` weighs a new speaker against the few windows that ask for one, and takes a guest who says
    little, or is like another, for that other. So each speaker's windows are put together once more by likeness alone:
    the largest group is the speaker, and every other has to be as near to it as windows of one voice are.
    """
    labels = renumbered(labels)
    voices: list[Numbers] = []
    strange: list[npt.NDArray[np.int64]] = []
    for speaker in range(int(labels.max()) + 1):
        first, *others = _groups(vectors, joined, np.flatnonzero(labels == speaker))
        voice = vectors[first].sum(axis=0, dtype=np.float64)
        for group in others:
            if len(group) < LEAST_WINDOWS or _is_near(vectors[group], voice, unlike):
                voice += vectors[group].sum(axis=0, dtype=np.float64)
            else:
                strange.append(group)
        voices.append(voice)
    for group in sorted(strange, key=lambda group: (-len(group), int(group[0]))):
        own = vectors[group].sum(axis=0, dtype=np.float64)
        nearest = int(np.argmax(_unit(np.stack(voices)) @ own))
        if _is_near(vectors[group], voices[nearest], unlike):
            labels[group] = nearest
        else:
            labels[group] = len(voices)
            voices.append(own)
    return labels


def _found_again(
    vectors: Array, labels: Labels, groups: Labels, joined: npt.NDArray[np.bool_], unlike: float
) -> Labels:
    """The labels with those groups of the first guess as speakers of their own that were scattered over others.

    groups : (num_vectors,) the first guess

    Somebody who says little costs the model of ``_settle`` more than it gains, and each of their windows goes to
    whoever is nearest. A group is a voice when its windows are near each other, follow each other, and are unlike
    every speaker.
    """
    labels = renumbered(labels)
    sizes = np.bincount(labels).tolist()
    sums = list(_means(vectors, labels) * np.array(sizes)[:, None])
    members = [np.flatnonzero(groups == number) for number in range(int(groups.max()) + 1)]
    for group in sorted(members, key=lambda group: (-len(group), int(group[0]))):
        if not _is_voice(vectors[group], (np.diff(group) == 1) & joined[group[:-1]]):
            continue
        voice = vectors[group].sum(axis=0, dtype=np.float64)
        own = {int(k): group[labels[group] == k] for k in np.unique(labels[group])}
        if any(2 * len(part) > sizes[k] for k, part in own.items()):
            continue  # it is most of a speaker
        taken = {k: vectors[part].sum(axis=0, dtype=np.float64) for k, part in own.items()}
        others = np.stack([total - taken.get(k, 0.0) for k, total in enumerate(sums)])
        if (_unit(others) @ _unit(voice)).max() >= unlike:
            continue
        for k, part in own.items():
            sums[k], sizes[k] = others[k], sizes[k] - len(part)
        labels[group] = len(sums)
        sums.append(voice)
        sizes.append(len(group))
    return labels


def _halves_parted(vectors: Array, labels: Labels, joined: npt.NDArray[np.bool_], backend: Backend) -> Labels:
    """The labels with those speakers made two, and the two looked through again, who are two voices that are alike.

    Neither the first guess nor the model of ``_settle`` sees time: windows of two like voices are as near to each other
    as those of one voice that varies. But what varies within a voice does so within a stretch of speech, and two people
    take turns.
    """
    labels = renumbered(labels)
    if backend.apart <= -1.0:
        return labels
    waiting = list(range(int(labels.max()) + 1))
    number = len(waiting)
    while waiting:
        speaker = waiting.pop()
        own = np.flatnonzero(labels == speaker)
        side = _sides(vectors[own], (np.diff(own) == 1) & joined[own[:-1]], backend)
        if side is not None:
            labels[own[side]] = number
            waiting += [speaker, number]
            number += 1
    return labels


def _sides(own: Array, follows: npt.NDArray[np.bool_], backend: Backend) -> npt.NDArray[np.bool_] | None:
    """(num_windows,) which of a speaker's windows are somebody else's; None where they are one voice's.

    follows : (num_windows - 1,) whether a window's sound goes on into the next one's
    """
    if len(own) < 2 * LEAST_HALF:
        return None
    _, side = _halved(_smoothed(own, follows))
    fewest = min(np.count_nonzero(side), np.count_nonzero(~side))
    changes = np.count_nonzero((side[1:] != side[:-1]) & follows)
    if fewest < LEAST_HALF or changes > (1 - CONSTANT) * follows.sum():
        return None
    one, other = (_unit(mean) for mean in _two_means(own, side))
    most = max(backend.apart, backend.alike) if fewest >= MANY_WINDOWS else backend.apart
    return side if one @ other < most else None


def _is_voice(group: Array, follows: npt.NDArray[np.bool_]) -> bool:
    if len(group) < LEAST_GROUP or np.count_nonzero(follows) < TOGETHER * len(group):
        return False
    rest = group.sum(axis=0, dtype=np.float64) - group
    return bool((_unit(rest) * group).sum(axis=1).mean() >= COHERENT)


def _is_near(group: Array, voice: Numbers, unlike: float) -> bool:
    own = group.sum(axis=0, dtype=np.float64)
    return bool(_unit(own) @ _unit(voice) >= unlike - FEWER / len(group))


def _groups(vectors: Array, joined: npt.NDArray[np.bool_], own: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """One speaker's windows in groups of one voice each, by average linkage block by block, the largest group first."""
    groups: list[npt.NDArray[np.int64]] = []
    for at in range(0, len(own), MOST_AT_ONCE):
        block = own[at : at + MOST_AT_ONCE]
        goes_on = (np.diff(block) == 1) & joined[block[:-1]]
        found = renumbered(_linked(_smoothed(vectors[block].astype(np.float64), goes_on), 1 - CLOSE))
        groups += [block[found == number] for number in range(int(found.max()) + 1)]
    return sorted(groups, key=lambda group: (-len(group), int(group[0])))


def _smoothed(rows: Rows, joined: npt.NDArray[np.bool_]) -> Rows:
    """Each row with half of its neighbours: less noise for the linkage, which cannot see time."""
    mixed = rows.copy()
    mixed[1:] += 0.5 * rows[:-1] * joined[:, None]
    mixed[:-1] += 0.5 * rows[1:] * joined[:, None]
    mixed /= np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-12)
    return mixed


def _start(rows: Numbers) -> Labels:
    """Too many speakers rather than too few, block by block; a block's smallest groups beyond ``MOST_GROUPS`` go."""
    labels = np.empty(len(rows), np.int64)
    num_groups = 0
    for first in range(0, len(rows), MOST_AT_ONCE):
        block = rows[first : first + MOST_AT_ONCE]
        groups = _linked(block, THRESHOLD)
        sizes = np.bincount(groups)
        kept = np.sort(np.argsort(-sizes, kind="stable")[:MOST_GROUPS])
        lost = ~np.isin(groups, kept)
        groups[lost] = kept[(block[lost] @ _unit(_means(block, groups)[kept]).T).argmax(axis=1)]
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
    sums = _means(rows, labels) * sizes[:, None] * np.sqrt(between)

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


def _linked(rows: Numbers, distance: float) -> Labels:
    if len(rows) < 2:
        return np.zeros(len(rows), np.int64)
    unit = _unit(rows)
    square = unit @ unit.T
    np.subtract(1, square, out=square)
    distances = squareform(np.clip(square, 0, 2, out=square), checks=False)  # a row of zeros is far from all
    del square
    return np.asarray(fcluster(linkage(distances, "average"), distance, "distance"), np.int64) - 1


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
        sizes, means = np.bincount(labels), _means(rows, labels)
        costs = _ward(sizes[:, None], sizes[None, :], means[:, None], means[None, :])
        np.fill_diagonal(costs, np.inf)
        into, gone = sorted(np.unravel_index(int(costs.argmin()), costs.shape))
        labels = renumbered(np.where(labels == gone, into, labels))
        num_speakers -= 1
    while num_speakers < fewest:
        halves = [_halved(rows[labels == speaker]) for speaker in range(num_speakers)]
        split = int(np.argmax([gain for gain, _ in halves]))
        labels[np.flatnonzero(labels == split)[halves[split][1]]] = num_speakers
        num_speakers += 1
    if num_speakers != num_found:
        settled = _settle(rows, labels, backend, keep_all=True)
        if len(np.unique(settled)) == num_speakers:
            return settled
    return labels


def _halved(rows: Array | Numbers) -> tuple[float, npt.NDArray[np.bool_]]:
    """What splitting these rows in two would gain, and which of them go; two-means from the widest axis."""
    if len(rows) < 2:
        return -1.0, np.zeros(len(rows), dtype=bool)
    mean = rows.mean(axis=0, dtype=np.float64)
    spread = rows.T @ rows - len(rows) * np.outer(mean, mean)
    side = rows @ np.linalg.eigh(spread)[1][:, -1].astype(rows.dtype)
    goes = side > np.median(side)
    for _ in range(10):
        if goes.all() or not goes.any():
            return 0.0, np.arange(len(rows)) == len(rows) - 1
        here, there = _two_means(rows, goes)
        goes = rows @ (there - here).astype(rows.dtype) > (there @ there - here @ here) / 2
    if goes.all() or not goes.any():
        return 0.0, np.arange(len(rows)) == len(rows) - 1
    return float(_ward(np.array((~goes).sum()), np.array(goes.sum()), *_two_means(rows, goes))), goes


def _two_means(rows: Array | Numbers, goes: npt.NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
    """The means of the rows that stay and of those that go, without a copy of either."""
    both = np.stack([~goes, goes])
    here, there = np.asarray(both @ rows, np.float64) / both.sum(axis=1, keepdims=True)
    return here, there


def _ward(num_a: npt.NDArray[np.int64], num_b: npt.NDArray[np.int64], a: Numbers, b: Numbers) -> Numbers:
    """Growth of the squared error when two groups become one (Ward 1963)."""
    cost: Numbers = num_a * num_b / (num_a + num_b) * ((a - b) ** 2).sum(axis=-1)
    return cost


def _means(rows: Array | Numbers, labels: Labels) -> Numbers:
    sums = np.zeros((int(labels.max()) + 1, rows.shape[1]))
    for at in range(0, len(rows), MOST_AT_ONCE):  # in double precision without a copy of all
        some = slice(at, at + MOST_AT_ONCE)
        np.add.at(sums, labels[some], rows[some].astype(np.float64, copy=False))
    means: Numbers = sums / np.maximum(np.bincount(labels), 1)[:, None]
    return means


def _unit(rows: Numbers) -> Numbers:
    scaled: Numbers = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    return scaled


def renumbered(labels: Labels) -> Labels:
    """Return the same groups, counted from 0 in order of first appearance.

    >>> renumbered(np.array([7, 7, 2, 7])).tolist()
    [0, 0, 1, 0]
    """
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
