"""Which voices to learn from when a person has named them: of one person, unlike one another, and few.

Pure arrays in and out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..types import Array
from .match import normalised_scores
from .score import Calibration, Numbers, Voiceprints

MOST_VOICEPRINTS = 12  # of a profile; a voice in as many conditions as anybody is heard in
NEAR_DUPLICATE = 0.95  # cosine above which a voiceprint adds nothing to another


def outliers(known: Array, voices: Array, steadiness: Sequence[float | None], *, calibration: Calibration) -> list[int]:
    """Return the voices, by number, that are hardly one person with the others and should not be learned from.

    known : (num_voiceprints, dimension) array of what is known of the person
    voices : (num_voices, dimension) array, the most trusted first; where nothing is known, the first is believed
    """
    believed, strange = list(known), []
    for idx, voice in enumerate(voices):
        if believed:
            person = Voiceprints(("them",) * len(believed), np.stack(believed), np.ones(len(believed), np.float32))
            score = float(normalised_scores(voice[None], person, calibration)[0, 0])
            if calibration.probability(score, steadiness[idx]) < 1.0 - calibration.accept:
                strange.append(idx)
                continue
        believed.append(voice)
    return strange


def choose(
    kept: Array, offered: Array, *, may_go: Sequence[bool], most: int = MOST_VOICEPRINTS
) -> tuple[list[int], list[int]]:
    """Return (rows of ``offered`` to add, rows of ``kept`` to give up), so that what is known is diverse.

    kept : (num_kept, dimension) array of unit rows
    offered : (num_offered, dimension) array; what differs most from the kept is added first
    may_go : whether each of the kept may be given up; it is when there are `most` and it tells less than a new one
    """
    table = np.concatenate([kept, offered]).astype(np.float64)
    cosines = table @ table.T
    np.fill_diagonal(cosines, -1.0)
    num_kept, chosen = len(kept), list(range(len(kept)))
    waiting = list(range(num_kept, len(table)))
    while waiting:
        new = _least_like(cosines, waiting, chosen)
        waiting.remove(new)
        closest = cosines[new, chosen].max() if chosen else -1.0
        if closest > NEAR_DUPLICATE:
            break
        if len(chosen) >= most:
            goes = _tells_least(cosines, [row for row in chosen if row < num_kept and may_go[row]], chosen)
            if goes is None or cosines[goes, chosen].max() <= closest:
                break
            chosen.remove(goes)
        chosen.append(new)
    return [row - num_kept for row in chosen if row >= num_kept], sorted(set(range(num_kept)) - set(chosen))


def _least_like(cosines: Numbers, waiting: Sequence[int], chosen: Sequence[int]) -> int:
    """The row to add next: what is least like the chosen; at first, what is most like all others."""
    if not chosen:
        return max(waiting, key=lambda row: (cosines[row, waiting].mean(), -row))
    return min(waiting, key=lambda row: (cosines[row, chosen].max(), row))


def _tells_least(cosines: Numbers, among: Sequence[int], chosen: Sequence[int]) -> int | None:
    return max(among, key=lambda row: (cosines[row, chosen].max(), -row), default=None)
