"""Which files wait to be written anew: marked in the transaction that changes what they should say."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from .job import State
from .schema import episodes, job_outputs, jobs, outputs

MOST_ASKED = 500  # a longer list is cheaper to look up here than to send


def mark(connection: sa.Connection, audio_sha256s: Collection[str]) -> None:
    """Make stale every file of these episodes, by the sha256 of their audio."""
    few = len(audio_sha256s) < MOST_ASKED
    wanted = episodes.c.audio_sha256.in_(list(audio_sha256s)) if few else sa.true()
    rows = connection.execute(sa.select(episodes.c.id, episodes.c.audio_sha256).where(wanted)).all()
    numbers = {row.audio_sha256: row.id for row in rows if row.audio_sha256 in audio_sha256s}
    if not numbers:
        return
    values = {"stale": uuid.uuid4().hex}
    unrecorded = of_jobs().where(jobs.c.audio_sha256.in_(list(numbers)) if few else sa.true())
    for row in connection.execute(unrecorded).all():
        if row.audio_sha256 in numbers:
            known = {"path": row.path, "format": row.format, "episode_id": numbers[row.audio_sha256]}
            connection.execute(outputs.insert().values(**known, **values))
    own = outputs.c.episode_id == sa.bindparam("its_episode")
    its_episodes = [{"its_episode": number} for number in numbers.values()]
    connection.execute(outputs.update().where(own).values(values), its_episodes)


def of_jobs() -> sa.Select[Any]:
    """Return the files that a job wrote before they were recorded with their episodes."""
    return (
        sa.select(job_outputs.c.path, job_outputs.c.format, jobs.c.audio_sha256)
        .join(jobs, jobs.c.id == job_outputs.c.job_id)
        .where(jobs.c.state == State.DONE, jobs.c.audio_sha256.is_not(None))
        .where(job_outputs.c.path.not_in(sa.select(outputs.c.path)))
    )
