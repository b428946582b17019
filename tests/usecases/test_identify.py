"""The use cases, on real files and a real library, with engines that answer by rule."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.support.fakes import FakeDiarizer, FakeEmbedder
from voicematch import enroll, errors, identify, name, open_library, relabel
from voicematch.audio import decode_clip
from voicematch.audio.clips import to_wav
from voicematch.audio.spans import KEPT_CLIP_SECONDS
from voicematch.engines import open_embedder
from voicematch.engines.anchors import Anchors
from voicematch.engines.embed import Embedder
from voicematch.library import Library
from voicematch.models.table import DEFAULT_EMBEDDER
from voicematch.types import Diarization, Embedding, LabelledEpisode, Line, Progress, Sound, Turn, Verdict, join_turns
from voicematch.usecases.chosen import Engines
from voicematch.usecases.learn import Enrollment, pool
from voicematch.usecases.name import Change
from voicematch.voices.score import Calibration

# A cosine of 1 is certain, one of 0 is not: the fakes' voices are axes.
CALIBRATION = Calibration(
    embedder="fake",
    bias=-7.0,
    score=20.0,
    steadiness=0.0,
    power=12.0,
    unknown_steadiness=1.0,
    accept=0.9,
    review=0.5,
    margin=0.05,
    agreement=0.5,
)
TWO = (Turn(0.0, 20.0, "SPEAKER_00"), Turn(20.0, 40.0, "SPEAKER_01"), Turn(40.0, 50.0, "SPEAKER_00"))


def engines(*turns: Turn) -> Engines:
    return Engines(diarizer=FakeDiarizer(*turns), embedder=FakeEmbedder())


def noise(path: Path, seconds: float, *, seed: int = 0, level: float = 0.1) -> Path:
    """A wave file that no other seed makes, so that its episode is its own. Loud and soft by turns, as speech is."""
    samples = np.random.default_rng(seed).standard_normal(int(16_000 * seconds)) * level
    samples *= np.where(np.arange(len(samples)) // 4_000 % 2, 1.0, 0.01)
    path.write_bytes(to_wav(samples.astype(np.float32)))
    return path


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with open_library(tmp_path / "library.db", embedder="fake", dimension=FakeEmbedder.dimension) as opened:
        opened.settings.set("calibration", CALIBRATION.to_json())
        yield opened


def enroll_first_axis(library: Library, folder: Path, who: str = "Ada") -> Enrollment:
    clip = noise(folder / "clip.wav", 20, seed=99)
    return enroll(who, clip, library=library, consent="permission", engines=engines(Turn(0.0, 20.0, "SPEAKER_00")))


def identify_two(library: Library, folder: Path, *, seed: int = 1, lines: tuple[Line, ...] = ()) -> LabelledEpisode:
    path = noise(folder / f"episode{seed}.wav", 50, seed=seed)
    return identify(path, library=library, engines=engines(*TWO), lines=lines)


def test_an_empty_library_names_nobody(library: Library, tmp_path: Path) -> None:
    episode = identify_two(library, tmp_path)
    assert [match.verdict for match in episode.matches.values()] == [Verdict.UNKNOWN, Verdict.UNKNOWN]
    assert "enroll" in episode.matches["SPEAKER_00"].reasons[0]


def test_an_enrolled_voice_is_named_and_a_stranger_is_not(library: Library, tmp_path: Path) -> None:
    added = enroll_first_axis(library, tmp_path)
    assert (added.profile, added.created, added.speech_seconds) == ("Ada", True, 20.0)
    episode = identify_two(library, tmp_path)
    assert [episode.name(label) for label in ("SPEAKER_00", "SPEAKER_01")] == ["Ada", "SPEAKER_01"]
    assert episode.duration == 50.0
    assert (episode.embedder, episode.diarizer) == ("fake", "fake")


def test_the_episode_is_stored_as_it_was_answered(library: Library, tmp_path: Path) -> None:
    enroll_first_axis(library, tmp_path)
    episode = identify_two(library, tmp_path, lines=(Line(1.0, 2.0, "Hello."), Line(21.0, 22.0, "Good day.")))
    assert library.episodes.get("episode1.wav") == episode
    assert [(line.text, line.speaker) for line in episode.lines] == [
        ("Hello.", "SPEAKER_00"),
        ("Good day.", "SPEAKER_01"),
    ]


def test_an_episode_need_not_be_stored(library: Library, tmp_path: Path) -> None:
    path = noise(tmp_path / "episode.wav", 50)
    identify(path, library=library, engines=engines(*TWO), store=False)
    assert library.listings.episodes()[0] == ()


def test_two_speakers_that_are_one_profile_become_one(library: Library, tmp_path: Path) -> None:
    class Splitting(FakeDiarizer):
        """Gives the voice of the first speaker to the third one too."""

        def diarize(
            self,
            audio: Sound,
            embedder: Embedder,
            *,
            speakers: tuple[int, int] | None = None,
            anchors: object = None,
            progress: Progress | None = None,
        ) -> Diarization:
            found = super().diarize(audio, FakeEmbedder(), speakers=speakers, progress=progress)
            twin = tuple(
                Embedding(found.embeddings["SPEAKER_00"][0].vector, e.seconds, e.start, e.end)
                for e in found.embeddings["SPEAKER_02"]
            )
            return Diarization(found.turns, {**found.embeddings, "SPEAKER_02": twin}, found.duration)

    enroll_first_axis(library, tmp_path)
    turns = (Turn(0.0, 20.0, "SPEAKER_00"), Turn(20.0, 30.0, "SPEAKER_01"), Turn(30.0, 50.0, "SPEAKER_02"))
    path = noise(tmp_path / "episode.wav", 50)
    episode = identify(path, library=library, engines=Engines(Splitting(*turns), FakeEmbedder()))
    assert episode.turns == (
        Turn(0.0, 20.0, "SPEAKER_00"),
        Turn(20.0, 30.0, "SPEAKER_01"),
        Turn(30.0, 50.0, "SPEAKER_00"),
    )
    assert sorted(episode.matches) == ["SPEAKER_00", "SPEAKER_01"]
    assert sum(e.seconds for e in library.speakers.embeddings(episode.audio_sha256)["SPEAKER_00"]) == 40.0


def test_touching_turns_of_joined_speakers_are_one() -> None:
    turns = [Turn(0.0, 2.0, "A"), Turn(1.0, 3.0, "B"), Turn(2.0, 4.0, "A"), Turn(5.0, 6.0, "A")]
    assert join_turns(turns) == (Turn(0.0, 4.0, "A"), Turn(1.0, 3.0, "B"), Turn(5.0, 6.0, "A"))


def test_a_span_is_enrolled_with_its_own_times(library: Library, tmp_path: Path) -> None:
    path = noise(tmp_path / "long.wav", 60)
    turn = Turn(1.0, 19.0, "SPEAKER_00")
    enroll("Ada", path, library=library, consent="self", start=30.0, end=50.0, engines=engines(turn))
    (row,) = library.voiceprints.rows("Ada")
    assert (row.start, row.end, row.consent) == (31.0, 49.0, "self")


def test_the_kept_clip_is_the_speech_that_was_enrolled(library: Library, tmp_path: Path) -> None:
    path = noise(tmp_path / "long.wav", 200)
    turns = (Turn(10.0, 100.0, "SPEAKER_00"), Turn(110.0, 130.0, "SPEAKER_00"))
    enroll("Ada", path, library=library, consent="self", engines=engines(*turns))
    ((_, clip), *_) = library.voiceprints.clips("Ada")
    assert len(decode_clip(clip)) / 16_000 == pytest.approx(KEPT_CLIP_SECONDS, abs=0.1)


def test_a_clip_need_not_be_kept(library: Library, tmp_path: Path) -> None:
    path = noise(tmp_path / "clip.wav", 20)
    enroll(
        "Ada", path, library=library, consent="self", keep_clip=False, engines=engines(Turn(0.0, 20.0, "SPEAKER_00"))
    )
    assert list(library.voiceprints.clips("Ada")) == []


def test_voiceprints_hold_about_half_a_minute_each() -> None:
    axis = np.eye(8, dtype=np.float32)[0]
    ten = [Embedding(axis, 10.0, 10.0 * i, 10.0 * i + 10) for i in range(10)]
    assert [e.seconds for e in pool(ten)] == [30.0, 30.0, 40.0]
    assert [e.seconds for e in pool(ten[:2])] == [20.0]


def test_a_second_clip_adds_to_the_profile(library: Library, tmp_path: Path) -> None:
    enroll_first_axis(library, tmp_path)
    other = noise(tmp_path / "other.wav", 20, seed=5)
    added = enroll("ada", other, library=library, consent="public", engines=engines(Turn(0.0, 20.0, "SPEAKER_00")))
    assert not added.created
    assert library.profiles.get("Ada").num_voiceprints == 2


def test_another_voice_is_refused_however_the_name_is_spelled(library: Library, tmp_path: Path) -> None:
    enroll_first_axis(library, tmp_path)
    other = noise(tmp_path / "other.wav", 50, seed=5)
    with pytest.raises(errors.EnrollmentError, match="does not sound like the Ada"):
        enroll(" ada", other, library=library, consent="public", speaker="SPEAKER_01", engines=engines(*TWO))
    assert library.profiles.get("Ada").num_voiceprints == 1


@pytest.mark.parametrize(
    ("turns", "options", "says"),
    [
        ((Turn(0.0, 20.0, "SPEAKER_00"),), {"consent": "maybe"}, "consent must be one of"),
        ((Turn(0.0, 4.0, "SPEAKER_00"),), {"consent": "self"}, "only 4.0 s of speech"),
        (TWO, {"consent": "self"}, "more than one voice"),
        (TWO, {"consent": "self", "speaker": "SPEAKER_07"}, "no SPEAKER_07"),
        ((), {"consent": "self"}, "nobody speaks"),
    ],
)
def test_a_clip_that_will_not_do_is_refused(
    turns: tuple[Turn, ...], options: dict[str, str], says: str, library: Library, tmp_path: Path
) -> None:
    path = noise(tmp_path / "clip.wav", 50)
    with pytest.raises(errors.EnrollmentError, match=says):
        enroll("Ada", path, library=library, engines=engines(*turns), **options)  # type: ignore[arg-type]
    assert library.people.find()[0] == ()


def test_a_span_beyond_the_end_is_refused(library: Library, tmp_path: Path) -> None:
    path = noise(tmp_path / "clip.wav", 20)
    with pytest.raises(errors.AudioError, match=r"ends at 20\.0 s"):
        enroll("Ada", path, library=library, consent="self", start=30.0, engines=engines())
    with pytest.raises(errors.AudioError, match="no sound between 5 and 5"):
        enroll("Ada", path, library=library, consent="self", start=5.0, end=5.00001, engines=engines())


def test_naming_a_voice_names_it_in_every_episode(library: Library, tmp_path: Path) -> None:
    first, second = identify_two(library, tmp_path, seed=1), identify_two(library, tmp_path, seed=2)
    added, changes = name("episode1.wav", "SPEAKER_01", "Grace", library=library, consent="public")
    assert (added.profile, added.created, added.speech_seconds) == ("Grace", True, 20.0)
    assert changes == (
        Change(first.audio_sha256, "SPEAKER_01", None, "Grace"),
        Change(second.audio_sha256, "SPEAKER_01", None, "Grace"),
    )
    for key in ("episode1.wav", "episode2.wav"):
        assert library.episodes.get(key).name("SPEAKER_01") == "Grace"
        assert library.episodes.get(key).name("SPEAKER_00") == "SPEAKER_00"


def test_what_a_person_named_stays_when_the_voice_would_say_otherwise(library: Library, tmp_path: Path) -> None:
    episode = identify_two(library, tmp_path)
    library.profiles.create("Somebody Else")
    library.said.confirm(episode.audio_sha256, "SPEAKER_00", "Somebody Else")
    enroll_first_axis(library, tmp_path)
    assert relabel(library=library) == ()
    assert library.episodes.get(episode.audio_sha256).name("SPEAKER_00") == "Somebody Else"


def test_a_dry_run_changes_nothing(library: Library, tmp_path: Path) -> None:
    episode = identify_two(library, tmp_path)
    enroll_first_axis(library, tmp_path)
    expected = (Change(episode.audio_sha256, "SPEAKER_00", None, "Ada"),)
    assert relabel(library=library, dry_run=True) == expected
    assert library.episodes.get(episode.audio_sha256).name("SPEAKER_00") == "SPEAKER_00"
    assert relabel(library=library) == expected
    assert library.episodes.get(episode.audio_sha256).name("SPEAKER_00") == "Ada"
    assert relabel(library=library) == ()


def test_naming_a_voice_that_is_not_there(library: Library, tmp_path: Path) -> None:
    identify_two(library, tmp_path)
    with pytest.raises(errors.LibraryError, match="no voice SPEAKER_09; the episode has SPEAKER_00, SPEAKER_01"):
        name("episode1.wav", "SPEAKER_09", "Grace", library=library, consent="public")


def test_naming_a_voice_too_short_to_keep(library: Library, tmp_path: Path) -> None:
    path = noise(tmp_path / "short.wav", 10)
    turns = (Turn(0.0, 7.0, "SPEAKER_00"), Turn(7.0, 10.0, "SPEAKER_01"))
    identify(path, library=library, engines=engines(*turns))
    with pytest.raises(errors.EnrollmentError, match=r"only 3\.0 s of speech"):
        name("short.wav", "SPEAKER_01", "Grace", library=library, consent="public")
    assert library.people.find()[0] == ()


def test_the_diarizer_is_told_who_is_known(library: Library, tmp_path: Path) -> None:
    class Curious(FakeDiarizer):
        told: Anchors

        def diarize(
            self,
            audio: Sound,
            embedder: Embedder,
            *,
            speakers: tuple[int, int] | None = None,
            anchors: object = None,
            progress: Progress | None = None,
        ) -> Diarization:
            assert isinstance(anchors, Anchors)
            self.told = anchors
            return super().diarize(audio, embedder, speakers=speakers, progress=progress)

    enroll_first_axis(library, tmp_path)
    diarizer = Curious(*TWO)
    identify(noise(tmp_path / "a.wav", 50), library=library, engines=Engines(diarizer, FakeEmbedder()))
    assert diarizer.told.voiceprints.names == tuple(profile.name for profile in library.people.find()[0])


def test_another_embedder_is_refused(library: Library, tmp_path: Path) -> None:
    class OtherEmbedder(FakeEmbedder):
        name = "other"

    enroll_first_axis(library, tmp_path)
    other = Engines(FakeDiarizer(*TWO), OtherEmbedder())
    with pytest.raises(errors.EmbedderMismatch, match="holds voices of 'fake', not of 'other'"):
        identify(noise(tmp_path / "a.wav", 50), library=library, engines=other)


def test_a_library_of_the_former_default_keeps_it_and_is_told_how_to_move(tmp_path: Path) -> None:
    class Former(FakeEmbedder):
        name, dimension = "ecapa-small-4", 192

    with open_library(tmp_path / "old.db") as library:
        assert Former.name != DEFAULT_EMBEDDER
        identify(noise(tmp_path / "a.wav", 50), library=library, engines=Engines(FakeDiarizer(*TWO), Former()))
        assert Engines().resolve(library)[1].name == Former.name
        with pytest.raises(errors.EmbedderMismatch, match=f"library upgrade --embedder {DEFAULT_EMBEDDER}"):
            Engines(embedder=open_embedder(DEFAULT_EMBEDDER)).resolve(library)


def test_a_library_without_voices_keeps_to_the_first_embedder_used(tmp_path: Path) -> None:
    with open_library(tmp_path / "new.db") as library:
        assert library.embedder == DEFAULT_EMBEDDER
        identify(noise(tmp_path / "a.wav", 50), library=library, engines=engines(*TWO))
        assert (library.embedder, library.dimension) == ("fake", 8)
    with open_library(tmp_path / "new.db") as library:
        assert library.embedder == "fake"


def test_a_transcript_that_cannot_be_read_stops_before_the_work(library: Library, tmp_path: Path) -> None:
    with pytest.raises(errors.FormatError, match=r"gone\.srt"):
        identify(tmp_path / "gone.mp3", library=library, transcript_path=tmp_path / "gone.srt")


def test_a_transcript_of_another_cut_is_moved(
    library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rng = np.random.default_rng(3)
    edges = np.cumsum(rng.uniform(2.0, 9.0, 81))
    turns = tuple(Turn(float(a), float(b) - 0.4, f"SPEAKER_{i % 2:02d}") for i, (a, b) in enumerate(pairwise(edges)))
    lines = tuple(Line(turn.start - 37.0, turn.end - 37.0, f"Sentence number {i}.") for i, turn in enumerate(turns))
    path = noise(tmp_path / "episode.wav", float(edges[-1]) + 1)
    kept = tuple(line for line in lines if line.start >= 0)
    episode = identify(path, library=library, engines=engines(*turns), lines=kept)
    assert [line.start for line in episode.lines] == pytest.approx([line.start + 37.0 for line in kept], abs=0.15)
    assert [line.speaker for line in episode.lines] == [turn.speaker for turn in turns[-len(kept) :]]
    assert "made for another cut of the audio; moved" in caplog.text


def test_a_transcript_that_fits_nowhere_is_said_so(
    library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = noise(tmp_path / "episode.wav", 50)
    identify(path, library=library, engines=engines(*TWO), lines=(Line(300.0, 310.0, "Nothing here."),))
    assert "its times are taken as they are" in caplog.text


def test_a_library_of_an_embedder_of_before_says_how_to_move_on(tmp_path: Path) -> None:
    vector = Embedding(np.eye(192, dtype=np.float32)[0], 20.0, 0.0, 20.0)
    with open_library(tmp_path / "old.db", embedder="of-before", dimension=192) as library:
        library.profiles.create("Ada")
        library.voiceprints.add(
            "Ada", [vector], embedder="of-before", consent="self", source="a.wav", audio_sha256="ab" * 32
        )
        with pytest.raises(errors.EmbedderMismatch, match=r"'of-before'.*voicematch library upgrade"):
            identify(noise(tmp_path / "a.wav", 50), library=library)
