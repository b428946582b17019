"""The vectors of an episode's windows, kept so that its voices can be told apart anew without the audio.

They are voices: they go with the episode, and with any voice in it that is forgotten.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from ..types import Windows
from .database import Database
from .schema import episodes, speakers, turns, windows

REST = ("speech", "spans", "runs", "frames")
"""The arrays that are kept together; they pack well, as vectors do not."""


class KeptWindows:
    """The windows of an open library's episodes. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, audio_sha256: str) -> Windows | None:
        """Return the windows of an episode; None when none are kept."""
        own = sa.select(windows).join(episodes).where(episodes.c.audio_sha256 == audio_sha256)
        with self._database.read() as connection:
            row = connection.execute(own).one_or_none()
            return None if row is None else _windows(row)

    def keep(self, audio_sha256: str, heard: Windows) -> None:
        """Keep the windows of a stored episode, in place of those of before."""
        with self._database.write() as connection:
            number = _episode(audio_sha256)
            connection.execute(windows.delete().where(windows.c.episode_id == number.scalar_subquery()))
            values = {
                "embedder": heard.embedder,
                "dimension": heard.vectors.shape[1],
                "duration": float(heard.duration),
                "vectors": _as_bytes(heard.vectors.astype("<f2", copy=False)),
                "moments": _as_bytes(heard.moments),
                "rest": _packed(heard),
            }
            connection.execute(windows.insert().values(episode_id=connection.execute(number).scalar_one(), **values))

    def forget(self, audio_sha256: str) -> None:
        """Keep no windows of an episode."""
        with self._database.write() as connection:
            own = windows.c.episode_id == _episode(audio_sha256).scalar_subquery()
            connection.execute(windows.delete().where(own))


def forget_of(connection: sa.Connection, forgotten: Collection[int]) -> None:
    """Erase the windows of every episode in which one of these speakers, by their ids, is heard."""
    of_them = sa.select(speakers.c.episode_id).where(speakers.c.id.in_(list(forgotten)))
    spoken = sa.select(turns.c.episode_id).where(turns.c.speaker_id.in_(list(forgotten)))
    connection.execute(windows.delete().where(windows.c.episode_id.in_(of_them.union(spoken))))


def findings(connection: sa.Connection) -> Iterator[str]:
    """Find windows that cannot be read, one line each."""
    numbers = sa.select(windows.c.episode_id, episodes.c.audio_sha256).join(episodes).order_by(windows.c.episode_id)
    for number, sha256 in connection.execute(numbers).all():
        row = connection.execute(sa.select(windows).where(windows.c.episode_id == number)).one()
        try:
            kept = _windows(row)
            is_right = _is_right(kept)
        except (ValueError, KeyError, TypeError, OSError, zlib.error, EOFError):
            is_right = False
        if not is_right:
            yield f"episode {sha256[:12]}: its windows cannot be read"


def remove_unreadable(connection: sa.Connection) -> tuple[str, ...]:
    """Take out windows that cannot be read, and say which they were."""
    done = []
    for finding in findings(connection):
        digits = finding.removeprefix("episode ").partition(":")[0]
        own = sa.select(episodes.c.id).where(episodes.c.audio_sha256.startswith(digits))
        connection.execute(windows.delete().where(windows.c.episode_id.in_(own)))
        done.append(f"{finding}; taken out")
    return tuple(done)


def _is_right(kept: Windows) -> bool:
    finite = all(np.isfinite(array.astype(np.float64)).all() for array in (kept.speech, kept.spans, kept.vectors))
    return (
        finite
        and len(kept.spans) == len(kept.vectors)
        and int(kept.runs[:, 1].sum()) == len(kept.moments)
        and bool((np.abs(np.linalg.norm(kept.vectors.astype(np.float32), axis=1) - 1.0) < 0.01).all())
    )


def _episode(audio_sha256: str) -> sa.Select[tuple[int]]:
    return sa.select(episodes.c.id).where(episodes.c.audio_sha256 == audio_sha256)


def _as_bytes(rows: npt.NDArray[Any]) -> memoryview:
    """The array's own memory: the database copies it often enough."""
    return np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data


def _packed(heard: Windows) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **{name: getattr(heard, name) for name in REST})
    return file.getvalue()


def _windows(row: Any) -> Windows:
    with np.load(io.BytesIO(row.rest), allow_pickle=False) as rest:
        arrays = {name: rest[name] for name in REST}
    return Windows(
        embedder=row.embedder,
        duration=row.duration,
        vectors=np.frombuffer(row.vectors, "<f2").reshape(-1, row.dimension).astype(np.float16, copy=False),
        moments=np.frombuffer(row.moments, np.int8).reshape(-1, row.dimension),
        **arrays,
    )
