"""Unknowns, voices that nobody has named: recognising them again, and telling several apart.

Pure values in and out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from ..types import Array, Embedding, Match, Verdict
from .match import match, normalised_scores
from .rules import ODDS_ELSEWHERE
from .score import Calibration, Numbers, Voiceprints, steadiness


@dataclass(frozen=True, slots=True, eq=False)
class UnknownVoices:
    """The unknowns, as one episode is to be compared with them.

    voices : ``profiles`` holds U-0001 …, one row for each speaker heard as it
    steadiness, episodes : of each row, how steady the voice is (`score.steadiness`), and the episode it is heard in
    in_show : of each row, whether that episode is of the show of the one at hand
    num_in_show : stored episodes of that show, besides the one at hand
    """

    voices: Voiceprints
    steadiness: tuple[float | None, ...]
    episodes: tuple[int, ...]
    in_show: tuple[bool, ...]
    num_in_show: int

    def at_home(self) -> tuple[str, ...]:
        """Return those that have been heard in the show."""
        return tuple(dict.fromkeys(name for name, own in zip(self.voices.profiles, self.in_show, strict=True) if own))

    def odds(self, name: str) -> float:
        """Return the odds, before listening, that a voice returns in this episode: at most even, for a host.

        Laplace's rule of succession over the show's episodes; a voice of other shows returns far more seldom.
        """
        rows = [row for row, own in enumerate(self.voices.profiles) if own == name]
        num = len({self.episodes[row] for row in rows if self.in_show[row]})
        return min((num + 1) / (max(self.num_in_show, num) - num + 1), 1.0) if num else ODDS_ELSEWHERE

    def steadiest(self, name: str, calibration: Calibration) -> float:
        """Return the steadiness of its speakers that asks for most."""
        own = zip(self.voices.profiles, self.steadiness, strict=True)
        return max(calibration.unknown_steadiness if h is None else h for other, h in own if other == name)

    def is_one_voice(self, name: str, calibration: Calibration) -> bool:
        """Return whether each of its speakers is as steady as a single voice is."""
        own = zip(self.voices.profiles, self.steadiness, strict=True)
        return all(h is None or h >= calibration.least_steadiness for other, h in own if other == name)


def recognise(
    embeddings: Mapping[str, Sequence[Embedding]], unknowns: UnknownVoices, *, calibration: Calibration
) -> dict[str, str]:
    """Return the unknown that each speaker of an episode is, by label; who surely is none is absent.

    More careful than naming is, for nobody will look: a speaker has to be near to the voice by the steadiness of both,
    and nearer the more seldom the voice is heard in this show (Bayes' rule, with `UnknownVoices.odds`). Those heard
    in the show are asked first, and a voice of another show only about who is none of them.

    Where a speaker is near two unknowns that are themselves one person's, it is the older one, so that a voice
    that once was remembered twice is not remembered ever again.
    """
    at_home = unknowns.at_home()
    by_label = _recognised(embeddings, unknowns, unknowns.voices.only(at_home), calibration) if at_home else {}
    for label, name in _recognised(embeddings, unknowns, unknowns.voices, calibration).items():
        if label not in by_label and name not in by_label.values():
            by_label[label] = name
    return by_label


def _recognised(
    embeddings: Mapping[str, Sequence[Embedding]],
    unknowns: UnknownVoices,
    among: Voiceprints,
    calibration: Calibration,
) -> dict[str, str]:
    by_label = {}
    for label, first in match(embeddings, among, calibration=calibration).items():
        verdict, left = first, among
        while (twin := _twin(verdict, unknowns, calibration)) is not None:
            left = left.only([name for name in left.names if name != twin])
            verdict = match(embeddings, left, calibration=calibration)[label]
        name = verdict.profile
        if verdict.verdict is not Verdict.ACCEPT or name is None or not unknowns.is_one_voice(name, calibration):
            continue
        own = steadiness(embeddings[label])
        steady = max(calibration.unknown_steadiness if own is None else own, unknowns.steadiest(name, calibration))
        score = next(candidate.score for candidate in verdict.candidates if candidate.profile == name)
        if calibration.logit(score, steady) + np.log(unknowns.odds(name)) >= logit(calibration.accept):
            by_label[label] = name
    return by_label


def _twin(verdict: Match, unknowns: UnknownVoices, calibration: Calibration) -> str | None:
    """The younger of the two voices between which there is doubt, when they are one person's."""
    if verdict.verdict is not Verdict.REVIEW or len(verdict.candidates) < 2:
        return None
    nearest = verdict.candidates[:2]
    if min(candidate.probability for candidate in nearest) < calibration.accept:
        return None
    older, younger = sorted((candidate.profile for candidate in nearest), key=lambda name: (len(name), name))
    score = normalised_scores(unknowns.voices.only([older]).means, unknowns.voices.only([younger]), calibration)[0, 0]
    steady = max(unknowns.steadiest(name, calibration) for name in (older, younger))
    odds = min(unknowns.odds(name) for name in (older, younger))
    same = calibration.logit(score, steady) + np.log(odds) >= logit(calibration.accept)
    return younger if same else None


def parts(
    vectors: Array, seconds: Numbers, *, calibration: Calibration, steadiness: Sequence[float | None] = ()
) -> list[list[int]]:
    """Return rows in groups that sound like one person, at least two groups, most speech first.

    vectors : (num_speakers, dimension) array of unit rows
    seconds : (num_speakers,) array
    steadiness : of each speaker; unknown when not given
    """
    from scipy.cluster.hierarchy import fcluster, linkage  # slow to load, and seldom wanted

    if len(vectors) < 2:
        return [list(range(len(vectors)))]
    numbers = tuple(f"{row:09d}" for row in range(len(vectors)))  # sorted as the rows are
    score = normalised_scores(vectors, Voiceprints(numbers, vectors, np.ones(len(vectors), np.float32)), calibration)
    steady = np.array([calibration.unknown_steadiness if h is None else h for h in steadiness or [None] * len(vectors)])
    odds = calibration.logit(score, np.maximum(steady[:, None], steady[None, :]))
    apart = odds.max() - (odds + odds.T) / 2
    tree = linkage(apart[np.triu_indices(len(vectors), 1)], "average")
    labels = fcluster(tree, odds.max() - logit(calibration.accept), "distance").astype(np.int64)
    if labels.max() == 1:
        labels = fcluster(tree, 2, "maxclust").astype(np.int64)
    if labels.max() == 1:  # all the same to the last bit
        labels = np.arange(len(vectors)) + 1
    groups = [np.flatnonzero(labels == label) for label in range(1, labels.max() + 1)]
    groups.sort(key=lambda rows: (-float(seconds[rows].sum()), int(rows[0])))
    return [[int(row) for row in rows] for rows in groups]
