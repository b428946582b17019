"""Open-set identification as a library grows: who is in it is found, and who is not stays without a name."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import given
from ..audio import Audio
from ..errors import AudioError, EvaluationError
from ..types import Array, Progress
from ..voices.score import Calibration, Voiceprints, unit
from .verification import Embed, clip_vectors, detection_at

SIZES = (5, 50, 500, 5_000)
FALSE_ALARMS = (0.01, 0.001)
ENROLLED_SECONDS = 12.0  # of speech that a profile is made of, where there is so much
MOST_KNOWN = 300  # people who are looked for
NUM_DRAWS = 10  # libraries drawn of a size, over which rates are averaged


@dataclass(frozen=True, slots=True)
class ListedPerson:
    """Somebody's clips, in the order of the list.

    is_probed : whether their voice is looked for; of others a library only grows
    """

    name: str
    clips: tuple[tuple[Path, float], ...]
    is_probed: bool


@dataclass(frozen=True, slots=True)
class OpenSet:
    """How many of those who are in a library get their own name, when so many of the strangers get any.

    threshold : score from which on a name is given
    """

    num_profiles: int
    false_alarm_rate: float
    rate: float
    threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """People as an embedder hears them.

    profiles : (num_people, dimension) array of unit rows
    probes : (num_people, dimension) array: of another recording; nan for those with only one
    """

    profiles: Array
    probes: Array


def read_people(lists: Sequence[str | Path]) -> tuple[ListedPerson, ...]:
    """Read who speaks in which clips: tables with a header, tab separated, with ``speaker``, ``path`` and ``seconds``.

    The people of the first list are looked for, those of further ones only make libraries larger. Columns called
    ``corpus`` or ``source`` tell people of the same name apart. Raises EvaluationError.
    """
    clips: dict[str, list[tuple[Path, float]]] = {}
    for path in map(Path, lists):
        try:
            with io.TextIOWrapper(given.opened(path), encoding="utf-8", newline="") as stream:
                table = csv.DictReader(stream, delimiter="\t")
                if not {"speaker", "path", "seconds"} <= set(table.fieldnames or ()):
                    raise EvaluationError(f"{path}: needs the columns speaker, path and seconds")
                for row in table:
                    who = f"{path} {row.get('corpus') or row.get('source') or ''} {row['speaker']}"
                    clips.setdefault(who, []).append((path.parent / row["path"], float(row["seconds"])))
        except (OSError, UnicodeDecodeError, ValueError, TypeError) as error:
            raise EvaluationError(f"{path}: cannot be read: {error}") from error
    first = f"{Path(lists[0])} "
    return tuple(ListedPerson(name, tuple(own), name.startswith(first)) for name, own in sorted(clips.items()))


def gallery(people: Sequence[ListedPerson], embed: Embed, progress: Progress | None = None) -> Gallery:
    """Make everybody's profile out of the first clips, and a probe out of the last ones, of about 12 s each."""
    profiles, probes = [], []
    for done, person in enumerate(people):
        if progress is not None:
            progress("open set", done, len(people))
        num_first = (len(person.clips) + 1) // 2 if person.is_probed else len(person.clips)
        profiles.append(_voice(person.clips[:num_first], embed))
        rest = person.clips[num_first:]
        probes.append(_voice(rest, embed) if rest else np.full_like(profiles[-1], np.nan))
    return Gallery(np.stack(profiles), np.stack(probes))


def open_set(
    heard: Gallery,
    calibration: Calibration,
    *,
    sizes: Sequence[int] = SIZES,
    false_alarms: Sequence[float] = FALSE_ALARMS,
    seed: int = 0,
) -> tuple[OpenSet, ...]:
    """Measure the rates for libraries of each size, as far as there are people; strangers are people not in it.

    Of those with two recordings one half is in every library as far as it goes, and the other half are the strangers.
    Scores are normalised as matching does. Raises EvaluationError when there are too few people.
    """
    twice = np.flatnonzero(np.isfinite(heard.probes).all(axis=1))
    random = np.random.default_rng(seed)
    random.shuffle(twice)
    known, strangers = twice[: len(twice) // 2][:MOST_KNOWN], twice[len(twice) // 2 :]
    others = np.setdiff1d(np.arange(len(heard.profiles)), twice)
    if len(known) < min(sizes) or not len(strangers):
        raise EvaluationError(f"open-set rates need more people: {len(twice)} have two recordings")
    pool = np.concatenate([known, random.permutation(others)])
    probes = np.concatenate([known, strangers])
    score = _scores(heard.probes[probes], heard.profiles[pool], calibration)
    found = []
    for size in sorted({min(size, len(pool)) for size in sizes}):
        draws = []
        for _ in range(NUM_DRAWS if size < len(known) else 1):
            members = random.permutation(len(known))[:size] if size < len(known) else np.arange(size)
            place = np.full(len(probes), -1)
            place[members[members < len(known)]] = np.flatnonzero(members < len(known))
            asked = np.flatnonzero((place >= 0) | (np.arange(len(probes)) >= len(known)))
            draws.append((score[np.ix_(asked, members)], place[asked]))
        for rate in false_alarms:
            both = [detection_at(table, truth, false_alarm_rate=rate) for table, truth in draws]
            detected, threshold = (float(np.mean(column)) for column in zip(*both, strict=True))
            found.append(OpenSet(int(size), rate, detected, threshold))
    return tuple(found)


def _scores(probes: Array, profiles: Array, calibration: Calibration) -> Array:
    names = tuple(f"{number:06d}" for number in range(len(profiles)))
    library = Voiceprints(names, profiles, np.ones(len(profiles), np.float32))
    if calibration.cohort is not None:
        return calibration.cohort.scores(probes, library)
    return np.asarray(probes @ library.vectors.T, np.float32)


def _voice(clips: Sequence[tuple[Path, float]], embed: Embed) -> Array:
    """One vector of up to 12 s of these clips."""
    vectors, seconds = [], 0.0
    for path, length in clips:
        if seconds >= ENROLLED_SECONDS:
            break
        try:
            samples = np.concatenate(list(Audio(path).blocks()))
        except (AudioError, ValueError) as error:
            raise EvaluationError(f"{path}: cannot be heard: {error}") from error
        vectors.append(clip_vectors(samples, embed, path))
        seconds += length
    return unit(np.concatenate(vectors).mean(axis=0))
