"""Fixing a line, a turn, a word: every output follows, search too, and no later run changes it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.fakes import FakeDiarizer, FakeEmbedder
from tests.usecases.test_identify import CALIBRATION, noise
from voicematch import errors, identify, name, open_library, outputs, relabel
from voicematch.library import Library
from voicematch.library.database import now
from voicematch.library.schema import voiceprints
from voicematch.types import Embedding, LabelledEpisode, Line, Turn, Verdict, Word
from voicematch.usecases import fix as fixing
from voicematch.usecases.chosen import Engines

TURNS = (Turn(0.0, 20.0, "SPEAKER_00"), Turn(20.0, 40.0, "SPEAKER_01"), Turn(40.0, 50.0, "SPEAKER_00"))
LINES = (
    Line(0.0, 10.0, "Welcome to the show"),
    Line(10.0, 20.0, "thank you it is good to be here"),
    Line(20.0, 30.0, "We begin with whales"),
    Line(30.0, 40.0, "and end with wasps"),
    Line(40.0, 50.0, "Goodbye"),
)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with open_library(tmp_path / "library.db", embedder="fake", dimension=FakeEmbedder.dimension) as opened:
        opened.settings.set("calibration", CALIBRATION.to_json())
        yield opened


def heard(
    library: Library, folder: Path, turns: Sequence[Turn] = TURNS, lines: tuple[Line, ...] = LINES
) -> LabelledEpisode:
    path = folder / "episode.wav"
    if not path.exists():
        noise(path, 50, seed=1)
    return identify(path, library=library, engines=Engines(FakeDiarizer(*turns), FakeEmbedder()), lines=lines)


def said(library: Library) -> list[tuple[str, str | None]]:
    return [(line.text, line.speaker) for line in library.episodes.get("episode").lines]


def state(library: Library) -> tuple[object, ...]:
    """All that a person sees of the episode, and the voices behind it."""
    episode = library.episodes.get("episode")
    voices = {
        label: [(e.start, e.end, e.seconds, e.vector.tolist()) for e in own]
        for label, own in library.speakers.embeddings(episode.audio_sha256).items()
    }
    return episode.turns, episode.lines, episode.matches, voices


def test_a_line_goes_to_another_speaker_and_the_outputs_and_the_search_follow(library: Library, tmp_path: Path) -> None:
    episode = heard(library, tmp_path)
    file = tmp_path / "episode.txt"
    outputs.write(library, episode, [(file, "txt")])
    fixed = fixing.give("episode", [fixing.span_of_lines(episode, 1)], "SPEAKER_01", library=library)
    assert said(library)[1] == ("thank you it is good to be here", "SPEAKER_01")
    now = library.episodes.get("episode")
    assert now.turns == (Turn(0.0, 10.0, "SPEAKER_00"), Turn(10.0, 40.0, "SPEAKER_01"), Turn(40.0, 50.0, "SPEAKER_00"))
    assert now.talk_seconds() == {"SPEAKER_00": 20.0, "SPEAKER_01": 30.0}
    assert [hit.speaker for hit in library.search.lines("thank")] == ["SPEAKER_01"]
    assert file.read_text().index("SPEAKER_01") < file.read_text().index("thank you")
    assert (fixed.number, fixed.speaker) == (1, "SPEAKER_01")


def test_part_of_a_line_is_split_at_a_word(library: Library, tmp_path: Path) -> None:
    episode = heard(library, tmp_path)
    span = fixing.span_of_lines(episode, 1, from_word=0, to_word=1)
    fixed = fixing.give("episode", [span], "new", library=library)
    assert fixed.speaker == "SPEAKER_02"
    assert said(library)[1:3] == [("thank you", "SPEAKER_02"), ("it is good to be here", "SPEAKER_00")]
    words = "".join(line.text for line in library.episodes.get("episode").lines)
    assert words.replace(" ", "") == "".join(line.text for line in LINES).replace(" ", "")


def test_a_range_of_lines_is_given_by_times_read_off_the_clock(library: Library, tmp_path: Path) -> None:
    lines = tuple(replace(line, start=line.start + 0.3, end=line.end - 0.3) for line in LINES)
    episode = heard(library, tmp_path, lines=lines)
    assert fixing.span_between(episode, 20.0, 40.0) == (20.3, 39.7)
    fixing.give("episode", [fixing.span_between(episode, 20.0, 40.0)], "SPEAKER_00", library=library)
    assert {speaker for _, speaker in said(library)} == {"SPEAKER_00"}
    assert [turn.speaker for turn in library.episodes.get("episode").turns] == ["SPEAKER_00"]  # no sliver is left
    assert list(library.episodes.get("episode").matches) == ["SPEAKER_00"]


def test_undo_puts_back_every_turn_line_word_and_voice(library: Library, tmp_path: Path) -> None:
    episode = heard(library, tmp_path)
    name("episode", "SPEAKER_01", "Grace", library=library, consent="public")
    before, known = state(library), library.voiceprints.rows("Grace")
    done = [
        fixing.give("episode", [fixing.span_of_lines(episode, 1, to_word=1)], "Ada", library=library, consent="public"),
        fixing.reword("episode", 4, "Wails", library=library),
        fixing.merge("episode", "SPEAKER_00", "SPEAKER_01", library=library),
    ]
    assert state(library) != before
    for one in (done[1], done[0], done[2]):  # in any order
        fixing.undo("episode", one.number, library=library)
    assert state(library) == before
    assert [(row.start, row.end) for row in library.voiceprints.rows("Grace")] == [(r.start, r.end) for r in known]
    assert library.profiles.find("Ada") is None
    with pytest.raises(errors.LibraryError, match="nothing was fixed"):
        fixing.undo("episode", library=library)


def test_words_of_a_part_stay_in_the_part_when_its_split_is_taken_back(library: Library, tmp_path: Path) -> None:
    lines = (replace(LINES[0], text="Yes welcome to the show of today", end=5.0), *LINES[1:])
    episode = heard(library, tmp_path, lines=lines)
    split = fixing.give("episode", [fixing.span_of_lines(episode, 0, from_word=1)], "SPEAKER_01", library=library)
    fixing.reword("episode", 1, "be welcome to this show", library=library)
    fixing.undo("episode", split.number, library=library)
    assert said(library)[0] == ("Yes be welcome to this show", "SPEAKER_00")


def test_a_fix_survives_a_new_run_that_numbers_and_cuts_the_voices_otherwise(library: Library, tmp_path: Path) -> None:
    episode = heard(library, tmp_path)
    fixing.give("episode", [fixing.span_of_lines(episode, 1)], "new", library=library)
    fixing.reword("episode", 3, "and end with wolves", library=library)
    otherwise = (Turn(0.0, 19.5, "SPEAKER_01"), Turn(19.5, 39.0, "SPEAKER_00"), Turn(39.0, 50.0, "SPEAKER_01"))
    heard(library, tmp_path, otherwise)
    speakers = [speaker for _, speaker in said(library)]
    assert speakers == ["SPEAKER_01", "SPEAKER_02", "SPEAKER_00", "SPEAKER_00", "SPEAKER_01"]
    assert said(library)[3][0] == "and end with wolves"
    relabel(library=library)
    heard(library, tmp_path, otherwise, lines=())  # the words of before are put on anew
    assert [speaker for _, speaker in said(library)] == speakers
    assert said(library)[3][0] == "and end with wolves"
    for _ in range(2):
        fixing.undo("episode", library=library)
    assert said(library)[1] == ("thank you it is good to be here", "SPEAKER_01")
    assert said(library)[3] == ("and end with wasps", "SPEAKER_00")


def test_whom_a_fix_told_apart_stays_apart_in_a_run_that_hears_one_voice(library: Library, tmp_path: Path) -> None:
    episode = heard(library, tmp_path)
    fixing.give("episode", [fixing.span_of_lines(episode, 1)], "SPEAKER_01", library=library)
    heard(library, tmp_path, [Turn(0.0, 50.0, "SPEAKER_00")])
    speakers = [speaker for _, speaker in said(library)]
    assert speakers[1] not in (speakers[0], None)


def test_a_merge_holds_in_a_new_run_and_whom_a_person_named_are_never_merged(library: Library, tmp_path: Path) -> None:
    heard(library, tmp_path)
    name("episode", "SPEAKER_01", "Grace", library=library, consent="public")
    fixing.merge("episode", "SPEAKER_01", "SPEAKER_00", library=library)
    episode = heard(library, tmp_path)
    assert [(match.profile, match.probability) for match in episode.matches.values()] == [("Grace", 1.0)]
    assert {turn.speaker for turn in episode.turns} == {"SPEAKER_00"}
    fixing.undo("episode", library=library)
    name("episode", "SPEAKER_00", "Ada", library=library, consent="public")
    with pytest.raises(errors.LibraryError, match="a person said that SPEAKER_00 is Ada and SPEAKER_01 is Grace"):
        fixing.merge("episode", "SPEAKER_00", "SPEAKER_01", library=library)


@pytest.mark.parametrize(("basis", "day"), [("public", "2020-02-20"), (None, "2020-02-20"), ("self", now()[:10])])
def test_the_day_of_a_consent_goes_with_its_basis(
    library: Library, tmp_path: Path, basis: str | None, day: str
) -> None:
    turns = (TURNS[0], Turn(20.0, 30.0, "SPEAKER_01"), Turn(30.0, 40.0, "SPEAKER_00"), TURNS[2])
    heard(library, tmp_path, turns)
    name("episode", "SPEAKER_01", "Grace", library=library, consent="public")
    with library._database.write() as connection:
        connection.execute(voiceprints.update().values(consent_date="2020-02-20"))
    fixing.give("episode", [(30.0, 40.0)], "Grace", library=library, consent=basis)
    assert [(one.basis, one.date) for one in library.profiles.get("Grace").consents] == [(basis or "public", day)]


def test_a_person_learns_from_what_was_given_to_them_once_and_loses_what_was_taken(
    library: Library, tmp_path: Path
) -> None:
    turns = (TURNS[0], Turn(20.0, 30.0, "SPEAKER_01"), Turn(30.0, 40.0, "SPEAKER_01"), TURNS[2])
    heard(library, tmp_path, turns)
    name("episode", "SPEAKER_01", "Grace", library=library, consent="self")
    episode = library.episodes.get("episode")
    with pytest.raises(errors.EnrollmentError, match="--consent"):
        fixing.give("episode", [(20.0, 30.0)], "Ada", library=library)
    assert library.fixes.of(episode.audio_sha256) == ()
    span = fixing.span_of_lines(episode, 2)
    fixed = fixing.give("episode", [span], "Ada", library=library, consent="public")
    assert fixed.learned is not None
    assert fixed.learned.num_voiceprints == 1
    ada, grace = library.voiceprints.rows("Ada"), library.voiceprints.rows("Grace")
    assert [(row.start, row.end, row.consent) for row in ada] == [(20.0, 30.0, "public")]
    assert [(row.start, row.end, row.consent) for row in grace] == [(30.0, 40.0, "self")]
    with pytest.raises(errors.LibraryError, match="nothing to fix"):
        fixing.give("episode", [span], "Ada", library=library)
    heard(library, tmp_path, turns)
    assert [row.id for row in library.voiceprints.rows("Ada")] == [row.id for row in ada]
    assert library.episodes.get("episode").matches[fixed.speaker].profile == "Ada"


def test_too_little_to_learn_from_still_has_the_name(library: Library, tmp_path: Path) -> None:
    episode = heard(library, tmp_path)
    span = fixing.span_of_lines(episode, 0, from_word=2, to_word=2)
    fixed = fixing.give("episode", [span], "Ada", library=library)
    assert fixed.learned is None
    assert fixed.warnings == ("SPEAKER_02 says too little to learn from",)
    relabel(library=library)
    match = library.episodes.get("episode").matches["SPEAKER_02"]
    assert (match.verdict, match.profile) == (Verdict.ACCEPT, "Ada")


def test_a_speaker_is_split_by_the_lines_that_a_person_marks(library: Library, tmp_path: Path) -> None:
    episode = heard(library, tmp_path)
    marked = [fixing.span_of_lines(episode, 0), fixing.span_of_lines(episode, 4)]
    fixed = fixing.split("episode", "SPEAKER_00", marked, library=library)
    assert [speaker for _, speaker in said(library)] == [
        fixed.speaker,
        "SPEAKER_00",
        *["SPEAKER_01"] * 2,
        fixed.speaker,
    ]
    with pytest.raises(errors.LibraryError, match="does not talk at"):
        fixing.split("episode", "SPEAKER_01", marked, library=library)
    with pytest.raises(errors.LibraryError, match="all that SPEAKER_01 says"):
        fixing.split("episode", "SPEAKER_01", [(20.0, 40.0)], library=library)


def test_a_dry_run_changes_nothing(library: Library, tmp_path: Path) -> None:
    episode = heard(library, tmp_path)
    before = state(library)
    fixed = fixing.give("episode", [fixing.span_of_lines(episode, 1)], "new", library=library, dry_run=True)
    assert (fixed.number, state(library)) == (0, before)
    assert library.fixes.of(episode.audio_sha256) == ()


def test_words_keep_their_times_when_as_many_are_written(library: Library, tmp_path: Path) -> None:
    words = tuple(Word(float(at), at + 1.0, text) for at, text in enumerate(["Welcome", "to", "the", "show"]))
    heard(library, tmp_path, lines=(replace(LINES[0], words=words), *LINES[1:]))
    fixing.reword("episode", 0, "Welcome to our show", library=library)
    line = library.episodes.get("episode").lines[0]
    assert [(word.start, word.text) for word in line.words] == [(0, "Welcome"), (1, "to"), (2, "our"), (3, "show")]
    assert library.search.lines("our show")
    assert not library.search.lines('"the show"')


@pytest.mark.parametrize(
    ("do", "reason"),
    [
        (lambda library, episode: fixing.span_of_lines(episode, 9), "no line 9; it has 5"),
        (lambda library, episode: fixing.span_of_lines(episode, 0, from_word=7), "has 4 words"),
        (lambda library, episode: fixing.span_between(episode, 55.0), "no line is said at 0:55"),
        (lambda library, episode: fixing.give("episode", [(60.0, 70.0)], "new", library=library), "no stretch"),
        (lambda library, episode: fixing.give("episode", [(0.0, 1.0)], "SPEAKER_07", library=library), "no voice"),
        (lambda library, episode: fixing.merge("episode", "SPEAKER_00", "SPEAKER_00", library=library), "already"),
        (lambda library, episode: fixing.reword("episode", 0, "  ", library=library), "needs words"),
        (lambda library, episode: fixing.undo("episode", 3, library=library), "nothing was fixed"),
    ],
)
def test_what_cannot_be_fixed_says_why(library: Library, tmp_path: Path, do: object, reason: str) -> None:
    episode = heard(library, tmp_path)
    assert callable(do)
    with pytest.raises(errors.LibraryError, match=reason):
        do(library, episode)
    assert library.fixes.of(episode.audio_sha256) == ()


def test_forgetting_a_person_reaches_the_answer_as_it_was_heard(library: Library, tmp_path: Path) -> None:
    lines = (replace(LINES[0], text="Grace is here"), *LINES[1:])
    heard(library, tmp_path, lines=lines)
    name("episode", "SPEAKER_01", "Grace", library=library, consent="public")
    fixing.reword("episode", 0, "Grace is not here", library=library)
    library.profiles.forget("Grace", words=True)
    kept = library.fixes.heard(library.episodes.get("episode").audio_sha256)
    assert kept is not None
    assert "SPEAKER_01" not in kept.voices
    assert "SPEAKER_00" in kept.voices
    assert "Grace" not in str(kept.lines) + str(library.fixes.of(library.episodes.get("episode").audio_sha256))


def test_words_that_no_line_of_another_transcript_holds_wait_and_say_so(
    library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard(library, tmp_path)
    fixing.reword("episode", 3, "and end with wolves", library=library)
    with caplog.at_level(logging.WARNING, logger="voicematch"):
        heard(library, tmp_path, lines=(Line(0.0, 50.0, "Something quite different"),))
    assert "no line at 30 s any more" in caplog.text
    heard(library, tmp_path)
    assert said(library)[3][0] == "and end with wolves"


def test_a_voice_goes_with_most_of_its_speech() -> None:
    from voicematch.usecases.refold import shared_out

    stretch = [Embedding(np.eye(4, dtype=np.float32)[0], 10.0, start, start + 10.0) for start in (0.0, 10.0)]
    after = [Turn(0.0, 14.0, "A"), Turn(14.0, 20.0, "B")]
    shared = shared_out({"A": stretch}, [Turn(0.0, 20.0, "A")], after)
    assert {label: [one.start for one in own] for label, own in shared.items()} == {"A": [0.0], "B": [10.0]}
