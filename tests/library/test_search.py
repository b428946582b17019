"""Finding lines, on SQLite's FTS5 and on PostgreSQL's full-text search."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.library_example import episode
from voicematch.errors import LibraryError, ProfileNotFound
from voicematch.library import Library, folding
from voicematch.library.folding import folded, marks
from voicematch.library.reading.search import terms
from voicematch.types import Line


def found(library: Library, words: str, **narrowed: str) -> list[str]:
    hits = library.search.lines(words, **narrowed)  # type: ignore[arg-type]  # only text is narrowed by
    return [hit.text for hit in hits]


def store_lines(library: Library, *texts: str, number: int = 2, date: str | None = "2026-02-02") -> None:
    lines = tuple(Line(4.0 * idx, 4.0 * idx + 3.0, text, "SPEAKER_01") for idx, text in enumerate(texts))
    library.episodes.store(replace(episode(number, date=date), lines=lines), {})


def test_a_hit_says_who_when_and_where(filled: Library) -> None:
    (hit,) = filled.search.lines("continual")
    assert (hit.audio_sha256, hit.source, hit.title, hit.date) == (
        "01" * 32,
        "/shows/episode-1.mp3",
        "Episode 1",
        "2026-01-01",
    )
    assert (hit.start, hit.end, hit.speaker) == (0.0, 4.0, "Ann Lee")
    assert [hit.text[start:end] for start, end in hit.marks] == ["continual"]
    assert (hit.before, hit.after) == ("", "Learning never stops.")
    assert hit.context == "On continual learning, naïvely. Learning never stops."


def test_the_speaker_of_a_hit_is_called_as_today(filled: Library) -> None:
    filled.profiles.rename("Ann Lee", "Anna")
    assert {hit.speaker for hit in filled.search.lines("learning")} == {"Anna", "SPEAKER_01"}
    filled.profiles.forget("Anna")
    assert {hit.speaker for hit in filled.search.lines("learning")} == {"SPEAKER_00", "SPEAKER_01"}


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ("LEARNING never", ["Learning never stops."]),
        ("never learning", ["Learning never stops."]),
        ('"never learning"', []),
        ('"learning never"', ["Learning never stops."]),
        ('"continual learning" naïvely', ["On continual learning, naïvely."]),
        ("contin*", ["On continual learning, naïvely."]),
        ("contin", []),
        ('"continual learn"*', ["On continual learning, naïvely."]),
        ("stops.", ["Learning never stops."]),
        ('learning "never', ["Learning never stops."]),
    ],
)
def test_words_phrases_and_beginnings(filled: Library, words: str, texts: list[str]) -> None:
    assert found(filled, words) == texts


@pytest.mark.parametrize("words", ["", "   ", "...", '""', '"*"', "♪", "* -"])
def test_nothing_to_search_for(filled: Library, words: str) -> None:
    with pytest.raises(LibraryError, match="no word to search for"):
        filled.search.lines(words)


@pytest.mark.parametrize(
    "words",
    ["learning AND", "NOT learning", "text:learning", "learning^2", "NEAR(learning, 3)", "a'b", "x:*", "\\ x", "|&!"],
)
def test_what_is_syntax_elsewhere_is_words_here(filled: Library, words: str) -> None:
    try:
        filled.search.lines(words)
    except LibraryError as error:
        assert "no word to search for" in str(error)  # noqa: PT017  # most of these find nothing, and that is right


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from("ab\"'*()-:^\\&|!<> \x00\u0301ß♪{}%_.")))
def test_no_query_is_an_error_of_the_database(filled: Library, words: str) -> None:
    try:
        filled.search.lines(words)
    except LibraryError as error:
        assert "no word to search for" in str(error)  # noqa: PT017


def test_the_line_with_the_most_of_it_is_first(filled: Library) -> None:
    store_lines(filled, "A reward is mentioned once in this rather long line about many things.", "Reward, reward!")
    assert found(filled, "reward")[0] == "Reward, reward!"
    assert [hit.text for hit in filled.search.lines("reward", limit=1)] == ["Reward, reward!"]


def test_the_neighbours_are_of_the_same_episode(filled: Library) -> None:
    store_lines(filled, "one", "two words", "three")
    (hit,) = filled.search.lines("two")
    assert hit.context == "one two words three"
    (last,) = filled.search.lines("three")
    assert (last.before, last.after) == ("two words", "")


def test_by_profile_by_label_and_by_written_name(filled: Library) -> None:
    named = (Line(0.0, 1.0, "learning by heart", "Cy Young"),)
    filled.episodes.store(replace(episode(2), lines=named), {})
    assert found(filled, "learning", speaker="ann lee") == ["On continual learning, naïvely."]
    assert found(filled, "learning", speaker="SPEAKER_01") == ["Learning never stops."]
    assert found(filled, "learning", speaker="cy young") == ["learning by heart"]
    assert found(filled, "learning", speaker="Bob") == []
    with pytest.raises(ProfileNotFound, match="did you mean Ann Lee"):
        filled.search.lines("learning", speaker="Anne Lee")


def test_since_a_day(filled: Library) -> None:
    store_lines(filled, "learning later")
    store_lines(filled, "learning undated", number=3, date=None)
    assert set(found(filled, "learning", since="2026-02-02")) == {"learning later", "learning undated"}
    assert len(found(filled, "learning", since="2026-01-01")) == 4
    for no_day in ("soon", "2026-02-30", "2026-1-1", ""):
        with pytest.raises(LibraryError, match="is not a day; write 2024-01-31, 2024-01 or 2024"):
            found(filled, "learning", since=no_day)
        with pytest.raises(LibraryError, match="is not a day"):
            filled.listings.episodes(since=no_day)


def test_the_index_follows_the_lines(filled: Library) -> None:
    store_lines(filled, "old words", number=1)
    assert found(filled, "continual") == []
    assert found(filled, "old") == ["old words"]
    filled.episodes.remove("010101")
    assert found(filled, "old") == []
    assert filled.upkeep.check() == ()


def test_terms() -> None:
    assert terms('a "b  c" d* "e f"* … "g') == [("a", False), ("b c", False), ("d", True), ("e f", True), ("g", False)]
    assert terms('say"cheese') == [("say cheese", False)]


SCRIPTS = (
    "Żółć und Übergröße: café naïve",
    "ИГОРЬ говорит о ёлках",
    "東京は晴れです。",
    "我们今天谈谈收音机",
    "서울에서 만나요",
    "วันนี้อากาศดีมาก",
    "हिन्दी में बात करते हैं",
    "Ærø, Đorđe, Straße, İstanbul, ﬁnance",
    "ガラスの仮面 ｶﾞﾗｽ",
    "عَرَبِيّ لغة",
)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        *(("zolc", 0), ("ŻÓŁĆ", 0), ("Übergrösse", 0), ("ubergro*", 0), ("CAFE naive", 0), ('"cafe naive"', 0)),
        *(("игорь", 1), ("елках", 1), ("Говор*", 1)),
        *(("東京", 2), ("晴れ", 2), ("晴", 2), ("京は晴", 2), ("東京 です", 2), ('"東京は"', 2), ("晴れです。", 2)),
        *(("收音机", 3), ("音", 3), ("今天谈", 3)),
        *(("서울", 4), ("만나", 4)),
        *(("อากาศ", 5), ("हिन्दी", 6), ("हिन्*", 6)),
        *(("aero", 7), ("djordje", None), ("dorde", 7), ("strasse", 7), ("istanbul", 7), ("finance", 7)),
        *(("ガラス", 8), ("仮面", 8)),
        *(("عربي", 9), ("لغة", 9)),
        *(("京都", None), ("晴東", None), ("天今", None), ("zol", None)),
    ],
)
def test_every_script(filled: Library, words: str, line: int | None) -> None:
    store_lines(filled, *SCRIPTS)
    assert found(filled, words) == ([] if line is None else [SCRIPTS[line]])


@pytest.mark.parametrize(
    ("words", "marked"),
    [
        ("晴れ", ["晴れ"]),
        ("zolc CAFE", ["Żółć", "café"]),
        ("ubergr*", ["Übergröße"]),
        ("서울", ["서울"]),
        ("ガ", ["ガ", "ｶﾞ"]),
    ],
)
def test_what_was_found_is_marked_as_it_is_written(filled: Library, words: str, marked: list[str]) -> None:
    store_lines(filled, *SCRIPTS)
    (hit,) = filled.search.lines(words)
    assert [hit.text[start:end] for start, end in hit.marks] == marked


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("aB ß東京晴れ가ｶﾞ1é.", min_size=1, max_size=12), st.data())
def test_what_is_in_a_line_is_found_and_marked(filled: Library, text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    words = [token for token in folding.tokens(text) if token.start >= start][:3]
    if not words:
        return
    asked = " ".join(text[token.start : token.end] for token in words)
    store_lines(filled, text)
    (hit,) = filled.search.lines(asked)
    assert hit.text == text
    assert hit.marks


def test_plain_ascii_is_indexed_as_it_stands() -> None:
    assert folded("It’s “plain” — 5 km/h…") is None
    assert folded("Łódź") == "lodz"


def test_marks_that_overlap_are_one() -> None:
    assert marks("one two three", [("one two", False), ("two three", False)]) == ((0, 13),)
    assert marks("no", [("mark", False)]) == ()
