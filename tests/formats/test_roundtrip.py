"""What is written is read back as it was, for every format, on random episodes."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from voicematch.formats import FORMATS, READERS, read, read_episode, slugs
from voicematch.formats.cues import clean
from voicematch.formats.flow import FEWEST
from voicematch.formats.labels import read_slugs
from voicematch.types import Candidate, LabelledEpisode, Line, Match, Turn, Verdict, Word

SPEAKERS = ("SPEAKER_00", "SPEAKER_01", "SPEAKER_02")
some = settings(deadline=None, max_examples=30)

characters = st.characters(exclude_categories=["Cs"])
names = st.text(characters, min_size=1, max_size=20).filter(clean)
plain_names = st.sampled_from(["Maya", "Liam Verbeek", "Ludwig van Beethoven", "José Martí", "SPEAKER_07"])
spoken = st.lists(
    st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="<>:{}[]"), min_size=1, max_size=8),
    min_size=1,
    max_size=15,
).map(" ".join)
milliseconds = st.integers(0, 50_000_000)
seconds = st.floats(0, 1e5, allow_nan=False)
shares = st.floats(-1, 1, allow_nan=False)


@st.composite
def spans(draw: st.DrawFn) -> tuple[float, float]:
    start = draw(milliseconds)
    return start / 1000, (start + draw(st.integers(1, 60_000))) / 1000


@st.composite
def matches(draw: st.DrawFn, speaker: str, names: st.SearchStrategy[str]) -> Match:
    verdict = draw(st.sampled_from(Verdict))
    candidates = draw(st.lists(st.builds(Candidate, names, shares, shares, shares), max_size=2))
    profile = None if verdict is Verdict.UNKNOWN else draw(names)
    reasons = draw(st.lists(st.text(characters, max_size=10), max_size=2))
    return Match(
        speaker, verdict, profile, draw(shares), tuple(candidates), tuple(reasons), draw(st.none() | st.just("U-0001"))
    )


@st.composite
def episodes(
    draw: st.DrawFn, names: st.SearchStrategy[str] = names, texts: st.SearchStrategy[str] = spoken
) -> LabelledEpisode:
    turns = [Turn(*draw(spans()), draw(st.sampled_from(SPEAKERS))) for _ in range(draw(st.integers(0, 5)))]
    lines = []
    for _ in range(draw(st.integers(1, FEWEST - 1))):  # as many lines of a word each would be joined
        span, speaker = draw(spans()), draw(st.none() | st.sampled_from(SPEAKERS))
        words = [Word(*draw(spans()), draw(spoken), speaker) for _ in range(draw(st.integers(0, 2)))]
        lines.append(Line(*span, draw(texts), speaker, tuple(words), tuple(draw(st.sets(st.sampled_from(SPEAKERS))))))
    return LabelledEpisode(
        source=draw(st.sampled_from(["a b.mp3", "https://example.org/x%20y.mp3?a=1"])),
        audio_sha256="0a",
        duration=draw(seconds),
        turns=tuple(sorted(turns)),
        matches={speaker: draw(matches(speaker, names)) for speaker in SPEAKERS},
        lines=tuple(sorted(lines, key=lambda line: line.start)),
        title=draw(st.text(characters, max_size=10)),
        date=draw(st.none() | st.just("2026-11-22")),
        embedder=draw(st.text(characters, max_size=5)),
        diarizer="built-in",
        lost_seconds=draw(seconds),
    )


def printed(episode: LabelledEpisode) -> list[Line]:
    """The lines as a caption shows them: the name, clean text, no words."""
    return [
        Line(line.start, line.end, clean(line.text), clean(episode.name(line.speaker)) if line.speaker else None)
        for line in episode.lines
        if clean(line.text)
    ]


@some
@given(episodes(texts=st.text(characters, max_size=30)))
def test_our_own_json_is_read_back_exactly(episode: LabelledEpisode) -> None:
    assert read_episode(FORMATS["json"](episode), "x") == episode


@some
@given(episodes(texts=st.text(characters, max_size=30)))
def test_webvtt(episode: LabelledEpisode) -> None:
    if printed(episode):
        assert list(READERS["vtt"](FORMATS["vtt"](episode), "x")) == printed(episode)


@some
@given(episodes(texts=st.text(characters, max_size=30)))
def test_podcast_json(episode: LabelledEpisode) -> None:
    if printed(episode):
        assert list(READERS["json"](FORMATS["podcast"](episode), "x")) == printed(episode)


@some
@given(episodes(names=plain_names))
def test_srt_keeps_every_letter_and_its_speaker(episode: LabelledEpisode) -> None:
    """Long lines become several cues, between which others may begin; what is compared is who says which letters."""
    first = replace(episode.lines[0], speaker="SPEAKER_00")  # a file that begins without a name has none
    episode = replace(episode, lines=(first, *episode.lines[1:]))
    lines = READERS["srt"](FORMATS["srt"](episode), "x")
    assert sorted_letters(list(lines)) == sorted_letters(printed(episode))
    assert lines[0].start == episode.lines[0].start
    assert max(line.end for line in lines) == max(line.end for line in episode.lines)
    assert [line.start for line in lines] == sorted(line.start for line in lines)


def by_letter(lines: list[Line]) -> list[tuple[str | None, str]]:
    return [(line.speaker, letter) for line in lines for letter in line.text.replace(" ", "")]


def sorted_letters(lines: list[Line]) -> list[tuple[str | None, str]]:
    return sorted(by_letter(lines), key=str)


@some
@given(episodes(names=plain_names))
def test_text_keeps_every_word_and_its_speaker(episode: LabelledEpisode) -> None:
    first = replace(episode.lines[0], speaker="SPEAKER_00")
    episode = replace(episode, lines=(first, *episode.lines[1:]))
    assert by_letter(list(READERS["txt"](FORMATS["txt"](episode), "x"))) == by_letter(printed(episode))


@some
@given(episodes(names=names))
def test_rttm(episode: LabelledEpisode) -> None:
    text = FORMATS["rttm"](episode)
    by_slug = read_slugs(text)
    rows = [row.split() for row in text.splitlines()]
    assert {len(row) for row in rows} <= {10}
    turns = [(float(row[3]), float(row[4]), by_slug[row[7]]) for row in rows if row[0] == "SPEAKER"]
    expected = [(turn.start, round(turn.end - turn.start, 3), episode.name(turn.speaker)) for turn in episode.turns]
    assert turns == expected
    assert len(set(slugs(episode).values())) == len(slugs(episode))


@some
@given(episodes())
def test_csv(episode: LabelledEpisode) -> None:
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](episode))))
    assert [(float(row["start"]), float(row["end"])) for row in rows] == [(ln.start, ln.end) for ln in episode.lines]
    assert [row["text"].removeprefix("'") for row in rows] == [clean(ln.text).removeprefix("'") for ln in episode.lines]
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())


@some
@given(episodes())
def test_audacity(episode: LabelledEpisode) -> None:
    rows = [row.split("\t") for row in FORMATS["audacity"](episode).splitlines()]
    assert [(float(start), float(end)) for start, end, _ in rows] == [(ln.start, ln.end) for ln in episode.lines]
    labels = [f"{line.speaker}: {line.text}" if line.speaker else line.text for line in printed(episode)]
    assert [label for _, _, label in rows] == labels


@some
@given(episodes(texts=st.text(characters, max_size=30)))
def test_every_format_is_one_that_can_be_saved(episode: LabelledEpisode) -> None:
    for write in FORMATS.values():
        for text in (write(episode), write(replace(episode, lines=()))):
            assert text.encode("utf-8").decode("utf-8") == text


@some
@given(episodes(texts=spoken))
def test_the_format_is_recognised(episode: LabelledEpisode) -> None:
    for name in ("json", "vtt", "srt", "podcast", "txt"):
        assert read(FORMATS[name](episode), "x")
