"""Names that a transcript or a feed mentions: suggestions for a person, never a name for a voice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

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
_SAYS_SOMETHING = re.compile(  # of each pattern a part; to look for one costs a fifth of looking for them all
    r"guest|joined|here|I'm|I’m|I am|name|elcome|hank|\b[Hh]i\b|[Hh]ello|\b[Hh]ey\b"
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
    """Return each name once for each reason, with the first line that mentions it, in order.

    >>> [(m.name, m.reason) for m in suggest_names([Line(0, 1, "I'm Maya Lind. My guest today is Liam.")])]
    [('Liam', 'guest'), ('Maya Lind', 'says so')]
    """
    mentions: dict[tuple[str, str], Mention] = {}
    for line in lines:
        if _SAYS_SOMETHING.search(line.text) is None:
            continue
        for pattern, reason in _COMPILED:
            for match in pattern.finditer(line.text):
                name = _name(match.group(1))
                if name is not None:
                    mentions.setdefault((name, reason), Mention(name, line, reason))
    return tuple(mentions.values())


_COMPILED = tuple((re.compile(pattern), reason) for pattern, reason in _PATTERNS)


def _name(text: str) -> str | None:
    """The name up to the first word that is none; None when nothing is left."""
    words: list[str] = []
    for word in text.split():
        if _NOT_A_NAME.fullmatch(word):
            break
        words.append(word)
    while words and words[-1].islower():
        words.pop()
    return " ".join(words) or None


def credited(credits: Sequence[Sequence[tuple[str, str]]], role: str) -> list[tuple[str, str, float]]:
    """Return (name, part, weight) of those whom feeds name, in most of a voice's episodes, and who may be the voice.

    credits : of each of the episodes, (name, part) of whom the feed names: "host", "guest" …
    role : what the voice seems to be; a feed's host is no suggestion for a guest, nor the other way around

    The weight compares with that of `mentioned`: to be credited as what one seems to be says as much as a welcome.
    """
    num_named: dict[tuple[str, str], int] = {}
    for of_episode in credits:
        for person in dict.fromkeys(of_episode):
            num_named[person] = num_named.get(person, 0) + 1
    contrary = {"host": "guest", "guest": "host", "ad": "host"}.get(role)
    return [
        (name, part, (2.0 if part == role else 1.0) * num)
        for (name, part), num in num_named.items()
        if part != contrary and num > len(credits) / 2 and not (role == "ad" and part == "guest")
    ]


def mentioned(lines: Sequence[Line], speaker: str, role: str) -> list[tuple[Mention, float]]:
    """Return names that the text mentions and this speaker may have, each with how much that says (3, 2 or 1).

    What the speaker says of itself counts most; who is welcomed counts for everybody else but a host; who is addressed
    counts for who talks next.
    """
    weighed = []
    follows = {id(line): after.speaker for line, after in pairwise(lines)}
    for mention in suggest_names(lines):
        said_by = mention.line.speaker
        if mention.reason == "says so":
            weight = 3.0 if said_by == speaker else 0.0
        elif mention.reason == "addressed":
            weight = 1.0 if said_by != speaker and follows.get(id(mention.line)) == speaker else 0.0
        else:
            weight = 2.0 if said_by != speaker and role != "host" else 0.0
        if weight:
            weighed.append((mention, weight))
    return weighed
