"""A library for the pages, made in seconds: shows, people, unnamed voices, matches to review, words, a backlog.

``python -m tests.support.web_library FOLDER [NUM_EPISODES [NUM_PEOPLE]]`` writes FOLDER/library.db, and a recording
that every episode plays. Voices are random vectors, so that no audio is listened to; everybody in it is invented.
"""

from __future__ import annotations

import sys
import wave
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from voicematch.library import Library, NewJob, open_library
from voicematch.models.table import DEFAULT_EMBEDDER
from voicematch.types import Array, Embedding, LabelledEpisode, Line, Match, Turn, Verdict
from voicematch.usecases import name as naming
from voicematch.voices import recognise as recognition
from voicematch.voices.score import Calibration, unit

HERE = "http://127.0.0.1:8765"  # what a client takes the pages to be at
EMBEDDER, DIMENSION = DEFAULT_EMBEDDER, 192
SHOWS = ("Night Garden Radio", "Practical Moss", "The Long Hedge")
SCRIPT = "<script>alert('name')</script>"  # somebody is called that
PEOPLE = ("Ada Ash", "Basil Birch", "Cleo Cedar", "Dora Dill", "Emil Elder", "Flora Fern", SCRIPT, "Hazel Holly")
SESSION, STRETCH = 0.6, 0.5  # how far a voice strays from itself, between recordings and within one
CALIBRATION = Calibration.from_json(  # one of before, so that these pages do not change with the built-in embedder
    (Path(__file__).parent.parent / "fixtures" / "calibration.json").read_text(encoding="utf-8")
)
LIKENESS = 0.44  # of a voice that is like a profile, but not enough to be it
DURATION, TURN = 600.0, 20.0
SAYINGS = (
    "The moss under the north wall is older than the wall.",
    "I would say that continual watering does more harm than none at all.",
    "Nobody believed us until the hedge was measured twice.",
    "There is a difference between patience and not looking.",
    "We wrote everything down, and then the rain had it.",
    "That is the part I never understood about roses.",
    "You learn it once, and then you learn it again every spring.",
    "It took about eleven years, and most of that was waiting.",
)


@dataclass(frozen=True)
class Size:
    episodes: int = 30
    people: int = len(PEOPLE)
    strangers: int = 6
    lines: int = 60


def person_name(number: int) -> str:
    return PEOPLE[number] if number < len(PEOPLE) else f"{PEOPLE[number % len(PEOPLE)]} the {number}th"


def voice(person: Array, generator: np.random.Generator, num: int) -> Array:
    """(num, DIMENSION) unit rows of one voice in one recording."""
    session = person + SESSION * unit(generator.standard_normal(DIMENSION))
    return unit(session + STRETCH * unit(generator.standard_normal((num, DIMENSION)))).astype(np.float32)


def make(path: Path, *, size: Size = Size(), audio: Path | None = None) -> None:
    """Writes the library; ``audio`` is what every episode's sound is, and absent where it is None."""
    generator = np.random.default_rng(7)
    people = unit(generator.standard_normal((size.people + size.strangers, DIMENSION)))
    with open_library(path, embedder=EMBEDDER) as library, library.together():
        library.settings.set("calibration", CALIBRATION.to_json())
        for number in range(size.people):
            _enroll(library, person_name(number), people[number], generator, role="host" if number < 3 else None)
        for number in range(size.episodes):
            _store(library, number, people, generator, size, audio)
        naming.relabel(library=library)
        _queue(library, size)


def _enroll(library: Library, name: str, person: Array, generator: np.random.Generator, *, role: str | None) -> None:
    library.profiles.create(name, role=role, note="a private note")
    for idx in range(3):
        library.voiceprints.add(
            name,
            [Embedding(row, 30.0, 0.0, 30.0) for row in voice(person, generator, 1)],
            embedder=EMBEDDER,
            consent="public" if idx else "permission",
            source=f"/home/somebody/clips/{len(name)}-{idx}.wav",
            audio_sha256=f"{abs(hash_of(name)):056x}{idx:08x}",
        )


def hash_of(text: str) -> int:
    """The same on every run, unlike ``hash``."""
    return int.from_bytes(text.encode()[-20:], "big")


def speakers_of(number: int, size: Size) -> list[int]:
    """Who speaks in an episode: a host, a guest and somebody of no name; people first, then strangers."""
    host = number % min(3, size.people)
    guest = 3 + number % max(size.people - 3, 1)
    return [host, guest % size.people, size.people + number % size.strangers]


def _store(
    library: Library, number: int, people: Array, generator: np.random.Generator, size: Size, audio: Path | None
) -> None:
    labels = [f"SPEAKER_{idx:02d}" for idx in range(3)]
    turns = tuple(
        Turn(at, at + TURN - (0.0 if idx % 5 else 1.0), labels[(0, 1, 0, 1, 2)[idx % 5]])
        for idx, at in enumerate(np.arange(0.0, DURATION, TURN).tolist())
    )
    embeddings = {}
    for label, person in zip(labels, speakers_of(number, size), strict=True):
        heard = people[person]
        if label == labels[1] and number % 5 == 4:  # somebody like the guest
            away = unit(generator.standard_normal(DIMENSION))
            heard = unit(LIKENESS * heard + np.sqrt(1 - LIKENESS**2) * away)
        own = [turn for turn in turns if turn.speaker == label]
        rows = voice(heard, generator, len(own))
        embeddings[label] = tuple(
            Embedding(row, 18.0, turn.start, turn.end) for row, turn in zip(rows, own, strict=True)
        )
    show, day = SHOWS[number % len(SHOWS)], np.datetime64("2024-01-03") + 7 * number
    source = str(audio) if audio is not None else f"/home/somebody/shows/{show}/{number}.mp3"
    if number == 1:
        source = "https://feeds.example.org/practical-moss/1.mp3"
    episode = LabelledEpisode(
        source=source,
        audio_sha256=f"{number:08x}" + "5eed" * 14,
        duration=DURATION,
        turns=turns,
        matches={label: Match(label, Verdict.UNKNOWN, None, 0.0) for label in labels},
        lines=tuple(_lines(number, turns, size)),
        title=f"{number + 1}: {SAYINGS[number % len(SAYINGS)]}" if number != 2 else "<b>3</b>: & other signs",
        date=str(day),
        embedder=EMBEDDER,
        diarizer="synthetic",
    )
    recognise = partial(recognition.recognise, calibration=CALIBRATION)
    library.episodes.store(episode, embeddings)
    library.unknowns.remember(recognise)


def _lines(number: int, turns: tuple[Turn, ...], size: Size) -> list[Line]:
    lines = []
    stranger = f"Robin {chr(65 + number % size.strangers)}. Rowan"
    per_turn = max(size.lines // len(turns), 1)
    for idx, turn in enumerate(turns):
        seconds = turn.duration / per_turn
        for part in range(per_turn):
            text = SAYINGS[(number + 3 * idx + part) % len(SAYINGS)]
            if idx == 0 and part == 0:
                text = f"Welcome to {SHOWS[number % len(SHOWS)]}. I am joined by {stranger}."
            if turn.speaker == "SPEAKER_02" and part == 0 and idx < 6:
                text = f"I'm {stranger}, and this is about word{number}."
            start = turn.start + part * seconds
            lines.append(Line(start, start + seconds, text, turn.speaker))
    return lines


def _queue(library: Library, size: Size) -> None:
    """A job for every episode, done, and some more: queued, running, failed."""
    stored = sorted(library.listings.episodes()[0], key=lambda episode: episode.audio_sha256)
    waiting = [
        NewJob(key=f"later-{idx}", source=f"/later/{idx}.mp3", title=f"Later {idx}", show=SHOWS[0]) for idx in range(6)
    ]
    done = [
        NewJob(
            key=f"done-{idx}",
            source=f"/done/{idx}.mp3",
            title=episode.title,
            show=SHOWS[idx % len(SHOWS)],
            date=episode.date,
        )
        for idx, episode in enumerate(stored)
    ]
    library.jobs.add([*done, *waiting])
    for idx in range(len(done) + 3):
        job = library.jobs.claim("somewhere:1")
        assert job is not None
        if idx < len(done):
            library.jobs.finish(job, stored[idx].audio_sha256)
        elif idx < len(done) + 2:
            library.jobs.fail(job, f"{job.source}: no audio stream; is this a video without sound?", unexpected=False)


def make_audio(path: Path) -> None:
    """Ten minutes of a tone that changes with every turn, 8 kHz, 8 bits."""
    times = np.arange(int(DURATION * 8000)) / 8000
    hertz = 200 + 60 * (np.floor(times / TURN) % 5)
    samples = 128 + 40 * np.sin(2 * np.pi * hertz * times)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(samples.astype(np.uint8).tobytes())


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    asked = [int(text) for text in sys.argv[2:4]]
    wanted = Size() if not asked else Size(asked[0], asked[1] if len(asked) > 1 else len(PEOPLE))
    make_audio(folder / "episode.wav")
    make(folder / "library.db", size=wanted, audio=folder / "episode.wav")
