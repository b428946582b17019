"""Labels at the beginning of lines: in every format alike, and no spoken word is ever taken for one."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.test_roundtrip import SPEAKERS, by_letter, episodes, printed, sorted_letters, spoken
from voicematch.formats import FORMATS, READERS, read
from voicematch.types import LabelledEpisode, Line, Match, Verdict

SAID = (
    "Welcome back to the Workbench.",
    "This is the show about mending things: radios, clocks.",
    "I am here, with solder on my sleeves.",
    "Good evening.",
    "It is 12:30, and http://example.org says so.",
    "Remember: it is hot.",
    "How did that begin?",
    "With one radio, that my neighbour put out in the rain.",
    "Not before you have looked inside.",
    "The paper capacitors leak",
    "and the cloth crumbles.",
    "Thank you.",
)


def _stamp(time: float, point: str) -> str:
    return f"00:00:{time:06.3f}".replace(".", point)


def _cues(texts: list[str], arrow: str, point: str, *, numbers: bool) -> str:
    return "\n".join(
        f"{idx + 1}\n" * numbers + f"{_stamp(idx * 2, point)}{arrow}{_stamp(idx * 2 + 1.5, point)}\n{text}\n"
        for idx, text in enumerate(texts)
    )


CONTAINERS: dict[str, Callable[[list[str]], str]] = {
    "srt": lambda texts: _cues(texts, " --> ", ",", numbers=True),
    "vtt": lambda texts: "WEBVTT\n\n" + _cues(texts, " --> ", ".", numbers=False),
    "sbv": lambda texts: _cues(texts, ",", ".", numbers=False).replace("00:00:", "0:00:"),
    "txt": lambda texts: "\n".join(f"[0:00:{idx * 2:02d}] {text}\n" for idx, text in enumerate(texts)),
    "lrc": lambda texts: "\n".join(
        f"[00:{idx * 2:02d}.00]{text}" for idx, text in enumerate(texts) if "\n" not in text
    ),
    "ass": lambda texts: (
        "[Script Info]\n\n[Events]\n"
        + "\n".join(
            f"Dialogue: 0,0:00:{idx * 2:02d}.00,0:00:{idx * 2 + 1:02d}.00,Default,,0,0,0,,{text}"
            for idx, text in enumerate(text.replace("\n", "\\N") for text in texts)
        )
    ),
    "json": lambda texts: json.dumps(
        {"segments": [{"start": idx * 2, "end": idx * 2 + 1, "text": text} for idx, text in enumerate(texts)]}
    ),
    "jsonl": lambda texts: "\n".join(
        json.dumps({"start": idx * 2, "end": idx * 2 + 1, "text": text}) for idx, text in enumerate(texts)
    ),
}

NAMES = {
    "machine": ("SPEAKER_00", "SPEAKER_01", "SPEAKER_02"),
    "numbered": ("Speaker 1", "Speaker 2", "Speaker 3"),
    "aws": ("spk_0", "spk_1", "spk_2"),
    "names": ("Ada Byron", "Basil W.", "Conrad"),
    "titles": ("Dr. Grace Hopper", "Prof. O'Neil-Smith", "Ms. Ng"),
    "capitals": ("HOST", "GUEST", "CALLER 1"),
    "cyrillic": ("Ада", "Василий Петров", "Спикер 3"),
    "chinese": ("王小明", "李华", "主持人"),
    "arabic": ("ليلى", "كريم", "ضيف"),
    "letters": ("Q", "A", "M"),
}

SHAPES = {
    "colon": "{}: ",
    "colon after a blank": "{} : ",
    "brackets and colon": "[{}]: ",
    "dash": "- {}: ",
    "captioner": ">> {}: ",
    "bold": "**{}:** ",
    "with a role": "{} (host): ",
}

MACHINE_SHAPES = {**SHAPES, "brackets": "[{}] ", "round brackets": "({}) ", "dash after": "{} - ", "row": "{}\n"}


def words_of(lines: tuple[Line, ...]) -> list[str]:
    return [word for line in lines for word in line.text.split()]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_label_on_every_line(container: str, names: str, shape: str) -> None:
    who = [NAMES[names][idx % 3] for idx in range(len(SAID))]
    texts = [SHAPES[shape].format(name) + text for name, text in zip(who, SAID, strict=True)]
    lines = read(CONTAINERS[container](texts), "test")
    assert [(line.speaker, line.text) for line in lines] == list(zip(who, SAID, strict=True))


@pytest.mark.parametrize("container", set(CONTAINERS) - {"lrc"})
@pytest.mark.parametrize("names", ["machine", "numbered", "aws"])
@pytest.mark.parametrize("shape", MACHINE_SHAPES)
def test_labels_of_recognisers(container: str, names: str, shape: str) -> None:
    who = [NAMES[names][idx // 2 % 3] for idx in range(len(SAID))]
    texts = [MACHINE_SHAPES[shape].format(name) + text for name, text in zip(who, SAID, strict=True)]
    lines = read(CONTAINERS[container](texts), "test")
    assert [(line.speaker, line.text) for line in lines] == list(zip(who, SAID, strict=True))


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("names", ["machine", "numbered", "names", "capitals", "chinese"])
def test_a_label_holds_until_the_next(container: str, names: str) -> None:
    who = [NAMES[names][idx // 2 % 3] for idx in range(len(SAID))]
    texts = [
        f"{name}: {text}" if idx % 2 == 0 else text for idx, (name, text) in enumerate(zip(who, SAID, strict=True))
    ]
    lines = read(CONTAINERS[container](texts), "test")
    assert [(line.speaker, line.text) for line in lines] == list(zip(who, SAID, strict=True))


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(
    "openings",
    [
        {0: "Warning:"},
        {0: "Warning:", 6: "Question:", 9: "Question:"},
        {3: "Note:", 5: "Re:", 7: "Note:", 10: "Note:"},
        {0: "Ada:"},
        {4: "Ada:", 8: "Ada:"},
        {0: "Hint:", 4: "Trick:", 9: "Achtung:"},
        {0: "http:", 1: "12:30", 2: "Re:"},
        {0: "[Music]", 5: "[Applause]", 8: "(laughs)", 11: "[Music]"},
        dict.fromkeys(range(12), "Note:"),
        {idx: "we said:" if idx % 2 else "and so, again:" for idx in range(2)},
        {0: "Yes -", 3: "No -"},
        {1: "The Thing Is:", 2: "Here It Comes:"},
    ],
)
def test_words_before_a_colon_stay(container: str, openings: dict[int, str]) -> None:
    texts = [f"{openings[idx]} {text}" if idx in openings else text for idx, text in enumerate(SAID)]
    lines = read(CONTAINERS[container](texts), "test")
    assert {line.speaker for line in lines} == {None}
    assert words_of(lines) == " ".join(texts).split()


def test_a_word_before_a_colon_stays_in_a_labelled_file() -> None:
    texts = [f"{('Ada', 'Basil')[idx % 2]}: {text}" for idx, text in enumerate(SAID)]
    texts[3] = "Warning: this is hot."
    lines = read(CONTAINERS["srt"](texts), "test")
    assert (lines[3].speaker, lines[3].text) == ("Ada", "Warning: this is hot.")


def test_two_speakers_in_one_cue() -> None:
    texts = [
        "- Ada: Hello.\n- Basil: Good\nevening.",
        "- Basil: So.\n- Ada: Yes.",
        "- Ada: I am well.",
        "- Basil: Good.",
    ]
    assert [(line.speaker, line.text) for line in read(CONTAINERS["srt"](texts), "test")] == [
        ("Ada", "Hello."),
        ("Basil", "Good evening."),
        ("Basil", "So."),
        ("Ada", "Yes."),
        ("Ada", "I am well."),
        ("Basil", "Good."),
    ]


def test_a_name_on_a_row_of_its_own() -> None:
    texts = [f"{('Ada Byron', 'Basil')[idx % 2]}\n{text}" for idx, text in enumerate(SAID)]
    lines = read(CONTAINERS["vtt"](texts), "test")
    assert [line.speaker for line in lines] == ["Ada Byron", "Basil"] * 6


def test_voice_tags_in_subrip() -> None:
    texts = [f"<v Speaker {idx % 2}>{text}</v>" for idx, text in enumerate(SAID)]
    lines = read(CONTAINERS["srt"](texts), "test")
    assert [(line.speaker, line.text) for line in lines] == [(f"Speaker {n % 2}", text) for n, text in enumerate(SAID)]


def test_word_times_go_with_the_words() -> None:
    segments = [
        {
            "start": idx,
            "end": idx + 1,
            "text": f"Speaker {idx % 2}: Hello there.",
            "words": [
                {"word": word, "start": idx + n / 4, "end": idx + n / 4 + 0.2}
                for n, word in enumerate(["Speaker", f"{idx % 2}:", "Hello", "there."])
            ],
        }
        for idx in range(4)
    ]
    (first, *_) = read(json.dumps({"segments": segments}), "test")
    assert (first.speaker, [word.text for word in first.words]) == ("Speaker 0", ["Hello", "there."])


TEXTS = {
    "otter": ("{name}  {time}  \n{text}\n", "Speaker 1", "Ada Byron"),
    "rev": ("{name} ({time}):\n{text}\n", "Speaker 1", "Ada Byron"),
    "rev in brackets": ("{name}: [{time}]\n{text}\n", "Speaker 1", "Ada Byron"),
    "happyscribe": ("[00:0{time}.45] - {name}\n{text}\n", "Speaker 1", "Ada Byron"),
    "zoom": ("[{name}] 00:0{time}\n{text}\n", "Ada Byron", "Basil W."),
    "teams": ("{name}\n{time}\n{text}\n", "Ada Byron", "Basil W."),
    "riverside": ("{name} (0{time}.123)\n{text}\n", "Ada Byron", "Speaker 2"),
    "descript": ("[00:0{time}] **{name}:** {text}\n", "Ada Byron", "Speaker 2"),
    "tabs": ("{name}:\t{time}\t{text}", "Ada Byron", "Speaker 2"),
    "times first, tabs": ("00:0{time}\t{name}:\t{text}", "Ada Byron", "Speaker 2"),
    "comma": ("{name}, 00:0{time}\n{text}\n", "Ada Byron", "Speaker 2"),
    "in front of the time": ("{name}: [00:0{time}] {text}", "Ada Byron", "Speaker 2"),
    "unknown": ("{name}  {time}\n{text}\n", "Unknown Speaker", "Ada"),
}


@pytest.mark.parametrize("service", TEXTS)
def test_text_as_services_export_it(service: str) -> None:
    shape, *names = TEXTS[service]
    who = [names[idx // 2 % 2] for idx in range(len(SAID))]
    text = "A title\n\n" + "\n".join(
        shape.format(name=name, time=f"0:{idx * 4:02d}"[-4:], text=text)
        for idx, (name, text) in enumerate(zip(who, SAID, strict=True))
    )
    lines = read(text, "test")
    assert [(line.speaker, line.text) for line in lines] == list(zip(who, SAID, strict=True))
    assert [int(line.start) for line in lines] == [idx * 4 for idx in range(len(SAID))]


def test_a_sentence_that_ends_in_a_time_is_no_name() -> None:
    text = "".join(f"Speaker {idx % 2}  0:{idx * 2:02d}\n{said}\n\n" for idx, said in enumerate(SAID))
    text = text.replace("Good evening.", "Good evening.\nWe start at 0:07")
    lines = read(text, "test")
    assert lines[3].text == "Good evening. We start at 0:07"
    assert len(lines) == len(SAID)


opening = st.sampled_from(
    [
        "",
        "",
        "",
        "Note: ",
        "Ada: ",
        "Ada Byron: ",
        "Re: ",
        "[Ada]: ",
        "(speaker 0) ",
        "[Music] ",
        "Speaker 1: ",
        ">> ",
        "- ",
    ]
)
like_labels = st.builds(lambda start, text: start + text, opening, spoken)
printed_names = st.sampled_from(["Maya", "Liam Verbeek", "José Martí", "SPEAKER_07", "Note", "ada", "Speaker 1", "Q"])


@settings(deadline=None, max_examples=150)
@given(episodes(names=printed_names, texts=like_labels), st.sampled_from(["srt", "vtt", "txt", "podcast"]))
def test_as_many_words_are_read_as_were_written(episode: LabelledEpisode, form: str) -> None:
    """Whatever the words look like, nobody's included."""
    reader = READERS["json" if form == "podcast" else form]
    lines = list(reader(FORMATS[form](episode), "test"))
    letters = sorted_letters if form == "srt" else by_letter  # cues of lines that overlap are in order of start
    assert letters(lines) == letters(printed(episode))


@pytest.mark.parametrize("form", ["srt", "vtt", "txt", "podcast"])
def test_words_like_labels_of_two_styles_stay_where_nobody_is_named(form: str) -> None:
    lines = (Line(0, 1, "[Ada]: 0"), Line(1, 2, "(speaker 0) 0"), Line(2, 3, "Ada: hello"))
    episode = LabelledEpisode("a.mp3", "00", 9.0, (), {}, lines)
    back = READERS["json" if form == "podcast" else form](FORMATS[form](episode), "test")
    assert by_letter(list(back)) == by_letter(printed(episode))


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(st.sampled_from(["Ada: ", "Basil Fox: ", "Warning: ", "", "", ">> "]), spoken), min_size=1, max_size=9
    ),
    st.sampled_from(sorted(set(CONTAINERS) - {"lrc"})),
)
def test_what_is_not_taken_for_a_name_stays(said: list[tuple[str, str]], container: str) -> None:
    """Names and words out are words in."""
    texts = [start + text.replace("\\", "/").replace("&", "+") for start, text in said]  # signs of files
    lines = READERS[container](CONTAINERS[container](texts), "test")
    labels = sum(start in ("Ada: ", "Basil Fox: ") for start, _ in said)
    before, after = " ".join(texts).split(), words_of(lines)
    assert [word for word in before if word not in (">>", "Ada:", "Basil", "Fox:")] == [
        word for word in after if word not in (">>", "Ada:", "Basil", "Fox:")
    ]
    assert len(lines) <= len(said) + labels


@pytest.mark.parametrize("form", ["srt", "txt", "vtt", "podcast"])
@pytest.mark.parametrize("name", ["Ada", "Ada Byron", "ada", "SPEAKER_00", "Dr. Grace Hopper"])
def test_a_monologue_is_read_back_with_its_one_name(form: str, name: str) -> None:
    lines = (Line(0, 5, "Warning: welcome back.", "S"), Line(5, 9, "Note: this is me.", "S"))
    episode = LabelledEpisode("a.mp3", "00", 9.0, (), {"S": Match("S", Verdict.ACCEPT, name, 1.0)}, lines)
    back = read(FORMATS[form](episode), "test")
    assert by_letter(list(back)) == by_letter(printed(episode))
    assert SPEAKERS[0] == "SPEAKER_00"


@pytest.mark.parametrize("form", ["srt", "txt", "vtt", "podcast"])
def test_a_name_with_what_stands_in_brackets(form: str) -> None:
    names = {"A": "Ada", "B": "Ada (guest)"}
    lines = tuple(Line(idx, idx + 1, text, "AB"[idx % 2]) for idx, text in enumerate(SAID))
    matches = {label: Match(label, Verdict.ACCEPT, name, 1.0) for label, name in names.items()}
    episode = LabelledEpisode("a.mp3", "00", 20.0, (), matches, lines)
    assert by_letter(list(read(FORMATS[form](episode), "test"))) == by_letter(printed(episode))
