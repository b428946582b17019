"""Calibrating an embedder: what its scores are worth, measured with the kit that comes with voicematch.

Every recording of the kit is heard as an episode is, in windows of 1.5 s, and `fitting` makes of it what matching
needs; what is usual within and between voices, which clustering needs, comes of the same windows. Both are kept beside
the model, with the kit and the weights they belong to, and made anew when either changes.

A library may be refined with what its user confirmed and corrected: then the odds that the kit's calibration gives are
moved and stretched until they fit those answers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..audio import SAMPLE_RATE
from ..engines.backend import Backend
from ..engines.diarize import BACKEND, guide_of
from ..engines.embed import Embedder
from ..engines.listening import vectors_of
from ..engines.windows import STEP, WINDOW, place
from ..errors import LibraryError, ModelError
from ..evaluate import cllr
from ..library import Library
from ..library.voiceprints import StoredVoiceprint
from ..models import files, kit, table
from ..models.files import CALIBRATION
from ..types import Array, Progress
from ..voices import fitting
from ..voices.fitting import WRONG_NAMES, Fitted, Flags, KitPerson
from ..voices.match import normalised_scores
from ..voices.score import Calibration, Numbers, Voiceprints, centroid, steadiness
from .learn import calibration_of

SETTING = "calibration"
LEAST_RIGHT, LEAST_WRONG = 20, 100  # pairs of a speaker and a profile that a person's word says something of
NUM_BINS = 10
SILENCE = np.zeros(2 * SAMPLE_RATE, np.float32)
WORTHLESS = 0.95  # Cllr from which on a calibration says no more than that it does not know


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about one probability: what was said on average, and how often it was so.

    num : answers in it, targets weighing as much as nontargets in ``share``
    """

    probability: float
    share: float
    num: int


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """What calibrating came to.

    cllr, cllr_before : bits; before is None where there was no calibration to compare with
    named : share of the right pairs that would be named
    seconds : that it took to hear and to fit
    """

    embedder: str
    calibration: Calibration
    cllr: float
    num_right: int
    num_wrong: int
    named: float
    curve: tuple[Bin, ...]
    file: Path | None = None
    seconds: float = 0.0
    cllr_before: float | None = None


def calibrate(
    embedder: Embedder, *, wrong_names: float = WRONG_NAMES, progress: Progress | None = None, keep: bool = True
) -> Calibrated:
    """Calibrate an embedder with the kit, and keep the result beside its model.

    wrong_names : share of strangers who may get a name, in a library of five people like them

    Raises ModelError when the kit or the model is missing, the model cannot be run, or it tells nobody apart.
    """
    open_kit, began = kit.open_kit(), time.monotonic()
    _vectors(embedder, SILENCE)  # a model that cannot be run is found out before the kit is decoded
    heard = list(_heard(open_kit, embedder, progress))
    people = _people(heard)
    try:
        fitted = fitting.fit(embedder.name, people, window=WINDOW, step=STEP, wrong_names=wrong_names)
    except ValueError as error:
        raise ModelError(f"{embedder.name!r} cannot be calibrated: {error}") from error
    right, wrong = fitted.logits[fitted.target], fitted.logits[~fitted.target]
    if not len(right) or not len(wrong) or cllr(right, wrong) > WORTHLESS:
        raise ModelError(f"{embedder.name!r} cannot be calibrated: it tells no voice from another")
    file = _keep(embedder.name, fitted.calibration, _backend(people), open_kit, wrong_names) if keep else None
    return replace(_result(embedder.name, fitted, file), seconds=time.monotonic() - began)


def ensure(embedder: Embedder, *, progress: Progress | None = None) -> Calibrated | None:
    """Calibrate an embedder that has no calibration, or one of another kit or of other weights; else do nothing."""
    if not table.is_known(embedder.name) or files.calibration_file(embedder.name, kit.open_kit().digest) is not None:
        return None
    return calibrate(embedder, progress=progress)


def _heard(of: kit.Kit, embedder: Embedder, progress: Progress | None) -> Iterator[tuple[kit.KitRecording, Array]]:
    recordings = list(of.recordings())
    for done, one in enumerate(recordings):
        if progress is not None:
            progress("calibrate", done, len(recordings))
        yield one, _vectors(embedder, one.samples)


def _vectors(embedder: Embedder, samples: Array) -> Array:
    seconds = len(samples) / SAMPLE_RATE
    windows = np.array(place((0.0, seconds), seconds))
    if guide_of(embedder) is None:
        return vectors_of(embedder, samples, windows)
    # one that hears chosen windows alone, each by itself
    return embedder.embed(samples, np.rint(windows * SAMPLE_RATE).astype(np.int64))


def _people(heard: Sequence[tuple[kit.KitRecording, Array]]) -> list[KitPerson]:
    by_person: dict[str, list[Array]] = {}
    corpus: dict[str, str] = {}
    for one, vectors in heard:
        by_person.setdefault(one.person, []).append(vectors)
        corpus[one.person] = one.corpus
    return [KitPerson(corpus[person], tuple(recordings)) for person, recordings in by_person.items()]


def _backend(people: Sequence[KitPerson]) -> Backend:
    """What is usual within and between voices, for the clustering."""
    vectors = [np.concatenate(person.recordings) for person in people]
    numbers = np.repeat(np.arange(len(vectors)), [len(rows) for rows in vectors])
    return Backend.estimate(np.concatenate(vectors), numbers)


def _keep(name: str, made: Calibration, backend: Backend, of: kit.Kit, wrong_names: float) -> Path:
    """Write both beside the model; the calibration last, for with it they count as made."""
    origin = {"kit": of.digest, "model": files.fingerprint(name), "wrong_names": wrong_names}
    text = json.dumps(json.loads(made.to_json()) | origin, indent=2) + "\n"
    files.keep_beside(name, BACKEND, backend.to_bytes())
    return files.keep_beside(name, CALIBRATION, text.encode())


def _result(embedder: str, fitted: Fitted, file: Path | None) -> Calibrated:
    right, wrong = fitted.logits[fitted.target], fitted.logits[~fitted.target]
    least = float(np.log(fitted.calibration.accept / (1 - fitted.calibration.accept)))
    return Calibrated(
        embedder=embedder,
        calibration=fitted.calibration,
        cllr=cllr(right, wrong),
        num_right=len(right),
        num_wrong=len(wrong),
        named=float((right >= least).mean()),
        curve=curve(fitted.logits, fitted.target),
        file=file,
    )


def curve(logits: Numbers, target: Flags) -> tuple[Bin, ...]:
    """How often answers of about one probability were right, with as many right pairs as wrong ones expected."""
    probability = 1 / (1 + np.exp(-logits))
    weight = np.where(target, 0.5 / max(1, target.sum()), 0.5 / max(1, (~target).sum()))
    found = []
    places = np.minimum((probability * NUM_BINS).astype(int), NUM_BINS - 1)
    for number in range(NUM_BINS):
        rows = places == number
        if rows.any():
            mass = weight[rows].sum()
            said, true = (weight[rows] @ probability[rows]) / mass, weight[rows & target].sum() / mass
            found.append(Bin(float(said), float(true), int(rows.sum())))
    return tuple(found)


# -- from a library


def refine(library: Library, *, keep: bool = True) -> Calibrated:
    """Fit a library's calibration to what its user confirmed and corrected.

    Raises LibraryError when there is too little of that.
    """
    before = calibration_of(library)
    base = _unrefined(library)
    logits, target = _answers(library, base)
    num_right, num_wrong = int(target.sum()), int((~target).sum())
    if num_right < LEAST_RIGHT or num_wrong < LEAST_WRONG:
        raise LibraryError(
            f"{library.location}: {num_right} confirmed and {num_wrong} other pairs of a speaker and a profile are too "
            f"few to calibrate with; it takes {LEAST_RIGHT} and {LEAST_WRONG}"
        )
    offset, slope = fitting.refit(base, logits, target)
    made = replace(
        base,
        bias=round(offset + slope * base.bias, 3),
        score=round(slope * base.score, 3),
        steadiness=round(slope * base.steadiness, 3),
        speech=round(slope * base.speech, 3),
        voiceprints=round(slope * base.voiceprints, 3),
    )
    after = offset + slope * logits
    was = logits if before is base else _answers(library, before)[0]
    if keep:
        library.settings.set(SETTING, made.to_json())
    result = _result(made.embedder, Fitted(made, after, target), None)
    return replace(result, cllr_before=cllr(was[target], was[~target]))


def forget(library: Library) -> bool:
    """Whether the library had a calibration of its own, which it has no more."""
    had = library.settings.get(SETTING) is not None
    library.settings.set(SETTING, None)
    return had


def _unrefined(library: Library) -> Calibration:
    if library.settings.get(SETTING) is None:
        return calibration_of(library)
    return files.calibration(library.embedder)


def _answers(library: Library, calibration: Calibration) -> tuple[Numbers, Flags]:
    """What a calibration says of pairs of which a person said whether they are one, as if no one had said so.

    A voiceprint that was made of the very episode says nothing of whether the voice is known again: a profile is
    compared by those of other recordings alone.
    """
    said = library.said.of_episodes()
    stored = {name: library.voiceprints.of(name) for name in library.people.names()}
    logits: list[float] = []
    target: list[bool] = []
    for one in library.speakers.all_embeddings().episodes():
        words = said[one.audio_sha256]
        heard = [label for label in words.confirmed if one.embeddings.get(label)]
        ruled = [label for label, names in words.ruled_out.items() if names and one.embeddings.get(label)]
        if not heard and not ruled:
            continue
        known = _of_others(stored, one.audio_sha256)
        if not known.profiles:
            continue
        for label in sorted({*heard, *ruled}):
            own = one.embeddings[label]
            score = normalised_scores(centroid(own).vector[None], known, calibration)[0]
            seconds = sum(part.seconds for part in own)
            odds = calibration.logit(score, steadiness(own), seconds=seconds, num_voiceprints=known.counts)
            for name, value in zip(known.names, odds, strict=True):
                if label in words.confirmed:
                    logits.append(float(value))
                    target.append(words.confirmed[label] == name)
                elif name in words.ruled_out[label]:
                    logits.append(float(value))
                    target.append(False)
    return np.array(logits), np.array(target, dtype=np.bool_)


def _of_others(stored: Mapping[str, Sequence[StoredVoiceprint]], audio_sha256: str) -> Voiceprints:
    """The voiceprints that come from other recordings than this."""
    rows = [(name, row.embedding) for name, own in stored.items() for row in own if row.audio_sha256 != audio_sha256]
    if not rows:
        return Voiceprints((), np.empty((0, 0), np.float32), np.empty(0, np.float32))
    return Voiceprints(
        tuple(name for name, _ in rows),
        np.stack([embedding.vector for _, embedding in rows]),
        np.array([embedding.seconds for _, embedding in rows], np.float32),
    )
