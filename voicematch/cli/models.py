"""``voicematch models``: the weights this machine has, and those it could have."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import click

from ..errors import ModelError
from . import EXIT_ERROR
from .options import json_option, quiet_option
from .terminal import print_json, print_table, progress_bar


@click.group()
def models() -> None:
    """The models: which there are, where they are, whether they are intact; pull, remove, export, compare.

    Pulled models go to the folder that `voicematch models path NAME` shows, below VOICEMATCH_MODELS if that is set.
    Nothing is ever downloaded but by `voicematch models pull`.
    """


@models.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every model voicematch can use, and whether it is on this machine."""
    from ..models import MODELS, is_here

    if as_json:
        print_json([dataclasses.asdict(card) | {"here": is_here(name)} for name, card in MODELS.items()])
        return
    rows = [
        (
            card.name,
            card.kind,
            "built in" if card.source is None else "here" if is_here(card.name) else f"pull, {_megabytes(card.size)}",
            f"{card.num_parameters / 1e6:.2f} M" if card.num_parameters else "",
            card.licence,
            card.description,
        )
        for card in MODELS.values()
    ]
    columns = ("name", "kind", "where", "parameters", "licence", "description")
    print_table(columns, rows, right=("parameters",))


@models.command()
@click.argument("name")
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Take the files from a folder, without a network.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask before downloading.")
@quiet_option
def pull(name: str, folder: Path | None, yes: bool, quiet: bool) -> None:
    """Fetch the model NAME from the Hugging Face hub, or from a folder.

    Size and licence are shown first. The files are checked against the sums known here, or against those of the first
    pull; what is here and intact is not fetched again. HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE are heeded.
    """
    from .. import hub

    offer = hub.offer(name, folder=folder)
    if not offer.files:
        click.echo(f"{name} is here and intact: nothing to fetch", err=True)
        return
    at = f" at {offer.revision[:12]}" if offer.revision else ""
    click.echo(f"{name}: {_megabytes(offer.size)} from {offer.origin}{at}, licence {offer.licence}", err=True)
    if folder is None and not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("nobody is there to be asked; --yes downloads it")
        click.confirm("Download it?", abort=True, err=True)
    with progress_bar(name, quiet=quiet) as progress:
        into = hub.pull(offer, progress=progress)
    click.echo(f"wrote {into}", err=True)


@models.command()
@click.argument("name")
def remove(name: str) -> None:
    """Delete the files of the pulled model NAME."""
    from .. import hub

    click.echo(f"removed {name}: {_megabytes(hub.remove(name))} free", err=True)


@models.command()
@click.argument("name")
def path(name: str) -> None:
    """Where the file, or the folder, of NAME is."""
    from ..models import path as path_of

    click.echo(path_of(name))


@models.command()
def verify() -> int:
    """Compare every file with its recorded checksum; exit 1 when one is missing or damaged."""
    from ..models import MODELS, is_here
    from ..models import path as path_of

    failed = 0
    for name, card in MODELS.items():
        if card.source is not None and not is_here(name):
            click.echo(f"{name}: not pulled")
            continue
        try:
            path_of(name)
            click.echo(f"{name}: intact")
        except ModelError as error:
            click.echo(f"{name}: {error}")
            failed += 1
    return EXIT_ERROR if failed else 0


def _megabytes(size: int) -> str:
    """
    >>> _megabytes(24_861_931), _megabytes(469)
    ('24.9 MB', '469 B')
    """
    return f"{size / 1e6:.1f} MB" if size >= 50_000 else f"{size} B"
