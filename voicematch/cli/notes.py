"""``voicematch notes``: the library as a folder of notes, for Obsidian or Logseq."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from .options import json_option, library_option, quiet_option
from .terminal import print_json, progress_bar


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--force", is_flag=True, help="Write over what another library wrote, and over changes between the markers."
)
@quiet_option
@json_option
@library_option
def notes(folder: Path, force: bool, quiet: bool, as_json: bool, location: str | None) -> None:
    """Write the library to DIR as notes for Obsidian or Logseq: one an episode, one a person, linked.

    What you write in them stays: above and below the markers, under front-matter keys of your own, in files of your
    own; notes that you move or rename are found again. The notes follow a naming; new episodes come in when this is run
    again.
    """
    from ..library import open_library
    from ..outputs.vault import write_vault

    with (
        open_library(location, create=False) as library,
        progress_bar("notes", quiet=quiet) as progress,
    ):
        written = write_vault(library, folder, force=force, progress=progress)
    if as_json:
        print_json(dataclasses.asdict(written) | {"left_alone": [str(path) for path in written.left_alone]})
        return
    click.echo(
        f"{written.num_episodes} episode(s) and {written.num_people} person(s) in {folder}; "
        f"{written.num_changed} note(s) changed, {written.num_removed} removed",
        err=True,
    )
