"""What one voice is through other rooms, telephones and codecs, and the axes on which that tells least.

    python models/train/channels.py WORK/train [--embedder NAME]...

Every person of a prepared folder (shows.py) is heard in up to four clips, each as it is, in a room, by telephone and
through a codec at a low rate, with some noise. Of these vectors fit_engine.py makes the axes on which a calibration
compares voices: the cosine of two vectors falls as much for another telephone as for another person, and on these axes
it does not. ``--held-out`` hears those alone whom campplus_train.py did not train on. Writes
``WORK/channels-FINGERPRINT.npz``; of all, about ten minutes on two cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.linalg import eigh
from segmentation_pool import SAMPLE_RATE, Clip, Samples
from segmentation_scenes import held_out, open_pool
from simulate import LEVEL, Pool, coloured, in_room, levelled, room, telephone, tilt, transcoded

from voicematch.engines import open_embedder
from voicematch.engines.embed import CELL, OnnxEmbedder, num_cells
from voicematch.engines.features import log_mel
from voicematch.engines.windows import STEP, WINDOW
from voicematch.models import files
from voicematch.models.table import DEFAULT_EMBEDDER
from voicematch.types import Array
from voicematch.voices.score import unit

SEED = 17
MOST_CLIPS = 4  # of a person
CLIP_SECONDS, LONGEST, SHORTEST = 5.0, 10.0, 1.6  # short ones are joined up to the first of these
CHANNELS = ("as it is", "room", "telephone", "codec")
NUM_AXES = 150  # chosen with EVENNESS on simulated shows that calibrations are fitted on
EVENNESS = 0.7  # how far the spread within a voice is taken to be the same in all directions; moods are not in it
AT_ONCE = 40  # people, for one process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--embedder", action="append", default=[])
    parser.add_argument("--held-out", action="store_true", help="people whom campplus_train.py leaves out, alone")
    chosen = parser.parse_args()
    pool = open_pool(chosen.work)
    people_of = held_out(pool) if chosen.held_out else pool.speakers
    for name in chosen.embedder or [DEFAULT_EMBEDDER]:
        blocks = [people_of[first : first + AT_ONCE] for first in range(0, len(people_of), AT_ONCE)]
        people: list[str] = []
        vectors: list[Array] = []
        with ProcessPoolExecutor() as processes:
            for own_people, own_vectors in processes.map(partial(heard, chosen.work, name), blocks):
                people += own_people
                vectors += own_vectors
        np.savez(kept_in(chosen.work, name), people=people, vectors=np.stack(vectors))
        print(f"{name}: {len(vectors)} vectors of {len(set(people))} people", flush=True)


def kept_in(work: Path, name: str) -> Path:
    return work / f"channels-{files.fingerprint(name)[:12]}.npz"


def heard(work: Path, name: str, persons: Sequence[str]) -> tuple[list[str], list[Array]]:
    """The vectors of some people, and whose each is."""
    pool, embedder = _open(work, name)
    people: list[str] = []
    vectors: list[Array] = []
    for person in persons:
        rng = np.random.default_rng([SEED, pool.speakers.index(person)])
        for clips in _clips(pool, rng, person):
            sound = levelled(pool, clips)[: int(LONGEST * SAMPLE_RATE)]
            if len(sound) < SHORTEST * SAMPLE_RATE:
                continue
            for channel in CHANNELS:
                people.append(person)
                vectors.append(_vector(embedder, _through(pool, rng, sound, channel)))
    return people, vectors


@cache
def _open(work: Path, name: str) -> tuple[Pool, OnnxEmbedder]:
    embedder = open_embedder(name, device="cpu")
    assert isinstance(embedder, OnnxEmbedder)
    return open_pool(work), embedder


def _clips(pool: Pool, rng: Generator, person: str) -> Iterator[list[Clip]]:
    waiting: list[Clip] = []
    number = 0
    for idx in rng.permutation(len(pool.clips[person])):
        waiting.append(pool.clips[person][idx])
        if sum(clip.end - clip.start for clip in waiting) >= CLIP_SECONDS * SAMPLE_RATE:
            yield waiting
            waiting, number = [], number + 1
            if number == MOST_CLIPS:
                return
    if waiting:
        yield waiting


def _through(pool: Pool, rng: Generator, sound: Samples, channel: str) -> Samples:
    if channel == "room":
        sound = in_room(rng, sound, room(pool, rng))
        sound = tilt(rng, sound) if rng.random() < 0.4 else sound
    elif channel == "telephone":
        sound = telephone(rng, sound)
    elif channel == "codec":
        sound = transcoded(rng, tilt(rng, sound))
    least = 30 if channel == "as it is" else 15  # dB over the noise
    sound = sound + coloured(rng, len(sound)) * np.float32(LEVEL * 10 ** (-rng.uniform(least, 60) / 20))
    return np.asarray(sound / max(1.0, float(np.abs(sound).max())), np.float32)


def _vector(embedder: OnnxEmbedder, sound: Samples) -> Array:
    """The mean of windows as the product hears them."""
    rows = log_mel(sound)
    length, step = (round(seconds * 100) // CELL for seconds in (WINDOW, STEP))
    starts = np.arange(0, max(1, num_cells(rows, 0, len(rows)) - length + 1), step)
    windows = embedder.pool(rows, 0, len(rows), np.stack([starts, starts + length], axis=1))
    return unit(windows.mean(axis=0))


def axes_of(work: Path, name: str) -> Array:
    """(dimension, NUM_AXES) float32: linear discriminant analysis of the vectors that ``main`` wrote.

    A vector times these axes has most of what differs between people, and the same spread within a person on each.
    """
    with np.load(kept_in(work, name)) as kept:
        vectors, people = kept["vectors"].astype(np.float64), kept["people"]
    _, person, sizes = np.unique(people, return_inverse=True, return_counts=True)
    means: NDArray[np.float64] = np.zeros((len(sizes), vectors.shape[1]))
    np.add.at(means, person, vectors)
    means /= sizes[:, None]
    apart = vectors - means[person]
    within = apart.T @ apart / (len(vectors) - len(sizes))
    between = np.cov(means.T) - within * np.mean(1 / sizes)
    even = np.trace(within) / len(within) * np.eye(len(within))
    values, axes = eigh(between, (1 - EVENNESS) * within + EVENNESS * even)
    chosen = axes[:, np.argsort(-values)[:NUM_AXES]]
    return np.asarray(chosen / np.abs(chosen).max(), np.float32)


if __name__ == "__main__":
    main()
