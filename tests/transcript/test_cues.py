"""A cue kept whole against a change inside it: by what the transcript's other cues show."""

from __future__ import annotations

import random

import pytest

from tests.measure.words import captions, judge, merged
from voicematch.transcript import cues
from voicematch.transcript.attribute import attribute
from voicematch.transcript.floor import Floor
from voicematch.types import Line, Turn

A, B = "SPEAKER_00", "SPEAKER_01"
QUESTION = "What was the hardest part of it? I would like to hear that from you."
ANSWER = "That is easy. It was the winter, when nobody came and the roof was open to the rain for weeks."


def talk(num: int = 30) -> list[Line]:
    """Question and answer by turns, 5 s and 7 s, a cue each."""
    lines: list[Line] = []
    for idx in range(num):
        start = 6.0 * idx - (1.0 if idx % 2 else 0.0)
        length = 7.0 if idx % 2 else 5.0
        lines.append(Line(start, start + length, ANSWER if idx % 2 else QUESTION, B if idx % 2 else A))
    return lines


def turns_of(lines: list[Line], *, late: float = 0.0, at: int = 3) -> list[Turn]:
    """The turns of the lines; the change before line ``at`` found so much too late, or too early."""
    turns = [Turn(line.start, line.end, line.speaker or "") for line in lines]
    turns[at - 1] = Turn(turns[at - 1].start, turns[at - 1].end + late, turns[at - 1].speaker)
    turns[at] = Turn(turns[at].start + late, turns[at].end, turns[at].speaker)
    return turns


@pytest.mark.parametrize("late", [-1.4, 1.1, 1.5])
def test_a_turn_that_is_found_to_end_late_does_not_take_the_next_ones_sentence(late: float) -> None:
    lines = talk()
    given = attribute(lines, turns_of(lines, late=late))
    assert [(line.text, line.speaker) for line in given] == [(line.text, line.speaker) for line in lines]


def test_a_gap_before_a_turn_leaves_no_sentence_to_nobody() -> None:
    lines = talk()
    turns = turns_of(lines)
    turns[3] = Turn(turns[3].start + 1.2, turns[3].end, B)
    assert [line.speaker for line in attribute(lines, turns)] == [line.speaker for line in lines]


def test_somebody_who_speaks_long_inside_a_cue_is_believed_all_the_same() -> None:
    lines = talk()
    both = Line(lines[2].start, lines[3].end, f"{QUESTION} {ANSWER}")
    given = attribute([*lines[:2], both, *lines[4:]], turns_of(lines))
    assert [line.speaker for line in given] == [line.speaker for line in lines]


def test_a_short_answer_inside_a_cue_is_believed_where_cues_do_not_keep_speakers_apart() -> None:
    turns = [Turn(0, 2.4, A), Turn(2.4, 3.2, B), Turn(3.2, 7, A)]
    line = Line(0, 7, "Did you like it then? Yes. And what did you like the most?")
    assert [one.speaker for one in attribute([line], turns)] == [A, B, A]


def test_captions_cut_by_length_are_not_trusted() -> None:
    lines, rng = talk(40), random.Random(1)
    floor = Floor(turns_of(lines))
    assert cues.trust(lines, floor) > 0.9
    assert cues.trust(merged(lines, rng), floor) < cues.LEAST_TRUST
    assert cues.trust(captions(lines, rng), floor) < cues.LEAST_TRUST
    given = attribute(captions(lines, rng), turns_of(lines))
    assert judge(lines, given).wrong <= 1


@pytest.mark.parametrize("lines", [[], [Line(3, 3, "hello")], [Line(0, 4, "la la"), Line(4, 9, "la")]])
def test_without_a_change_of_speaker_nothing_is_known_of_the_cues(lines: list[Line]) -> None:
    assert cues.trust(lines, Floor([Turn(0, 9, A)])) < cues.LEAST_TRUST


def test_who_speaks_slowly_is_given_fewer_words() -> None:
    """By the pace of both together, the slow one's turn would take the first sentence of the quick one, too."""
    slow = "I take my time over each of these words."
    quick = "But I do not. I say a great deal in the time that you need for one of your slow sentences, every day."
    told = [Line(10.0 * idx, 10.0 * idx + 5, slow, A) for idx in range(20)]
    answers = [Line(10.0 * idx + 5, 10.0 * idx + 10, quick, B) for idx in range(20)]
    turns = [Turn(line.start, line.end, line.speaker or "") for line in (*told, *answers)]
    apart = [line for pair in zip(told[1:], answers[1:], strict=True) for line in pair]
    both = Line(told[0].start, answers[0].end, f"{slow} {quick}")
    given = attribute([both, *apart], turns)
    assert [(line.text, line.speaker) for line in given[:2]] == [(slow, A), (quick, B)]
