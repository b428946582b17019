from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.library_example import CLIP, DIMENSION, EMBEDDER
from voicematch.errors import EmbedderMismatch, FormatError, LibraryError, ProfileNotFound
from voicematch.library import Library, open_library
from voicematch.usecases.exchange import Imported, import_profiles, write_profiles


def test_profiles_come_back_as_they_went_out(filled: Library, tmp_path: Path) -> None:
    text = write_profiles(filled, ["Ann Lee", "Bob"], with_clips=True)
    with open_library(tmp_path / "other.db", embedder=EMBEDDER, dimension=DIMENSION) as other:
        imported = import_profiles(text, "voices.json", library=other)
        assert imported == (Imported("Ann Lee", True, 2), Imported("Bob", True, 1))
        assert write_profiles(other, ["Ann Lee", "Bob"], with_clips=True) == text
        assert [clip for _, clip in other.voiceprints.clips("Ann Lee")] == [CLIP]
        assert (other.profiles.get("Ann Lee").role, other.profiles.get("Ann Lee").note) == ("host", "met in 2024")
        assert other.profiles.get("Ann Lee").consent == ("permission",)
        assert import_profiles(text, "voices.json", library=other)[0] == Imported("Ann Lee", False, 0)
        assert other.profiles.get("Ann Lee").num_voiceprints == 2


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
    node[last] = value
    return json.dumps(document)


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
        ("profiles.0.clips", None, 'no "clips" here'),
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
