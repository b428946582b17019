"""The speakers of an episode looked through once more: who is two people is parted, who is one person is made one.

The model of `cluster` sees windows as so many independent draws. What it cannot see, the likeness of whole groups of
windows and who goes on speaking, is looked at here, a rule at a time; each takes labels and returns labels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..types import Array
from .backend import Backend
from .grouping import (
    MOST_AT_ONCE,
    Labels,
    Numbers,
    halved,
    linked,
    means_of,
    renumbered,
    smoothed,
    two_means,
    unit_length,
)

# Chosen by hand on simulated shows, of people whom the embedder was trained on and of others (models/train/shows.py);
# models/HISTORY.md says in which the development episodes had a part.
CLOSE = 0.45  # mean cosine of smoothed windows from which they are one voice, where a speaker is looked through
FEWER = 0.55  # cosine, over their number, by which fewer windows of one voice may be farther from the rest of it
COHERENT = 0.6  # mean cosine of a window and the rest of its group from which the group may be one voice
TOGETHER = 0.4  # share of a group's windows that the next one follows; those at changes of speaker lie apart
LEAST_GROUP = 3  # windows of a voice that is found again
LEAST_HALF = 8  # windows on either side where a speaker is parted into two
MANY_WINDOWS = 40  # on either side, half a minute; halves of one voice are then as near as speakers who are one
CONSTANT = 0.97  # share of windows whose next one, of the same stretch of speech, is on the same side
LEAST_WINDOWS = 2  # that make a voice of its own; one alone may be a laugh or a change of speaker


def alike_joined(vectors: Array, labels: Labels, alike: float, min_speakers: int) -> Labels:
    """Make those speakers one, most alike first, whose mean vectors no two people come so near.

    Windows of one voice from one sitting are alike in more than the voice, and in a long episode there are enough of
    each sitting to be taken for speakers.
    """
    labels = renumbered(labels)
    while labels.max() + 1 > min_speakers:
        means = unit_length(means_of(vectors, labels))
        likeness = np.triu(means @ means.T, 1)
        if likeness.max() < alike:
            break
        kept, gone = np.unravel_index(int(likeness.argmax()), likeness.shape)
        labels = renumbered(np.where(labels == gone, kept, labels))
    return labels


def unlike_parted(vectors: Array, labels: Labels, joined: npt.NDArray[np.bool_], unlike: float) -> Labels:
    """Give those windows to another speaker, or to a new one, that are unlike the rest of their own.

    The model of ``cluster`` weighs a new speaker against the few windows that ask for one, and takes a guest who says
    little, or is like another, for that other. So each speaker's windows are put together once more by likeness alone:
    the largest group is the speaker, and every other has to be as near to it as windows of one voice are.
    """
    labels = renumbered(labels)
    voices: list[Numbers] = []
    strange: list[npt.NDArray[np.int64]] = []
    for speaker in range(int(labels.max()) + 1):
        first, *others = _groups(vectors, joined, np.flatnonzero(labels == speaker))
        voice = vectors[first].sum(axis=0, dtype=np.float64)
        for group in others:
            if len(group) < LEAST_WINDOWS or _is_near(vectors[group], voice, unlike):
                voice += vectors[group].sum(axis=0, dtype=np.float64)
            else:
                strange.append(group)
        voices.append(voice)
    for group in sorted(strange, key=lambda group: (-len(group), int(group[0]))):
        own = vectors[group].sum(axis=0, dtype=np.float64)
        nearest = int(np.argmax(unit_length(np.stack(voices)) @ own))
        if _is_near(vectors[group], voices[nearest], unlike):
            labels[group] = nearest
        else:
            labels[group] = len(voices)
            voices.append(own)
    return labels


def found_again(vectors: Array, labels: Labels, groups: Labels, joined: npt.NDArray[np.bool_], unlike: float) -> Labels:
    """Make those groups of the first guess speakers of their own that were scattered over others.

    groups : (num_vectors,) the first guess

    Somebody who says little costs the model of ``cluster`` more than it gains, and each of their windows goes to
    whoever is nearest. A group is a voice when its windows are near each other, follow each other, and are unlike
    every speaker.
    """
    labels = renumbered(labels)
    sizes = np.bincount(labels).tolist()
    sums = list(means_of(vectors, labels) * np.array(sizes)[:, None])
    members = [np.flatnonzero(groups == number) for number in range(int(groups.max()) + 1)]
    for group in sorted(members, key=lambda group: (-len(group), int(group[0]))):
        if not _is_voice(vectors[group], (np.diff(group) == 1) & joined[group[:-1]]):
            continue
        voice = vectors[group].sum(axis=0, dtype=np.float64)
        own = {int(k): group[labels[group] == k] for k in np.unique(labels[group])}
        if any(2 * len(part) > sizes[k] for k, part in own.items()):
            continue  # it is most of a speaker
        taken = {k: vectors[part].sum(axis=0, dtype=np.float64) for k, part in own.items()}
        others = np.stack([total - taken.get(k, 0.0) for k, total in enumerate(sums)])
        if (unit_length(others) @ unit_length(voice)).max() >= unlike:
            continue
        for k, part in own.items():
            sums[k], sizes[k] = others[k], sizes[k] - len(part)
        labels[group] = len(sums)
        sums.append(voice)
        sizes.append(len(group))
    return labels


def halves_parted(vectors: Array, labels: Labels, joined: npt.NDArray[np.bool_], backend: Backend) -> Labels:
    """Make those speakers two, and look the two through again, who are two voices that are alike.

    Neither the first guess nor the model of ``cluster`` sees time: windows of two like voices are as near to each other
    as those of one voice that varies. But what varies within a voice does so within a stretch of speech, and two people
    take turns.
    """
    labels = renumbered(labels)
    if backend.apart <= -1.0:
        return labels
    waiting = list(range(int(labels.max()) + 1))
    number = len(waiting)
    while waiting:
        speaker = waiting.pop()
        own = np.flatnonzero(labels == speaker)
        side = _sides(vectors[own], (np.diff(own) == 1) & joined[own[:-1]], backend)
        if side is not None:
            labels[own[side]] = number
            waiting += [speaker, number]
            number += 1
    return labels


def _sides(own: Array, follows: npt.NDArray[np.bool_], backend: Backend) -> npt.NDArray[np.bool_] | None:
    """(num_windows,) which of a speaker's windows are somebody else's; None where they are one voice's.

    follows : (num_windows - 1,) whether a window's sound goes on into the next one's
    """
    if len(own) < 2 * LEAST_HALF:
        return None
    _, side = halved(smoothed(own, follows))
    fewest = min(np.count_nonzero(side), np.count_nonzero(~side))
    changes = np.count_nonzero((side[1:] != side[:-1]) & follows)
    if fewest < LEAST_HALF or changes > (1 - CONSTANT) * follows.sum():
        return None
    one, other = (unit_length(mean) for mean in two_means(own, side))
    most = max(backend.apart, backend.alike) if fewest >= MANY_WINDOWS else backend.apart
    return side if one @ other < most else None


def _is_voice(group: Array, follows: npt.NDArray[np.bool_]) -> bool:
    if len(group) < LEAST_GROUP or np.count_nonzero(follows) < TOGETHER * len(group):
        return False
    rest = group.sum(axis=0, dtype=np.float64) - group
    return bool((unit_length(rest) * group).sum(axis=1).mean() >= COHERENT)


def _is_near(group: Array, voice: Numbers, unlike: float) -> bool:
    own = group.sum(axis=0, dtype=np.float64)
    return bool(unit_length(own) @ unit_length(voice) >= unlike - FEWER / len(group))


def _groups(vectors: Array, joined: npt.NDArray[np.bool_], own: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """One speaker's windows in groups of one voice each, by average linkage block by block, the largest group first."""
    groups: list[npt.NDArray[np.int64]] = []
    for at in range(0, len(own), MOST_AT_ONCE):
        block = own[at : at + MOST_AT_ONCE]
        goes_on = (np.diff(block) == 1) & joined[block[:-1]]
        found = renumbered(linked(smoothed(vectors[block].astype(np.float64), goes_on), 1 - CLOSE))
        groups += [block[found == number] for number in range(int(found.max()) + 1)]
    return sorted(groups, key=lambda group: (-len(group), int(group[0])))
