"""How people talk: every figure against one counted by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicematch.transcript.figures import (
    floor_turns,
    interruptions,
    num_questions_of,
    num_words_of,
    talk_figures,
    together,
)
from voicematch.types import Line, Turn


@pytest.mark.parametrize(
    ("text", "num"),
    [
        ("Why? Because.", 1),
        ("Really?! You don't say?", 2),
        ("What??? Who?", 2),
        ("¿Qué hora es? ¿Y tú?", 2),
        ("你好吗？真的？？", 2),
        ("هل أنت بخير؟", 1),
        ("Τι κάνεις; Καλά, εσύ;", 2),
        ("Πού είναι\u037e", 1),
        ("He came; he saw.", 0),
        ("«Почему?» спросил он", 1),
        ("Ինչո՞ւ", 1),
        ("go to example.org/?page=2&q=why or /?", 1),
        ("No mark.", 0),
        ("", 0),
    ],
)
def test_questions_in_every_script(text: str, num: int) -> None:
    assert num_questions_of(text) == num


@pytest.mark.parametrize(
    ("text", "num"),
    [
        ("It's a state-of-the-art thing, isn't it?", 6),
        ("– … ♪ !", 0),
        ("3.5 million", 2),
        ("東京は大きい。", 6),
        ("한국어 문장", 2),
        ("Ça va très bien", 4),
        ("snake_case", 1),
    ],
)
def test_words_in_every_script(text: str, num: int) -> None:
    assert num_words_of(text) == num


def test_a_turn_goes_on_through_pauses_and_short_words_of_others() -> None:
    turns = [
        Turn(0, 10, "A"),
        Turn(4, 4.6, "B"),  # mhm
        Turn(11, 20, "A"),  # a second to breathe
        Turn(20.1, 20.6, "B"),  # right
        Turn(21, 25, "A"),
        Turn(25, 27, "B"),
        Turn(27, 30, "A"),
        Turn(40, 41, "A"),  # music between
    ]
    assert [(turn.start, turn.end, turn.speaker) for turn in floor_turns(turns)] == [
        (0, 25, "A"),
        (25, 27, "B"),
        (27, 30, "A"),
        (40, 41, "A"),
    ]
    figures = talk_figures(turns)
    assert (figures["A"].longest_turn, figures["A"].longest_start, figures["A"].num_turns) == (25, 0, 3)
    assert (figures["B"].longest_turn, figures["B"].num_turns) == (2, 1)
    assert figures["B"].talk_seconds == pytest.approx(3.1)


@pytest.mark.parametrize(
    ("begins", "ends", "is_one"),
    [
        (9.0, 14.0, True),
        (9.7, 14.0, False),  # how turns usually change hands
        (9.0, 9.8, False),  # a word, and the other goes on
        (9.0, 10.5, False),  # both stop
        (0.5, 14.0, False),  # both began at once
    ],
)
def test_what_an_interruption_is(begins: float, ends: float, is_one: bool) -> None:
    found = interruptions([Turn(0, 10, "A"), Turn(begins, ends, "B")])
    assert [(one.at, one.by, one.of) for one in found] == ([(begins, "B", "A")] if is_one else [])


def test_who_interrupts_whom_is_counted_on_both_sides() -> None:
    figures = talk_figures([Turn(0, 10, "A"), Turn(9, 20, "B"), Turn(19, 30, "A"), Turn(28, 40, "B")])
    assert (figures["A"].num_interruptions, figures["A"].num_interrupted) == (1, 2)
    assert (figures["B"].num_interruptions, figures["B"].num_interrupted) == (2, 1)


def test_nothing_is_said_of_interruptions_where_nobody_is_heard_beside_another() -> None:
    figures = talk_figures([Turn(0, 10, "A"), Turn(10, 20, "B")])
    assert figures["A"].num_interruptions is None
    assert figures["A"].num_interrupted is None


def test_words_a_minute_are_those_of_what_is_transcribed() -> None:
    turns = [Turn(0, 30, "A"), Turn(30, 60, "B"), Turn(60, 120, "A")]
    lines = [Line(0, 28, "one two three four five", "A"), Line(28, 60, "six", "B"), Line(10, 20, "seven", None)]
    figures = talk_figures(turns, lines)
    assert figures["A"].num_words == 5
    assert figures["A"].words_a_minute == pytest.approx(5 / (28 / 60))
    assert figures["B"].words_a_minute == pytest.approx(1 / 0.5)
    assert figures["A"].share == pytest.approx(0.75)
    silent = talk_figures(turns)["A"]
    assert (silent.num_words, silent.words_a_minute, silent.num_questions) == (None, None, None)


def test_several_episodes_together() -> None:
    first = talk_figures([Turn(0, 60, "A"), Turn(60, 120, "B")], [Line(0, 60, "one two? three", "A")])["A"]
    second = talk_figures([Turn(0, 30, "A"), Turn(28, 118, "B")])["A"]
    both = together([(first, 120.0), (second, 120.0)])
    assert both.talk_seconds == 90
    assert both.share == pytest.approx(90 / 240)
    assert both.words_a_minute == pytest.approx(3)
    assert (both.num_words, both.num_questions) == (3, 1)
    assert (both.longest_turn, both.longest_start) == (60, None)
    assert (both.num_interruptions, both.num_interrupted) == (0, 1)


TURNS = st.lists(
    st.tuples(st.integers(0, 600), st.integers(1, 100), st.sampled_from("ABC")).map(
        lambda drawn: Turn(drawn[0] / 10, (drawn[0] + drawn[1]) / 10, drawn[2])
    ),
    max_size=30,
)


@given(TURNS)
def test_shares_are_one_and_no_turn_is_longer_than_the_talk_and_its_pauses(turns: list[Turn]) -> None:
    figures = talk_figures(turns)
    assert set(figures) == {turn.speaker for turn in turns}
    if turns:
        assert sum(one.share for one in figures.values()) == pytest.approx(1)
        assert all(one.longest_turn <= max(turn.end for turn in turns) for one in figures.values())
    given_away = [one.num_interrupted or 0 for one in figures.values()]
    assert sum(given_away) == sum(one.num_interruptions or 0 for one in figures.values())
