"""From probabilities to names: open set, one profile a speaker, and a reason for every answer. Pure values in and out.

A wrong name is worse than no name, so a name has to pass every test: a probability high enough, a margin over the next
profile and over the next speaker, and the speaker's own segments agreeing. A speaker who fails one of them gets the
profile as a suggestion (review); one who is not even probable stays unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .score import Calibration, Numbers, Voiceprints, centroid, scores, steadiness, unity
from .types import Array, Candidate, Embedding, Match, Verdict

NUM_CANDIDATES = 5  # kept with an answer
RULED_OUT = -1.0  # the score of a profile that a person said it is not: less than any voice has
SHORTLIST = 50  # profiles nearest to a speaker among which its segments choose; all of them would cost a pass each


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """Every speaker against every profile of the library.

    score, probability : (num_speakers, num_profiles) arrays
    """

    speakers: tuple[str, ...]
    seconds: tuple[float, ...]
    steadiness: tuple[float | None, ...]
    vectors: Array
    profiles: tuple[str, ...]
    score: Array
    probability: Numbers


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
    """The verdict on every speaker of one episode, by local label.

    embeddings : of each speaker with enough speech to embed
    accept, review : probabilities from which a name is given, or suggested; the calibration's own if None
    talk_seconds : talk time of every speaker; one who is absent from `embeddings` comes out unknown, with the reason
    ruled_out : by speaker, the profiles that a person said it is not: it never gets one, and is no rival for it

    The answer does not depend on the order of the speakers or the profiles: ties go to the first name.
    """
    accept = calibration.accept if accept is None else accept
    review = calibration.review if review is None else review
    talk = dict(talk_seconds or {})
    labels = sorted({*embeddings, *talk})
    heard = [label for label in labels if embeddings.get(label)]
    if not voiceprints.names or not heard:
        reason = "" if voiceprints.names else "the library has no profiles yet: enroll a voice first"
        return {label: _unheard(label, talk.get(label), reason) for label in labels}
    fit = _fit(heard, embeddings, voiceprints, calibration, ruled_out or {})
    verdicts = {
        label: _judge(idx, fit, embeddings[label], voiceprints, calibration, accept, review)
        for idx, label in enumerate(heard)
    }
    return {label: verdicts.get(label) or _unheard(label, talk.get(label), "") for label in labels}


def merges(matches: Mapping[str, Match]) -> dict[str, str]:
    """Which speakers of an episode are one person: each further label of an accepted profile to its first label."""
    first: dict[str, str] = {}
    merged = {}
    for label in sorted(matches):
        found = matches[label]
        if found.verdict is Verdict.ACCEPT and found.profile is not None:
            if found.profile in first:
                merged[label] = first[found.profile]
            else:
                first[found.profile] = label
    return merged


def _fit(
    labels: Sequence[str],
    embeddings: Mapping[str, Sequence[Embedding]],
    voiceprints: Voiceprints,
    calibration: Calibration,
    ruled_out: Mapping[str, Collection[str]],
) -> _Fit:
    pooled = [centroid(embeddings[label]) for label in labels]
    vectors = np.stack([embedding.vector for embedding in pooled])
    steady = tuple(steadiness(embeddings[label]) for label in labels)
    score = scores(vectors, voiceprints)
    probability = np.stack([calibration.probability(row, h) for row, h in zip(score, steady, strict=True)])
    for idx, label in enumerate(labels):
        columns = [column for column, name in enumerate(voiceprints.names) if name in ruled_out.get(label, ())]
        score[idx, columns], probability[idx, columns] = RULED_OUT, 0.0
    seconds = tuple(embedding.seconds for embedding in pooled)
    return _Fit(tuple(labels), seconds, steady, vectors, voiceprints.names, score, probability)


def _judge(
    speaker: int,
    fit: _Fit,
    segments: Sequence[Embedding],
    voiceprints: Voiceprints,
    calibration: Calibration,
    accept: float,
    review: float,
) -> Match:
    """The verdict on one speaker.

    The order of candidates is by probability, then score, then name, so that equal profiles never swap.
    """
    order = _best_first(fit, speaker)[:SHORTLIST]
    agreement = _agreement(segments, voiceprints, [fit.profiles[idx] for idx in order])
    candidates = tuple(
        Candidate(
            profile=fit.profiles[idx],
            score=float(fit.score[speaker, idx]),
            probability=float(fit.probability[speaker, idx]),
            agreement=agreement[fit.profiles[idx]],
        )
        for idx in order[:NUM_CANDIDATES]
    )
    best, seconds = candidates[0], fit.seconds[speaker]
    if best.probability < review:
        return Match(
            speaker=fit.speakers[speaker],
            verdict=Verdict.UNKNOWN,
            profile=None,
            probability=best.probability,
            candidates=candidates,
            reasons=(
                f"closest is {best.profile} at {best.probability:.0%} (score {best.score:.2f}), needs {review:.0%}"
                f"{_shortness(seconds)}",
            ),
        )
    doubts = _doubts(speaker, fit, candidates, calibration, accept)
    one = unity(segments)
    if one is not None and one < calibration.unity:
        doubts = (*doubts, "sounds like more than one person")
    if doubts:
        verdict, reasons = Verdict.REVIEW, (f"may be {best.profile}, at {best.probability:.0%}", *doubts)
        if seconds < SHORT_SECONDS:
            reasons = (*reasons, f"only {seconds:.0f} s of speech")
    else:
        verdict, reasons = Verdict.ACCEPT, _grounds(fit, candidates, seconds)
    return Match(fit.speakers[speaker], verdict, best.profile, best.probability, candidates, tuple(reasons))


SHORT_SECONDS = 15.0  # less speech than this is named as a reason for doubt


def _shortness(seconds: float) -> str:
    return f"; only {seconds:.0f} s of speech" if seconds < SHORT_SECONDS else ""


def _best_first(fit: _Fit, speaker: int) -> list[int]:
    """Profiles from the best score on; ``profiles`` is sorted, so a stable sort leaves ties in the order of names."""
    keys = (-fit.score[speaker], -fit.probability[speaker])
    return [int(idx) for idx in np.lexsort(keys)]


def _doubts(
    speaker: int, fit: _Fit, candidates: Sequence[Candidate], calibration: Calibration, accept: float
) -> tuple[str, ...]:
    """What speaks against giving the best candidate's name, in words; nothing if nothing does."""
    best, doubts = candidates[0], []
    if best.probability < accept:
        doubts.append(f"a name needs {accept:.0%}")
    if len(candidates) > 1 and best.score - candidates[1].score < calibration.margin:
        doubts.append(f"{candidates[1].profile} is nearly as close ({best.score:.2f} and {candidates[1].score:.2f})")
    if best.agreement < calibration.agreement:
        doubts.append(
            f"only {best.agreement:.0%} of the speech fits {best.profile} best, needs {calibration.agreement:.0%}"
        )
    rival = _rival(speaker, fit, fit.profiles.index(best.profile), calibration, accept)
    if rival is not None:
        doubts.append(rival)
    return tuple(doubts)


def _rival(speaker: int, fit: _Fit, profile: int, calibration: Calibration, accept: float) -> str | None:
    """Why another speaker of the episode has as good a claim to this profile; None if nobody does.

    Two speakers who are each probable and also sound like one another are one person split in two, and no rivals.
    """
    for other in np.argsort(-fit.score[:, profile], kind="stable"):
        if other == speaker:
            continue
        if fit.score[speaker, profile] - fit.score[other, profile] >= calibration.margin:
            return None
        if _same_person(speaker, int(other), fit, profile, calibration, accept):
            continue
        closer = "closer to" if fit.score[other, profile] > fit.score[speaker, profile] else "nearly as close to"
        return f"{fit.speakers[other]} is {closer} {fit.profiles[profile]}"
    return None


def _same_person(speaker: int, other: int, fit: _Fit, profile: int, calibration: Calibration, accept: float) -> bool:
    cosine = float(fit.vectors[speaker] @ fit.vectors[other])
    alike = min(float(calibration.probability(cosine, fit.steadiness[idx])) for idx in (speaker, other))
    return bool(min(alike, fit.probability[speaker, profile], fit.probability[other, profile]) >= accept)


def _grounds(fit: _Fit, candidates: Sequence[Candidate], seconds: float) -> tuple[str, ...]:
    best = candidates[0]
    grounds = [f"{best.profile} at {best.probability:.0%} (score {best.score:.2f}) over {seconds:.0f} s of speech"]
    if len(candidates) > 1:
        grounds.append(f"next is {candidates[1].profile} at {candidates[1].score:.2f}")
        grounds.append(f"{best.agreement:.0%} of the speech fits {best.profile} best")
    return tuple(grounds)


def _agreement(segments: Sequence[Embedding], voiceprints: Voiceprints, shortlist: Sequence[str]) -> dict[str, float]:
    """Share of a speaker's speech whose segments fit each profile of the shortlist better than any other of it."""
    among = voiceprints.only(shortlist)
    best = np.argmax(scores(np.stack([segment.vector for segment in segments]), among), axis=1)
    seconds: npt.NDArray[np.float64] = np.array([segment.seconds for segment in segments], dtype=np.float64)
    share = np.bincount(best, weights=seconds, minlength=len(among.names)) / seconds.sum()
    return dict(zip(among.names, share.tolist(), strict=True))


def _unheard(label: str, talk_seconds: float | None, reason: str) -> Match:
    spoken = "" if talk_seconds is None else f" ({talk_seconds:.1f} s)"
    reason = reason or f"too little speech to recognise a voice{spoken}"
    return Match(label, Verdict.UNKNOWN, None, 0.0, (), (reason,))
