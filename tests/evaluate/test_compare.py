"""Engines side by side: what is measured, what is judged, and that one that fails leaves the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.fakes import FakeDiarizer, FakeEmbedder
from tests.support.tones import write_episode
from voicematch import cli
from voicematch.evaluate import compare
from voicematch.evaluate.compare import Compared, Measured, Recording, alone
from voicematch.types import Turn

TRUTH = (Turn(0.0, 6.0, "Ada"), Turn(6.0, 12.0, "Basil"))
RTTM = "SPEAKER e 1 0 6 <NA> <NA> Ada <NA> <NA>\nSPEAKER e 1 6 6 <NA> <NA> Basil <NA> <NA>\n"


@pytest.fixture
def episode(tmp_path: Path) -> Path:
    """Six seconds of each of two voices, and the truth beside it."""
    path = write_episode(tmp_path / "episode.wav", "AB", seconds=6.0)
    path.with_suffix(".rttm").write_text(RTTM, encoding="utf-8")
    return path


def test_the_truth_is_found_beside_the_audio_or_taken_from_elsewhere(episode: Path, tmp_path: Path) -> None:
    assert compare.recording(str(episode)) == Recording(str(episode), TRUTH)
    other = tmp_path / "other.rttm"
    other.write_text(RTTM.splitlines()[0], encoding="utf-8")
    other.with_suffix(".uem").write_text("e 1 0 8\n", encoding="utf-8")
    assert compare.recording(str(episode), other) == Recording(str(episode), TRUTH[:1], ((0.0, 8.0),))
    episode.with_suffix(".rttm").rename(tmp_path / "ref.rttm")
    assert compare.recording(str(episode)).turns == TRUTH
    (tmp_path / "ref.rttm").unlink()
    assert compare.recording(str(episode)) == Recording(str(episode))
    assert compare.recording("") == Recording("")  # what is wrong with it, hearing it says


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ((), []),
        ((Turn(0.0, 1.9, "Ada"),), []),
        ((Turn(0.0, 4.0, "Ada"),), [(0.0, "Ada"), (2.0, "Ada")]),
        ((Turn(0.0, 1.0, "Ada"), Turn(1.0, 2.0, "Ada")), [(0.0, "Ada")]),
        ((Turn(0.0, 6.0, "Ada"), Turn(2.0, 4.0, "Bob")), [(0.0, "Ada"), (4.0, "Ada")]),
        ((Turn(0.0, 6.0, "Ada"), Turn(0.0, 6.0, "Bob")), []),
    ],
)
def test_pieces_in_which_one_voice_is_alone(turns: tuple[Turn, ...], expected: list[tuple[float, str]]) -> None:
    assert alone(turns) == expected


def test_a_pair_is_measured_on_all_recordings(episode: Path) -> None:
    known, unknown = compare.recording(str(episode)), Recording(str(episode))
    measured = compare.measure([known, unknown], FakeDiarizer(*TRUTH), FakeEmbedder())
    assert measured.turns == (TRUTH, TRUTH)
    assert measured.audio_seconds == 24.0
    assert measured.seconds > 0
    assert (measured.target, measured.nontarget) == ((1.0,) * 6, (0.0,) * 9)  # 3 + 3 pairs of one voice, 3 x 3 of two


def test_a_truth_that_goes_on_where_the_recording_has_ended_is_measured_as_far_as_there_is_sound(episode: Path) -> None:
    truth = (TRUTH[0], Turn(6.0, 17.0, "Basil"), Turn(40.0, 45.0, "Ada"))
    measured = compare.measure([Recording(str(episode), truth)], FakeDiarizer(*TRUTH), FakeEmbedder())
    assert (measured.target, measured.nontarget) == ((1.0,) * 6, (0.0,) * 9)


def test_it_is_judged_by_what_is_known_of_the_truth() -> None:
    recordings = [Recording("a", TRUTH), Recording("b")]
    found = (Turn(0.0, 6.0, "S0"), Turn(6.0, 9.0, "S1"))
    measured = Measured((found, found), 24.0, 6.0, (1.0, 0.2), (0.1, 0.0), 100.0)
    one = compare.judge("d", "e", recordings, measured)
    assert one.score is not None
    assert (one.score.der, one.score.num_episodes) == (0.25, 1)
    assert (one.eer, one.seconds_per_hour, one.peak_mb) == (0.0, 900.0, 100.0)
    blind = compare.judge("d", "e", recordings[1:], Measured((found,), 12.0, 6.0, (), (), None))
    assert (blind.score, blind.eer) == (None, None)


def test_what_is_installed_includes_what_comes_with_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEMATCH_MODELS", str(tmp_path))
    assert compare.installed() == (("built-in",), ("ecapa-small-4", "campplus", "campplus-ecapa", "campplus-2"))


def test_the_command_shows_pairs_side_by_side_and_goes_on_after_a_failure(
    episode: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEMATCH_MODELS", str(tmp_path / "no models"))
    arguments = ["models", "compare", str(episode), "--embedder", "ecapa-small-4", "--embedder", "ecapa512", "--quiet"]
    assert cli.run([*arguments, "--json"]) == cli.EXIT_PARTIAL
    right, wrong = json.loads(capsys.readouterr().out)
    assert (right["diarizer"], right["embedder"], right["error"]) == ("built-in", "ecapa-small-4", None)
    assert (right["audio_seconds"], right["episodes with truth"]) == (12.0, 1)
    assert right["DER"] == 1.0  # a tone is no speech
    assert right["seconds_per_hour"] > 0
    assert right["eer"] is not None
    assert (wrong["embedder"], wrong["DER"]) == ("ecapa512", None)
    assert "voicematch models pull ecapa512" in wrong["error"]


def test_the_table_names_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    from voicematch.cli.models import _show

    measured = Measured((TRUTH,), 12.0, 1.2, (1.0,), (0.0,), 512.0)
    _show((compare.judge("built-in", "a", [Recording("e", TRUTH)], measured), Compared("b", "c", error="no")), 0.0)
    said = capsys.readouterr()
    row = next(line.split() for line in said.out.splitlines() if "built-in" in line)
    assert row == [
        "built-in",
        "a",
        "0.0%",
        "(0.0%",
        "+",
        "0.0%",
        "+",
        "0.0%)",
        "1",
        "of",
        "1",
        "0.0%",
        "360.0",
        "512",
        "MB",
    ]
    assert said.err == "b with c: no\n"


def test_usage(episode: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = str(episode.with_suffix(".rttm"))
    assert cli.run(["models", "compare", str(episode), str(episode), "--reference", truth]) == cli.EXIT_USAGE
    assert "--reference goes with one AUDIO" in capsys.readouterr().err
    assert cli.run(["models", "export", "pyannote-3.1"]) == cli.EXIT_ERROR
    assert "'pyannote-3.1' cannot be exported; it does not run in ONNX Runtime" in capsys.readouterr().err
    assert cli.run(["models", "export", "ecapa-small-4", str(episode / "a.onnx")]) == cli.EXIT_USAGE
    assert "episode.wav is a file, not a folder" in capsys.readouterr().err
