"""What an action is: its fields, what to ask before, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...errors import VoicematchError
from ...library import Library
from ...usecases.learn import Enrollment
from ...usecases.name import Change
from ...voices.consent import CONSENT as CONSENTS
from ..journal import TakeBack
from ..telling import plain
from ..working import QueueRun

Fields = Mapping[str, str]
ASK, SURE = "ask", "yes"  # values of the field "sure": ask where it may be a mistake; do it
TICKED = "yes"  # what a box sends; one that is not ticked sends nothing


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
    take_back : undoes it, of an action that ``keeps_its_own``; None where there is nothing to undo
    """

    text: str
    changes: Sequence[Change] = ()
    warnings: tuple[str, ...] = ()
    name: str | None = None
    go: str = ""
    take_back: TakeBack | None = None


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    about: str
    may_be_empty: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """clips_of : the names of profiles that may lose a kept clip by it

    question : what to ask before, if anything, as (question, what to answer); asked of who sends ``sure`` as "ask"
    is_final : it erases, so that it cannot be undone, nor what was done before it
    work : in place of ``run``, of an action that is about the queue; nothing to undo
    keeps_its_own : it says itself how it is undone, if it is; else the rows that it changes are recorded
    """

    summary: str
    fields: tuple[Field, ...]
    run: Callable[[Library, Fields], ActionOutcome] | None = None
    clips_of: Callable[[Library, Fields], Sequence[str]] = lambda library, fields: ()
    question: Callable[[Library, Fields], tuple[str, str] | None] = lambda library, fields: None
    is_final: bool = False
    keeps_its_own: bool = False
    work: Callable[[QueueRun, Library, Fields], ActionOutcome] | None = None


def check(wanted: Sequence[Field], given: Fields) -> dict[str, str]:
    """Return the fields wanted, stripped of space. Raises WrongFields."""
    for field in wanted:
        if not field.may_be_empty and not given.get(field.name, "").strip():
            raise WrongFields(f"{field.name} is missing: {field.about}")
    return {field.name: given.get(field.name, "").strip() for field in wanted}


def ticked(fields: Fields, name: str) -> bool:
    """Return whether the box of that name was ticked. Raises WrongFields."""
    if fields[name] not in ("", TICKED):
        raise WrongFields(f'{name}: "{TICKED}", or nothing')
    return fields[name] == TICKED


def learned(text: str, added: Enrollment, changes: Sequence[Change], go: str = "") -> ActionOutcome:
    """Return what an action came to that taught a profile something."""
    return ActionOutcome(text, changes, tuple(map(plain, added.warnings)), added.profile, go)


EPISODE = Field("episode", "the episode's key")
SPEAKER = Field("speaker", "the voice's label in that episode, SPEAKER_00")
NAME = Field("name", "the person's name; a profile is made when there is none")
NAME_ALONE = Field("name", "the person's name")
UNKNOWN = Field("unknown", "the voice's number, U-0001")
CONSENT = Field(
    "consent", f"why the voice may be kept: {', '.join(CONSENTS)}; empty: as the profile's", may_be_empty=True
)
