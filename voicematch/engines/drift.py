"""Lines of a transcript whose speaker is not the one that is heard in them.

Each speaker's voice is what the windows of their other lines have in common, in the model that tells voices apart
(``cluster``); a line's own windows then say whose line it is. The answer is that model's posterior probability, with a
few lines in a hundred expected to be wrong: nothing here was fitted to episodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..types import Line
from .cluster import EVIDENCE, Backend, Labels, Numbers
from .windows import FOREIGN, Heard

EXPECTED = 0.03  # share of lines that are given to the wrong speaker, before anything is heard
SURE = 0.5  # probability that a line is another's, from which it is said to be: the likelier answer
ROUNDS = 3  # of learning the voices without the lines that turned out to be another's


@dataclass(frozen=True, slots=True)
class Drift:
    """A line that sounds like another speaker of the transcript than the one it is given to.

    line : its place, from 0
    said, heard : the transcript's speaker, and the one whose voice it is
    probability : that it is the latter's
    """

    line: int
    said: str
    heard: str
    probability: float


def drift(lines: Sequence[Line], heard: Heard, backend: Backend) -> tuple[Drift, ...]:
    """Return the lines that are another speaker's by their sound, in order; those too short to be heard are none.

    lines : with the transcript's own speakers
    """
    speakers = list(dict.fromkeys(line.speaker for line in lines if line.speaker is not None))
    rows_by_line = _rows_by_line(lines, heard.windows)
    if len(speakers) < 2 or not rows_by_line:
        return ()
    scaled = backend.project(heard.vectors) * np.sqrt(backend.between)
    said = {line: speakers.index(lines[line].speaker or "") for line in rows_by_line}
    sizes = np.array([len(rows) for rows in rows_by_line.values()], np.float64)
    sums = np.stack([scaled[rows].sum(axis=0) for rows in rows_by_line.values()])
    given = np.array([said[line] for line in rows_by_line])
    own = given
    for _ in range(ROUNDS):
        posterior = _posterior(sums, sizes, own, given, len(speakers), backend.between)
        best = posterior.argmax(axis=1)
        is_other = (best != given) & (posterior[np.arange(len(best)), best] >= SURE)
        now = np.where(is_other, best, given)
        if np.array_equal(now, own):
            break
        own = now
    return tuple(
        Drift(line, speakers[given[idx]], speakers[best[idx]], float(posterior[idx, best[idx]]))
        for idx, line in enumerate(rows_by_line)
        if is_other[idx]
    )


def _posterior(
    sums: Numbers, sizes: Numbers, own: Labels, given: Labels, num_speakers: int, between: Numbers
) -> Numbers:
    """(num_lines, num_speakers) probability that a line is a speaker's.

    sums, sizes : of the windows of each line
    own : whose voice each line counts for; it does not for itself
    """
    total = np.zeros((num_speakers, sums.shape[1]))
    count = np.zeros(num_speakers)
    np.add.at(total, own, sums)
    np.add.at(count, own, sizes)
    is_own = np.arange(num_speakers)[None] == own[:, None]
    without = total[None] - is_own[..., None] * sums[:, None]
    precision = 1 + EVIDENCE * (count[None] - is_own * sizes[:, None])[..., None] * between
    means = EVIDENCE * without / precision
    fit = (sums[:, None] * means).sum(axis=-1)
    spread = 0.5 * sizes[:, None] * ((1 / precision + means**2) * between).sum(axis=-1)
    is_given = np.arange(num_speakers)[None] == given[:, None]
    prior = np.where(is_given, np.log(1 - EXPECTED), np.log(EXPECTED / (num_speakers - 1)))
    nats = EVIDENCE * (fit - spread) + prior
    shares: Numbers = np.exp(nats - nats.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def _rows_by_line(lines: Sequence[Line], windows: npt.NDArray[np.float64]) -> dict[int, npt.NDArray[np.int64]]:
    """The windows with their middle in a line: of those, if there are any, the ones that hear no other speaker's."""
    centres = windows.mean(axis=1)
    starts, ends = (np.array([getattr(line, edge) for line in lines], np.float64) for edge in ("start", "end"))
    found = {}
    for idx, line in enumerate(lines):
        inside = np.flatnonzero((centres >= line.start) & (centres < line.end))
        if line.speaker is None or not len(inside):
            continue
        others = [other for other, one in enumerate(lines) if one.speaker not in (None, line.speaker)]
        shared = np.minimum.outer(windows[inside, 1], ends[others]) - np.maximum.outer(
            windows[inside, 0], starts[others]
        )
        clean = inside[np.maximum(shared, 0.0).sum(axis=1) <= FOREIGN]
        found[idx] = clean if len(clean) else inside
    return found
