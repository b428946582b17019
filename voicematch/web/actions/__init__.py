"""What a person can do in the pages: each calls the function that the command calls, and each can be undone."""

from __future__ import annotations

from collections.abc import Sequence

from ... import outputs
from ...errors import LibraryError
from ...library import Library
from ...library.reading.episodes import Named
from ...usecases import name as naming
from ...usecases.name import Change
from ...usecases.warned import heard
from .. import views
from ..journal import Journal
from ..telling import plain
from ..working import QueueRun
from .action import ASK, Action, ActionOutcome, Field, Fields, Question, WrongFields, check
from .episodes import EPISODES
from .fixing import FIXING
from .people import PEOPLE
from .voices import VOICES
from .work import WORK

__all__ = [
    "ACTIONS",
    "UNDO_FIELDS",
    "Action",
    "ActionOutcome",
    "Field",
    "Fields",
    "Question",
    "WrongFields",
    "check",
    "perform",
    "set_picture",
    "undo",
]

ACTIONS: dict[str, Action] = VOICES | PEOPLE | EPISODES | FIXING | WORK
UNDO_FIELDS = (Field("action", "the number that the action's answer gave"),)


def perform(
    name: str, fields: Fields, *, library: Library, journal: Journal, queue: QueueRun | None = None
) -> views.Done:
    """Do one of the ACTIONS, and return what it came to. Raises WrongFields, Question, and what the command raises."""
    action = ACTIONS[name]
    checked = check(action.fields, fields)
    asked = action.question(library, checked) if fields.get("sure") == ASK else None
    if asked is not None:
        raise Question(*asked, name, checked)
    since = journal.num_erasures()
    with heard() as warnings:
        outcome, number = _run(action, checked, library, journal, queue, since)
    return journal.tell(_done(outcome, number, library, warnings), journal.num_erasures() if action.is_final else since)


def set_picture(name: str, picture: bytes | None, *, library: Library, journal: Journal) -> views.Done:
    """Set the picture of a person, or take it away. Raises ProfileNotFound."""
    since = journal.num_erasures()
    before = library.portrayals.picture(library.people.id(name))
    library.portrayals.show(name, picture)
    text = f"{name} has {'another' if before else 'a'} picture" if picture else f"{name} has no picture any more"

    def take_back(library: Library) -> Sequence[Change]:
        library.portrayals.show(name, before)
        return ()

    return journal.tell(_done(ActionOutcome(text), journal.add(text, take_back, since), library), since)


def _run(
    action: Action, fields: Fields, library: Library, journal: Journal, queue: QueueRun | None, since: int
) -> tuple[ActionOutcome, int | None]:
    """Do it, and return what it came to, with the number to undo it by if it can be."""
    if action.run is None:
        if action.work is None or queue is None:
            raise LibraryError("the queue is not worked off from here")
        return action.work(queue, library, fields), None
    number = None
    if action.is_final or action.keeps_its_own:
        outcome = action.run(library, fields)
        number = journal.add(outcome.text, outcome.take_back, since) if outcome.take_back else None
    else:
        with library.recording(clips_of=action.clips_of(library, fields)) as recorded:
            outcome = action.run(library, fields)
        number = journal.add(outcome.text, lambda library: naming.undo(recorded, library=library), since)
    outputs.finish(library)
    return outcome, number


def undo(fields: Fields, *, library: Library, journal: Journal) -> views.Done:
    """Take an action back, and return what that came to.

    Raises WrongFields, NothingThere when there is nothing to undo, ChangedSince when others have gone on from there.
    """
    number = check(UNDO_FIELDS, fields)["action"]
    if not number.isdecimal():
        raise WrongFields(f"action: {number!r} is not the number of one")
    since = journal.num_erasures()
    done, take_back = journal.get(int(number[:18]))
    with heard() as warnings:
        changes = tuple(take_back(library))
        outputs.finish(library)
    journal.remove(done.id)
    return journal.tell(_done(ActionOutcome(f"Undone: {done.text}", changes), None, library, warnings), since)


def _done(outcome: ActionOutcome, action: int | None, library: Library, warnings: Sequence[str] = ()) -> views.Done:
    name, changes = outcome.name, outcome.changes
    return views.Done(
        text=outcome.text,
        action=action,
        num_changes=len(changes),
        num_episodes=len({change.audio_sha256 for change in changes}),
        warnings=(*outcome.warnings, *map(plain, warnings)),
        person=Named(library.people.id(name), name) if name is not None else None,
        go=outcome.go,
    )
