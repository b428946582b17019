"""Formats of services, players and broadcasters: who speaks, what, and when each word is said."""

from __future__ import annotations

import json
from typing import Any

import pysubs2
import pytest

from tests.formats.test_names import SAID
from tests.support.samples import SERVICES
from voicematch.errors import FormatError
from voicematch.formats import READERS, read
from voicematch.types import Word

EXPECTED = [("Speaker A", "Welcome back, all."), ("Speaker B", "Thanks!")]


def said(text: str) -> list[tuple[str | None, str]]:
    return [(line.speaker, line.text) for line in read(text, "test")]


@pytest.mark.parametrize(
    ("service", "speakers"),
    [
        ("assemblyai", ("Speaker A", "Speaker B")),
        ("assemblyai words", ("Speaker A", "Speaker B")),
        ("deepgram", ("Speaker 0", "Speaker 1")),
        ("deepgram words", ("Speaker 0", "Speaker 1")),
        ("aws", ("spk_0", "spk_1")),
        ("aws segments", ("spk_0", "spk_1")),
        ("rev", ("Speaker 0", "Speaker 1")),
        ("riverside", ("A. Byron", "B. Fox")),
        ("json lines", ("A. Byron", "B. Fox")),
        ("ttml", ("Ada Byron", "Basil")),
        ("ass", ("Ada Byron", "Basil")),
    ],
)
def test_who_says_what_when(service: str, speakers: tuple[str, str]) -> None:
    lines = read(SERVICES[service], "test")
    assert [(line.speaker, line.text) for line in lines] == [
        (speakers[0], "Welcome back, all."),
        (speakers[1], "Thanks!"),
    ]
    assert [(line.start, line.end) for line in lines] == [(0.5, 2.0), (2.5, 3.0)]
    if service != "ass":
        assert lines[0].words == (Word(0.5, 1.0, "Welcome"), Word(1.0, 1.5, "back,"), Word(1.5, 2.0, "all."))


def test_riverside_loses_one_bad_sentence_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    document = json.loads(SERVICES["riverside"])
    fox, byron = document["data"]["speakers"]
    byron["sentences"].insert(0, {"index": 0, "words": [[3, 0, 100]]})
    fox["sentences"].append({"index": 1, "words": [["東京", 4000, 300], ["は", 4300, 200, "noise"], ["?", None]]})
    fox["sentences"].append({"index": 2})
    document["data"]["speakers"].append({"name": "Nobody", "sentences": "none"})
    assert said(json.dumps(document)) == [
        ("A. Byron", "Welcome back, all."),
        ("B. Fox", "Thanks!"),
        ("B. Fox", "東京は?"),
    ]
    assert "2 block" in caplog.text
    assert said(json.dumps(document["data"])) == said(json.dumps(document))


def test_riverside_of_which_nothing_can_be_read() -> None:
    for speakers in ([{"name": "A", "sentences": [{"words": [[]]}]}], [{"sentences": [{"words": 3}]}]):
        with pytest.raises(FormatError):
            read(json.dumps({"data": {"speakers": speakers}}), "test")


@pytest.mark.parametrize("service", ["sbv", "lrc", "tsv"])
def test_formats_without_speakers(service: str) -> None:
    lines = read(SERVICES[service], "test")
    assert [(line.start, line.text) for line in lines] == [(0.5, "Welcome back, all."), (2.5, "Thanks!")]
    assert lines[0].end == (2.5 if service == "lrc" else 2.0)


def test_a_line_of_lyrics_with_two_stamps_is_said_twice() -> None:
    assert [(line.start, line.text) for line in read("[00:01.00][00:09.5]La la\n[00:04.00]Oh", "test")] == [
        (1.0, "La la"),
        (4.0, "Oh"),
        (9.5, "La la"),
    ]


def test_words_of_lyrics() -> None:
    (line,) = read("[ar:Somebody]\n[00:01.00]<00:01.00>La <00:01.50>la", "test")
    assert (line.start, line.text) == (1.0, "La la")
    assert [word.start for word in line.words] == [1.0, 1.5]


def test_ass_as_pysubs2_writes_it() -> None:
    subs = pysubs2.SSAFile()
    for idx, text in enumerate(SAID):
        name = "Ada" if idx % 2 else ""
        subs.append(pysubs2.SSAEvent(start=idx * 1000, end=idx * 1000 + 900, text=f"{{\\i1}}{text}\\Nmore", name=name))
    subs.append(pysubs2.SSAEvent(start=0, end=10, text="{\\p1}m 0 0 l 100 0{\\p0}"))
    subs.append(pysubs2.SSAEvent(start=0, end=10, text="no word", type="Comment"))
    for form in ("ass", "ssa"):
        lines = read(subs.to_string(form), "test")
        assert [(line.start, line.end, line.text) for line in lines] == [
            (float(idx), idx + 0.9, f"{text} more") for idx, text in enumerate(SAID)
        ]
        assert [line.speaker for line in lines] == [None, "Ada"] * 6


def test_ttml_as_pysubs2_writes_it() -> None:
    subs = pysubs2.SSAFile()
    for idx, text in enumerate(SAID):
        subs.append(pysubs2.SSAEvent(start=idx * 1000, end=idx * 1000 + 900, text=f"{{\\i1}}{text}\\Nmore"))
    lines = read(subs.to_string("ttml"), "test")
    assert [(line.start, line.end, line.text) for line in lines] == [
        (float(idx), idx + 0.9, f"{text} more") for idx, text in enumerate(SAID)
    ]


def test_ass_goes_by_its_format_line_and_leaves_out_a_broken_one(caplog: pytest.LogCaptureFixture) -> None:
    text = (
        "[Script Info]\nTitle: x\n\n[Events]\nFormat: Start, End, Actor, Text\n"
        "Dialogue: 0:00:01.00,0:00:02.00,Ada,One, two.\nDialogue: 0:00:02.00\n"
        "Dialogue: 0:0x:03.00,0:00:04.00,Ada,Three.\n"
    )
    assert [(line.start, line.end, line.speaker, line.text) for line in read(text, "a.ass")] == [
        (1.0, 2.0, "Ada", "One, two."),
        (2.0, 4.0, "Ada", "Three."),
    ]
    assert [record.getMessage() for record in caplog.records][:2] == [
        "a.ass: 1 line(s) of the file that cannot be read, left out (line 7)",
        "a.ass: 1 time(s) that cannot be right, set by the lines around (line 8)",
    ]


def ttml(body: str, attributes: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<tt xmlns="http://www.w3.org/ns/ttml" {attributes}>\n'
        f"<body>{body}</body></tt>"
    )


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ('begin="00:00:01.500" end="00:00:02.500"', (1.5, 2.5)),
        ('begin="1.5s" end="2500ms"', (1.5, 2.5)),
        ('begin="1.5s" dur="1s"', (1.5, 2.5)),
        ('begin="45f" end="75f"', (1.5, 2.5)),
        ('begin="15000000t" end="25000000t"', (1.5, 2.5)),
        ('begin="00:00:01:15" end="00:00:02:15"', (1.5, 2.5)),
        ('begin="0:1.5" end="0:2.5"', (1.5, 2.5)),
    ],
)
def test_times_of_ttml(times: str, expected: tuple[float, float]) -> None:
    attributes = 'xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:frameRate="30" ttp:tickRate="10000000"'
    (line,) = read(ttml(f"<div><p {times}>Hello<br/>there</p></div>", attributes), "test")
    assert (line.start, line.end, line.text) == (*expected, "Hello there")


def test_times_of_ttml_count_from_what_is_around() -> None:
    (line,) = read(ttml('<div begin="10s"><p begin="1s" end="2s">Hi</p></div>'), "test")
    assert (line.start, line.end) == (11.0, 12.0)


def test_faults_of_ttml(caplog: pytest.LogCaptureFixture) -> None:
    good = '<p begin="1s" end="2s">Q & A</p>'
    assert said(ttml(good))[0][1] == "Q & A"
    assert said(ttml(good + '<p begin="3s" end="4s">cut').replace("</body></tt>", "")) == [
        (None, "Q & A"),
        (None, "cut"),
    ]
    assert caplog.records[-1].getMessage().startswith("test: 1 line(s) of the file that cannot be read")
    for text, message in [
        ("<tt></p>", "test:1: is not XML: mismatched tag"),
        ("<tt></tt>", "test:1: no paragraph <p> with words"),
        ('<!DOCTYPE tt [<!ENTITY a "b">]><tt><p>&a;</p></tt>', "declares entities, which no transcript needs"),
        ("<tt>" + "<div>" * 300, "elements are nested too deep"),
    ]:
        with pytest.raises(FormatError, match=message):
            read(text, "test")


def broken(document: dict[str, Any]) -> str:
    with pytest.raises(FormatError) as caught:
        read(json.dumps(document), "x")
    return str(caught.value)


def test_services_that_say_nothing() -> None:
    assert broken({"utterances": [], "words": []}) == "x:1: the document: neither utterances, sentences nor words in it"
    assert broken({"results": {"items": [{"alternatives": []}]}}) == "x:1: results.items.0: no alternatives"
    assert broken({"results": {"utterances": [{"start": 0}]}}) == (
        'x:1: results.utterances.0: no "transcript" and no "word" here'
    )
    assert broken({"results": {"channels": [{"alternatives": []}]}}) == "x: a transcript without a word"
    with pytest.raises(FormatError, match="x:1: a transcript in TSV begins with: start, end, text"):
        READERS["tsv"]("a\tb", "x")


def test_one_line_of_json_is_a_line() -> None:
    assert said('{"start": 0, "end": 1, "text": "Hi."}') == [(None, "Hi.")]
