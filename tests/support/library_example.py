"""A small library with something of everything: made by hand, checked by hand, and kept as a file of each schema.

``python -m tests.support.library_example tests/fixtures/library-NAME.db`` writes the file when a new schema is
released.
"""

from __future__ import annotations

import sys

import numpy as np

from voicematch.library import Library, open_library
from voicematch.types import Candidate, Embedding, LabelledEpisode, Line, Match, Turn, Verdict, Word

EMBEDDER = "tiny"
DIMENSION = 4
CLIP = b"fLaC: the clip"

ANN = Match(
    "SPEAKER_00",
    Verdict.ACCEPT,
    "Ann Lee",
    0.97,
    (Candidate("Ann Lee", 0.71, 0.97, 0.9), Candidate("Bob", 0.2, 0.03, 0.1)),
    ("Ann Lee fits at 0.97", "Bob is second at 0.03"),
)
NOBODY = Match("SPEAKER_01", Verdict.UNKNOWN, None, 0.1, (Candidate("Bob", 0.3, 0.1, 0.5),), ("no profile fits",))


def embedding(axis: int, *, start: float = 0.0, end: float = 10.0, seconds: float = 8.0) -> Embedding:
    """The unit vector along one axis, told apart by its axis alone."""
    return Embedding(np.eye(DIMENSION, dtype=np.float32)[axis], seconds=seconds, start=start, end=end)


def episode(
    number: int = 1, *, date: str | None = "2026-01-01", matches: dict[str, Match] | None = None
) -> LabelledEpisode:
    """Two speakers, three turns, three lines; ``number`` makes its audio and source its own."""
    return LabelledEpisode(
        source=f"/shows/episode-{number}.mp3",
        audio_sha256=f"{number:02x}" * 32,
        duration=60.0,
        turns=(Turn(0.0, 20.0, "SPEAKER_00"), Turn(19.5, 30.0, "SPEAKER_01"), Turn(30.0, 35.0, "SPEAKER_00")),
        matches={"SPEAKER_00": ANN, "SPEAKER_01": NOBODY} if matches is None else matches,
        lines=(
            Line(
                0.0,
                4.0,
                "On continual learning, naïvely.",
                "SPEAKER_00",
                words=(Word(0.0, 0.5, "On", "SPEAKER_00"), Word(0.5, 1.0, "continual")),
                others=("SPEAKER_01",),
            ),
            Line(4.0, 8.0, "Learning never stops.", "SPEAKER_01"),
            Line(8.0, 9.0, "♪", None),
        ),
        title=f"Episode {number}",
        date=date,
        embedder=EMBEDDER,
        diarizer="by hand",
        lost_seconds=0.25,
    )


def voices(first: int = 0, second: int = 1) -> dict[str, tuple[Embedding, ...]]:
    """The stored voices of ``episode``: two stretches of the first speaker, one of the second."""
    return {
        "SPEAKER_00": (embedding(first), embedding(first, start=10.0, end=20.0)),
        "SPEAKER_01": (embedding(second, start=20.0, end=30.0),),
    }


def fill(library: Library) -> None:
    library.profiles.create("Ann Lee", role="host", note="met in 2024")
    library.profiles.create("Bob")
    library.voiceprints.add(
        "Ann Lee",
        [embedding(0, start=1.0, end=11.0), embedding(3, start=11.0, end=21.0)],
        embedder=EMBEDDER,
        consent="permission",
        source="ann.wav",
        audio_sha256="aa" * 32,
        clip=CLIP,
    )
    library.voiceprints.add(
        "Bob", [embedding(1)], embedder=EMBEDDER, consent="public", source="bob.wav", audio_sha256="bb" * 32
    )
    library.episodes.store(episode(1), voices())
    library.settings.set("accept", "0.9")


if __name__ == "__main__":
    with open_library(sys.argv[1], embedder=EMBEDDER, dimension=DIMENSION) as made:
        fill(made)
