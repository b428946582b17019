"""What the writers write: golden files, limits of each format, and independent readers as witnesses."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.samples import EPISODE
from voicematch.formats import FORMATS, READERS, SUFFIXES, slugs, write_tags
from voicematch.formats.clock import seconds, stamp
from voicematch.formats.labels import read_slugs, slug
from voicematch.types import Chapter, LabelledEpisode, Line, Match, Turn, Verdict

GOLDEN = Path(__file__).parent.parent / "golden"
TURNS = replace(EPISODE, lines=())
EMPTY = LabelledEpisode("silence.wav", "00", 3.0, (), {})


def named(*names: str) -> LabelledEpisode:
    """An episode in which each name speaks for a second."""
    turns = tuple(Turn(idx, idx + 1.0, f"S{idx}") for idx in range(len(names)))
    matches = {f"S{idx}": Match(f"S{idx}", Verdict.ACCEPT, name, 1.0) for idx, name in enumerate(names)}
    return LabelledEpisode("a.mp3", "00", float(len(names)), turns, matches)


def one_line(text: str, speaker: str | None = "SPEAKER_00") -> LabelledEpisode:
    return replace(EPISODE, lines=(Line(0.0, 3.0, text, speaker),))


@pytest.mark.parametrize("name", FORMATS)
def test_golden(name: str) -> None:
    suffix = SUFFIXES.get(name, name)
    assert FORMATS[name](EPISODE) == (GOLDEN / f"episode.{suffix}").read_bytes().decode()
    assert FORMATS[name](TURNS) == (GOLDEN / f"turns.{suffix}").read_bytes().decode()


@pytest.mark.parametrize("name", FORMATS)
def test_an_episode_in_which_nobody_speaks(name: str) -> None:
    assert FORMATS[name](EMPTY).strip() == FORMATS[name](EMPTY).rstrip("\n")


def test_srt_keeps_to_two_lines_of_32_characters() -> None:
    text = " ".join(["word", "unbelievable", "https://example.org/a/very/long/address/that/has/no/blank"] * 20)
    blocks = FORMATS["srt"](one_line(text)).strip().split("\n\n")
    rows = [block.split("\n")[2:] for block in blocks]
    assert max(len(row) for block in rows for row in block) <= 32
    assert max(len(block) for block in rows) == 2
    assert "".join("".join(block) for block in rows).replace(" ", "") == ("[Maya & Co]:" + text).replace(" ", "")


def test_srt_begins_a_cue_at_a_change_of_speaker_and_names_it_once() -> None:
    lines = [Line(0, 1, "One.", "SPEAKER_00"), Line(1, 2, "Two.", "SPEAKER_00"), Line(2, 3, "Three.", "SPEAKER_02")]
    blocks = FORMATS["srt"](replace(EPISODE, lines=tuple(lines))).strip().split("\n\n")
    assert [block.split("\n")[2] for block in blocks] == ["Maya & Co: One.", "Two.", "SPEAKER_02: Three."]


def test_srt_is_in_order_of_start_where_a_line_begins_inside_another() -> None:
    long = Line(0.0, 60.0, " ".join(["and so we went on and on"] * 10), "SPEAKER_00")
    text = FORMATS["srt"](replace(EPISODE, lines=(long, Line(10.0, 11.0, "Yes.", "SPEAKER_02"))))
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    assert [block[0] for block in blocks] == [str(number) for number in range(1, len(blocks) + 1)]
    assert [block[1] for block in blocks] == sorted(block[1] for block in blocks)
    assert [block[2][:10] for block in blocks[:3]] == ["Maya & Co:", "SPEAKER_02", "Maya & Co:"]
    assert max(len(row) for block in blocks for row in block[2:]) <= 32
    assert {line.text for line in READERS["srt"](text, "x") if line.speaker == "SPEAKER_02"} == {"Yes."}


def test_srt_is_read_by_the_srt_library() -> None:
    srt = pytest.importorskip("srt")
    cues = list(srt.parse(FORMATS["srt"](EPISODE)))
    assert [cue.index for cue in cues] == list(range(1, len(cues) + 1))
    assert cues[-1].start.total_seconds() == 15.0
    assert cues[-1].content == ">> ♪ la la ♪"


def test_vtt_is_read_by_webvtt_py() -> None:
    webvtt = pytest.importorskip("webvtt")
    captions = list(webvtt.from_string(FORMATS["vtt"](EPISODE)))
    assert [caption.start_in_seconds for caption in captions] == [0, 6, 9, 12, 15]
    assert [caption.voice for caption in captions] == [
        "Maya &amp; Co",
        "SPEAKER_01",
        "Maya &amp; Co",
        "SPEAKER_02",
        None,
    ]


def test_vtt_has_no_cue_without_length_and_starts_in_order() -> None:
    lines = (Line(5.0, 5.0, "Late.", "SPEAKER_00"), Line(1.0, 2.0, "Early.", "SPEAKER_00"))
    text = FORMATS["vtt"](replace(EPISODE, lines=lines))
    assert text.index("Early.") < text.index("Late.")
    assert "00:00:05.000 --> 00:00:05.001" in text


def test_vtt_text_cannot_end_a_cue_or_a_voice() -> None:
    episode = replace(named("A>B\nC"), lines=(Line(0, 1, "one\n\n00:01.000 --> 00:02.000 </v>", "S0"),))
    cue = FORMATS["vtt"](episode).split("\n\n")[1]
    assert cue.split("\n")[1] == "<v A&gt;B C>one 00:01.000 --&gt; 00:02.000 &lt;/v&gt;"


def test_podcast_json_has_nothing_but_what_the_specification_names() -> None:
    document = json.loads(FORMATS["podcast"](EPISODE))
    assert set(document) == {"version", "segments"}
    assert document["version"] == "1.0.0"
    assert {key for segment in document["segments"] for key in segment} == {"speaker", "startTime", "endTime", "body"}
    assert "speaker" not in document["segments"][-1]


def test_own_json_holds_no_vectors_and_says_what_the_reader_needs() -> None:
    document = json.loads(FORMATS["json"](EPISODE))
    assert document["version"] == 1
    assert document["speakers"][0] == {
        "speaker": "SPEAKER_00",
        "name": "Maya & Co",
        "verdict": "accept",
        "profile": "Maya & Co",
        "probability": 0.98,
        "unknown": None,
        "talk_seconds": 9.25,
        "turns": 2,
        "doubtful": False,
        "candidates": [
            {"profile": "Maya & Co", "score": 0.71, "probability": 0.98, "agreement": 1.0},
            {"profile": "Liam", "score": 0.2, "probability": 0.01, "agreement": 0.0},
        ],
        "reasons": ["98 % likely, and nobody else is near"],
    }


def test_rttm_names_are_slugs_and_the_file_maps_them_back() -> None:
    episode = named("Dwarkesh Patel", "Dwarkesh  Patel", "José <x>", "NA", "cv_or_b0387daa", "%")
    text = FORMATS["rttm"](episode)
    assert all(len(row.split()) == 10 for row in text.splitlines())
    assert list(slugs(episode).values()) == [
        *("Dwarkesh_Patel", "Dwarkesh_Patel_2", "José_x", "NA_", "cv_or_b0387daa", "speaker")
    ]
    assert read_slugs(text) == {word: name for name, word in slugs(episode).items()}


def test_rttm_is_read_by_pyannote_database(tmp_path: Path) -> None:
    util = pytest.importorskip("pyannote.database.util")
    (tmp_path / "a.rttm").write_text(FORMATS["rttm"](EPISODE), encoding="utf-8")
    (annotation,) = util.load_rttm(tmp_path / "a.rttm").values()
    assert [(segment.start, segment.end, label) for segment, _, label in annotation.itertracks(yield_label=True)] == [
        (0.0, 6.25, "Maya_Co"),
        (5.9, 6.5, "SPEAKER_01"),
        (6.5, 9.0, "SPEAKER_01"),
        (9.0, 12.0, "Maya_Co"),
        (12.0, 13.0, "SPEAKER_02"),
    ]


def test_a_slug_is_never_empty() -> None:
    assert slug("…") == "speaker"


def test_csv_disarms_formulas() -> None:
    episode = replace(named("=cmd()"), lines=(Line(0, 1, '+1, "quoted"', "S0", others=("S0",)),))
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](episode))))
    assert rows[0] == {
        "start": "0.000",
        "end": "1.000",
        "speaker": "S0",
        "name": "'=cmd()",
        "text": '\'+1, "quoted"',
        "others": "'=cmd()",
    }


def test_csv_is_in_order_of_start() -> None:
    lines = (Line(5.0, 6.0, "Late."), Line(1.0, 2.0, "Early."))
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](replace(EPISODE, lines=lines)))))
    assert [row["text"] for row in rows] == ["Early.", "Late."]


def test_textgrid_has_no_interval_without_length() -> None:
    text = FORMATS["textgrid"](replace(EPISODE, duration=12.3453125, lines=(Line(1.0, 12.345, "Hi.", "SPEAKER_00"),)))
    starts, ends = (re.findall(rf" {key} = ([0-9.]+)", text)[1:] for key in ("xmin", "xmax"))
    assert list(zip(starts, ends, strict=True)) == [("0.000", "1.000"), ("1.000", "12.345")]


def test_textgrid_has_the_words_of_lines_without_length() -> None:
    lines = (
        Line(1.0, 1.0, "Hi.", "SPEAKER_00"),
        Line(2.0, 2.0, "So", "SPEAKER_00"),
        Line(2.0, 3.0, "it is.", "SPEAKER_00"),
    )
    text = FORMATS["textgrid"](replace(EPISODE, lines=lines))
    assert re.findall(r'text = "(.+)"', text) == ["Hi.", "So it is."]


def test_textgrid_is_read_by_praatio(tmp_path: Path) -> None:
    textgrid = pytest.importorskip("praatio.textgrid")
    lines = (*EPISODE.lines, Line(8.0, 9.5, 'He said "no".', "SPEAKER_01"))
    (tmp_path / "a.TextGrid").write_text(FORMATS["textgrid"](replace(EPISODE, lines=lines)), encoding="utf-8")
    grid = textgrid.openTextgrid(str(tmp_path / "a.TextGrid"), includeEmptyIntervals=False)
    assert grid.tierNames == ("Maya & Co", "SPEAKER_01", "SPEAKER_02", "(nobody)")
    entries = [(entry.start, entry.end, entry.label) for entry in grid.getTier("SPEAKER_01").entries]
    assert entries == [(6.5, 9.5, 'Thanks, Maya. He said "no".')]


def test_markdown_escapes_what_it_would_read() -> None:
    text = FORMATS["md"](
        replace(one_line("1. *not* a [link](x) &amp; a_b _c_ ~~d~~"), source="a.mp3", title="", chapters=())
    )
    _, _, body = text.partition("---\n\n")
    assert body == (
        "# a\n\n**[[Maya & Co]]** (0:00:00)  \n1\\. \\*not\\* a \\[link\\](x) \\&amp; a_b \\_c\\_ \\~~d\\~~\n"
    )


def test_a_paragraph_ends_after_two_minutes() -> None:
    lines = tuple(Line(60.0 * idx, 60.0 * idx + 50, f"Minute {idx}.", "SPEAKER_00") for idx in range(4))
    paragraphs = FORMATS["txt"](replace(EPISODE, lines=lines, chapters=())).strip().split("\n\n")
    assert paragraphs == ["[0:00:00] Maya & Co: Minute 0. Minute 1.", "[0:02:00] Maya & Co: Minute 2. Minute 3."]


def test_a_chapter_ends_a_paragraph() -> None:
    lines = tuple(Line(10.0 * idx, 10.0 * idx + 9, f"Line {idx}.", "SPEAKER_00") for idx in range(4))
    episode = replace(EPISODE, source="a.mp3", lines=lines, chapters=(Chapter(0.0, "One"), Chapter(15.0, "Two")))
    headings_and_text = [part.partition("  \n")[2] or part for part in FORMATS["md"](episode).strip().split("\n\n")[2:]]
    assert headings_and_text == ["## One", "Line 0. Line 1.", "## Two", "Line 2. Line 3."]


def test_tags_are_xml_with_roles_and_names_within_limits() -> None:
    episode = named("A & <B>", "N" * 200)
    text = write_tags(episode, roles={"A & <B>": "Host"}, base_url='https://x.org/"a"/')
    root = ElementTree.fromstring(f'<item xmlns:podcast="https://podcastindex.org/namespace/1.0">{text}</item>')
    persons = root.findall("{https://podcastindex.org/namespace/1.0}person")
    assert [(person.text, person.get("role")) for person in persons] == [("A & <B>", "host"), ("N" * 128, "guest")]
    transcripts = root.findall("{https://podcastindex.org/namespace/1.0}transcript")
    assert [(tag.get("url"), tag.get("type")) for tag in transcripts] == [
        ('https://x.org/"a"/a.vtt', "text/vtt"),
        ('https://x.org/"a"/a.srt', "application/x-subrip"),
        ('https://x.org/"a"/a.podcast.json', "application/json"),
    ]


def test_tags_name_only_who_was_accepted() -> None:
    text = write_tags(EPISODE, roles={"Maya & Co": "host"})
    assert text.count("<podcast:person") == 1
    assert "<!--" not in text


@pytest.mark.parametrize("text", ["", "1", "1:2:3:4", "1:60", "0:60:00", "-1:00", "1:00.", "1:00.1234567"])
def test_no_time(text: str) -> None:
    assert seconds(text) is None


def test_a_stamp_has_as_many_hours_as_it_takes() -> None:
    assert stamp(360_000.0) == "100:00:00.000"
    assert stamp(59.9996) == "00:01:00.000"
