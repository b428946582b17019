"""Names for a transcript that has speakers: they are the clusters, and our ears say who they are and where they err."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..audio import Audio
from ..engines import open_embedder
from ..engines.best import heard_best
from ..engines.diarize import backend_of
from ..engines.drift import Drift, drift
from ..engines.embed import Embedder
from ..engines.kept import heard_again
from ..engines.windows import embeddings_of
from ..errors import FormatError
from ..library.keys import storable
from ..types import Diarization, Embedding, Line, Turn, join_turns
from ..voices.overlaps import within
from .refold import shared_out

log = logging.getLogger(__name__)

OF_TRANSCRIPT = ", speakers of the transcript"  # what follows the diarizer's name in such an episode
GAP = 0.5  # s; a shorter silence between two lines of one speaker is part of their turn


@dataclass
class KeptSpeakers:
    """What is asked of a transcript that has speakers, and what came of it.

    repair : give the lines that drifted to the speaker who is heard in them
    drift : the lines whose speaker is not the one who is heard in them
    """

    repair: bool = False
    drift: tuple[Drift, ...] = ()

    def lay(
        self, lines: Sequence[Line], found: Diarization, audio: Audio, embedder: Embedder
    ) -> tuple[Diarization, tuple[Line, ...]]:
        """Return who speaks when, and what their voices are like, as the transcript has it; and its lines.

        Raises FormatError when the transcript has no speakers.
        """
        lines = tuple(replace(line, speaker=label_of(line.speaker)) for line in lines)
        if not any(line.speaker for line in lines):
            raise FormatError(audio.source, "its transcript names no speakers to keep; leave --keep-speakers out")
        self.drift = _drift(lines, found, audio)
        if self.repair:
            heard = {one.line: one.heard for one in self.drift}
            lines = tuple(replace(line, speaker=heard.get(idx, line.speaker)) for idx, line in enumerate(lines))
        lines = tuple(_of_one(line) for line in lines)
        turns = turns_of(lines, found.turns)
        kept = replace(found, turns=turns, exclusive=())
        return replace(kept, embeddings=_voices(kept, found, audio, embedder)), lines


def label_of(speaker: str | None) -> str | None:
    """Return a transcript's speaker as a local label; one of a command's EPISODE:SPEAKER holds no colon.

    >>> label_of(" Speaker: 1 ")
    'Speaker 1'
    """
    return " ".join(storable(speaker).replace(":", " ").split()) or None if speaker is not None else None


def _of_one(line: Line) -> Line:
    return replace(line, words=tuple(replace(word, speaker=line.speaker) for word in line.words), others=())


def turns_of(lines: Sequence[Line], heard: Sequence[Turn]) -> tuple[Turn, ...]:
    """Return the turns of the lines' speakers: where somebody is heard in a line, and all of it where nobody is."""
    speech = [(turn.start, turn.end) for turn in join_turns(replace(turn, speaker="") for turn in heard)]
    turns = []
    for line in lines:
        if line.speaker is not None and line.end > line.start:
            spoken = within(speech, line.start, line.end) or [(line.start, line.end)]
            turns += [Turn(start, end, line.speaker) for start, end in spoken]
    return join_turns(turns, gap=GAP)


def _drift(lines: Sequence[Line], found: Diarization, audio: Audio) -> tuple[Drift, ...]:
    if found.windows is None:
        log.warning("%s: only the built-in diarizer can tell where a transcript's speakers err", audio.source)
        return ()
    if not len(found.windows.vectors):
        return ()
    heard = heard_again(found.windows)
    return drift(lines, heard, backend_of(open_embedder(found.windows.embedder), heard))


def _voices(
    kept: Diarization, found: Diarization, audio: Audio, embedder: Embedder
) -> dict[str, tuple[Embedding, ...]]:
    if found.windows is None:
        return shared_out(found.embeddings, found.turns, kept.turns)
    heard = heard_again(found.windows)
    if found.windows.embedder == embedder.name:
        return embeddings_of(heard, kept.turns, embedder.min_speech)
    guide = open_embedder(found.windows.embedder)
    by_guide = replace(kept, embeddings=embeddings_of(heard, kept.turns, guide.min_speech))
    return heard_best(audio, heard, by_guide, embedder)
