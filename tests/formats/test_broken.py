"""One bad byte, time or block costs that byte, time or block, and is said; nothing else is lost."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.formats.test_names import CONTAINERS, SAID, words_of
from voicematch.errors import FormatError
from voicematch.formats import READ, READERS, decode, read, read_file
from voicematch.formats.clock import loose
from voicematch.types import Line


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


GERMAN = [f"Übergröße Nr. {idx}: schöne Grüße, {text}" for idx, text in enumerate(SAID)]
PLACES = {
    "in a word": "schö",
    "after a letter": "Grüße",
    "in a time": "00:00",
    "at the end of a row": ".\n",
    "a digit": "1",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xe2\x82", b"\x80", b"\0"])
@pytest.mark.parametrize("container", ["srt", "vtt", "txt", "jsonl"])
def test_one_bad_byte(container: str, bad: bytes, place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.txt"
    text = CONTAINERS[container](GERMAN).replace("\\u00f6", "ö").replace("\\u00fc", "ü").replace("\\u00df", "ß")
    raw = text.replace("\\u00dc", "Ü").encode()
    at = raw.find(PLACES[place].encode(), 200)
    at = at if at >= 0 else 210
    if place == "in a word":
        at += 3
    path.write_bytes(raw[:at] + bad + raw[at:])
    lines = read_file(path)
    assert words_of(lines) == words_of(read(raw.decode(), "test"))
    assert warnings(caplog)[0].startswith(f"{path}: {len(bad)} byte(s) that are not text, left out (line ")


def test_a_character_cut_in_two_is_all_that_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    raw = CONTAINERS["srt"](GERMAN).encode().replace("schöne".encode(), b"sch\xc3ne", 1)
    assert "schne Grüße" in words_and(decode(raw, "a.srt"))
    assert warnings(caplog) == ["a.srt: 1 byte(s) that are not text, left out (line 3)"]


def words_and(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_old_encodings_are_read_and_said(encoding: str, caplog: pytest.LogCaptureFixture) -> None:
    text = CONTAINERS["srt"](GERMAN)
    assert decode(text.encode(encoding), "a.srt") == text
    assert warnings(caplog) == [
        f"a.srt: {sum(not c.isascii() for c in text)} byte(s) are not UTF-8; read as Windows-1252"
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_marks_in_the_middle_are_no_words(encoding: str) -> None:
    text = CONTAINERS["srt"](GERMAN)
    assert decode(("\ufeff" + text.replace("schöne", "\ufeffschöne")).encode(encoding), "a.srt") == text


def test_a_bad_unit_in_utf_16(caplog: pytest.LogCaptureFixture) -> None:
    text = CONTAINERS["srt"](GERMAN)
    raw = "\ufeff".encode("utf-16-le") + text.encode("utf-16-le").replace("Ü".encode("utf-16-le"), b"\x00\xd8", 1)
    assert decode(raw, "a.srt") == text.replace("Ü", "", 1)
    assert warnings(caplog) == ["a.srt: 1 byte(s) that are not text, left out"]


def timed(start: str, end: str, container: str = "srt") -> str:
    cues = [
        ("00:00:01,000", "00:00:02,000"),
        ("00:00:03,000", "00:00:04,000"),
        (start, end),
        ("00:00:07,000", "00:00:08,000"),
    ]
    text = "".join(f"{n}\n{a} --> {b}\nLine {n}.\n\n" for n, (a, b) in enumerate(cues, start=1))
    return text if container == "srt" else "WEBVTT\n\n" + text.replace(",", ".")


@pytest.mark.parametrize("container", ["srt", "vtt"])
@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("00:00:05,000", "00:00:04,500", (5.0, 7.0)),  # ends before it begins
        ("00:00:60,000", "00:01:01,000", (60.0, 61.0)),
        ("-00:00:05,000", "00:00:06,000", (0.0, 6.0)),
        ("00:09:05,000", "00:00:06,000", (4.0, 6.0)),  # begins far beyond where it ends, and where the next begins
        ("5:xx", "00:00:06,000", (4.0, 6.0)),
        ("00:00:05,000", "", (5.0, 7.0)),
        ("00:00:05,000", "null", (5.0, 7.0)),
        ("null", "00:00:06,000", (4.0, 6.0)),
        ("00:00:05:12", "00:00:06:00", (5.4, 6.0)),
        ("00:00:05:120", "00:00:06:000", (5.12, 6.0)),
        ("0:5", "0:6", (5.0, 6.0)),
        ("00:05,5", "00:06", (5.5, 6.0)),
    ],
)
def test_one_bad_time(
    start: str, end: str, expected: tuple[float, float], container: str, caplog: pytest.LogCaptureFixture
) -> None:
    lines = read(timed(start, end, container), "a.srt")
    assert [line.text for line in lines] == ["Line 1.", "Line 2.", "Line 3.", "Line 4."]
    assert (lines[2].start, lines[2].end) == expected
    assert [(line.start, line.end) for line in lines[:2]] == [(1.0, 2.0), (3.0, 4.0)]
    is_exact = start in ("0:5", "00:05,5", "00:00:05:120")
    assert warnings(caplog) == [] if is_exact else warnings(caplog)[0].startswith("a.srt: 1 time(s)")


def test_an_arrow_of_another_kind() -> None:
    for arrow in ("->", "-->", "--->", "–>", "=>", "→"):
        assert read(timed("00:00:05,000", "00:00:06,000").replace("-->", arrow), "a.srt")[2].start == 5.0


@pytest.mark.parametrize(
    "row",
    [
        "10:00 -> 11:00 coffee break",
        "10:00 --> 11:00 coffee break",
        "10:00 -> 11:00",
        "Remember: -> buy milk and eggs",
        "Remember: --> buy milk and eggs",
        "Result: => 4",
        "a: → b:",
    ],
)
@pytest.mark.parametrize("container", ["srt", "vtt", "txt"])
def test_an_arrow_in_the_words(row: str, container: str) -> None:
    texts = list(SAID)
    texts[3] = f"Good evening.\n{row}\nand more."
    assert words_of(read(CONTAINERS[container](texts), "test")) == " ".join(texts).split()


def test_an_arrow_after_a_blank_row() -> None:
    texts = list(SAID)
    texts[3] = "Good evening.\n\nRemember: -> buy milk\n\n10:00 -> 11:00 coffee break"
    assert words_of(read(CONTAINERS["srt"](texts), "test")) == " ".join(texts).split()


@pytest.mark.parametrize("value", [None, -3, "soon", True, 1e300, "NaN", math.nan, math.inf, [], {}])
@pytest.mark.parametrize("key", ["start", "end"])
def test_one_bad_time_in_json(key: str, value: object, caplog: pytest.LogCaptureFixture) -> None:
    segments: list[dict[str, object]] = [
        {"start": idx * 2, "end": idx * 2 + 1, "text": f"Line {idx}."} for idx in range(4)
    ]
    segments[2][key] = value
    lines = read(json.dumps({"segments": segments}), "a.json")
    assert [line.text for line in lines] == ["Line 0.", "Line 1.", "Line 2.", "Line 3."]
    assert (lines[2].end if key == "start" else lines[2].start) == (5.0 if key == "start" else 4.0)
    assert 2.0 < lines[2].end <= 6.0
    assert len(warnings(caplog)) == (value is not None or key == "start")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_no_number_where_nobody_reads_one(number: str, caplog: pytest.LogCaptureFixture) -> None:
    text = f'{{"segments": [{{"start": 0, "end": 1, "text": "Hi.", "avg_logprob": {number}}}]}}'
    assert read(text, "a.json") == (Line(0.0, 1.0, "Hi."),)
    assert warnings(caplog) == []


def test_a_null_start_of_a_chunk(caplog: pytest.LogCaptureFixture) -> None:
    chunks = [{"timestamp": [None if idx == 1 else idx, idx + 1], "text": f"Line {idx}."} for idx in range(3)]
    lines = read(json.dumps({"chunks": chunks}), "a.json")
    assert [(line.start, line.end) for line in lines] == [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("bad", [7, "words", None, {"start": 1}, {"start": 1, "end": 2, "text": 5}])
def test_one_bad_segment(bad: object, caplog: pytest.LogCaptureFixture) -> None:
    segments = [{"start": 0, "end": 1, "text": "One."}, bad, {"start": 2, "end": 3, "text": "Two."}]
    assert [line.text for line in read(json.dumps({"segments": segments}), "a.json")] == ["One.", "Two."]
    assert warnings(caplog) == ["a.json: 1 block(s) that are no part of the format or hold no words, left out"]


def test_one_bad_line_of_json_lines(caplog: pytest.LogCaptureFixture) -> None:
    text = CONTAINERS["jsonl"](list(SAID)) + '\n{"start": 1, "en'
    assert len(read(text, "a.jsonl")) == len(SAID)
    assert warnings(caplog) == ["a.jsonl: 1 line(s) of the file that cannot be read, left out (line 13)"]


@pytest.mark.parametrize(
    "block",
    [
        "region\nid:bill\nwidth:40%",
        "REGION\nid:bill",
        "STYLE\n::cue { color: red }",
        "NOTE of two\nlines",
        "Region: id=fred width=40%",
        "some words\nof nobody",
        "X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0",
    ],
)
def test_an_unknown_block_before_the_first_cue(block: str, caplog: pytest.LogCaptureFixture) -> None:
    text = CONTAINERS["vtt"](list(SAID)).replace("WEBVTT\n\n", f"WEBVTT\n\n{block}\n\n")
    assert tuple(line.text for line in read(text, "a.vtt")) == SAID
    is_known = block.startswith(("REGION", "STYLE", "NOTE"))
    expected = "a.vtt: 1 block(s) that are no part of the format or hold no words, left out (line 3)"
    assert warnings(caplog) == [] if is_known else [expected]


def test_text_before_the_first_time_in_subrip(caplog: pytest.LogCaptureFixture) -> None:
    assert len(read("A title\n\n" + CONTAINERS["srt"](list(SAID)), "a.srt")) == len(SAID)
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("bad", ["[00:00:99]", "[00:00:01]", "[99:00:00]", "[-0:05]"])
def test_one_bad_time_in_a_plain_transcript(bad: str, caplog: pytest.LogCaptureFixture) -> None:
    text = CONTAINERS["txt"](list(SAID)).replace("[0:00:08]", bad)
    lines = read(text, "a.txt")
    assert [line.text for line in lines] == list(SAID)
    assert all(8 - 2 <= lines[4].start <= 10 for _ in lines)
    assert warnings(caplog) == ["a.txt: 1 time(s) that cannot be right, set by the lines around (line 9)"]


def test_one_bad_time_in_html(caplog: pytest.LogCaptureFixture) -> None:
    text = "".join(f"<cite>A</cite><time>0:{n:02d}</time><p>{text}</p>\n" for n, text in enumerate(SAID))
    for bad in ("soon", "0:00", "9:99:00"):
        caplog.clear()
        lines = read(text.replace("0:05", bad), "a.html")
        assert [line.text for line in lines] == list(SAID)
        assert 4.0 <= lines[5].start <= 6.0
        assert len(warnings(caplog)) == 1


def test_most_times_bad_is_no_transcript() -> None:
    text = CONTAINERS["srt"](list(SAID)).replace("00:00:", "xx:0:")
    with pytest.raises(FormatError, match=r"a\.srt:2: times not understood; expected 00:00:01\.000 --> 00:00:02\.000"):
        READERS["srt"](text, "a.srt")


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        ("<SAMI><BODY>", "SAMI"),
        ("{1}{24}Hello", "MicroDVD, which counts frames"),
        ("{\\rtf1 Hello}", "RTF"),
        ("SPEAKER a 1 0.0 1.0 <NA> <NA> A <NA> <NA>", "RTTM, which has no words"),
        ('File type = "ooTextFile"\n', "a TextGrid"),
        ('<?xml version="1.0"?><timedtext/>', "XML of a kind that is not known"),
    ],
)
def test_what_is_not_read_is_refused_with_what_is(start: str, kind: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(start, "a.x")
    assert str(caught.value) == f"a.x: is {kind}, and not read; read are {READ}"


@pytest.mark.parametrize("raw", [b"PK\x03\x04word/document.xml", b"%PDF-1.7\nabc", b"ID3\x04\0\0\xff\xfb\0"])
def test_files_that_are_no_text(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(raw)
    with pytest.raises(FormatError, match="not a text file; read are SubRip, WebVTT"):
        read_file(tmp_path / "a")


def test_no_time() -> None:
    assert [loose(text) for text in ("", ":", "1:2:3:4:5", "1:-2", "9999999999", "now")] == [None] * 6


def test_lines_are_in_their_order() -> None:
    lines = read(timed("00:00:09,000", "00:00:10,000"), "a.srt")
    assert lines[2] == Line(9.0, 10.0, "Line 3.")


def test_captions_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicematch.formats.cues.MOST_CUES", 3)
    cues = [f"00:00:0{num}.000 --> 00:00:0{num}.900\nHello\n" for num in range(5)]
    assert len(read("WEBVTT\n\n" + "\n".join(cues[:3]), "a.vtt")) == 3
    with pytest.raises(FormatError, match=r"a\.vtt:12: more than 3 captions; is this the transcript of one episode"):
        read("WEBVTT\n\n" + "\n".join(cues), "a.vtt")
    with pytest.raises(FormatError, match=r"a\.txt: more than 3 captions"):
        read("\n".join(f"[00:00:0{num}] Hello" for num in range(5)), "a.txt")
