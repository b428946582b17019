"""Values that no constraint stops and that cannot be right: found, and taken out where asked."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import sqlalchemy as sa

from voicematch.errors import LibraryError
from voicematch.library import Library

DAMAGE = {
    "an emptied clip": ("UPDATE clips SET audio = x''", "clips 1: is empty"),
    "another clip": ("UPDATE clips SET audio = x'00ff'", "clips 1: is not the sound that was kept"),
    "a turn that ends before it begins": (
        "UPDATE turns SET stop = -1 WHERE position = 0",
        "turns 1/0: impossible times",
    ),
    "a turn without end": ("UPDATE turns SET stop = 9e99 WHERE position = 0", "turns 1/0: impossible times"),
    "a turn after the end": (
        "UPDATE turns SET stop = 500 WHERE position = 2",
        "turns 1/2: after the end of its episode",
    ),
    "an unknown verdict": ("UPDATE speakers SET verdict = 'surely'", "speakers 1: an unknown verdict"),
    "accepted as nobody": ("UPDATE speakers SET profile_id = NULL WHERE id = 1", "speakers 1: accepted, but as nobody"),
    "a probability of 7": ("UPDATE speakers SET probability = 7", "speakers 1: an impossible probability"),
    "reasons that are no list": ("UPDATE speakers SET reasons = '{\"a\": 1}'", "speakers 1: reasons cannot be read"),
    "reasons cut short": ("UPDATE speakers SET reasons = '[\"a'", "speakers 1: reasons cannot be read"),
    "words cut short": ("UPDATE lines SET words = '[[0' WHERE position = 0", "lines 1: words cannot be read"),
    "words of another kind": ("UPDATE lines SET words = '[[1]]' WHERE position = 0", "lines 1: words cannot be read"),
    "others of another kind": ("UPDATE lines SET others = '3' WHERE position = 0", "lines 1: others cannot be read"),
    "a line that ends before it begins": (
        "UPDATE lines SET start = 99 WHERE position = 0",
        "lines 1: impossible times",
    ),
    "chapters of another kind": ("UPDATE episodes SET chapters = '[1]'", "episodes 1: chapters cannot be read"),
    "a duration of -5": ("UPDATE episodes SET duration = -5", "episodes 1: an impossible duration"),
    "a consent that is none": (
        "UPDATE voiceprints SET consent = 'sure' WHERE id = 1",
        "voiceprints 1: kept for no known",
    ),
    "a score of 40": ("UPDATE candidates SET score = 40 WHERE position = 0", "candidates 1/1: an impossible score"),
    "a name under another key": ("UPDATE profiles SET name_key = 'x' WHERE id = 1", "profiles 1: 'Ann Lee' would not"),
    "a fix of no kind": ("UPDATE fixes SET kind = 'paint'", "fixes 1: of no known kind"),
    "a fix of no speaker": ("UPDATE fixes SET label = NULL", "fixes 1: of no speaker"),
    "a fix of no time": ("UPDATE fixes SET spans = '[[0]]'", "fixes 1: spans cannot be read"),
    "turns as they were heard, cut short": (
        "UPDATE as_heard SET turns = '[[0, 1]]'",
        "as_heard 1: turns cannot be read",
    ),
    "lines as heard, cut short": ("UPDATE as_heard SET lines = '[[0'", "as_heard 1: lines cannot be read"),
    "a job in no state": ("UPDATE jobs SET state = 'lost'", "jobs 1: in no known state"),
    "a dimension that is none": ("UPDATE settings SET value = 'wide' WHERE key = 'dimension'", "no length of vectors"),
    "a job about nothing": ("UPDATE jobs SET about = 'x'", "jobs 1: about cannot be read"),
}
OF_SQLITE = {
    "a text for a number": ("UPDATE turns SET start = 'soon' WHERE position = 0", "start holds what is no real"),
    "a number for a text": ("UPDATE speakers SET reasons = x'00' WHERE id = 1", "reasons holds what is no text"),
}


@pytest.fixture
def filled(filled: Library) -> Library:
    from voicematch.library import AsHeard, NewJob
    from voicematch.transcript.fixing import Fix, FixKind

    filled.jobs.add([NewJob("k", "/show/1.mp3", "Episode 1")])
    stored = filled.episodes.get("episode-1")
    voices = filled.speakers.embeddings(stored.audio_sha256)
    filled.fixes.add(stored.audio_sha256, [Fix(FixKind.GIVE, ((4.0, 8.0),), "SPEAKER_00")])
    filled.fixes.keep_heard(stored.audio_sha256, AsHeard(stored.turns, stored.lines, voices, {}))
    return filled


@pytest.mark.parametrize("name", [*DAMAGE, *OF_SQLITE])
def test_what_cannot_be_right_is_found_and_taken_out(filled: Library, name: str) -> None:
    if name in OF_SQLITE and filled.path is None:
        pytest.skip("PostgreSQL refuses that itself")
    statement, finding = (DAMAGE | OF_SQLITE)[name]
    with filled._database.write() as connection:
        connection.execute(sa.text(statement.replace("= x'", "= '\\x") if filled.path is None else statement))
    assert any(finding in line for line in filled.upkeep.check()), filled.upkeep.check()
    assert any(finding in line for line in filled.upkeep.repair())
    assert [line for line in filled.upkeep.check() if "of dimension None" not in line] == []
    assert filled.episodes.get("Episode 1").title == "Episode 1"
    assert filled.jobs.find()


def test_a_sound_library_is_left_as_it_is(filled: Library) -> None:
    before = filled.episodes.get("Episode 1")
    assert filled.upkeep.check() == filled.upkeep.repair() == ()
    assert filled.episodes.get("Episode 1") == before


@pytest.mark.parametrize("name", ["reasons cut short", "words of another kind"])
def test_reading_what_is_damaged_says_what_that_is(filled: Library, name: str) -> None:
    statement, finding = DAMAGE[name]
    with filled._database.write() as connection:
        connection.execute(sa.text(statement))
    wrong = rf"holds what cannot be right \({finding}\); voicematch library check --repair"
    with pytest.raises(LibraryError, match=wrong):
        filled.episodes.get("Episode 1")
    with pytest.raises(LibraryError, match=wrong), filled.together():
        filled.episodes.get("Episode 1")


@pytest.mark.parametrize("is_together", [False, True])
def test_a_fault_of_our_own_is_not_put_down_to_the_library(filled: Library, is_together: bool) -> None:
    with (
        pytest.raises(KeyError, match="ours"),
        filled.together() if is_together else nullcontext(),
        filled._database.read(),
    ):
        raise KeyError("ours")
