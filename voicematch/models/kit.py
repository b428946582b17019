"""The calibration kit: a few hundred people, two short recordings of each, with which any embedder is calibrated."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..audio import SAMPLE_RATE, Audio
from ..errors import ModelError
from ..types import Array
from . import files

SOUND, LIST = "calibration-kit.ogg", "calibration-kit.tsv"
COLUMNS = ("person", "condition", "start", "end", "corpus", "licence")


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One person in one condition: clean, telephone, room, music or codec.

    corpus : where it comes from; those of one resemble each other in language and microphone
    samples : (num_samples,) float32 array at 16 kHz, all of it speech
    """

    person: str
    condition: str
    corpus: str
    samples: Array


@dataclass(frozen=True, slots=True)
class Kit:
    """Where it is. ``digest`` changes with whatever is in it."""

    sound: Path
    table: Path
    digest: str

    def recordings(self) -> Iterator[Recording]:
        """In the order of the list. Raises ModelError when list and sound do not go together."""
        samples = np.concatenate(list(Audio(self.sound).blocks()))
        with self.table.open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream, delimiter="\t")
            if tuple(rows.fieldnames or ()) != COLUMNS:
                raise ModelError(f"{self.table}: is no list of a calibration kit")
            for row in rows:
                start, end = (round(float(row[edge]) * SAMPLE_RATE) for edge in ("start", "end"))
                if not 0 <= start < end <= len(samples):
                    raise ModelError(f"{self.table}: {row['person']} speaks where {self.sound.name} has no sound")
                yield Recording(row["person"], row["condition"], row["corpus"], samples[start:end])


def open_kit() -> Kit:
    """The kit that came with voicematch. Raises ModelError when it is not there."""
    sound, table = files.shipped(SOUND), files.shipped(LIST)
    both = hashlib.sha256(f"{files.sha256_of(sound)} {files.sha256_of(table)}".encode())
    return Kit(sound, table, both.hexdigest())
