"""``identify --tracks`` and ``--channels``, what is noticed without them, and how the backlog is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.audio.test_audio import write
from tests.support.fakes import FakeEmbedder
from tests.support.talk import RATE, tracks_of
from tests.usecases.test_identify import CALIBRATION, noise
from tests.usecases.test_tracks import ADA, BEN, ONE, files, stereo
from voicematch import cli, open_library
from voicematch.audio import Audio
from voicematch.audio.clips import to_wav
from voicematch.usecases.chosen import Engines


class Commands:
    """Runs commands with a library in a folder; nobody says who speaks when but the tracks."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.library = folder / "library.db"
        self._capsys = capsys
        with open_library(self.library, embedder="fake", dimension=FakeEmbedder.dimension) as library:
            library.settings.set("calibration", CALIBRATION.to_json())

    def __call__(self, *arguments: str, engines: Engines = ONE) -> tuple[int, str, str]:
        code = cli.run([*arguments, "--library", str(self.library)], engines=engines)
        return code, *self._capsys.readouterr()


@pytest.fixture(name="run")
def _run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.chdir(tmp_path)
    return Commands(tmp_path, capsys)


def speakers(out: str) -> list[str]:
    return [turn["speaker"] for turn in json.loads(out)["turns"]]


def test_tracks_with_names_are_named_learned_and_written(run: Commands, tmp_path: Path) -> None:
    files(tmp_path)
    consent = ("--enroll", "--consent", "permission", "--consent-note", "on tape")
    code, out, err = run("identify", "--tracks", "Ada=a.wav", "Ben=b.flac", *consent, "--json", "-f", "rttm")
    assert code == 0, err
    named = {one["speaker"]: one["name"] for one in json.loads(out)["speakers"]}
    assert named == {"SPEAKER_00": "Ada", "SPEAKER_01": "Ben"}
    assert "warning: the tracks do not begin together; moved b.flac by 1.0" in err
    assert "Enrolled Ada: 1" in err
    assert "Enrolled Ben: " in err
    assert " Ben <NA> <NA>" in (tmp_path / "a.rttm").read_text(encoding="utf-8")
    with open_library(run.library) as library:
        assert {row.consent for row in library.voiceprints.of("Ada")} == {"permission"}
    code, out, _ = run("identify", "--tracks", "a.wav", "b.flac", "--json")  # the library knows them now
    assert {one["name"] for one in json.loads(out)["speakers"]} == {"Ada", "Ben"}


def test_a_file_may_have_an_equals_sign_in_its_name(run: Commands, tmp_path: Path) -> None:
    one, other = files(tmp_path)
    one.rename(tmp_path / "take=1.wav")
    code, out, err = run("identify", "--tracks", "take=1.wav", other.name, "--json")
    assert code == 0, err
    assert {one["name"] for one in json.loads(out)["speakers"]} == {"SPEAKER_00", "SPEAKER_01"}


def test_each_channel_is_a_person(run: Commands, tmp_path: Path) -> None:
    stereo(tmp_path / "two.wav")
    code, out, err = run("identify", "--channels", "two.wav", "--json")
    assert (code, len(set(speakers(out)))) == (0, 2)
    assert "--channels" not in err  # it is done already


def test_channels_that_look_like_people_are_noticed(run: Commands, tmp_path: Path) -> None:
    stereo(tmp_path / "two.wav")
    code, _, err = run("identify", "two.wav", "--json")
    assert (code, "its two channels look like a person each; --channels" in err) == (0, True)


def test_files_that_look_like_tracks_are_noticed(run: Commands, tmp_path: Path) -> None:
    for number, seconds in enumerate((70.0, 70.5, 80.0)):
        noise(tmp_path / f"{number}.wav", seconds, seed=number)
    _, _, err = run("identify", "0.wav", "1.wav")
    assert "0.wav, 1.wav are equally long (1:10); if they are one person's track each" in err
    assert "equally long" not in run("identify", "0.wav", "2.wav")[2]


def test_a_file_that_is_given_twice_is_named(run: Commands, tmp_path: Path) -> None:
    voice = Audio(Path(__file__).parents[2] / "examples" / "voices" / "Ada.mp3").read(0, 12)
    (tmp_path / "a.wav").write_bytes(to_wav(voice))
    code, _, err = run("identify", "--tracks", "Ada=a.wav", "Ben=a.wav")
    assert (code, err) == (1, "error: a.wav: has the very sound of a.wav; give it once\n")


def test_tracks_of_one_file_that_has_one_are_refused(run: Commands, tmp_path: Path) -> None:
    (tmp_path / "one.wav").write_bytes(to_wav(tracks_of(2.0, [[(0.5, 1.5)]])[0]))
    code, _, err = run("identify", "--tracks", "one.wav")
    assert (code, err) == (1, "error: one.wav: has only one audio track to listen to\n")


@pytest.mark.parametrize(("option", "num_speakers"), [("--channels", 2), ("--channel=2", 1)])
def test_the_backlog_is_told_what_to_listen_to(run: Commands, tmp_path: Path, option: str, num_speakers: int) -> None:
    file = write(tmp_path / "two.wav", "pcm_s16le", np.stack(tracks_of(35.0, [ADA, BEN])), RATE)
    assert run("batch", "add", "two.wav", option)[0] == 0
    code, _, err = run("batch", "run", "--jobs", "1", "-q")
    assert code == 0, err
    with open_library(run.library) as library:
        stored = library.episodes.get("two")
    assert len(stored.matches) == num_speakers
    assert (stored.audio_sha256 == Audio(file).sha256) == (num_speakers == 2)
