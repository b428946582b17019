"""How people talk: how much, how fast, for how long at a time, whom they interrupt, what they ask. Pure.

The floor is held by one voice at a time (Sacks, Schegloff & Jefferson, "A simplest systematics for the organization
of turn-taking for conversation", Language 50, 1974): a turn goes on through a pause as long as nobody else takes the
floor, and a word or two said into it ("yes", "mhm") does not take it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..formats.flow import UNSPACED
from ..types import Line, Turn, join_turns, talk_seconds

LONGEST_PAUSE = 3.0  # s of silence that a turn goes on through; longer ones are music, or a cut
BACKCHANNEL = 1.0  # s; shorter talk does not take the floor (Yngve 1970: "mhm", "right")
SHORTEST_OVERLAP = 0.5  # s; shorter ones are how turns usually change hands (Heldner & Edlund, J. Phonetics 38, 2010)

_WORD = re.compile(rf"{UNSPACED.pattern}|[^\W_]+(?:[-'’.@_/][^\W_]+)*")
_MARK = re.compile("[?⁇⁈⁉？؟፧՞;\u037e]")
_QUESTION = re.compile(r"[?⁇⁈⁉][!?⁇⁈⁉]*(?=[\s\"'”’»)\]）」』*_…]|$|[^\x00-\x7f])|[？؟፧]+|՞")
_GREEK_QUESTION = re.compile("(?<=[\u0370-\u03ff\u1f00-\u1fff])[\"'”’»)]*[;\u037e]")


@dataclass(frozen=True, slots=True)
class TalkFigures:
    """How one voice talks in an episode, or in several.

    talk_seconds : of its turns
    share : of all talk there, 0 … 1
    num_turns : times that it had the floor; a short word into somebody else's turn is none
    longest_turn : seconds of the longest of these
    longest_start : where that begins, in seconds; None over several episodes
    num_words, words_a_minute, num_questions : of what the transcript has it say; None where it has nothing
    num_interruptions, num_interrupted : how often it took the floor from somebody who was speaking, and lost it so;
        None where no two voices are ever heard at once, for then whoever found the turns may not hear that
    """

    talk_seconds: float
    share: float
    num_turns: int
    longest_turn: float
    longest_start: float | None
    num_words: int | None
    words_a_minute: float | None
    num_questions: int | None
    num_interruptions: int | None
    num_interrupted: int | None


@dataclass(frozen=True, slots=True)
class Interruption:
    """Somebody takes the floor while another speaks. at : where they begin, in seconds"""

    at: float
    by: str
    of: str


def talk_figures(turns: Iterable[Turn], lines: Iterable[Line] = ()) -> dict[str, TalkFigures]:
    """Return the figures of each voice, by the name its turns and lines carry, most talk first.

    turns : of one episode; lines : its transcript, each with the same names as ``speaker``

    Words a minute are the words of a voice's lines over the minutes that it speaks in these lines (its turns, cut to
    them), so that a transcript of half an episode does not halve them.

    >>> spoken = [Line(0, 2, "Shall we begin?", "A"), Line(2, 6, "We shall.", "B")]
    >>> found = talk_figures([Turn(0, 2, "A"), Turn(2, 6, "B")], spoken)
    >>> [(name, one.words_a_minute, one.num_questions, round(one.share, 2)) for name, one in found.items()]
    [('B', 30.0, 0, 0.67), ('A', 90.0, 1, 0.33)]
    """
    joined = join_turns(turns)
    seconds = talk_seconds(joined)
    total = sum(seconds.values())
    floor = floor_turns(joined)
    found = interruptions(joined) if _overlap(joined) else None
    said: dict[str, list[Line]] = {}
    for line in lines:
        if line.speaker is not None:
            said.setdefault(line.speaker, []).append(line)
    figures = {}
    for name in sorted(seconds, key=lambda name: (-seconds[name], name)):
        held = [turn for turn in floor if turn.speaker == name]
        longest = max(held, key=lambda turn: (turn.duration, -turn.start), default=None)
        own = said.get(name)
        text = "\n".join(line.text for line in own or ())
        num_words = None if own is None else num_words_of(text)
        spoken = 0.0 if own is None else _seconds_within([turn for turn in joined if turn.speaker == name], own)
        figures[name] = TalkFigures(
            talk_seconds=seconds[name],
            share=seconds[name] / total if total else 0.0,
            num_turns=len(held),
            longest_turn=longest.duration if longest else 0.0,
            longest_start=longest.start if longest else None,
            num_words=num_words,
            words_a_minute=60 * num_words / spoken if num_words is not None and spoken else None,
            num_questions=None if own is None else num_questions_of(text),
            num_interruptions=None if found is None else sum(one.by == name for one in found),
            num_interrupted=None if found is None else sum(one.of == name for one in found),
        )
    return figures


def together(several: Sequence[tuple[TalkFigures, float]]) -> TalkFigures:
    """Return the figures of one voice over several episodes, each given with the seconds of all talk there.

    Seconds and counts are added up; words a minute are those of the episodes that have words.
    """
    talk = sum(one.talk_seconds for one, _ in several)
    everybody = sum(seconds for _, seconds in several)
    timed = [one for one, _ in several if one.num_words and one.words_a_minute]
    minutes = sum((one.num_words or 0) / (one.words_a_minute or 1) for one in timed)
    num_spoken = sum(one.num_words or 0 for one in timed)
    return TalkFigures(
        talk_seconds=talk,
        share=talk / everybody if everybody else 0.0,
        num_turns=sum(one.num_turns for one, _ in several),
        longest_turn=max((one.longest_turn for one, _ in several), default=0.0),
        longest_start=None,
        num_words=_sum(one.num_words for one, _ in several),
        words_a_minute=num_spoken / minutes if minutes else None,
        num_questions=_sum(one.num_questions for one, _ in several),
        num_interruptions=_sum(one.num_interruptions for one, _ in several),
        num_interrupted=_sum(one.num_interrupted for one, _ in several),
    )


def floor_turns(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Return who holds the floor from when to when, in order.

    A turn shorter than `BACKCHANNEL` that begins while another voice speaks, or between two turns of one other voice,
    takes no floor. Turns of one voice are one as long as nobody else has the floor between them and no pause is longer
    than `LONGEST_PAUSE`.

    >>> floor_turns([Turn(0, 4, "A"), Turn(4, 4.5, "B"), Turn(5, 9, "A"), Turn(9, 10, "B")])
    (Turn(start=0, end=9, speaker='A'), Turn(start=9, end=10, speaker='B'))
    """
    ordered = sorted(turns)
    held: list[Turn] = []
    for idx, turn in enumerate(ordered):
        last = held[-1] if held else None
        if last is None:
            held.append(turn)
        elif turn.speaker == last.speaker:
            if turn.start - last.end <= LONGEST_PAUSE:
                held[-1] = replace(last, end=max(last.end, turn.end))
            else:
                held.append(turn)
        elif turn.end > last.end and not (turn.duration < BACKCHANNEL and _is_aside(last, turn, ordered[idx + 1 :])):
            held.append(turn)
    return tuple(held)


def _is_aside(last: Turn, turn: Turn, later: Sequence[Turn]) -> bool:
    """Whether a short turn is said into that of another voice, which goes on."""
    if turn.start < last.end:
        return True
    return bool(later) and later[0].speaker == last.speaker and later[0].start - last.end <= LONGEST_PAUSE


def interruptions(turns: Iterable[Turn]) -> tuple[Interruption, ...]:
    """Return where one voice took the floor from another that was speaking, in order.

    Simultaneous speech after which the floor has changed hands (Beattie, "Turn-taking and interruption in political
    interviews", Semiotica 39, 1982), as far as it can be told from who speaks when: the other has spoken for
    `BACKCHANNEL` seconds at least, both speak for `SHORTEST_OVERLAP` at least, the other stops, and whoever began goes
    on for `BACKCHANNEL` at least. Whether the other had said all there was to say cannot be told.

    >>> interruptions([Turn(0, 10, "A"), Turn(9, 14, "B"), Turn(13.9, 20, "A")])
    (Interruption(at=9, by='B', of='A'),)
    """
    ordered = sorted(turns)
    found: list[Interruption] = []
    speaking: list[Turn] = []
    for turn in ordered:
        speaking = [other for other in speaking if other.end > turn.start]
        for other in speaking:
            if (
                other.speaker != turn.speaker
                and turn.start - other.start >= BACKCHANNEL
                and other.end - turn.start >= SHORTEST_OVERLAP
                and turn.end - other.end >= BACKCHANNEL
            ):
                found.append(Interruption(turn.start, turn.speaker, other.speaker))
        speaking.append(turn)
    return tuple(found)


def num_words_of(text: str) -> int:
    """Count the words of a text; in scripts that are written without blanks every character counts.

    >>> num_words_of("Well, it's twenty-two — e.g. here."), num_words_of("東京は")
    (5, 3)
    """
    return len(_WORD.findall(text))


def num_questions_of(text: str) -> int:
    """Count the questions of a text by the marks that end them, in whatever script.

    These are ``?``, ``？``, ``؟``, ``፧``, ``՞``, and ``;`` after a Greek letter. Several in a row are one question; a
    ``?`` inside a word, as in an address, is none.

    >>> [num_questions_of(text) for text in ("Why?! Really?", "¿Qué?", "Τι κάνεις; Καλά· εσύ;", "x.org/?q=1; no")]
    [2, 1, 2, 0]
    """
    if _MARK.search(text) is None:  # most lines ask nothing, and this is five times as quick
        return 0
    return len(_QUESTION.findall(text)) + len(_GREEK_QUESTION.findall(text))


def _overlap(turns: Sequence[Turn]) -> bool:
    """Whether two voices are ever heard at once."""
    end, speaker = 0.0, ""
    for turn in turns:
        if turn.start < end and turn.speaker != speaker:
            return True
        if turn.end > end:
            end, speaker = turn.end, turn.speaker
    return False


def _seconds_within(turns: Sequence[Turn], lines: Sequence[Line]) -> float:
    """Of turns in order that do not overlap, the seconds inside any of the lines."""
    spans: list[tuple[float, float]] = []
    for line in sorted(lines, key=lambda line: line.start):
        if spans and line.start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], line.end))
        else:
            spans.append((line.start, line.end))
    seconds, first = 0.0, 0
    for turn in turns:
        while first < len(spans) and spans[first][1] <= turn.start:
            first += 1
        for start, end in spans[first:]:
            if start >= turn.end:
                break
            seconds += min(end, turn.end) - max(start, turn.start)
    return seconds


def _sum(counts: Iterable[int | None]) -> int | None:
    """The sum of those that are known; None where none is."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
