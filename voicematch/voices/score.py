"""How like two voices are: cosine against several voiceprints, calibrated to a probability. Arrays in, arrays out.

A speaker's embeddings are pooled to one vector (`centroid`) and compared with every profile (`scores`); the cosine
becomes a probability through a logistic curve fitted to the embedder at hand (`Calibration`): a cosine of 0.6 means
one thing for a voice that varies and another for one that hardly does (`steadiness`).
"""

from __future__ import annotations

import base64
import json
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.special

from .. import given
from ..errors import ModelError
from ..types import Array, Embedding

Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

TOP_K = 3  # voiceprints of a profile that count: the conditions nearest to this recording, not all it was ever heard in
MOST_COSINES = 8_000_000  # held at once, 32 MB, so that memory stays flat beyond the library itself
SMALLEST_GROUP = 2  # stretches; one alone may be laughter or a jingle
SMALLEST_SHARE = 0.1  # of a speaker's stretches that make a second voice
MOST_ROUNDS = 20
NEAREST = 50  # voices of a cohort that tell what is usual; the far ones tell nothing of mistaken identity
LEAST_SPREAD = 0.01  # cosine; keeps a score finite when all of a cohort is equally near
FEW_PROFILES = 5  # in a library; what an accept threshold is for
SHORTEST_SPEECH = 1.0  # s; less makes no difference to a calibration
STRETCH_SECONDS = 5.0  # speech in an embedding from which on it tells how steady a voice is


@dataclass(frozen=True, eq=False)
class Voiceprints:
    """All enrolled vectors of a library, of one embedder.

    profiles : the profile of each row
    vectors : (num_voiceprints, dimension) float32 array of unit rows
    seconds : (num_voiceprints,) array, net speech of each row
    """

    profiles: tuple[str, ...]
    vectors: Array
    seconds: Array

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or not len(self.profiles) == len(self.vectors) == len(self.seconds):
            raise ValueError(
                f"{len(self.profiles)} profiles, vectors of shape {self.vectors.shape} and {len(self.seconds)} seconds"
                " do not describe the same rows"
            )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every profile once, sorted: the columns of `scores`."""
        return tuple(sorted(set(self.profiles)))

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """(num_profiles,) array: voiceprints of each profile."""
        return np.bincount(self._column_of_row, minlength=len(self.names)).astype(np.int64)

    @cached_property
    def rows(self) -> npt.NDArray[np.int64]:
        """(num_voiceprints,) array: row numbers, profile after profile in the order of `names`."""
        return np.argsort(self._column_of_row, kind="stable").astype(np.int64)

    @cached_property
    def groups(self) -> tuple[tuple[Rows, Rows], ...]:
        """(columns, rows) of the profiles with equally many voiceprints, for every such number.

        columns : (num_members,) array, places in `names`
        rows : (count, num_members) array: the first voiceprint of each member, then the second of each, and so on
        """
        first = np.cumsum(self.counts) - self.counts
        groups = []
        for count in np.unique(self.counts):
            columns = np.flatnonzero(self.counts == count)
            groups.append((columns, self.rows[first[columns] + np.arange(count)[:, None]]))
        return tuple(groups)

    @cached_property
    def means(self) -> Array:
        """(num_profiles, dimension) array of unit rows: each profile's voiceprints pooled to one."""
        first = np.cumsum(self.counts) - self.counts
        return unit(np.add.reduceat(self.vectors[self.rows], first, axis=0))

    def seen_by(self, cohort: Cohort) -> Voiceprints:
        """Return the same voiceprints as they are compared, `Cohort.seen`."""
        return self if cohort.axes is None else replace(self, vectors=cohort.seen(self.vectors))

    def only(self, names: Sequence[str]) -> Voiceprints:
        """Return the voiceprints of these profiles alone."""
        ends = np.cumsum(self.counts)
        keep = np.zeros(0, dtype=np.int64)
        for name in set(names):
            column = bisect_left(self.names, name)
            if column < len(self.names) and self.names[column] == name:
                keep = np.append(keep, self.rows[ends[column] - self.counts[column] : ends[column]])
        keep.sort()
        return Voiceprints(tuple(self.profiles[idx] for idx in keep), self.vectors[keep], self.seconds[keep])

    @cached_property
    def _column_of_row(self) -> npt.NDArray[np.int64]:
        column = {name: idx for idx, name in enumerate(self.names)}
        return np.fromiter((column[profile] for profile in self.profiles), dtype=np.int64, count=len(self.profiles))


def centroid(embeddings: Sequence[Embedding]) -> Embedding:
    """Make one embedding of a voice from many: their mean, weighted by net speech, scaled back to length 1.

    Raises ValueError without embeddings.
    """
    if not embeddings:
        raise ValueError("no embeddings to pool")
    seconds = np.array([embedding.seconds for embedding in embeddings])
    vector = seconds @ np.stack([embedding.vector for embedding in embeddings])
    return Embedding(
        vector=unit(vector),
        seconds=float(seconds.sum()),
        start=min(embedding.start for embedding in embeddings),
        end=max(embedding.end for embedding in embeddings),
    )


def unit(vectors: npt.ArrayLike) -> Array:
    """Return the same directions with length 1.

    vectors : (..., dimension) array; a zero row stays zero
    """
    array = np.asarray(vectors, dtype=np.float64)
    length = np.linalg.norm(array, axis=-1, keepdims=True)
    return np.asarray(array / np.maximum(length, 1e-12), dtype=np.float32)


def steadiness(embeddings: Sequence[Embedding]) -> float | None:
    """Return how little a voice varies: the mean cosine between its stretches of speech, 1 if it never varies.

    None with fewer than two stretches of `STRETCH_SECONDS`; shorter ones vary for want of speech.
    """
    vectors = [embedding.vector for embedding in embeddings if embedding.seconds >= STRETCH_SECONDS]
    if len(vectors) < 2:
        return None
    total = np.stack(vectors).sum(axis=0, dtype=np.float64)
    return float((total @ total - len(vectors)) / (len(vectors) * (len(vectors) - 1)))


def unity(embeddings: Sequence[Embedding]) -> float | None:
    """Return how much a speaker sounds like one person: near 1 for one voice, below 0.85 for two taken for one.

    The stretches of speech are parted into the two groups that differ most (2-means), and the mean cosine between the
    groups is divided by the mean cosine within them. None with too few stretches to tell.
    """
    vectors = [embedding.vector for embedding in embeddings if embedding.seconds >= STRETCH_SECONDS]
    if len(vectors) < 2 * SMALLEST_GROUP:
        return None
    table = np.stack(vectors).astype(np.float64)
    cosines = table @ table.T
    second = _part(table, cosines)
    sizes = np.array([np.count_nonzero(~second), np.count_nonzero(second)])
    if sizes.min() < max(SMALLEST_GROUP, SMALLEST_SHARE * len(table)):
        return 1.0
    return _across_to_within(cosines, second)


def union(one: Sequence[Embedding], other: Sequence[Embedding]) -> float:
    """Return how much two speakers of one recording sound like one person: `unity` with the two as the groups.

    A voice is taken never to vary when neither has two stretches of speech, so that they have to be as good as equal.
    """
    long = [[e for e in group if e.seconds >= STRETCH_SECONDS] or list(group) for group in (one, other)]
    table = np.stack([e.vector for group in long for e in group]).astype(np.float64)
    return _across_to_within(table @ table.T, np.arange(len(table)) >= len(long[0]))


def _across_to_within(cosines: Numbers, second: npt.NDArray[np.bool_]) -> float:
    """The mean cosine between two groups over the mean cosine within them."""
    sizes = np.array([np.count_nonzero(~second), np.count_nonzero(second)])
    groups = np.array([~second, second], dtype=np.float64)
    within = (groups @ cosines * groups).sum(axis=1)
    across = (cosines.sum() - within.sum()) / (2 * sizes.prod())
    num_pairs = (sizes * (sizes - 1)).sum()
    together = (within.sum() - np.trace(cosines)) / num_pairs if num_pairs else 1.0
    return float(across / max(together, 1e-6))


def _part(vectors: Numbers, cosines: Numbers) -> npt.NDArray[np.bool_]:
    """Two groups by 2-means over cosines, begun at the sign of the first principal component: no chance in it.

    cosines : (num_vectors, num_vectors) array, of the vectors with one another: all that 2-means has to know
    """
    centred = vectors - vectors.mean(axis=0)
    if len(centred) < centred.shape[1]:
        second = np.asarray(np.linalg.eigh(centred @ centred.T)[1][:, -1] > 0)  # the same signs, from the smaller side
    else:
        second = np.asarray(centred @ np.linalg.eigh(centred.T @ centred)[1][:, -1] > 0)
    for _ in range(MOST_ROUNDS):
        if second.all() or not second.any():
            break
        groups = np.array([~second, second], dtype=np.float64)
        toward = groups @ cosines  # (2, num_vectors): cosines to the sum of each group, but for that sum's length
        lengths = np.sqrt((toward * groups).sum(axis=1))
        nearer = np.asarray(toward[1] * lengths[0] > toward[0] * lengths[1])
        if np.array_equal(nearer, second):
            break
        second = nearer
    return second


def scores(speaker_vectors: Array, voiceprints: Voiceprints, *, top_k: int = TOP_K) -> Array:
    """Return how well each speaker fits each profile: the mean of the `top_k` best cosines against its voiceprints.

    speaker_vectors : (num_speakers, dimension) array of unit rows
    returns : (num_speakers, num_profiles) array; columns as in ``voiceprints.names``

    The one place that looks at every voiceprint: an approximate index, when one is needed, goes behind it.
    Raises ValueError when the dimensions differ.
    """
    num_speakers, num_profiles = len(speaker_vectors), len(voiceprints.names)
    result = np.zeros((num_speakers, num_profiles), dtype=np.float32)
    if not num_profiles or not num_speakers:
        return result
    if speaker_vectors.shape[1] != voiceprints.vectors.shape[1]:
        raise ValueError(
            f"speakers of dimension {speaker_vectors.shape[1]} cannot be compared with voiceprints of dimension"
            f" {voiceprints.vectors.shape[1]}"
        )
    at_once = max(1, MOST_COSINES // len(voiceprints.vectors))
    for start in range(0, num_speakers, at_once):
        block = np.asarray(speaker_vectors[start : start + at_once], dtype=np.float32)
        cosines = voiceprints.vectors @ block.T
        # Profiles with equally many voiceprints make a table, so the best of each are found without a Python loop.
        for columns, rows in voiceprints.groups:
            result[start : start + len(block), columns] = _mean_of_best(cosines, rows, top_k).T
    return result


def _mean_of_best(cosines: Array, rows: Rows, top_k: int) -> Array:
    """(num_members, num_speakers) array: for each profile the mean of its best cosines.

    cosines : (num_voiceprints, num_speakers) array
    rows : (count, num_members) array, the voiceprints of each profile
    """
    best: list[Array] = []  # the best cosine of each profile, then the second best, and so on
    for row in rows:
        new = cosines[row]
        for rank in best:
            lower = np.minimum(rank, new)
            np.maximum(rank, new, out=rank)
            new = lower
        if len(best) < top_k:
            best.append(new)
    return np.asarray(sum(best[1:], start=best[0]) / np.float32(len(best)), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Cohort:
    """Voices of strangers, which tell what a score is worth: one of 0.5 is little for a voice that many are like.

    vectors : (num_voices, dimension) array of unit rows
    axes : (dimension, num_axes) array, on which voices are compared; None where the vectors themselves are
    """

    vectors: Array
    axes: Array | None = None

    def seen(self, vectors: Array) -> Array:
        """Return the vectors as they are compared, (num_voices, num_axes) unit rows.

        Another room or telephone moves a vector as another person does. The axes are those on which people differ and
        rooms do not (linear discriminant analysis, `models/train/channels.py`).
        """
        return vectors if self.axes is None else unit(vectors @ self.axes)

    @cached_property
    def _seen(self) -> Array:
        return self.seen(self.vectors)

    def usual(self, vectors: Array) -> Usual:
        """Return what is usual for these voices: mean and spread of their cosines with the nearest of the cohort.

        vectors : (num_voices, num_axes) array of unit rows, as they are `seen`
        """
        means, spreads = np.empty(len(vectors)), np.empty(len(vectors))
        at_once = max(1, MOST_COSINES // len(self.vectors))
        for start in range(0, len(vectors), at_once):
            cosines = vectors[start : start + at_once] @ self._seen.T
            nearest = -np.partition(-cosines, min(NEAREST, cosines.shape[1]) - 1, axis=1)[:, :NEAREST]
            means[start : start + at_once] = nearest.mean(axis=1)
            spreads[start : start + at_once] = nearest.std(axis=1)
        return Usual(means, np.maximum(spreads, LEAST_SPREAD))

    def scores(self, vectors: Array, voiceprints: Voiceprints) -> Array:
        """Return `scores` of the voices as they are `seen`, in proportion to what is usual: see `normalise`.

        vectors : (num_speakers, dimension) array of unit rows
        returns : (num_speakers, num_profiles) array
        """
        speakers, profiles = self.seen(vectors), voiceprints.seen_by(self)
        return self.normalise(scores(speakers, profiles), self.usual(speakers), self.usual(profiles.means))

    @cached_property
    def typical(self) -> tuple[float, float]:
        """What is usual for a voice of the cohort, (mean, spread): puts normalised scores on the cosine's scale."""
        cosines = self._seen @ self._seen.T
        np.fill_diagonal(cosines, -1.0)
        nearest = np.sort(cosines, axis=1)[:, -NEAREST:]
        return float(nearest.mean()), max(float(nearest.std(axis=1).mean()), LEAST_SPREAD)

    def normalise(self, score: Array, speakers: Usual, profiles: Usual) -> Array:
        """Return the scores in proportion to what is usual for speaker and profile, half and half with the scores.

        score : (num_speakers, num_profiles) array of cosines between voices as they are `seen`

        Adaptive symmetric normalisation (Matějka et al., "Analysis of score normalization in multilingual speaker
        recognition", 2017, equation 5). Half, because it overdoes it for voices unlike all of the cohort.
        """
        from_speaker = (score - speakers.mean[:, None]) / speakers.spread[:, None]
        from_profile = (score - profiles.mean[None, :]) / profiles.spread[None, :]
        mean, spread = self.typical
        return np.asarray((score + mean + spread * (from_speaker + from_profile) / 2) / 2, dtype=np.float32)

    def to_texts(self) -> dict[str, object]:
        """Return the arrays as base64 of little-endian float16, row after row, and how long the rows of vectors are."""
        texts: dict[str, object] = {"dimension": self.vectors.shape[1], "cohort": _text(self.vectors)}
        return texts if self.axes is None else {**texts, "axes": _text(self.axes)}

    @classmethod
    def from_texts(cls, texts: Mapping[str, Any]) -> Cohort:
        """Return what `to_texts` gave. Raises ValueError when it is not that."""
        dimension = int(texts["dimension"])
        axes = _array(texts["axes"]).reshape(dimension, -1) if "axes" in texts else None
        return cls(unit(_array(texts["cohort"]).reshape(-1, dimension)), axes)


def _text(array: Array) -> str:
    return base64.b64encode(array.astype("<f2").tobytes()).decode("ascii")


def _array(text: str) -> Array:
    array = np.frombuffer(base64.b64decode(text, validate=True), dtype="<f2").astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError("a number out of range")
    return array


@dataclass(frozen=True, eq=False)
class Usual:
    """What is usual for some voices, each against a cohort: two (num_voices,) arrays."""

    mean: Numbers
    spread: Numbers


@dataclass(frozen=True, slots=True)
class Calibration:
    """From a cosine to the probability that two voices are one person, for one embedder, with the thresholds to use.

    The logistic model: logit = bias + score * s + steadiness * h ** power, where s is the score and h the speaker's
    `steadiness`. A voice that hardly varies (synthetic speech, a studio) is near to itself everywhere, so it has to be
    nearer to a profile than a voice that varies; the power keeps the term small where most natural speech lies. Less
    speech makes every score smaller, so speech / seconds is added where the seconds are given.

    Among many profiles the best of the wrong ones is nearer: profiles * log(number / 5) is taken away for the number of
    profiles in the library, so that a stranger is named as seldom in a large one as in one of five. A profile of
    several voiceprints tells more than a single one: voiceprints * log(number) is added, for as many as count.

    unknown_steadiness : the h assumed of a speaker with too little speech to tell; cautious, that is high
    accept, review : probabilities from which a name is given, or suggested
    margin : cosine by which the best profile must beat the next, and the best speaker the next for one profile
    agreement : share of a speaker's own speech that must fit the profile best
    unity : what `unity` must reach for a speaker to pass as one person
    alike : what `union` must reach for two speakers to pass as one person; more, for that is the exception
    least_steadiness : an h no single voice is below; tells two voices where the stretches are too few for unity
    cohort : strangers against which scores are normalised before all this; None takes them as they are
    """

    embedder: str
    bias: float
    score: float
    steadiness: float
    power: float
    unknown_steadiness: float
    accept: float
    review: float
    margin: float
    agreement: float
    unity: float = 0.86
    least_steadiness: float = 0.5
    alike: float = 0.86
    speech: float = 0.0
    profiles: float = 0.0
    voiceprints: float = 0.0
    cohort: Cohort | None = None

    def logit(
        self,
        score: npt.ArrayLike,
        steadiness: npt.ArrayLike | None = None,
        *,
        seconds: npt.ArrayLike | None = None,
        num_profiles: int = FEW_PROFILES,
        num_voiceprints: npt.ArrayLike = 1,
    ) -> Numbers:
        """Return the natural log of the odds that the voices are one person.

        score : (...) array of cosines
        steadiness : of the speaker, or an array of those; None when there is too little speech to tell
        seconds : of the speaker's speech; None when there is plenty
        num_profiles : among which this one was looked for
        num_voiceprints : of the profile
        """
        steady = np.maximum(self.unknown_steadiness if steadiness is None else steadiness, 0.0)
        logit = self.bias + self.score * np.asarray(score, dtype=np.float64) + self.steadiness * steady**self.power
        if seconds is not None:
            logit = logit + self.speech / np.maximum(np.asarray(seconds, dtype=np.float64), SHORTEST_SPEECH)
        logit = logit + self.voiceprints * np.log(np.clip(np.asarray(num_voiceprints, dtype=np.float64), 1, TOP_K))
        return np.asarray(logit - self.profiles * np.log(max(num_profiles, 1) / FEW_PROFILES))

    def probability(
        self,
        score: npt.ArrayLike,
        steadiness: npt.ArrayLike | None = None,
        *,
        seconds: npt.ArrayLike | None = None,
        num_profiles: int = FEW_PROFILES,
        num_voiceprints: npt.ArrayLike = 1,
    ) -> Numbers:
        """Return the probability that the voices are one person; arguments as for `logit`."""
        logit = self.logit(
            score, steadiness, seconds=seconds, num_profiles=num_profiles, num_voiceprints=num_voiceprints
        )
        return np.asarray(scipy.special.expit(logit))

    def to_json(self) -> str:
        values: dict[str, object] = {"embedder": self.embedder}
        values |= {name: getattr(self, name) for name in _NUMBERS}
        if self.cohort is not None:
            values |= self.cohort.to_texts()
        return json.dumps(values, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Return the calibration written by `to_json`. Raises ModelError when it is not one."""
        try:
            values = given.parsed(text)
            cohort = Cohort.from_texts(values) if values.get("cohort") else None
            numbers = {name: float(values[name]) for name in _NUMBERS if name in values or name not in _OPTIONAL}
            if not all(map(math.isfinite, numbers.values())):
                raise ValueError("a number out of range")
            return cls(embedder=str(values["embedder"]), cohort=cohort, **numbers)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"not a calibration: {error!r}") from error


_NUMBERS = tuple(part.name for part in fields(Calibration) if part.name not in ("embedder", "cohort"))
_OPTIONAL = (
    "unity",
    "least_steadiness",
    "alike",
    "speech",
    "profiles",
    "voiceprints",
)  # not in every calibration ever written
