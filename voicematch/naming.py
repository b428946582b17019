"""What people say of stored voices, and what follows from it: name, correct, merge, relabel. No audio is opened.

Each of these is one transaction, after which every stored episode is matched again and its files are written anew.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy.special import expit, logit

from . import filing, unnamed
from .errors import EnrollmentError, LibraryError
from .learning import Enrollment, calibration_of, contributed, ensure_profile, learn, voice_of, voices_of
from .library import Forgotten, Library, StoredSpeakers, Unknown, UnknownSpeaker
from .library.profiles import key
from .library.shows import show_of
from .library.unknowns import number_of
from .match import Heard, match, match_all
from .score import Calibration, Voiceprints, centroid, steadiness
from .types import Embedding, LabelledEpisode, Match, Verdict

log = logging.getLogger(__name__)

UNKNOWN_PREFIX = "U-"  # with which the name of every unknown begins
NUM_READ = 5  # latest episodes of a voice whose text is searched for its name
NUM_SUGGESTIONS = 2


@dataclass(frozen=True, slots=True)
class Change:
    """One speaker of a stored episode whose name changes. None is no name."""

    audio_sha256: str
    speaker: str
    before: str | None
    after: str | None


def name(
    episode_key: str, speaker: str, name: str, *, library: Library, consent: str | None = None, dry_run: bool = False
) -> tuple[Enrollment, tuple[Change, ...]]:
    """What naming one voice of a stored episode added, and every label it changed in all stored episodes.

    episode_key : the episode's file name, path, URL or the start of its hash
    consent : "self", "permission" or "public"; None is what the profile's voiceprints have already
    dry_run : say what would change, and change nothing

    Raises LibraryError when the episode or the speaker is not there, EnrollmentError when the voice is too short.
    """
    with _changing(library, dry_run=dry_run) as changes:
        voice = voice_of(library, library.episode(episode_key), speaker)
        if not voice.embeddings:
            reason = "says too little to be recognised again; name another voice"
            raise EnrollmentError(f"{speaker} of {episode_key} {reason}")
        added, _ = learn(library, name, [voice], consent)
        library.confirm(voice.audio_sha256, speaker, name)
        _match_again(library)
    return added, tuple(changes)


def name_unknown(
    unknown: str, name: str, *, library: Library, consent: str | None = None, dry_run: bool = False
) -> tuple[Enrollment, tuple[Change, ...]]:
    """What naming a remembered voice (U-0001) added, and every label it changed in all stored episodes.

    All its speakers become the profile, but those who do not sound like the others; arguments as for `name`.
    """
    with _changing(library, dry_run=dry_run) as changes:
        added, believed = learn(library, name, voices_of(library, unknown), consent)
        for voice in believed:
            library.confirm(voice.audio_sha256, voice.speaker, name)
        _match_again(library)
    return added, tuple(changes)


def correct(
    episode_key: str,
    speaker: str,
    name: str | None,
    *,
    library: Library,
    consent: str | None = None,
    dry_run: bool = False,
) -> tuple[Enrollment | None, tuple[Change, ...]]:
    """What saying who a wrongly named voice really is added, and every label it changed in all stored episodes.

    The profile that was given, or suggested, is never given to this speaker again, and loses the voiceprints that it
    got from this speaker. ``name`` None: it is nobody the library should name. Other arguments as for `name`.
    """
    with _changing(library, dry_run=dry_run) as changes:
        episode = library.episode(episode_key)
        voice, sha256 = voice_of(library, episode, speaker), episode.audio_sha256
        wrong = episode.matches[speaker].profile
        if wrong is not None and (name is None or key(wrong) != key(name)):
            library.rule_out(sha256, speaker, wrong)
            library.remove_voiceprints(wrong, contributed(library, wrong, voice))
        added = None
        if name is not None and voice.embeddings:
            added, _ = learn(library, name, [voice], consent)
        elif name is not None:
            warning = f"{speaker} of {episode_key} says too little to learn from"
            added = Enrollment(name, ensure_profile(library, name), 0, 0.0, (warning,))
        library.confirm(sha256, speaker, name)
        _match_again(library)
    return added, tuple(changes)


def relabel(*, library: Library, dry_run: bool = False) -> tuple[Change, ...]:
    """Every label that changes when all stored episodes are matched with the voices known now.

    No audio is opened, and what a person confirmed stays.
    """
    with _changing(library, dry_run=dry_run) as changes:
        _match_again(library)
    return tuple(changes)


def merge(source: str, into: str, *, library: Library, dry_run: bool = False) -> tuple[Change, ...]:
    """Every label that changes when two profiles of one person become one, called ``into``."""
    with _changing(library, dry_run=dry_run) as changes:
        library.merge_profiles(source, into)
        _match_again(library)
    return tuple(changes)


def rename(old: str, new: str, *, library: Library) -> tuple[Change, ...]:
    """Every label that changes with a profile's name."""
    with _changing(library) as changes:
        library.rename_profile(old, new)
    return tuple(changes)


def forget(name: str, *, library: Library) -> Forgotten:
    """What went when a person was erased; the name goes from the files too."""
    known_as = library.profile(name).name
    episodes = [sha256 for (sha256, _), own in library.names().items() if own == known_as]
    forgotten = library.forget_profile(name)
    rewrite_outputs(library, episodes)
    return forgotten


def ignore(unknown: str, ignored_as: str | None, *, library: Library) -> tuple[Change, ...]:
    """Every label that changes when a remembered voice is to be ignored from now on ("ad"), or with None no more."""
    with _changing(library) as changes:
        library.unknowns.ignore(unknown, ignored_as)
        _match_again(library)
    return tuple(changes)


def split(unknown: str, speakers: Sequence[tuple[str, str]] = (), *, library: Library) -> tuple[str, ...]:
    """The new unknowns made of a remembered voice that is several people; the one who talks most keeps the number.

    speakers : (episode key, label) of those to take out together; none: those who sound apart are taken apart

    Raises LibraryError when there is nothing to split.
    """
    with library.together():
        heard = library.unknowns.get(unknown).speakers
        if len(heard) < 2:
            raise LibraryError(f"{unknown} is one speaker of one episode; voicematch correct EPISODE:SPEAKER")
        if speakers:
            parts = [[(library.episode(episode).audio_sha256, label) for episode, label in speakers]]
            if len(set(parts[0])) >= len(heard):
                raise LibraryError(f"these are all the speakers of {unknown}; leave one")
        else:
            voices = voices_of(library, unknown)
            pooled = [centroid(voice.embeddings) for voice in voices]
            groups = unnamed.parts(
                np.stack([voice.vector for voice in pooled]),
                np.array([voice.seconds for voice in pooled]),
                calibration=calibration_of(library),
                steadiness=[steadiness(voice.embeddings) for voice in voices],
            )
            parts = [[(voices[row].audio_sha256, voices[row].speaker) for row in group] for group in groups[1:]]
        made = library.unknowns.split(unknown, parts)
    rewrite_outputs(library, [voice.audio_sha256 for voice in heard])
    return made


def merge_unknowns(source: str, into: str, *, library: Library) -> tuple[UnknownSpeaker, ...]:
    """Where a remembered voice is heard after another one was found to be the same person, and became part of it.

    What is ignored of the two stays ignored only if ``into`` is. Raises LibraryError when either is not there.
    """
    with library.together():
        moved = library.unknowns.get(source).speakers
        library.unknowns.merge(source, into)
        _match_again(library)
        heard = library.unknowns.get(into).speakers
    rewrite_outputs(library, [voice.audio_sha256 for voice in moved])
    return heard


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Who a voice may be, for a person to judge.

    quote : the line that mentions the name, or "" for one from the feed
    reason : "says so", "welcomed", "addressed" …, or "named in the feed as host"
    """

    name: str
    quote: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Described:
    """An unknown as a list shows it.

    role : what it seems to be: "host", "guest", "ad", or "" where there is too little to tell
    shows : where it is heard, most often first
    """

    id: str
    role: str
    ignored_as: str | None
    num_episodes: int
    talk_seconds: float
    shows: tuple[str, ...]
    speakers: tuple[UnknownSpeaker, ...]
    suggestions: tuple[Suggestion, ...]


def describe(unknown: Unknown, *, library: Library) -> Described:
    """What can be told of a remembered voice; names are suggested from the text of its latest episodes."""
    by_episode: dict[str, tuple[str, float]] = {}
    for voice in unknown.speakers:
        _, seconds = by_episode.get(voice.audio_sha256, ("", 0.0))
        by_episode[voice.audio_sha256] = (voice.show, seconds + voice.talk_seconds)
    role = unnamed.role(list(by_episode.values()), unknown.num_in_show)
    shows = Counter(show for show, _ in by_episode.values())
    return Described(
        id=unknown.id,
        role=role,
        ignored_as=unknown.ignored_as,
        num_episodes=unknown.num_episodes,
        talk_seconds=unknown.talk_seconds,
        shows=tuple(show for show, _ in shows.most_common()),
        speakers=unknown.speakers,
        suggestions=suggestions(unknown.speakers, role, library=library),
    )


def suggestions(heard: Sequence[UnknownSpeaker], role: str, *, library: Library) -> tuple[Suggestion, ...]:
    """Who a voice may be, likeliest first, by what is said in its latest episodes and by whom their feeds name.

    heard : where the voice is heard, oldest episode first; role : what it seems to be
    """
    weights: dict[str, float] = {}
    first: dict[str, Suggestion] = {}

    def add(suggestion: Suggestion, weight: float) -> None:
        weights[suggestion.name] = weights.get(suggestion.name, 0.0) + weight
        first.setdefault(suggestion.name, suggestion)

    latest = heard[-NUM_READ:]
    for voice in latest:
        for mention, weight in unnamed.mentioned(library.lines(voice.audio_sha256), voice.speaker, role):
            add(Suggestion(mention.name, mention.line.text, mention.reason), weight)
    episodes = list(dict.fromkeys(voice.audio_sha256 for voice in latest))
    for name, part, weight in unnamed.credited([library.jobs.persons(sha256) for sha256 in episodes], role):
        add(Suggestion(name, "", f"named in the feed as {part}"), weight)
    likely = sorted(weights, key=lambda name: (-weights[name], name))[:NUM_SUGGESTIONS]
    return tuple(first[name] for name in likely)


@contextmanager
def _changing(library: Library, *, dry_run: bool = False) -> Iterator[list[Change]]:
    """One transaction; at its end the list holds every name that changed in it, and files follow what was kept."""
    changes: list[Change] = []
    with library.together(keep=not dry_run):
        before = library.names()
        yield changes
        for (sha256, speaker), after in library.names().items():
            if before.get((sha256, speaker)) != after:
                changes.append(Change(sha256, speaker, before.get((sha256, speaker)), after))
    if not dry_run:
        rewrite_outputs(library, [change.audio_sha256 for change in changes])


def rewrite_outputs(library: Library, audio_sha256s: Sequence[str]) -> tuple[Path, ...]:
    """The files written again, with the names of today, of those that were written for these episodes.

    As ``filing.rewrite`` does it: what is gone, or was changed by somebody since, stays so.
    """
    return filing.rewrite(library, audio_sha256s)


# -- matching with all that is known


def known_voices(library: Library) -> Voiceprints:
    """What speakers are matched with: every profile, and the ignored voices, so that they take no other's name."""
    named, ignored = library.voiceprints(), library.unknowns.ignored_voiceprints()
    if not ignored.profiles:
        return named
    if not named.profiles:
        return ignored
    return Voiceprints(
        profiles=named.profiles + ignored.profiles,
        vectors=np.concatenate([named.vectors, ignored.vectors]),
        seconds=np.concatenate([named.seconds, ignored.seconds]),
    )


def match_voices(
    embeddings: Mapping[str, Sequence[Embedding]],
    voiceprints: Voiceprints,
    *,
    calibration: Calibration,
    talk_seconds: Mapping[str, float] | None = None,
) -> dict[str, Match]:
    """The verdict on every speaker of one episode, where a voice that is ignored gets no name.

    voiceprints : as `known_voices` gives them; other arguments as for ``match.match``
    """
    found = match(embeddings, voiceprints, calibration=calibration, talk_seconds=talk_seconds)
    return {label: _without_ignored(verdict) for label, verdict in found.items()}


def heed_shows(
    found: Mapping[str, Match], show: str, homes: Mapping[str, frozenset[str]], *, calibration: Calibration
) -> dict[str, Match]:
    """The verdicts on an episode's speakers, where who is known from other shows alone is named only when very sure.

    homes : by profile, the shows it is known from; one enrolled from a recording of its own is not in it

    Nobody looks at the names that a naming gives all over the backlog, and few people are on two of a thousand shows:
    those odds count here as they do when a voice is remembered (`unnamed.ODDS_ELSEWHERE`). Else it is a suggestion.
    """
    needed = logit(calibration.accept) - np.log(unnamed.ODDS_ELSEWHERE)

    def heed(verdict: Match) -> Match:
        home = homes.get(verdict.profile or "")
        if verdict.verdict is not Verdict.ACCEPT or home is None or show in home:
            return verdict
        if logit(verdict.probability) >= needed:
            return verdict
        doubt = f"{verdict.profile} is known from another show only, where a name needs {expit(needed):.3%}"
        reasons = (f"may be {verdict.profile}, at {verdict.probability:.0%}", doubt)
        return replace(verdict, verdict=Verdict.REVIEW, reasons=reasons)

    return {label: heed(verdict) for label, verdict in found.items()}


def _heed_confirmed(found: Mapping[str, Match], stored: StoredSpeakers) -> dict[str, Match]:
    """The verdicts, where a name that a person gave to one speaker of the episode is only suggested for another one."""
    said = {stored.names[label]: label for label in sorted(stored.confirmed) if label in stored.names}

    def heed(verdict: Match) -> Match:
        by_person = said.get(verdict.profile or "")
        if verdict.verdict is not Verdict.ACCEPT or by_person is None or verdict.speaker in stored.confirmed:
            return verdict
        doubt = f"a person said that {by_person} is {verdict.profile}"
        reasons = (f"may be {verdict.profile}, at {verdict.probability:.0%}", doubt)
        return replace(verdict, verdict=Verdict.REVIEW, reasons=reasons)

    return {label: heed(verdict) for label, verdict in found.items()}


def _without_ignored(verdict: Match) -> Match:
    candidates = verdict.candidates
    if any(candidate.profile.startswith(UNKNOWN_PREFIX) for candidate in candidates):
        candidates = tuple(candidate for candidate in candidates if number_of(candidate.profile) is None)
        verdict = replace(verdict, candidates=candidates)
    if verdict.profile is not None and number_of(verdict.profile) is not None:
        reasons = (f"sounds like {verdict.profile}, which is ignored",)
        return Match(verdict.speaker, Verdict.UNKNOWN, None, 0.0, candidates, reasons)
    return verdict


def store(
    library: Library, episode: LabelledEpisode, embeddings: Mapping[str, tuple[Embedding, ...]]
) -> LabelledEpisode:
    """The episode, matched with what is known at this moment, as it is now stored.

    Matching and storing are one transaction, so that a naming in another process comes wholly before or wholly after.
    """
    with library.together():
        calibration = calibration_of(library)
        matches = match_voices(
            embeddings, known_voices(library), calibration=calibration, talk_seconds=episode.talk_seconds()
        )
        show = show_of(episode.show, episode.source, folders=True)
        matches = heed_shows(matches, show, library.shows.of_profiles(), calibration=calibration)
        return library.store_episode(
            replace(episode, matches={label: matches[label] for label in episode.matches}),
            embeddings,
            recognise=partial(unnamed.recognise, calibration=calibration),
        )


def _match_again(library: Library) -> None:
    calibration, ruled_out = calibration_of(library), library.ruled_out()
    stored = list(library.all_speaker_embeddings().episodes())
    heard = (Heard(one.embeddings, one.talk_seconds, ruled_out.get(one.audio_sha256, {})) for one in stored)
    found = match_all(heard, known_voices(library), calibration=calibration)
    shows, homes = library.shows.of_episodes(), library.shows.of_profiles()
    matches = {}
    for one, verdicts in zip(stored, found, strict=True):
        sure = heed_shows(_heed_confirmed(verdicts, one), shows[one.audio_sha256], homes, calibration=calibration)
        matches[one.audio_sha256] = {label: _without_ignored(verdict) for label, verdict in sure.items()}
    library.set_matches(matches)
    library.unknowns.remember(partial(unnamed.recognise, calibration=calibration))
