"""UnknownVoices voices, naming, correcting: on a real library, with voices that are axes."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from tests.support import fakes
from tests.support.library_example import EMBEDDER
from voicematch import outputs
from voicematch.errors import EnrollmentError, LibraryError, OutputExists
from voicematch.library import Library, NewJob, open_library, schema
from voicematch.library.database import now
from voicematch.library.reading.episodes import key_of
from voicematch.types import Array, Embedding, LabelledEpisode, Line, Match, Turn, Verdict
from voicematch.usecases import name as naming
from voicematch.usecases import recognise
from voicematch.usecases.describe import Suggestion, describe
from voicematch.usecases.forget import forget
from voicematch.usecases.name import Change
from voicematch.voices.score import unit

CALIBRATION = replace(fakes.CALIBRATION, embedder=EMBEDDER)
ADA, MAYA, ZOE, LIAM = np.eye(4, dtype=np.float32)


@pytest.fixture
def library(library: Library) -> Library:
    library.settings.set("calibration", CALIBRATION.to_json())
    return library


def like(voice: Array, cosine: float, rest: Array = LIAM) -> Array:
    """A unit vector at this cosine from a voice, leaning towards ``rest``."""
    return unit(cosine * voice + np.sqrt(1 - cosine**2) * rest)


def sha(number: int) -> str:
    return f"{number:02x}" * 32


def hear(
    library: Library,
    number: int,
    *voices: Array,
    seconds: float = 30.0,
    lines: tuple[Line, ...] = (),
    show: str = "/show",
) -> LabelledEpisode:
    """An episode stored in which these voices talk one after the other, SPEAKER_00 first."""
    turns = tuple(Turn(seconds * idx, seconds * (idx + 1), f"SPEAKER_{idx:02d}") for idx in range(len(voices)))
    embeddings = {
        turn.speaker: (Embedding(voice, seconds, turn.start, turn.end),)
        for turn, voice in zip(turns, voices, strict=True)
    }
    episode = LabelledEpisode(
        source=f"{show}/{number}.mp3",
        audio_sha256=sha(number),
        duration=seconds * len(voices),
        turns=turns,
        matches={turn.speaker: Match(turn.speaker, Verdict.UNKNOWN, None, 0.0) for turn in turns},
        lines=lines,
        title=f"Episode {number}",
        date=f"2026-01-{number:02d}",
        embedder=EMBEDDER,
        diarizer="by hand",
    )
    return recognise.store(library, episode, embeddings)


def ids(episode: LabelledEpisode) -> list[str | None]:
    return [match.unknown for match in episode.matches.values()]


def names(library: Library, number: int) -> list[str]:
    episode = library.episodes.get(sha(number))
    return [episode.name(label) for label in episode.matches]


def contents(library: Library) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    with library._database.read() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(sa.select(table))), key=repr)
            for table in schema.metadata.sorted_tables
        }


# -- remembering


def test_an_unnamed_voice_is_remembered_and_recognised(library: Library) -> None:
    assert ids(hear(library, 1, ADA, MAYA)) == ["U-0001", "U-0002"]
    assert ids(hear(library, 2, ZOE, ADA)) == ["U-0003", "U-0001"]
    assert ids(library.episodes.get(sha(2))) == ["U-0003", "U-0001"]
    assert [(u.id, u.num_episodes, u.talk_seconds) for u in library.voices.unknowns(ignored=None)[0]] == [
        ("U-0001", 2, 60.0),
        ("U-0002", 1, 30.0),
        ("U-0003", 1, 30.0),
    ]
    assert library.voices.num_episodes() == {"U-0001": 2, "U-0002": 1, "U-0003": 1}


def test_a_voice_that_only_may_be_the_same_is_another(library: Library) -> None:
    hear(library, 1, ADA)
    assert ids(hear(library, 2, like(ADA, 0.7))) == ["U-0002"]
    assert ids(hear(library, 3, like(ADA, 0.8, ZOE))) == ["U-0001"]


def test_a_voice_between_two_unknowns_is_neither(library: Library) -> None:
    hear(library, 1, ADA, MAYA)
    assert ids(hear(library, 2, unit(ADA * 1.02 + MAYA))) == ["U-0003"]


def test_a_voice_remembered_twice_is_not_remembered_ever_again(library: Library) -> None:
    hear(library, 1, ADA)
    hear(library, 2, ADA)
    assert naming.split("U-0001", [("Episode 2", "SPEAKER_00")], library=library) == ("U-0002",)
    assert ids(hear(library, 3, ADA)) == ["U-0001"]


def test_a_cameo_is_not_remembered(library: Library) -> None:
    assert ids(hear(library, 1, ADA, seconds=19.9)) == [None]
    assert ids(hear(library, 2, ADA, seconds=20.0)) == ["U-0001"]


def test_the_same_audio_again_keeps_its_numbers(library: Library) -> None:
    hear(library, 1, ADA)
    first = hear(library, 2, MAYA, ZOE)
    assert hear(library, 2, MAYA, ZOE) == first
    assert ids(hear(library, 2, like(MAYA, 0.6), like(ZOE, 0.6))) == ids(first)  # by the turns, however it sounds now


def test_a_number_is_never_given_again(library: Library) -> None:
    hear(library, 1, ADA)
    library.episodes.remove(sha(1))
    with pytest.raises(LibraryError, match="no unknown voice 'U-0001'"):
        library.voices.unknown("U-0001")
    assert ids(hear(library, 2, ADA)) == ["U-0002"]


@pytest.mark.parametrize("key", ["U-0009", "Ada", "u-"])
def test_an_unknown_that_is_not_there(library: Library, key: str) -> None:
    with pytest.raises(LibraryError, match="no unknown voice"):
        library.voices.unknown(key)


def test_writers_at_once_give_different_numbers(tmp_path: Path) -> None:
    voices = np.eye(64, dtype=np.float32)
    with open_library(tmp_path / "library.db", embedder=EMBEDDER, dimension=64) as library:
        library.settings.set("calibration", CALIBRATION.to_json())

    def work(numbers: range) -> None:
        with open_library(tmp_path / "library.db") as own:
            for number in numbers:
                hear(own, number, voices[number])

    threads = [threading.Thread(target=work, args=(range(first, first + 8),)) for first in (1, 11, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open_library(tmp_path / "library.db") as library:
        assert sorted(u.id for u in library.voices.unknowns()[0]) == [f"U-{number:04d}" for number in range(1, 25)]


def test_voices_stored_before_are_remembered_when_matched_again(library: Library) -> None:
    episode = hear(library, 1, ADA)
    library.episodes.remove(sha(1))
    library.episodes.store(episode, {"SPEAKER_00": (Embedding(ADA, 30.0, 0.0, 30.0),)})
    assert ids(library.episodes.get(sha(1))) == [None]
    assert naming.relabel(library=library) == ()
    assert ids(library.episodes.get(sha(1))) == ["U-0002"]


# -- naming


def test_naming_an_unknown_names_it_everywhere(library: Library) -> None:
    hear(library, 1, ADA, MAYA)
    hear(library, 2, MAYA, ADA)
    hear(library, 3, ZOE)
    added, changes = naming.name_unknown("u-1", "Ada Byron", library=library, consent="public")
    assert (added.profile, added.created, added.speech_seconds, added.warnings) == ("Ada Byron", True, 60.0, ())
    assert changes == (
        Change(sha(1), "SPEAKER_00", None, "Ada Byron"),
        Change(sha(2), "SPEAKER_01", None, "Ada Byron"),
    )
    assert [names(library, number) for number in (1, 2, 3)] == [
        ["Ada Byron", "SPEAKER_01"],
        ["SPEAKER_00", "Ada Byron"],
        ["SPEAKER_00"],
    ]
    assert ids(library.episodes.get(sha(1))) == [None, "U-0002"]
    assert [u.id for u in library.voices.unknowns(ignored=None)[0]] == ["U-0002", "U-0003"]
    assert library.episodes.get(sha(1)).matches["SPEAKER_00"].reasons == ("confirmed by a person",)
    assert ids(hear(library, 4, ADA)) == [None]


def test_two_unknowns_may_get_one_name(library: Library) -> None:
    hear(library, 1, ADA)
    hear(library, 2, like(ADA, 0.7))
    for unknown in ("U-0001", "U-0002"):
        added, _ = naming.name_unknown(unknown, "Ada", library=library, consent="public")
    assert (added.created, added.num_voiceprints) == (False, 1)
    assert [names(library, number) for number in (1, 2)] == [["Ada"], ["Ada"]]


def test_a_profile_does_not_learn_the_same_twice(library: Library) -> None:
    hear(library, 1, ADA)
    hear(library, 2, like(ADA, 0.99))
    hear(library, 3, like(ADA, 0.85))
    naming.name_unknown("U-0001", "Ada", library=library, consent="public")
    assert library.profiles.get("Ada").num_voiceprints == 2


def test_a_speaker_who_does_not_sound_like_the_others_is_left_out(library: Library) -> None:
    hear(library, 1, ADA)
    hear(library, 2, ADA)
    stranger = hear(library, 3, MAYA)
    library.episodes.remove(sha(3))
    voices = {"SPEAKER_00": (Embedding(MAYA, 30.0, 0.0, 30.0),)}
    library.episodes.store(stranger, voices)
    library.unknowns.remember(lambda *_: {"SPEAKER_00": "U-0001"})
    added, changes = naming.name_unknown("U-0001", "Ada", library=library, consent="public")
    assert [change.audio_sha256 for change in changes] == [sha(1), sha(2)]
    assert added.warnings == ("SPEAKER_00 of Episode 3 does not sound like Ada: not learned from",)
    assert names(library, 3) == ["SPEAKER_00"]


def test_consent_is_asked_for_once(library: Library) -> None:
    hear(library, 1, ADA)
    hear(library, 2, like(ADA, 0.7))
    with pytest.raises(EnrollmentError, match="say why the voice of Ada may be kept"):
        naming.name_unknown("U-0001", "Ada", library=library)
    naming.name_unknown("U-0001", "Ada", library=library, consent="permission")
    naming.name(sha(2), "SPEAKER_00", "Ada", library=library, consent_note="by letter")
    today = now()[:10]
    assert [str(consent) for consent in library.profiles.get("Ada").consents] == [
        f"permission, {today}",
        f"permission, {today} (by letter)",
    ]
    assert library.profiles.get("Ada").consent == ("permission",)


def name_unknown(library: Library, dry_run: bool) -> object:
    return naming.name_unknown("U-0001", "Ada", library=library, consent="public", dry_run=dry_run)


def name_speaker(library: Library, dry_run: bool) -> object:
    return naming.name(sha(1), "SPEAKER_01", "Maya", library=library, consent="public", dry_run=dry_run)


def correct_speaker(library: Library, dry_run: bool) -> object:
    return naming.correct(sha(3), "SPEAKER_00", "Ada", library=library, consent="public", dry_run=dry_run)


def merge_profiles(library: Library, dry_run: bool) -> object:
    library.profiles.create("Zora") if library.profiles.find("Zora") is None else None
    return naming.merge("Zoe", "Zora", library=library, dry_run=dry_run)


@pytest.mark.parametrize("do", [name_unknown, name_speaker, correct_speaker, merge_profiles])
def test_a_dry_run_says_what_would_change_and_changes_nothing(
    library: Library, do: Callable[[Library, bool], object]
) -> None:
    hear(library, 1, ADA, MAYA)
    hear(library, 2, ADA)
    hear(library, 3, ZOE)
    naming.name(sha(3), "SPEAKER_00", "Zoe", library=library, consent="public")
    first = do(library, True)
    before = contents(library)
    assert do(library, True) == first
    assert contents(library) == before
    assert do(library, False) == first
    assert contents(library) != before


def test_a_naming_that_fails_changes_nothing(library: Library) -> None:
    hear(library, 1, ADA)
    before = contents(library)
    with pytest.raises(LibraryError, match="unnamed voices are called that"):
        naming.name_unknown("U-0001", "U-0007", library=library, consent="public")
    assert contents(library) == before


# -- correcting


def mistaken(library: Library) -> None:
    """Maya was named Ada, and a second episode of hers is now called Ada too."""
    hear(library, 1, MAYA)
    naming.name(sha(1), "SPEAKER_00", "Ada", library=library, consent="public")
    hear(library, 2, MAYA)
    assert names(library, 2) == ["Ada"]


def test_a_correction_takes_back_what_was_learned(library: Library) -> None:
    mistaken(library)
    added, changes = naming.correct(sha(1), "SPEAKER_00", "Maya", library=library, consent="public")
    assert added is not None
    assert (added.profile, added.created, added.num_voiceprints) == ("Maya", True, 1)
    assert changes == (Change(sha(1), "SPEAKER_00", "Ada", "Maya"), Change(sha(2), "SPEAKER_00", "Ada", "Maya"))
    assert library.profiles.find("Ada") is None  # it had nothing else


def test_a_profile_of_which_a_person_said_more_stays_empty(library: Library) -> None:
    mistaken(library)
    library.said.confirm(sha(2), "SPEAKER_00", "Ada")
    naming.correct(sha(1), "SPEAKER_00", "Maya", library=library, consent="public")
    assert library.profiles.get("Ada").num_voiceprints == 0


def test_a_wrong_voiceprint_is_taken_out(library: Library) -> None:
    hear(library, 1, ADA, MAYA)
    naming.name(sha(1), "SPEAKER_00", "Ada", library=library, consent="public")
    wrong = Embedding(MAYA, 30.0, 0.0, 30.0)
    library.voiceprints.add(
        "Ada", [wrong], embedder=EMBEDDER, consent="public", source="wrong.wav", audio_sha256="ee" * 32
    )
    naming.relabel(library=library)
    number = next(row.id for row in library.voiceprints.rows("Ada") if row.source == "wrong.wav")
    naming.remove_voiceprints("Ada", [number], library=library)
    assert [row.source for row in library.voiceprints.rows("Ada")] != ["wrong.wav"]
    assert library.profiles.get("Ada").num_voiceprints == 1
    with pytest.raises(LibraryError, match="Ada has no such voiceprint"):
        naming.remove_voiceprints("Ada", [number], library=library)


def test_a_correction_leaves_what_others_taught(library: Library) -> None:
    hear(library, 1, ADA, MAYA)
    naming.name(sha(1), "SPEAKER_00", "Ada", library=library, consent="public")
    naming.name(sha(1), "SPEAKER_01", "Ada", library=library)
    naming.correct(sha(1), "SPEAKER_01", "Maya", library=library, consent="public")
    assert names(library, 1) == ["Ada", "Maya"]
    assert library.profiles.get("Ada").num_voiceprints == 1


def test_a_name_that_was_wrong_is_never_given_again(library: Library) -> None:
    hear(library, 1, ADA)
    library.profiles.create("Ada")
    voiceprint = Embedding(ADA, 30.0, 0.0, 30.0)
    library.voiceprints.add(
        "Ada", [voiceprint], embedder=EMBEDDER, consent="self", source="ada.wav", audio_sha256=sha(9)
    )
    assert naming.relabel(library=library) == (Change(sha(1), "SPEAKER_00", None, "Ada"),)
    added, changes = naming.correct(sha(1), "SPEAKER_00", None, library=library)
    assert (added, changes) == (None, (Change(sha(1), "SPEAKER_00", "Ada", None),))
    assert library.profiles.get("Ada").num_voiceprints == 1
    assert naming.relabel(library=library) == ()
    assert hear(library, 1, ADA).name("SPEAKER_00") == "SPEAKER_00"
    assert library.said.of_episodes()[sha(1)].ruled_out == {"SPEAKER_00": {"Ada"}}
    naming.correct(sha(1), "SPEAKER_00", "Ada", library=library)
    assert library.said.of_episodes()[sha(1)].ruled_out == {}
    assert names(library, 1) == ["Ada"]


def test_who_was_ruled_out_is_no_rival(library: Library) -> None:
    hear(library, 1, like(ADA, 0.95), like(ADA, 0.93, ZOE))
    library.profiles.create("Ada")
    library.said.rule_out(sha(1), "SPEAKER_00", "Ada")
    voiceprint = Embedding(ADA, 30.0, 0.0, 30.0)
    library.voiceprints.add("Ada", [voiceprint], embedder=EMBEDDER, consent="self", source="", audio_sha256=sha(9))
    assert naming.relabel(library=library) == (Change(sha(1), "SPEAKER_01", None, "Ada"),)


def test_what_was_ruled_out_stays_so_after_merging(library: Library) -> None:
    hear(library, 1, ADA)
    for name in ("Ada", "A. Byron"):
        library.profiles.create(name)
    library.said.rule_out(sha(1), "SPEAKER_00", "A. Byron")
    naming.merge("A. Byron", "Ada", library=library)
    assert library.said.of_episodes()[sha(1)].ruled_out == {"SPEAKER_00": {"Ada"}}


def test_a_voice_that_does_not_sound_like_the_person_is_named_but_not_learned_from(library: Library) -> None:
    hear(library, 1, ADA, MAYA)
    naming.name(sha(1), "SPEAKER_00", "Ada", library=library, consent="public")
    added, _ = naming.correct(sha(1), "SPEAKER_01", "Ada", library=library)
    assert added is not None
    assert added.num_voiceprints == 0
    assert added.warnings[-1] == "SPEAKER_01 of Episode 1 does not sound like Ada: not learned from"
    assert names(library, 1) == ["Ada", "Ada"]


def test_a_speaker_of_few_words_can_be_corrected(library: Library) -> None:
    episode = hear(library, 1, ADA, MAYA)
    library.episodes.store(episode, {})
    added, changes = naming.correct(sha(1), "SPEAKER_01", "Maya", library=library)
    assert added is not None
    assert added.warnings == (f"SPEAKER_01 of {sha(1)} says too little to learn from",)
    assert changes == (Change(sha(1), "SPEAKER_01", None, "Maya"),)


def test_merging_names_what_neither_could(library: Library) -> None:
    hear(library, 1, like(ADA, 0.95))
    hear(library, 2, like(ADA, 0.95, MAYA))
    naming.name(sha(1), "SPEAKER_00", "Ada", library=library, consent="public")
    naming.name(sha(2), "SPEAKER_00", "A. Byron", library=library, consent="public")
    hear(library, 3, ADA)
    assert names(library, 3) == ["SPEAKER_00"]
    changes = naming.merge("A. Byron", "Ada", library=library)
    assert changes == (
        Change(sha(2), "SPEAKER_00", "A. Byron", "Ada"),
        Change(sha(3), "SPEAKER_00", None, "Ada"),
    )


# -- ignoring and splitting


def test_an_ignored_voice_gets_no_name_and_is_recognised(library: Library) -> None:
    hear(library, 1, MAYA)
    assert naming.ignore("U-0001", "ad", library=library) == ()
    naming.name(hear(library, 2, like(MAYA, 0.8)).audio_sha256, "SPEAKER_00", "Maya", library=library, consent="self")
    third = hear(library, 3, MAYA)
    assert ids(third) == ["U-0001"]
    assert third.matches["SPEAKER_00"].reasons == ("sounds like U-0001, which is ignored",)
    assert [u.ignored_as for u in library.voices.unknowns(ignored=None)[0]] == ["ad"]
    assert naming.ignore("U-0001", None, library=library) == (
        Change(sha(1), "SPEAKER_00", None, "Maya"),
        Change(sha(3), "SPEAKER_00", None, "Maya"),
    )


def test_the_voice_of_an_advertisement_is_ignored_wherever_it_is_heard(library: Library) -> None:
    """Each time it says too little to be remembered, so it has no number before."""
    heard = [hear(library, number, ADA, seconds=15.0) for number in (1, 2, 3)]
    assert [ids(one) for one in heard] == [[None]] * 3
    naming.ignore_speaker(sha(2), "SPEAKER_00", "ad", library=library)
    hear(library, 4, ADA, seconds=15.0)
    hear(library, 5, ZOE, seconds=15.0)

    def ignored(number: int) -> list[str | None]:
        return [one.ignored_as for one in library.listings.episode(key_of(sha(number))).speakers]

    assert [ignored(number) for number in (1, 2, 3, 4, 5)] == [["ad"]] * 4 + [[None]]
    unknown = library.voices.unknowns(ignored=True)[0]
    assert [one.id for one in unknown] == ["U-0001"]
    naming.ignore("U-0001", None, library=library)
    assert [ignored(number) for number in (1, 2, 3, 4)] == [[None]] * 4


def test_whom_a_person_named_is_not_ignored(library: Library) -> None:
    hear(library, 1, ADA)
    naming.name(sha(1), "SPEAKER_00", "Ada", library=library, consent="public")
    with pytest.raises(LibraryError, match="SPEAKER_00 is Ada"):
        naming.ignore_speaker(sha(1), "SPEAKER_00", "ad", library=library)


def test_naming_a_named_voice_corrects_it(library: Library) -> None:
    hear(library, 1, ADA)
    naming.name(sha(1), "SPEAKER_00", "Wrong", library=library, consent="public")
    naming.name(sha(1), "SPEAKER_00", "Ada", library=library, consent="public")
    assert library.people.names() == ("Ada",)


def test_splitting_by_sound_keeps_the_number_with_who_talks_most(library: Library) -> None:
    for number, voice in enumerate((ADA, MAYA, ADA, MAYA, MAYA), start=1):
        episode = hear(library, number, voice)
        library.episodes.remove(sha(number))
        voices = {"SPEAKER_00": (Embedding(voice, 30.0, 0.0, 30.0),)}
        library.episodes.store(episode, voices)
        library.unknowns.remember(lambda *_: {"SPEAKER_00": "U-0001"})
    assert naming.split("U-0001", library=library) == ("U-0006",)
    assert [ids(library.episodes.get(sha(number)))[0] for number in range(1, 6)] == [
        "U-0006",
        "U-0001",
        "U-0006",
        "U-0001",
        "U-0001",
    ]


def test_what_cannot_be_split(library: Library) -> None:
    hear(library, 1, ADA)
    with pytest.raises(LibraryError, match="U-0001 is one speaker of one episode"):
        naming.split("U-0001", library=library)
    hear(library, 2, ADA, MAYA)
    with pytest.raises(LibraryError, match="U-0001 is not heard as SPEAKER_01 in episode 0202"):
        naming.split("U-0001", [(sha(2), "SPEAKER_01")], library=library)
    with pytest.raises(LibraryError, match="leave one"):
        naming.split("U-0001", [(sha(1), "SPEAKER_00"), (sha(2), "SPEAKER_00")], library=library)


def test_an_unknown_is_described(library: Library) -> None:
    lines = (
        Line(0.0, 5.0, "I'm Maya Lind, and my guest today is Liam Moss.", "SPEAKER_00"),
        Line(91.0, 93.0, "Thanks for having me.", "SPEAKER_01"),
    )
    for number, voice in enumerate((ADA, ZOE, LIAM), start=1):
        hear(library, number, MAYA, voice, seconds=90.0, lines=lines if number == 1 else ())
    described = {u.id: describe(u, library=library) for u in library.voices.unknowns(ignored=None)[0]}
    host, guest = described["U-0001"], described["U-0002"]
    assert (host.role, host.num_episodes, host.talk_seconds, host.shows) == ("host", 3, 270.0, ("show",))
    assert host.suggestions == (Suggestion("Maya Lind", "says so", lines[0].text),)
    assert (guest.role, [s.name for s in guest.suggestions]) == ("guest", ["Liam Moss"])


# -- files


def test_files_follow_a_naming(library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    episode = hear(library, 1, ADA)
    library.jobs.add([NewJob("k", "/show/1.mp3", "Episode 1")])
    job = library.jobs.claim("w")
    assert job is not None
    paths = {form: (str(tmp_path / f"1.{form}"), str(tmp_path / f"2.{form}")) for form in ("json", "rttm", "txt")}
    library.jobs.reserve(job, paths, lambda _: None)
    library.jobs.finish(job, episode.audio_sha256)
    (tmp_path / "1.json").write_text("old", encoding="utf-8")
    (tmp_path / "1.rttm").mkdir()
    with caplog.at_level(logging.WARNING):
        naming.name_unknown("U-0001", "Ada", library=library, consent="public", dry_run=True)
        assert (tmp_path / "1.json").read_text(encoding="utf-8") == "old"
        naming.name_unknown("U-0001", "Ada", library=library, consent="public")
    assert json.loads((tmp_path / "1.json").read_text(encoding="utf-8"))["speakers"][0]["name"] == "Ada"
    assert not (tmp_path / "1.txt").exists()
    assert "it still shows the names of before" in caplog.text
    naming.rename("Ada", "Ada Byron", library=library)
    assert "Ada Byron" in (tmp_path / "1.json").read_text(encoding="utf-8")
    forget("Ada Byron", library=library)
    assert "Ada" not in (tmp_path / "1.json").read_text(encoding="utf-8")


def test_a_file_that_somebody_changed_is_theirs(
    library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    episode = hear(library, 1, ADA)
    files = [(tmp_path / name, "txt") for name in ("edited.txt", "left.txt", "gone.txt")]
    outputs.write(library, episode, files)
    edited, left, gone = (path for path, _ in files)
    edited.write_text("by hand", encoding="utf-8")
    gone.unlink()
    with caplog.at_level(logging.WARNING):
        naming.name_unknown("U-0001", "Ada", library=library, consent="public")
    assert edited.read_text(encoding="utf-8") == "by hand"
    assert caplog.messages == [
        f"{edited} was changed since it was written; it still shows the names of before",
        f"{gone} is gone; if it was moved, the file still shows the names of before",
    ]
    assert "Ada" in left.read_text(encoding="utf-8")
    assert not gone.exists()
    with pytest.raises(OutputExists, match=r"edited\.txt was changed since voicematch wrote it; --force overwrites it"):
        outputs.refuse_changed(library, [left, gone, edited])
    outputs.write(library, library.episodes.get(sha(1)), [(edited, "txt")])
    naming.rename("Ada", "Ada Byron", library=library)
    assert [path.read_text(encoding="utf-8").count("Ada Byron") for path in (edited, left)] == [1, 1]


def test_a_process_killed_while_writing_leaves_files_that_are_still_known(library: Library, tmp_path: Path) -> None:
    """It says what it is about to write before it does; both the file of before and the new one count as its own."""
    episode, path = hear(library, 1, ADA), tmp_path / "1.txt"
    outputs.write(library, episode, [(path, "txt")])
    (before,) = library.outputs.of(sha(1))
    library.outputs.expect(sha(1), [(path, "txt", "the digest of what was never written", min(before.digests))])
    naming.name_unknown("U-0001", "Ada", library=library, consent="public")
    assert "Ada" in path.read_text(encoding="utf-8")


def test_an_episode_that_is_not_stored_has_no_files_to_follow(library: Library, tmp_path: Path) -> None:
    episode = hear(library, 1, ADA)
    library.episodes.remove(sha(1))
    outputs.write(library, episode, [(tmp_path / "1.txt", "txt")])
    assert (tmp_path / "1.txt").exists()
    assert library.outputs.of(sha(1)) == ()


# -- one voice under two numbers


def test_two_unknowns_of_one_person_become_one(library: Library, tmp_path: Path) -> None:
    hear(library, 1, ADA)
    second = hear(library, 2, like(ADA, 0.7))
    outputs.write(library, second, [(tmp_path / "2.json", "json")])
    heard = naming.merge_unknowns("u-2", "U-0001", library=library)
    assert [(voice.audio_sha256, voice.speaker) for voice in heard] == [(sha(1), "SPEAKER_00"), (sha(2), "SPEAKER_00")]
    assert [unknown.id for unknown in library.voices.unknowns(ignored=None)[0]] == ["U-0001"]
    assert json.loads((tmp_path / "2.json").read_text(encoding="utf-8"))["speakers"][0]["unknown"] == "U-0001"
    assert ids(hear(library, 3, like(ADA, 0.7))) == ["U-0001"]


@pytest.mark.parametrize(
    ("source", "into", "reason"),
    [
        ("U-0001", "u-1", "are the same voice already"),
        ("U-0009", "U-0001", "no unknown voice 'U-0009'"),
        ("U-0001", "Ada", "no unknown voice 'Ada'"),
        ("U-0001", "U-0002", "no unknown voice 'U-0002'; it was named"),
        ("U-0002", "U-0001", "no unknown voice 'U-0002'; it was named"),
    ],
)
def test_unknowns_that_cannot_be_merged(library: Library, source: str, into: str, reason: str) -> None:
    hear(library, 1, ADA, MAYA)
    naming.name_unknown("U-0002", "Maya", library=library, consent="public")
    with pytest.raises(LibraryError, match=reason):
        naming.merge_unknowns(source, into, library=library)


def test_who_was_named_cannot_be_ignored(library: Library) -> None:
    hear(library, 1, ADA)
    naming.name_unknown("U-0001", "Ada", library=library, consent="public")
    with pytest.raises(LibraryError, match="no unknown voice 'U-0001'; it was named"):
        naming.ignore("U-0001", "ad", library=library)


# -- by show


def test_a_voice_of_another_show_is_not_taken_for_the_one_of_this(library: Library) -> None:
    """A cosine of 0.85 is 97 % for a host of the show, and for nobody else."""
    hear(library, 1, ADA, show="/one")
    assert ids(hear(library, 2, like(ADA, 0.85), show="/two")) == ["U-0002"]
    assert ids(hear(library, 3, like(ADA, 0.85, ZOE), show="/one")) == ["U-0001"]


def test_a_voice_that_is_the_same_is_recognised_in_every_show(library: Library) -> None:
    calibration = replace(CALIBRATION, score=20.0, bias=-9.0)  # a cosine of 1 is a logit of 11, of 0.6 one of 3
    library.settings.set("calibration", calibration.to_json())
    hear(library, 1, ADA, show="/one")
    assert ids(hear(library, 2, ADA, show="/two")) == ["U-0001"]


def test_who_was_heard_once_of_many_has_to_be_nearer_than_a_host(library: Library) -> None:
    hear(library, 1, MAYA, ADA)
    for number in range(2, 9):
        hear(library, number, MAYA)
    assert ids(hear(library, 9, like(MAYA, 0.85), like(ADA, 0.85, ZOE))) == ["U-0001", "U-0003"]


def test_who_is_known_from_another_show_only_is_a_suggestion(library: Library) -> None:
    hear(library, 1, ADA, show="/one")
    hear(library, 2, like(ADA, 0.85), show="/two")
    hear(library, 3, like(ADA, 0.75), show="/one")
    naming.name_unknown("U-0001", "Ada", library=library, consent="public")
    assert [names(library, number) for number in (1, 2, 3)] == [["Ada"], ["SPEAKER_00"], ["Ada"]]
    doubted = library.episodes.get(sha(2)).matches["SPEAKER_00"]
    assert (doubted.verdict, doubted.profile) == (Verdict.REVIEW, "Ada")
    assert doubted.reasons == (
        "may be Ada, at 98%",
        "Ada is known from another show only, where a name needs 99.989%",
    )
    assert ids(library.episodes.get(sha(2))) == ["U-0002"]
    assert hear(library, 4, like(ADA, 0.9), show="/two").matches["SPEAKER_00"].verdict is Verdict.REVIEW
    naming.name(sha(2), "SPEAKER_00", "Ada", library=library)
    assert names(library, 4) == ["Ada"]


def test_who_was_enrolled_is_named_in_every_show(library: Library) -> None:
    hear(library, 1, like(ADA, 0.85), show="/two")
    library.profiles.create("Ada")
    voiceprint = Embedding(ADA, 30.0, 0.0, 30.0)
    library.voiceprints.add("Ada", [voiceprint], embedder=EMBEDDER, consent="self", source="", audio_sha256=sha(9))
    naming.relabel(library=library)
    assert names(library, 1) == ["Ada"]


def test_a_name_that_a_person_gave_is_not_given_to_a_second_speaker_of_the_episode(library: Library) -> None:
    hear(library, 1, like(ADA, 0.98), like(ADA, 0.9, ZOE))
    naming.name(sha(1), "SPEAKER_00", "Ada", library=library, consent="public")
    assert names(library, 1) == ["Ada", "SPEAKER_01"]
    assert library.episodes.get(sha(1)).matches["SPEAKER_01"].reasons[-1] == "a person said that SPEAKER_00 is Ada"


# -- feeds


def test_whom_the_feed_names_is_suggested_until_another_voice_has_the_name(library: Library) -> None:
    about = {"persons": [["Ada Byron", "host"], ["Maya Lind", "guest"]]}
    for number, guest in ((1, MAYA), (2, ZOE)):
        library.jobs.add([NewJob(str(number), f"/show/{number}.mp3", f"Episode {number}", about=about)])
        job = library.jobs.claim("w")
        assert job is not None
        library.jobs.finish(job, hear(library, number, ADA, guest, seconds=90.0).audio_sha256)

    def suggested() -> dict[str, list[tuple[str, str]]]:
        described = [describe(unknown, library=library) for unknown in library.voices.unknowns(ignored=None)[0]]
        return {one.id: [(s.name, s.reason) for s in one.suggestions] for one in described}

    ada, maya = ("Ada Byron", "named in the feed as host"), ("Maya Lind", "named in the feed as guest")
    assert suggested() == {"U-0001": [ada], "U-0002": [ada, maya], "U-0003": [ada, maya]}
    naming.name_unknown("U-0001", "Ada Byron", library=library, consent="public")
    assert suggested() == {"U-0002": [maya], "U-0003": [maya]}
    naming.name_unknown("U-0002", "Maya Lind", library=library, consent="public")
    forget("maya lind", library=library)
    assert library.jobs.persons(sha(2)) == ()


def test_forgetting_erases_the_voice_remembered_before_it_had_a_name(library: Library) -> None:
    hear(library, 1, ADA)
    naming.name_unknown("U-0001", "Ada", library=library, consent="public")
    library.profiles.forget("Ada")
    assert contents(library)["unknown_speakers"] == []


def test_steps_taken_together_cannot_be_undone_in_part(library: Library) -> None:
    with (
        library.together(),
        pytest.raises(ValueError, match="part of a larger transaction"),
        library.together(keep=False),
    ):
        pass
