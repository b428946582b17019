"""``voicematch library``: the file the voices live in."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from . import EXIT_ERROR
from .options import json_option, library_option
from .terminal import print_json, print_table


@click.group()
def library() -> None:
    """Where the library is, what is in it, check it, back it up."""


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
        figures = dataclasses.asdict(opened.stats())
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
        findings = opened.check()
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
        opened.backup(target)
    click.echo(f"wrote {target}", err=True)
