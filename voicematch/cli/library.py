"""``voicematch library``: the file the voices live in."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import EXIT_ERROR
from .options import device_option, json_option, library_option, quiet_option
from .terminal import print_json, print_table, progress_bar

if TYPE_CHECKING:
    from ..usecases.chosen import Engines
    from ..usecases.upgrade import Upgrade


@click.group()
def library() -> None:
    """Where the library is, what is in it, check it, back it up, move it to another embedder."""


@library.command()
@library_option
def path(location: str | None) -> None:
    """Where the library is (or would be made)."""
    from ..library import default_location

    click.echo(location or default_location())


@library.command()
@json_option
@library_option
def stats(as_json: bool, location: str | None) -> None:
    """What is in it, in numbers."""
    from ..library import open_library

    with open_library(location) as opened:
        figures = dataclasses.asdict(opened.upkeep.stats())
    if as_json:
        print_json(figures)
        return
    print_table(
        ("what", "value"), [(what.replace("_", " "), str(value)) for what, value in figures.items()], right=("value",)
    )


@library.command()
@library_option
def check(location: str | None) -> int:
    """Look for damage; exit 1 when there is any."""
    from ..library import open_library

    with open_library(location) as opened:
        findings = opened.upkeep.check()
    for finding in findings:
        click.echo(finding)
    if not findings:
        click.echo("no damage found")
    return EXIT_ERROR if findings else 0


@library.command()
@click.argument("target", type=click.Path(path_type=Path))
@library_option
def backup(target: Path, location: str | None) -> None:
    """Copy the library to TARGET, whole even while it is in use."""
    from ..library import open_library

    with open_library(location) as opened:
        opened.upkeep.backup(target)
    click.echo(f"wrote {target}", err=True)


@library.command()
@click.option("--embedder", metavar="NAME", required=True, help="The one to move to, of `voicematch models list`.")
@click.option("--dry-run", is_flag=True, help="Say what would be heard again, queued and lost; change nothing.")
@click.option("--force", is_flag=True, help="Go on although a profile will be left without a voice.")
@device_option
@json_option
@quiet_option
@library_option
@click.pass_obj
def upgrade(
    engines: Engines | None,
    embedder: str,
    dry_run: bool,
    force: bool,
    device: str,
    as_json: bool,
    quiet: bool,
    location: str | None,
) -> None:
    """Move the library to another embedder, with every voice heard again.

    Voiceprints are made anew from their kept clips, or from the recording where it is still there. Nothing changes
    until all of them are made, and a copy of the library as it was is kept beside it; ^C leaves it as it was.

    Stored episodes keep their names and lines, and are queued: `voicematch batch run` hears them again. Unnamed voices
    keep their numbers (U-0001) through that, and until then are not matched with what the new embedder hears. Stop a
    running batch first, and start `voicematch serve` anew afterwards.
    """
    from ..engines import open_embedder
    from ..library import open_library
    from ..usecases.upgrade import upgrade as move

    chosen = engines.embedder if engines and engines.embedder else open_embedder(embedder, device=device)
    diarizer = engines.diarizer if engines else None
    with open_library(location, create=False) as opened, progress_bar("upgrade", quiet=quiet) as progress:
        moved = move(opened, chosen, diarizer=diarizer, dry_run=dry_run, force=force, progress=progress)
    if as_json:
        print_json(dataclasses.asdict(moved) | {"backup": str(moved.backup) if moved.backup else None})
        return
    _show_upgrade(moved)


def _show_upgrade(moved: Upgrade) -> None:
    would = "would be " if moved.dry_run else ""
    before, after = moved.num_voiceprints
    click.echo(
        f"{moved.before} → {moved.embedder}: {before} voiceprint(s) {would}made anew as {after}, "
        f"from {moved.num_clips} kept clip(s) and {moved.num_spans} span(s) of recordings"
    )
    for lost in moved.lost:
        click.echo(f"lost: {lost.num_voiceprints} of {lost.profile}, from {lost.source}: {lost.reason}")
    for name in moved.silent:
        click.echo(f"{name} {would}left without a voice: enroll a clip of it")
    click.echo(f"{moved.num_queued} episode(s) {would}queued: voicematch batch run")
    for source in moved.gone:
        click.echo(f"not queued, its audio is gone: {source}; it keeps its names as they are")
    if not moved.is_calibrated:
        click.echo(f"no calibration for {moved.embedder}: names will only be suggested (maybe NAME), never given")
    if moved.backup:
        click.echo(f"the library as it was: {moved.backup}", err=True)
