"""Embeddings to bytes and back: little-endian float32, checked when written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..errors import EmbedderMismatch, LibraryError
from ..types import Array, Embedding

UNIT_TOLERANCE = 1e-3  # float32 rounding of 192 to 1024 terms stays far below


def stack(embeddings: Sequence[Embedding], dimension: int, what: str) -> Array:
    """Return (num_embeddings, dimension) of unit rows, or raise an error that names ``what`` they were for."""
    for embedding in embeddings:
        shape = np.shape(embedding.vector)
        if shape != (dimension,):
            raise EmbedderMismatch(f"{what}: a vector of shape {shape} where this library holds dimension {dimension}")
    rows = np.array([embedding.vector for embedding in embeddings], np.float32).reshape(-1, dimension)
    if not np.isfinite(rows).all():
        raise LibraryError(f"{what}: an embedding is not finite; the audio it was made from is damaged")
    if (np.abs(np.linalg.norm(rows, axis=1) - 1.0) > UNIT_TOLERANCE).any():
        raise LibraryError(f"{what}: an embedding is not of unit length; divide it by its norm first")
    for embedding in embeddings:
        if not 0.0 <= embedding.start <= embedding.end < np.inf or not 0.0 <= embedding.seconds < np.inf:
            raise LibraryError(f"{what}: an embedding spans {embedding.start} to {embedding.end} s, which is no span")
    return rows


def to_bytes(rows: Array) -> bytes:
    return rows.astype("<f4").tobytes()


def spans_to_bytes(embeddings: Sequence[Embedding]) -> bytes:
    return np.array([(e.seconds, e.start, e.end) for e in embeddings], "<f8").tobytes()


def from_bytes(vectors: bytes, dimension: int) -> Array:
    """Return (num_embeddings, dimension) of what ``to_bytes`` made; none where ``dimension`` is 0, not known yet."""
    num_embeddings = len(vectors) // (4 * dimension) if dimension else 0
    return np.frombuffer(vectors, "<f4").reshape(num_embeddings, dimension).astype(np.float32, copy=False)


def spans_from_bytes(spans: bytes) -> npt.NDArray[np.float64]:
    """Return (num_embeddings, 3) of net seconds, start and end."""
    return np.frombuffer(spans, "<f8").reshape(-1, 3).astype(np.float64, copy=False)


def embeddings(rows: Array, spans: npt.NDArray[np.float64]) -> tuple[Embedding, ...]:
    return tuple(
        Embedding(vector, seconds=seconds, start=start, end=end)
        for vector, (seconds, start, end) in zip(rows, spans.tolist(), strict=True)
    )
