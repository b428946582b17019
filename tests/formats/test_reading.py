"""What the readers read, and how they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.measure.fuzz_readers import fuzz
from tests.support.samples import (
    EPISODE,
    HTML,
    PAGE,
    PLAIN,
    PODCAST,
    SERVICES,
    SUBRIP,
    TRANSCRIPTS,
    WEBVTT,
    WHISPER,
    WHISPER_CPP,
)
from voicematch.errors import FormatError
from voicematch.formats import FORMATS, MAX_BYTES, READERS, read, read_episode, read_file
from voicematch.formats.json_node import line_of
from voicematch.types import Line, Word


def said(text: str) -> list[tuple[float, float, str | None, str]]:
    return [(line.start, line.end, line.speaker, line.text) for line in read(text, "test")]


def refusal(text: str, reader: str | None = None) -> str:
    with pytest.raises(FormatError) as caught:
        (READERS[reader] if reader else read)(text, "x")
    return str(caught.value)


def test_webvtt() -> None:
    assert said(WEBVTT) == [
        (1.0, 2.5, "Maya & Co", "Welcome back <here>"),
        (2.5, 3.958, "Liam", "Thanks."),
        (3.958, 5.0, "Maya & Co", "Sure."),
    ]


def test_webvtt_header_may_run_into_the_first_cue() -> None:
    assert said("WEBVTT\n00:01.000 --> 00:02.000\nHi.\n00:02.000 --> 00:03.000\nYou.") == [
        (1.0, 2.0, None, "Hi."),
        (2.0, 3.0, None, "You."),
    ]


def test_subrip() -> None:
    assert said(SUBRIP) == [
        (1.0, 2.5, "Maya", "Welcome back here"),
        (2.5, 5.0, "Maya", "to the show."),
        (5.0, 6.0, "Liam Verbeek", "Thanks."),
    ]


def test_subrip_takes_no_word_for_a_name() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nWe have this.\n\n2\n00:00:02,000 --> 00:00:03,000\nRemember: it is new.\n"
    assert [line[2:] for line in said(text)] == [(None, "We have this."), (None, "Remember: it is new.")]


def test_subrip_text_goes_on_after_a_blank_line_and_without_numbers() -> None:
    text = "00:00:01,000 --> 00:00:02,000\nOne\n\ntwo 5 --> 4.\n00:00:02,000 --> 00:00:03,000\nThree."
    assert said(text) == [(1.0, 2.0, None, "One two 5 --> 4."), (2.0, 3.0, None, "Three.")]


def test_podcast_json() -> None:
    assert said(PODCAST) == [(0.5, 1.5, "Maya", "Welcome back."), (2.0, 2.467, None, "Thanks.")]


def test_whisper_words_without_times_take_the_rest() -> None:
    line = read(WHISPER, "test")[0]
    assert line == Line(
        0.5,
        3.0,
        "Welcome back in 2014.",
        None,
        (Word(0.5, 1.0, "Welcome"), Word(1.0, 1.5, "back"), Word(1.5, 2.0, "in"), Word(2.0, 3.0, "2014.")),
    )


def test_words_that_do_not_spell_the_text_are_left_out() -> None:
    document = json.loads(WHISPER)
    document["segments"][0]["text"] = "Welcome back in 2015."
    assert read(json.dumps(document), "test")[0].words == ()


def test_faster_whisper_and_transformers() -> None:
    assert said(TRANSCRIPTS["faster-whisper"]) == [(0.5, 3.0, None, "Welcome back.")]
    assert said(TRANSCRIPTS["transformers"]) == [(0.5, 3.0, None, "Welcome back."), (3.0, 3.467, None, "Thanks.")]


def test_whisper_cpp_tokens_become_words() -> None:
    (line,) = read(WHISPER_CPP, "test")
    assert line.words == (Word(0.5, 1.5, "Welcome"), Word(1.5, 3.0, "back."))


def test_a_time_is_the_nearest_number_to_what_is_written() -> None:
    """2 s and 595 ms, added as floats, were 2.5949999999999998."""
    assert said("1\n00:00:01,000 --> 00:00:02,595\nHi.")[0][1] == 2.595


def test_html_with_cite_and_time() -> None:
    assert said(HTML) == [(0.0, 9.0, "Kevin", "We have an & update"), (9.0, 10.4, "Alban", "You're triggering Tom")]


def test_html_with_a_plain_transcript() -> None:
    assert said(PAGE) == [(1.0, 4.0, "Maya", "Welcome back."), (4.0, 4.867, "Liam", "Thanks, Maya.")]


def test_plain_text() -> None:
    assert said(PLAIN) == [(62.0, 69.0, "Maya", "Welcome back. And more."), (69.0, 69.467, "Liam", "Thanks.")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Maya Lindqvist  1:02\nHi: you.\n\nLiam  1:10\nYo.", [("Maya Lindqvist", 62.0), ("Liam", 70.0)]),
        ("Maya [00:01:02]: Hi.\nLiam [00:01:10]: Yo.", [("Maya", 62.0), ("Liam", 70.0)]),
        ("(1:02) Hi.\n(1:10) Yo.", [(None, 62.0), (None, 70.0)]),
        ("00:01:02 Hi at\n12:30 sharp.\n00:01:10 Yo.", [(None, 62.0), (None, 70.0)]),
        ("59:58 Hi.\n1:00:01 Yo.", [(None, 3598.0), (None, 3601.0)]),
        ("1:10 Hi.\n1:02 was the time.", [(None, 70.0)]),
        ("[00:01:02]Maya: Hi.\n[00:01:10]Liam: Yo.", [("Maya", 62.0), ("Liam", 70.0)]),
        ("[0:01 - 0:02] Maya: Hi.\n[0:03 - 0:04] Liam: Yo.", [("Maya", 1.0), ("Liam", 3.0)]),
    ],
)
def test_plain_text_in_other_shapes(text: str, expected: list[tuple[str | None, float]]) -> None:
    assert [(line.speaker, line.start) for line in read(text, "test")] == expected


@pytest.mark.parametrize(
    "text",
    [
        "[00:01:02]La\n[00:02:75]la",  # no minute has a second 75
        "[ar:Somebody]\n[00:01:02]La\n[00:02:50]la",
        "[00:01:02]La\n[00:02.50]la",
        "[00:01:02]<00:01:02>La\n[00:02:50]la",
    ],
)
def test_lyrics_with_hundredths_after_a_colon(text: str) -> None:
    assert read(text, "test")[0].start == 1.02


@pytest.mark.parametrize("form", [*TRANSCRIPTS, *SERVICES])
def test_line_ends_of_one_character(form: str) -> None:
    text = {**TRANSCRIPTS, **SERVICES}[form]
    assert read(text.replace("\n", "\r"), "test") == read(text, "test")


def test_blank_lines_before_the_header_of_webvtt() -> None:
    assert said("\n \n" + WEBVTT) == said(WEBVTT)


def test_words_that_other_formats_begin_with() -> None:
    dialogue = SUBRIP.replace("to the show.", "to the show.\nDialogue: is important")
    assert said(dialogue)[1][3] == "to the show. Dialogue: is important"
    assert said(PAGE.replace("Welcome", "<tt>Welcome</tt>")) == said(PAGE)
    assert said(PLAIN.replace("And more.", "And <tt> more.\n10:00 -> 11:00 coffee"))[0][3].endswith("11:00 coffee")


def test_own_json_as_a_transcript_carries_the_printed_names() -> None:
    lines = read(FORMATS["json"](EPISODE), "test")
    assert [line.speaker for line in lines] == ["Maya & Co", "SPEAKER_01", "Maya & Co", "SPEAKER_02", None]
    assert lines[1].words == (Word(6.5, 7.25, "Thanks,"), Word(7.25, 9.0, "Maya."))


BROKEN_OWN = FORMATS["json"](EPISODE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x: the file is empty"),
        ("\ufeff \n", "x: the file is empty"),
        ("Just words.\n", "x:1: no line begins with a time, as in [00:01:02] Name: text"),
        ("WEBVTT\n\nwords\n", "x:4: no cue with times"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\n\n", "x: a transcript without a word"),
        ('{"segments": [\n{"start": 0,\n"end": 1,}]}', "x:3: not JSON"),
        ('{"segments": NaN}', "x:1: segments: expected a list"),
        ("[" * 100_000, "x: not JSON that can be read"),
        ('{"text": "words"}', "x:1: the document: no transcript"),
        ('{"segments": {}}', "x:1: segments: expected a list"),
        (
            '{"segments": [\n{"start": true, "end": 1, "text": "a"}]}',
            "x: times not understood; expected seconds, such as 1.5",
        ),
        ("WEBVTT\n\nxx:01.000 --> 00:02.000\nHi", "x:3: times not understood; expected 00:00:01.000 --> 00:00:02.000"),
        ("<p>\n<time>soon</time>Hi</p>", "x:2: times not understood; expected <time>0:01:02</time>"),
        ('{"segments": [{"start": 0, "end": 1, "text": 5}]}', "x:1: segments.0.text: expected a text"),
        ('{"chunks": [{"timestamp": [1], "text": "a"}]}', "x:1: chunks.0: timestamp is not [start, end]"),
        ('{"segments": 1, "segments": [0]}', 'x: segments.0: no "text"'),
        ("<p>No times</p>", "x:1: no line begins with a time"),
        ("<time></time>", "x:1: no <time> with a time in it"),
        (BROKEN_OWN.replace('"version": 1', '"version": 2'), "x:3: version: version 1 is the one known here"),
        (BROKEN_OWN.replace("voicematch episode", "other"), 'x:2: format: expected "voicematch episode"'),
        (BROKEN_OWN.replace('"accept"', '"perhaps"'), "verdict: expected one of accept, review, unknown"),
        (BROKEN_OWN.replace('"end": 6.25', '"end": -0.5', 1), "a time out of range"),
        (BROKEN_OWN.replace('"start": 9.0,\n   "end"', '"start": 12.5,\n   "end"', 1), "ends before it starts"),
        (BROKEN_OWN.replace('"speakers": [', '"speakers": [[],', 1), 'speakers.0: no "verdict" here'),
    ],
)
def test_malformed_input_names_its_line(text: str, message: str) -> None:
    assert message in refusal(text)


def test_a_reader_asked_for_by_name_refuses_too() -> None:
    assert refusal("Hello", "vtt") == "x:1: WebVTT begins with a line WEBVTT"
    assert refusal("Hello", "srt") == "x:1: no cue with times"


def test_the_line_of_a_value_that_a_second_key_hides_is_not_guessed() -> None:
    assert line_of('{"a": 1, "a": [2]}', ("a", 0)) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes("1\r\n00:00:01,000 --> 00:00:02,000\r\nÇa va – très bien\r\n".encode(encoding))
    assert [line.text for line in read_file(path)] == ["Ça va – très bien"]


def test_files_that_are_no_transcripts(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    for raw, message in [
        (b"ID3\x04\0\0\xff\xfb\0", "not a text file"),
        (b"\xff\xfe\x00\xd8\x00", "begins like UTF-16 but is not; save it as UTF-8"),
        (b" " * (MAX_BYTES + 1), "larger than 64 MiB; is this a transcript?"),
    ]:
        path.write_bytes(raw)
        with pytest.raises(FormatError, match=message):
            read_file(path)
    with pytest.raises(FormatError, match="cannot be read: No such file"):
        read_file(tmp_path / "absent.srt")


def test_an_episode_needs_its_own_format() -> None:
    with pytest.raises(FormatError, match='no "format" here'):
        read_episode(PODCAST, "x")


def test_mutated_transcripts() -> None:
    """A slice of ``python -m tests.measure.fuzz_readers 100000``."""
    assert fuzz(range(100)) > 0


@pytest.mark.parametrize(
    "shape",
    [
        "**{}** (0:0{}): so\n",
        "**{}:** (0:0{}) so\n",
        "**{}** [0:0{}]\nso\n",
        "**{}** 0:0{}\nso\n",
        "***{}*** (0:0{})\nso\n",
    ],
)
def test_a_bold_name_beside_a_time_is_the_name(shape: str) -> None:
    text = "\n".join(shape.format(name, time) for time, name in enumerate(("Ada Byron", "Basil", "Ada Byron"), start=1))
    assert [line.speaker for line in read(text, "x.md")] == ["Ada Byron", "Basil", "Ada Byron"]


def test_what_otter_puts_below_the_last_words_is_not_said() -> None:
    text = "Ada Byron  0:03  \nSo.\n\nBasil  0:15  \nThank you.\n\n\nTranscribed by https://otter.ai\n"
    assert [(line.speaker, line.text) for line in read(text, "x.txt")] == [
        ("Ada Byron", "So."),
        ("Basil", "Thank you."),
    ]
