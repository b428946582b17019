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
        ("elevenlabs", ("speaker_0", "speaker_1")),
        ("speechmatics", ("S1", "S2")),
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


def test_a_list_of_words_counts_seconds_unless_its_times_are_whole_milliseconds() -> None:
    words = [{"word": "The", "start": 0}, {"word": "beach", "start": 1, "end": 2}]
    verbose = {"task": "transcribe", "duration": 8.5, "text": "The beach", "words": words}
    (line,) = read(json.dumps(verbose), "test")
    assert (line.start, line.end, line.text) == (0.0, 2.0, "The beach")
    utterances = [{"start": idx, "end": idx + 0.5, "text": "Hello there."} for idx in range(20)]
    assert read(json.dumps({"utterances": utterances}), "test")[3].start == 3.0
    utterances = [{"start": idx * 1000, "end": idx * 1000 + 500, "text": "Hello there."} for idx in range(20)]
    utterances[2]["end"] = 2500.5
    assert read(json.dumps({"utterances": utterances}), "test")[3].start == 3.0


def test_sounds_that_elevenlabs_hears_stay() -> None:
    document = json.loads(SERVICES["elevenlabs"])
    event = {"text": "(laughter)", "start": 2.0, "end": 2.4, "type": "audio_event", "speaker_id": None}
    document["words"].insert(6, event)
    assert said(json.dumps(document)) == [
        ("speaker_0", "Welcome back, all."),
        (None, "(laughter)"),
        ("speaker_1", "Thanks!"),
    ]


def test_signs_that_belong_to_the_next_word() -> None:
    results = [
        {"start_time": idx / 9, "end_time": idx / 9, "attaches_to": side, "alternatives": [{"content": text}]}
        for idx, (text, side) in enumerate(
            [("He", None), ("said", None), ("“", "next"), ("no", None), ("”", "previous")]
        )
    ]
    assert said(json.dumps({"format": "2.9", "results": results})) == [(None, "He said “no”")]


def channels(service: str, label: str | None) -> str:
    """Two channels, on each of which somebody talks while the other does, too."""
    words = [[("Well", 0.0, 0.4), ("then.", 0.8, 1.0)], [("Yes", 0.3, 0.5), ("indeed.", 0.7, 1.2)]]
    own = {} if label is None else {"speaker": label, "speaker_id": label, "speaker_label": label}
    if service == "deepgram":
        of_deepgram = [[{"word": w, "start": a, "end": b, **own} for w, a, b in channel] for channel in words]
        return json.dumps({"results": {"channels": [{"alternatives": [{"words": found}]} for found in of_deepgram]}})
    if service == "elevenlabs":
        of_scribe = [[{"text": w, "start": a, "end": b, **own} for w, a, b in channel] for channel in words]
        return json.dumps({"transcripts": [{"channel_index": n, "words": found} for n, found in enumerate(of_scribe)]})
    of_aws = [
        [
            {"channel_label": f"ch_{number}", **item, **own}
            for w, a, b in channel
            for item in (
                {"start_time": str(a), "end_time": str(b), "alternatives": [{"content": w.rstrip(".")}]},
                {"type": "punctuation", "alternatives": [{"content": w[len(w.rstrip(".")) :]}]},
            )
        ]
        for number, channel in enumerate(words)
    ]
    if service == "aws":
        of_channels = [{"channel_label": items[0]["channel_label"], "items": items} for items in of_aws]
        return json.dumps({"results": {"items": [], "channel_labels": {"channels": of_channels}}})
    mixed = [item for pair in zip(*of_aws, strict=True) for item in pair]
    return json.dumps({"results": {"items": mixed}})


@pytest.mark.parametrize(
    ("service", "names"),
    [
        ("deepgram", ("Channel 0", "Channel 1")),
        ("elevenlabs", ("Channel 0", "Channel 1")),
        ("aws", ("ch_0", "ch_1")),
        ("aws in order of time", ("ch_0", "ch_1")),
    ],
)
def test_words_of_two_channels_are_not_mixed(service: str, names: tuple[str, str]) -> None:
    assert said(channels(service, None)) == [(names[0], "Well then."), (names[1], "Yes indeed.")]
    assert [speaker for speaker, _ in said(channels(service, "spk_0"))] == ["spk_0", f"{names[1]} spk_0"]


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
        ('begin="00:00:01:500" end="00:00:02:500"', (1.5, 2.5)),
        ('begin="0:1.5" end="0:2.5"', (1.5, 2.5)),
        ('begin="1.500" end="2.500"', (1.5, 2.5)),
    ],
)
def test_times_of_ttml(times: str, expected: tuple[float, float]) -> None:
    attributes = 'xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:frameRate="30" ttp:tickRate="10000000"'
    (line,) = read(ttml(f"<div><p {times}>Hello<br/>there</p></div>", attributes), "test")
    assert (line.start, line.end, line.text) == (*expected, "Hello there")


def test_times_of_ttml_count_from_what_is_around() -> None:
    (line,) = read(ttml('<div begin="10s"><p begin="1s" end="2s">Hi</p></div>'), "test")
    assert (line.start, line.end) == (11.0, 12.0)


def test_times_that_apple_writes_count_from_the_beginning() -> None:
    text = ttml(
        '<div begin="0.220" end="1:09:04.480"><p begin="0.220" end="28.620">One</p><p begin="59.5" end="1:02.5">Two</p>'
        '</div><div begin="1:10:00.0" end="1:20:00.0"><p begin="1:10:01.0" end="1:10:02.0">Three</p></div>'
    )
    assert [(line.start, line.end) for line in read(text, "test")] == [(0.22, 28.62), (59.5, 62.5), (4201.0, 4202.0)]


def test_a_paragraph_without_times_has_those_of_its_spans() -> None:
    sentence = '<span podcasts:unit="sentence">{}</span>'
    word = '<span podcasts:unit="word" begin="{}" end="{}">{}</span>'
    words = [word.format(start, end, text) for start, end, text in [("1.0", "1.5", "Hello"), ("1.5", "2.0", "you.")]]
    (line,) = read(ttml(f"<div><p>{sentence.format(''.join(words))}</p></div>", 'xmlns:podcasts="x"'), "test")
    assert (line.start, line.end, line.text) == (1.0, 2.0, "Hello you.")
    (line,) = read(ttml('<div begin="10s"><p><span begin="1s" end="2s">Hi</span></p></div>'), "test")
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
        'x:1: results.utterances.0: no "transcript", "text" or "word" here'
    )
    assert broken({"results": {"channels": [{"alternatives": []}]}}) == "x: a transcript without a word"
    with pytest.raises(FormatError, match="x:1: a transcript in TSV begins with: start, end, text"):
        READERS["tsv"]("a\tb", "x")


def test_one_line_of_json_is_a_line() -> None:
    assert said('{"start": 0, "end": 1, "text": "Hi."}') == [(None, "Hi.")]
