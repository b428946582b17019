"""Commands on real files and a real library, with engines that answer by rule: what they print, write and return."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from tests.support.fakes import FakeDiarizer, FakeEmbedder
from tests.usecases.test_identify import CALIBRATION, TWO, engines, noise
from voicematch import cli, open_library
from voicematch.engines.embed import Embedder
from voicematch.types import Diarization, Progress, Sound, Turn
from voicematch.usecases.chosen import Engines


class Shell:
    """Runs commands in a folder with a library of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.library = folder / "library.db"
        self._capsys = capsys
        with open_library(self.library, embedder="fake", dimension=FakeEmbedder.dimension) as library:
            library.settings.set("calibration", CALIBRATION.to_json())

    def __call__(self, *arguments: str | Path, turns: tuple[Turn, ...] = TWO) -> tuple[int, str, str]:
        """(exit code, stdout, stderr)"""
        code = cli.run([str(argument) for argument in arguments], engines=engines(*turns))
        out, err = self._capsys.readouterr()
        return code, out, err

    def enroll(self, who: str = "Ada") -> None:
        clip = noise(self.folder / "clip.wav", 20, seed=99)
        turns = (Turn(0.0, 20.0, "SPEAKER_00"),)
        assert self("enroll", who, clip, "--consent", "permission", turns=turns)[0] == 0


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    made = Shell(tmp_path, capsys)
    monkeypatch.setenv("VOICEMATCH_LIBRARY", str(made.library))
    return made


def cells(table: str) -> list[list[str]]:
    """The words of each row, without rules and blank lines."""
    return [line.split() for line in table.splitlines() if line.strip() and "──" not in line]


def test_enroll_says_what_it_added(shell: Shell) -> None:
    clip = noise(shell.folder / "clip.wav", 20)
    turns = (Turn(0.0, 20.0, "SPEAKER_00"),)
    code, out, err = shell("enroll", "Ada", clip, "--consent", "permission", "--role", "host", turns=turns)
    assert (code, out, err) == (0, "Enrolled Ada: 20 s of speech, 1 voiceprint(s)\n", "")


def test_enroll_passes_warnings_on(shell: Shell) -> None:
    clip = noise(shell.folder / "clip.wav", 20)
    turns = (Turn(0.0, 8.0, "SPEAKER_00"),)
    code, out, err = shell("enroll", "Ada", clip, "--consent", "self", "--json", turns=turns)
    assert code == 0
    assert json.loads(out)["speech_seconds"] == 8.0
    assert err.startswith("warning: only 8 s of speech")


def test_identify_prints_a_table(shell: Shell) -> None:
    shell.enroll()
    code, out, _ = shell("identify", noise(shell.folder / "episode.wav", 50))
    assert code == 0
    assert cells(out)[-3:] == [
        ["speaker", "probability", "talk", "share", "turns"],
        ["Ada", "100%", "0:30", "60%", "2"],
        ["SPEAKER_01", "(unknown,", "U-0001)", "0:20", "40%", "1"],
    ]


def test_a_name_that_is_no_text_is_written_with_escapes(shell: Shell) -> None:
    name = os.fsdecode(b"caf\xe9")
    episode = noise(shell.folder / f"{name}.wav", 50)
    code, out, err = shell("identify", episode, "--no-store", "-f", "json", "-o", shell.folder / "out")
    assert (code, "caf" in err) == (0, True)
    written = json.loads((shell.folder / "out" / f"{name}.json").read_text())
    code, out, _ = shell("identify", episode, "--json")
    assert code == 0
    assert json.loads(out)["source"] == written["source"]
    assert written["source"].endswith("caf\\udce9.wav")


def test_identify_explains(shell: Shell) -> None:
    shell.enroll()
    _, out, _ = shell("identify", noise(shell.folder / "episode.wav", 50), "--explain")
    assert "Ada: Ada at 100%" in out
    assert "SPEAKER_01: closest is Ada at 0%" in out


def test_without_profiles_it_says_how_to_enroll(shell: Shell) -> None:
    code, out, err = shell("identify", noise(shell.folder / "episode.wav", 50))
    assert code == 0
    assert "SPEAKER_00 (unknown, U-0001)" in out
    assert "voicematch enroll" in err


def test_identify_writes_the_formats_asked_for(shell: Shell) -> None:
    shell.enroll()
    (shell.folder / "episode.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello.\n", encoding="utf-8")
    code, _, err = shell(
        *("identify", noise(shell.folder / "episode.wav", 50), "--transcript", "episode.srt"),
        *("-f", "vtt", "-f", "json", "-f", "rttm", "-f", "txt", "-o", "out"),
    )
    assert code == 0
    assert "<v Ada>Hello." in (shell.folder / "out" / "episode.vtt").read_text(encoding="utf-8")
    assert "SPEAKER episode 1 0.000 20.000 <NA> <NA> Ada <NA> <NA>" in (
        shell.folder / "out" / "episode.rttm"
    ).read_text(encoding="utf-8")
    assert json.loads((shell.folder / "out" / "episode.json").read_text(encoding="utf-8"))["duration"] == 50.0
    assert [line for line in err.splitlines() if line.startswith("wrote")] == [
        f"wrote out/episode.{name}" for name in ("vtt", "json", "rttm", "txt")
    ]
    assert sorted(path.name for path in (shell.folder / "out").iterdir()) == [
        f"episode.{name}" for name in ("json", "rttm", "txt", "vtt")
    ]


def test_identify_writes_beside_the_audio_and_does_not_overwrite(shell: Shell) -> None:
    episode = noise(shell.folder / "episode.wav", 50)
    assert shell("identify", episode, "-f", "rttm")[0] == 0
    written = (shell.folder / "episode.rttm").read_bytes()
    assert shell("identify", episode, "-f", "rttm")[0] == 0  # the file is its own
    (shell.folder / "episode.rttm").write_bytes(written + b"\n")
    code, out, err = shell("identify", episode, "-f", "rttm")
    assert (code, out) == (1, "")
    assert err == f"error: {shell.folder / 'episode.rttm'} exists; --force overwrites it, -o DIR writes elsewhere\n"
    assert (shell.folder / "episode.rttm").read_bytes() == written + b"\n"
    assert shell("identify", episode, "-f", "rttm", "--force")[0] == 0
    assert (shell.folder / "episode.rttm").read_bytes() == written


def test_a_file_of_another_episode_is_not_taken_for_ones_own(shell: Shell) -> None:
    for folder in ("one", "two"):
        (shell.folder / folder).mkdir()
        noise(shell.folder / folder / "episode.wav", 50)
    assert shell("identify", "one/episode.wav", "-f", "rttm", "-o", "out")[0] == 0
    assert "exists; --force overwrites it" in shell("identify", "two/episode.wav", "-f", "rttm", "-o", "out")[2]


def test_identify_writes_one_format_to_stdout(shell: Shell) -> None:
    code, out, _ = shell("identify", noise(shell.folder / "episode.wav", 50), "-f", "rttm", "-o", "-")
    assert code == 0
    assert [line.split()[7] for line in out.splitlines() if line.startswith("SPEAKER")] == [
        turn.speaker for turn in TWO
    ]


def test_identify_prints_json(shell: Shell) -> None:
    code, out, _ = shell("identify", noise(shell.folder / "episode.wav", 50), "--json", "--no-store")
    assert code == 0
    assert json.loads(out)["duration"] == 50.0
    assert shell("episodes", "list", "--json")[1] == "[]\n"


def test_a_folder_that_cannot_be_written_leaves_nothing(shell: Shell) -> None:
    """It is told of before anything is heard, and no later command has to do with what was to be in it."""
    episode = noise(shell.folder / "episode.wav", 50)
    (shell.folder / "out").write_text("a file", encoding="utf-8")
    for command in (("identify", episode), ("batch", "run"), ("episodes", "export", "episode.wav")):
        code, _, err = shell(*command, "-f", "rttm", "-o", "out")
        assert code == cli.EXIT_USAGE
        assert "out is a file, not a folder" in err
    assert "out/x: cannot write there: " in shell("batch", "run", "-f", "rttm", "-o", "out/x/{show}")[2]
    assert "not to stdout; give a folder" in shell("batch", "run", "-f", "rttm", "-o", "-")[2]
    assert "out is a file, not a folder" in shell("evaluate", "--open-set", "x.tsv", "--svg", "out/rates.svg")[2]
    assert shell("episodes", "list") == (0, "", "No episodes yet. voicematch identify FILE stores the first.\n")


@pytest.mark.parametrize("command", [("evaluate", "--open-set", "x.tsv"), ("calibrate",)])
def test_a_drawing_overwrites_with_force_alone(shell: Shell, command: tuple[str, ...]) -> None:
    (shell.folder / "own.svg").write_text("mine")
    assert shell(*command, "--svg", "own.svg") == (1, "", "error: own.svg exists; --force overwrites it\n")
    assert (shell.folder / "own.svg").read_text() == "mine"
    assert "own.svg exists" not in shell(*command, "--svg", "own.svg", "--force", "--embedder", "nobody")[2]


def test_one_bad_file_of_several_fails_alone(shell: Shell) -> None:
    good = noise(shell.folder / "good.wav", 50)
    (shell.folder / "bad.mp3").write_text("this is no sound", encoding="utf-8")
    code, out, err = shell("identify", "bad.mp3", good, "gone.mp3")
    assert code == cli.EXIT_PARTIAL
    assert "good.wav" in out
    assert "error: bad.mp3" in err
    assert "error: gone.mp3" in err
    assert "2 of 3 files failed" in err


def test_a_single_bad_file_is_an_error(shell: Shell) -> None:
    code, out, err = shell("identify", "gone.mp3")
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("error: gone.mp3")


def test_interrupting_leaves_what_was_there(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    class Interrupted(FakeDiarizer):
        def diarize(
            self,
            audio: Sound,
            embedder: Embedder,
            *,
            speakers: tuple[int, int] | None = None,
            anchors: object = None,
            progress: Progress | None = None,
        ) -> Diarization:
            raise KeyboardInterrupt

    path = noise(shell.folder / "episode.wav", 50)
    code = cli.run(["identify", str(path), "-f", "rttm"], engines=Engines(Interrupted(), FakeEmbedder()))
    assert code == cli.EXIT_STOPPED
    assert "stopped" in capsys.readouterr().err
    assert not (shell.folder / "episode.rttm").exists()
    assert shell("episodes", "list", "--json")[1] == "[]\n"


def test_voices_needs_clips(shell: Shell) -> None:
    (shell.folder / "empty").mkdir()
    code, _, err = shell("identify", "episode.wav", "--voices", "empty")
    assert code == cli.EXIT_USAGE
    assert "no audio files to learn voices from" in err


def test_voices_of_a_folder_are_its_sounds_without_hidden_files(shell: Shell) -> None:
    (shell.folder / "voices").mkdir()
    noise(shell.folder / "voices" / "Ada.wav", 50)
    (shell.folder / "voices" / "._Ada.wav").write_bytes(b"\0\5\x16\7")  # as macOS puts beside it
    _, _, err = shell("identify", "episode.wav", "--voices", "voices")
    assert "Ada: more than one voice" in err  # the first clip that is read


def test_name_relabels_what_is_stored(shell: Shell) -> None:
    for seed in (1, 2):
        shell("identify", noise(shell.folder / f"episode{seed}.wav", 50, seed=seed))
    code, out, _ = shell("name", "episode1.wav:SPEAKER_01", "Grace", "--consent", "public")
    assert (code, out) == (0, "Named Grace; 2 voice(s) in 2 episode(s) changed their label\n")
    _, out, _ = shell("episodes", "show", "episode2.wav")
    assert [row[0] for row in cells(out)[-2:]] == ["SPEAKER_00", "Grace"]


def test_name_answers_in_json(shell: Shell) -> None:
    shell("identify", noise(shell.folder / "episode.wav", 50))
    code, out, _ = shell("name", "episode.wav:SPEAKER_01", "Grace", "--consent", "public", "--json")
    assert code == 0
    assert [change["after"] for change in json.loads(out)["changes"]] == ["Grace"]


def test_relabel_shows_and_then_does(shell: Shell) -> None:
    shell("identify", noise(shell.folder / "episode.wav", 50))
    shell.enroll()
    assert shell("episodes", "relabel", "--dry-run")[1].endswith("1 voice(s) would change their label\n")
    assert shell("episodes", "relabel")[1].endswith("1 voice(s) changed their label\n")
    assert json.loads(shell("episodes", "relabel", "--json")[1]) == []


def test_profiles(shell: Shell) -> None:
    assert shell("profiles", "list")[2].startswith("No profiles yet.")
    shell.enroll("Ada")
    shell("identify", noise(shell.folder / "episode.wav", 50))
    assert cells(shell("profiles", "list")[1])[1][0] == "Ada"
    assert [profile["name"] for profile in json.loads(shell("profiles", "list", "--json")[1])] == ["Ada"]
    shown = shell("profiles", "show", "ada")[1]
    assert "Voice profile active: 1 voiceprint(s), 0:20 of speech" in shown
    assert "episode" in shown
    assert len(json.loads(shell("profiles", "show", "Ada", "--json")[1])["appearances"]) == 1
    assert shell("profiles", "rename", "Ada", "Ada Byron")[:2] == (0, "Ada is now Ada Byron\n")
    assert "Ada Byron" in shell("episodes", "show", "episode.wav")[1]


def test_profiles_merge(shell: Shell) -> None:
    shell.enroll("Ada")
    shell.enroll("A. Byron")
    assert shell("profiles", "merge", "A. Byron", "Ada")[1] == "A. Byron is now part of Ada: 1 voiceprint(s)\n"


def test_profiles_forget(shell: Shell) -> None:
    shell.enroll("Ada")
    assert shell("profiles", "forget", "Ada", "--yes")[:2] == (
        0,
        "Erased Ada: 1 voiceprint(s), 1 clip(s), the voice in 0 episode(s)\n",
    )
    code, out, err = shell("profiles", "show", "Ada")
    assert (code, out) == (1, "")
    assert "no profile" in err


def test_profiles_forget_tells_before_what_it_would_leave(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.enroll("Ada")
    captions = "1\n00:00:01,000 --> 00:00:02,000\nThis is Ada, once Augusta.\n"
    (shell.folder / "episode.srt").write_text(captions, encoding="utf-8")
    shell("identify", noise(shell.folder / "episode.wav", 50), "--transcript", shell.folder / "episode.srt")
    shell("library", "backup", shell.folder / "copy.db")
    told = ("say the name, and stay; --words redacts them", "--backups erases there too")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n" * 3))
    code, _, err = shell("profiles", "forget", "Ada")
    assert code != 0
    assert [err.index(line) < err.index("for good?") for line in told] == [True, True]
    assert "2 line(s)" in shell("profiles", "forget", "Ada", "--also", "Augusta")[2]
    assert not any(line in shell("profiles", "forget", "Ada", "--words", "--backups")[2] for line in told)
    assert "--words would have redacted them" in shell("profiles", "forget", "Ada", "--yes")[1]


def test_episodes(shell: Shell) -> None:
    assert shell("episodes", "list")[2].startswith("No episodes yet.")
    shell("identify", noise(shell.folder / "episode.wav", 50))
    assert len(json.loads(shell("episodes", "list", "--json")[1])) == 1
    assert cells(shell("episodes", "list")[1])[0] == ["episode", "date", "length", "named", "voices", "hash"]
    assert json.loads(shell("episodes", "show", "episode.wav", "--json")[1])["duration"] == 50.0
    code, _, err = shell("episodes", "export", "episode.wav", "-f", "rttm", "-o", "out")
    assert (code, err) == (0, "wrote out/episode.rttm\n")
    assert shell("episodes", "export", "episode.wav", "-f", "rttm", "-o", "-")[1].count("SPEAKER episode") == 3
    assert shell("episodes", "export", "episode.wav", "-f", "rttm", "-f", "vtt", "-o", "-")[0] == cli.EXIT_USAGE


def test_search(shell: Shell) -> None:
    shell.enroll()
    (shell.folder / "episode.srt").write_text(
        "1\n00:00:01,000 --> 00:00:02,000\nContinual learning is hard.\n", encoding="utf-8"
    )
    shell("identify", noise(shell.folder / "episode.wav", 50), "--transcript", "episode.srt")
    code, out, _ = shell("search", "continual learning", "--speaker", "Ada")
    assert code == 0
    assert "Continual learning is hard." in out
    assert [hit["speaker"] for hit in json.loads(shell("search", "hard", "--json")[1])] == ["Ada"]
    assert shell("search", "nonsense") == (0, "", "nothing found\n")
    assert shell("search", "hard", "--since", "2024")[0] == 0
    assert shell("search", "hard", "--since", "2999-12") == (0, "", "nothing found\n")


def test_library(shell: Shell) -> None:
    assert shell("library", "path")[1] == f"{shell.library}\n"
    assert json.loads(shell("library", "stats", "--json")[1])["num_profiles"] == 0
    assert ["profiles", "0"] in [row[-2:] for row in cells(shell("library", "stats")[1])]
    assert shell("library", "check")[:2] == (0, "no damage found\n")
    assert shell("library", "backup", "copy.db")[0] == 0
    assert shell("library", "stats", "--library", "copy.db")[0] == 0
    (shell.folder / "junk.db").write_text("junk", encoding="utf-8")
    code, _, err = shell("library", "stats", "--library", "junk.db")
    assert code == 1
    assert len(err.splitlines()) == 1


def test_models(shell: Shell) -> None:
    assert {card["kind"] for card in json.loads(shell("models", "list", "--json")[1])} >= {"embedder"}
    assert "Apache-2.0" in shell("models", "list")[1]
    name = json.loads(shell("models", "list", "--json")[1])[0]["name"]
    assert Path(shell("models", "path", name)[1].strip()).is_file()
    assert f"{name}: intact" in shell("models", "verify")[1]
    code, _, err = shell("models", "path", "nonsense")
    assert code == 1
    assert "nonsense" in err


def test_models_verify_tells_what_is_missing(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from voicematch.models.table import MODELS, ModelCard

    absent = ModelCard(name="absent", kind="embedder", licence="none", description="", file="absent.onnx", dimension=1)
    monkeypatch.setitem(MODELS, "absent", absent)
    code, out, _ = shell("models", "verify")
    assert code == 1
    assert "absent: absent.onnx" in out


def test_evaluate_labels(shell: Shell) -> None:
    (shell.folder / "truth.rttm").write_text("SPEAKER e 1 0 10 <NA> <NA> Ada <NA> <NA>\n", encoding="utf-8")
    (shell.folder / "answer.rttm").write_text("SPEAKER e 1 0 8 <NA> <NA> Bob <NA> <NA>\n", encoding="utf-8")
    figures = json.loads(shell("evaluate", "truth.rttm", "answer.rttm", "--json")[1])
    assert figures["DER"] == pytest.approx(0.2)
    assert figures["IER"] == pytest.approx(1.0)
    assert ["DER", "20.0%"] in cells(shell("evaluate", "truth.rttm", "answer.rttm")[1])
    (shell.folder / "both.rttm").write_text(
        "".join(f"SPEAKER {name} 1 0 10 <NA> <NA> Ada <NA> <NA>\n" for name in "ef"), encoding="utf-8"
    )
    figures = json.loads(shell("evaluate", "both.rttm", "answer.rttm", "--json")[1])
    assert (figures["DER"], figures["recordings"]) == (pytest.approx(0.6), 2)
    (shell.folder / "late.uem").write_text("e 1 20 30\n", encoding="utf-8")
    code, _, err = shell("evaluate", "truth.rttm", "answer.rttm", "--uem", "late.uem")
    assert (code, err) == (1, "error: truth.rttm: nobody speaks in what is to be scored\n")
    assert shell("evaluate", "truth.rttm", "answer.rttm", "--collar", "nan")[0] == cli.EXIT_USAGE
    assert shell("evaluate", "truth.rttm")[0] == cli.EXIT_USAGE
    assert shell("evaluate", "--trials")[0] == cli.EXIT_USAGE
