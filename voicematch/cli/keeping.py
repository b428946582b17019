"""``voicematch identify --keep-speakers``: its options, and the report of the lines that a transcript has wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .options import Command, clock
from .terminal import print_table

if TYPE_CHECKING:
    from ..types import LabelledEpisode
    from ..usecases.keep_speakers import KeptSpeakers

MOST_SHOWN = 60  # characters of a line


def options(command: Command) -> Command:
    """Add ``--keep-speakers`` and ``--repair-drift``."""
    command = click.option(
        "--repair-drift", is_flag=True, help="With --keep-speakers: give these lines to whom is heard in them."
    )(command)
    return click.option(
        "--keep-speakers",
        is_flag=True,
        help="The transcript's speakers are the speakers; name them, and report the lines in which another is heard.",
    )(command)


def asked(keep_speakers: bool, repair_drift: bool, transcript: str | None) -> KeptSpeakers | None:
    """Return what is asked of the transcript's speakers; None when they are replaced."""
    if keep_speakers and not transcript:
        raise click.UsageError("--keep-speakers needs a --transcript")
    if repair_drift and not keep_speakers:
        raise click.UsageError("--repair-drift goes with --keep-speakers")
    if not keep_speakers:
        return None
    from ..usecases.keep_speakers import KeptSpeakers

    return KeptSpeakers(repair=repair_drift)


def as_json(kept: KeptSpeakers | None) -> dict[str, Any]:
    """Return what the episode's JSON says of it: each line by its place in the transcript, from 0."""
    if kept is None:
        return {}
    return {
        "drift": [
            {
                "line": one.line,
                "start": one.start,
                "end": one.end,
                "said": one.said,
                "heard": one.heard,
                "probability": one.probability,
                "repaired": kept.repair,
            }
            for one in kept.drift
        ]
    }


def report(kept: KeptSpeakers | None, episode: LabelledEpisode) -> None:
    """Print the lines in which another is heard than the transcript says."""
    if kept is None:
        return
    rows = [
        (
            clock(one.start),
            _called(episode, one.said),
            _called(episode, one.heard),
            f"{one.probability:.0%}",
            one.text if len(one.text) <= MOST_SHOWN else f"{one.text[: MOST_SHOWN - 1]}…",
        )
        for one in kept.drift
    ]
    if rows:
        print_table(("at", "transcript says", "sounds like", "probability", "line"), rows, right=("at", "probability"))
    done = "given to whom is heard in them" if kept.repair else "left as they are; --repair-drift changes that"
    click.echo(f"{len(rows)} line(s) sound like another speaker" + (f", {done}" if rows else ""))


def _called(episode: LabelledEpisode, label: str) -> str:
    name = episode.name(label)
    return label if name == label else f"{name} ({label})"
