"""From labelled windows to turns: who holds the floor, and where exactly the floor changes hands."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from ..types import Array, Turn
from ..voices.score import unit
from .grouping import Labels
from .speech import CHANGE, FRAME, SPEECH
from .windows import MOMENT, MOMENT_STEP, Heard

SHORTEST_TURN = 0.2  # s
LONGEST_GAP = 0.5  # s; a shorter silence between two stretches of one speaker is part of their turn
REACH = 0.5  # s; how far a change of speaker is moved to a pause where windows tell it
NEAR = 0.25  # s; where moments tell it
FAR = 0.3  # probability of speech that a pause must gain for each second it is farther away
CHANGE_COST = 0.5  # sum of cosines, one for each MOMENT_STEP, that another speaker must gain to take the floor
DOUBTFUL = 0.8  # mean probability of speech below which somebody who says less than BRIEF is a noise, and nobody
BRIEF = 10.0  # s

Piece = tuple[float, float, int]
"""Start, end, and the label of who speaks."""


def turns_of(heard: Heard, labels: Labels, fewest: int = 1) -> tuple[Turn, ...]:
    """Return turns of the speakers, who are named in the order in which they first speak.

    labels : (num_windows,) the speaker of each window
    fewest : speakers that stay, however doubtful; noises beyond these have no turns
    """
    if not len(labels):
        return ()
    pieces = _by_moments(heard, labels) if heard.moments else []
    if {label for _, _, label in pieces} != set(labels.tolist()):  # nobody is lost to neighbours who sound alike
        pieces = _by_windows(heard, labels)
    noises = _noises(heard, pieces, fewest)
    joined: list[Piece] = []
    for start, end, label in pieces:
        if label in noises:
            continue
        if joined and joined[-1][2] == label and start - joined[-1][1] <= LONGEST_GAP:
            joined[-1] = (joined[-1][0], end, label)
        else:
            joined.append((start, end, label))
    names = {label: f"SPEAKER_{idx:02d}" for idx, label in enumerate(dict.fromkeys(label for _, _, label in joined))}
    return tuple(Turn(start, end, names[label]) for start, end, label in joined)


def _noises(heard: Heard, pieces: list[Piece], fewest: int) -> set[int]:
    """The labels that no speaker has: little is heard of them, and that is hardly taken for speech."""
    until = np.concatenate([[0.0], np.cumsum(np.concatenate(heard.probabilities)[:, SPEECH], dtype=np.float64)])
    seconds: dict[int, float] = {}
    spoken: dict[int, float] = {}
    for start, end, label in pieces:
        first, last = (min(round(bound / FRAME), len(until) - 1) for bound in (start, end))
        seconds[label] = seconds.get(label, 0.0) + end - start
        spoken[label] = spoken.get(label, 0.0) + (until[last] - until[first]).item() * FRAME
    sure = {label: spoken[label] / seconds[label] for label in seconds}
    doubtful = sorted(
        (label for label in sure if sure[label] < DOUBTFUL and seconds[label] < BRIEF), key=sure.__getitem__
    )
    return set(doubtful[: max(0, len(sure) - fewest)])


def _by_windows(heard: Heard, labels: Labels) -> list[Piece]:
    """Each moment of speech goes to the window whose centre is nearest."""
    centres = heard.windows.mean(axis=1)
    order = np.argsort(centres, kind="stable")
    centres, labels = centres[order], labels[order]
    talk = uniform_filter1d(np.concatenate(heard.probabilities).astype(np.float32), 5, axis=0)
    talk = talk[:, SPEECH] - talk[:, CHANGE]
    cuts = _snapped((centres[1:] + centres[:-1])[labels[1:] != labels[:-1]] / 2, talk, REACH)
    pieces: list[Piece] = []
    for start, end in heard.spans:
        inner = cuts[(cuts > start + SHORTEST_TURN) & (cuts < end - SHORTEST_TURN)]
        for first, last in zip((start, *inner.tolist()), (*inner.tolist(), end), strict=True):
            if last - first >= SHORTEST_TURN:
                nearest = int(np.argmin(np.abs(centres - (first + last) / 2)))
                pieces.append((first, last, int(labels[nearest])))
    return pieces


def _by_moments(heard: Heard, labels: Labels) -> list[Piece]:
    """The likeliest course of speakers through each stretch of speech, in which every change has its cost.

    Windows are long enough to tell who the speakers are; moments are close enough to say when they change.
    """
    voices, speech = _voices(heard, labels), np.concatenate(heard.probabilities)[:, SPEECH].astype(np.float32)
    begin = np.array([part.first for part in heard.moments]) - MOMENT / 2
    pieces: list[Piece] = []
    for start, end in heard.spans:
        part = heard.moments[max(0, int(np.searchsorted(begin, (start + end) / 2, side="right")) - 1)]
        times = part.first + MOMENT_STEP * np.arange(len(part.vectors))
        first, last = np.searchsorted(times, [start, end]).tolist()
        if first == last:  # shorter than what is between two moments: the nearest
            first = min(first, len(times) - 1)
            last = first + 1
        spoken = course(unit(part.vectors[first:last]) @ voices.T, CHANGE_COST)
        changes = np.flatnonzero(spoken[1:] != spoken[:-1])
        cuts = _snapped((times[first:last][changes] + times[first:last][changes + 1]) / 2, speech, NEAR)
        bounds = [start, *np.clip(cuts, start, end).tolist(), end]
        speakers = spoken[[0, *(changes + 1).tolist()]].tolist()
        pieces += [(a, b, who) for a, b, who in zip(bounds[:-1], bounds[1:], speakers, strict=True) if b > a]
    return pieces


def _voices(heard: Heard, labels: Labels) -> Array:
    """(num_speakers, dimension) each speaker's vector: of windows inside their turns, else of all of theirs."""
    joined = heard.windows[1:, 0] <= heard.windows[:-1, 1]
    goes_on = (labels[1:] == labels[:-1]) | ~joined
    inside = np.concatenate([[True], goes_on]) & np.concatenate([goes_on, [True]])
    voices = []
    for speaker in range(int(labels.max()) + 1):
        own = labels == speaker
        pure = own & inside
        voices.append(unit(heard.vectors[pure if np.count_nonzero(pure) > 1 else own].mean(axis=0)))
    return np.stack(voices)


def course(likeness: Array, cost: float) -> Labels:
    """Return (num_moments,) who speaks in each moment: the most likeness in sum, less the cost of changes (Viterbi).

    likeness : (num_moments, num_speakers) array
    """
    best = likeness.astype(np.float64)
    for at in range(1, len(best)):
        before = best[at - 1]
        best[at] += np.maximum(before, before.max() - cost)
    leader = best.argmax(axis=1)
    stays = best >= best.max(axis=1, keepdims=True) - cost
    found = np.empty(len(best), np.int64)
    found[-1] = leader[-1]
    for at in range(len(best) - 1, 0, -1):
        found[at - 1] = found[at] if stays[at - 1, found[at]] else leader[at - 1]
    return found


def _snapped(cuts: npt.NDArray[np.float64], talk: Array, reach: float) -> npt.NDArray[np.float64]:
    """Changes of speaker moved to the likeliest pause nearby, for a vector tells only roughly where a voice begins.

    talk : (num_frames,) how surely somebody goes on talking
    """
    snapped = []
    for cut in cuts:
        first = max(0, round((cut - reach) / FRAME))
        near = talk[first : round((cut + reach) / FRAME) + 1]
        away = np.abs((np.arange(first, first + len(near)) + 0.5) * FRAME - cut)
        snapped.append((first + int(np.argmin(near + FAR * away)) + 0.5) * FRAME if len(near) else cut)
    return np.maximum.accumulate(np.array(snapped, dtype=np.float64))
