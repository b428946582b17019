"""``voicematch models``: the weights this machine has."""

from __future__ import annotations

import dataclasses

import click

from ..errors import ModelError
from . import EXIT_ERROR
from .options import json_option
from .terminal import print_json, print_table


@click.group()
def models() -> None:
    """The models: which there are, where they are, whether they are intact."""


@models.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every model voicematch can use."""
    from ..models import MODELS

    if as_json:
        print_json([dataclasses.asdict(card) for card in MODELS.values()])
        return
    rows = [(c.name, c.kind, f"{c.num_parameters / 1e6:.2f} M", c.licence, c.description) for c in MODELS.values()]
    print_table(("name", "kind", "parameters", "licence", "description"), rows, right=("parameters",))


@models.command()
@click.argument("name")
def path(name: str) -> None:
    """Where the file of NAME is."""
    from ..models import path as path_of

    click.echo(path_of(name))


@models.command()
def verify() -> int:
    """Compare every file with its recorded checksum; exit 1 when one is missing or damaged."""
    from ..models import MODELS
    from ..models import path as path_of

    failed = 0
    for name in MODELS:
        try:
            path_of(name)
            click.echo(f"{name}: intact")
        except ModelError as error:
            click.echo(f"{name}: {error}")
            failed += 1
    return EXIT_ERROR if failed else 0
