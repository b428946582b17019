"""Templates that cannot be made to write elsewhere, and files that are never half there."""

from __future__ import annotations

import random
import sys
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicematch.errors import OutputExists, VoicematchError
from voicematch.library import open_library
from voicematch.outputs import LONGEST_NAME, file_name, fill, try_folder, try_place, write_atomically


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Grüße", "Grüße"),
        ("Gru\u0308ße", "Grüße"),
        ("../../etc/passwd", "etc-passwd"),
        ("a\x00b\nc\u202ed", "a b c d"),
        ("C:\\x", "C-x"),
        ("-rf ", "rf"),
        (" .hidden.", "hidden"),
        ("NUL", "_NUL"),
        ("/", ""),
        ("é" * 100, "é" * 60),
    ],
)
def test_names_of_files(text: str, name: str) -> None:
    assert file_name(text) == name


@given(st.text(), st.text())
def test_no_value_leaves_its_place(show: str, title: str) -> None:
    path = PurePosixPath(fill("/out/{show}/{title}.srt", {"show": show, "title": title}))
    assert path.parts[:2] == ("/", "out")
    assert len(path.parts) == 4
    assert ".." not in path.parts
    assert all(len(part.encode()) <= LONGEST_NAME + 5 for part in path.parts)


def test_a_value_that_is_not_there() -> None:
    assert fill("{show}/{date}-{title}", {"title": "A"}) == "no show/no date-A"


@pytest.mark.parametrize("template", ["{guid}", "{title.__class__}", "{title!r}", "{title:>9}", "{", "{}", "{0}"])
def test_templates_with_something_else_in_braces(template: str) -> None:
    with pytest.raises(VoicematchError, match=r"there are {show}|write a field as {title}"):
        fill(template, {})


def test_a_folder_that_is_tried_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    try_folder(tmp_path / "new" / "deep")
    try_folder(tmp_path / "there")
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VoicematchError, match="file is a file, not a folder"):
        try_folder(tmp_path / "file")
    with pytest.raises(VoicematchError, match="deep: cannot write there: "):
        try_folder(tmp_path / "file" / "deep")
    with pytest.raises(VoicematchError, match="file is a file, not a folder"):
        try_place(tmp_path / "file" / "deep")


def test_a_place_is_tried_without_being_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "rmdir", lambda path: pytest.fail(f"{path} was made"))
    try_place(tmp_path / "new" / "deep")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_whole(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new" / "a.srt", "one\r\ntwo\n")
    write_atomically(tmp_path / "new" / "a.srt", "three\n")
    assert (tmp_path / "new" / "a.srt").read_bytes() == b"three\n"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.srt"]


@pytest.mark.skipif(sys.platform == "win32", reason="modes")
def test_a_private_file_is_its_users_alone(tmp_path: Path) -> None:
    write_atomically(tmp_path / "ada.json", "{}", private=True)
    assert (tmp_path / "ada.json").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a.srt").mkdir()
    with pytest.raises(VoicematchError, match=r"a\.srt: cannot write: Is a directory"):
        write_atomically(tmp_path / "a.srt", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["a.srt"]


def test_no_output_takes_the_place_of_a_library(tmp_path: Path) -> None:
    plain, sealed = tmp_path / "library.db", tmp_path / "sealed.db"
    open_library(plain).close()
    sealed.write_bytes(random.Random(0).randbytes(8192))  # what SQLCipher writes looks like this
    for path in (plain, sealed):
        before = path.read_bytes()
        with pytest.raises(OutputExists, match="looks like a library"):
            write_atomically(path, "words")
        with pytest.raises(OutputExists, match="looks like a library"):
            write_atomically(path, "words", private=True)
        assert path.read_bytes() == before
    for other in (b"", b"words", bytes(8192)):
        (tmp_path / "other").write_bytes(other)
        write_atomically(tmp_path / "other", "words")
