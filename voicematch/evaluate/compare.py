"""Engines side by side over the same recordings: how right, how fast, and how much memory each pair takes.

Each pair of a diarizer and an embedder works in a process of its own, so that the memory is its own too and one that
fails, or is killed for want of memory, leaves the others.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from .. import engines
from ..audio import SAMPLE_RATE, Audio
from ..audio.spans import Samples
from ..engines.diarize import Diarizer
from ..engines.embed import Embedder
from ..engines.pyannote import ROWS
from ..errors import ModelError, VoicematchError
from ..models import files
from ..models.table import MODELS
from ..types import Progress, Turn
from . import DiarizationScore, diarization_error, eer, read_rttm, read_uem, total
from .memory import peak_memory_mb

PIECE_SECONDS = 2.0  # of one voice alone; about what a window of the diarizer hears
MOST_PIECES = 150  # of one recording; they are compared all with all


@dataclass(frozen=True, slots=True)
class Recording:
    """What the engines are compared on. ``turns`` is the truth, None where nobody has written it down."""

    source: str
    turns: tuple[Turn, ...] | None = None
    uem: tuple[tuple[float, float], ...] | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """What one pair came to.

    seconds : of work, without loading the models
    peak_mb : the most memory its process held, without a GPU's; None where the system does not say
    score : of all recordings whose truth is known; None where there is none
    eer : the embedder's alone, telling apart the voices of one recording by pieces of 2 s of the truth's turns
    error : why there is nothing else
    """

    diarizer: str
    embedder: str
    audio_seconds: float = 0.0
    seconds: float = 0.0
    peak_mb: float | None = None
    score: DiarizationScore | None = None
    eer: float | None = None
    error: str = ""

    @property
    def seconds_per_hour(self) -> float:
        """Seconds of work for an hour of audio."""
        return self.seconds * 3600 / self.audio_seconds if self.audio_seconds else 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What a process found out. ``target`` and ``nontarget`` are cosines of pieces of one voice, and of two."""

    turns: tuple[tuple[Turn, ...], ...]
    audio_seconds: float
    seconds: float
    target: tuple[float, ...]
    nontarget: tuple[float, ...]
    peak_mb: float | None


def recording(source: str, reference: Path | None = None) -> Recording:
    """Return a recording and its truth: ``reference``, else STEM.rttm or ref.rttm beside it, and a UEM of that name."""
    if reference is None:
        path = Path(source)
        beside = (path.parent / f"{path.stem}.rttm", path.parent / "ref.rttm")
        reference = next((path for path in beside if path.is_file()), None)
    if reference is None:
        return Recording(source)
    uem = reference.with_suffix(".uem")
    return Recording(source, read_rttm(reference), read_uem(uem) if uem.is_file() else None)


def installed(device: str = "auto") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the (diarizers, embedders) that can be used on this machine as it is."""
    diarizers, embedders = [], []
    for name in ("built-in", *(f"pyannote:{short}" for short, row in ROWS.items() if files.is_here(row))):
        with suppress(ModelError):
            engines.open_diarizer(name, device=device)
            diarizers.append(name)
    for name, card in MODELS.items():
        if card.kind == "embedder" and files.is_here(name):
            with suppress(ModelError):
                engines.open_embedder(name, device=device)
                embedders.append(name)
    return tuple(diarizers), tuple(embedders)


def compare(
    recordings: Sequence[Recording],
    diarizers: Sequence[str],
    embedders: Sequence[str],
    *,
    device: str = "auto",
    collar: float = 0.0,
    progress: Progress | None = None,
) -> tuple[Compared, ...]:
    """Measure and judge every diarizer with every embedder, one after the other.

    collar : seconds left out on each side of a boundary of the truth

    Raises EvaluationError when the truth is known and pyannote.metrics is missing.
    """
    if any(one.turns is not None for one in recordings):
        diarization_error([], [])  # raises now what it would raise after an hour of work
    pairs = [(diarizer, embedder) for diarizer in diarizers for embedder in embedders]
    compared = []
    for done, (diarizer, embedder) in enumerate(pairs):
        if progress is not None:
            progress(f"{diarizer} with {embedder}", done, len(pairs))
        try:
            measured = _in_own_process(recordings, diarizer, embedder, device)
        except (VoicematchError, BrokenProcessPool) as error:
            reason = "its process died; is there enough memory?" if isinstance(error, BrokenProcessPool) else str(error)
            compared.append(Compared(diarizer, embedder, error=reason))
        else:
            compared.append(judge(diarizer, embedder, recordings, measured, collar=collar))
    return tuple(compared)


def _in_own_process(recordings: Sequence[Recording], diarizer: str, embedder: str, device: str) -> Measured:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_open_and_measure, tuple(recordings), diarizer, embedder, device).result()


def _open_and_measure(recordings: Sequence[Recording], diarizer: str, embedder: str, device: str) -> Measured:
    try:
        opened = engines.open_diarizer(diarizer, device=device), engines.open_embedder(embedder, device=device)
        return measure(recordings, *opened)
    except VoicematchError as error:
        raise VoicematchError(str(error)) from None  # of a class that goes from one process to another with its text


def measure(recordings: Sequence[Recording], diarizer: Diarizer, embedder: Embedder) -> Measured:
    """Measure what a pair of engines finds in the recordings, and how long it takes."""
    diarizer.diarize(Samples(np.zeros(5 * SAMPLE_RATE, np.float32)), embedder)  # loads the models
    embedder.embed(np.zeros(SAMPLE_RATE, np.float32), np.array([[0, SAMPLE_RATE]]))
    turns, audio_seconds, seconds = [], 0.0, 0.0
    target: list[float] = []
    nontarget: list[float] = []
    audios = [Audio(one.source) for one in recordings]
    for audio in audios:
        audio.fetch()  # a download is not the engines' time
        began = time.perf_counter()
        diarization = diarizer.diarize(audio, embedder)
        seconds += time.perf_counter() - began
        audio_seconds += diarization.duration
        turns.append(diarization.turns)
    peak_mb = peak_memory_mb()
    for one, audio in zip(recordings, audios, strict=True):
        same, other = _cosines(one.turns or (), audio, embedder)
        target += same
        nontarget += other
    return Measured(tuple(turns), audio_seconds, seconds, tuple(target), tuple(nontarget), peak_mb)


def judge(
    diarizer: str, embedder: str, recordings: Sequence[Recording], measured: Measured, *, collar: float = 0.0
) -> Compared:
    """Judge what was found by the truth, as far as it is known."""
    scores = [
        diarization_error(one.turns, turns, one.uem, collar=collar)
        for one, turns in zip(recordings, measured.turns, strict=True)
        if one.turns is not None
    ]
    can_tell = bool(measured.target) and bool(measured.nontarget)
    return Compared(
        diarizer=diarizer,
        embedder=embedder,
        audio_seconds=measured.audio_seconds,
        seconds=measured.seconds,
        peak_mb=measured.peak_mb,
        score=total(scores) if scores else None,
        eer=eer(measured.target, measured.nontarget) if can_tell else None,
    )


def _cosines(turns: Sequence[Turn], audio: Audio, embedder: Embedder) -> tuple[list[float], list[float]]:
    """Cosines between pieces of one voice, and of two voices; the truth may go on where the recording has ended."""
    cut = [piece for piece in alone(turns) if piece[0] + PIECE_SECONDS <= audio.duration]
    if not cut:
        return [], []
    cut = [cut[idx] for idx in np.unique(np.linspace(0, len(cut) - 1, min(len(cut), MOST_PIECES)).astype(int))]
    samples = audio.slices([(start, start + PIECE_SECONDS) for start, _ in cut])
    vectors = np.concatenate([embedder.embed(piece, np.array([[0, len(piece)]])) for piece in samples])
    speakers = np.array([speaker for _, speaker in cut])
    first, second = np.triu_indices(len(cut), k=1)
    cosines = np.einsum("ij,ij->i", vectors[first], vectors[second])
    same = speakers[first] == speakers[second]
    return cosines[same].tolist(), cosines[~same].tolist()


def alone(turns: Sequence[Turn]) -> list[tuple[float, str]]:
    """Return (start, speaker) of pieces of ``PIECE_SECONDS`` in which one speaker talks and nobody else, in order.

    >>> alone([Turn(0, 5, "Ada"), Turn(4, 7, "Bob")])
    [(0, 'Ada'), (2.0, 'Ada'), (5, 'Bob')]
    """
    edges = sorted({edge for turn in turns for edge in (turn.start, turn.end)})
    spans: list[tuple[float, float, str]] = []
    for start, end in pairwise(edges):
        talking = {turn.speaker for turn in turns if turn.start <= start and turn.end >= end}
        if len(talking) != 1:
            continue
        (speaker,) = talking
        if spans and spans[-1][1:] == (start, speaker):
            spans[-1] = (spans[-1][0], end, speaker)
        else:
            spans.append((start, end, speaker))
    return [
        (start + idx * PIECE_SECONDS if idx else start, speaker)
        for start, end, speaker in spans
        for idx in range(int((end - start) / PIECE_SECONDS + 1e-9))
    ]
