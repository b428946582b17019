"""Makes an embedder's calibration out of a few hundred voices: how scores turn into odds, and from where on to believe.

Every person is heard twice. What one recording says is compared with what the others say, whole and cut short, and a
logistic model is fitted to the comparisons by maximum likelihood. Profiles are recordings with enough speech to enroll;
speakers are of any length. Targets and nontargets weigh the same, and half of the nontargets' weight is on people of
one corpus, who share language and microphone, as the people of a show do. Arrays in, a calibration out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.optimize

from ..types import Array
from .score import FEW_PROFILES, Calibration, Cohort, Numbers, Usual, Voiceprints, scores, unit

Flags = npt.NDArray[np.bool_]

POWERS = (4.0, 8.0, 16.0)
RIDGE = 2e-5  # keeps the slope finite when targets and nontargets do not overlap
REVIEW = 0.5
AGREEMENT = 0.5
MARGIN = 1.0  # natural log of the odds by which a name must beat the next
PROFILE_SECONDS = 5.5  # in a recording that can be a profile
EXCERPTS = (1.5, 3.75)  # s that speakers are cut to, besides all that they say
TELLING = 6  # windows in a recording from which on they tell how steady a voice is
STRETCH = 10.0  # s in a stretch of the product, to which steadiness is converted
TAIL = 0.01  # of the wrong pairs: those that look most like right ones, and tell how many more would
WRONG_NAMES = 0.002  # of strangers who may get a name, in a library of five people like them, after 7 s of speech
SPARED = 4  # of the pairs across corpora, which are many and easy, every fourth is enough
NUM_FOLDS = 4


@dataclass(frozen=True, eq=False)
class KitPerson:
    """One person of a kit.

    corpus : those of one corpus resemble each other
    recordings : for each a (num_windows, dimension) array of unit rows, in order of time
    """

    corpus: str
    recordings: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Trials:
    """Comparisons of a speaker with a profile, one row each.

    columns : (num_trials, 3) array: 1, score, 1 / seconds
    steadiness : of the speaker; nan where there is too little speech to tell
    target : whether they are one person
    alike : whether both are of one corpus
    speaker, profile : numbers of the people
    """

    columns: Numbers
    steadiness: Numbers
    target: Flags
    alike: Flags
    speaker: npt.NDArray[np.int64]
    profile: npt.NDArray[np.int64]

    def only(self, rows: Flags) -> Trials:
        return Trials(
            self.columns[rows],
            self.steadiness[rows],
            self.target[rows],
            self.alike[rows],
            self.speaker[rows],
            self.profile[rows],
        )

    @property
    def weight(self) -> Numbers:
        """Per row; targets sum to a half, nontargets of one corpus and others to a quarter each."""
        weight = np.zeros(len(self.target))
        groups = (self.target, ~self.target & self.alike, ~self.target & ~self.alike)
        for rows, share in zip(groups, (0.5, 0.25, 0.25), strict=True):
            weight[rows] = share / max(1, rows.sum())
        return np.asarray(weight / weight.sum())


@dataclass(frozen=True, eq=False)
class Fitted:
    """A calibration, and how it does on people it was not fitted to.

    logits, target : of trials whose people were left out in turn
    """

    calibration: Calibration
    logits: Numbers
    target: Flags


def fit(
    embedder: str, people: Sequence[KitPerson], *, window: float, step: float, wrong_names: float = WRONG_NAMES
) -> Fitted:
    """The calibration of an embedder.

    window, step : seconds of a window, and between the starts of two
    wrong_names : share of strangers who may get a name in a library of five

    Raises ValueError when there are too few people with two recordings to tell.
    """
    cohort = Cohort(np.stack([unit(np.concatenate(person.recordings).mean(axis=0)) for person in people]))
    table = trials(people, cohort, window=window, step=step)
    if len(np.unique(table.profile[table.target])) < 2 * NUM_FOLDS:
        raise ValueError("too few people with two recordings of enough speech")
    known = table.steadiness[np.isfinite(table.steadiness)]
    if not len(known):
        raise ValueError("no recording has enough speech to tell how steady a voice is")
    start = Calibration(
        embedder=embedder,
        bias=0.0,
        score=0.0,
        steadiness=0.0,
        power=1.0,
        unknown_steadiness=round(float(np.quantile(known, 0.9)), 4),
        accept=0.5,
        review=REVIEW,
        margin=0.0,
        agreement=AGREEMENT,
        least_steadiness=round(0.7 * float(np.quantile(known, 0.01)), 3),
        cohort=cohort,
    )
    unity, alike = _unity(people, float(np.median(known)), window, step)
    fitted = fit_trials(table, replace(start, unity=unity, alike=alike), wrong_names=wrong_names)
    gain = _gain_of_voiceprints(people, fitted.calibration, window, step)
    return replace(fitted, calibration=replace(fitted.calibration, voiceprints=gain))


def fit_trials(table: Trials, start: Calibration, *, wrong_names: float = WRONG_NAMES) -> Fitted:
    """The calibration that fits these trials, of the form that does best on people who are left out in turn.

    start : with all that trials do not tell: what is usual of single voices and of two
    wrong_names : share of strangers who may get a name in a library of five
    """
    left_out = {power: _left_out(table, replace(start, power=power)) for power in POWERS}
    power = min(POWERS, key=lambda power: _cost(left_out[power], table))
    fitted = logistic(table, replace(start, power=power))
    tested = np.isfinite(left_out[power])
    made = _believed(replace(fitted, margin=round(MARGIN / max(fitted.score, 1.0), 4)), table, wrong_names)
    return Fitted(made, left_out[power][tested], table.target[tested])


def trials(
    people: Sequence[KitPerson], cohort: Cohort, *, window: float, step: float, num_halves: int | None = None
) -> Trials:
    """Every recording that can be a profile against all others, which are heard for three lengths.

    cohort : one row for each of the people, who is left out where scores of their own are normalised
    num_halves : 1 or 2 halves of a recording make a profile, a voiceprint each; None makes one of the whole
    """
    pairs = [number for number, person in enumerate(people) if len(person.recordings) > 1]
    parts: list[tuple[npt.NDArray[Any], ...]] = []
    corpora = np.array([person.corpus for person in people])
    for ours, theirs in permutations(range(2), 2):
        profiles = [n for n in pairs if _seconds(len(people[n].recordings[theirs]), window, step) >= PROFILE_SECONDS]
        if not profiles:
            continue
        library = _library(people, profiles, theirs, num_halves)
        usual = _usual(cohort, library.means, profiles)
        speaker, profile = (grid.ravel() for grid in np.meshgrid(pairs, profiles, indexing="ij"))
        alike = corpora[speaker] == corpora[profile]
        kept = alike | ((speaker + profile) % SPARED == 0)
        steady = np.repeat([_steadiness(people[n].recordings, window, step) for n in pairs], len(profiles))
        for seconds in (None, *EXCERPTS):
            heard = [_excerpt(people[n].recordings[ours], seconds, window, step) for n in pairs]
            vectors = np.stack([unit(rows.mean(axis=0)) for rows in heard])
            score = cohort.normalise(scores(vectors, library), _usual(cohort, vectors, pairs), usual).ravel()
            lasts = np.repeat([_seconds(len(rows), window, step) for rows in heard], len(profiles))
            columns = np.stack([np.ones(len(score)), score.astype(np.float64), 1 / lasts], axis=1)
            every = (columns, steady, speaker == profile, alike, speaker, profile)
            parts.append(tuple(column[kept] for column in every))
    if not parts:
        raise ValueError("no recording has enough speech to be a profile")
    return Trials(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def refit(calibration: Calibration, logits: Numbers, target: Flags) -> tuple[float, float]:
    """(offset, slope) that make the odds a calibration gives fit these answers; no slope below a quarter.

    logits : what the calibration says of pairs of which it is known whether they are one person
    """
    weight = np.where(target, 0.5 / max(1, target.sum()), 0.5 / max(1, (~target).sum()))
    sign = np.where(target, 1.0, -1.0)

    def cost(values: Numbers) -> float:
        offset, slope = values
        # A few dozen answers say little about the slope: it stays near 1 unless they insist.
        return float(weight @ np.logaddexp(0, -sign * (offset + slope * logits)) + 0.02 * (slope - 1) ** 2)

    offset, slope = scipy.optimize.minimize(cost, np.array([0.0, 1.0])).x
    return float(offset), max(float(slope), 0.25)


def _library(people: Sequence[KitPerson], profiles: Sequence[int], side: int, num_halves: int | None) -> Voiceprints:
    names, vectors = [], []
    for number in profiles:
        rows = people[number].recordings[side]
        for part in [rows] if num_halves is None else np.array_split(rows, 2)[:num_halves]:
            names.append(f"{number:06d}")  # sorted as the numbers are
            vectors.append(unit(part.mean(axis=0)))
    return Voiceprints(tuple(names), np.stack(vectors), np.ones(len(names), np.float32))


def _gain_of_voiceprints(people: Sequence[KitPerson], made: Calibration, window: float, step: float) -> float:
    """What the natural log of the number of a profile's voiceprints adds to the odds.

    A profile of half a recording is compared with one of both halves. Those are of one day and one microphone, so what
    voiceprints of several recordings tell beyond that is not counted.
    """
    assert made.cohort is not None
    tables = [trials(people, made.cohort, window=window, step=step, num_halves=number) for number in (1, 2)]
    odds = np.concatenate([logits(table, made) for table in tables])
    more = np.concatenate([np.full(len(table.target), np.log(number)) for number, table in enumerate(tables, 1)])
    sign = np.where(np.concatenate([table.target for table in tables]), 1.0, -1.0)
    weight = np.concatenate([table.weight for table in tables])

    def cost(values: Numbers) -> float:
        offset, gain = values  # the offset is what half a recording says less than a whole one
        return float(weight @ np.logaddexp(0, -sign * (odds + offset + gain * more)))

    _, gain = scipy.optimize.minimize(cost, np.zeros(2)).x
    return round(float(gain), 3)


def _usual(cohort: Cohort, vectors: Array, own: Sequence[int]) -> Usual:
    """As ``Cohort.usual``, each without the person's own row of the cohort."""
    rows = [Cohort(np.delete(cohort.vectors, number, axis=0)).usual(vectors[[row]]) for row, number in enumerate(own)]
    return Usual(np.concatenate([one.mean for one in rows]), np.concatenate([one.spread for one in rows]))


def _seconds(num_windows: int, window: float, step: float) -> float:
    return window + (num_windows - 1) * step


def _excerpt(rows: Array, seconds: float | None, window: float, step: float) -> Array:
    if seconds is None:
        return rows
    return rows[: max(1, 1 + round((seconds - window) / step))]


def _steadiness(recordings: Sequence[Array], window: float, step: float) -> float:
    """The steadiness that stretches of 10 s would have, from the cosines of windows of one recording; nan if too few.

    Windows that share no sound are compared. The cosine of means grows with what they are the means of (Spearman 1910,
    Brown 1910).
    """
    apart, cosines = int(np.ceil(window / step)), []
    for rows in recordings:
        first, second = np.triu_indices(len(rows), apart)
        if len(rows) >= TELLING:
            cosines += np.einsum("nd,nd->n", rows[first], rows[second]).tolist()
    if not cosines:
        return float("nan")
    cosine, longer = max(float(np.mean(cosines)), 0.0), STRETCH / window
    return longer * cosine / (1 + (longer - 1) * cosine)


def _design(table: Trials, calibration: Calibration) -> Numbers:
    steady = np.where(np.isfinite(table.steadiness), table.steadiness, calibration.unknown_steadiness)
    return np.concatenate([table.columns, (np.maximum(steady, 0.0) ** calibration.power)[:, None]], axis=1)


def logistic(table: Trials, start: Calibration) -> Calibration:
    """The logistic model of these trials: weighted maximum likelihood with a small ridge."""
    design, sign, weight = _design(table, start), np.where(table.target, 1.0, -1.0), table.weight

    def cost(values: Numbers) -> tuple[float, Numbers]:
        against = -sign * (design @ values)
        slope = -(weight * sign * scipy.special.expit(against)) @ design
        slope[1:] += 2 * RIDGE * values[1:]
        return float(weight @ np.logaddexp(0, against) + RIDGE * values[1:] @ values[1:]), slope

    found = scipy.optimize.minimize(cost, np.zeros(design.shape[1]), jac=True).x
    bias, score, speech, steady = (round(float(value), 3) for value in found)
    return replace(start, bias=bias, score=score, speech=speech, steadiness=steady)


def logits(table: Trials, fitted: Calibration) -> Numbers:
    """What a calibration says of these trials, of one voiceprint to a profile."""
    values = (fitted.bias, fitted.score, fitted.speech, fitted.steadiness)
    return np.asarray(_design(table, fitted) @ np.array(values))


def _left_out(table: Trials, start: Calibration) -> Numbers:
    """The logits of trials between people of whom the model has not seen any; nan for those across the folds."""
    odds = np.full(len(table.target), np.nan)
    for fold in range(NUM_FOLDS):
        ours, theirs = table.speaker % NUM_FOLDS == fold, table.profile % NUM_FOLDS == fold
        fitted = logistic(table.only(~ours & ~theirs), start)
        odds[ours & theirs] = logits(table.only(ours & theirs), fitted)
    return odds


def _cost(odds: Numbers, table: Trials) -> float:
    tested = np.isfinite(odds)
    part = table.only(tested)
    return float(part.weight @ np.logaddexp(0, np.where(part.target, -1.0, 1.0) * odds[tested]))


def _believed(made: Calibration, table: Trials, wrong_names: float) -> Calibration:
    """The calibration with the odds from which on it gives a name, and what they gain with the number of profiles.

    The wrong pairs that look most right thin out exponentially in the odds. That many of a library's profiles, and so
    the odds at which a share of strangers is beyond them, follow from it (peaks over a threshold: Pickands 1975).
    """
    wrong = ~table.target & table.alike & (table.columns[:, 2] <= 1 / PROFILE_SECONDS)
    odds = logits(table.only(wrong), made)
    start = float(np.quantile(odds, 1 - TAIL))
    beyond = odds[odds > start] - start
    growth = float(beyond.mean()) if len(beyond) else 0.0
    least = start + growth * np.log(TAIL * FEW_PROFILES / wrong_names)
    accept = float(scipy.special.expit(max(least, 0.5)))
    return replace(made, accept=round(max(accept, REVIEW + 0.01), 5), profiles=round(growth, 3))


def _unity(people: Sequence[KitPerson], steady: float, window: float, step: float) -> tuple[float, float]:
    """What `unity` and `union` must reach for one person: a little over what nearly all pairs of people have.

    What two voices share over what one shares with itself: the cosine of two people of one corpus, over steadiness.
    """
    by_corpus: dict[str, list[Array]] = {}
    for person in people:
        long = [rows for rows in person.recordings if _seconds(len(rows), window, step) >= PROFILE_SECONDS]
        if long:
            by_corpus.setdefault(person.corpus, []).append(unit(long[0].mean(axis=0)))
    tables = [np.stack(rows) for rows in by_corpus.values() if len(rows) > 1]
    if not tables:
        return 0.86, 0.86
    cosines = np.concatenate([(table @ table.T)[np.triu_indices(len(table), 1)] for table in tables])
    nearly_all, all_but_few = np.quantile(cosines, (0.99, 0.999)) / max(steady, 1e-6) + 0.01
    return round(float(np.clip(nearly_all, 0.8, 0.9)), 3), round(float(np.clip(all_but_few, 0.86, 0.98)), 3)
