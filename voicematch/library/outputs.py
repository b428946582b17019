"""The files that episodes were written to, so that a new name can be written into them: those that are still as
voicematch left them, told by their content.

A file is stale from the transaction that changes what it should say until that is written. So a process that is killed
in between, or has no room on the disk, leaves a list of what is to be done, and the next command does it.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from . import stale
from .database import Database
from .keys import storable
from .matches import Names
from .schema import candidates, episodes, job_outputs, jobs, outputs, speakers, unknown_speakers

Sayings = Mapping[str, Sequence[object]]
"""By audio sha256, all that the files of an episode say of its speakers, for comparing alone."""


@dataclass(frozen=True, slots=True)
class Output:
    """A file of an episode.

    digests : sha256 of what voicematch may have left there; empty when it is not known
    source : the episode's audio, as it was given
    stale : set while the file is still to be written; tells one change from a later one
    is_new : it was never known to have been written
    written_as : (source, title, show) of the episode then, which may have other names too; None when not known
    """

    path: Path
    format: str
    digests: frozenset[str] = frozenset()
    audio_sha256: str = ""
    source: str = ""
    stale: str | None = None
    is_new: bool = False
    written_as: tuple[str, str, str] | None = None

    def is_ours(self, digest: str) -> bool:
        """Return whether a file with this content is as voicematch left it."""
        return not self.digests or digest in self.digests


_KNOWN = sa.select(outputs, episodes.c.audio_sha256, episodes.c.source).join(episodes)


class Outputs:
    """The files of an open library's episodes. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, audio_sha256: str) -> tuple[Output, ...]:
        """Return the files of an episode, in the order of their paths; also those a job wrote in an older library."""
        of_job = stale.of_jobs().where(jobs.c.audio_sha256 == audio_sha256)
        with self._database.read() as connection:
            known = [_output(row) for row in connection.execute(_KNOWN.where(episodes.c.audio_sha256 == audio_sha256))]
            known += [Output(Path(row.path), row.format) for row in connection.execute(of_job)]
        return tuple(sorted(known, key=lambda output: output.path))

    def at(self, paths: Sequence[Path]) -> dict[Path, Output]:
        """Return those of these files that are an episode's."""
        wanted = _KNOWN.where(outputs.c.path.in_([str(path) for path in paths]))
        with self._database.read() as connection:
            return {output.path: output for output in map(_output, connection.execute(wanted))}

    def expect(
        self,
        audio_sha256: str,
        written: Sequence[tuple[Path, str, str, str | None]],
        written_as: tuple[str, str, str] = ("", "", ""),
    ) -> str:
        """Record what is about to be written for a stored episode: (path, format, sha256, sha256 of what is there).

        written_as : (source, title, show)

        Before, not after: a process that is killed in between leaves a file that is known either way. Gives what
        `written` wants to hear afterwards.
        """
        mark = uuid.uuid4().hex
        with self._database.write() as connection:
            episode = connection.scalar(sa.select(episodes.c.id).where(episodes.c.audio_sha256 == audio_sha256))
            if episode is None:
                return mark
            connection.execute(outputs.delete().where(outputs.c.path.in_([str(path) for path, *_ in written])))
            for path, form, digest, before in written:
                values = {"path": str(path), "format": form, "digest": digest, "digest_before": before, "stale": mark}
                values |= dict(zip(("as_source", "as_title", "as_show"), map(storable, written_as), strict=True))
                connection.execute(outputs.insert().values(episode_id=episode, **values))
        return mark

    def written(self, paths: Collection[Path], mark: str) -> bool:
        """Record that these files say what they should, and say whether that is so.

        It is not for one that somebody has marked since: what it should say has changed, or it was written by others.
        """
        these = outputs.c.path.in_([str(path) for path in paths])
        settled = {"stale": None, "digest_before": outputs.c.digest}
        with self._database.write() as connection:
            num_known = connection.scalar(sa.select(sa.func.count()).select_from(outputs).where(these)) or 0
            own = these & (outputs.c.stale == mark)
            return connection.execute(outputs.update().where(own).values(settled)).rowcount == num_known

    def given_up(self, paths: Collection[Path], mark: str) -> None:
        """Forget files that were to be written for the first time, and could not be."""
        own = outputs.c.path.in_([str(path) for path in paths]) & (outputs.c.stale == mark)
        with self._database.write() as connection:
            connection.execute(outputs.delete().where(own))

    def left_alone(self, output: Output) -> None:
        """Record that a stale file is to stay as it is: it is gone, or somebody's own."""
        own = (outputs.c.path == str(output.path)) & (outputs.c.stale == output.stale)
        with self._database.write() as connection:
            connection.execute(outputs.update().where(own).values(stale=None))

    def forget(self, path: Path) -> None:
        """Follow a file no more."""
        with self._database.write() as connection:
            for table in (outputs, job_outputs):
                connection.execute(table.delete().where(table.c.path == str(path)))

    def stale(self) -> tuple[Output, ...]:
        """Return the files that are still to be written, those of one episode after the other."""
        wanted = _KNOWN.where(outputs.c.stale.is_not(None)).order_by(outputs.c.episode_id, outputs.c.path)
        with self._database.read() as connection:
            return tuple(_output(row) for row in connection.execute(wanted))

    def mark(self, audio_sha256s: Collection[str]) -> None:
        """Make stale every file of these episodes; belongs in the transaction that changes what they say."""
        with self._database.write() as connection:
            stale.mark(connection, audio_sha256s)

    def sayings(self) -> Sayings:
        """Return what the files of every episode that has some say of its speakers."""
        with self._database.read() as connection:
            return _sayings(connection)


def _sayings(connection: sa.Connection) -> Sayings:
    of_jobs = stale.of_jobs().subquery()
    has_files = episodes.c.id.in_(sa.select(outputs.c.episode_id)) | episodes.c.audio_sha256.in_(
        sa.select(of_jobs.c.audio_sha256)
    )
    names = Names(connection)
    columns = (speakers.c.label, speakers.c.verdict, speakers.c.probability, speakers.c.profile_id)
    said = (
        sa.select(speakers.c.id, episodes.c.audio_sha256, *columns, speakers.c.reasons, unknown_speakers.c.unknown_id)
        .select_from(speakers)
        .join(episodes)
        .outerjoin(unknown_speakers, unknown_speakers.c.speaker_id == speakers.c.id)
        .where(has_files)
        .order_by(speakers.c.id)
    )
    offered = (
        sa.select(candidates, episodes.c.audio_sha256)
        .select_from(candidates)
        .join(speakers, speakers.c.id == candidates.c.speaker_id)
        .join(episodes)
        .where(has_files)
        .order_by(candidates.c.speaker_id, candidates.c.position)
    )
    by_episode: dict[str, list[object]] = defaultdict(list)
    for row in connection.execute(said):
        name = names.by_id.get(row.profile_id)
        by_episode[row.audio_sha256].append((row.label, row.verdict, row.probability, name, names.show(row.reasons)))
        by_episode[row.audio_sha256].append(row.unknown_id)
    for row in connection.execute(offered):
        name = names.by_id.get(row.profile_id)
        by_episode[row.audio_sha256].append((row.speaker_id, name, row.score, row.probability, row.agreement))
    return by_episode


def changed(before: Sayings, after: Sayings) -> frozenset[str]:
    """Return the episodes whose files should say something else than before."""
    return frozenset(sha256 for sha256, said in after.items() if before.get(sha256) != said)


def _output(row: Any) -> Output:
    return Output(
        path=Path(row.path),
        format=row.format,
        digests=frozenset(digest for digest in (row.digest, row.digest_before) if digest is not None),
        audio_sha256=row.audio_sha256,
        source=row.source,
        stale=row.stale,
        is_new=row.digest is not None and row.digest_before is None,
        written_as=(row.as_source, row.as_title or "", row.as_show or "") if row.as_source else None,
    )
