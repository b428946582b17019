"""What overrules likeness in giving names: what a person said, whom to ignore, and which show is heard. Pure values.

`verdicts` is the one policy of names: whoever identifies, stores, matches again or upgrades gets them from here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import expit, logit

from ..types import Candidate, Embedding, Match, Verdict
from .match import EpisodeVoices, match_all
from .score import Calibration, Voiceprints

CONFIRMED = "confirmed by a person"
LIKE_IGNORED = "sounds like {}, which is ignored"
ODDS_ELSEWHERE = 1e-3  # that somebody heard in one show is who talks in another: few people are on two of a thousand


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What is known of one episode's speakers besides how they sound, each by local label.

    show : the podcast, or "" where nobody said
    confirmed : who a person said a speaker is; None for nobody whom the library should name
    ruled_out : profiles that a person said a speaker is not
    ignored : the unknown (U-0001) that a person wants ignored, and that a speaker was taken for
    """

    show: str = ""
    confirmed: Mapping[str, str | None] = field(default_factory=dict)
    ruled_out: Mapping[str, Collection[str]] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """One episode to be given names: the voices by local label, the talk time of every speaker, and what is known."""

    embeddings: Mapping[str, Sequence[Embedding]]
    talk_seconds: Mapping[str, float]
    said: Said


def name_of(number: int) -> str:
    """Return the name of an unknown.

    >>> name_of(7)
    'U-0007'
    """
    return f"U-{number:04d}"


def number_of(name: str) -> int | None:
    """Return the number in an unknown's name, or None when it is none.

    >>> number_of("u-7"), number_of("Ada")
    (7, None)
    """
    matched = re.fullmatch(r"u-(\d{1,18})", name.strip(), re.IGNORECASE)
    return int(matched[1]) if matched else None


def like_ignored(reasons: str) -> str | None:
    """Return the ignored unknown that a speaker was taken for, by the reasons of its verdict; None when for none.

    >>> like_ignored('["sounds like U-0007, which is ignored"]'), like_ignored("[]")
    ('U-0007', None)
    """
    found = re.search(LIKE_IGNORED.format(r"(U-\d+)"), reasons)
    return found[1] if found else None


def verdicts(
    episodes: Iterable[Spoken],
    voiceprints: Voiceprints,
    homes: Mapping[str, frozenset[str]],
    *,
    calibration: Calibration,
) -> Iterator[dict[str, Match]]:
    """Give every speaker of each episode a name, a suggestion or nothing, with reasons.

    voiceprints : of all profiles and of the ignored voices, so that the latter take no other's name
    homes : by profile, the shows it is known from; one enrolled from a recording of its own is not in it

    A person's word comes first. A speaker taken for an ignored voice has no name. A name that a person gave to one
    speaker is only suggested for another one of that episode. Who is known from other shows alone is named only when
    very sure.
    """
    waiting = list(episodes)
    heard = (EpisodeVoices(one.embeddings, one.talk_seconds, one.said.ruled_out) for one in waiting)
    matched = match_all(heard, voiceprints, calibration=calibration)
    for one, matches in zip(waiting, matched, strict=True):
        yield {label: _heed(match, one.said, homes, calibration) for label, match in matches.items()}


def _heed(match: Match, said: Said, homes: Mapping[str, frozenset[str]], calibration: Calibration) -> Match:
    if match.speaker in said.confirmed:
        return _confirmed(match, said.confirmed[match.speaker])
    if match.speaker in said.ignored:
        return _ignored(match, said.ignored[match.speaker])
    if match.verdict is Verdict.ACCEPT and match.profile is not None:
        doubt = _other_speaker_is(match.profile, said) or _elsewhere(match, said.show, homes, calibration)
        if doubt:
            reasons = (f"may be {match.profile}, at {match.probability:.0%}", doubt)
            match = replace(match, verdict=Verdict.REVIEW, reasons=reasons)
    if match.profile is not None and number_of(match.profile) is not None:
        return _ignored(match, match.profile)
    return replace(match, candidates=_people(match))


def _confirmed(match: Match, profile: str | None) -> Match:
    verdict, probability = (Verdict.UNKNOWN, 0.0) if profile is None else (Verdict.ACCEPT, 1.0)
    return Match(match.speaker, verdict, profile, probability, _people(match), (CONFIRMED,))


def _ignored(match: Match, unknown: str) -> Match:
    reasons = (LIKE_IGNORED.format(unknown),)
    return Match(match.speaker, Verdict.UNKNOWN, None, 0.0, _people(match), reasons)


def _people(match: Match) -> tuple[Candidate, ...]:
    """The candidates that are profiles, not ignored voices."""
    return tuple(one for one in match.candidates if number_of(one.profile) is None)


def _other_speaker_is(profile: str, said: Said) -> str:
    """The doubt about a name that a person gave to another speaker of the episode; "" when nobody did."""
    others = sorted(label for label, name in said.confirmed.items() if name == profile)
    return f"a person said that {others[-1]} is {profile}" if others else ""


def _elsewhere(match: Match, show: str, homes: Mapping[str, frozenset[str]], calibration: Calibration) -> str:
    """The doubt about somebody known from other shows alone; "" when there is none.

    Nobody looks at the names that a naming gives all over the backlog, and few people are on two of a thousand shows:
    those odds count here as they do when an unknown is recognised.
    """
    home = homes.get(match.profile or "")
    needed = logit(calibration.accept) - np.log(ODDS_ELSEWHERE)
    if home is None or show in home or logit(match.probability) >= needed:
        return ""
    return f"{match.profile} is known from another show only, where a name needs {expit(needed):.3%}"


def one_person(
    matches: Mapping[str, Match], origin: Mapping[str, str], said: Said, *, as_before: bool
) -> dict[str, str]:
    """Return which speakers of an episode are one person: each further label to the first one.

    matches : the verdicts on the speakers
    origin : for speakers of audio that is stored already, the stored speaker whose turns they mostly hold
    as_before : the stored answer is by the same engines, so whom it holds for one speaker is one

    Speakers who hold the turns of one whom a person named, or said to be nobody, are that one: the word was about
    those turns. Else those are one who are accepted as one profile.
    """
    first: dict[tuple[str, str], str] = {}
    joined = {}
    for label in sorted(matches):
        match, before = matches[label], origin.get(label)
        if before is not None and (as_before or label in said.confirmed):
            person = ("before", before)
        elif match.verdict is Verdict.ACCEPT and match.profile is not None and label not in said.confirmed:
            person = ("profile", match.profile)
        else:
            continue
        if first.setdefault(person, label) != label:
            joined[label] = first[person]
    return joined
