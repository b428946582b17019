"""``identify --keep-speakers``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.test_cli import Shell
from tests.cli.test_cli import shell as shell  # the fixture
from tests.usecases.test_identify import noise
from voicematch import cli
from voicematch.formats import read_file
from voicematch.types import Line

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def times(line: Line) -> str:
    return " --> ".join(f"00:{int(at) // 60:02d}:{at % 60:06.3f}".replace(".", ",") for at in (line.start, line.end))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--keep-speakers",), "--keep-speakers needs a --transcript"),
        (("--transcript", "t.srt", "--repair-drift"), "--repair-drift goes with --keep-speakers"),
    ],
)
def test_what_makes_no_sense_is_one_line(shell: Shell, arguments: tuple[str, ...], says: str) -> None:
    noise(shell.folder / "ep.wav", 50, seed=1)
    code, _, err = shell("identify", "ep.wav", *arguments)
    assert (code, says in err) == (2, True)


def test_the_report_is_printed_and_in_the_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(EXAMPLES / "episode.mp3", tmp_path)
    srt, voices = str(EXAMPLES / "episode.srt"), ["--voices", str(EXAMPLES / "voices"), "-q"]
    assert cli.run(["identify", "episode.mp3", "--transcript", srt, *voices, "-f", "srt"]) == 0
    lines = read_file(tmp_path / "episode.srt")
    assert {line.speaker for line in lines} == {"Ada", "Basil", "Conrad"}
    wrong = max(range(len(lines)), key=lambda idx: lines[idx].end - lines[idx].start)
    right = lines[wrong].speaker
    said = next(who for who in ("Ada", "Basil", "Conrad") if who != right)
    cues = [
        f"{idx}\n{times(line)}\n{said if idx == wrong else line.speaker}: {line.text}\n"
        for idx, line in enumerate(lines)
    ]
    (tmp_path / "wrong.srt").write_text("\n".join(cues))
    capsys.readouterr()
    asked = ["identify", "episode.mp3", "--transcript", "wrong.srt", "--keep-speakers", *voices]
    assert cli.run([*asked, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["drift"]
    assert (one["line"], one["said"], one["heard"], one["repaired"]) == (wrong, said, right, False)
    assert cli.run([*asked, "--repair-drift"]) == 0
    out = capsys.readouterr().out
    assert "1 line(s) sound like another speaker, given to whom is heard in them" in out
