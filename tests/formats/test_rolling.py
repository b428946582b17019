"""Captions that repeat what they still show, and transcripts with a line for every word."""

from __future__ import annotations

import json

import pytest

from tests.formats.test_names import CONTAINERS, SAID, words_of
from voicematch.formats import read
from voicematch.types import Line, Word

ROWS = [
    "Welcome back to the Workbench.",
    "This is the show about mending",
    "things that people throw away.",
    "No.",
    "No.",
    "I am here, with solder",
    "on my sleeves, Basil.",
    "Good evening.",
]


def cues(blocks: list[tuple[float, float, list[str]]], container: str) -> str:
    point = "," if container == "srt" else "."
    head = "WEBVTT\nKind: captions\nLanguage: en\n\n" if container == "vtt" else ""
    return head + "".join(
        f"00:00:{start:06.3f} --> 00:00:{end:06.3f}\n".replace(".", point) + "\n".join(rows) + "\n\n"
        for start, end, rows in blocks
    )


def with_word_times(row: str, start: float) -> str:
    first, *rest = row.split()
    return first + "".join(f"<00:00:{start + 0.2 * n:06.3f}><c> {word}</c>" for n, word in enumerate(rest, start=1))


@pytest.mark.parametrize("container", ["vtt", "srt"])
@pytest.mark.parametrize("has_word_times", [True, False])
def test_video_site(container: str, has_word_times: bool) -> None:
    """A new row under the last one, then both held for a hundredth of a second."""
    blocks: list[tuple[float, float, list[str]]] = []
    before = " "
    for idx, row in enumerate(ROWS):
        new = with_word_times(row, 2 * idx) if has_word_times else row
        blocks += [(2 * idx, 2 * idx + 1.99, [before, new]), (2 * idx + 1.99, 2 * idx + 2, [row, " "])]
        before = row
    lines = read(cues(blocks, container), "test")
    assert [line.text for line in lines] == ROWS
    assert [line.start for line in lines] == [2 * idx for idx in range(len(ROWS))]
    if has_word_times:
        assert [word.start for word in lines[0].words] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])


@pytest.mark.parametrize("height", [2, 3])
def test_roll_up(height: int) -> None:
    """Each cue shows the last rows and a new one."""
    blocks = [(2.0 * idx, 2.0 * idx + 2, ROWS[max(0, idx - height + 1) : idx + 1]) for idx in range(len(ROWS))]
    assert [line.text for line in read(cues(blocks, "srt"), "test")] == ROWS


def test_growing_rows() -> None:
    """Live captions: a word more in each cue."""
    blocks: list[tuple[float, float, list[str]]] = []
    for row in ROWS:
        words = row.split()
        for num in range(1, len(words) + 1):
            start = len(blocks) * 0.3
            blocks.append((start, start + 0.3, [" ".join(words[:num])]))
    lines = read(cues(blocks, "vtt"), "test")
    assert [line.text for line in lines] == ROWS
    assert lines[0].start == 0.0
    assert lines[0].end == pytest.approx(1.5)


def test_growing_under_a_row_that_stays() -> None:
    blocks: list[tuple[float, float, list[str]]] = []
    for above, row in zip(["", *ROWS], ROWS, strict=False):
        words = row.split()
        for num in range(1, len(words) + 1):
            start = len(blocks) * 0.3
            blocks.append((start, start + 0.3, [above, " ".join(words[:num])] if above else [" ".join(words[:num])]))
    assert words_of(read(cues(blocks, "srt"), "test")) == " ".join(ROWS).split()


@pytest.mark.parametrize("container", ["vtt", "srt"])
def test_what_is_said_again_is_said_again(container: str) -> None:
    rows = ["Yes.", "Yes.", "Yes.", "Thank you.", "Thank you.", "Yes.", "No, no.", "No, no."]
    blocks = [(idx * 1.0, idx + 1.0, [row]) for idx, row in enumerate(rows)]
    assert [line.text for line in read(cues(blocks, container), "test")] == rows


def test_two_rows_that_come_back_now_and_then() -> None:
    blocks = [(float(idx), idx + 1.0, [SAID[idx], "la la la"]) for idx in range(len(SAID))]
    assert words_of(read(cues(blocks, "srt"), "test")) == " ".join(f"{text} la la la" for text in SAID).split()


def one_by_one(texts: list[str], blank: bool) -> list[tuple[float, float, str]]:
    words = [(" " if blank else "") + word for text in texts for word in text.split()]
    return [(idx * 0.4, idx * 0.4 + 0.3, word) for idx, word in enumerate(words)]


@pytest.mark.parametrize("blank", [True, False])
@pytest.mark.parametrize("shape", ["chunks", "segments", "srt", "vtt", "words", "tsv"])
def test_a_line_for_every_word(shape: str, blank: bool) -> None:
    words = one_by_one(list(SAID), blank)
    if shape == "chunks":
        text = json.dumps({"chunks": [{"text": word, "timestamp": [since, until]} for since, until, word in words]})
    elif shape == "segments":
        text = json.dumps({"segments": [{"start": a, "end": b, "text": word} for a, b, word in words]})
    elif shape == "words":
        text = json.dumps(
            {"words": [{"start": a * 1000, "end": b * 1000, "text": word.strip()} for a, b, word in words]}
        )
    elif shape == "tsv":
        text = "start\tend\ttext\n" + "".join(f"{a * 1000:.0f}\t{b * 1000:.0f}\t{word}\n" for a, b, word in words)
    else:
        text = cues([(a, b, [word]) for a, b, word in words], shape)
    lines = read(text, "test")
    assert words_of(lines) == " ".join(SAID).split()
    assert [line.text for line in lines][:3] == list(SAID[:3])
    assert len(lines) == len(SAID) - 1  # one sentence goes over two of them
    assert [word.text for word in lines[0].words] == SAID[0].split()
    assert [word.start for word in lines[0].words] == pytest.approx([0, 0.4, 0.8, 1.2, 1.6])


def test_a_pause_and_a_speaker_end_a_line() -> None:
    words = [(idx * 0.4 + (5 if idx > 5 else 0), f"w{idx}", "A" if idx < 3 else "B") for idx in range(12)]
    document = {"segments": [{"start": t, "end": t + 0.3, "text": w, "speaker": s} for t, w, s in words]}
    lines = read(json.dumps(document), "test")
    assert [(line.speaker, line.text) for line in lines] == [
        ("A", "w0 w1 w2"),
        ("B", "w3 w4 w5"),
        ("B", "w6 w7 w8 w9 w10 w11"),
    ]


def test_words_of_a_recogniser_in_parts() -> None:
    parts = [" Wel", "come", " back", " to", " the", " Work", "bench", ".", " It", " is", " on", "."]
    document = {
        "transcription": [{"offsets": {"from": n * 100, "to": n * 100 + 90}, "text": t} for n, t in enumerate(parts)]
    }
    lines = read(json.dumps(document), "test")
    assert [line.text for line in lines] == ["Welcome back to the Workbench.", "It is on."]
    assert lines[0].words[0] == Word(0.0, 0.19, "Welcome")


def test_japanese_words_have_no_blanks_between() -> None:
    words = ["東京", "は", "今日", "も", "晴れ", "です", "。", "OK", "です", "。"]
    chunks = [{"text": word, "timestamp": [n * 0.3, n * 0.3 + 0.3]} for n, word in enumerate(words)]
    assert [line.text for line in read(json.dumps({"chunks": chunks}), "test")] == [
        "東京は今日も晴れです。",
        "OK です。",
    ]


def test_short_lines_of_chinese_stay_lines() -> None:
    texts = [
        "我们今天谈谈收音机",
        "这个收音机是四十年前的",
        "它还能用吗",
        "当然可以用",
        "谢谢你来我们的节目",
        "再见我的朋友们",
    ]
    assert [line.text for line in read(CONTAINERS["srt"](texts), "test")] == texts


def test_short_answers_stay_lines() -> None:
    texts = ["Yes.", "No.", "Really?", "Yes.", "Good."]
    assert read(CONTAINERS["srt"](texts), "test")[0] == Line(0.0, 1.5, "Yes.")
