"""Another number of speakers without the audio, and what a person said above it. On the example, by our models."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.fakes import FakeDetector, FakeDiarizer, FakeEmbedder
from tests.usecases.test_identify import CALIBRATION, noise
from voicematch import cli, errors, identify, name, open_library
from voicematch.engines import open_embedder, overlap
from voicematch.engines.diarize import BuiltinDiarizer
from voicematch.engines.kept import heard_again, kept
from voicematch.engines.windows import Heard
from voicematch.library import Library
from voicematch.library.earlier import MOST_KEPT
from voicematch.types import Diarization, LabelledEpisode, Line, Turn, Verdict, Windows
from voicematch.usecases import fix as fixing
from voicematch.usecases.chosen import Engines
from voicematch.usecases.recluster import recluster, undo
from voicematch.usecases.upgrade import upgrade
from voicematch.voices.told import told_apart
from voicematch.web.actions import perform
from voicematch.web.actions import undo as web_undo
from voicematch.web.journal import Journal

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
THREE = (
    Turn(0.0, 20.0, "SPEAKER_00"),
    Turn(20.0, 40.0, "SPEAKER_01"),
    Turn(40.0, 43.0, "SPEAKER_02"),
    Turn(43.0, 50.0, "SPEAKER_00"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library in which the example is identified, without voices to compare."""
    folder = tmp_path_factory.mktemp("example")
    shutil.copy(EXAMPLES / "episode.mp3", folder / "episode.mp3")
    with open_library(folder / "library.db") as opened:
        identify(folder / "episode.mp3", library=opened, transcript_path=EXAMPLES / "episode.srt")
    (folder / "episode.mp3").unlink()
    return folder / "library.db"


@pytest.fixture
def library(made: Path, tmp_path: Path) -> Iterator[Library]:
    shutil.copy(made, tmp_path / "library.db")
    with open_library(tmp_path / "library.db") as opened:
        yield opened


def voices(episode: LabelledEpisode) -> set[str]:
    return set(episode.talk_seconds())


def test_another_number_of_speakers_needs_no_audio_and_as_many_as_before_changes_nothing(library: Library) -> None:
    before = library.episodes.get("episode")
    assert len(voices(before)) == 3
    two = recluster("episode", (2, 2), library=library).episode
    assert len(voices(two)) == 2
    assert library.episodes.get("episode").lines == two.lines
    assert {line.speaker for line in two.lines} <= voices(two)
    three = recluster("episode", (3, 3), library=library).episode
    assert [turn.speaker for turn in three.turns] == [turn.speaker for turn in before.turns]
    edges = [[turn.start, turn.end] for turn in before.turns]
    assert np.abs(np.array([[turn.start, turn.end] for turn in three.turns]) - edges).max() <= 0.1


def test_lines_follow_who_holds_the_floor_where_two_speak_at_once(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = recluster("episode", (3, 3), library=library).episode
    monkeypatch.setattr(overlap, "ONSET", -1.0)  # two, all the time
    monkeypatch.setattr(overlap, "OFFSET", -1.0)
    both = recluster("episode", (3, 3), library=library).episode
    assert sum(both.talk_seconds().values()) > 1.5 * sum(alone.talk_seconds().values())
    assert [line.speaker for line in both.lines] == [line.speaker for line in alone.lines]


def test_what_an_earlier_answer_heard_does_not_go_with_one_that_kept_nothing(tmp_path: Path) -> None:
    path = noise(tmp_path / "episode.wav", 50)
    hearing = Engines(BuiltinDiarizer(FakeDetector, everywhere=True), FakeEmbedder())
    with open_library(tmp_path / "library.db", embedder="fake", dimension=FakeEmbedder.dimension) as opened:
        opened.settings.set("calibration", CALIBRATION.to_json())
        sha256 = identify(path, library=opened, engines=hearing).audio_sha256
        assert opened.windows.of(sha256) is not None
        identify(path, library=opened, engines=Engines(FakeDiarizer(*THREE), FakeEmbedder()))
        assert opened.windows.of(sha256) is None


def test_voices_of_another_embedder_are_to_be_heard_again_first(library: Library, tmp_path: Path) -> None:
    upgrade(library, open_embedder("ecapa-small-4", device="cpu"))
    with (
        open_library(tmp_path / "library.db") as moved,
        pytest.raises(errors.LibraryError, match="batch run hears its episodes again"),
    ):
        recluster("episode", (2, 2), library=moved)


def test_a_dry_run_says_what_would_come_of_it(library: Library) -> None:
    before = library.episodes.get("episode")
    assert len(voices(recluster("episode", (2, 2), library=library, dry_run=True).episode)) == 2
    assert library.episodes.get("episode") == before


def test_people_whom_a_person_named_are_never_one(library: Library) -> None:
    for label, who in (("SPEAKER_00", "Ada"), ("SPEAKER_01", "Basil"), ("SPEAKER_02", "Conrad")):
        name("episode", label, who, library=library, consent="public")
    before = library.episodes.get("episode")
    found = recluster("episode", (1, 2), library=library)
    assert found.warnings == ("there are 3 speakers: whom a person named, or fixed, stays apart",)
    after = found.episode
    assert {match.profile for match in after.matches.values()} == {"Ada", "Basil", "Conrad"}
    talk = {after.name(label): seconds for label, seconds in after.talk_seconds().items()}
    for label, seconds in before.talk_seconds().items():
        assert talk[before.name(label)] == pytest.approx(seconds, abs=1.0)


def test_a_fix_outlives_another_number_of_speakers(library: Library) -> None:
    episode = library.episodes.get("episode")
    fixed = fixing.give("episode", [fixing.span_of_lines(episode, 2)], "new", library=library)
    own = library.speakers.embeddings(episode.audio_sha256).get(fixed.speaker)
    assert own is not None  # of the windows in the line alone
    assert all(span.start >= episode.lines[2].start - 0.6 for span in own)
    assert all(span.end <= episode.lines[2].end + 0.6 for span in own)
    after = recluster("episode", (2, 2), library=library).episode
    (line,) = [line for line in after.lines if line.text == episode.lines[2].text]
    others = {turn.speaker for turn in after.turns if turn.end <= line.start or turn.start >= line.end}
    assert line.speaker not in others


def everything(library: Library) -> tuple[object, LabelledEpisode, object]:
    """What is stored of the example, and whom every voice is taken for."""
    sha256 = library.episodes.get("episode").audio_sha256
    rows = library.earlier.today(sha256)  # turns, lines, voices, unknowns, what was said, fixed, heard and when stored
    hits = [(hit.start, hit.speaker) for hit in library.search.lines("the", limit=100)]
    return rows, library.episodes.get(sha256), (library.speakers.names(), library.voices.num_episodes(), hits)


def named_and_fixed(library: Library) -> None:
    name("episode", "SPEAKER_00", "Ada", library=library, consent="public")
    episode = library.episodes.get("episode")
    fixing.give("episode", [fixing.span_of_lines(episode, 2)], "new", library=library)
    fixing.reword("episode", 4, "Something else was said.", library=library)


def test_undo_brings_back_labels_names_and_fixes_step_by_step(library: Library) -> None:
    named_and_fixed(library)
    first = everything(library)
    recluster("episode", (2, 2), library=library)
    second = everything(library)
    assert second != first
    recluster("episode", (4, 4), library=library)
    assert undo("episode", library=library, dry_run=True).episode == second[1]
    undo("episode", library=library)
    assert everything(library) == second
    changes = undo("episode", library=library).changes
    assert everything(library) == first
    assert {(change.speaker, change.before) for change in changes}.isdisjoint({("SPEAKER_00", "Ada")})
    with pytest.raises(errors.LibraryError, match="not told apart anew"):
        undo("episode", library=library)
    assert library.upkeep.check() == ()
    fixing.undo("episode", library=library)  # which still knows what was heard


def test_what_was_said_since_has_to_be_taken_back_first(library: Library) -> None:
    named_and_fixed(library)
    before = everything(library)
    recluster("episode", (2, 2), library=library)
    fixing.reword("episode", 0, "Other words.", library=library)
    after = everything(library)
    with pytest.raises(errors.ChangedSince, match="take that back first"):
        undo("episode", library=library)
    assert everything(library) == after
    fixing.undo("episode", library=library)
    undo("episode", library=library)
    assert everything(library) == before


def test_nothing_forgotten_comes_back_by_undo(library: Library) -> None:
    named_and_fixed(library)
    recluster("episode", (2, 2), library=library)
    library.profiles.forget("Ada")
    with pytest.raises(errors.LibraryError, match="not kept any more"):
        undo("episode", library=library)


def test_by_command_and_on_the_page(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    named_and_fixed(library)
    before, journal = everything(library), Journal()
    fields = {"episode": before[1].audio_sha256, "speakers": "2"}
    done = perform("recluster", fields, library=library, journal=journal)
    assert everything(library) != before
    web_undo({"action": str(done.action)}, library=library, journal=journal)
    assert everything(library) == before
    at = ["--library", str(library.path)]
    assert cli.run(["episodes", "recluster", "episode", "--speakers", "2", *at]) == 0
    assert everything(library) != before
    assert cli.run(["episodes", "recluster", "episode", "--speakers", "2", "--undo", *at]) == 2
    capsys.readouterr()
    assert cli.run(["episodes", "recluster", "episode", "--undo", *at]) == 0
    assert "Ada" in capsys.readouterr().out
    assert everything(library) == before
    assert cli.run(["episodes", "recluster", "episode", "--undo", *at]) == 1
    assert "not told apart anew" in capsys.readouterr().err


def test_only_the_last_answers_are_kept(library: Library) -> None:
    for number in (2, 3, 4, 2, 3, 4, 2):
        recluster("episode", (number, number), library=library)
    for _ in range(MOST_KEPT):
        undo("episode", library=library)
    with pytest.raises(errors.LibraryError, match="not kept any more"):
        undo("episode", library=library)


def test_an_earlier_answer_that_cannot_be_read_is_found_and_taken_out(library: Library) -> None:
    recluster("episode", (2, 2), library=library)
    with sqlite3.connect(str(library.path)) as connection:
        connection.execute("UPDATE earlier_answers SET answer = x'00'")
    connection.close()
    with pytest.raises(errors.LibraryError, match="cannot be read any more"):
        undo("episode", library=library)
    (found,) = library.upkeep.check()
    assert found.endswith("its earlier answer cannot be read")
    assert library.upkeep.repair() == (f"{found}; taken out",)
    assert library.upkeep.check() == ()


def test_what_is_heard_takes_no_more_than_12_mb_an_hour(library: Library) -> None:
    episode = library.episodes.get("episode")
    with sqlite3.connect(str(library.path)) as connection:
        (size,) = connection.execute("SELECT length(vectors) + length(moments) + length(rest) FROM windows").fetchone()
    connection.close()
    assert size / episode.duration * 3600 <= 12e6


def test_nothing_is_kept_where_nobody_wants_it(tmp_path: Path) -> None:
    for keeps, flag in ((False, True), (True, False)):
        with open_library(tmp_path / f"{keeps}.db") as opened:
            opened.settings.keep_windows(keeps)
            episode = identify(EXAMPLES / "episode.mp3", library=opened, keep_windows=flag)
            assert opened.windows.of(episode.audio_sha256) is None
            with pytest.raises(errors.LibraryError, match="what was heard in it is not kept"):
                recluster("episode", (2, 2), library=opened)


def test_what_is_heard_goes_with_the_episode_with_a_voice_and_with_the_setting(library: Library) -> None:
    sha256 = library.episodes.get("episode").audio_sha256
    heard = library.windows.of(sha256)
    assert heard is not None
    name("episode", "SPEAKER_00", "Ada", library=library, consent="public")
    library.profiles.forget("Ada")
    assert library.windows.of(sha256) is None
    library.windows.keep(sha256, heard)
    library.settings.keep_windows(False)
    assert library.windows.of(sha256) is None
    library.windows.keep(sha256, heard)
    library.unknowns.forget(next(iter(library.voices.num_episodes())))
    assert library.windows.of(sha256) is None
    library.windows.keep(sha256, heard)
    library.episodes.remove(sha256)
    with sqlite3.connect(str(library.path)) as connection:
        assert connection.execute("SELECT count(*) FROM windows").fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize(
    "damage", ["rest = x'00'", "vectors = x'0000'", "moments = x'00'", "vectors = zeroblob(length(vectors))"]
)
def test_windows_that_cannot_be_read_are_found_and_taken_out(library: Library, damage: str) -> None:
    assert library.upkeep.check() == ()
    with sqlite3.connect(str(library.path)) as connection:
        connection.execute(f"UPDATE windows SET {damage}")
    connection.close()
    (found,) = library.upkeep.check()
    assert found.endswith("its windows cannot be read")
    assert library.upkeep.repair() == (f"{found}; taken out",)
    assert library.upkeep.check() == ()


def test_what_is_kept_is_what_was_heard() -> None:
    from voicematch.audio import Audio
    from voicematch.engines.embed import OnnxEmbedder

    embedder = OnnxEmbedder()
    windows = BuiltinDiarizer().diarize(Audio(EXAMPLES / "episode.mp3"), embedder).windows
    assert isinstance(windows, Windows)
    again = kept(heard_again(windows), embedder.name)
    for field in ("speech", "spans", "vectors", "runs", "moments", "frames"):
        assert np.allclose(getattr(again, field), getattr(windows, field), atol=1e-3), field
    empty = kept(Heard(4), "none")
    assert len(heard_again(empty).vectors) == len(heard_again(empty).moments) == 0


# ── The same above any diarizer, by time ──


def identified(
    library: Library, folder: Path, *turns: Turn, speakers: tuple[int, int] | None = None
) -> LabelledEpisode:
    path = folder / "talk.wav"
    if not path.exists():
        noise(path, 50, seed=5)
    return identify(path, library=library, engines=Engines(FakeDiarizer(*turns), FakeEmbedder()), speakers=speakers)


def test_three_confirmed_people_stay_three_when_two_speakers_are_asked_for(tmp_path: Path) -> None:
    """Nobody gets the words of another as confirmed by a person."""
    with open_library(tmp_path / "library.db", embedder="fake", dimension=FakeEmbedder.dimension) as library:
        library.settings.set("calibration", CALIBRATION.to_json())
        sha256 = identified(library, tmp_path, *THREE).audio_sha256
        for label, who in (("SPEAKER_00", "Ada"), ("SPEAKER_01", "Grace"), ("SPEAKER_02", "Basil")):
            library.profiles.create(who)
            library.said.confirm(sha256, label, who)
        two = [replace(turn, speaker="SPEAKER_00") if turn.speaker == "SPEAKER_02" else turn for turn in THREE]
        episode = identified(library, tmp_path, *two, speakers=(2, 2))
        said = {(turn.start, turn.end): episode.name(turn.speaker) for turn in episode.turns}
        assert said == {(0.0, 20.0): "Ada", (20.0, 40.0): "Grace", (40.0, 43.0): "Basil", (43.0, 50.0): "Ada"}


def test_told_apart_leaves_alone_who_has_a_label_of_their_own() -> None:
    said = {"Ada": [(0.0, 10.0)], "Grace": [(10.0, 20.0)]}
    better = (Turn(0.0, 8.0, "A"), Turn(8.0, 20.0, "B"))  # another answer may know better where the one ends
    assert told_apart(better, said) == better
    assert told_apart((Turn(0.0, 20.0, "A"),), said) == (Turn(0.0, 10.0, "A"), Turn(10.0, 20.0, "SPEAKER_00"))
    assert told_apart((Turn(0.0, 20.0, "A"),), {}) == (Turn(0.0, 20.0, "A"),)


def test_a_pause_between_two_who_had_one_label_is_nobodys() -> None:
    said = {"Ada": [(0.0, 9.8), (20.0, 29.0)], "Grace": [(10.2, 20.0)]}
    found = told_apart((Turn(0.0, 31.0, "A"),), said)
    assert found == (Turn(0.0, 9.8, "A"), Turn(10.2, 20.0, "SPEAKER_00"), Turn(20.0, 31.0, "A"))


# ── A few scattered seconds ──


def scattered() -> LabelledEpisode:
    turns = [Turn(0.0, 30.0, "SPEAKER_00"), *(Turn(at, at + 1.0, "SPEAKER_01") for at in (30.0, 36.0, 44.0))]
    return LabelledEpisode("talk.wav", "ab" * 32, 50.0, tuple(turns), {}, (Line(0.0, 1.0, "Hm"),))


def test_a_few_scattered_seconds_are_doubtful_and_a_short_answer_is_not() -> None:
    assert scattered().doubtful() == {"SPEAKER_01"}
    answer = replace(scattered(), turns=(Turn(0.0, 30.0, "SPEAKER_00"), Turn(30.0, 34.0, "SPEAKER_01")))
    assert answer.doubtful() == frozenset()
    alone = replace(scattered(), turns=(Turn(0.0, 1.0, "SPEAKER_00"),))
    assert alone.doubtful() == frozenset()


def test_who_is_doubtful_is_not_counted(tmp_path: Path) -> None:
    with open_library(tmp_path / "library.db", embedder="fake", dimension=FakeEmbedder.dimension) as library:
        library.settings.set("calibration", CALIBRATION.to_json())
        episode = identified(library, tmp_path, *scattered().turns)
        ((summary,), _) = library.listings.episodes()
        assert (summary.num_speakers, summary.num_doubtful, summary.num_unknown) == (1, 1, 1)
        assert episode.doubtful() == {"SPEAKER_01"}
        assert episode.matches["SPEAKER_01"].verdict is Verdict.UNKNOWN


def test_a_diarization_without_windows_is_none_the_worse() -> None:
    assert Diarization((), {}, 1.0).windows is None
