"""Words to speakers: by hand where the answer is plain, by property where it must hold always."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicematch.transcript.attribute import attribute, change_cost
from voicematch.types import Line, Turn, Word

A, B, C = "SPEAKER_00", "SPEAKER_01", "SPEAKER_02"


def said(lines: tuple[Line, ...]) -> list[tuple[str | None, str]]:
    return [(line.speaker, line.text) for line in lines]


def timed(start: float, text: str, *, each: float = 0.5) -> Line:
    """A line whose words take half a second each."""
    tokens = text.split()
    words = tuple(Word(start + n * each, start + (n + 1) * each, token) for n, token in enumerate(tokens))
    return Line(start, start + len(tokens) * each, text, None, words)


def test_a_line_inside_a_turn_is_kept_whole() -> None:
    line = Line(1.0, 2.0, "  Odd   spacing ", "Somebody")
    assert attribute([line], [Turn(0.0, 5.0, A)]) == (Line(1.0, 2.0, "  Odd   spacing ", A),)


def test_words_with_times_go_to_who_holds_them() -> None:
    line = timed(0.0, "Is that so? Yes it is.")
    pieces = attribute([line], [Turn(0.0, 1.5, A), Turn(1.5, 3.0, B)])
    assert said(pieces) == [(A, "Is that so?"), (B, "Yes it is.")]
    assert [(piece.start, piece.end) for piece in pieces] == [(0.0, 1.5), (1.5, 3.0)]
    assert [word.speaker for piece in pieces for word in piece.words] == [A, A, A, B, B, B]


@pytest.mark.parametrize("change", [1.0, 1.3, 1.5, 1.7, 2.0])
def test_a_change_half_a_second_off_is_put_at_the_end_of_the_sentence(change: float) -> None:
    line = timed(0.0, "Is that so? Yes it is.")
    assert said(attribute([line], [Turn(0.0, change, A), Turn(change, 3.0, B)])) == [
        (A, "Is that so?"),
        (B, "Yes it is."),
    ]


def test_a_pause_is_as_good_as_a_full_stop() -> None:
    words = (Word(0, 0.5, "one"), Word(0.5, 1, "two"), Word(1.6, 2.1, "three"), Word(2.1, 2.6, "four"))
    line = Line(0, 2.6, "one two three four", None, words)
    assert said(attribute([line], [Turn(0, 0.8, A), Turn(0.9, 3, B)])) == [(A, "one two"), (B, "three four")]


def test_words_without_times_are_split_at_the_best_boundary() -> None:
    line = Line(0.0, 6.0, "Welcome back to the show today. Thanks, Maya.")
    assert said(attribute([line], [Turn(0, 4.2, A), Turn(4.2, 6, B)])) == [
        (A, "Welcome back to the show today."),
        (B, "Thanks, Maya."),
    ]


def test_silence_in_a_line_holds_no_words() -> None:
    """By length alone the boundary would fall in the middle of the second sentence."""
    line = Line(0.0, 10.0, "one two three four one two three four")
    pieces = attribute([line], [Turn(0, 2, A), Turn(8, 10, B)])
    assert said(pieces) == [(A, "one two three four"), (B, "one two three four")]
    assert pieces[0].end == pytest.approx(2.0, abs=0.1)
    assert pieces[1].start == pytest.approx(8.0, abs=0.1)


def test_a_backchannel_does_not_shred_a_line() -> None:
    turns = [Turn(0, 4, A), Turn(4, 4.6, B), Turn(4.6, 9, A)]
    text = "and then we went down the long road to the old house by the sea"
    assert said(attribute([Line(0, 9, text)], turns)) == [(A, text)]
    assert said(attribute([timed(0, text, each=0.6)], turns)) == [(A, text)]


def test_a_short_answer_is_taken_out_of_a_line() -> None:
    turns = [Turn(0, 2.4, A), Turn(2.4, 3.2, B), Turn(3.2, 7, A)]
    line = timed(0, "Did you like it then? Yes. And what did you like the most?")
    assert said(attribute([line], turns)) == [
        (A, "Did you like it then?"),
        (B, "Yes."),
        (A, "And what did you like the most?"),
    ]


def test_overlap_goes_to_the_longer_turn_and_the_other_is_noted() -> None:
    turns = [Turn(0, 10, A), Turn(2, 3, B)]
    assert attribute([Line(1, 4, "hello there")], turns) == (Line(1, 4, "hello there", A, (), (B,)),)
    assert attribute([Line(5, 6, "hello there")], turns) == (Line(5, 6, "hello there", A),)


def test_text_over_nobody_stays_without_a_speaker() -> None:
    lines = [Line(0, 4, "la la la"), timed(20, "la la"), Line(10, 11, "hello")]
    assert [line.speaker for line in attribute(lines, [Turn(10, 12, A)])] == [None, None, A]
    assert [line.speaker for line in attribute(lines, [])] == [None, None, None]


def test_text_that_cannot_all_be_in_a_turn_is_not_all_given_to_it() -> None:
    song = "la la la, sang the voice of the song for a long time until it ended. And we are back."
    pieces = attribute([Line(0, 12, song)], [Turn(10, 12, A)])
    assert said(pieces)[-1] == (A, "And we are back.")
    assert pieces[0].speaker is None


def test_speech_without_a_turn_keeps_its_words() -> None:
    line = Line(0, 8, "First we heard somebody else. Then me again here.")
    speech = [(0.0, 4.0), (4.2, 8.0)]
    assert said(attribute([line], [Turn(4.2, 8, A)], speech=speech)) == [
        (None, "First we heard somebody else."),
        (A, "Then me again here."),
    ]


def test_lines_whose_place_is_not_known_are_not_given_away() -> None:
    lines = [Line(0, 1, "one"), Line(1, 2, "two")]
    assert [line.speaker for line in attribute(lines, [Turn(0, 2, A)], unsure={1})] == [A, None]


def test_a_sentence_that_goes_on_in_the_next_caption_keeps_its_speaker() -> None:
    lines = [timed(0, "and this is what we"), timed(2.5, "did. Well done, I say!")]
    turns = [Turn(0, 2.2, A), Turn(2.2, 5.0, B)]
    assert said(attribute(lines, turns)) == [(A, "and this is what we"), (A, "did."), (B, "Well done, I say!")]


def test_a_line_without_length_belongs_to_who_speaks_then() -> None:
    assert said(attribute([Line(5, 5, "hello")], [Turn(0, 4, A), Turn(4, 6, B)])) == [(B, "hello")]


def test_words_that_do_not_spell_the_text_are_not_used() -> None:
    line = Line(0, 2, "one two", None, (Word(0, 1, "one"), Word(1, 2, "three")))
    assert attribute([line], [Turn(0, 2, A)]) == (Line(0, 2, "one two", A),)


def test_text_without_blanks_is_cut_at_its_full_stops() -> None:
    assert said(attribute([Line(0, 4, "你好吗？我很好。")], [Turn(0, 2, A), Turn(2, 4, B)])) == [
        (A, "你好吗？"),
        (B, "我很好。"),
    ]


def test_change_costs_are_ordered() -> None:
    costs = [change_cost("so.", "And"), change_cost("so,", "and"), change_cost("so", "And"), change_cost("so", "and")]
    assert costs == sorted(costs)
    assert change_cost("Dr.", "who") > change_cost("Dr.", "Who")


times = st.floats(0, 60, allow_nan=False).map(lambda seconds: round(seconds, 3))
texts = st.lists(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=6) | st.just("end."), max_size=12
)


@st.composite
def some_turns(draw: st.DrawFn) -> list[Turn]:
    spans = draw(st.lists(st.tuples(times, times), max_size=8))
    return [Turn(min(span), max(span), draw(st.sampled_from([A, B, C]))) for span in spans]


@st.composite
def some_lines(draw: st.DrawFn) -> list[Line]:
    lines = []
    for _ in range(draw(st.integers(0, 4))):
        start, end = sorted((draw(times), draw(times)))
        tokens = draw(texts)
        words: tuple[Word, ...] = ()
        has_times = draw(st.booleans())
        if tokens and has_times:
            marks = sorted(draw(st.lists(times, min_size=2 * len(tokens), max_size=2 * len(tokens))))
            words = tuple(Word(marks[2 * n], marks[2 * n + 1], token) for n, token in enumerate(tokens))
        lines.append(Line(start, end, draw(st.sampled_from([" ", "  "])).join(tokens), None, words))
    return lines


@given(lines=some_lines(), turns=some_turns(), speech=st.none() | st.lists(st.tuples(times, times), max_size=3))
@settings(deadline=None, max_examples=60)
def test_no_word_is_lost_repeated_or_moved(
    lines: list[Line], turns: list[Turn], speech: list[tuple[float, float]] | None
) -> None:
    given = attribute(lines, turns, speech=speech)
    assert [word for line in given for word in line.text.split()] == [w for line in lines for w in line.text.split()]
    kept = {line.text for line in lines}
    speakers = {turn.speaker for turn in turns} | {None}
    for line in given:
        assert line.start <= line.end
        assert line.speaker in speakers
        assert line.speaker not in line.others
        assert {word.speaker for word in line.words} <= {line.speaker}
        assert line.text in kept or line.text.split()


def test_the_work_grows_with_the_length() -> None:
    """Four times the length is about four times the work; every turn looked at for every word would be sixteen."""

    def work(hours: float) -> int:
        """How many instructions Python executed."""
        num = int(hours * 600)
        turns = [Turn(6.0 * n, 6.0 * n + 5.5, f"S{n % 7}") for n in range(num)]
        lines = [Line(5.0 * n, 5.0 * n + 5, "some words that somebody says here. And more.") for n in range(num)]
        done = 0

        def count(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal done
            frame.f_trace_opcodes = True
            done += 1
            return count

        before = sys.gettrace()
        sys.settrace(count)
        try:
            attribute(lines, turns)
        finally:
            sys.settrace(before)
        return done

    assert work(0.4) < 5 * work(0.1)
