"""The README's flow in the folder of the episodes, and other ways in which people call things."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.test_cli import Shell, cells
from tests.cli.test_cli import shell as shell  # the fixture
from tests.usecases.test_identify import noise
from voicematch import open_library
from voicematch.types import Turn

ONE = (Turn(0.0, 20.0, "SPEAKER_00"),)


def rows(table: str) -> list[str]:
    return [" ".join(row) for row in cells(table)[2:]]


def in_folder(shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str = "show") -> Path:
    folder = shell.folder / name
    folder.mkdir()
    for number in (1, 2):
        noise(folder / f"ep{number}.wav", 50, seed=number)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("spelled", ["{}", "./{}", "../show/{}", "../link/{}", "{folder}/{}", "other/../{}"])
def test_the_first_flow_in_the_folder_of_the_episodes(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, spelled: str
) -> None:
    """A voice that was named in one episode is named in the next, however its path is spelled."""
    folder = in_folder(shell, monkeypatch)
    (shell.folder / "link").symlink_to(folder)
    (folder / "other").mkdir()
    assert shell("identify", "ep1.wav", "-f", "vtt")[0] == 0
    assert (folder / "ep1.vtt").exists()
    code, out, _ = shell("name", "ep1.wav:SPEAKER_01", "Grace Hopper", "--consent", "public")
    assert (code, "Named Grace Hopper" in out) == (0, True)
    assert "Grace Hopper" in (folder / "ep1.vtt").read_text(encoding="utf-8")
    _, out, _ = shell("identify", spelled.format("ep2.wav", folder=folder))
    assert "Grace Hopper 100% 0:20 40% 1" in rows(out)


def test_sound_is_found_again_from_another_folder(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = in_folder(shell, monkeypatch)
    shell("identify", "ep1.wav")
    monkeypatch.chdir(shell.folder)
    code, _, err = shell("unknowns", "play", "U-0001", "-o", "clip.wav")
    assert (code, (shell.folder / "clip.wav").exists()) == (0, True), err
    with open_library(shell.library) as library:
        assert library.episodes.get("ep1.wav").source == str(folder / "ep1.wav")
    assert shell("episodes", "show", "show/ep1.wav")[0] == 0


def test_a_copy_is_the_same_recording_of_the_same_show(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = in_folder(shell, monkeypatch)
    shell("identify", "ep1.wav")
    shell("name", "ep1.wav:SPEAKER_01", "Grace Hopper", "--consent", "public")
    shell("identify", "ep2.wav", "-f", "md")
    copies = shell.folder / "copies"
    copies.mkdir()
    shutil.copy(folder / "ep2.wav", copies / "second.wav")
    _, out, _ = shell("identify", copies / "second.wav", "-f", "md")
    assert "Grace Hopper 100% 0:20 40% 1" in rows(out)
    for name in ("ep2.wav", "second.wav", str(copies / "second.wav")):
        assert shell("episodes", "show", name)[0] == 0
    shell("name", "second.wav:SPEAKER_00", "Ada", "--consent", "public")
    for file, title in ((folder / "ep2.md", "ep2"), (copies / "second.md", "second")):
        text = file.read_text(encoding="utf-8")
        assert f"\n# {title}\n" in text
        assert "**[[Ada]]**" in text


def test_another_recording_of_the_same_name_is_not_the_stored_one(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is one that lies in the folder worked in; a copy is, and a name alone where no such file is."""
    folder = in_folder(shell, monkeypatch)
    shell("identify", "ep1.wav")
    for name in ("other", "copy", "empty"):
        (shell.folder / name).mkdir()
    noise(shell.folder / "other" / "ep1.wav", 50, seed=9)
    (shell.folder / "other" / "ep1.txt").write_text("what is said", encoding="utf-8")
    shutil.copy(folder / "ep1.wav", shell.folder / "copy" / "ep1.wav")
    told = "the file {!r} is not identified yet: voicematch identify FILE, or name the stored one of that name by its"
    for key in ("../other/ep1.wav", "../other/ep1.txt"):
        assert told.format(key) in shell("name", f"{key}:SPEAKER_00", "Ada", "--consent", "public")[2]
    monkeypatch.chdir(shell.folder / "other")
    assert told.format("ep1.wav") in shell("episodes", "remove", "ep1.wav", "--yes")[2]
    for key in ("ep1", "ep1.txt", "../copy/ep1.wav"):
        assert shell("episodes", "show", key)[0] == 0
    for place in ("copy", "empty"):
        monkeypatch.chdir(shell.folder / place)
        assert shell("episodes", "show", "ep1.wav")[0] == 0


def test_a_recording_of_which_one_channel_was_heard_is_found_again(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = in_folder(shell, monkeypatch)
    shell("identify", "ep1.wav", "--channel", "1")
    for name, file in (("copy", "ep1.wav"), ("other", "ep2.wav")):
        (shell.folder / name).mkdir()
        shutil.copy(folder / file, shell.folder / name / "ep1.wav")
    assert shell("episodes", "show", "../copy/ep1.wav")[0] == 0
    assert shell("episodes", "show", "../other/ep1.wav")[0] == 1


def test_two_inputs_never_write_to_one_file(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (shell.folder / name).mkdir()
        noise(shell.folder / name / "ep.wav", 50, seed=len(name))
    code, out, err = shell("identify", "one/ep.wav", "two/ep.wav", "-f", "txt", "-o", "out", "--force")
    assert (code, out) == (1, "")
    assert err == "error: one/ep.wav and two/ep.wav would both be written to out/ep.txt; give them one at a time\n"
    assert not (shell.folder / "out").exists()


def test_outputs_that_are_gone_are_said(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = in_folder(shell, monkeypatch)
    shell("identify", "ep1.wav", "-f", "txt", "-o", "out")
    (folder / "out" / "moved").mkdir()
    (folder / "out" / "ep1.txt").rename(folder / "out" / "moved" / "ep1.txt")
    _, _, err = shell("name", "ep1.wav:SPEAKER_00", "Ada", "--consent", "public")
    gone = folder / "out" / "ep1.txt"
    assert err == f"warning: {gone} is gone; if it was moved, the file still shows the names of before\n"
    assert shell("name", "ep1.wav:SPEAKER_01", "Grace", "--consent", "public")[2] == ""  # said once


def test_a_clip_of_somebody_else_is_refused_and_can_be_taken_out(shell: Shell) -> None:
    shell.enroll("John Smith")
    other = noise(shell.folder / "other.wav", 50, seed=7)
    again = ("enroll", "John Smith", other, "--consent", "permission", "--speaker", "SPEAKER_01")
    code, out, err = shell(*again)
    assert (code, out) == (1, "")
    assert err.startswith("error: John Smith: does not sound like the John Smith enrolled before")
    assert "profiles remove" in err
    code, out, err = shell(*again, "--force")
    assert (code, out.startswith("Added to John Smith")) == (0, True)
    _, out, _ = shell("profiles", "show", "John Smith")
    numbered = [row for row in cells(out) if row[0].isdecimal()]
    assert [row[0] for row in numbered] == ["1", "2"]
    wrong = next(row[0] for row in numbered if row[1].endswith("other.wav"))
    assert shell("profiles", "remove", "John Smith", "7")[2] == (
        "error: John Smith has 2 voiceprint(s), and none of number 7\n"
    )
    code, out, _ = shell("profiles", "remove", "John Smith", wrong)
    assert (code, out.splitlines()[0]) == (0, "Took 1 out of John Smith; 1 voiceprint(s) left")
    _, out, _ = shell("profiles", "show", "John Smith")
    assert "other.wav" not in out


def test_the_same_clip_again_is_nothing_new(shell: Shell) -> None:
    shell.enroll("Ada")
    code, out, err = shell("enroll", "Ada", shell.folder / "clip.wav", "--consent", "permission", turns=ONE)
    assert (code, out, err) == (0, "Ada has this clip already; nothing is new\n", "")


def test_explain_says_why_a_voice_has_no_number(shell: Shell) -> None:
    turns = (Turn(0.0, 30.0, "SPEAKER_00"), Turn(30.0, 41.6, "SPEAKER_01"))
    _, out, _ = shell("identify", noise(shell.folder / "a.wav", 50), "--explain", turns=turns)
    assert "SPEAKER_01: has no number (U-0001): talks for 11 s; a voice is remembered from 20 s" in out
    assert "SPEAKER_00: has no number" not in out


def test_the_day_in_a_files_name(shell: Shell) -> None:
    shell("identify", noise(shell.folder / "2024-06-14 Title.wav", 50))
    with open_library(shell.library) as library:
        assert library.episodes.get("2024-06-14 Title.wav").date == "2024-06-14"


def test_a_track_and_a_channel_that_are_not_there(shell: Shell) -> None:
    file = noise(shell.folder / "a.wav", 50)
    assert shell("identify", file, "--track", "2")[2] == f"error: {file}: has no audio track 2; there are 1\n"
    assert shell("enroll", "Ada", file, "--channel", "2", "--consent", "self")[2] == (
        f"error: {file}: has no channel 2; there are 1\n"
    )
    assert shell("identify", file, "--track", "1", "--channel", "1")[0] == 0


def test_tags_tell_the_role_of_whom_it_was_said(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """At first, or with a later clip; in files that follow, exports and on stdout alike."""
    folder = in_folder(shell, monkeypatch)
    shell.enroll("Ada")
    assert shell("identify", "ep1.wav", "-f", "tags")[0] == 0
    assert '<podcast:person role="guest">Ada<' in (folder / "ep1.tags.xml").read_text(encoding="utf-8")
    again = ("enroll", "ada", shell.folder / "clip.wav", "--consent", "permission", "--role", "Host")
    assert shell(*again, turns=ONE)[0] == 0
    assert shell("identify", "ep1.wav", "-f", "tags")[0] == 0
    told = shell("episodes", "export", "ep1.wav", "-f", "tags", "-o", "-")[1]
    assert (folder / "ep1.tags.xml").read_text(encoding="utf-8") == told
    assert '<podcast:person role="host">Ada<' in told
    assert "<!--" not in told
