"""Voices without a name: recognising them again, telling them apart, guessing what they do, finding them to be heard.

Pure values in and out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from .cluster import Labels
from .match import match
from .mentions import Mention, suggest_names
from .score import Calibration, Numbers, Voiceprints, unit
from .types import Array, Embedding, Line, Match, Turn, Verdict

CLIP_SECONDS = 10.0  # enough to know a voice by
HOST_SHARE = 0.5  # of a show's episodes, above which a voice belongs to the show
FEWEST_EPISODES = 3  # of a show, below which nothing is said of who hosts it
AD_SECONDS = 60.0  # most an advertisement talks in an episode


def recognise(
    embeddings: Mapping[str, Sequence[Embedding]], remembered: Voiceprints, *, calibration: Calibration
) -> dict[str, str]:
    """The remembered voice that each speaker of an episode is, by label; one who surely is none of them is absent.

    remembered : ``profiles`` holds U-0001 …, one row for each speaker heard as it

    As careful as naming is, but for this: where a speaker is near two remembered voices that are themselves one
    person's, it is the older one, so that a voice that once was remembered twice is not remembered ever again.
    """
    found = {}
    for label, first in match(embeddings, remembered, calibration=calibration).items():
        verdict, among = first, remembered
        while (twin := _twin(verdict, among, calibration)) is not None:
            among = among.only([name for name in among.names if name != twin])
            verdict = match(embeddings, among, calibration=calibration)[label]
        if verdict.verdict is Verdict.ACCEPT and verdict.profile is not None:
            found[label] = verdict.profile
    return found


def _twin(verdict: Match, among: Voiceprints, calibration: Calibration) -> str | None:
    """The younger of the two voices between which there is doubt, when they are one person's."""
    if verdict.verdict is not Verdict.REVIEW or len(verdict.candidates) < 2:
        return None
    nearest = verdict.candidates[:2]
    if min(candidate.probability for candidate in nearest) < calibration.accept:
        return None
    means = [unit(among.only([candidate.profile]).vectors.mean(axis=0)) for candidate in nearest]
    if calibration.probability(float(means[0] @ means[1])) < calibration.accept:
        return None
    return max((candidate.profile for candidate in nearest), key=lambda name: (len(name), name))


def parts(vectors: Array, seconds: Numbers, *, calibration: Calibration) -> list[list[int]]:
    """Rows in groups that sound like one person, at least two of them, most speech first.

    vectors : (num_speakers, dimension) array of unit rows
    seconds : (num_speakers,) array
    """
    if len(vectors) < 2:
        return [list(range(len(vectors)))]
    tree = linkage(np.asarray(vectors, np.float64), "average", metric="cosine")
    labels: Labels = fcluster(tree, 1.0 - _cosine_at(calibration.accept, calibration), "distance").astype(np.int64)
    if labels.max() == 1:
        labels = fcluster(tree, 2, "maxclust").astype(np.int64)
    if labels.max() == 1:  # all the same to the last bit
        labels = np.arange(len(vectors)) + 1
    groups = [np.flatnonzero(labels == label) for label in range(1, labels.max() + 1)]
    groups.sort(key=lambda rows: (-float(seconds[rows].sum()), int(rows[0])))
    return [[int(row) for row in rows] for rows in groups]


def _cosine_at(probability: float, calibration: Calibration) -> float:
    """The cosine from which on two voices of unknown steadiness are one with this probability."""
    cosines = np.linspace(-1.0, 1.0, 2001)
    reached = np.flatnonzero(calibration.probability(cosines) >= probability)
    return float(cosines[reached[0]]) if len(reached) else 1.0


def role(heard: Sequence[tuple[str, float]], num_in_show: Mapping[str, int]) -> str:
    """What a voice seems to be: "host", "ad", "guest", or "" where there is too little to tell.

    heard : (show, talk seconds) for each episode it is heard in
    num_in_show : how many episodes of each of these shows are stored

    >>> role([("A", 900.0), ("A", 800.0), ("A", 1000.0)], {"A": 4})
    'host'
    >>> role([("A", 30.0), ("B", 31.0)], {"A": 4, "B": 9})
    'ad'
    """
    by_show = {show: len(list(own)) for show, own in groupby(sorted(show for show, _ in heard))}
    if len(by_show) > 1 and max(seconds for _, seconds in heard) <= AD_SECONDS:
        return "ad"
    large = {show: num for show, num in by_show.items() if num_in_show[show] >= FEWEST_EPISODES}
    if not large:
        return ""
    return "host" if any(num / num_in_show[show] > HOST_SHARE for show, num in large.items()) else "guest"


def mentioned(lines: Sequence[Line], speaker: str, role: str) -> list[tuple[Mention, float]]:
    """Names that the text mentions and this speaker may have, each with how much that says (3, 2 or 1).

    What the speaker says of itself counts most; who is welcomed counts for everybody else but a host; who is addressed
    counts for who talks next.
    """
    found = []
    follows = {id(line): after.speaker for line, after in pairwise(lines)}
    for mention in suggest_names(lines):
        said_by = mention.line.speaker
        if mention.reason == "says so":
            weight = 3.0 if said_by == speaker else 0.0
        elif mention.reason == "addressed":
            weight = 1.0 if said_by != speaker and follows.get(id(mention.line)) == speaker else 0.0
        else:
            weight = 2.0 if said_by != speaker and role != "host" else 0.0
        if weight:
            found.append((mention, weight))
    return found


def clearest(
    turns: Sequence[Turn], speaker: str, embeddings: Sequence[Embedding], voice: Array
) -> tuple[float, float, float] | None:
    """(start, end, rank) of up to ten seconds in which a speaker is heard best: alone, and most like the voice.

    voice : (dimension,) unit vector
    None when the speaker is never heard alone.
    """
    best: tuple[float, float, float] | None = None
    for start, end in _alone(turns, speaker):
        for at in np.arange(start, max(end - CLIP_SECONDS, start) + 1e-6, CLIP_SECONDS / 2).tolist():
            stop = min(at + CLIP_SECONDS, end)
            rank = _likeness(at, stop, embeddings, voice) * (stop - at)
            if best is None or rank > best[2]:
                best = (at, stop, rank)
    return best


def _likeness(start: float, end: float, embeddings: Sequence[Embedding], voice: Array) -> float:
    """How like the voice the speech is there, 0 … 1; a little where nothing was embedded."""
    shared = np.array([max(min(end, e.end) - max(start, e.start), 0.0) for e in embeddings])
    if not shared.sum():
        return 0.01
    cosines = np.array([max(float(e.vector @ voice), 0.01) for e in embeddings])
    return float(shared @ cosines / shared.sum())


def _alone(turns: Sequence[Turn], speaker: str) -> list[tuple[float, float]]:
    """Where a speaker talks and nobody else does."""
    others = sorted((turn.start, turn.end) for turn in turns if turn.speaker != speaker)
    alone = []
    for turn in turns:
        if turn.speaker != speaker:
            continue
        at = turn.start
        for start, end in others:
            if start >= turn.end:
                break
            if end <= at:
                continue
            if start > at:
                alone.append((at, start))
            at = max(at, end)
        if at < turn.end:
            alone.append((at, turn.end))
    return alone
