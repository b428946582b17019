"""What an assistant says of a library: which line it means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from voicematch.assistant import answers, changes
from voicematch.errors import ChangedSince
from voicematch.library import Library, open_library
from voicematch.usecases import fix

KEY = "000000005eed5eed"


@pytest.fixture
def library(web_library_file: Path) -> Iterator[Library]:
    with open_library(web_library_file) as opened:
        yield opened


def texts(library: Library) -> list[str]:
    return [line.text for line in library.episodes.get(KEY).lines]


def split_the_first_line(library: Library) -> None:
    episode = library.episodes.get(KEY)
    fix.give(KEY, [fix.span_of_lines(episode, 0, to_word=1)], "SPEAKER_02", library=library)


def test_a_number_of_an_older_transcript_changes_no_other_line(library: Library) -> None:
    seen = answers.transcript(library, KEY)["seen"]
    split_the_first_line(library)
    before = texts(library)
    with pytest.raises(ChangedSince, match="changed since they were shown; load it again"):
        changes.fix_text(library, KEY, 3, "Moss.", seen=seen)
    assert texts(library) == before
    changes.fix_text(library, KEY, 4, "Moss.", seen=answers.transcript(library, KEY)["seen"])
    assert texts(library)[4] == "Moss."


def test_several_lines_of_one_transcript_are_fixed_in_turn(library: Library) -> None:
    before = texts(library)
    first = changes.fix_text(library, KEY, 3, "Moss.", seen=answers.transcript(library, KEY)["seen"])
    changes.fix_text(library, KEY, 4, "Ferns.", seen=first["seen"])
    assert texts(library) == [*before[:3], "Moss.", "Ferns.", *before[5:]]
