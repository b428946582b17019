"""How long naming a voice takes over a backlog, and matching one speaker with very many voiceprints.

``python -m tests.measure.bench_relabel [FOLDER]`` makes a library of 1,000 synthetic episodes (4 speakers with 8
embeddings each, 300 profiles) in FOLDER, or uses the one there, names the unknown heard most on a copy of it, and
prints the time.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from voicematch.evaluate.memory import peak_memory_mb
from voicematch.library import open_library
from voicematch.models import files
from voicematch.models.table import DEFAULT_EMBEDDER
from voicematch.types import Array, Embedding, LabelledEpisode, Match, Turn, Verdict
from voicematch.usecases import name as naming
from voicematch.voices import recognise as recognition
from voicematch.voices.match import match
from voicematch.voices.score import Voiceprints, unit

EMBEDDER, DIMENSION = DEFAULT_EMBEDDER, 192
NUM_EPISODES, NUM_SPEAKERS, NUM_EMBEDDINGS = 1000, 4, 8
NUM_PEOPLE, NUM_PROFILES, NUM_HOSTS = 2000, 300, 20
NUM_VOICEPRINTS = 1_000_000
SESSION, STRETCH = 0.6, 0.5  # how far a voice strays from itself, in recordings and within one: cosines of 0.7 and 0.8


def heard(person: Array, generator: np.random.Generator, num: int) -> Array:
    """Return (num, dimension) unit rows of one voice in one recording."""
    session = person + SESSION * unit(generator.standard_normal(DIMENSION))
    return unit(session + STRETCH * unit(generator.standard_normal((num, DIMENSION))))


def make(path: Path) -> None:
    generator = np.random.default_rng(1)
    people = unit(generator.standard_normal((NUM_PEOPLE, DIMENSION)))
    recognise = partial(recognition.recognise, calibration=files.calibration(EMBEDDER))
    with open_library(path, embedder=EMBEDDER) as library, library.together():
        for person in range(NUM_HOSTS // 2, NUM_HOSTS // 2 + NUM_PROFILES):  # half of the hosts have a profile
            library.profiles.create(f"Person {person}")
            voiceprints = [Embedding(row, 30.0, 0.0, 30.0) for row in heard(people[person], generator, 4)]
            for idx, voiceprint in enumerate(voiceprints):
                library.voiceprints.add(
                    f"Person {person}",
                    [voiceprint],
                    embedder=EMBEDDER,
                    consent="public",
                    source="",
                    audio_sha256=f"{person:030x}{idx:034x}",
                )
        for number in range(NUM_EPISODES):
            guests = generator.choice(np.arange(NUM_HOSTS, NUM_PEOPLE), NUM_SPEAKERS - 1, replace=False)
            speakers = [number % NUM_HOSTS, *guests.tolist()]
            turns = tuple(Turn(100.0 * idx, 100.0 * idx + 90.0, f"SPEAKER_{idx:02d}") for idx in range(NUM_SPEAKERS))
            embeddings = {
                f"SPEAKER_{idx:02d}": tuple(
                    Embedding(row, 10.0, 100.0 * idx + 10.0 * part, 100.0 * idx + 10.0 * part + 10.0)
                    for part, row in enumerate(heard(people[person], generator, NUM_EMBEDDINGS))
                )
                for idx, person in enumerate(speakers)
            }
            nobody = {label: Match(label, Verdict.UNKNOWN, None, 0.0) for label in embeddings}
            episode = LabelledEpisode(
                f"/show/{number}.mp3", f"{number:064x}", 400.0, turns, nobody, embedder=EMBEDDER, diarizer="synthetic"
            )
            library.episodes.store(episode, embeddings)
            library.unknowns.remember(recognise)
        naming.relabel(library=library)


@contextmanager
def timed(what: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    print(f"{what}: {time.perf_counter() - wall:.3f} s, of which {time.process_time() - cpu:.3f} s on a processor")


def relabel(folder: Path) -> None:
    path = folder / "relabel.db"
    if not path.exists():
        with timed("making the library"):
            make(folder / "new.db")
        (folder / "new.db").rename(path)
    shutil.copy(path, folder / "copy.db")
    with open_library(folder / "copy.db") as library:
        most = library.voices.unknowns(ignored=None)[0][0]
        stats = library.upkeep.stats()
        print(f"{stats.num_episodes} episodes, {stats.num_speakers} speakers, {stats.num_profiles} profiles")
        with timed(f"naming {most.id}, heard in {most.num_episodes} episodes, and matching all episodes again"):
            _, changes = naming.name_unknown(most.id, "New Name", library=library, consent="public")
        print(f"{len(changes)} labels changed")
        with timed("matching all episodes again, with nothing new"):
            naming.relabel(library=library)


def search() -> None:
    generator = np.random.default_rng(2)
    vectors = np.empty((NUM_VOICEPRINTS, DIMENSION), np.float32)
    for start in range(0, NUM_VOICEPRINTS, 10_000):
        vectors[start : start + 10_000] = unit(generator.standard_normal((10_000, DIMENSION), dtype=np.float32))
    profiles = tuple(f"Person {row // 4}" for row in range(NUM_VOICEPRINTS))
    voiceprints = Voiceprints(profiles, vectors, np.full(NUM_VOICEPRINTS, 30.0, np.float32))
    calibration = files.calibration(EMBEDDER)
    speaker = {"SPEAKER_00": tuple(Embedding(row, 10.0, 0.0, 10.0) for row in vectors[:8])}
    for what in ("first", "second", "third"):
        with timed(f"one speaker against {NUM_VOICEPRINTS:,} voiceprints, {what} time"):
            match(speaker, voiceprints, calibration=calibration)
    print(f"peak memory: {peak_memory_mb():.0f} MB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
        relabel(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            relabel(Path(made))
    search()
