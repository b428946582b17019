"""How well voices are told apart: EER, minDCF, Cllr, open-set identification, and trial lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from ..audio import SAMPLE_RATE, Audio
from ..errors import EvaluationError
from ..types import Array, Progress
from ..voices.score import Cohort, unit
from .diarization import numbered_fields

Numbers = npt.NDArray[np.float64]
Embed = Callable[[Array, npt.NDArray[np.int64]], Array]
"""``Embedder.embed``: samples and (num_windows, 2) sample bounds in, (num_windows, dimension) unit rows out."""

WINDOW_SECONDS = 10.0  # longer clips are the mean of windows of about this length


@dataclass(frozen=True, slots=True)
class TrialScore:
    """The figures of one trial list at one clip length."""

    name: str
    seconds: float | None
    num_target: int
    num_nontarget: int
    eer: float
    eer_normalised: float | None  # of the scores as matching has them; None without a cohort
    min_dcf_01: float  # p_target 0.01
    min_dcf_05: float  # p_target 0.05
    min_cllr: float


@dataclass(frozen=True, slots=True)
class Trial:
    enroll: tuple[Path, ...]
    test: Path
    target: bool


def eer(target: npt.ArrayLike, nontarget: npt.ArrayLike) -> float:
    """Return the error rate where misses are as frequent as false alarms, by a line between thresholds.

    >>> eer([0.9, 0.8, 0.3], [0.1, 0.2, 0.4])
    0.3333333333333333
    """
    miss, false_alarm = _det(target, nontarget)
    after = int(np.argmax(miss >= false_alarm))
    before = max(after - 1, 0)
    gap_before, gap_after = miss[before] - false_alarm[before], miss[after] - false_alarm[after]
    step = 0.0 if gap_after == gap_before else -gap_before / (gap_after - gap_before)
    return float(miss[before] + step * (miss[after] - miss[before]))


def min_dcf(
    target: npt.ArrayLike, nontarget: npt.ArrayLike, *, p_target: float, cost_miss: float = 1.0, cost_fa: float = 1.0
) -> float:
    """Return the least cost at any threshold, over that of answering without listening (NIST SRE; 1 is worthless)."""
    miss, false_alarm = _det(target, nontarget)
    cost = cost_miss * p_target * miss + cost_fa * (1 - p_target) * false_alarm
    return float(cost.min() / min(cost_miss * p_target, cost_fa * (1 - p_target)))


def cllr(target_llrs: npt.ArrayLike, nontarget_llrs: npt.ArrayLike) -> float:
    """Return the cost of log likelihood ratios (natural log) in bits: 0 is perfect, 1 is as good as saying nothing.

    Brümmer and du Preez 2006, equation 22.
    """
    target, nontarget = _both(target_llrs, nontarget_llrs)
    misses, alarms = np.logaddexp(0, -target), np.logaddexp(0, nontarget)
    return float((misses.mean() + alarms.mean()) / (2 * np.log(2)))


def min_cllr(target: npt.ArrayLike, nontarget: npt.ArrayLike) -> float:
    """Return Cllr after the best monotonic calibration of these very scores (pool adjacent violators)."""
    positive, negative = _both(target, nontarget)
    scores, labels = np.r_[positive, negative], np.r_[np.ones(len(positive)), np.zeros(len(negative))]
    # Among equal scores the targets go first, so that no calibration can tell them apart.
    order = np.lexsort((-labels, scores))
    share = np.clip(isotonic_regression(labels[order]).x, 1e-12, 1 - 1e-12)  # targets alone would be infinitely sure
    llrs = np.log(share / (1 - share)) - np.log(len(positive) / len(negative))  # without the prior of these trials
    ranked = labels[order] == 1
    return cllr(llrs[ranked], llrs[~ranked])


def detection_at(scores: npt.ArrayLike, truth: npt.ArrayLike, *, false_alarm_rate: float = 0.01) -> tuple[float, float]:
    """Return (detection and identification rate, threshold) when at most this share of strangers gets any name.

    scores : (num_probes, num_profiles) array
    truth : (num_probes,) array: the column of the probe's own profile, -1 for a stranger

    Open-set identification as in Phillips, Grother and Micheals 2011 (rank 1): a known probe counts when its own
    profile is the best and its score is at least the threshold.
    """
    table, own = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=np.int64)
    if not np.any(own < 0) or not np.any(own >= 0):
        raise EvaluationError("open-set rates need probes of known people and of strangers")
    best, best_score = table.argmax(axis=1), table.max(axis=1)
    strangers = np.sort(best_score[own < 0])[::-1]
    allowed = int(np.floor(false_alarm_rate * len(strangers)))  # the threshold is just above the next one
    threshold = np.nextafter(strangers[allowed], np.inf) if allowed < len(strangers) else -np.inf
    known = own >= 0
    return float(np.mean((best[known] == own[known]) & (best_score[known] >= threshold))), float(threshold)


def read_trials(path: str | Path) -> tuple[Trial, ...]:
    """Return the trials of a list: a header, then ``enroll<TAB>test<TAB>target`` with target 1 or 0.

    Several enrollment files are separated by commas; paths are relative to the list's folder.
    Raises EvaluationError that names the file and the line at fault.
    """
    folder, trials = Path(path).parent, []
    for number, fields in numbered_fields(path, "\t"):
        if number == 1 and fields == ["enroll", "test", "target"]:
            continue
        if len(fields) != 3 or not fields[0] or not fields[1] or fields[2] not in ("0", "1"):
            raise EvaluationError(f"{path}:{number}: not 'enroll<TAB>test<TAB>0 or 1'")
        enroll = tuple(folder / name for name in fields[0].split(",") if name)
        trials.append(Trial(enroll, folder / fields[1], fields[2] == "1"))
    if not {trial.target for trial in trials} == {True, False}:
        raise EvaluationError(f"{path}: needs trials of both kinds, target 1 and target 0")
    return tuple(trials)


def trials(
    path: str | Path,
    embed: Embed,
    *,
    lengths: Sequence[float | None] = (None,),
    cohort: Cohort | None = None,
    progress: Progress | None = None,
) -> tuple[TrialScore, ...]:
    """Measure how well an embedder tells the voices of a trial list apart, at each clip length.

    embed : the embedder's ``embed``
    lengths : seconds of their middle that test clips are cut to; None is whole. Enrollment clips stay whole.
    cohort : strangers to normalise the scores with, as matching does
    """
    listed = read_trials(path)
    wanted: dict[Path, set[float | None]] = {}
    for trial in listed:
        wanted.setdefault(trial.test, set()).update(lengths)
        for file in trial.enroll:
            wanted.setdefault(file, set()).add(None)
    vectors: dict[tuple[Path, float | None], Array] = {}
    for done, file in enumerate(sorted(wanted)):
        if progress is not None:
            progress("trials", done, len(wanted))
        samples = np.concatenate(list(Audio(file).blocks()))
        for length in sorted(wanted[file], key=lambda length: length or np.inf):
            vectors[file, length] = unit(clip_vectors(_middle(samples, length), embed, file).mean(axis=0))
    is_target = np.array([trial.target for trial in listed])
    profiles = np.stack([unit(np.mean([vectors[file, None] for file in trial.enroll], axis=0)) for trial in listed])
    scores = []
    for length in lengths:
        tests = np.stack([vectors[trial.test, length] for trial in listed])
        cosines = np.einsum("nd,nd->n", profiles, tests)
        target, nontarget = cosines[is_target], cosines[~is_target]
        normalised = None if cohort is None else _normalised(tests, profiles, cohort)
        scores.append(
            TrialScore(
                name=Path(path).stem,
                seconds=length,
                num_target=len(target),
                num_nontarget=len(nontarget),
                eer=eer(target, nontarget),
                eer_normalised=None if normalised is None else eer(normalised[is_target], normalised[~is_target]),
                min_dcf_01=min_dcf(target, nontarget, p_target=0.01),
                min_dcf_05=min_dcf(target, nontarget, p_target=0.05),
                min_cllr=min_cllr(target, nontarget),
            )
        )
    return tuple(scores)


def _normalised(tests: Array, profiles: Array, cohort: Cohort) -> Array:
    """(num_trials,) array: row n of ``tests`` against row n of ``profiles``, as ``Cohort.scores`` has it."""
    tests, profiles = cohort.seen(tests), cohort.seen(profiles)
    cosines = np.einsum("nd,nd->n", profiles, tests)
    return np.diagonal(cohort.normalise(np.diag(cosines), cohort.usual(tests), cohort.usual(profiles)))


def _middle(samples: Array, seconds: float | None) -> Array:
    if seconds is None:
        return samples
    cut = min(len(samples), int(seconds * SAMPLE_RATE))
    first = (len(samples) - cut) // 2
    return samples[first : first + cut]


def clip_vectors(samples: Array, embed: Embed, path: Path) -> Array:
    """Return the (num_windows, dimension) vectors of a clip, in even windows of about ten seconds or less.

    Raises EvaluationError, about ``path``, when the clip is too short for one.
    """
    num_windows = max(1, round(len(samples) / (WINDOW_SECONDS * SAMPLE_RATE)))
    bounds = np.linspace(0, len(samples), num_windows + 1).astype(np.int64)
    try:
        return embed(samples, np.stack([bounds[:-1], bounds[1:]], axis=1))
    except ValueError as error:
        raise EvaluationError(f"{path}: {len(samples) / SAMPLE_RATE:.3f} s of it cannot be heard: {error}") from error


def _det(target: npt.ArrayLike, nontarget: npt.ArrayLike) -> tuple[Numbers, Numbers]:
    """Miss and false-alarm rates at every threshold that changes one, from "accept all" to "accept none"."""
    positive, negative = _both(target, nontarget)
    thresholds = np.r_[np.unique(np.r_[positive, negative]), np.inf]
    miss = np.searchsorted(positive, thresholds) / len(positive)
    false_alarm = 1 - np.searchsorted(negative, thresholds) / len(negative)
    return np.asarray(miss), np.asarray(false_alarm)


def _both(target: npt.ArrayLike, nontarget: npt.ArrayLike) -> tuple[Numbers, Numbers]:
    positive = np.sort(np.asarray(target, dtype=np.float64))
    negative = np.sort(np.asarray(nontarget, dtype=np.float64))
    if not len(positive) or not len(negative):
        raise EvaluationError("error rates need target and nontarget scores")
    return positive, negative
