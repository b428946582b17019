"""The policy of names, put to work on a library: identifying, storing and matching again all come through here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from .. import outputs
from ..library import Library
from ..library.said import held_before
from ..types import Diarization, Embedding, LabelledEpisode, Match, Verdict, Windows, join_turns, talk_seconds
from ..voices import rules, told
from ..voices.match import match
from ..voices.recognise import recognise
from ..voices.rules import Said, Spoken
from ..voices.score import Voiceprints
from . import refold
from .learn import calibration_of


def store(
    library: Library,
    episode: LabelledEpisode,
    embeddings: Mapping[str, Sequence[Embedding]],
    windows: Windows | None = None,
    *,
    keep_windows: bool = False,
) -> LabelledEpisode:
    """Store an episode, give its speakers names, and return it as it is then.

    windows : what was heard, if that is known
    keep_windows : keep that, where the library keeps the voices of everybody who is heard in it

    What a person fixed in an earlier answer on the same audio is laid over this one. It is one transaction, so that a
    naming in another process comes wholly before or wholly after. The verdicts come from what is stored, as those of
    `match_again` do. Where the episode changes what other verdicts hang on, as one more voice of an ignored
    advertisement does, all episodes are matched again.
    """
    with library.together():
        known = _hinges(library)
        fixed, voices = refold.laid_over(library, episode, embeddings, windows)
        library.episodes.store(replace(fixed, matches=blank(library, fixed)), voices)
        refold.keep(library, episode, embeddings)
        _match(library, episode.audio_sha256)
        library.outputs.mark([episode.audio_sha256])  # files of an earlier answer on the same audio
        if _hinges(library) != known:
            with outputs.following(library):
                match_again(library)
        matches = library.episodes.get(episode.audio_sha256).matches
        is_named = all(match.verdict is Verdict.ACCEPT for match in matches.values())
        if not library.settings.remembers_unknowns:
            library.unknowns.erase_unnamed(episode.audio_sha256)
        if windows is not None and keep_windows and (is_named or library.settings.remembers_unknowns):
            library.windows.keep(episode.audio_sha256, windows)
        return replace(fixed, matches=matches)


def blank(library: Library, episode: LabelledEpisode) -> dict[str, Match]:
    """Return what is said of each speaker of an episode before any voice is compared."""
    voices, calibration = known_voices(library), calibration_of(library)
    return match({}, voices, calibration=calibration, talk_seconds=episode.talk_seconds())


def match_again(library: Library) -> None:
    """Give names to the speakers of all stored episodes, with the voices known now.

    Doing it twice changes nothing: it goes on until no further voice is taken for one that is ignored, each of which
    may take a name from somebody else. Such a voice keeps being ignored until a person says otherwise, so this ends.
    """
    while True:
        known = _hinges(library)
        _match(library, None)
        if _hinges(library) == known:
            return


def joined(library: Library, episode: LabelledEpisode, diarization: Diarization, *, as_before: bool) -> Diarization:
    """Put the speakers of a new answer that are one person under one label.

    episode : the audio, embedder, diarizer, source and show of the answer are read
    as_before : speakers whom an earlier answer by the same engines holds for one are one
    """
    carried = library.said.carried(replace(episode, turns=diarization.turns))
    heard = library.fixes.heard(episode.audio_sha256)
    if heard is not None:  # whom a person made one, or told apart, is laid over the answer later
        carried = replace(carried, origin=held_before(heard.turns, diarization.turns))
    same = as_before and (carried.embedder, carried.diarizer) == (episode.embedder, episode.diarizer)
    voiceprints, calibration = known_voices(library), calibration_of(library)
    homes = library.shows.of_profiles()

    def verdicts(one: Diarization, said: Said) -> dict[str, Match]:
        spoken = Spoken(one.embeddings, talk_seconds(one.turns), said)
        (matches,) = rules.verdicts([spoken], voiceprints, homes, calibration=calibration)
        return matches

    apart = verdicts(diarization, carried.said)
    into = rules.one_person(apart, carried.origin, carried.said, as_before=same)
    made = _join(diarization, into)
    together = verdicts(made, carried.said)
    told = {label for label in into if label in carried.said.confirmed or (same and label in carried.origin)}
    # Those who sound alike, and together like several people, stay apart.
    sure = {label: first for label, first in into.items() if label in told or together[first].verdict is Verdict.ACCEPT}
    return made if len(sure) == len(into) else _join(diarization, sure)


def told_apart(library: Library, audio_sha256: str, diarization: Diarization) -> Diarization:
    """Give a label of their own to people whom a person named, and whom the answer on the same audio holds for one."""
    said = library.said.told(audio_sha256)
    turns = told.told_apart(diarization.turns, said)
    if len(said) < 2 or turns == diarization.turns:
        return diarization
    voices = refold.revoiced(library, diarization.embeddings, diarization.turns, turns, diarization.windows)
    exclusive = told.told_apart(diarization.exclusive, said) if diarization.exclusive else ()
    by_both = {turn.speaker for turn in exclusive} <= {turn.speaker for turn in turns}
    return replace(diarization, turns=turns, embeddings=voices, exclusive=exclusive if by_both else ())


def known_voices(library: Library) -> Voiceprints:
    """Return what speakers are matched with: every profile, and the ignored voices, which take no other's name."""
    named, ignored = library.voiceprints.all(), library.unknowns.ignored_voiceprints()
    if not ignored.profiles:
        return named
    if not named.profiles:
        return ignored
    return Voiceprints(
        profiles=named.profiles + ignored.profiles,
        vectors=np.concatenate([named.vectors, ignored.vectors]),
        seconds=np.concatenate([named.seconds, ignored.seconds]),
    )


def _match(library: Library, audio_sha256: str | None) -> None:
    """Give names to the speakers of one stored episode, or of all, and numbers to those who have no name."""
    calibration, said = calibration_of(library), library.said.of_episodes(audio_sha256)
    stored = list(library.speakers.all_embeddings(audio_sha256).episodes())
    spoken = (Spoken(one.embeddings, one.talk_seconds, said[one.audio_sha256]) for one in stored)
    verdicts = rules.verdicts(spoken, known_voices(library), library.shows.of_profiles(), calibration=calibration)
    library.speakers.set_matches({one.audio_sha256: matches for one, matches in zip(stored, verdicts, strict=True)})
    if library.settings.remembers_unknowns:
        library.unknowns.remember(partial(recognise, calibration=calibration))


def _hinges(library: Library) -> tuple[object, ...]:
    """What the verdicts on all episodes hang on, of that which storing an episode may change."""
    ignored = library.unknowns.ignored_voiceprints()
    return ignored.profiles, ignored.vectors.tobytes(), library.shows.of_profiles()


def _join(diarization: Diarization, into: Mapping[str, str]) -> Diarization:
    """The same answer with some labels in place of others."""
    if not into:
        return diarization
    embeddings: dict[str, tuple[Embedding, ...]] = {}
    for label in sorted(diarization.embeddings):
        first = into.get(label, label)
        together = (*embeddings.get(first, ()), *diarization.embeddings[label])
        embeddings[first] = tuple(sorted(together, key=lambda e: e.start))
    turns, exclusive = (
        join_turns(replace(turn, speaker=into.get(turn.speaker, turn.speaker)) for turn in of_all)
        for of_all in (diarization.turns, diarization.exclusive)
    )
    return replace(diarization, turns=turns, embeddings=embeddings, exclusive=exclusive)
