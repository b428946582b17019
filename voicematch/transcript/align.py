"""A transcript that was made for another cut of the audio, moved to where its words are.

Feeds serve one episode with an intro added or with advertisements put in between, and a transcript made for the
original is then late from there on. What can be seen without hearing the words: a line tends to begin where a voice
begins after a pause, and a line lies over speech. For each candidate shift every line gives the logarithm of how much
better that explains it than chance does; a path through the candidates, each change of shift at a price, is found by
dynamic programming. Shifts only grow along the episode: material is put in. Where nothing fits clearly, nothing is
moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..types import Line, Word
from .attribute import ends_sentence

Floats = npt.NDArray[np.float64]
Span = tuple[float, float]

FARTHEST = 1800.0  # s; the largest shift that is looked for
BIN = 0.1  # s, of the histograms that propose shifts
MOST_LINES = 8_000  # looked at, five hours of captions; of more, every second or third one, which speaks for the next
BLOCK = 40  # lines; a stretch with a shift of its own shows if it has about as many
PEAKS = 4  # proposals from each block
CARES = ((0.2, 1.0), (0.2, 0.4), (0.6, 0.7))
"""How carefully a transcript may be timed: (s of blur, share of AFTER_SENTENCE met); the one that fits best counts.

By hand or by a recogniser; cut by length; in whole seconds.
"""
AFTER_SENTENCE, IN_SENTENCE = 0.6, 0.2  # share of lines that begin where a voice does, by how the line before ends
COVERED = 0.95  # share of a line's time that is speech, when the line is where it belongs
PRICE = 12.0  # nats for a shift: log of the about 36,000 places it could be at, and a margin
CHANGE_PRICE = 18.0  # nats for another one inside the episode, which is rarer
DISCOUNT = 8.0  # nats; if at prices so much lower more than
RIVAL_LINES = 4  # would be elsewhere, there is no clear answer
LEAST_EVIDENCE = 6.0  # nats by which the whole has to beat chance, after the price
WORST_STRETCH = -6.0  # nats; consecutive lines as much worse than chance belong to other audio
UNSURE = 4.0  # nats; a change of shift that would cost less at other lines might be there
CLOSE = 0.6  # s; beginnings further from their voice say nothing about the exact shift
SAME = 0.6  # s; a smaller shift is none: times in whole seconds are half a second early


@dataclass(frozen=True, slots=True)
class Shift:
    """Lines that start in ``start`` … ``end`` of the transcript's own time are ``seconds`` later in the audio."""

    start: float
    end: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Alignment:
    """The lines at their places in the audio.

    shifts : what was found, in order; a single one of 0.0 s when the lines already were in place
    unsure : indexes of lines next to a change of shift that may belong to its other side; better left without a name
    """

    lines: tuple[Line, ...]
    shifts: tuple[Shift, ...]
    unsure: frozenset[int] = frozenset()

    @property
    def moved(self) -> bool:
        return any(shift.seconds != 0 for shift in self.shifts)


def align(lines: Sequence[Line], speech: Iterable[Span], duration: float) -> Alignment | None:
    """Move the lines to where somebody says them; None when no place is clearly better than chance.

    speech : (start, end) of stretches of speech or of turns; their beginnings matter most
    duration : of the audio; no line is moved beyond it
    """
    spans = sorted(span for span in speech if span[1] > span[0])
    if not lines or not spans or duration <= 0:
        return None
    order = sorted(range(len(lines)), key=lambda idx: lines[idx].start)
    ordered = [lines[idx] for idx in order]
    starts = np.array([line.start for line in ordered])
    onsets = np.unique([start for start, _ in spans])
    step = -(-len(ordered) // MOST_LINES)
    looked_at, likely = ordered[::step], np.append(_likely(ordered), AFTER_SENTENCE)
    begins, stops = likely[:-1:step], likely[1::step]
    candidates = _candidates(starts[::step], begins, onsets, duration)
    by_care = [_gains(looked_at, begins, stops, spans, candidates, duration, care) for care in CARES]
    paths = [_path(gains, candidates) for gains in by_care]
    gains, (path, evidence) = max(zip(by_care, paths, strict=True), key=lambda each: each[1][1])
    rival, _ = _path(gains, candidates, DISCOUNT)
    is_rivalled = np.count_nonzero(rival != path) > RIVAL_LINES
    if evidence < LEAST_EVIDENCE or is_rivalled or _misfits(gains[np.arange(len(path)), path]):
        return None
    shifts = _refined(starts, candidates[path.repeat(step)[: len(ordered)]], onsets)
    if float(ordered[-1].end + shifts[-1]) > duration + 5.0 or float(starts[0] + shifts[0]) < -1.0:
        return None
    placed = list(lines)
    for idx, line, shift in zip(order, ordered, shifts, strict=True):
        placed[idx] = moved(line, float(shift))
    unsure = frozenset(order[idx] for of in _unsure(gains, path) for idx in _spoken_for(of, step, len(order)))
    return Alignment(tuple(placed), _report(starts, shifts), unsure)


def _spoken_for(looked_at: int, step: int, num_lines: int) -> range:
    return range(looked_at * step, min(num_lines, (looked_at + 1) * step))


def _likely(lines: Sequence[Line]) -> Floats:
    """How likely each line begins where a voice begins."""
    after = [AFTER_SENTENCE if ends_sentence(line.text) else IN_SENTENCE for line in lines[:-1]]
    return np.array([AFTER_SENTENCE, *after])


def _candidates(starts: Floats, likely: Floats, onsets: Floats, duration: float) -> Floats:
    """Shifts worth a look, sorted: the peaks of the histograms of onset minus line start, by blocks of lines."""
    num_bins = 2 * round(FARTHEST / BIN) + 1
    shifts = {0.0}
    blocks = [slice(first, first + BLOCK) for first in range(0, max(1, len(starts) - BLOCK // 2), BLOCK // 2)]
    for block in [*blocks, slice(0, len(starts))]:
        histogram = np.zeros(num_bins)
        for start, weight in zip(starts[block], likely[block], strict=True):
            reach = slice(*np.searchsorted(onsets, [start - FARTHEST, start + FARTHEST]))
            bins = np.rint((onsets[reach] - start) / BIN).astype(np.int64) + num_bins // 2
            np.add.at(histogram, bins, weight)
        smooth = np.convolve(histogram, [0.5, 1.0, 1.0, 1.0, 0.5], mode="same")
        for _ in range(PEAKS):
            peak = int(smooth.argmax())
            shifts.add(round((peak - num_bins // 2) * BIN, 1))
            smooth[max(0, peak - 4) : peak + 5] = 0.0
    return np.array(sorted(shift for shift in shifts if abs(shift) < duration or shift == 0.0))


def _gains(
    lines: Sequence[Line],
    begin: Floats,
    stop: Floats,
    spans: list[Span],
    candidates: Floats,
    duration: float,
    care: tuple[float, float],
) -> Floats:
    """Nats by which each shift explains each line better than chance: (num_lines, num_candidates).

    begin, stop : (num_lines,) how likely each line begins where a voice begins, and the one after it does
    """
    blur, met = care
    starts = np.array([line.start for line in lines])[:, None] + candidates
    ends = np.array([max(line.end, line.start + BIN) for line in lines])[:, None] + candidates
    likely, ending = begin[:, None] * met, stop[:, None] * met / 2
    onsets, offsets = (np.unique([span[side] for span in spans]) for side in (0, 1))
    begins = _met(_nearest(onsets, starts), likely, blur, len(onsets) / duration)
    stops = _met(_nearest(offsets, ends), ending, blur, len(offsets) / duration)
    usual = float(np.clip(_spoken_before(spans, np.array([duration]))[0] / duration, 0.02, 0.98))
    covered = _spoken_before(spans, ends) - _spoken_before(spans, starts)
    share = np.clip(covered / (ends - starts), 0.0, 1.0)
    lies = share * np.log(COVERED / usual) + (1 - share) * np.log((1 - COVERED) / (1 - usual))
    gains: Floats = begins + stops + lies
    return gains


def _met(distance: Floats, likely: Floats, blur: float, chance: float) -> Floats:
    """Log likelihood ratio of an edge at that distance: with probability ``likely`` it is the line's own.

    chance : edges a second
    """
    density = np.exp(-0.5 * (distance / blur) ** 2) / (blur * np.sqrt(2 * np.pi))
    ratio: Floats = np.log(1 - likely + likely * density / chance)
    return ratio


def _nearest(sorted_values: Floats, at: Floats) -> Floats:
    after = np.searchsorted(sorted_values, at).clip(1, max(1, len(sorted_values) - 1))
    last = min(1, len(sorted_values) - 1)
    distance: Floats = np.minimum(abs(at - sorted_values[after - 1]), abs(at - sorted_values[after * last]))
    return distance


def _spoken_before(spans: list[Span], times: Floats) -> Floats:
    """Seconds of speech before each time; overlapping speech counts once."""
    edges: list[float] = []
    for start, end in spans:
        if edges and start <= edges[-1]:
            edges[-1] = max(edges[-1], end)
        else:
            edges += [start, end]
    lengths = np.diff(edges)
    lengths[1::2] = 0.0
    before: Floats = np.interp(times, edges, np.concatenate([[0.0], lengths.cumsum()]))
    return before


def _path(gains: Floats, candidates: Floats, discount: float = 0.0) -> tuple[npt.NDArray[np.int64], float]:
    """The candidate of each line that together gain most, never falling, and what they gain less the prices."""
    num_lines, num_candidates = gains.shape
    start_price = np.where(candidates == 0.0, 0.0, PRICE - discount)
    best = gains[0] - start_price
    back = np.zeros((num_lines, num_candidates), dtype=np.int32)
    here, price = np.arange(num_candidates), CHANGE_PRICE - discount
    for idx in range(1, num_lines):
        lower = np.maximum.accumulate(best)
        from_lower = np.maximum.accumulate(np.where(best == lower, here, 0))
        change = lower - price > best
        back[idx] = np.where(change, from_lower, here)
        best = np.where(change, lower - price, best) + gains[idx]
    path = np.empty(num_lines, dtype=np.int64)
    path[-1] = int(best.argmax())
    for idx in range(num_lines - 1, 0, -1):
        path[idx - 1] = back[idx, path[idx]]
    return path, float(best.max())


def _misfits(gains: Floats) -> bool:
    """Whether some stretch of lines fits worse than it would by chance."""
    fallen = gains.cumsum()
    return bool((fallen - np.maximum.accumulate(np.append(0.0, fallen))[:-1]).min() < WORST_STRETCH)


def _unsure(gains: Floats, path: npt.NDArray[np.int64]) -> list[int]:
    """The lines that could as well belong to the other side of a change of shift."""
    unsure: list[int] = []
    changes = np.flatnonzero(np.diff(path)) + 1
    for before, change, after in zip([0, *changes], changes, [*changes[1:], len(path)], strict=False):
        here = slice(int(before), int(after))
        fit = np.append(0.0, (gains[here, path[change - 1]] - gains[here, path[change]]).cumsum())
        possible = np.flatnonzero(fit > fit[change - before] - UNSURE) + before
        unsure.extend(range(int(possible[0]), int(possible[-1])))
    return unsure


def _refined(starts: Floats, shifts: Floats, onsets: Floats) -> Floats:
    """Each stretch's shift at the median of what its matching lines say; next to nothing becomes nothing."""
    refined = shifts.copy()
    for shift in np.unique(shifts):
        own = shifts == shift
        expected = starts[own] + shift
        after = np.searchsorted(onsets, expected).clip(1, max(1, len(onsets) - 1))
        near = np.stack([onsets[after - 1], onsets[after * min(1, len(onsets) - 1)]])
        residuals = (near - expected)[abs(near - expected).argmin(axis=0), np.arange(own.sum())]
        close = residuals[abs(residuals) < CLOSE]
        exact = round(float(shift + np.median(close)), 2) if len(close) else float(shift)
        refined[own] = 0.0 if abs(exact) < SAME else exact
    return refined


def _report(starts: Floats, shifts: Floats) -> tuple[Shift, ...]:
    changes = [0, *(np.flatnonzero(np.diff(shifts)) + 1).tolist(), len(shifts)]
    return tuple(
        Shift(float(starts[first]), float(starts[last - 1]), float(shifts[first])) for first, last in pairwise(changes)
    )


def moved(line: Line, seconds: float) -> Line:
    """Return the line and its words, so many seconds later; nothing is moved before 0."""
    if seconds == 0:
        return line
    start, end = max(0.0, line.start + seconds), max(0.0, line.end + seconds)
    words = tuple(
        Word(max(0.0, word.start + seconds), max(0.0, word.end + seconds), word.text, word.speaker)
        for word in line.words
    )
    return replace(line, start=start, end=end, words=words)
