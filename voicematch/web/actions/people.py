"""Changing people: one name for two, another name, fewer voiceprints, none."""

from __future__ import annotations

from collections.abc import Iterator

from ...formats.amounts import plural
from ...library import Library
from ...usecases import name as naming
from ...usecases.forget import TOO_LATE, Reached, forget
from ..addresses import path
from ..telling import plain
from .action import (
    NAME_ALONE,
    TICKED,
    Action,
    ActionOutcome,
    Field,
    Fields,
    WrongFields,
    ticked,
)


def _merge(library: Library, fields: Fields) -> ActionOutcome:
    source, into = fields["source"], fields["into"]
    changes = naming.merge(source, into, library=library)
    go = path("speaker", id=library.people.id(into))
    return ActionOutcome(f"{source} and {into} are one person, {into}", changes, name=into, go=go)


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


def _delete(library: Library, fields: Fields) -> ActionOutcome:
    name = fields["name"]
    changes = naming.remove_profile(name, library=library)
    return ActionOutcome(f"{name} is deleted", changes, go=path("speakers"))


def _forget(library: Library, fields: Fields) -> ActionOutcome:
    words, backups = ticked(fields, "words"), ticked(fields, "backups")
    reached = forget(fields["name"], library=library, words=words, backups=backups, former=_former(fields))
    gone = reached.forgotten
    text = (
        f"Forgotten: {plural(gone.num_voiceprints, 'voiceprint')}, "
        f"and the voice in {plural(gone.num_speaker_embeddings, 'episode')}"
    )
    if words and gone.num_mentions:
        text += f"; the name redacted in {_mentions(gone.num_mentions)}"
    if reached.erased:
        text += f"; erased too in {', '.join(place.name for place in reached.erased)}"
    return ActionOutcome(text, (), tuple(_left_by_forgetting(reached, words=words)), go=path("speakers"))


def _left_by_forgetting(reached: Reached, *, words: bool) -> Iterator[str]:
    gone = reached.forgotten
    for place, remedy in reached.out_of_reach:
        late = "; the box for backups would have erased there too" if remedy.endswith(TOO_LATE) else ""
        yield f"{place.name} may hold the name still: {plain(remedy)}{late}"
    if gone.num_mentions and not words:
        yield f"{_mentions(gone.num_mentions)} still say the name; the box for it would have redacted them"
    if not gone.compacted:
        yield f"{plain(gone.obstacle)}; the bytes go with the next change"


def _mentions(number: int) -> str:
    return plural(number, "line, title or note", "lines, titles and notes")


def _former(fields: Fields) -> list[str]:
    return [line.strip() for line in fields["also"].splitlines() if line.strip()]


def _tell(library: Library, fields: Fields) -> ActionOutcome:
    name, about, links = library.profiles.get(fields["name"]).name, fields["about"], fields["links"].split()
    library.portrayals.tell(name, about, links)
    return ActionOutcome(f"The page of {name} tells {'of them' if about or links else 'nothing of them'}")


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


def _ask_of_deleting(library: Library, fields: Fields) -> tuple[str, str] | None:
    known = library.profiles.get(fields["name"])
    if not known.num_voiceprints and not known.num_episodes:
        return None
    has = f"{plural(known.num_voiceprints, 'voiceprint')}, and a name in {plural(known.num_episodes, 'episode')}"
    return f"{known.name} has {has}. Both go; the voices in the episodes stay, without a name.", f"Delete {known.name}"


def _ask_of_forgetting(library: Library, fields: Fields) -> tuple[str, str]:
    name, former = library.profiles.get(fields["name"]).name, _former(fields)
    names = f"the names {', '.join([name, *former])}" if former else "the name"
    said = (
        "In what was said, in titles and notes, it is redacted." if ticked(fields, "words") else "What was said stays."
    )
    copies = "are changed too" if ticked(fields, "backups") else "stay as they are"
    return (
        f"The voice of {name} is erased: voiceprints, clips, the stored voice in every episode, and {names} wherever "
        f"voicematch wrote it. {said} Backups of the library and exported voices {copies}. "
        "This cannot be undone, and nothing done before it can be either.",
        f"Forget {name} for good",
    )


PEOPLE = {
    "merge": Action(
        "Make one person of two profiles.",
        (Field("source", "the name that goes"), Field("into", "the name that stays")),
        _merge,
        lambda library, fields: [fields["source"], fields["into"]],
        _ask_of_merging,
    ),
    "delete": Action(
        "Take a person out of the library, voiceprints and all; their voices stay in the episodes, without a name.",
        (NAME_ALONE,),
        _delete,
        lambda library, fields: [fields["name"]],
        _ask_of_deleting,
    ),
    "forget": Action(
        "Erase a person, down to the bytes of the file. It cannot be undone.",
        (
            NAME_ALONE,
            Field("also", "names they had before, a line each; they go too, and are not looked for else", True),
            Field("words", f'"{TICKED}" redacts the name in transcripts, titles and notes of others', True),
            Field("backups", f'"{TICKED}" erases it also in backups of the library, and in exported voices', True),
        ),
        _forget,
        question=_ask_of_forgetting,
        is_final=True,
    ),
    "remove-voiceprints": Action(
        "Take voiceprints out of a profile that are somebody else's.",
        (Field("name", "the person's name"), Field("voiceprints", "their ids, with commas between")),
        _remove_voiceprints,
        lambda library, fields: [fields["name"]],
    ),
    "tell": Action(
        "Write a line about a person, and links, on their page.",
        (
            NAME_ALONE,
            Field("about", "a line or two", may_be_empty=True),
            Field("links", "addresses, with spaces between", may_be_empty=True),
        ),
        _tell,
    ),
    "rename": Action(
        "Call a person by another name, everywhere.",
        (Field("old", "today's name"), Field("new", "the new name")),
        _rename,
    ),
}
