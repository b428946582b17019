"""Tables on stdout, the progress bar on stderr."""

from __future__ import annotations

import csv
import io
import json
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from ..errors import redacted, shown
from ..types import Progress


def print_json(value: object) -> None:
    """Print one JSON value on one line of stdout; addresses without their passwords and keys."""
    print_text(json.dumps(_shown(value), ensure_ascii=False) + "\n")


def print_text(text: str) -> None:
    """Print what other programs read: in UTF-8 as in files, whatever stdout is in, where it is no terminal."""
    click.echo(text if sys.stdout.isatty() else text.encode("utf-8", "backslashreplace"), nl=False)


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, dict):
        return {name: _shown(each) for name, each in value.items()}
    return [_shown(each) for each in value] if isinstance(value, list | tuple) else value


def print_csv(rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows of the same fields as CSV on stdout, safe for spreadsheets; what is not known is an empty cell."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    if rows:
        table.writerow(rows[0])
    for row in rows:
        table.writerow([_cell(cell) for cell in row.values()])
    print_text(text.getvalue())


def _cell(value: object) -> str:
    from ..formats.labels import unformula

    if isinstance(value, float):
        return f"{value:.3f}"
    return "" if value is None else unformula(shown(str(value)))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = (), title: str = ""
) -> None:
    """Print a table as wide as it needs on stdout: for people, so the JSON is what to parse."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=column in right)
    for row in rows:
        table.add_row(*(Text(_harmless(shown(cell))) for cell in row))
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console.width = max(console.width, 160)
    if title:
        console.print(
            Text(redacted(title), style="bold"), soft_wrap=True
        )  # a table would fold its own title to its width
    console.print(table)


def _harmless(text: str) -> str:
    """The text without what a terminal would take for an order: files, transcripts and feeds may have it."""
    return "".join(c if c in "\t\n" or unicodedata.category(c) != "Cc" else "\N{REPLACEMENT CHARACTER}" for c in text)


@contextmanager
def progress_bar(name: str, *, quiet: bool) -> Iterator[Progress | None]:
    """Give a callback that draws a bar with the time left on stderr; None where nobody would see it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)

        def progress(step: str, done: float, total: float) -> None:
            bar.update(task, description=f"{name}: {step}", completed=done, total=total or None)

        yield progress
