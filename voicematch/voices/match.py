"""From probabilities to names: open set, one profile a speaker, and a reason for every answer. Pure values in and out.

A wrong name is worse than no name, so a name has to pass every test: a probability high enough, a margin over the next
profile and over the next speaker, and the speaker's own segments agreeing. A speaker who fails one of them gets the
profile as a suggestion (review); one who is not even probable stays unknown.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from ..types import Array, Candidate, Embedding, Match, Verdict
from .score import STRETCH_SECONDS, Calibration, Numbers, Rows, Voiceprints, scores, union, unit, unity

NUM_CANDIDATES = 5  # kept with an answer
RULED_OUT = -1.0  # the score of a profile that a person said it is not: less than any voice has
EPISODES_AT_ONCE = 100  # matched together; about 1,000 segments of speech, whose arrays take 10 MB
FEW_VOICEPRINTS = 5_000  # up to which comparing all segments with all of them is quicker than picking a shortlist's
SHORT_SECONDS = 15.0  # less speech than this is named as a reason for doubt
MANY_CHANGES = 4  # between two speakers, from which on they may be talking with each other
PROBABLE = 0.8  # of a profile, from which on a speaker is one person with another who surely is it
STANDS_OUT = 0.25  # score by which a profile beats all others where two speakers of one recording may both be it
SHORTLIST = 50  # profiles nearest to a speaker among which its segments choose; all of them would cost a pass each


@dataclass(frozen=True, slots=True, eq=False)
class EpisodeVoices:
    """Who speaks in one episode: what `match` takes, each by local label."""

    embeddings: Mapping[str, Sequence[Embedding]]
    talk_seconds: Mapping[str, float]
    ruled_out: Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """Every speaker of some episodes against every profile of the library.

    labels, segments : of each speaker
    rivals : the speakers of the same episode, for each speaker
    score, probability : (num_speakers, num_profiles) arrays
    nearest : (num_speakers, up to SHORTLIST) array: the profiles from the best on, as places in ``profiles``
    agreement : (num_speakers, up to SHORTLIST) array: share of the speech that fits each of these best
    """

    labels: tuple[str, ...]
    segments: tuple[Sequence[Embedding], ...]
    rivals: tuple[range, ...]
    seconds: Numbers
    steadiness: tuple[float | None, ...]
    vectors: Array
    profiles: tuple[str, ...]
    score: Array
    probability: Numbers
    nearest: Rows
    agreement: Numbers


def match(
    embeddings: Mapping[str, Sequence[Embedding]],
    voiceprints: Voiceprints,
    *,
    calibration: Calibration,
    accept: float | None = None,
    review: float | None = None,
    talk_seconds: Mapping[str, float] | None = None,
    ruled_out: Mapping[str, Collection[str]] | None = None,
) -> dict[str, Match]:
    """Return the verdict on every speaker of one episode, by local label.

    embeddings : of each speaker with enough speech to embed
    accept, review : probabilities from which a name is given, or suggested; the calibration's own if None
    talk_seconds : talk time of every speaker; one who is absent from `embeddings` comes out unknown, with the reason
    ruled_out : by speaker, the profiles that a person said it is not: it never gets one, and is no rival for it

    The answer does not depend on the order of the speakers or the profiles: ties go to the first name.
    """
    episode = EpisodeVoices(embeddings, talk_seconds or {}, ruled_out or {})
    (matches,) = match_all([episode], voiceprints, calibration=calibration, accept=accept, review=review)
    return matches


def match_all(
    episodes: Iterable[EpisodeVoices],
    voiceprints: Voiceprints,
    *,
    calibration: Calibration,
    accept: float | None = None,
    review: float | None = None,
) -> Iterator[dict[str, Match]]:
    """Yield what `match` gives for each of many episodes, in a fraction of the time."""
    accept = calibration.accept if accept is None else accept
    review = calibration.review if review is None else review
    waiting = iter(episodes)
    while block := list(islice(waiting, EPISODES_AT_ONCE)):
        labels = [[label for label in sorted(one.embeddings) if one.embeddings[label]] for one in block]
        if voiceprints.names and any(labels):
            fit = _fit(block, labels, voiceprints, calibration)
            verdicts = [_judge(idx, fit, calibration, accept, review) for idx in range(len(fit.labels))]
        else:
            verdicts = []
        reason = "" if voiceprints.names else "the library has no profiles yet: enroll a voice first"
        given = iter(verdicts)
        for episode, heard in zip(block, labels, strict=True):
            judged = dict(zip(heard, islice(given, len(heard)), strict=True)) if verdicts else {}
            yield {
                label: judged.get(label) or _unheard(label, episode.talk_seconds.get(label), reason)
                for label in sorted({*episode.embeddings, *episode.talk_seconds})
            }


def _fit(
    episodes: Sequence[EpisodeVoices],
    labels: Sequence[Sequence[str]],
    voiceprints: Voiceprints,
    calibration: Calibration,
) -> _Fit:
    speakers = [(episode, label) for episode, own in zip(episodes, labels, strict=True) for label in own]
    segments = tuple(episode.embeddings[label] for episode, label in speakers)
    pooled = _pool(segments)
    score = normalised_scores(pooled.vectors, voiceprints, calibration)
    column_of = {name: idx for idx, name in enumerate(voiceprints.names)}
    out = [
        (idx, column_of[name])
        for idx, (episode, label) in enumerate(speakers)
        for name in episode.ruled_out.get(label, ())
        if name in column_of
    ]
    for idx, column in out:
        score[idx, column] = RULED_OUT
    steady = np.array([calibration.unknown_steadiness if h is None else h for h in pooled.steadiness])
    probability = calibration.probability(
        score,
        steady[:, None],
        seconds=pooled.seconds[:, None],
        num_profiles=len(voiceprints.names),
        num_voiceprints=voiceprints.counts[None, :],
    )
    for idx, column in out:
        probability[idx, column] = 0.0
    nearest = _nearest(score)
    ends = np.cumsum([len(own) for own in labels]).tolist()
    return _Fit(
        labels=tuple(label for _, label in speakers),
        segments=segments,
        rivals=tuple(range(end - len(own), end) for end, own in zip(ends, labels, strict=True) for _ in own),
        seconds=pooled.seconds,
        steadiness=pooled.steadiness,
        vectors=pooled.vectors,
        profiles=voiceprints.names,
        score=score,
        probability=probability,
        nearest=nearest,
        agreement=_agreement(pooled, score, nearest, voiceprints),
    )


def normalised_scores(vectors: Array, voiceprints: Voiceprints, calibration: Calibration) -> Array:
    """Return the scores that a calibration is for: `scores` in proportion to what is usual, where it has a cohort.

    vectors : (num_speakers, dimension) array of unit rows
    returns : (num_speakers, num_profiles) array; in a large library, a profile that is near to none of these speakers
        keeps a score below all others
    """
    cohort = calibration.cohort
    if cohort is None or not len(vectors) or not voiceprints.names:
        return scores(vectors, voiceprints)
    if len(voiceprints.names) <= FEW_VOICEPRINTS:
        return cohort.scores(vectors, voiceprints)
    score = scores(vectors, voiceprints)  # all are compared as they are, and the nearest on the axes
    columns = np.unique(_nearest(score))
    near = voiceprints.only([voiceprints.names[idx] for idx in columns])
    result = np.full_like(score, RULED_OUT)
    result[:, columns] = cohort.scores(vectors, near)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class _Pooled:
    """Speakers, each pooled to one vector, and the segments they are pooled from.

    vectors : (num_speakers, dimension) array
    segments : (num_segments, dimension) array; the rows of one speaker follow each other
    segment_seconds : (num_segments,) array
    first : (num_speakers,) array, the first segment of each
    """

    vectors: Array
    seconds: Numbers
    steadiness: tuple[float | None, ...]
    segments: Array
    segment_seconds: Numbers
    first: Rows


def _pool(segments: Sequence[Sequence[Embedding]]) -> _Pooled:
    """As `centroid` and `steadiness` say, for many speakers at once."""
    vectors = np.array([segment.vector for own in segments for segment in own])
    seconds = np.array([segment.seconds for own in segments for segment in own])
    sizes = np.array([len(own) for own in segments])
    first = np.cumsum(sizes) - sizes
    long = seconds >= STRETCH_SECONDS
    num_long = np.add.reduceat(long.astype(np.int64), first)
    total = np.add.reduceat(vectors * long[:, None].astype(np.float64), first, axis=0)
    squares = np.einsum("ij,ij->i", total, total)
    steadiness = (squares - num_long) / np.maximum(num_long * (num_long - 1), 1)
    return _Pooled(
        vectors=unit(np.add.reduceat(vectors * seconds[:, None], first, axis=0)),
        seconds=np.add.reduceat(seconds, first),
        steadiness=tuple(float(h) if num > 1 else None for h, num in zip(steadiness, num_long, strict=True)),
        segments=vectors,
        segment_seconds=seconds,
        first=first,
    )


def _nearest(score: Array) -> Rows:
    """(num_speakers, up to SHORTLIST) array: places of the best scores, best first; equal ones in the order of names.

    The probability rises with the score, so this is its order too.
    """
    num = min(SHORTLIST, score.shape[1])
    if score.shape[1] <= 4 * SHORTLIST:
        return np.argsort(-score, axis=1, kind="stable")[:, :num]
    nearest = np.empty((len(score), num), dtype=np.int64)
    least = np.partition(score, -num, axis=1)[:, -num]
    for speaker, row in enumerate(score):
        among = np.flatnonzero(row >= least[speaker])
        nearest[speaker] = among[np.argsort(-row[among], kind="stable")[:num]]
    return nearest


def _agreement(pooled: _Pooled, score: Array, nearest: Rows, voiceprints: Voiceprints) -> Numbers:
    """Share of each speaker's speech whose segments fit each of the nearest profiles better than any other of them.

    What is ruled out fits nothing.
    """
    share = np.zeros(nearest.shape)
    bounds = [*pooled.first.tolist(), len(pooled.segments)]
    every = scores(pooled.segments, voiceprints) if len(voiceprints.vectors) <= FEW_VOICEPRINTS else None
    for speaker, columns in enumerate(nearest):
        own = slice(bounds[speaker], bounds[speaker + 1])
        by_name = np.sort(columns)  # ties go to the first name
        if every is not None:
            fits = every[own][:, by_name]
        else:
            fits = scores(pooled.segments[own], voiceprints.only([voiceprints.names[idx] for idx in by_name]))
        fits = np.where(score[speaker, by_name] == RULED_OUT, -np.inf, fits)
        best = by_name[np.argmax(fits, axis=1)]
        seconds = pooled.segment_seconds[own]
        share[speaker] = seconds @ (best[:, None] == columns) / seconds.sum()
    return share


def _judge(speaker: int, fit: _Fit, calibration: Calibration, accept: float, review: float) -> Match:
    """The verdict on one speaker."""
    candidates = _candidates(speaker, fit)
    if not candidates:
        return Match(
            fit.labels[speaker], Verdict.UNKNOWN, None, 0.0, (), ("a person said that it is none of the known voices",)
        )
    best, seconds = candidates[0], float(fit.seconds[speaker])
    if best.probability < review:
        reason = f"closest is {best.profile} at {best.probability:.0%} (score {best.score:.2f}), needs {review:.0%}"
        reasons: tuple[str, ...] = (f"{reason}{_shortness(seconds)}",)
        return Match(fit.labels[speaker], Verdict.UNKNOWN, None, best.probability, candidates, reasons)
    doubts = _doubts(speaker, fit, candidates, calibration, accept)
    if doubts:
        verdict, reasons = Verdict.REVIEW, (f"may be {best.profile}, at {best.probability:.0%}", *doubts)
        if seconds < SHORT_SECONDS:
            reasons = (*reasons, f"only {math.floor(seconds)} s of speech")
    else:
        verdict, reasons = Verdict.ACCEPT, _grounds(candidates, seconds)
        if best.probability < accept and (twin := _twin(speaker, fit, calibration, accept)) is not None:
            reasons = (*reasons, f"one person with {fit.labels[twin]}")
    return Match(fit.labels[speaker], verdict, best.profile, best.probability, candidates, reasons)


def _shortness(seconds: float) -> str:
    return f"; only {math.floor(seconds)} s of speech" if seconds < SHORT_SECONDS else ""


def _candidates(speaker: int, fit: _Fit) -> tuple[Candidate, ...]:
    """The profiles nearest to a speaker, the best first, without those that are ruled out."""
    return tuple(
        # A score in proportion to what is usual may pass 1, which no cosine does.
        Candidate(
            fit.profiles[idx], min(float(fit.score[speaker, idx]), 1.0), float(fit.probability[speaker, idx]), agreement
        )
        for idx, agreement in zip(
            fit.nearest[speaker, :NUM_CANDIDATES].tolist(),
            fit.agreement[speaker, :NUM_CANDIDATES].tolist(),
            strict=True,
        )
        if fit.score[speaker, idx] != RULED_OUT
    )


def _doubts(
    speaker: int, fit: _Fit, candidates: Sequence[Candidate], calibration: Calibration, accept: float
) -> tuple[str, ...]:
    """What speaks against giving the best candidate's name, in words; nothing if nothing does."""
    best, doubts = candidates[0], []
    if best.probability < accept and _twin(speaker, fit, calibration, accept) is None:
        doubts.append(f"a name needs {accept:.0%}")
    score = fit.score[speaker, fit.nearest[speaker]]
    if len(candidates) > 1 and score[0] - score[1] < calibration.margin:
        doubts.append(f"{candidates[1].profile} is nearly as close ({best.score:.2f} and {candidates[1].score:.2f})")
    if best.agreement < calibration.agreement:
        doubts.append(
            f"only {best.agreement:.0%} of the speech fits {best.profile} best, needs {calibration.agreement:.0%}"
        )
    rival = _rival(speaker, fit, int(fit.nearest[speaker, 0]), calibration, accept)
    if rival is not None:
        doubts.append(rival)
    one, steady = unity(fit.segments[speaker]), fit.steadiness[speaker]
    if (one is not None and one < calibration.unity) or (steady is not None and steady < calibration.least_steadiness):
        doubts.append("sounds like more than one person")
    return tuple(doubts)


def _rival(speaker: int, fit: _Fit, profile: int, calibration: Calibration, accept: float) -> str | None:
    """Why another speaker of the episode has as good a claim to this profile; None if nobody does.

    Two speakers who are each probable and also sound like one another are one person split in two, and no rivals.
    """
    others = sorted(fit.rivals[speaker], key=lambda other: -fit.score[other, profile])
    for other in others:
        if other == speaker:
            continue
        if fit.score[speaker, profile] - fit.score[other, profile] >= calibration.margin:
            return None
        if _same_person(speaker, other, fit, profile, calibration, accept):
            continue
        closer = "closer to" if fit.score[other, profile] > fit.score[speaker, profile] else "nearly as close to"
        return f"{fit.labels[other]} is {closer} {fit.profiles[profile]}"
    return None


def _twin(speaker: int, fit: _Fit, calibration: Calibration, accept: float) -> int | None:
    """Another speaker of the episode who is named as the profile that this one probably is, and the same person."""
    profile = int(fit.nearest[speaker, 0])
    for other in sorted(fit.rivals[speaker], key=lambda other: -fit.score[other, profile]):
        if other == speaker or fit.nearest[other, 0] != profile or fit.probability[other, profile] < accept:
            continue
        if _same_person(speaker, other, fit, profile, calibration, accept):
            return None if _doubts(other, fit, _candidates(other, fit), calibration, accept) else other
    return None


def _same_person(speaker: int, other: int, fit: _Fit, profile: int, calibration: Calibration, accept: float) -> bool:
    """One surely is this profile, the other probably; and they sound like one person, or like one in two rooms: far
    from every other profile.
    """
    less, more = sorted((fit.probability[speaker, profile], fit.probability[other, profile]))
    if more < accept or less < min(PROBABLE, accept):
        return False
    if union(fit.segments[speaker], fit.segments[other]) >= calibration.alike:
        return True
    if len(fit.profiles) < 2 or _converse(*(fit.segments[idx] for idx in sorted((speaker, other)))):
        return False
    return all(_stands_out(one, fit, profile) for one in (speaker, other))


def _converse(one: Sequence[Embedding], other: Sequence[Embedding]) -> bool:
    """Whether two speakers take turns all the time, as two people do and one person in two rooms does not.

    Their stretches of speech are put in order of time: whose they are changes about as often as by chance, or more.
    """
    middles = np.array([(stretch.start + stretch.end) / 2 for stretch in (*one, *other)])
    is_other = np.arange(len(middles)) >= len(one)
    in_order = is_other[np.argsort(middles, kind="stable")]
    changes = np.count_nonzero(in_order[1:] != in_order[:-1])
    by_chance = 2 * len(one) * len(other) / len(middles)
    return bool(changes >= max(MANY_CHANGES, by_chance / 2))


def _stands_out(speaker: int, fit: _Fit, profile: int) -> bool:
    """Whether no other profile comes near: what makes a voice through another channel the same voice still."""
    return bool(fit.score[speaker, profile] - np.delete(fit.score[speaker], profile).max() >= STANDS_OUT)


def _grounds(candidates: Sequence[Candidate], seconds: float) -> tuple[str, ...]:
    best = candidates[0]
    grounds = [f"{best.profile} at {best.probability:.0%} (score {best.score:.2f}) over {seconds:.0f} s of speech"]
    if len(candidates) > 1:
        grounds.append(f"next is {candidates[1].profile} at {candidates[1].score:.2f}")
        grounds.append(f"{best.agreement:.0%} of the speech fits {best.profile} best")
    return tuple(grounds)


def _unheard(label: str, talk_seconds: float | None, reason: str) -> Match:
    spoken = "" if talk_seconds is None else f" ({talk_seconds:.1f} s)"
    reason = reason or f"too little speech to recognise a voice{spoken}"
    return Match(label, Verdict.UNKNOWN, None, 0.0, (), (reason,))
