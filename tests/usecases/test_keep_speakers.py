"""Names for a transcript that has speakers, and the lines in which our ears hear another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support import samples
from tests.support.fakes import FakeDiarizer, FakeEmbedder
from tests.usecases.test_identify import CALIBRATION, TWO, enroll_first_axis, noise
from voicematch import errors, identify, name, open_library, outputs
from voicematch.engines.backend import Backend
from voicematch.engines.drift import drift
from voicematch.engines.windows import Heard
from voicematch.formats import read_file
from voicematch.library import Library
from voicematch.types import LabelledEpisode, Line, Turn, Verdict
from voicematch.usecases.chosen import Engines
from voicematch.usecases.keep_speakers import KeptSpeakers

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
LINES = (
    Line(0.0, 20.0, "Welcome to the show", "Speaker 1"),
    Line(20.0, 40.0, "thank you", "Speaker 2"),
    Line(41.0, 50.0, "Goodbye", "Speaker 1"),
)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with open_library(tmp_path / "library.db", embedder="fake", dimension=FakeEmbedder.dimension) as opened:
        opened.settings.set("calibration", CALIBRATION.to_json())
        yield opened


def kept(library: Library, folder: Path, lines: tuple[Line, ...] = LINES) -> LabelledEpisode:
    path = folder / "talk.wav"
    if not path.exists():
        noise(path, 50, seed=7)
    engines = Engines(FakeDiarizer(*TWO), FakeEmbedder())
    return identify(path, library=library, engines=engines, lines=lines, keep_speakers=KeptSpeakers())


def test_the_transcripts_speakers_are_the_speakers_and_our_voices_name_them(library: Library, tmp_path: Path) -> None:
    enroll_first_axis(library, tmp_path)
    episode = kept(library, tmp_path)
    assert [(line.text, line.speaker) for line in episode.lines] == [(line.text, line.speaker) for line in LINES]
    assert episode.name("Speaker 1") == "Ada"
    assert episode.matches["Speaker 2"].verdict is Verdict.UNKNOWN
    assert episode.talk_seconds() == {"Speaker 1": 29.0, "Speaker 2": 20.0}
    assert episode.diarizer == "fake, speakers of the transcript"
    name("talk", "Speaker 2", "Grace", library=library, consent="public")
    assert library.episodes.get("talk").name("Speaker 2") == "Grace"


def test_what_a_transcript_says_beyond_what_is_heard_still_counts(library: Library, tmp_path: Path) -> None:
    """Two speakers whom the diarizer holds for one stay two."""
    lines = (*LINES[:2], Line(40.0, 45.0, "And so", "Guest: 2"), Line(45.0, 50.0, "Goodbye", "Speaker 1"))
    episode = kept(library, tmp_path, lines)
    assert list(episode.talk_seconds()) == ["Speaker 1", "Speaker 2", "Guest 2"]


def test_a_transcript_without_speakers_says_so(library: Library, tmp_path: Path) -> None:
    with pytest.raises(errors.FormatError, match="names no speakers to keep"):
        kept(library, tmp_path, (Line(0.0, 20.0, "Welcome"),))


def test_forgetting_a_person_reaches_a_label_of_that_name(library: Library, tmp_path: Path) -> None:
    lines = tuple(replace(line, speaker="Ada" if line.speaker == "Speaker 1" else line.speaker) for line in LINES)
    episode = kept(library, tmp_path, lines)
    name("talk", "Ada", "Ada", library=library, consent="public")
    file = tmp_path / "talk.json"
    outputs.write(library, library.episodes.get("talk"), [(file, "json")])
    library.profiles.forget("Ada")
    outputs.finish(library)
    stored = library.episodes.get("talk")
    assert list(stored.matches) == ["SPEAKER_01", "Speaker 2"]
    assert [line.speaker for line in stored.lines] == ["SPEAKER_01", "Speaker 2", "SPEAKER_01"]
    assert len(stored.turns) == len(episode.turns)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.json", json.dumps({"segments": [{"start": 0, "end": 20, "text": "Hi", "speaker": "SPEAKER_00"}]})),
        ("assembly.json", json.dumps({"utterances": [{"start": 0, "end": 20_000, "text": "Hi", "speaker": "A"}]})),
        (
            "deepgram.json",
            json.dumps({"results": {"utterances": [{"start": 0, "end": 20, "transcript": "Hi", "speaker": 0}]}}),
        ),
        ("x.vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:20.000\n<v Ada Byron>Hi\n"),
        (
            "x.srt",
            "1\n00:00:00,000 --> 00:00:20,000\nSpeaker 1: Hi\n\n2\n00:00:20,000 --> 00:00:30,000\nSpeaker 2: Yes\n",
        ),
        ("x.txt", "Speaker 1  0:00\nHi there\n\nSpeaker 2  0:20\nYes I am\n"),
    ],
)
def test_labels_of_every_kind_are_kept(library: Library, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    lines = read_file(tmp_path / name)
    assert all(line.speaker for line in lines)
    assert set(kept(library, tmp_path, lines).talk_seconds()) == {line.speaker for line in lines}
    assert samples.EPISODE.lines  # the shapes themselves are read in tests/formats


def shows(num_lines: int = 30, seed: int = 0) -> tuple[list[Line], Heard, Backend]:
    """Lines of two voices by turns, six windows each, in a space where the voices lie apart."""
    rng = np.random.default_rng(seed)
    heard = Heard(8)
    lines = [Line(5.0 * at, 5.0 * at + 4.5, str(at), "AB"[at % 2]) for at in range(num_lines)]
    starts = np.concatenate([[line.start + 0.5 * at for at in range(6)] for line in lines])
    heard.windows = np.stack([starts, starts + 1.5], axis=1)
    voice = np.repeat([np.eye(8)[at % 2] for at in range(num_lines)], 6, axis=0)
    rows = voice + 0.15 * rng.standard_normal(voice.shape)
    heard.vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    backend = Backend.estimate(heard.vectors, np.repeat(np.arange(num_lines) % 2, 6), num_axes=7)
    return lines, heard, backend


def test_lines_given_to_the_wrong_speaker_are_found_and_no_others() -> None:
    lines, heard, backend = shows()
    assert drift(lines, heard, backend) == ()
    for wrong in (3, 10, 11):
        lines[wrong] = replace(lines[wrong], speaker="A" if lines[wrong].speaker == "B" else "B")
    found = drift(lines, heard, backend)
    assert [(one.line, one.said, one.heard) for one in found] == [(3, "A", "B"), (10, "B", "A"), (11, "A", "B")]
    assert all(one.probability > 0.9 for one in found)


def test_one_speaker_cannot_drift_and_what_is_too_short_to_be_heard_is_left_alone() -> None:
    lines, heard, backend = shows()
    assert drift([replace(line, speaker="A") for line in lines], heard, backend) == ()
    lines.append(Line(2.1, 2.15, "mm", "B"))
    assert drift(lines, heard, backend) == ()


def test_drift_is_reported_and_repaired_on_request_with_the_real_models(tmp_path: Path) -> None:
    """One line of the example is given to another."""
    turns = [line.split() for line in (EXAMPLES / "episode.rttm").read_text().splitlines()]
    truth = [Turn(float(row[3]), float(row[3]) + float(row[4]), row[7]) for row in turns]

    def speaker(line: Line) -> str:
        own = {turn.speaker: 0.0 for turn in truth}
        for turn in truth:
            own[turn.speaker] += max(0.0, min(turn.end, line.end) - max(turn.start, line.start))
        return max(own, key=lambda one: own[one])

    lines = [replace(line, speaker=speaker(line)) for line in read_file(EXAMPLES / "episode.srt")]
    wrong = max(range(len(lines)), key=lambda idx: lines[idx].end - lines[idx].start)
    right = lines[wrong].speaker
    lines[wrong] = replace(lines[wrong], speaker=next(turn.speaker for turn in truth if turn.speaker != right))
    for repair in (False, True):
        with open_library(tmp_path / f"{repair}.db") as library:
            asked = KeptSpeakers(repair=repair)
            episode = identify(EXAMPLES / "episode.mp3", library=library, lines=tuple(lines), keep_speakers=asked)
        assert [(one.line, one.said, one.heard) for one in asked.drift] == [(wrong, lines[wrong].speaker, right)]
        assert episode.lines[wrong].speaker == (right if repair else lines[wrong].speaker)
