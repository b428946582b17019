"""Who speaks when: the built-in diarizer, one streaming pass over the sound.

    blocks ─▶ log mel ─▶ speech probability ─▶ stretches of speech ─▶ windows of 1.5 s ─▶ vectors     (block by block)
    vectors ─▶ clusters ─▶ turns, a second speaker where two talk, and the vectors of each speaker   (at the end)

Only vectors and probabilities outlive their block, so memory hardly grows with the length of the episode.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol
from zipfile import BadZipFile

import numpy as np

from ..errors import ModelError
from ..models import files
from ..models.table import is_built_in, is_known
from ..types import Diarization, Progress, Sound
from .anchors import Anchors
from .backend import Backend
from .best import heard_best
from .cluster import cluster
from .embed import Embedder, OnnxEmbedder
from .kept import kept
from .listening import listen
from .overlap import with_second
from .speech import SpeechDetector, default_detector
from .turns import turns_of
from .windows import STEP, Clock, Heard, embeddings_of

BACKEND = ".backend.npz"  # after the embedder's name: its Backend, made by models/train/tune_clustering.py


class Diarizer(Protocol):
    """Finds the turns of an episode and what each voice is like."""

    @property
    def name(self) -> str: ...

    def diarize(
        self,
        audio: Sound,
        embedder: Embedder,
        *,
        speakers: tuple[int, int] | None = None,
        anchors: Anchors | None = None,
        progress: Progress | None = None,
    ) -> Diarization:
        """Return the turns and speakers of the whole recording.

        speakers : (fewest, most); None finds the number
        anchors : known voices, as this embedder has them; an engine that cannot use them answers without
        progress : called with "listen" as the sound goes by and "cluster" at the end
        """


class BuiltinDiarizer:
    """Speech detection, windows, vectors, clustering: offline, on a CPU. The same input gives the same output.

    With an embedder that is not built in, one that is tells voices apart within the episode, and the other hears the
    best of each speaker.

    everywhere : such an embedder tells voices apart too, and hears the whole episode
    """

    name = "built-in"

    def __init__(self, detector: Callable[[], SpeechDetector] = default_detector, *, everywhere: bool = False) -> None:
        self._detector, self._everywhere = detector, everywhere

    def diarize(
        self,
        audio: Sound,
        embedder: Embedder,
        *,
        speakers: tuple[int, int] | None = None,
        anchors: Anchors | None = None,
        progress: Progress | None = None,
    ) -> Diarization:
        clock, guide = Clock(), None if self._everywhere else guide_of(embedder)
        heard = listen(audio, guide or embedder, clock, progress, self._detector)
        if progress:
            progress("cluster", 0.0, 1.0)
        known = anchors if guide is None else None  # vectors of two embedders never meet
        diarization = conclude(heard, guide or embedder, clock, speakers=speakers, anchors=known)
        diarization = replace(diarization, windows=kept(heard, (guide or embedder).name))
        if guide is not None:
            with clock("embedding"):
                diarization = replace(diarization, embeddings=heard_best(audio, heard, diarization, embedder))
        if progress:
            progress("cluster", 1.0, 1.0)
        return diarization


def guide_of(embedder: Embedder) -> Embedder | None:
    """Return who tells voices apart in place of an embedder that is not built in; None for one that is."""
    if not is_known(embedder.name) or is_built_in(embedder.name):
        return None
    return OnnxEmbedder(device="auto")


def conclude(
    heard: Heard,
    embedder: Embedder,
    clock: Clock,
    *,
    speakers: tuple[int, int] | None = None,
    anchors: Anchors | None = None,
    backend: Backend | None = None,
) -> Diarization:
    """Tell who speaks when, from what was heard; ``embedder`` says which vectors these are.

    backend : what is known of them; None takes what is kept beside the embedder
    """
    if not len(heard.vectors):
        return Diarization((), {}, heard.duration, clock.seconds)
    fewest, most = speakers or (1, None)
    with clock("clustering"):
        backend = backend or backend_of(embedder, heard)
        joined = heard.windows[1:, 0] <= heard.windows[:-1, 1]
        labels = cluster(heard.vectors, backend=backend, joined=joined, min_speakers=fewest, max_speakers=most)
        if anchors is not None:
            labels = anchors.part(heard.vectors, labels, joined, most)
    with clock("boundaries"):
        alone = turns_of(heard, labels, fewest)
        turns = with_second(heard, alone)
        embeddings = embeddings_of(heard, turns, embedder.min_speech)
    return Diarization(turns, embeddings, heard.duration, clock.seconds, exclusive=alone)


def kept_backend(embedder: Embedder) -> Backend | None:
    """Return what is known of the embedder's vectors from the file beside its model; None when there is none.

    Raises ModelError when the file is damaged, or of other vectors.
    """
    file = files.beside(embedder.name, BACKEND)
    if file is None:
        return None
    again = f"voicematch calibrate --embedder {embedder.name} makes it anew"
    try:
        backend = Backend.load(file)
    except (OSError, EOFError, ValueError, KeyError, BadZipFile, zlib.error) as error:
        raise ModelError(f"{file}: cannot be read ({error}); {again}") from error
    if backend.projection.shape != (embedder.dimension, len(backend.between)) or len(backend.mean) != len(
        backend.projection
    ):
        raise ModelError(f"{file}: is not of vectors of dimension {embedder.dimension}; {again}")
    return backend


def backend_of(embedder: Embedder, heard: Heard) -> Backend:
    """Return what is known of the embedder's vectors, else what the episode itself shows."""
    kept = kept_backend(embedder)
    if kept is not None:
        return kept
    apart = heard.windows[2:, 0] - heard.windows[:-2, 1]
    first = np.flatnonzero(np.abs(apart) < STEP / 2)
    return Backend.of_episode(heard.vectors, np.stack([first, first + 2], axis=1))
