"""Voices without a name: recognising them again, telling them apart, guessing what they do, finding them to be heard.

Pure values in and out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
from scipy.special import logit

from ..types import Array, Embedding, Line, Match, Turn, Verdict
from .match import match, normalised_scores
from .rules import ODDS_ELSEWHERE
from .score import Calibration, Numbers, Voiceprints, steadiness
from .suggest import Mention, suggest_names

CLIP_SECONDS = 10.0  # enough to know a voice by
HOST_SHARE = 0.5  # of a show's episodes, above which a voice belongs to the show
FEWEST_EPISODES = 3  # of a show, below which nothing is said of who hosts it
COHOST_SHARE = 0.25  # as much as one of several hosts who take turns; guests do not return that often
COHOST_EPISODES = 4  # below which that share may be chance
AD_SECONDS = 60.0  # most an advertisement talks in an episode
AD_EPISODES = 3  # of one show, in which a voice that never talks longer is no guest with few words


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """The remembered voices, as one episode is to be compared with them.

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
        """Those that have been heard in the show."""
        return tuple(dict.fromkeys(name for name, own in zip(self.voices.profiles, self.in_show, strict=True) if own))

    def odds(self, name: str) -> float:
        """The odds, before listening, that a voice returns in this episode: at most even, for a host.

        Laplace's rule of succession over the show's episodes; a voice of other shows returns far more seldom.
        """
        rows = [row for row, own in enumerate(self.voices.profiles) if own == name]
        num = len({self.episodes[row] for row in rows if self.in_show[row]})
        return min((num + 1) / (max(self.num_in_show, num) - num + 1), 1.0) if num else ODDS_ELSEWHERE

    def steadiest(self, name: str, calibration: Calibration) -> float:
        """Of its speakers, the h that asks for most."""
        own = zip(self.voices.profiles, self.steadiness, strict=True)
        return max(calibration.unknown_steadiness if h is None else h for other, h in own if other == name)

    def is_one_voice(self, name: str, calibration: Calibration) -> bool:
        """Whether each of its speakers is as steady as a single voice is."""
        own = zip(self.voices.profiles, self.steadiness, strict=True)
        return all(h is None or h >= calibration.least_steadiness for other, h in own if other == name)


def recognise(
    embeddings: Mapping[str, Sequence[Embedding]], remembered: Remembered, *, calibration: Calibration
) -> dict[str, str]:
    """The remembered voice that each speaker of an episode is, by label; one who surely is none of them is absent.

    More careful than naming is, for nobody will look: a speaker has to be near to the voice by the steadiness of both,
    and nearer the more seldom the voice is heard in this show (Bayes' rule, with the odds of `Remembered.odds`). Those
    heard in the show are asked first, and a voice of another show only about who is none of them.

    Where a speaker is near two remembered voices that are themselves one person's, it is the older one, so that a voice
    that once was remembered twice is not remembered ever again.
    """
    at_home = remembered.at_home()
    found = _found(embeddings, remembered, remembered.voices.only(at_home), calibration) if at_home else {}
    for label, name in _found(embeddings, remembered, remembered.voices, calibration).items():
        if label not in found and name not in found.values():
            found[label] = name
    return found


def _found(
    embeddings: Mapping[str, Sequence[Embedding]], remembered: Remembered, among: Voiceprints, calibration: Calibration
) -> dict[str, str]:
    found = {}
    for label, first in match(embeddings, among, calibration=calibration).items():
        verdict, left = first, among
        while (twin := _twin(verdict, remembered, calibration)) is not None:
            left = left.only([name for name in left.names if name != twin])
            verdict = match(embeddings, left, calibration=calibration)[label]
        name = verdict.profile
        if verdict.verdict is not Verdict.ACCEPT or name is None or not remembered.is_one_voice(name, calibration):
            continue
        own = steadiness(embeddings[label])
        steady = max(calibration.unknown_steadiness if own is None else own, remembered.steadiest(name, calibration))
        score = next(candidate.score for candidate in verdict.candidates if candidate.profile == name)
        if calibration.logit(score, steady) + np.log(remembered.odds(name)) >= logit(calibration.accept):
            found[label] = name
    return found


def _twin(verdict: Match, remembered: Remembered, calibration: Calibration) -> str | None:
    """The younger of the two voices between which there is doubt, when they are one person's."""
    if verdict.verdict is not Verdict.REVIEW or len(verdict.candidates) < 2:
        return None
    nearest = verdict.candidates[:2]
    if min(candidate.probability for candidate in nearest) < calibration.accept:
        return None
    older, younger = sorted((candidate.profile for candidate in nearest), key=lambda name: (len(name), name))
    score = normalised_scores(remembered.voices.only([older]).means, remembered.voices.only([younger]), calibration)[
        0, 0
    ]
    steady = max(remembered.steadiest(name, calibration) for name in (older, younger))
    odds = min(remembered.odds(name) for name in (older, younger))
    same = calibration.logit(score, steady) + np.log(odds) >= logit(calibration.accept)
    return younger if same else None


def parts(
    vectors: Array, seconds: Numbers, *, calibration: Calibration, steadiness: Sequence[float | None] = ()
) -> list[list[int]]:
    """Rows in groups that sound like one person, at least two of them, most speech first.

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


def role(heard: Sequence[tuple[str, float]], num_in_show: Mapping[str, int]) -> str:
    """What a voice seems to be: "host", "ad", "guest", or "" where there is too little to tell.

    heard : (show, talk seconds) for each episode it is heard in
    num_in_show : how many episodes of each of these shows are stored

    A host is heard in most episodes of a show, or again and again in many; an advertisement, or whoever reads the
    titles, is heard again and again and never talks long.

    >>> role([("A", 900.0), ("A", 800.0), ("A", 1000.0)], {"A": 4})
    'host'
    >>> role([("A", 30.0), ("B", 31.0)], {"A": 4, "B": 9})
    'ad'
    """
    by_show = {show: len(list(own)) for show, own in groupby(sorted(show for show, _ in heard))}
    is_short = max((seconds for _, seconds in heard), default=0.0) <= AD_SECONDS
    if is_short and (len(by_show) > 1 or len(heard) >= AD_EPISODES):
        return "ad"
    if any(_hosts(num, num_in_show[show]) for show, num in by_show.items()):
        return "host"
    return "guest" if any(num_in_show[show] >= FEWEST_EPISODES for show in by_show) else ""


def _hosts(num: int, num_in_show: int) -> bool:
    """Whether who is heard in so many of a show's episodes is one of its hosts."""
    most = num >= 2 and num > HOST_SHARE * num_in_show
    return most or (num >= COHOST_EPISODES and num >= COHOST_SHARE * num_in_show)


def credited(credits: Sequence[Sequence[tuple[str, str]]], role: str) -> list[tuple[str, str, float]]:
    """(name, part, weight) of those whom feeds name, in most of a voice's episodes, and who may be the voice.

    credits : of each of the episodes, (name, part) of whom the feed names: "host", "guest" …
    role : what the voice seems to be; a feed's host is no suggestion for a guest, nor the other way around

    The weight compares with that of `mentioned`: to be credited as what one seems to be says as much as a welcome.
    """
    num_named: dict[tuple[str, str], int] = {}
    for of_episode in credits:
        for person in dict.fromkeys(of_episode):
            num_named[person] = num_named.get(person, 0) + 1
    contrary = {"host": "guest", "guest": "host", "ad": "host"}.get(role)
    return [
        (name, part, (2.0 if part == role else 1.0) * num)
        for (name, part), num in num_named.items()
        if part != contrary and num > len(credits) / 2 and not (role == "ad" and part == "guest")
    ]


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
