"""Profiles as anchors: a speaker in whom two enrolled people are clearly heard is two speakers.

Two voices that are alike are one to the clustering, which knows neither of them. Whoever has a profile of each can
tell: some seconds in a row are far nearer to the one, others to the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..types import Array
from ..voices.match import normalised_scores
from ..voices.score import Calibration, Numbers, Voiceprints, scores, unit
from .grouping import Labels, renumbered
from .turns import course

REACH = 2  # windows on either side that are heard with one, where the sound goes on: 4.5 s are enough for a name
SURE = 0.9  # probability from which a few seconds may clearly be one profile
AHEAD = 0.12  # score by which they are nearer to it than to any other
LEAST_WINDOWS = 5  # that are clearly a profile, for a speaker to be parted: a claim has its price
LEAST_SHARE = 0.05  # of a speaker's windows; by chance more of many windows are clear
CHANGE_COST = 0.5  # sum of scores that the other profile must gain to take over
SHORTLIST = 50  # profiles that are looked at for one speaker
MOST_STRETCHES = 64  # of a speaker, by which these are found


@dataclass(frozen=True, eq=False)
class Anchors:
    """Whose voices are known, and what a likeness to them is worth."""

    voiceprints: Voiceprints
    calibration: Calibration

    def part(self, vectors: Array, labels: Labels, joined: npt.NDArray[np.bool_], most: int | None = None) -> Labels:
        """Return the labels with those speakers parted who clearly are several profiles; the same for an empty library.

        vectors, labels : (num_windows, dimension) unit rows, and the speaker of each
        joined : (num_windows - 1,) whether a window's sound goes on into the next one's
        most : speakers there may be in all
        """
        parted, number = labels.copy(), int(labels.max(initial=-1)) + 1
        for speaker in range(number):
            own = np.flatnonzero(labels == speaker)
            profiles = self._clear(vectors[own], (np.diff(own) == 1) & joined[own[:-1]])
            if len(profiles) < 2 or (most is not None and number + len(profiles) - 1 > most):
                continue
            turns = course(scores(vectors[own], self.voiceprints.only(profiles)), CHANGE_COST)
            for profile in np.unique(turns)[1:]:
                parted[own[turns == profile]] = number
                number += 1
        return renumbered(parted)

    def _clear(self, vectors: Array, joined: npt.NDArray[np.bool_]) -> list[str]:
        """The profiles that enough of one speaker's windows clearly are, in the order of names."""
        if len(vectors) < 2 * LEAST_WINDOWS or len(self.voiceprints.names) < 2:
            return []
        near = self._nearest(vectors)
        score = normalised_scores(_with_neighbours(vectors, joined), near, self.calibration)
        probability = self.calibration.probability(score.max(axis=1), num_profiles=len(self.voiceprints.names))
        first, second = np.moveaxis(-np.partition(-score, 1, axis=1)[:, :2], 1, 0)
        clear = (probability >= SURE) & (first - second >= AHEAD)
        counts = np.bincount(score.argmax(axis=1)[clear], minlength=len(near.names))
        enough = counts >= max(LEAST_WINDOWS, LEAST_SHARE * len(vectors))
        return [name for name, is_heard in zip(near.names, enough.tolist(), strict=True) if is_heard]

    def _nearest(self, vectors: Array) -> Voiceprints:
        """Those whom some stretch of the speaker is nearest to; at least two."""
        if len(self.voiceprints.names) <= SHORTLIST:
            return self.voiceprints
        num = min(MOST_STRETCHES, len(vectors) // LEAST_WINDOWS)
        stretches = unit(np.stack([part.mean(axis=0) for part in np.array_split(vectors, num)]))
        best = scores(stretches, self.voiceprints).max(axis=0)
        chosen = np.argsort(-best, kind="stable")[:SHORTLIST]
        return self.voiceprints.only([self.voiceprints.names[idx] for idx in chosen])


def _with_neighbours(vectors: Array, joined: npt.NDArray[np.bool_]) -> Array:
    """Each window together with those around it, as far as the sound goes on."""
    together: Numbers = vectors.astype(np.float64)
    goes_on = np.ones(len(vectors), bool)
    for step in range(1, REACH + 1):
        goes_on = goes_on[:-1] & joined[step - 1 :]
        together[step:] += vectors[:-step] * goes_on[:, None]
        together[:-step] += vectors[step:] * goes_on[:, None]
    return unit(together)
