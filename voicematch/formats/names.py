"""Names at the beginning of lines: the one rule by which every reader tells a speaker's label from a spoken word.

A label is believed for what the whole file says. ``Speaker 1:`` and ``[SPEAKER_00]:`` are labels wherever they stand,
as nobody says them. ``Ada:`` is one where lines are labelled throughout, or where several labels come back again and
again at the changes of speaker. A lone ``Warning:`` is a word: when in doubt the word stays, as a label that is left
in the text can be seen, and a word that was taken out is lost.

A file has one style of label, that of most of its labels. A label holds until the next one; ``>>``, the captioner's
sign for a change of speaker, ends it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..types import Line

LONGEST = 60  # characters of a label
LOOKED_AT = 160  # characters of a line that are looked at; a label and what may stand around it
MOST_COVERED = 0.9  # share of lines with a label from which on whatever stands there is one
HALF_COVERED = 0.5

_MACHINE_WORD = (
    r"speaker|spkr?|sprecher(?:in)?|locuteur|intervenant|participant|hablante|locutor|falante|orador|relatore|parlante|"
    r"mówca|спикер|говорящий|диктор|説話者|話者|发言人|說話者|说话人|화자"
)
_MACHINE = re.compile(
    rf"(?:{_MACHINE_WORD})[ \t_#-]{{0,2}}(?:[0-9]{{1,4}}|[A-Za-z])|(?:unknown|unidentified)[ _](?:speaker|voice)"
    rf"(?:[ _]?[0-9]{{1,3}})?",
    re.IGNORECASE,
)
_WORD = r"[^\s:：\[\]()<>{}*|\x01]{1,40}"
_NAME = rf"(?P<name>{_WORD}(?:[ \t\n]{_WORD}){{0,5}})"
_LEAD = r"(?P<lead>(?:(?:>{2,3}|[-–—•])\s{0,3})?)"
_IN_ROUND = rf"\((?P<other>{_WORD}(?:[ ]{_WORD}){{0,5}})\)"
_WHOLE_WORD = r"[^\s:：\[\]<>{}*|\x01]{1,40}"
_WHOLE_NAME = rf"(?P<name>{_WHOLE_WORD}(?:[ \t\n]{_WHOLE_WORD}){{0,5}})"  # "Ada (guest)"
_NOTE = r"(?:\s?[(\[][^()\[\]\n]{1,30}[)\]])?"  # "(host)", "(00:12)"
_STYLES = {
    "bracketed with colon": re.compile(rf"{_LEAD}(?:\[{_WHOLE_NAME}\]|{_IN_ROUND}){_NOTE}\s?[:：]\s*"),
    "colon": re.compile(rf"{_LEAD}\*{{0,2}}{_NAME}\*{{0,2}}{_NOTE}\*{{0,2}}\s?(?::(?=\s|\*\*|$)|：)\*{{0,2}}\s*"),
    "bracketed": re.compile(rf"{_LEAD}(?:\[{_NAME}\]|{_IN_ROUND})\s*(?:[-–—]\s+)?(?=\S)"),
    "dash": re.compile(rf"{_LEAD}{_NAME}(?:[ ][-–—][ ]|\t+)(?=\S)"),
    "row": re.compile(rf"{_LEAD}(?P<name>{_WORD}(?:[ \t]{_WORD}){{0,5}})[ \t]*\n\s*(?=\S)"),
}
_PARTICLES = """
& al and at bin da das de del den der di do dos du e el et la le of ten ter the und van von y
"""
_IMPLAUSIBLE = re.compile(r"[,;?!\"“”„«»…/\\=+♪]|\.\.|^['’]|https?$")
_ORDINARY = """
achtung actually advice also alternatively and answer antwort anyway aside atención attention attenzione aviso
because beispiel beware bonus breaking but caution caveat conclusion confession conseil consejo continued
correction disclaimer ejemplo esempio example exemple fact finally first firstly fourth frage ftp hint hinweis
however http https idea imagine important importante joke lesson listen look meaning meanwhile merke message
mind moral motto myth namely next nota note notice now obviously ok okay one or p.s plus point pregunta ps
question quick quote re reason remarque remember reminder respuesta result rule réponse second secondly secret
see sidebar so solution spoiler step still subject suddenly summary then therefore thing third tip tipp title
today tomorrow translation trick truth two update url verdict vorsicht warning warnung well what why wichtig
yes yesterday zitat важно внимание вопрос ответ пример 例如 問題 回答 注意 答え 質問 重要 问题
"""
_SOUNDS = """
applause beep cheering cough crosstalk gelächter inaudible indistinct laugh laughing laughs laughter music
musik música noise overlapping pause sighs silence singing unintelligible 拍手 笑 音乐 音楽
"""
PARTICLES, ORDINARY, SOUNDS = (frozenset(words.split()) for words in (_PARTICLES, _ORDINARY, _SOUNDS))
"""Words inside names; words that begin sentences before a colon, in the languages of most podcasts, and are never taken
for names; and what stands in brackets and is not said."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The beginning of a line, or of a row inside one.

    text : the line, its rows divided by ``\\n``
    is_row : it is not the line's first row
    """

    text: str
    is_row: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """What stands at an opening.

    name : None for ``>>``, after which nobody is known
    length : characters that it takes
    """

    name: str | None
    length: int


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    length: int
    is_machine: bool
    is_plausible: bool
    is_strong: bool


_KEEP = "\x01"  # before a text, says that it begins with a word whatever it looks like; `clean` drops it
_SIGN = re.compile(r">{2,3}(?:\s+>>)?\s*")  # ">> >>": nobody, and what follows is no label


def kept(text: str) -> str:
    """Return the text marked to begin with a word, whatever it looks like."""
    return _KEEP + text


def labels(openings: Sequence[Opening]) -> dict[int, Label]:
    """Return the labels that the file's evidence supports, by index of the opening at which each stands."""
    chosen: dict[int, _Found] = {}
    for style, pattern in _STYLES.items():
        found: dict[int, _Found] = {}
        for idx, opening in enumerate(openings):
            one = _find(style, pattern, opening.text)
            if one is not None:
                found[idx] = one
        accepted = _accepted(style, found, openings)
        if len(accepted) > len(chosen):
            chosen = accepted
    taken = {idx: Label(found.name, found.length) for idx, found in chosen.items()}
    for idx, opening in enumerate(openings):
        sign = _SIGN.match(opening.text)
        if idx not in taken and sign is not None and not opening.is_row and (chosen or ">> >>" in sign.group()):
            taken[idx] = Label(None, sign.end())
    return taken


def _find(style: str, pattern: re.Pattern[str], text: str) -> _Found | None:
    match = pattern.match(text[:LOOKED_AT])
    if match is None:
        return None
    bare = " ".join((match["name"] or match.groupdict().get("other") or "").split()).strip("_ ")
    if not bare or len(bare) > LONGEST or not any(char.isalpha() for char in bare):
        return None
    is_machine = _MACHINE.fullmatch(bare) is not None
    word = bare.casefold().rstrip(".")
    is_square = style == "bracketed with colon" and match["name"] is not None
    if not is_machine and ((word in ORDINARY and not is_square) or (style.startswith("bracketed") and word in SOUNDS)):
        return None
    words = bare.split()
    is_plausible = (
        (is_square or all(word in PARTICLES or not word[0].islower() for word in words))
        and not words[0][0].isdigit()
        and _IMPLAUSIBLE.search(bare) is None
    )
    is_strong = is_plausible and (len(words) > 1 or (len(bare) > 2 and bare.isupper()))
    return _Found(bare, match.end(), is_machine, is_plausible, is_strong)


def _accepted(style: str, found: dict[int, _Found], openings: Sequence[Opening]) -> dict[int, _Found]:
    """Return the labels of one style that are to be believed; those inside a line only where its speakers are known."""
    firsts = [
        idx
        for idx, opening in enumerate(openings)
        if not opening.is_row and (idx in found or not opening.text.startswith(">>"))
    ]
    labelled = {idx: found[idx] for idx in firsts if idx in found}
    believed = _believed(style, labelled, firsts, openings)
    names = {one.name for one in believed.values()}
    inside = {idx: one for idx, one in found.items() if idx not in labelled and style != "row"}
    return believed | {idx: one for idx, one in inside.items() if one.name in names or one.is_machine}


def _believed(
    style: str, labelled: dict[int, _Found], firsts: list[int], openings: Sequence[Opening]
) -> dict[int, _Found]:
    counts = Counter(one.name for one in labelled.values())
    coverage = len(labelled) / max(1, len(firsts))
    returns = len(counts) * 2 <= len(labelled)  # a label comes twice, on the whole
    machine = {idx: one for idx, one in labelled.items() if one.is_machine}
    plausible = {idx: one for idx, one in labelled.items() if one.is_plausible or one.is_machine}
    if style == "bracketed with colon":
        return {idx: one for idx, one in labelled.items() if idx in plausible or counts[one.name] > 1}
    if coverage >= MOST_COVERED and len(labelled) > 1:
        if style == "colon":
            return {idx: one for idx, one in labelled.items() if idx in plausible or (returns and counts[one.name] > 1)}
        if returns and len(labelled) > 2 and len(plausible) == len(labelled):
            return labelled
    if style in ("dash", "row"):
        return machine
    ordinary = _lower_case_words(openings)
    starts = bool(firsts) and firsts[0] in labelled
    if style == "colon" and starts and coverage >= HALF_COVERED and len(labelled) > 1:
        return {
            idx: one
            for idx, one in plausible.items()
            if one.is_machine or counts[one.name] > 1 or one.name.casefold() not in ordinary
        }
    known = {
        idx: one
        for idx, one in plausible.items()
        if one.is_machine or one.is_strong or (counts[one.name] > 1 and one.name.casefold() not in ordinary)
    }
    returning = {one.name for one in known.values() if counts[one.name] > 1}
    mean = len(known) / max(1, len({one.name for one in known.values()}))
    is_dialogue = len(returning) > 1 and (mean >= 3 or (starts and mean >= 2))
    are_full_names = starts and bool(returning) and len(known) > 2 and len(known) == len(labelled)
    return known if is_dialogue or (are_full_names and all(one.is_strong for one in known.values())) else machine


def _lower_case_words(openings: Sequence[Opening]) -> frozenset[str]:
    """Return words that the file also has in lower case: ordinary ones, most probably."""
    rows = (opening.text.split("\n", 1)[0] for opening in openings)
    return frozenset(word for row in rows for word in re.findall(r"[^\W\d_]+", row) if word.islower())


@dataclass(slots=True)
class Signs:
    """What is written before the words, so that it is known who speaks.

    name : how a speaker is written, with ``{}`` for the name
    nobody : stands before words of nobody after those of somebody
    every : it stands at every line, not only where the speaker changes
    """

    name: str
    nobody: str
    every: bool
    _before: str | None = None
    _is_first: bool = True

    def of(self, line: Line, *, goes_on: bool = False) -> str:
        """Return what stands before the next piece of the file; "" for nothing.

        goes_on : the piece is not the line's first
        """
        is_new = line.speaker != self._before or not line.text or (self.every and not goes_on)
        if self._is_first and line.speaker is None and self.nobody == ">>":
            is_new = False  # nobody has been named yet
        self._before, self._is_first = line.speaker, False
        sign = self.name.format(line.speaker) if line.speaker else self.nobody
        return sign if is_new else ""


@dataclass(frozen=True, slots=True)
class Signed:
    """A line or a part of one, as the file has it: the text with what stands before it. line : its index"""

    start: float
    end: float
    text: str
    line: int


def written(
    lines: Sequence[Line], lay_out: Callable[[Sequence[Line], Signs], list[Signed]], *, every: bool = False
) -> list[Signed]:
    """Return the pieces of a file that has no other way to name its speakers: ``Name: text`` where the speaker changes.

    ``>>`` stands before a line of nobody after one that has a name, and before a line without words the name stands at
    every line. Where that could be read as something else, names stand in brackets.

    lay_out : puts the lines into pieces, each of which is read as a line
    every : the name stands at every line, not only where it changes
    """
    pieces: list[Signed] = []
    for name, nobody, at_every in (("{}:", ">>", every), ("[{}]:", ">>", every), ("[{}]:", ">> >>", True)):
        pieces = lay_out(lines, Signs(name, nobody, at_every))
        if _survive(lines, pieces):
            break
    return pieces


def _survive(lines: Sequence[Line], pieces: Sequence[Signed]) -> bool:
    """Return whether a reader finds the speakers and nothing else."""
    spoken = [piece for piece in pieces if lines[piece.line].text]
    found = labels([Opening(piece.text) for piece in spoken])
    left: dict[int, str] = {}  # by line, what a reader finds of it
    speaker: str | None = None
    for idx, piece in enumerate(spoken):
        label = found.get(idx)
        if label is not None:
            speaker = label.name
        if speaker != lines[piece.line].speaker:
            return False
        rest = piece.text if label is None else piece.text[label.length :]
        left[piece.line] = left.get(piece.line, "") + _letters(rest)
    return all(_letters(lines[line].text) == text for line, text in left.items())


def _letters(text: str) -> str:
    return "".join(text.split())


def is_name(text: str) -> bool:
    """Return whether a text by itself could be a speaker's name: a few words, each with a capital, and no sentence.

    >>> is_name("Speaker 1"), is_name("Ludwig van Beethoven"), is_name("We start at")
    (True, True, False)
    """
    label = f"{' '.join(text.split())}:"
    found = _find("colon", _STYLES["colon"], label)
    return found is not None and found.length == len(label) and (found.is_machine or found.is_plausible)
