"""What a person can do in the pages: each calls the function that the command calls, and each can be undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .. import outputs
from ..errors import LibraryError, VoicematchError
from ..formats.amounts import plural
from ..library import Library
from ..library.reading.episodes import Named
from ..usecases import expire
from ..usecases import name as naming
from ..usecases.forget import forget
from ..usecases.learn import Enrollment
from ..usecases.name import Change
from ..voices.consent import CONSENT
from ..voices.rules import number_of
from . import views
from .addresses import path
from .drawing import voice
from .journal import Journal
from .telling import plain

Fields = Mapping[str, str]


ASK, SURE = "ask", "yes"  # values of the field "sure": ask where it may be a mistake; do it


class WrongFields(VoicematchError):
    """A field is missing, or there is one that means nothing."""


class Question(VoicematchError):
    """What to ask a person before it is done. ``yes`` is what they say to have it done."""

    def __init__(self, text: str, yes: str, action: str, fields: Fields) -> None:
        super().__init__(text)
        self.yes = yes
        self.action = action
        self.fields = fields


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    """What an action came to.

    name : the profile it is about, if it is about one; go : where to go on if the page it was done on is no more
    """

    text: str
    changes: Sequence[Change] = ()
    warnings: tuple[str, ...] = ()
    name: str | None = None
    go: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    about: str
    may_be_empty: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """clips_of : the names of profiles that may lose a kept clip by it

    question : what to ask before, if anything, as (question, what to answer); asked of who sends ``sure`` as "ask"
    is_final : it cannot be undone, and takes what was done before out of the journal
    """

    summary: str
    fields: tuple[Field, ...]
    run: Callable[[Library, Fields], ActionOutcome]
    clips_of: Callable[[Library, Fields], Sequence[str]] = lambda library, fields: ()
    question: Callable[[Library, Fields], tuple[str, str] | None] = lambda library, fields: None
    is_final: bool = False


def _name_unknown(library: Library, fields: Fields) -> ActionOutcome:
    unknown, name = fields["unknown"], fields["name"]
    if number_of(name) is not None:
        return _merge_unknowns(library, {"source": unknown, "into": name})
    added, changes = naming.name_unknown(unknown, name, library=library, consent=fields["consent"] or None)
    return _learned(f"{unknown} is {added.profile}", added, changes, go=path("unknowns"))


def _name(library: Library, fields: Fields) -> ActionOutcome:
    episode, speaker, name = fields["episode"], fields["speaker"], fields["name"]
    added, changes = naming.name(episode, speaker, name, library=library, consent=fields["consent"] or None)
    return _learned(f"{speaker} is {added.profile}", added, changes)


def _correct(library: Library, fields: Fields) -> ActionOutcome:
    episode, speaker, name = fields["episode"], fields["speaker"], fields["name"] or None
    consent = fields["consent"] or None
    added, changes = naming.correct(episode, speaker, name, library=library, consent=consent)
    if added is None:
        return ActionOutcome(f"{speaker} is nobody known", changes)
    return _learned(f"{speaker} is {added.profile}", added, changes)


def _confirm(library: Library, fields: Fields) -> ActionOutcome:
    suggested = _suggested(library, fields)
    added, changes = naming.name(fields["episode"], fields["speaker"], suggested, library=library)
    return _learned(f"Yes, it is {suggested}", added, changes)


def _not_them(library: Library, fields: Fields) -> ActionOutcome:
    suggested = _suggested(library, fields)
    _, changes = naming.correct(fields["episode"], fields["speaker"], None, library=library)
    return ActionOutcome(f"No, it is not {suggested}", changes)


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


def _merge(library: Library, fields: Fields) -> ActionOutcome:
    source, into = fields["source"], fields["into"]
    changes = naming.merge(source, into, library=library)
    go = path("speaker", id=library.people.id(into))
    return ActionOutcome(f"{source} and {into} are one person, {into}", changes, name=into, go=go)


def _delete(library: Library, fields: Fields) -> ActionOutcome:
    name = fields["name"]
    changes = naming.remove_profile(name, library=library)
    return ActionOutcome(f"{name} is deleted", changes, go=path("speakers"))


def _forget(library: Library, fields: Fields) -> ActionOutcome:
    reached = forget(fields["name"], library=library)
    gone = reached.forgotten
    warnings = [f"{place.name} may hold the name still: {plain(remedy)}" for place, remedy in reached.out_of_reach]
    if gone.num_mentions:
        warnings.append(f"{plural(gone.num_mentions, 'line or title', 'lines and titles')} still say the name")
    if not gone.compacted:
        warnings.append(f"{plain(gone.obstacle)}; the bytes go with the next change")
    voices = plural(gone.num_voiceprints, "voiceprint")
    episodes = plural(gone.num_speaker_embeddings, "episode")
    text = f"Forgotten: {voices}, and the voice in {episodes}"
    return ActionOutcome(text, (), tuple(warnings), go=path("speakers"))


def _remove_episode(library: Library, fields: Fields) -> ActionOutcome:
    episode = library.listings.episode(fields["episode"]).summary
    files = expire.remove_episode(episode.audio_sha256, library=library)
    left = (f"{plural(len(files), 'file')} written for it stay where they are",) if files else ()
    return ActionOutcome(f"{episode.shown_as} is removed from the library", warnings=left, go=path("episodes"))


def _rename(library: Library, fields: Fields) -> ActionOutcome:
    old, new = fields["old"], fields["new"]
    return ActionOutcome(f"{old} is called {new}", naming.rename(old, new, library=library), name=new)


def _remove_voiceprints(library: Library, fields: Fields) -> ActionOutcome:
    name = fields["name"]
    listed = [part.strip() for part in fields["voiceprints"].split(",") if part.strip()]
    if not all(part.isascii() and part.isdecimal() for part in listed):
        raise WrongFields(f"voiceprints: {fields['voiceprints']!r} are not the numbers of some")
    changes = naming.remove_voiceprints(name, [int(part[:18]) for part in listed], library=library)
    return ActionOutcome(f"{len(listed)} voiceprint(s) taken out of {name}", changes, name=name)


def _learned(text: str, added: Enrollment, changes: Sequence[Change], go: str = "") -> ActionOutcome:
    return ActionOutcome(text, changes, tuple(map(plain, added.warnings)), added.profile, go)


def _ask_of_merging(library: Library, fields: Fields) -> tuple[str, str] | None:
    """People who speak in one episode are hardly one person."""
    source, into = fields["source"], fields["into"]
    other = library.people.id(into)
    heard = library.people.appearances(library.people.id(source))
    both = [one.shown_as for one in heard if any(person.id == other for person in one.others)]
    if not both:
        return None
    where = f"“{both[0]}”" if len(both) == 1 else f"{len(both)} episodes, “{both[-1]}” for one"
    return f"{source} and {into} both speak in {where}. Are they one person all the same?", "Yes, they are one person"


def _ask_of_nobody(library: Library, fields: Fields) -> tuple[str, str] | None:
    match = library.episodes.get(fields["episode"]).matches.get(fields["speaker"])
    if fields["name"] or match is None or match.profile is None:
        return None
    return f"This voice will have no name, and {match.profile} is never suggested for it again.", "Take the name away"


def _ask_of_deleting(library: Library, fields: Fields) -> tuple[str, str] | None:
    known = library.profiles.get(fields["name"])
    if not known.num_voiceprints and not known.num_episodes:
        return None
    has = f"{plural(known.num_voiceprints, 'voiceprint')}, and a name in {plural(known.num_episodes, 'episode')}"
    return f"{known.name} has {has}. Both go; the voices in the episodes stay, without a name.", f"Delete {known.name}"


def _ask_of_forgetting(library: Library, fields: Fields) -> tuple[str, str]:
    name = library.profiles.get(fields["name"]).name
    return (
        f"The voice of {name} is erased: voiceprints, clips, the stored voice in every episode, and the name wherever "
        "voicematch wrote it. What was said stays. This cannot be undone, and nothing done before it can be either.",
        f"Forget {name} for good",
    )


def _ask_of_removing(library: Library, fields: Fields) -> tuple[str, str]:
    episode = library.listings.episode(fields["episode"]).summary
    return (
        f"“{episode.shown_as}” goes out of the library with all that was said of its voices. The sound stays where it "
        "is. This cannot be undone.",
        "Remove it",
    )


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


_EPISODE = Field("episode", "the episode's key")
_SPEAKER = Field("speaker", "the voice's label in that episode, SPEAKER_00")
_NAME = Field("name", "the person's name; a profile is made when there is none")
_NAME_ALONE = Field("name", "the person's name")
_UNKNOWN = Field("unknown", "the voice's number, U-0001")
_CONSENT = Field(
    "consent", f"why the voice may be kept: {', '.join(CONSENT)}; empty: as the profile's", may_be_empty=True
)

ACTIONS = {
    "name-unknown": Action(
        "Name an unknown, in every episode; or say that it is the same as another one (U-0001).",
        (_UNKNOWN, _NAME, _CONSENT),
        _name_unknown,
        lambda library, fields: [fields["name"]],
    ),
    "ignore": Action(
        "Keep an unknown out of the list and away from names; or take that back.",
        (_UNKNOWN, Field("as", "ad, jingle, other; empty: ignore it no more", may_be_empty=True)),
        _ignore,
    ),
    "ignore-voice": Action(
        "Ignore a voice of an episode, however short, and wherever else it is heard: a recurring advertisement.",
        (_EPISODE, _SPEAKER, Field("as", "ad, jingle, other")),
        _ignore_voice,
    ),
    "split": Action("Take apart an unknown that is several people.", (_UNKNOWN,), _split),
    "merge-unknowns": Action(
        "Make one of two unknowns that are one person.",
        (Field("source", "the number that goes, U-0002"), Field("into", "the number that stays, U-0001")),
        _merge_unknowns,
    ),
    "name": Action(
        "Name a voice of an episode, and wherever else it speaks.",
        (_EPISODE, _SPEAKER, _NAME, _CONSENT),
        _name,
        lambda library, fields: [fields["name"]],
    ),
    "correct": Action(
        "Say who a wrongly named voice really is; the library learns from it.",
        (_EPISODE, _SPEAKER, Field("name", "the right name; empty: nobody known", may_be_empty=True), _CONSENT),
        _correct,
        _given_before,
        _ask_of_nobody,
    ),
    "confirm": Action("Review: yes, it is the person suggested.", (_EPISODE, _SPEAKER), _confirm, _given_before),
    "not-them": Action("Review: no, it is not the person suggested.", (_EPISODE, _SPEAKER), _not_them, _given_before),
    "merge": Action(
        "Make one person of two profiles.",
        (Field("source", "the name that goes"), Field("into", "the name that stays")),
        _merge,
        lambda library, fields: [fields["source"], fields["into"]],
        _ask_of_merging,
    ),
    "delete": Action(
        "Take a person out of the library, voiceprints and all; their voices stay in the episodes, without a name.",
        (_NAME_ALONE,),
        _delete,
        lambda library, fields: [fields["name"]],
        _ask_of_deleting,
    ),
    "forget": Action(
        "Erase a person, down to the bytes of the file. It cannot be undone.",
        (_NAME_ALONE,),
        _forget,
        question=_ask_of_forgetting,
        is_final=True,
    ),
    "remove-episode": Action(
        "Take an episode out of the library. It cannot be undone.",
        (_EPISODE,),
        _remove_episode,
        question=_ask_of_removing,
        is_final=True,
    ),
    "remove-voiceprints": Action(
        "Take voiceprints out of a profile that are somebody else's.",
        (Field("name", "the person's name"), Field("voiceprints", "their ids, with commas between")),
        _remove_voiceprints,
        lambda library, fields: [fields["name"]],
    ),
    "rename": Action(
        "Call a person by another name, everywhere.",
        (Field("old", "today's name"), Field("new", "the new name")),
        _rename,
    ),
}
UNDO_FIELDS = (Field("action", "the number that the action's answer gave"),)


def perform(name: str, fields: Fields, *, library: Library, journal: Journal) -> views.Done:
    """Do one of the ACTIONS, and return what it came to. Raises WrongFields, Question, and what the command raises."""
    action = ACTIONS[name]
    checked = check(action.fields, fields)
    asked = action.question(library, checked) if fields.get("sure") == ASK else None
    if asked is not None:
        raise Question(*asked, name, checked)
    if action.is_final:
        outcome, number = action.run(library, checked), None
        journal.clear()
    else:
        with library.recording(clips_of=action.clips_of(library, checked)) as recorded:
            outcome = action.run(library, checked)
        number = journal.add(outcome.text, recorded)
    outputs.finish(library)
    return journal.tell(_done(outcome, number, library))


def undo(fields: Fields, *, library: Library, journal: Journal) -> views.Done:
    """Take an action back, and return what that came to.

    Raises WrongFields, NothingThere when there is nothing to undo, ChangedSince when others have gone on from there.
    """
    number = check(UNDO_FIELDS, fields)["action"]
    if not number.isdecimal():
        raise WrongFields(f"action: {number!r} is not the number of one")
    done, recorded = journal.get(int(number[:18]))
    changes = naming.undo(recorded, library=library)
    journal.remove(done.id)
    return journal.tell(_done(ActionOutcome(f"Undone: {done.text}", changes), None, library))


def check(wanted: Sequence[Field], given: Fields) -> dict[str, str]:
    """Return the fields wanted, stripped of space. Raises WrongFields."""
    for field in wanted:
        if not field.may_be_empty and not given.get(field.name, "").strip():
            raise WrongFields(f"{field.name} is missing: {field.about}")
    return {field.name: given.get(field.name, "").strip() for field in wanted}


def _done(outcome: ActionOutcome, action: int | None, library: Library) -> views.Done:
    name, changes = outcome.name, outcome.changes
    return views.Done(
        text=outcome.text,
        action=action,
        num_changes=len(changes),
        num_episodes=len({change.audio_sha256 for change in changes}),
        warnings=outcome.warnings,
        person=Named(library.people.id(name), name) if name is not None else None,
        go=outcome.go,
    )
