"""pyannote.audio's diarization as a Diarizer: who speaks when, also where several speak at once.

The pipeline finds the turns of up to ``PIECE`` seconds at a time, from samples in memory, so that no torchcodec is
needed. What it keeps of a recording grows with the square of its length and with its speakers; cut into pieces, a
recording of any length takes no more than one of an hour. The voices of the pieces are then told apart, and joined, by
the library's embedder, which makes the vectors of the answer in any case: what pyannote embeds with stays inside.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from .. import given
from ..audio import SAMPLE_RATE
from ..errors import ModelError
from ..models import files, table
from ..types import Array, Diarization, Embedding, Progress, Sound, Turn, join_turns
from ..voices.score import union
from . import checkpoints, pipelines
from .anchors import Anchors
from .device import in_batches, load, pick, require
from .embed import Embedder
from .features import FRAMES_PER_SECOND, HOP
from .windows import Clock, Heard, embeddings_of, place

PIECE = 3600.0  # s of sound that the pipeline hears at once: with 31 voices 2.0 GB, after three such pieces 2.3 GB
SHORTEST_PIECE = 600.0  # s; a shorter rest is heard with the piece before it
SEAM = 0.05  # s between two turns that are one, in which pyannote's frames of 17 ms meet the end of a piece
ROWS = {
    "community-1": "pyannote-community-1",
    "3.1": "pyannote-3.1",
    "segmentation-3.0": "pyannote-segmentation-3.0",
}  # what may follow "pyannote:", and its row in the table of models
STEPS = {"segmentation": "turns", "embeddings": "voices"}  # pyannote's steps that take time, as we call them


class PyannoteDiarizer:
    """The diarizer of a name in ``ROWS``, or of a folder with a pipeline or a segmentation model.

    Raises ModelError when pyannote.audio is not installed, or the model not on this machine.
    """

    def __init__(self, name: str = "community-1", *, device: str = "auto", piece: float = PIECE) -> None:
        require("pyannote.audio")
        self._folder = _folder(name)
        self._device = device
        self._piece = piece
        self._pipelines: dict[str, Any] = {}
        self.name = f"pyannote:{self._folder.name if name not in ROWS else name}"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_pipelines": {}}

    def diarize(
        self,
        audio: Sound,
        embedder: Embedder,
        *,
        speakers: tuple[int, int] | None = None,
        anchors: Anchors | None = None,
        progress: Progress | None = None,
    ) -> Diarization:
        """Diarize as the protocol has it, with ``exclusive``.

        speakers : the fewest count for a recording that is heard in one piece, the most for every one
        anchors : not used: pyannote's own network tells voices apart
        """
        clock = Clock()
        pieces: list[Piece] = []
        duration = 0.0
        for samples, is_all in cut(audio, self._piece, clock, progress):
            told = _Told(progress, duration, len(samples) / SAMPLE_RATE, audio.estimate() or 0.0)
            pieces.append(self._hear(samples, duration, embedder, clock, _bounds(speakers, is_all=is_all), told))
            duration += len(samples) / SAMPLE_RATE
        if progress:
            progress("cluster", 0.0, 1.0)
        unity = files.calibration(embedder.name).alike if len(pieces) > 1 else 1.0
        with clock("clustering"):
            diarization = join(pieces, unity=unity, most=speakers[1] if speakers else None)
        if progress:
            progress("cluster", 1.0, 1.0)
        return replace(diarization, duration=duration, seconds_by_stage=clock.seconds)

    def _hear(
        self,
        samples: Array,
        offset: float,
        embedder: Embedder,
        clock: Clock,
        bounds: dict[str, int],
        told: _Told,
    ) -> Piece:
        """Who speaks in one piece, which begins ``offset`` seconds into the recording."""
        with clock("models"):
            pipeline = self._pipeline(embedder)
        torch = load("torch")
        file = {"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE, "uri": "recording"}

        def run(size: int) -> Any:
            pipelines.set_batch(pipeline, size)
            return pipeline(file, hook=told, **bounds)

        with clock("diarization"), warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # VBx prints
            warnings.simplefilter("ignore")  # of numbers rounded otherwise, and of pauses too short for a mean
            outputs = in_batches(run, pipelines.BATCH[pipeline.device.type])
        end = len(samples) / SAMPLE_RATE
        turns = _turns(outputs.speaker_diarization, end, offset)
        exclusive = _turns(outputs.exclusive_speaker_diarization, end, offset)
        with clock("embedding"):
            heard = _windows(samples, offset, exclusive, embedder)
            return Piece(turns, exclusive, embeddings_of(heard, turns, embedder.min_speech))

    def _pipeline(self, embedder: Embedder) -> Any:
        """The pipeline, opened on first use; one that has no embedder of its own, once for each of ours."""
        key = "" if pipelines.is_pipeline(self._folder) else embedder.name
        if key not in self._pipelines:
            self._pipelines[key] = pipelines.build(self._folder, embedder).to(pick(self._device))
        return self._pipelines[key]


def cut(audio: Sound, length: float, clock: Clock, progress: Progress | None) -> Iterator[tuple[Array, bool]]:
    """Yield the sound in pieces of ``length`` seconds, the last up to ``SHORTEST_PIECE`` longer; and if it is all."""
    size = round(length * SAMPLE_RATE)
    most = size + round(min(SHORTEST_PIECE, length) * SAMPLE_RATE)
    kept: list[Array] = []
    num_kept = num_given = 0
    blocks = iter(audio.blocks())
    while True:
        with clock("decode"):
            block = next(blocks, None)
        if block is None:
            break
        kept.append(block)
        num_kept += len(block)
        if progress:
            done = (num_given + num_kept) / SAMPLE_RATE
            progress("listen", done, max(done, audio.estimate() or 0.0))
        while num_kept >= most:
            joined = np.concatenate(kept)
            kept, num_kept, num_given = [joined[size:]], num_kept - size, num_given + size
            yield joined[:size], False
    if num_kept:
        yield np.concatenate(kept), num_given == 0


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Who speaks in a part of a recording, in its own labels and the recording's times. As in ``Diarization``."""

    turns: tuple[Turn, ...]
    exclusive: tuple[Turn, ...]
    embeddings: dict[str, tuple[Embedding, ...]]


def join(pieces: Sequence[Piece], *, unity: float, most: int | None = None) -> Diarization:
    """Join the pieces to one recording: speakers of two pieces who sound like one person get one label.

    unity : what `score.union` of two speakers must reach for that
    most : speakers in the recording; beyond, the next most alike are made one whether they reach it or not

    Two speakers of one piece stay two. One with too little speech to have embeddings is nobody else.
    """
    voices: list[list[Embedding]] = []
    turns: list[Turn] = []
    exclusive: list[Turn] = []
    for idx, piece in enumerate(pieces):
        known = _recognised(piece, voices, unity, most)
        for label, voice in known.items():
            voices += [[] for _ in range(voice + 1 - len(voices))]
            voices[voice] += piece.embeddings[label]
        names = {label: str(voice) for label, voice in known.items()}
        for of_all, of_piece in ((turns, piece.turns), (exclusive, piece.exclusive)):
            of_all += [replace(turn, speaker=names.get(turn.speaker, f"{turn.speaker} {idx}")) for turn in of_piece]
    joined, alone = join_turns(turns, gap=SEAM), join_turns(exclusive, gap=SEAM)
    labels = {speaker: f"SPEAKER_{idx:02d}" for idx, speaker in enumerate(dict.fromkeys(t.speaker for t in joined))}
    embeddings = {labels[str(idx)]: tuple(voice) for idx, voice in enumerate(voices) if str(idx) in labels}
    return Diarization(
        tuple(replace(turn, speaker=labels[turn.speaker]) for turn in joined),
        {label: embeddings[label] for label in labels.values() if label in embeddings},
        duration=max((turn.end for turn in joined), default=0.0),
        exclusive=tuple(replace(turn, speaker=labels[turn.speaker]) for turn in alone if turn.speaker in labels),
    )


def _recognised(piece: Piece, voices: Sequence[Sequence[Embedding]], unity: float, most: int | None) -> dict[str, int]:
    """For each speaker of a piece with embeddings, which voice it is; new voices are counted on."""
    labels = list(piece.embeddings)
    alike = np.array([[union(voice, piece.embeddings[label]) for voice in voices] for label in labels])
    voice_by_label: dict[str, int] = {}
    if voices and labels:
        rows, columns = linear_sum_assignment(alike, maximize=True)
        pairs = sorted(zip(rows.tolist(), columns.tolist(), strict=True), key=lambda pair: -alike[pair])
        for row, column in pairs:
            num_new = len(labels) - len(voice_by_label)
            if alike[row, column] >= unity or (most is not None and len(voices) + num_new > most):
                voice_by_label[labels[row]] = column
    new = iter(range(len(voices), len(voices) + len(labels)))
    return {label: voice_by_label[label] if label in voice_by_label else next(new) for label in labels}


def _folder(name: str) -> Path:
    """Where the model of a name lies. Raises ModelError with the way to get it."""
    if name in ROWS:
        source = table.card(ROWS[name]).source
        if source is not None and not files.is_here(ROWS[name]):
            page = f"https://huggingface.co/{source.repository}"
            raise ModelError(
                f"pyannote:{name} is not on this machine: accept its terms at {page}, "
                f"log in with `hf auth login`, then voicematch models pull {ROWS[name]}"
            )
        return files.path(ROWS[name])
    try:
        folder = given.expanded(name)
    except OSError as error:
        raise ModelError(f"pyannote:{name}: {error.strerror}") from error
    if not folder.is_dir():
        raise ModelError(f"pyannote:{name}: no such folder; there is {', '.join(f'pyannote:{row}' for row in ROWS)}")
    if not any((folder / file).is_file() for file in (pipelines.CONFIG, checkpoints.WEIGHTS)):
        raise ModelError(f"{folder}: holds neither a pipeline ({pipelines.CONFIG}) nor a model ({checkpoints.WEIGHTS})")
    return folder.resolve()


def _bounds(speakers: tuple[int, int] | None, *, is_all: bool) -> dict[str, int]:
    """The number of speakers, in pyannote's words; a part of a recording need not have all of them."""
    if speakers is None:
        return {}
    fewest, most = speakers
    if not is_all:
        return {"max_speakers": most}
    return {"num_speakers": most} if fewest == most else {"min_speakers": fewest, "max_speakers": most}


def _turns(annotation: Any, end: float, offset: float) -> tuple[Turn, ...]:
    """The turns of pyannote's annotation inside 0 … end, ``offset`` seconds later."""
    spans = [(max(0.0, s.start), min(s.end, end), str(who)) for s, _, who in annotation.itertracks(yield_label=True)]
    return tuple(sorted(Turn(start + offset, stop + offset, who) for start, stop, who in spans if stop > start))


def _windows(samples: Array, offset: float, turns: Sequence[Turn], embedder: Embedder) -> Heard:
    """The windows that cover these turns, and their vectors."""
    end = len(samples) / SAMPLE_RATE
    windows = np.array(
        sorted(window for turn in turns for window in place((turn.start - offset, turn.end - offset), end))
    ).reshape(-1, 2)
    bounds = np.rint(windows * FRAMES_PER_SECOND).astype(np.int64) * HOP
    bounds = np.minimum(bounds, len(samples))
    long_enough = bounds[:, 1] - bounds[:, 0] >= embedder.min_speech * SAMPLE_RATE
    heard = Heard(embedder.dimension)
    heard.windows = windows[long_enough] + offset
    heard.vectors = embedder.embed(samples, bounds[long_enough])
    return heard


@dataclass(frozen=True, slots=True)
class _Told:
    """Hands pyannote's progress on as ours, in seconds of the recording; raising out of ours stops the pipeline."""

    progress: Progress | None
    start: float
    length: float
    total: float

    def __call__(
        self,
        step: str,
        artifact: object = None,
        file: object = None,
        total: int | None = None,
        completed: int | None = None,
    ) -> None:
        if self.progress is not None and total and completed is not None:
            done = self.start + self.length * min(1.0, completed / total)
            self.progress(STEPS.get(step, step), done, max(self.total, self.start + self.length))
