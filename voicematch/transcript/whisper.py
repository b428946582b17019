"""Speech to lines with word times through faster-whisper, for audio that comes without a transcript.

Any Whisper model in CTranslate2's form does: a folder, a size ("small"), or a repository on the Hugging Face hub.
Nothing is downloaded unless asked for. Long audio goes through in chunks of about ten minutes that are cut where it is
quiet, so that memory does not grow with the episode.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio import SAMPLE_RATE, Audio
from ..errors import ModelError
from ..formats.cues import clean
from ..formats.spoken import fill_times, spelled_line
from ..types import Array, Line, Progress

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

CHUNK = 600.0  # s; the recogniser holds about 4 MB a minute of it
SEARCH = 30.0  # s before a chunk's end in which the quietest place to cut is looked for
QUIET = 0.5  # s that are quiet there


def transcribe(
    audio: Audio,
    model: str | Path,
    language: str | None = None,
    progress: Progress | None = None,
    *,
    pull: bool = False,
    skip_silence: bool = True,
    chunk: float = CHUNK,
) -> tuple[Line, ...]:
    """Write down what is said, as lines with word times and without speakers.

    model : folder of a CTranslate2 Whisper model, size, or hub repository
    language : code ("en"); None finds out from the first chunk
    pull : download the model if it is not here
    skip_silence : leave out what faster-whisper's voice detector takes for no speech, where Whisper invents text

    Raises ModelError without faster-whisper or the model, AudioError.
    """
    whisper = load(model, pull=pull)
    total = audio.estimate() or 0.0
    lines: list[Line] = []
    for start, samples in chunks(audio.blocks(), chunk):
        segments, heard = whisper.transcribe(
            samples, language=language, word_timestamps=True, vad_filter=skip_silence, condition_on_previous_text=False
        )
        for segment in segments:
            lines += _line(segment, start)
            if progress is not None:
                progress("transcribe", start + segment.end, total)
        language = heard.language
    return tuple(lines)


def _line(segment: Any, offset: float) -> list[Line]:
    start, end = offset + float(segment.start), offset + float(max(segment.start, segment.end))
    spelled = [(clean(word.word), offset + float(word.start), offset + float(word.end)) for word in segment.words or ()]
    words = fill_times([word for word in spelled if word[0]], start, end)
    line = spelled_line(start, max([end, *(word.end for word in words)]), segment.text, None, words)
    return [line] if line.text else []


def chunks(blocks: Iterator[Array], seconds: float) -> Iterator[tuple[float, Array]]:
    """Yield the audio in pieces of at most ``seconds`` and a block, each with the time at which it starts."""
    start, kept = 0, np.zeros(0, np.float32)
    for block in blocks:
        kept = np.concatenate([kept, block])
        while len(kept) > seconds * SAMPLE_RATE:
            cut = quietest(kept[: round(seconds * SAMPLE_RATE)])
            yield start / SAMPLE_RATE, kept[:cut]
            start, kept = start + cut, kept[cut:]
    if len(kept):
        yield start / SAMPLE_RATE, kept


def quietest(samples: Array) -> int:
    """Return the middle of the quietest half second near the end."""
    width = round(QUIET * SAMPLE_RATE)
    first = max(0, len(samples) - round(SEARCH * SAMPLE_RATE))
    energy = np.append(0.0, np.square(samples[first:], dtype=np.float64).cumsum())
    if len(energy) <= width:
        return len(samples)
    windows = energy[width:] - energy[:-width]
    return first + int(windows.argmin()) + width // 2


def load(model: str | Path, *, pull: bool = False) -> WhisperModel:
    """Load the recogniser from this machine; with ``pull`` from the hub if it has to be."""
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise ModelError('transcribing needs faster-whisper: pip install "voicematch[transcribe]"') from error
    folder = Path(model)
    if folder.is_dir():
        if not (folder / "model.bin").is_file():
            raise ModelError(f"{folder}: no model.bin; a CTranslate2 Whisper model is a folder with one")
    elif not pull and not _is_here(str(model)):
        raise ModelError(f"the recogniser {model} is not on this machine; get it with: hf download {repository(model)}")
    try:
        return WhisperModel(str(model), local_files_only=not pull, cpu_threads=os.cpu_count() or 1)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"the recogniser {model} cannot be loaded: {error}") from error


def repository(model: str | Path) -> str:
    """Return where on the hub a model of that name or size is."""
    return str(model) if "/" in str(model) else f"Systran/faster-whisper-{model}"


def _is_here(model: str) -> bool:
    from faster_whisper import download_model

    try:
        download_model(model, local_files_only=True)
    except (OSError, ValueError):
        return False
    return True
