from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as image  # noqa: N813

from tests.support.library_example import DIMENSION, EMBEDDER, embedding
from voicematch.audio import decode_clip, encode_clip
from voicematch.cli.terminal import print_table
from voicematch.errors import EmbedderMismatch, FormatError, LibraryError, ProfileNotFound
from voicematch.library import Library, open_library
from voicematch.library.portrayals import Portrayal
from voicematch.usecases.exchange import (
    Imported,
    checksum,
    import_profiles,
    people,
    read_file,
    take_in,
    without,
    write_profiles,
)

SOUND = encode_clip(np.sin(np.arange(32_000, dtype=np.float32)) * np.float32(0.1))


@pytest.fixture
def filled(filled: Library) -> Library:
    """The example's clip is no sound; here Ann has one that is."""
    voice = [embedding(0, start=1.0, end=11.0), embedding(3, start=11.0, end=21.0)]
    said = {"consent": "permission", "source": "ann.wav", "audio_sha256": "aa" * 32}
    filled.voiceprints.add("Ann Lee", voice, embedder=EMBEDDER, clip=SOUND, consent_note="in a letter", **said)
    return filled


def test_profiles_come_back_as_they_went_out(filled: Library, tmp_path: Path) -> None:
    text = write_profiles(filled, ["Ann Lee", "Bob"], with_clips=True)
    with open_library(tmp_path / "other.db", embedder=EMBEDDER, dimension=DIMENSION) as other:
        imported = import_profiles(text, "voices.json", library=other)
        assert imported == (Imported("Ann Lee", True, 2), Imported("Bob", True, 1))
        assert write_profiles(other, ["Ann Lee", "Bob"], with_clips=False) == write_profiles(
            filled, ["Ann Lee", "Bob"], with_clips=False
        )
        assert [len(decode_clip(clip)) for _, clip in other.voiceprints.clips("Ann Lee")] == [32_000]
        assert (other.profiles.get("Ann Lee").role, other.profiles.get("Ann Lee").note) == ("host", "met in 2024")
        assert other.profiles.get("Ann Lee").consent == ("permission",)
        assert import_profiles(text, "voices.json", library=other)[0] == Imported("Ann Lee", False, 0)
        assert other.profiles.get("Ann Lee").num_voiceprints == 2


def picture(color: str, *, secret: bytes = b"") -> bytes:
    held = io.BytesIO()
    image.new("RGB", (480, 480), color).save(held, "JPEG", comment=secret)
    return held.getvalue()


@pytest.mark.parametrize("voices", [True, False])
def test_what_a_person_entered_of_somebody_comes_along(filled: Library, tmp_path: Path, voices: bool) -> None:
    filled.portrayals.tell("Ann Lee", "Keeps hens.", ["https://ann.example.org", "https://hens.example"])
    filled.portrayals.show("Ann Lee", picture("teal", secret=b"a place"))
    text = write_profiles(filled, ["Ann Lee", "Bob"], with_clips=False, voices=voices)
    with open_library(tmp_path / "other.db", embedder=EMBEDDER, dimension=DIMENSION) as other:
        import_profiles(text, "voices.json", library=other)
        ann, bob = (other.people.id(name) for name in ("Ann Lee", "Bob"))
        told = other.portrayals.of(ann)
        assert (told.about, told.links) == ("Keeps hens.", ("https://ann.example.org", "https://hens.example"))
        kept = other.portrayals.picture(ann)
        assert kept is not None
        assert b"a place" not in kept
        shown = image.open(io.BytesIO(kept))
        assert (shown.format, shown.size) == ("JPEG", (480, 480))
        assert np.abs(np.asarray(shown, np.int64) - (0, 128, 128)).max() < 4
        assert other.portrayals.of(bob) == Portrayal()
        import_profiles(text, "voices.json", library=other)  # once more changes nothing
        assert other.portrayals.of(ann) == told


def test_what_a_library_tells_of_somebody_stays(filled: Library, tmp_path: Path) -> None:
    filled.portrayals.tell("Ann Lee", "Keeps hens.", ["https://ann.example.org"])
    filled.portrayals.show("Ann Lee", picture("teal"))
    text = write_profiles(filled, ["Ann Lee"], with_clips=False)
    with open_library(tmp_path / "other.db", embedder=EMBEDDER, dimension=DIMENSION) as other:
        other.profiles.create("ann lee", role="guest")
        other.portrayals.tell("Ann Lee", "Keeps bees.", [])
        other.portrayals.show("Ann Lee", b"a picture of ours")
        import_profiles(text, "voices.json", library=other)
        known, told = other.profiles.get("Ann Lee"), other.portrayals.of(other.people.id("Ann Lee"))
        assert (known.role, known.note) == ("guest", "met in 2024")
        assert (told.about, told.links) == ("Keeps bees.", ("https://ann.example.org",))
        assert other.portrayals.picture(other.people.id("Ann Lee")) == b"a picture of ours"


def test_a_file_of_an_earlier_version_tells_less(filled: Library, tmp_path: Path) -> None:
    document = json.loads(write_profiles(filled, ["Bob"], with_clips=False))
    for name in ("about", "links", "picture"):
        del document["profiles"][0][name]
    text = json.dumps(document | {"sha256": checksum(document)})
    with open_library(tmp_path / "other.db", embedder=EMBEDDER, dimension=DIMENSION) as other:
        assert import_profiles(text, "voices.json", library=other) == (Imported("Bob", True, 1),)


def test_a_picture_that_nothing_here_can_read_is_left_out(
    filled: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    filled.portrayals.show("Bob", picture("teal"))
    text = write_profiles(filled, ["Bob"], with_clips=False)
    monkeypatch.setattr("voicematch.usecases.exchange.find_spec", lambda name: None)
    with open_library(tmp_path / "other.db", embedder=EMBEDDER, dimension=DIMENSION) as other:
        import_profiles(text, "voices.json", library=other)
        assert other.portrayals.picture(other.people.id("Bob")) is None
    assert "the picture of Bob is left out" in caplog.text


def test_a_consent_of_an_unknown_day_stays_one(filled: Library, tmp_path: Path) -> None:
    document = json.loads(write_profiles(filled, ["Bob"], with_clips=False))
    document["profiles"][0]["voiceprints"][0]["consent_date"] = None
    text = json.dumps(document | {"sha256": checksum(document)})
    with open_library(tmp_path / "other.db", embedder=EMBEDDER, dimension=DIMENSION) as other:
        import_profiles(text, "voices.json", library=other)
        assert [str(consent) for consent in other.profiles.get("Bob").consents] == ["public, on an unknown day"]
        assert json.loads(write_profiles(other, ["Bob"], with_clips=False)) == json.loads(text)


def test_clips_stay_where_they_were_not_asked_for(filled: Library) -> None:
    (profile,) = json.loads(write_profiles(filled, ["ann lee"], with_clips=False))["profiles"]
    assert profile["clips"] == []
    assert [voiceprint["clip"] for voiceprint in profile["voiceprints"]] == [None, None]


def test_a_profile_that_is_not_there_cannot_be_written(filled: Library) -> None:
    with pytest.raises(ProfileNotFound):
        write_profiles(filled, ["Zoe"], with_clips=False)


def change(document: dict[str, Any], path: str, value: object) -> str:
    *parents, last = path.split(".")
    node: Any = document
    for step in parents:
        node = node[int(step) if step.isdigit() else step]
    node[int(last) if last.isdigit() else last] = value
    return json.dumps(document | {"sha256": checksum(document)})


FIRST = "profiles.0.voiceprints.0"


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("format", "voicematch episode", 'expected "voicematch profiles"'),
        ("version", 2, "version 1 is the one known here"),
        (f"{FIRST}.vector", "AAA", "expected base64"),
        (f"{FIRST}.vector", "AAAA", "expected 32-bit numbers"),
        (f"{FIRST}.vector", "", "expected 32-bit numbers"),
        (f"{FIRST}.consent", "sure", "expected one of self, permission, public"),
        (f"{FIRST}.clip", 1, "no such clip"),
        (f"{FIRST}.seconds", "long", "expected a number"),
        (f"{FIRST}.vector", "AAAA" * 2 + "AAA=", "expected 32-bit numbers|expected 4 numbers, not 2"),
        (f"{FIRST}.vector", "AAAA" * 8, "expected 4 numbers, not 6"),
        (f"{FIRST}.consent_date", "not a date", "expected a day, as 2024-01-31"),
        (f"{FIRST}.consent_date", "20240131", "expected a day, as 2024-01-31"),
        (f"{FIRST}.audio_sha256", "../../etc", "expected 64 hexadecimal digits"),
        ("profiles.0.clips.0", "ZkxhQw==", "expected sound"),
        ("profiles.0.clips", None, 'no "clips" here'),
        ("profiles.0.picture", "../../etc/passwd", "expected base64"),
        ("profiles.0.picture", "PHN2Zy8+", "expected a picture"),
        pytest.param("profiles.0.picture", "A" * (28 << 20), "a picture of more than 20 MiB", id="a large picture"),
        ("profiles.0.links", ["javascript:alert(1)"], "is no address"),
        ("profiles.0.links", ["https://a.example b"], "is no address"),
        ("profiles.0.links", "https://a.example", "expected a list"),
        ("profiles.0.about", 7, "expected a text"),
    ],
)
def test_a_file_that_does_not_fit_changes_nothing(filled: Library, path: str, value: object, says: str) -> None:
    document = json.loads(write_profiles(filled, ["Ann Lee"], with_clips=True))
    document["profiles"].insert(0, {**document["profiles"][0], "name": "Zoe"})
    text = change(document, path.replace("profiles.0", "profiles.1"), value)
    with pytest.raises(FormatError, match=says):
        import_profiles(text, "voices.json", library=filled)
    assert filled.profiles.find("Zoe") is None


def test_voices_of_another_model_are_refused(filled: Library) -> None:
    text = change(json.loads(write_profiles(filled, ["Bob"], with_clips=False)), "embedder", "grand")
    with pytest.raises(EmbedderMismatch, match="these are voices of 'grand'"):
        import_profiles(text, "voices.json", library=filled)


def test_a_vector_that_is_none_is_refused(filled: Library) -> None:
    document = json.loads(write_profiles(filled, ["Bob"], with_clips=False))
    with pytest.raises(LibraryError, match="not of unit length"):
        import_profiles(change(document, f"{FIRST}.vector", "AAAA" * 5 + "AA=="), "voices.json", library=filled)


@pytest.mark.parametrize("name", ["Eva\u202elleN", "Bo\u200bb", "Ann\u2066", "Z\x07oe", "\ue000"])
def test_a_name_that_reads_otherwise_than_it_is_spelled_is_refused(filled: Library, name: str) -> None:
    document = json.loads(write_profiles(filled, ["Bob"], with_clips=False))
    with pytest.raises(LibraryError, match="change how it reads"):
        import_profiles(change(document, "profiles.0.name", name), "voices.json", library=filled)
    with pytest.raises(LibraryError, match="change how it reads"):
        filled.profiles.rename("Bob", name)


def test_what_is_said_of_somebody_cannot_change_the_terminal(
    filled: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(write_profiles(filled, ["Bob"], with_clips=False))
    document["profiles"][0] |= {"name": "Zoe", "role": "host\x1b[2J", "note": "a\x1b]0;b"}
    voiceprint = document["profiles"][0]["voiceprints"][0]
    voiceprint |= {"source": "a  b\x1b.wav", "consent_note": "on\nair\u202e"}
    import_profiles(change(document, "profiles.0.name", "Zoe"), "voices.json", library=filled)
    zoe = filled.profiles.get("Zoe")
    (row,) = filled.voiceprints.rows("Zoe")
    assert (zoe.role, zoe.note, row.source, row.consent_note) == ("host [2J", "a ]0;b", "a  b .wav", "on air")
    assert filled.profiles.describe("Zoe", role="guest\x9b1m").role == "guest 1m"
    print_table(("file",), [("x\x1b[2J.wav",)])
    assert "x\N{REPLACEMENT CHARACTER}[2J.wav" in capsys.readouterr().out


def test_a_name_with_a_joiner_of_its_script_is_taken(filled: Library) -> None:
    assert filled.profiles.rename("Bob", "علی\u200cرضا").name == "علی\u200cرضا"


def test_one_changed_byte_is_found_out(filled: Library) -> None:
    text = write_profiles(filled, ["Ann Lee"], with_clips=True)
    with pytest.raises(FormatError, match="was changed since it was written, or is damaged"):
        import_profiles(text.replace("met in 2024", "met in 2025"), "voices.json", library=filled)


def test_a_file_of_before_checksums_is_taken_with_a_warning(filled: Library, caplog: pytest.LogCaptureFixture) -> None:
    document = json.loads(write_profiles(filled, ["Bob"], with_clips=False))
    del document["sha256"]
    import_profiles(json.dumps(document), "voices.json", library=filled)
    assert "carries no checksum" in caplog.text


def test_without_voices_it_is_a_list_of_people(filled: Library, tmp_path: Path) -> None:
    text = write_profiles(filled, ["Ann Lee"], with_clips=False, voices=False)
    (voiceprint, _) = json.loads(text)["profiles"][0]["voiceprints"]
    assert "vector" not in voiceprint
    assert (voiceprint["consent"], voiceprint["consent_note"]) == ("permission", "in a letter")
    with open_library(tmp_path / "other.db", embedder=EMBEDDER, dimension=DIMENSION) as other:
        assert import_profiles(text, "people.json", library=other) == (Imported("Ann Lee", True, 0),)


def test_one_person_can_be_taken_out_of_a_file(filled: Library) -> None:
    text = write_profiles(filled, ["Ann Lee", "Bob"], with_clips=True)
    assert dict(people(text, "voices.json"))["Bob"] == {("bb" * 32, 0.0, 10.0)}
    rest = without(text, "voices.json", lambda name, _: name == "Ann Lee")
    assert rest == write_profiles(filled, ["Bob"], with_clips=True)
    assert without(rest, "voices.json", lambda name, _: name == "Bob") is None
    odd = {**json.loads(text), "note": float("nan")}
    odd["sha256"] = checksum(odd)
    assert '"note": NaN' in (without(json.dumps(odd), "voices.json", lambda name, _: name == "Ann Lee") or "")


def test_what_is_no_file_of_profiles(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "latin.json").write_bytes(b'{"name": "Zo\xeb"}')
    for path, says in (
        (Path("/dev/zero"), "cannot be read: a device, not a file"),
        (tmp_path / "pipe", "a pipe; save what comes out of it"),
        (tmp_path, "a directory; name a file in it"),
        (tmp_path / "latin.json", "not UTF-8 at byte 12"),
        (tmp_path / "gone.json", "cannot be read: No such file"),
    ):
        with pytest.raises(FormatError, match=says):
            read_file(path)
    with (tmp_path / "vast.json").open("wb") as file:
        file.truncate((256 << 20) + 1)
    with pytest.raises(FormatError, match="larger than 256 MiB"):
        read_file(tmp_path / "vast.json")


def test_taking_in_is_one_step(filled: Library) -> None:
    imported, changes = take_in(write_profiles(filled, ["Bob"], with_clips=False), "voices.json", library=filled)
    assert imported == (Imported("Bob", False, 0),)
    assert [change.before for change in changes] == ["Ann Lee"]  # without a calibration nobody is named
