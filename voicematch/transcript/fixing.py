"""What a person fixed, applied to what the engines found: turns, lines and words. Pure.

A fix is of a time, not of a row: it is applied again to another answer on the same audio.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from ..types import Line, Turn, Word, join_turns
from .floor import Span

STICKS_OUT = 1.0  # s by which a line of another transcript may be longer than the words that a person wrote for it
_TOKEN = re.compile(r"\S+")


class FixKind(StrEnum):
    """What a fix does."""

    GIVE = "give"
    MERGE = "merge"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Fix:
    """One thing that a person fixed.

    label : GIVE: who speaks in the spans; MERGE: whom ``source`` becomes part of
    spans : seconds; MERGE: the turns of ``source`` then, for answers that have no such speaker; TEXT: one, of the line
    text, before : TEXT: the words that are right, and those that were there
    """

    kind: FixKind
    spans: tuple[Span, ...]
    label: str = ""
    source: str = ""
    text: str = ""
    before: str = ""


def fixed_turns(turns: Iterable[Turn], fixes: Iterable[Fix]) -> tuple[Turn, ...]:
    """Return the turns after the fixes, in order.

    Who is given a span speaks in it where somebody did, and all of it where nobody did; nobody else does.

    >>> fixed_turns([Turn(0, 4, "A"), Turn(4, 6, "B")], [Fix(FixKind.GIVE, ((3, 5),), "B")])
    (Turn(start=0, end=3, speaker='A'), Turn(start=3, end=6, speaker='B'))
    """
    now = tuple(sorted(turns))
    for fix in fixes:
        if fix.kind is FixKind.TEXT:
            continue
        if fix.kind is FixKind.MERGE and any(turn.speaker == fix.source for turn in now):
            now = _joined(
                [replace(turn, speaker=fix.label) if turn.speaker == fix.source else turn for turn in now], fix.label
            )
        else:
            for span in fix.spans:
                now = _given(now, span, fix.label)
    return now


def _given(turns: Sequence[Turn], span: Span, label: str) -> tuple[Turn, ...]:
    since, until = span
    kept: list[Turn] = []
    for turn in turns:
        if turn.speaker == label or turn.end <= since or turn.start >= until:
            kept.append(turn)
            continue
        if turn.start < since:
            kept.append(replace(turn, end=since))
        if turn.end > until:
            kept.append(replace(turn, start=until))
    inside = [
        Turn(max(turn.start, since), min(turn.end, until), label)
        for turn in turns
        if min(turn.end, until) > max(turn.start, since)
    ]
    return _joined([*kept, *(inside or [Turn(since, until, label)])], label)


def _joined(turns: Iterable[Turn], label: str) -> tuple[Turn, ...]:
    """The turns with those of one speaker made one where they touch."""
    listed = list(turns)
    own = join_turns(turn for turn in listed if turn.speaker == label)
    return tuple(sorted([*own, *(turn for turn in listed if turn.speaker != label)]))


def fixed_lines(lines: Iterable[Line], fixes: Iterable[Fix]) -> tuple[tuple[Line, ...], tuple[Fix, ...]]:
    """Return the lines after the fixes, and the fixes of words for which there is no line to put them in."""
    now, waiting = tuple(lines), []
    for fix in fixes:
        if fix.kind is FixKind.TEXT:
            reworded = _reworded(now, fix)
            if reworded is None:
                waiting.append(fix)
            else:
                now = reworded
        elif fix.kind is FixKind.MERGE and any(_is_of(line, fix.source) for line in now):
            now = tuple(_renamed(line, fix.source, fix.label) for line in now)
        else:
            for span in fix.spans:
                now = tuple(piece for line in now for piece in _line_given(line, span, fix.label))
    return now, tuple(waiting)


def _is_of(line: Line, speaker: str) -> bool:
    return line.speaker == speaker or speaker in line.others or any(word.speaker == speaker for word in line.words)


def _renamed(line: Line, source: str, label: str) -> Line:
    def of(speaker: str | None) -> str | None:
        return label if speaker == source else speaker

    speaker = of(line.speaker)
    others = tuple(dict.fromkeys(label if one == source else one for one in line.others))
    return replace(
        line,
        speaker=speaker,
        words=tuple(replace(word, speaker=of(word.speaker)) for word in line.words),
        others=tuple(one for one in others if one != speaker),
    )


def _line_given(line: Line, span: Span, label: str) -> list[Line]:
    """The line, or its pieces, with the words whose middle lies in the span given to the speaker."""
    since, until = span
    if line.end < since or line.start > until:
        return [line]
    words = word_times(line)
    goes = [since <= (word.start + word.end) / 2 <= until for word in words]
    if not any(goes):
        return [line]
    if all(goes):
        return [_of(line, label)]
    edges = [0, *(idx for idx in range(1, len(words)) if goes[idx] != goes[idx - 1]), len(words)]
    pieces = []
    for first, last in pairwise(edges):
        piece = _piece(line, words, first, last)
        pieces.append(_of(piece, label) if goes[first] else piece)
    return pieces


def _of(line: Line, label: str) -> Line:
    words = tuple(replace(word, speaker=label) for word in line.words)
    return replace(line, speaker=label, words=words, others=tuple(one for one in line.others if one != label))


def _piece(line: Line, words: Sequence[Word], first: int, last: int) -> Line:
    """The words from the first to before the last as a line of its own; no sign of the text is lost."""
    spans = [token.span() for token in _TOKEN.finditer(line.text)]
    text = line.text[spans[first][0] : spans[last - 1][1]]
    start = line.start if first == 0 else words[first].start
    end = line.end if last == len(words) else words[last - 1].end
    own = line.words[first:last] if len(line.words) == len(words) else ()
    return replace(line, start=start, end=max(start, end), text=text, words=own)


def word_times(line: Line) -> tuple[Word, ...]:
    """Return the line's words, parted by blanks, with their times: its own, else in proportion to their lengths.

    >>> [(word.start, word.text) for word in word_times(Line(0.0, 9.0, "one three"))]
    [(0.0, 'one'), (4.0, 'three')]
    """
    tokens = [token.group() for token in _TOKEN.finditer(line.text)]
    if [word.text.strip() for word in line.words] == tokens:
        return line.words
    total = sum(len(token) for token in tokens) + max(0, len(tokens) - 1)
    words, before = [], 0
    for token in tokens:
        start, end = (line.start + (line.end - line.start) * at / total for at in (before, before + len(token)))
        words.append(Word(start, end, token, line.speaker))
        before += len(token) + 1
    return tuple(words) or (Word(line.start, line.end, line.text, line.speaker),)


def _reworded(lines: Sequence[Line], fix: Fix) -> tuple[Line, ...] | None:
    """The lines with the words that a person wrote; None where no line is of that time."""
    ((since, until),) = fix.spans
    own = [idx for idx, line in enumerate(lines) if since <= (line.start + line.end) / 2 <= until]
    if own and (lines[own[0]].start < since - STICKS_OUT or lines[own[-1]].end > until + STICKS_OUT):
        own = []
    if own:
        first, last = lines[own[0]], lines[own[-1]]
        whole = replace(first, end=max(first.end, last.end), words=first.words if len(own) == 1 else ())
        text = _said_anew(first.text, fix) if len(own) == 1 else fix.text
        rest = set(own[1:])
        return tuple(
            with_words(whole, text) if idx == own[0] else line for idx, line in enumerate(lines) if idx not in rest
        )
    for idx, line in enumerate(lines):
        if fix.before and line.start < until and line.end > since and fix.before in line.text:
            text = line.text.replace(fix.before, fix.text, 1)
            return (*lines[:idx], with_words(line, text), *lines[idx + 1 :])
    return None


def _said_anew(text: str, fix: Fix) -> str:
    """The words that a person wrote, and what else a line says that was longer, or split, when they wrote them."""
    found = re.search(rf"(?<!\S){re.escape(fix.before)}(?!\S)", text) if fix.before else None
    return fix.text if found is None else text[: found.start()] + fix.text + text[found.end() :]


def with_words(line: Line, text: str) -> Line:
    """Return the line with another text; its words keep their times when there are as many."""
    tokens = _TOKEN.findall(text)
    if len(tokens) != len(line.words):
        return replace(line, text=text, words=())
    words = tuple(replace(word, text=token) for word, token in zip(line.words, tokens, strict=True))
    return replace(line, text=text, words=words)


def carried_over(fixes: Sequence[Fix], before: Sequence[Turn], after: Sequence[Turn]) -> tuple[Fix, ...]:
    """Return the fixes with the labels of another answer on the same audio.

    before, after : the turns of the two answers, as the engines gave them

    A label is that of the speaker who holds most of the old one's time; no two become one, so that whom a person told
    apart stay apart. One that nobody holds, or that fixes alone have made, gets a label of its own.
    """
    shared: dict[tuple[str, str], float] = {}
    for one in before:
        for other in after:
            seconds = min(one.end, other.end) - max(one.start, other.start)
            if seconds > 0:
                pair = (one.speaker, other.speaker)
                shared[pair] = shared.get(pair, 0.0) + seconds
    total: dict[str, float] = {}
    for turn in before:
        total[turn.speaker] = total.get(turn.speaker, 0.0) + turn.duration
    label_by_old: dict[str, str] = {}
    for (old, new), seconds in sorted(shared.items(), key=lambda pair: (-pair[1], pair[0])):
        if old not in label_by_old and new not in label_by_old.values() and seconds >= 0.5 * total[old]:
            label_by_old[old] = new
    used = {turn.speaker for turn in after}
    for old in dict.fromkeys(label for fix in fixes for label in (fix.label, fix.source) if label):
        if old not in label_by_old:
            label_by_old[old] = old if old not in used else free_label(used | set(label_by_old.values()))
            used.add(label_by_old[old])
    return tuple(
        replace(fix, label=label_by_old.get(fix.label, ""), source=label_by_old.get(fix.source, "")) for fix in fixes
    )


def free_label(used: Collection[str]) -> str:
    """Return a local label that no speaker has.

    >>> free_label({"SPEAKER_00", "SPEAKER_02"})
    'SPEAKER_03'
    """
    numbers = [int(found[1]) for label in used if (found := re.fullmatch(r"SPEAKER_(\d+)", label))]
    return f"SPEAKER_{max(numbers, default=-1) + 1:02d}"


def seconds_by_label(turns: Iterable[Turn], spans: Sequence[Span]) -> Mapping[str, float]:
    """Return how long each speaker talks in the spans."""
    seconds: dict[str, float] = {}
    for turn in turns:
        inside = sum(max(0.0, min(turn.end, until) - max(turn.start, since)) for since, until in spans)
        if inside > 0:
            seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + inside
    return seconds
