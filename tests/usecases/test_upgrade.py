"""Moving a library to another embedder, on real files and a real library; a pure tone is a voice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import sqlalchemy as sa

from tests.support.fakes import FakeEmbedder
from tests.usecases.test_identify import CALIBRATION
from voicematch import cli, enroll, errors, identify, open_library
from voicematch.audio.clips import to_wav
from voicematch.batch.work import Settings, Worker
from voicematch.engines.embed import Embedder
from voicematch.library import Library, NewJob, State, schema
from voicematch.types import Array, Diarization, Embedding, LabelledEpisode, Line, Progress, Sound, Turn
from voicematch.usecases import exchange
from voicematch.usecases import name as naming
from voicematch.usecases.chosen import Engines
from voicematch.usecases.upgrade import Upgrade, upgrade

ADA, BASIL, CYD, DORA = 300.0, 500.0, 700.0, 900.0  # Hz


class LaterEmbedder(FakeEmbedder):
    """Has vectors of the same dimension, and of another meaning."""

    name = "later"

    def embed(self, samples: Array, windows: npt.NDArray[np.int64], features: Array | None = None) -> Array:
        return np.ascontiguousarray(super().embed(samples, windows)[:, ::-1])


class PartsDiarizer:
    """Parts of equal length are one speaker's each, and a sound of one speaker is one part."""

    name = "parts"

    def __init__(self, seconds: float = 10.0) -> None:
        self.size = round(seconds * 16_000)

    def diarize(
        self,
        audio: Sound,
        embedder: Embedder,
        *,
        speakers: tuple[int, int] | None = None,
        anchors: object = None,
        progress: Progress | None = None,
    ) -> Diarization:
        samples = np.concatenate(list(audio.blocks()))
        size = len(samples) if speakers == (1, 1) else self.size
        turns: list[Turn] = []
        embeddings: dict[str, tuple[Embedding, ...]] = {}
        for idx, at in enumerate(range(0, len(samples) - 16_000, size)):
            end = min(at + size, len(samples))
            turns.append(Turn(at / 16_000, end / 16_000, f"SPEAKER_{idx:02d}"))
            (vector,) = embedder.embed(samples, np.array([[at, end]]))
            embeddings[turns[-1].speaker] = (Embedding(vector, (end - at) / 16_000, at / 16_000, end / 16_000),)
        return Diarization(tuple(turns), embeddings, len(samples) / 16_000)


BEFORE, AFTER = Engines(PartsDiarizer(), FakeEmbedder()), Engines(PartsDiarizer(), LaterEmbedder())


def tones(path: Path, *hertz: float, seconds: float = 10.0) -> Path:
    """A wave file with each voice for some seconds, loud and soft by turns, as speech is."""
    time = np.arange(int(16_000 * seconds)) / 16_000
    loud = np.where(np.arange(len(time)) // 4_000 % 2, 0.3, 0.01)
    samples = np.concatenate([np.sin(2 * np.pi * tone * time) * loud for tone in hertz])
    path.write_bytes(to_wav(samples))
    return path


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with open_library(tmp_path / "library.db", embedder="fake", dimension=8) as opened:
        for embedder in ("fake", "later"):
            set_calibration(opened, embedder)
        yield opened


def set_calibration(library: Library, embedder: str) -> None:
    with library._database.write() as connection:
        connection.execute(
            schema.settings.insert().values(embedder=embedder, key="calibration", value=CALIBRATION.to_json())
        )


def enrolled(library: Library, folder: Path, who: str, hertz: float, *, keep_clip: bool = True) -> None:
    clip = tones(folder / f"{who}.wav", hertz)
    enroll(who, clip, library=library, consent="permission", engines=BEFORE, keep_clip=keep_clip)


def heard(library: Library, path: Path, engines: Engines = BEFORE, lines: tuple[Line, ...] = ()) -> LabelledEpisode:
    return identify(path, library=library, engines=engines, lines=lines)


def contents(library: Library) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    with library._database.read() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(sa.select(table))), key=repr)
            for table in schema.metadata.sorted_tables
        }


def moved(library: Library, *, force: bool = False, dry_run: bool = False) -> Upgrade:
    return upgrade(library, LaterEmbedder(), diarizer=PartsDiarizer(), force=force, dry_run=dry_run)


def axes(library: Library) -> dict[str, list[int]]:
    """By profile, the axis of each voiceprint."""
    found: dict[str, list[int]] = {}
    voiceprints = library.voiceprints.all()
    for name, vector in zip(voiceprints.profiles, voiceprints.vectors, strict=True):
        found.setdefault(name, []).append(int(np.argmax(vector)))
    return found


def test_voiceprints_are_made_anew_from_kept_clips(library: Library, tmp_path: Path) -> None:
    enrolled(library, tmp_path, "Ada", ADA)
    enrolled(library, tmp_path, "Basil", BASIL)
    before = [row for name in ("Ada", "Basil") for row in library.voiceprints.of(name)]
    assert axes(library) == {"Ada": [1], "Basil": [2]}
    for clip in tmp_path.glob("*.wav"):
        clip.unlink()  # the kept clips are enough
    done = moved(library)
    assert (done.before, done.embedder, done.num_voiceprints) == ("fake", "later", (2, 2))
    assert (done.num_clips, done.num_spans, done.lost, done.silent) == (2, 0, (), ())
    with open_library(library.location) as after:
        assert (after.embedder, after.dimension) == ("later", 8)
        assert axes(after) == {"Ada": [6], "Basil": [5]}
        rows = [row for name in ("Ada", "Basil") for row in after.voiceprints.of(name)]
        for old, new in zip(before, rows, strict=True):
            assert (new.source, new.audio_sha256, new.consent) == (old.source, old.audio_sha256, old.consent)
            assert (new.embedding.start, new.embedding.end) == (old.embedding.start, old.embedding.end)
            assert new.clip == old.clip
        assert [row.has_clip for row in after.voiceprints.rows("Ada")] == [True]
        assert after.upkeep.check() == ()
        episode = heard(after, tones(tmp_path / "episode.wav", BASIL, ADA), AFTER)
        assert [episode.name(label) for label in episode.matches] == ["Basil", "Ada"]


def test_the_library_as_it_was_is_kept_beside_it(library: Library, tmp_path: Path) -> None:
    enrolled(library, tmp_path, "Ada", ADA)
    done = moved(library)
    assert done.backup == tmp_path / "library.db.fake.backup"
    with open_library(done.backup) as old:
        assert old.embedder == "fake"
        assert axes(old) == {"Ada": [1]}


def test_the_copy_of_a_library_of_a_model_of_ones_own_is_called_after_its_file(tmp_path: Path) -> None:
    with open_library(tmp_path / "library.db", embedder="/models/mine.onnx", dimension=8) as library:
        done = moved(library)
    assert done.backup == tmp_path / "library.db.mine.onnx.backup"
    assert done.backup.is_file()


def test_a_voice_without_a_clip_is_heard_again_in_its_episode(library: Library, tmp_path: Path) -> None:
    heard(library, tones(tmp_path / "episode.wav", CYD, BASIL))
    naming.name("episode", "SPEAKER_01", "Basil", library=library, consent="public")
    done = moved(library)
    assert (done.num_clips, done.num_spans, done.lost) == (0, 1, ())
    with open_library(library.location) as after:
        assert axes(after) == {"Basil": [5]}
        (row,) = after.voiceprints.of("Basil")
        assert (row.embedding.start, row.embedding.end, row.embedding.seconds) == (10.0, 20.0, 10.0)


def test_what_is_lost_is_said_and_nothing_lost_unasked(library: Library, tmp_path: Path) -> None:
    enrolled(library, tmp_path, "Ada", ADA)
    enrolled(library, tmp_path, "Dora", DORA, keep_clip=False)
    gone, changed = tones(tmp_path / "gone.wav", BASIL), tones(tmp_path / "changed.wav", CYD)
    for path, name in ((gone, "Basil"), (changed, "Cyd")):
        heard(library, path)
        naming.name(path.stem, "SPEAKER_00", name, library=library, consent="public")
    gone.unlink()
    tones(changed, CYD, CYD)
    before = contents(library)
    with pytest.raises(errors.LibraryError, match=r"left without a voice .* Basil, Cyd, Dora \(.*\); .*--force"):
        moved(library)
    assert contents(library) == before
    assert list(tmp_path.glob("*.backup")) == []
    done = moved(library, force=True)
    assert {
        (lost.profile, lost.num_voiceprints): lost.reason.partition(": ")[2] or lost.reason for lost in done.lost
    } == {
        ("Basil", 1): "no clip was kept, and the recording is not there any more",
        ("Cyd", 1): "no clip was kept, and the recording has changed since",
        ("Dora", 1): "no clip was kept, and it is not named in a stored episode of that recording",
    }
    assert done.silent == ("Basil", "Cyd", "Dora")
    with open_library(library.location) as after:
        assert axes(after) == {"Ada": [6]}
        assert [profile.name for profile in after.people.find()[0]] == ["Ada", "Basil", "Cyd", "Dora"]
        assert after.upkeep.check() == ()


def test_a_dry_run_says_it_all_and_changes_nothing(library: Library, tmp_path: Path) -> None:
    enrolled(library, tmp_path, "Ada", ADA)
    enrolled(library, tmp_path, "Dora", DORA, keep_clip=False)
    heard(library, tones(tmp_path / "episode.wav", BASIL))
    before = contents(library)
    would = moved(library, dry_run=True)
    assert (would.num_voiceprints, would.num_clips, would.silent, would.num_queued) == ((2, 1), 1, ("Dora",), 1)
    assert would.backup is None
    assert contents(library) == before


def test_stopped_in_the_middle_the_library_is_as_it_was(library: Library, tmp_path: Path) -> None:
    enrolled(library, tmp_path, "Ada", ADA)
    enrolled(library, tmp_path, "Basil", BASIL)
    before = contents(library)

    def stop(step: str, done: float, total: float) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upgrade(library, LaterEmbedder(), diarizer=PartsDiarizer(), progress=stop)
    assert contents(library) == before
    assert moved(library).num_voiceprints == (2, 2)  # begun again


def test_a_failure_while_it_is_taken_over_undoes_all_of_it(library: Library, tmp_path: Path) -> None:
    enrolled(library, tmp_path, "Ada", ADA)
    heard(library, tones(tmp_path / "episode.wav", BASIL))
    with library._database.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON voiceprints BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    before = contents(library)
    with pytest.raises(errors.LibraryError, match="no room"):
        moved(library)
    assert contents(library) == before
    assert list(tmp_path.glob("*.backup")) == []


def test_a_clip_in_which_nobody_is_heard_is_lost(library: Library, tmp_path: Path) -> None:
    class Deaf(PartsDiarizer):
        def diarize(
            self,
            audio: Sound,
            embedder: Embedder,
            *,
            speakers: tuple[int, int] | None = None,
            anchors: object = None,
            progress: Progress | None = None,
        ) -> Diarization:
            return Diarization((), {}, audio.duration)

    enrolled(library, tmp_path, "Ada", ADA)
    with pytest.raises(errors.LibraryError, match=r"would be Ada \('later' hears no speech in it\)"):
        upgrade(library, LaterEmbedder(), diarizer=Deaf())


def test_voices_added_meanwhile_are_not_passed_over(library: Library, tmp_path: Path) -> None:
    enrolled(library, tmp_path, "Ada", ADA)

    def meanwhile(step: str, done: float, total: float) -> None:
        with open_library(library.location) as other:
            enrolled(other, tmp_path, "Basil", BASIL)

    with pytest.raises(errors.LibraryError, match="voices were added or removed meanwhile; run it again"):
        upgrade(library, LaterEmbedder(), diarizer=PartsDiarizer(), progress=meanwhile)
    with open_library(library.location) as after:
        assert after.embedder == "fake"
        assert axes(after) == {"Ada": [1], "Basil": [2]}
        assert after.jobs.find() == ()
    assert list(tmp_path.glob("*.backup")) == []


def test_a_running_batch_is_waited_for(library: Library) -> None:
    library.jobs.add([NewJob("a", "a.mp3", "A")])
    library.jobs.claim("worker")
    with pytest.raises(errors.LibraryError, match="a batch is running, with 1 episode"):
        moved(library)


def test_a_batch_begun_meanwhile_is_noticed(library: Library, tmp_path: Path) -> None:
    enrolled(library, tmp_path, "Ada", ADA)
    library.jobs.add([NewJob("a", "a.mp3", "A")])

    def meanwhile(step: str, done: float, total: float) -> None:
        library.jobs.claim("worker")

    with pytest.raises(errors.LibraryError, match="a batch is running"):
        upgrade(library, LaterEmbedder(), diarizer=PartsDiarizer(), progress=meanwhile)
    assert axes(library) == {"Ada": [1]}
    assert list(tmp_path.glob("*.backup")) == []


def test_the_same_embedder_is_refused(library: Library) -> None:
    with pytest.raises(errors.LibraryError, match="holds voices of 'fake' already"):
        upgrade(library, FakeEmbedder())


def test_a_damaged_clip_is_lost_alone(library: Library, tmp_path: Path) -> None:
    enrolled(library, tmp_path, "Ada", ADA)
    enrolled(library, tmp_path, "Basil", BASIL)
    with library._database.write() as connection:
        connection.execute(schema.clips.update().where(schema.clips.c.id == 1).values(audio=b"rot"))
    done = moved(library, force=True)
    assert [(lost.profile, "damaged" in lost.reason) for lost in done.lost] == [("Ada", True)]
    with open_library(library.location) as after:
        assert axes(after) == {"Basil": [5]}


# -- episodes


def test_episodes_are_queued_where_their_audio_is_there(library: Library, tmp_path: Path) -> None:
    with_job, without_job = tones(tmp_path / "with.wav", ADA), tones(tmp_path / "without.wav", BASIL)
    gone = tones(tmp_path / "gone.wav", CYD)
    library.jobs.add([NewJob("its key", str(with_job), "With a job", show="A show")])
    job = library.jobs.claim("worker")
    assert job is not None
    library.jobs.finish(job, heard(library, with_job).audio_sha256)
    heard(library, without_job)
    heard(library, gone)
    gone.unlink()
    done = moved(library)
    assert (done.num_queued, done.gone) == (2, (str(gone),))
    assert [(job.key, job.title, job.state, job.attempts) for job in library.jobs.find()] == [
        ("its key", "With a job", State.QUEUED, 0),
        (str(without_job), "without", State.QUEUED, 0),
    ]


def test_numbers_names_and_words_outlast_it(library: Library, tmp_path: Path) -> None:
    path = tones(tmp_path / "episode.wav", ADA, BASIL, CYD, seconds=20.0)
    other = tones(tmp_path / "other.wav", CYD, seconds=20.0)
    words = (Line(1.0, 2.0, "Hello."), Line(41.0, 42.0, "Good day."))
    engines = Engines(PartsDiarizer(20.0), FakeEmbedder())
    heard(library, path, engines, words)
    heard(library, other, engines)
    naming.name("episode", "SPEAKER_00", "Ada", library=library, consent="public")
    assert [match.unknown for match in library.episodes.get("episode").matches.values()] == [None, "U-0002", "U-0003"]
    moved(library)
    with open_library(library.location) as after:
        assert library.episodes.get("episode") == after.episodes.get("episode")  # as it was, until it is heard again
        assert naming.relabel(library=after) == ()
        with pytest.raises(
            errors.LibraryError, match=r"was heard by fake, .* voices of later now; voicematch batch run"
        ):
            naming.name("episode", "SPEAKER_01", "Basil", library=after, consent="public")
        with pytest.raises(errors.LibraryError, match="U-0003: was heard by another embedder"):
            naming.name_unknown("U-0003", "Cyd", library=after, consent="public")
        again = heard(after, path, Engines(PartsDiarizer(20.0), LaterEmbedder()))
        assert [again.name(label) for label in again.matches] == ["Ada", "SPEAKER_01", "SPEAKER_02"]
        assert [match.unknown for match in again.matches.values()] == [None, "U-0002", "U-0003"]
        assert [(line.text, line.speaker) for line in again.lines] == [
            ("Hello.", "SPEAKER_00"),
            ("Good day.", "SPEAKER_02"),
        ]
        added, _ = naming.name_unknown("U-0003", "Cyd", library=after, consent="public")  # of the one heard again
        assert added.num_voiceprints == 1
        assert axes(after)["Cyd"] == [4]
        last = heard(after, other, Engines(PartsDiarizer(20.0), LaterEmbedder()))
        assert [last.name(label) for label in last.matches] == ["Cyd"]


# -- vectors of two models never meet


def test_every_door_refuses_another_embedder_and_names_both(library: Library, tmp_path: Path) -> None:
    enrolled(library, tmp_path, "Ada", ADA)
    file = exchange.write_profiles(library, ["Ada"], with_clips=False)
    episode = tones(tmp_path / "episode.wav", ADA)
    mismatch = pytest.raises(errors.EmbedderMismatch, match=r"(?s)fake.*later.*voicematch library upgrade")
    with mismatch:
        heard(library, episode, AFTER)
    with mismatch:
        enroll("Ada", tmp_path / "Ada.wav", library=library, consent="permission", engines=AFTER)
    with mismatch:
        Worker(Settings(library.location, engines=AFTER))
    with mismatch:
        open_library(library.location, embedder="later", dimension=8)
    with (
        closing(open_library(tmp_path / "other.db", embedder="later", dimension=8)) as other,
        pytest.raises(errors.EmbedderMismatch, match=r"'fake'.*'later'.*voicematch library upgrade"),
    ):
        exchange.import_profiles(file, "file", library=other)


def test_a_process_that_missed_the_move_can_neither_read_nor_write_voices(library: Library, tmp_path: Path) -> None:
    enrolled(library, tmp_path, "Ada", ADA)
    moved(library)
    assert library.voiceprints.all().profiles == ()  # `library` is still open as it was
    with pytest.raises(errors.EmbedderMismatch, match="'later', not of 'fake'"):
        heard(library, tones(tmp_path / "episode.wav", ADA))


def test_a_process_that_missed_the_move_leaves_the_names_of_episodes(library: Library, tmp_path: Path) -> None:
    enrolled(library, tmp_path, "Ada", ADA)
    enrolled(library, tmp_path, "Basil", BASIL)
    heard(library, tones(tmp_path / "episode.wav", ADA, BASIL))
    with open_library(library.location) as elsewhere:
        moved(elsewhere)
    assert library.embedder == "fake"
    assert naming.rename("Ada", "Ada Ash", library=library) != ()
    assert naming.relabel(library=library) == ()
    episode = library.episodes.get("episode")
    assert [episode.name(label) for label in episode.matches] == ["Ada Ash", "Basil"]
    assert library.embedder == "later"


def test_a_process_sees_the_move_when_it_looks(library: Library, tmp_path: Path) -> None:
    enrolled(library, tmp_path, "Ada", ADA)
    with open_library(library.location) as elsewhere:
        moved(elsewhere)
    library.follow()
    assert library.embedder == "later"
    assert library.people.profile(library.people.id("Ada")).num_voiceprints == 1


def test_vectors_of_before_the_move_do_not_come_back_by_an_undo(library: Library, tmp_path: Path) -> None:
    enrolled(library, tmp_path, "Ada", ADA)
    enrolled(library, tmp_path, "Basil", BASIL)
    with library.recording(clips_of=["Ada"]) as recorded:
        library.profiles.remove("Ada")
    with open_library(library.location) as elsewhere:
        moved(elsewhere)
    with pytest.raises(errors.ChangedSince, match="changed again since"):
        library.undo(recorded)


def test_of_two_moves_at_once_one_is_refused(library: Library, tmp_path: Path) -> None:
    enrolled(library, tmp_path, "Ada", ADA)

    class MovedMeanwhile(PartsDiarizer):
        def diarize(self, audio: Sound, *others: Any, **options: Any) -> Diarization:
            with open_library(library.location) as elsewhere:
                upgrade(elsewhere, LaterEmbedder(), diarizer=PartsDiarizer())
            return super().diarize(audio, *others, **options)

    class Third(LaterEmbedder):
        name = "third"

    set_calibration(library, "third")
    with pytest.raises(errors.LibraryError, match="voices were added or removed meanwhile"):
        upgrade(library, Third(), diarizer=MovedMeanwhile())
    with open_library(library.location) as after:
        assert after.embedder == "later"
        assert after.upkeep.check() == ()


# -- the command


def test_the_command_shows_what_it_did(library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    enrolled(library, tmp_path, "Ada", ADA)
    enrolled(library, tmp_path, "Dora", DORA, keep_clip=False)
    heard(library, tones(tmp_path / "episode.wav", BASIL))
    command = ["library", "upgrade", "--embedder", "later", "--library", library.location]
    assert cli.run([*command, "--dry-run"], engines=AFTER) == 0
    assert "fake → later: 2 voiceprint(s) would be made anew as 1, from 1 kept clip(s)" in capsys.readouterr().out
    assert cli.run(command, engines=AFTER) == cli.EXIT_ERROR
    assert "left without a voice by 'later' would be Dora" in capsys.readouterr().err
    assert cli.run([*command, "--force", "--json"], engines=AFTER) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["num_voiceprints"], said["silent"], said["num_queued"]) == ([2, 1], ["Dora"], 1)
    assert said["backup"] == f"{library.location}.fake.backup"
    assert cli.run(command, engines=AFTER) == cli.EXIT_ERROR
    assert "holds voices of 'later' already" in capsys.readouterr().err


def test_a_library_on_postgresql_moves_without_a_copy(postgresql: str, tmp_path: Path) -> None:
    with open_library(postgresql, embedder="fake", dimension=8) as library:
        for embedder in ("fake", "later"):
            set_calibration(library, embedder)
        enrolled(library, tmp_path, "Ada", ADA)
        heard(library, tones(tmp_path / "episode.wav", BASIL))
        done = moved(library)
    assert (done.num_voiceprints, done.num_queued, done.backup) == ((1, 1), 1, None)
    with open_library(postgresql) as after:
        assert (after.embedder, axes(after)) == ("later", {"Ada": [6]})
        assert after.upkeep.check() == ()
