"""Episodes with a track for each person: named files, enrollment, channels, and hearing the same again later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.audio.test_audio import write
from tests.support.fakes import FakeDiarizer, FakeEmbedder
from tests.support.talk import RATE, Spans, tracks_of
from tests.usecases.test_identify import CALIBRATION, library
from voicematch import open_library
from voicematch.audio import Audio, Choice
from voicematch.audio.clips import to_wav
from voicematch.audio.together import Together, apart_in, reopened
from voicematch.batch.work import Settings, Worker
from voicematch.errors import AudioError, EnrollmentError
from voicematch.library import Library, NewJob, State
from voicematch.library.job import about_parts, parts_about
from voicematch.types import Array, Part, Turn, Verdict
from voicematch.usecases import upgrade
from voicematch.usecases.chosen import Engines
from voicematch.usecases.clip import clearest_clip
from voicematch.usecases.identify import identify
from voicematch.usecases.tracks import GivenConsent, identify_tracks

__all__ = ["library"]

ADA: Spans = [(1.0, 7.0), (14.0, 20.0), (27.0, 33.0)]
BEN: Spans = [(7.5, 13.5), (21.0, 26.5)]
ENGINES = Engines(embedder=FakeEmbedder())
ONE = Engines(diarizer=FakeDiarizer(Turn(0.0, 30.0, "SPEAKER_00")), embedder=FakeEmbedder())


def files(folder: Path, *, late: float = 0.3) -> list[Path]:
    """Two tracks of one conversation, of unlike rates: b begins a second later."""
    first, second = tracks_of(35.0, [ADA, BEN], late=late)
    (folder / "a.wav").write_bytes(to_wav(first))
    faster = np.repeat(second[RATE:], 2)
    write(folder / "b.flac", "flac", faster[None], 2 * RATE, sample_format="s16")
    return [folder / "a.wav", folder / "b.flac"]


def stereo(path: Path) -> Path:
    return write(path, "pcm_s16le", np.stack(tracks_of(35.0, [ADA, BEN])), RATE)


def everything(audio: Audio) -> Array:
    return np.concatenate(list(audio.blocks()))


def test_files_of_unlike_rates_and_lengths_become_one_episode(library: Library, tmp_path: Path) -> None:
    audios = [Audio(file) for file in files(tmp_path)]
    episode, learned = identify_tracks(audios, library=library, engines=ENGINES)
    assert (learned, list(episode.matches)) == ((), ["SPEAKER_00", "SPEAKER_01"])
    assert [turn.speaker for turn in episode.turns] == [f"SPEAKER_0{n}" for n in (0, 1, 0, 1, 0)]
    ends = [turn.end for turn in episode.turns]
    assert ends[1:] == pytest.approx([13.5, 20.0, 26.5, 33.0], abs=0.15)
    stored = library.episodes.get(episode.audio_sha256)
    assert [Path(part.source).name for part in stored.parts] == ["a.wav", "b.flac"]
    assert [part.offset for part in stored.parts] == pytest.approx([0.0, 1.0], abs=0.05)
    assert stored.diarizer == "tracks"
    other, _ = identify_tracks(audios[::-1], library=library, engines=ENGINES)
    assert other.audio_sha256 == episode.audio_sha256  # in whatever order they are given


def test_a_name_that_comes_with_a_track_is_what_a_person_says(library: Library, tmp_path: Path) -> None:
    audios = [Audio(file) for file in files(tmp_path)]
    episode, learned = identify_tracks(audios, library=library, names=["Ada", None], engines=ENGINES)
    assert (episode.name("SPEAKER_00"), episode.name("SPEAKER_01"), learned) == ("Ada", "SPEAKER_01", ())
    assert library.voiceprints.of("Ada") == ()  # nothing is kept of her voice without her consent
    assert library.episodes.get(episode.audio_sha256).name("SPEAKER_00") == "Ada"


def test_named_tracks_are_learned_with_consent_from_their_own_turns(library: Library, tmp_path: Path) -> None:
    audios = [Audio(file) for file in files(tmp_path)]
    consent = GivenConsent("permission", "said so on the phone")
    episode, learned = identify_tracks(audios, library=library, names=["Ada", "Ben"], consent=consent, engines=ENGINES)
    assert [(one.profile, one.created) for one in learned] == [("Ada", True), ("Ben", True)]
    assert 12.0 < learned[0].speech_seconds < 18.5
    (row, *_) = library.voiceprints.of("Ben")
    assert (row.consent, row.audio_sha256) == ("permission", audios[1].sha256)
    assert row.clip is not None
    assert 6.3 <= row.embedding.start <= 8.0  # by the track's own clock, which begins a second later
    assert {match.profile for match in episode.matches.values()} == {"Ada", "Ben"}
    again, learned = identify_tracks(audios, library=library, names=["Ada", "Ben"], consent=consent, engines=ENGINES)
    assert [one.num_voiceprints for one in learned] == [0, 0]
    assert again.matches == library.episodes.get(again.audio_sha256).matches


def test_a_track_of_too_little_speech_is_not_learned(library: Library, tmp_path: Path) -> None:
    tracks = tracks_of(35.0, [ADA, [(8.0, 11.0)]])
    audios = []
    for name, track in zip("ab", tracks, strict=True):
        (tmp_path / f"{name}.wav").write_bytes(to_wav(track))
        audios.append(Audio(tmp_path / f"{name}.wav"))
    with pytest.raises(EnrollmentError, match=r"Ben: only [23]\.\d s of speech"):
        identify_tracks(
            audios, library=library, names=["Ada", "Ben"], consent=GivenConsent("permission"), engines=ENGINES
        )
    assert library.people.names() == ()


def test_what_is_not_stored_has_its_names_all_the_same(library: Library, tmp_path: Path) -> None:
    audios = [Audio(file) for file in files(tmp_path)]
    episode, _ = identify_tracks(audios, library=library, names=["Ada", None], store=False, engines=ENGINES)
    assert episode.name("SPEAKER_00") == "Ada"
    assert episode.matches["SPEAKER_00"].verdict is Verdict.ACCEPT
    assert (library.people.names(), library.settings.get("none")) == ((), None)


def test_channels_are_people_of_the_same_recording(library: Library, tmp_path: Path) -> None:
    file = stereo(tmp_path / "two.wav")
    episode, _ = identify_tracks(apart_in(Audio(file), "channels"), library=library, engines=ENGINES)
    assert [turn.speaker for turn in episode.turns] == [f"SPEAKER_0{n}" for n in (0, 1, 0, 1, 0)]
    assert episode.audio_sha256 == Audio(file).sha256
    assert episode.parts == (Part("", None, 1), Part("", None, 2))
    np.testing.assert_array_equal(everything(reopened(str(file), episode.parts)), everything(Audio(file)))


def test_one_channel_and_one_track_are_not_several(tmp_path: Path) -> None:
    (tmp_path / "one.wav").write_bytes(to_wav(tracks_of(2.0, [[(0.5, 1.5)]])[0]))
    for how, word in (("channels", "channel"), ("tracks", "audio track")):
        with pytest.raises(AudioError, match=f"has only one {word}"):
            apart_in(Audio(tmp_path / "one.wav"), how)


def test_files_together_are_their_average_each_where_it_begins(tmp_path: Path) -> None:
    one, other = tracks_of(4.0, [[(0.5, 3.5)], [(1.0, 2.0)]], bleed=-np.inf)
    for name, samples in (("a", one), ("b", other)):
        (tmp_path / f"{name}.wav").write_bytes(to_wav(samples))
    tracks = [Audio(tmp_path / f"{name}.wav") for name in "ab"]
    mix = Together(tracks, [0.0, 1.5])
    expected = np.zeros(round(5.5 * RATE), np.float32)
    for track, first in zip(tracks, (0, round(1.5 * RATE)), strict=True):
        samples = everything(track)
        expected[first : first + len(samples)] += samples / 2
    np.testing.assert_allclose(everything(mix), expected, atol=1e-6)
    assert mix.duration == pytest.approx(5.5)
    assert mix.estimate() == pytest.approx(5.5)
    np.testing.assert_allclose(mix.read(1.25, 3.0), expected[round(1.25 * RATE) : 3 * RATE], atol=1e-6)
    assert mix.read(5.0, 9.0).shape == (RATE // 2,)


def test_a_clip_is_of_the_channel_that_identify_heard(library: Library, tmp_path: Path) -> None:
    file = write(tmp_path / "two.wav", "pcm_s16le", np.stack(tracks_of(35.0, [ADA, BEN], bleed=-60.0)), RATE)
    chosen = Audio(file, choice=Choice(channel=2))
    episode = identify(chosen, library=library, engines=ONE)
    assert library.episodes.get(episode.audio_sha256).parts == (Part("", None, 2),)
    clip = clearest_clip("U-0001", library=library)
    np.testing.assert_array_equal(clip.samples, chosen.read(clip.start, clip.end))
    assert not np.array_equal(clip.samples, Audio(file).read(clip.start, clip.end))


def test_an_upgrade_has_the_backlog_hear_the_same_again(library: Library, tmp_path: Path) -> None:
    audios = [Audio(file) for file in files(tmp_path)]
    identify_tracks(audios, library=library, engines=ENGINES)
    identify(Audio(audios[0].source, choice=Choice(channel=1)), library=library, engines=ONE)
    together, alone = (upgrade.job_of(episode) for episode in library.upgrade.stale_episodes("another"))
    assert [Path(part.source).name for part in parts_about(together.about)] == ["a.wav", "b.flac"]
    assert parts_about(alone.about) == (Part("", None, 1),)
    assert library.jobs.add([together, alone]).num_new == 2


def test_what_a_job_listens_to_travels_with_it() -> None:
    parts = (Part("/a.wav", 2, 1), Part("/b.wav"))
    assert parts_about(about_parts(parts)) == parts
    assert (about_parts(()), parts_about({})) == ({}, ())


@pytest.mark.parametrize("kind", ["channel", "channels", "files"])
def test_the_backlog_hears_what_it_is_told_to(tmp_path: Path, kind: str) -> None:
    file = stereo(tmp_path / "two.wav")
    paths = [str(path) for path in files(tmp_path)]
    about = {
        "channel": about_parts((Part("", None, 2),)),
        "channels": {"apart": "channels"},
        "files": about_parts([Part(path) for path in paths]),
    }[kind]
    location = tmp_path / "library.db"
    with open_library(location, embedder="fake", dimension=FakeEmbedder.dimension) as library:
        library.settings.set("calibration", CALIBRATION.to_json())
        library.jobs.add([NewJob("one", paths[0] if kind == "files" else str(file), "one", about=about)])
    worker = Worker(Settings(str(location), engines=ONE))
    try:
        job = worker.claim()
        assert job is not None
        outcome = worker.work(job)
    finally:
        worker.close()
    assert outcome is not None
    assert (outcome.state, outcome.error) == (State.DONE, "")
    with open_library(location) as library:
        stored = library.episodes.get("one")
    assert len({turn.speaker for turn in stored.turns}) == (1 if kind == "channel" else 2)
    if kind == "channel":
        assert stored.audio_sha256 == Audio(file, choice=Choice(channel=2)).sha256
