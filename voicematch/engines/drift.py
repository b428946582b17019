"""Lines of a transcript whose speaker is not the one that is heard in them.

Each speaker's voice is what the windows of their other lines have in common, in the model that tells voices apart
(``cluster``); a line's own windows then say whose line it is. The answer is that model's posterior probability, with a
few lines in a hundred expected to be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..types import Line
from .backend import Backend
from .grouping import Labels, Numbers
from .windows import FOREIGN, Heard

EXPECTED = 0.03  # share of lines that are given to the wrong speaker, before anything is heard
# The three were chosen on simulated shows (models/train/shows.py), of people whom the embedder was not trained on, with
# 3 % of the lines given away: the fewest false reports where nine tenths are found. On others 93 % are, at 0.5 % false.
WEIGHT = 0.05  # of a window's evidence: those of one line resemble each other in more than the voice
SURE = 0.5  # probability that a line is another's, from which it is said to be: the likelier answer
KNOWN = 5  # windows in a speaker's other lines, some 4 s; below, their voice is not known well enough to be missed
SHARED = 0.3  # of a line over which others talk too: more, and it is no wonder to hear them
ROUNDS = 3  # of learning the voices without the lines that turned out to be another's


@dataclass(frozen=True, slots=True)
class Drift:
    """A line that sounds like another speaker of the transcript than the one it is given to.

    line : its place, from 0; start, end, text : what it is
    said, heard : the transcript's speaker, and the one whose voice it is
    probability : that it is the latter's
    """

    line: int
    start: float
    end: float
    text: str
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
    # Windows of the same speaker in other lines, as the transcript has it.
    besides = np.bincount(given, weights=sizes, minlength=len(speakers))[given] - sizes
    for _ in range(ROUNDS):
        posterior = _posterior(sums, sizes, own, given, len(speakers), backend.between)
        best = posterior.argmax(axis=1)
        is_other = (best != given) & (besides >= KNOWN) & (posterior[np.arange(len(best)), best] >= SURE)
        now = np.where(is_other, best, given)
        if np.array_equal(now, own):
            break
        own = now
    return tuple(
        Drift(
            line,
            lines[line].start,
            lines[line].end,
            lines[line].text,
            said=speakers[given[idx]],
            heard=speakers[best[idx]],
            probability=float(posterior[idx, best[idx]]),
        )
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
    precision = 1 + WEIGHT * (count[None] - is_own * sizes[:, None])[..., None] * between
    means = WEIGHT * without / precision
    fit = (sums[:, None] * means).sum(axis=-1)
    spread = 0.5 * sizes[:, None] * ((1 / precision + means**2) * between).sum(axis=-1)
    is_given = np.arange(num_speakers)[None] == given[:, None]
    prior = np.where(is_given, np.log(1 - EXPECTED), np.log(EXPECTED / (num_speakers - 1)))
    nats = WEIGHT * (fit - spread) + prior
    likely = np.exp(nats - nats.max(axis=1, keepdims=True))
    shares: Numbers = likely / likely.sum(axis=1, keepdims=True)
    return shares


def _rows_by_line(lines: Sequence[Line], windows: npt.NDArray[np.float64]) -> dict[int, npt.NDArray[np.int64]]:
    """The windows with their middle in a line: of those, if there are any, the ones that hear no other speaker's."""
    centres = windows.mean(axis=1)
    starts, ends = (np.array([getattr(line, edge) for line in lines], np.float64) for edge in ("start", "end"))
    found = {}
    for idx, line in enumerate(lines):
        inside = np.flatnonzero((centres >= line.start) & (centres < line.end))
        others = [other for other, one in enumerate(lines) if one.speaker not in (None, line.speaker)]
        talked_over = np.minimum(ends[others], line.end) - np.maximum(starts[others], line.start)
        is_shared = np.maximum(talked_over, 0.0).sum() > SHARED * (line.end - line.start)
        if line.speaker is None or not len(inside) or is_shared:
            continue
        shared = np.minimum.outer(windows[inside, 1], ends[others]) - np.maximum.outer(
            windows[inside, 0], starts[others]
        )
        clean = inside[np.maximum(shared, 0.0).sum(axis=1) <= FOREIGN]
        found[idx] = clean if len(clean) else inside
    return found
