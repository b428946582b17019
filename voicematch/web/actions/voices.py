"""Judging voices: naming, correcting, ignoring, taking apart."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import LibraryError
from ...library import Library
from ...usecases import name as naming
from ...voices.rules import number_of
from ..addresses import path
from ..drawing import voice
from .action import (
    CONSENT,
    EPISODE,
    NAME,
    SPEAKER,
    UNKNOWN,
    Action,
    ActionOutcome,
    Field,
    Fields,
    learned,
)


def _name_unknown(library: Library, fields: Fields) -> ActionOutcome:
    unknown, name = fields["unknown"], fields["name"]
    if number_of(name) is not None:
        return _merge_unknowns(library, {"source": unknown, "into": name})
    added, changes = naming.name_unknown(unknown, name, library=library, consent=fields["consent"] or None)
    return learned(f"{unknown} is {added.profile}", added, changes, go=path("unknowns"))


def _ignore(library: Library, fields: Fields) -> ActionOutcome:
    unknown, ignored_as = fields["unknown"], fields["as"] or None
    changes = naming.ignore(unknown, ignored_as, library=library)
    return ActionOutcome(f"{unknown} is ignored ({ignored_as})" if ignored_as else f"{unknown} is heard again", changes)


def _ignore_voice(library: Library, fields: Fields) -> ActionOutcome:
    changes = naming.ignore_speaker(fields["episode"], fields["speaker"], fields["as"], library=library)
    return ActionOutcome(f"{voice(fields['speaker'])} is ignored ({fields['as']}), wherever it is heard", changes)


def _split(library: Library, fields: Fields) -> ActionOutcome:
    made = naming.split(fields["unknown"], library=library)
    return ActionOutcome(f"{fields['unknown']} is taken apart: {', '.join(made)} too")


def _merge_unknowns(library: Library, fields: Fields) -> ActionOutcome:
    source, into = fields["source"], fields["into"]
    naming.merge_unknowns(source, into, library=library)
    return ActionOutcome(f"{source} is the same voice as {into}", go=path("unknown", id=into))


def _name(library: Library, fields: Fields) -> ActionOutcome:
    episode, speaker, name = fields["episode"], fields["speaker"], fields["name"]
    added, changes = naming.name(episode, speaker, name, library=library, consent=fields["consent"] or None)
    return learned(f"{speaker} is {added.profile}", added, changes)


def _correct(library: Library, fields: Fields) -> ActionOutcome:
    episode, speaker, name = fields["episode"], fields["speaker"], fields["name"] or None
    consent = fields["consent"] or None
    added, changes = naming.correct(episode, speaker, name, library=library, consent=consent)
    if added is None:
        return ActionOutcome(f"{speaker} is nobody known", changes)
    return learned(f"{speaker} is {added.profile}", added, changes)


def _confirm(library: Library, fields: Fields) -> ActionOutcome:
    suggested = _suggested(library, fields)
    added, changes = naming.name(fields["episode"], fields["speaker"], suggested, library=library)
    return learned(f"Yes, it is {suggested}", added, changes)


def _not_them(library: Library, fields: Fields) -> ActionOutcome:
    suggested = _suggested(library, fields)
    _, changes = naming.correct(fields["episode"], fields["speaker"], None, library=library)
    return ActionOutcome(f"No, it is not {suggested}", changes)


def _suggested(library: Library, fields: Fields) -> str:
    """The profile that is given or suggested to a speaker. Raises LibraryError when there is none."""
    match = library.episodes.get(fields["episode"]).matches.get(fields["speaker"])
    if match is None or match.profile is None:
        raise LibraryError(f"nobody is suggested for {fields['speaker']} any more; look at the episode again")
    return match.profile


def _given_before(library: Library, fields: Fields) -> Sequence[str]:
    """Whose voiceprints a correction may take back: of who was given, and of who learns."""
    match = library.episodes.get(fields["episode"]).matches.get(fields["speaker"])
    names = (fields.get("name", ""), match.profile if match is not None else None)
    return [name for name in names if name]


def _ask_of_nobody(library: Library, fields: Fields) -> tuple[str, str] | None:
    match = library.episodes.get(fields["episode"]).matches.get(fields["speaker"])
    if fields["name"] or match is None or match.profile is None:
        return None
    return f"This voice will have no name, and {match.profile} is never suggested for it again.", "Take the name away"


VOICES = {
    "name-unknown": Action(
        "Name an unknown, in every episode; or say that it is the same as another one (U-0001).",
        (UNKNOWN, NAME, CONSENT),
        _name_unknown,
        lambda library, fields: [fields["name"]],
    ),
    "ignore": Action(
        "Keep an unknown out of the list and away from names; or take that back.",
        (UNKNOWN, Field("as", "ad, jingle, other; empty: ignore it no more", may_be_empty=True)),
        _ignore,
    ),
    "ignore-voice": Action(
        "Ignore a voice of an episode, however short, and wherever else it is heard: a recurring advertisement.",
        (EPISODE, SPEAKER, Field("as", "ad, jingle, other")),
        _ignore_voice,
    ),
    "split": Action("Take apart an unknown that is several people.", (UNKNOWN,), _split),
    "merge-unknowns": Action(
        "Make one of two unknowns that are one person.",
        (Field("source", "the number that goes, U-0002"), Field("into", "the number that stays, U-0001")),
        _merge_unknowns,
    ),
    "name": Action(
        "Name a voice of an episode, and wherever else it speaks.",
        (EPISODE, SPEAKER, NAME, CONSENT),
        _name,
        lambda library, fields: [fields["name"]],
    ),
    "correct": Action(
        "Say who a wrongly named voice really is; the library learns from it.",
        (EPISODE, SPEAKER, Field("name", "the right name; empty: nobody known", may_be_empty=True), CONSENT),
        _correct,
        _given_before,
        _ask_of_nobody,
    ),
    "confirm": Action("Review: yes, it is the person suggested.", (EPISODE, SPEAKER), _confirm, _given_before),
    "not-them": Action("Review: no, it is not the person suggested.", (EPISODE, SPEAKER), _not_them, _given_before),
}
