"""One policy of names: whichever way a verdict is reached, it is the same. On random libraries with few dimensions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import fakes
from tests.usecases.test_identify import noise
from voicematch.audio import Audio
from voicematch.engines.embed import Embedder
from voicematch.errors import EnrollmentError, LibraryError
from voicematch.library import Library, open_library
from voicematch.types import Array, Diarization, Embedding, LabelledEpisode, Progress, Sound, Turn, Verdict, join_turns
from voicematch.usecases import name as naming
from voicematch.usecases import recognise
from voicematch.usecases.chosen import Engines
from voicematch.usecases.identify import identify
from voicematch.voices.score import unit

CALIBRATION = replace(fakes.CALIBRATION, embedder="fake", least_steadiness=0.3)
DIMENSION = 3
PEOPLE = ("Ada", "Bob")
SECONDS = 25.0  # of each turn: a voice with one turn is remembered


@dataclass(frozen=True)
class Heard:
    """An episode as a diarizer would hear it: of each turn the speaker and the voice."""

    number: int
    turns: tuple[tuple[int, tuple[float, ...]], ...]
    show: str


@dataclass(frozen=True)
class Word:
    """What a person does: name, correct (None: nobody), or ignore the speaker of a turn; enroll somebody anew."""

    kind: str
    episode: int
    turn: int
    who: str | None


class Told:
    """A diarizer that answers what it was told."""

    name = "told"

    def __init__(self, heard: Heard) -> None:
        self.heard = heard

    def diarize(
        self,
        audio: Sound,
        embedder: Embedder,
        *,
        speakers: tuple[int, int] | None = None,
        progress: Progress | None = None,
    ) -> Diarization:
        turns = [
            Turn(SECONDS * idx, SECONDS * (idx + 1), f"SPEAKER_{speaker:02d}")
            for idx, (speaker, _) in enumerate(self.heard.turns)
        ]
        embeddings: dict[str, tuple[Embedding, ...]] = {}
        for turn, (_, voice) in zip(turns, self.heard.turns, strict=True):
            own = Embedding(direction(voice), SECONDS, turn.start, turn.end)
            embeddings[turn.speaker] = (*embeddings.get(turn.speaker, ()), own)
        return Diarization(join_turns(turns), embeddings, SECONDS * len(turns))


class Ears(fakes.FakeEmbedder):
    dimension = DIMENSION


def direction(voice: Sequence[float]) -> Array:
    return unit(np.array(voice, np.float32) + np.float32(1e-3))


@contextmanager
def made(episodes: Sequence[Heard], words: Sequence[Word]) -> Iterator[tuple[Library, list[Path]]]:
    """A library in which the episodes were identified, and then this was said."""
    with (
        tempfile.TemporaryDirectory() as name,
        open_library(Path(name) / "library.db", embedder="fake", dimension=DIMENSION) as library,
    ):
        library.settings.set("calibration", CALIBRATION.to_json())
        enroll(library, "Ada", (1.0, 0.0, 0.0), 90)
        files = []
        for heard in episodes:
            file = noise(Path(name) / f"{heard.number}.wav", 1.0, seed=heard.number)
            files.append(file)
            listen(library, file, heard)
        for word in words:
            say(library, word, episodes)
        yield library, files


def enroll(library: Library, who: str, voice: Sequence[float], number: int) -> None:
    if library.profiles.find(who) is None:
        library.profiles.create(who)
    library.voiceprints.add(
        who,
        [Embedding(direction(voice), 30.0, 0.0, 30.0)],
        embedder="fake",
        consent="self",
        source=f"{number}.wav",
        audio_sha256=f"{number:064d}",
    )


def listen(library: Library, file: Path, heard: Heard, *, store: bool = True) -> LabelledEpisode:
    return identify(
        file, library=library, show=heard.show, store=store, engines=Engines(diarizer=Told(heard), embedder=Ears())
    )


def say(library: Library, word: Word, episodes: Sequence[Heard]) -> None:
    heard = episodes[word.episode % len(episodes)]
    episode = library.episodes.get(f"{heard.number}.wav")
    turn = episode.turns[word.turn % len(episode.turns)]
    try:
        if word.kind == "enroll":
            enroll(library, word.who or "Bob", heard.turns[word.turn % len(heard.turns)][1], 100 + word.turn)
            naming.relabel(library=library)
        elif word.kind == "name" and word.who is not None:
            naming.name(episode.audio_sha256, turn.speaker, word.who, library=library, consent="public")
        elif word.kind == "ignore":
            unknown = episode.matches[turn.speaker].unknown
            if unknown is not None:
                naming.ignore(unknown, "ad", library=library)
        else:
            naming.correct(episode.audio_sha256, turn.speaker, word.who, library=library, consent="public")
    except (EnrollmentError, LibraryError):
        pass  # a voice that the checks refuse: then nothing was said


def names_by_time(library: Library) -> dict[str, list[str | None]]:
    """Of every episode, who is named in the middle of each stretch."""
    named = {}
    for summary in library.listings.episodes()[0]:
        episode = library.episodes.get(summary.audio_sha256)
        at = np.arange(SECONDS / 2, max(turn.end for turn in episode.turns), SECONDS)
        holders = [next(turn.speaker for turn in episode.turns if turn.start <= t < turn.end) for t in at.tolist()]
        named[summary.audio_sha256] = [
            episode.matches[label].profile if episode.matches[label].verdict is Verdict.ACCEPT else None
            for label in holders
        ]
    return named


def told(episode: LabelledEpisode) -> Mapping[str, tuple[object, ...]]:
    return {
        label: (match.verdict, match.profile, match.reasons, [c.profile for c in match.candidates])
        for label, match in episode.matches.items()
    }


voices = st.sampled_from(
    [
        (1.0, 0.0, 0.0),
        (1.0, 0.2, 0.0),
        (1.0, 0.6, 0.0),
        (1.0, 0.9, 0.1),
        (0.0, 1.0, 0.0),
        (0.3, 1.0, 0.0),
        (0.0, 0.3, 1.0),
    ]
)
turns_of_episode = st.lists(st.tuples(st.integers(0, 3), voices), min_size=1, max_size=5)
shelves = st.lists(
    st.builds(lambda turns, show: (tuple(turns), show), turns_of_episode, st.sampled_from(["A", "B"])),
    min_size=1,
    max_size=3,
).map(lambda made: tuple(Heard(number, turns, show) for number, (turns, show) in enumerate(made, 1)))
words = st.lists(
    st.builds(
        Word,
        st.sampled_from(["name", "name", "correct", "ignore", "enroll"]),
        st.integers(0, 2),
        st.integers(0, 4),
        st.sampled_from([*PEOPLE, None]),
    ),
    max_size=3,
)
slow = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@slow
@given(shelves, words, st.integers(0, 2))
def test_matching_again_right_after_identifying_changes_nothing(
    shelf: tuple[Heard, ...], said: list[Word], again: int
) -> None:
    with made(shelf, said) as (library, files):
        heard = shelf[again % len(shelf)]
        answer = listen(library, files[again % len(shelf)], heard)
        assert library.episodes.get(answer.audio_sha256).matches == answer.matches
        assert naming.relabel(library=library) == ()
        assert told(library.episodes.get(answer.audio_sha256)) == told(answer)


@slow
@given(shelves, words, st.integers(0, 2))
def test_an_answer_that_is_not_kept_is_the_one_that_would_be(
    shelf: tuple[Heard, ...], said: list[Word], again: int
) -> None:
    with made(shelf, said) as (library, files):
        heard = replace(shelf[again % len(shelf)], show="A")
        known = {unknown.id for unknown in library.voices.unknowns(ignored=None)[0]}
        tried = listen(library, files[again % len(shelf)], heard, store=False)
        assert {unknown.id for unknown in library.voices.unknowns(ignored=None)[0]} == known
        kept = listen(library, files[again % len(shelf)], heard)
        assert told(tried) == told(kept)
        assert tried.turns == kept.turns


@slow
@given(shelves, words, st.integers(0, 2))
def test_identifying_again_after_a_persons_word_changes_nothing(
    shelf: tuple[Heard, ...], said: list[Word], again: int
) -> None:
    with made(shelf, said) as (library, files):
        before = names_by_time(library)
        listen(library, files[again % len(shelf)], shelf[again % len(shelf)])
        assert names_by_time(library) == before


def test_a_name_given_by_a_person_is_not_given_to_another_speaker_when_heard_again(tmp_path: Path) -> None:
    """SPEAKER_00 sounds more like Ada than SPEAKER_01, of whom a person said that she is Ada."""
    heard = Heard(1, ((0, (1.0, 0.1, 0.0)), (1, (1.0, -0.75, 0.0))), "A")
    with made([heard], [Word("name", 0, 1, "Ada")]) as (library, files):
        for _ in range(2):
            answer = listen(library, files[0], heard)
            assert [answer.name(label) for label in answer.matches] == ["SPEAKER_00", "Ada"]
        assert naming.relabel(library=library) == ()


def test_who_is_known_from_another_show_is_suggested_whether_it_is_kept_or_not() -> None:
    home, away = Heard(1, ((0, (0.0, 1.0, 0.0)),), "A"), Heard(2, ((0, (0.75, 1.0, 0.0)),), "B")
    with made([home], [Word("name", 0, 0, "Bob")]) as (library, files):
        file = noise(files[0].parent / "2.wav", 1.0, seed=2)
        tried, kept = listen(library, file, away, store=False), listen(library, file, away)
        assert told(tried) == told(kept)
        assert kept.matches["SPEAKER_00"].verdict is Verdict.REVIEW
        assert "known from another show only" in kept.matches["SPEAKER_00"].reasons[-1]


def test_speakers_who_were_one_and_named_stay_one_when_heard_again() -> None:
    """Both sound like Ada, and became one; a person said it is Bob, and then only that counts."""
    heard = Heard(1, ((0, (1.0, 0.0, 0.0)), (1, (1.0, 0.1, 0.0))), "A")
    with made([heard], [Word("correct", 0, 0, "Bob")]) as (library, files):
        answer = listen(library, files[0], heard)
        assert {turn.speaker for turn in answer.turns} == {"SPEAKER_00"}
        assert answer.name("SPEAKER_00") == "Bob"


def test_a_word_goes_to_nobody_who_is_mostly_somebody_else(caplog: pytest.LogCaptureFixture) -> None:
    heard = Heard(1, ((0, (1.0, 0.0, 0.0)), (1, (0.0, 1.0, 0.0)), (2, (0.0, 0.0, 1.0)), (2, (0.0, 0.0, 1.0))), "A")
    said = [Word("name", 0, 0, "Ada")]
    with made([heard], said) as (library, files):
        mixed = Heard(1, tuple((0, voice) for _, voice in heard.turns), "A")
        answer = listen(library, files[0], mixed)
        assert answer.name("SPEAKER_00") == "SPEAKER_00"  # a fourth of it is Ada's, and the rest others'
        assert caplog.text.count("no speaker there is that one alone") == 1
        again = listen(library, files[0], heard)
        assert [again.name(label) for label in ("SPEAKER_00", "SPEAKER_01")] == ["Ada", "SPEAKER_01"]


def test_whom_a_person_named_stay_apart_in_an_answer_that_mixes_them() -> None:
    heard = Heard(1, ((0, (1.0, 0.0, 0.0)), (1, (0.0, 1.0, 0.0)), (2, (0.0, 0.0, 1.0)), (2, (0.0, 0.0, 1.0))), "A")
    said = [Word("name", 0, 0, "Ada"), Word("name", 0, 1, "Bob"), Word("name", 0, 2, "Zoe")]
    with made([heard], said) as (library, files):
        before = listen(library, files[0], heard)
        answer = listen(library, files[0], Heard(1, tuple((0, voice) for _, voice in heard.turns), "A"))
        spans = [{(t.start, t.end, one.name(t.speaker)) for t in one.turns} for one in (before, answer)]
        assert {name for _, _, name in spans[1]} == {"Ada", "Bob", "Zoe"}
        assert spans[0] == spans[1]


def test_two_who_sound_alike_and_together_like_several_people_stay_two() -> None:
    heard = Heard(1, ((0, (1.0, 0.62, 0.0)), (1, (1.0, -0.6, 0.0))), "A")
    episode = LabelledEpisode("1.wav", "1" * 64, 50.0, (), {}, embedder="fake", diarizer="told", show="A")
    with made([], []) as (library, _):
        diarization = Told(heard).diarize(Audio("1.wav"), Ears())
        assert recognise.joined(library, episode, diarization, as_before=True).turns == diarization.turns
