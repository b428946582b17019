"""Names that a transcript mentions where people are introduced: suggestions for a person, never a name for a voice."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..types import Line

_WORD = r"(?:[A-Z][\w'’-]*[\w]|[A-Z]\.)"
_NAME = rf"({_WORD}(?: (?:van|von|de|da|del|la|bin|al|{_WORD})){{0,3}})"
_PATTERNS = (
    (
        rf"\b(?:[Mm]y|[Oo]ur) (?:next |first |special )?guests? (?:today |tonight |this week )?(?:is|are) {_NAME}",
        "guest",
    ),
    (rf"\b(?:joined|here) (?:today |once again |again )?(?:by|with) {_NAME}", "joined by"),
    (rf"\b(?:[Ii]'m|[Ii]’m|I am|[Mm]y name is|[Mm]y name's) {_NAME}", "says so"),
    (rf"\b(?:[Pp]lease welcome|[Ww]elcome(?: back)?(?: to the (?:show|podcast|program))?),? {_NAME}", "welcomed"),
    (rf"\b(?:[Tt]hanks|[Tt]hank you(?: so much| very much)?|[Hh]i|[Hh]ello|[Hh]ey),? {_NAME}", "addressed"),
    (rf"^{_NAME}, (?:thanks|thank you|welcome)\b", "addressed"),
)
_NOT_A_NAME = re.compile(
    "A|An|And|As|Also|At|Back|But|By|Everyone|For|From|Good|Great|Guys|Here|I|If|In|Is|It|Just|Like|My|No|Not|Now|Of|Oh|"
    "Okay|On|Or|Our|So|Sure|That|The|There|They|This|To|Today|Very|Well|We|What|When|Yeah|Yes|You|Your"
)


@dataclass(frozen=True, slots=True)
class Mention:
    """A name that a line mentions as that of somebody present.

    reason : "guest", "joined by", "says so", "welcomed" or "addressed"
    """

    name: str
    line: Line
    reason: str


def suggest_names(lines: Iterable[Line]) -> tuple[Mention, ...]:
    """Each name once for each reason, with the first line that mentions it, in order.

    >>> [(m.name, m.reason) for m in suggest_names([Line(0, 1, "I'm Maya Lind. My guest today is Liam.")])]
    [('Liam', 'guest'), ('Maya Lind', 'says so')]
    """
    mentions: dict[tuple[str, str], Mention] = {}
    for line in lines:
        for pattern, reason in _COMPILED:
            for match in pattern.finditer(line.text):
                name = _name(match.group(1))
                if name is not None:
                    mentions.setdefault((name, reason), Mention(name, line, reason))
    return tuple(mentions.values())


_COMPILED = tuple((re.compile(pattern), reason) for pattern, reason in _PATTERNS)


def _name(found: str) -> str | None:
    """The name up to the first word that is none; None when nothing is left."""
    words: list[str] = []
    for word in found.split():
        if _NOT_A_NAME.fullmatch(word):
            break
        words.append(word)
    while words and words[-1].islower():
        words.pop()
    return " ".join(words) or None
