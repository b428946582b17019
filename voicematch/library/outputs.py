"""The files that episodes were written to, so that a new name can be written into them: those that are still as
voicematch left them, told by their content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from .database import Database
from .jobs import State
from .keys import storable
from .schema import episodes, job_outputs, jobs, outputs


@dataclass(frozen=True, slots=True)
class Output:
    """A file of an episode.

    digests : sha256 of what voicematch may have left there; empty when it is not known
    written_as : (source, title, show) of the episode then, which may have other names too; None when not known
    """

    path: Path
    format: str
    digests: frozenset[str] = frozenset()
    written_as: tuple[str, str, str] | None = None

    def is_ours(self, digest: str) -> bool:
        """Whether a file with this content is as voicematch left it."""
        return not self.digests or digest in self.digests


class Outputs:
    """The files of an open library's episodes. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, audio_sha256: str) -> tuple[Output, ...]:
        """The files of an episode, in the order of their paths; also those that a job wrote in an older library."""
        of_episode = sa.select(outputs).join(episodes).where(episodes.c.audio_sha256 == audio_sha256)
        of_job = (
            sa.select(job_outputs.c.path, job_outputs.c.format)
            .join(jobs, jobs.c.id == job_outputs.c.job_id)
            .where(jobs.c.audio_sha256 == audio_sha256, jobs.c.state == State.DONE)
            .where(job_outputs.c.path.not_in(sa.select(outputs.c.path)))
        )
        with self._database.read() as connection:
            known = [_output(row) for row in connection.execute(of_episode)]
            known += [Output(Path(row.path), row.format) for row in connection.execute(of_job)]
        return tuple(sorted(known, key=lambda output: output.path))

    def at(self, paths: Sequence[Path]) -> dict[Path, Output]:
        """Those of these files that are an episode's."""
        wanted = sa.select(outputs).where(outputs.c.path.in_([str(path) for path in paths]))
        with self._database.read() as connection:
            return {output.path: output for output in map(_output, connection.execute(wanted))}

    def expect(
        self,
        audio_sha256: str,
        written: Sequence[tuple[Path, str, str, str | None]],
        written_as: tuple[str, str, str] = ("", "", ""),
    ) -> None:
        """Records what is about to be written for a stored episode: (path, format, sha256, sha256 of what is there).

        written_as : (source, title, show)

        Before, not after: a process that is killed in between leaves a file that is known either way.
        """
        with self._database.write() as connection:
            episode = connection.scalar(sa.select(episodes.c.id).where(episodes.c.audio_sha256 == audio_sha256))
            if episode is None:
                return
            connection.execute(outputs.delete().where(outputs.c.path.in_([str(path) for path, *_ in written])))
            for path, form, digest, before in written:
                values = {"path": str(path), "format": form, "digest": digest, "digest_before": before}
                values |= dict(zip(("source", "title", "show"), map(storable, written_as), strict=True))
                connection.execute(outputs.insert().values(episode_id=episode, **values))

    def forget(self, path: Path) -> None:
        """Follows a file no more."""
        with self._database.write() as connection:
            for table in (outputs, job_outputs):
                connection.execute(table.delete().where(table.c.path == str(path)))


def _output(row: Any) -> Output:
    digests = frozenset(digest for digest in (row.digest, row.digest_before) if digest is not None)
    written_as = (row.source, row.title or "", row.show or "") if row.source else None
    return Output(Path(row.path), row.format, digests, written_as)
