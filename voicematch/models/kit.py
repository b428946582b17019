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
class KitRecording:
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

    def recordings(self) -> Iterator[KitRecording]:
        """In the order of the list. Raises ModelError when list and sound do not go together."""
        with self.table.open(encoding="utf-8", newline="") as stream:
            table = csv.DictReader(stream, delimiter="\t")
            if tuple(table.fieldnames or ()) != COLUMNS:
                raise ModelError(f"{self.table}: is no list of a calibration kit")
            blocks = Audio(self.sound).blocks()
            begins, held = 0, np.empty(0, np.float32)  # what is at hand of the sound, and which sample is its first
            for row in table:
                start, end = (round(float(row[edge]) * SAMPLE_RATE) for edge in ("start", "end"))
                while begins + len(held) < end and (block := next(blocks, None)) is not None:
                    gone = min(max(0, start - begins), len(held))
                    held, begins = np.concatenate([held[gone:], block]), begins + gone
                if not begins <= start < end <= begins + len(held):
                    raise ModelError(f"{self.table}: {row['person']} speaks where {self.sound.name} has no sound")
                yield KitRecording(row["person"], row["condition"], row["corpus"], held[start - begins : end - begins])


def open_kit() -> Kit:
    """The kit that came with voicematch. Raises ModelError when it is not there."""
    sound, table = files.shipped(SOUND), files.shipped(LIST)
    both = hashlib.sha256(f"{files.sha256_of(sound)} {files.sha256_of(table)}".encode())
    return Kit(sound, table, both.hexdigest())
