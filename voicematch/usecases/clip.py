"""The stretch of a recording in which an unknown is heard best."""

from __future__ import annotations

from dataclasses import dataclass

from ..audio.together import reopened
from ..errors import AudioError
from ..library import Library
from ..types import Array, Part
from ..voices.clearest import clearest
from ..voices.score import centroid

MOST_LISTENED = 10  # episodes searched for the clearest clip of a voice; those in which it talks most


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A stretch of a recording. samples : (num_samples,) float32 array, 16 kHz"""

    source: str
    start: float
    end: float
    samples: Array


def clearest_clip(unknown: str, *, library: Library) -> Clip:
    """Return up to ten seconds in which an unknown (U-0001) is heard best, of an episode whose audio is there.

    Raises LibraryError when there is no such voice, AudioError when none of its episodes can be read any more.
    """
    heard = library.voices.unknown(unknown).speakers
    stretches: list[tuple[float, str, float, float, tuple[Part, ...]]] = []
    for voice in sorted(heard, key=lambda voice: -voice.talk_seconds)[:MOST_LISTENED]:
        embeddings = library.speakers.embeddings(voice.audio_sha256).get(voice.speaker, ())
        episode = library.episodes.get(voice.audio_sha256)
        best = clearest(episode.turns, voice.speaker, embeddings, centroid(embeddings).vector) if embeddings else None
        if best is not None:
            stretches.append((best[2], voice.source, best[0], best[1], episode.parts))
    gone: list[str] = []
    for _, source, start, end, parts in sorted(stretches, key=lambda one: -one[0]):
        try:
            return Clip(source, start, end, reopened(source, parts).read(start, end))
        except AudioError as error:
            gone.append(str(error))
    if gone:
        raise AudioError(unknown, f"none of its episodes can be read any more: {gone[0]}")
    raise AudioError(unknown, "is never heard alone, so there is nothing to play")
