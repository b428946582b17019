"""Transcripts moved to another cut of the audio: an interview made by chance, its speech as a detector hears it."""

from __future__ import annotations

import random

import pytest

from voicematch.transcript.align import Alignment, Shift, align, moved
from voicematch.types import Line, Word

Span = tuple[float, float]


def interview(seed: int, seconds: float) -> tuple[list[Line], list[Span]]:
    """Lines of one to three sentences, and the speech in them: a quarter of a second of blur, one in ten not heard."""
    rng = random.Random(seed)
    lines: list[Line] = []
    speech: list[Span] = []
    start = 0.0
    while start < seconds:
        begun = start
        for _ in range(rng.randint(1, 3)):
            end = start + rng.uniform(1.5, 6.0)
            if rng.random() > 0.1:
                speech.append((max(0.0, start + rng.gauss(0, 0.12)), end + rng.gauss(0, 0.12)))
            start = end + rng.uniform(0.35, 0.8)
        lines.append(Line(round(begun, 3), round(end, 3), "This was said."))
    return lines, speech


def inserted(speech: list[Span], at: float, seconds: float) -> list[Span]:
    """The speech with an advertisement of that length put in."""
    _, other = interview(99, seconds - 3.0)
    return sorted(
        [span for span in speech if span[0] < at - 0.3]
        + [(start + at, min(end, seconds) + at) for start, end in other]
        + [(start + seconds, end + seconds) for start, end in speech if start >= at - 0.3]
    )


LINES, SPEECH = interview(1, 600.0)
DURATION = SPEECH[-1][1] + 1.0


def found(lines: list[Line], speech: list[Span], duration: float) -> Alignment:
    alignment = align(lines, speech, duration)
    assert alignment is not None
    return alignment


def test_a_transcript_in_place_is_left_alone() -> None:
    alignment = found(LINES, SPEECH, DURATION)
    assert alignment.lines == tuple(LINES)
    assert alignment.shifts == (Shift(LINES[0].start, LINES[-1].start, 0.0),)
    assert not alignment.moved


@pytest.mark.parametrize("seconds", [37.0, 12.3, 300.0])
def test_an_intro_is_found(seconds: float) -> None:
    alignment = found(LINES, inserted(SPEECH, 0.0, seconds), DURATION + seconds)
    assert [shift.seconds for shift in alignment.shifts] == [pytest.approx(seconds, abs=0.15)]
    assert alignment.moved
    assert alignment.lines[5].start == pytest.approx(LINES[5].start + seconds, abs=0.15)


def test_an_intro_that_was_taken_away_is_found() -> None:
    late = [moved(line, 37.0) for line in LINES]
    assert [shift.seconds for shift in found(late, SPEECH, DURATION).shifts] == [pytest.approx(-37.0, abs=0.15)]


def test_advertisements_are_found() -> None:
    at = LINES[20].start, LINES[45].start
    speech = inserted(inserted(SPEECH, at[0], 60.0), at[1] + 60.0, 31.0)
    alignment = found(LINES, speech, DURATION + 91.0)
    assert [shift.seconds for shift in alignment.shifts] == [
        0.0,
        pytest.approx(60.0, abs=0.2),
        pytest.approx(91.0, abs=0.2),
    ]
    for idx, line in enumerate(alignment.lines):
        true = LINES[idx].start + (91.0 if idx >= 45 else 60.0 if idx >= 20 else 0.0)
        assert idx in alignment.unsure or line.start == pytest.approx(true, abs=0.3)
    assert alignment.unsure <= {*range(15, 25), *range(40, 50)}


def test_the_transcript_of_another_episode_is_refused() -> None:
    _, other = interview(2, 700.0)
    assert align(LINES, other, 700.0) is None


def test_half_of_another_episode_is_refused() -> None:
    _, other = interview(2, 700.0)
    half = [span for span in SPEECH if span[1] < 300] + [span for span in other if span[0] > 300]
    assert align(LINES, half, 700.0) is None


def test_too_little_to_tell_is_refused() -> None:
    assert align([moved(line, 5.0) for line in LINES[:2]], SPEECH, DURATION) is None
    assert align([], SPEECH, DURATION) is None
    assert align(LINES, [], DURATION) is None
    assert align(LINES, SPEECH[:1], DURATION) is None


def test_of_very_many_lines_some_speak_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, speech = interview(3, 2000.0)
    duration = speech[-1][1] + 61.0
    speech = inserted(speech, lines[len(lines) // 2].start, 60.0)
    exact = found(lines, speech, duration)
    monkeypatch.setattr("voicematch.transcript.align.MOST_LINES", len(lines) // 2 + 1)
    roughly = found(lines, speech, duration)
    assert [shift.seconds for shift in roughly.shifts] == [0.0, pytest.approx(60.0, abs=0.2)]
    pairs = enumerate(zip(exact.lines, roughly.lines, strict=True))
    apart = {idx for idx, (one, other) in pairs if abs(one.start - other.start) > 0.3}
    assert exact.unsure | apart <= roughly.unsure
    assert len(roughly.unsure) < 40


def test_lines_keep_their_order_in_the_file() -> None:
    shuffled = [*LINES[30:], *LINES[:30]]
    alignment = found(shuffled, inserted(SPEECH, 0.0, 37.0), DURATION + 37.0)
    moves = {round(new.start - old.start, 2) for new, old in zip(alignment.lines, shuffled, strict=True)}
    assert moves == {alignment.shifts[0].seconds}


def test_words_move_with_their_line_but_not_before_the_start() -> None:
    line = Line(1.0, 3.0, "one two", "A", (Word(1.0, 2.0, "one"), Word(2.0, 3.0, "two", "A")))
    assert moved(line, -1.5) == Line(0.0, 1.5, "one two", "A", (Word(0.0, 0.5, "one"), Word(0.5, 1.5, "two", "A")))
