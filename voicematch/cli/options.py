"""Options that several commands share, and the parsing of times and counts."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import OutputExists
from ..models.table import DEVICES

if TYPE_CHECKING:
    from ..audio import Choice
    from ..library import Library
    from ..usecases.chosen import Engines

LONGEST = 1e6  # s; eleven days, longer than any recording

Command = TypeVar("Command", bound=Callable[..., Any])


def library_option(command: Command) -> Command:
    """``--library PATH|URL``, else VOICEMATCH_LIBRARY, else the platform's data directory; ``--passphrase-file``.

    Here every command that has to do with a library comes by, so here is done what an earlier one left undone.
    """

    def give(ctx: click.Context, _: click.Parameter, path: str | None) -> None:
        if not ctx.resilient_parsing:
            from ..library import passphrase

            passphrase.forget()
            passphrase.ask_with(_ask if sys.stdin is not None and sys.stdin.isatty() else None)
            if path is not None:
                passphrase.give(passphrase.read(path))

    def finish(ctx: click.Context, _: click.Parameter, location: str | None) -> str | None:
        if not ctx.resilient_parsing:
            from ..usecases import unfinished

            unfinished.finish(location)
        return location

    command = click.option(
        "--passphrase-file",
        metavar="FILE",
        callback=give,
        is_eager=True,
        expose_value=False,
        help="The passphrase of a library under one, in the first line of a file (`voicematch library encrypt`).",
    )(command)
    return click.option(
        "--library",
        "location",
        metavar="PATH|URL",
        envvar="VOICEMATCH_LIBRARY",
        callback=finish,
        help="The library to use (default: $VOICEMATCH_LIBRARY, else this user's own).",
    )(command)


def _ask(path: Path) -> str | None:
    """Asks a person for the passphrase of a library."""
    answer: str = click.prompt(f"Passphrase of {path}", hide_input=True, err=True, default="", show_default=False)
    return answer or None


def json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout instead of a table.")(command)


def csv_option(command: Command) -> Command:
    return click.option("--csv", "as_csv", is_flag=True, help="Print CSV on stdout instead of a table.")(command)


def quiet_option(command: Command) -> Command:
    return click.option("-q", "--quiet", is_flag=True, help="No progress bar.")(command)


def diarizer_option(command: Command) -> Command:
    return click.option(
        "--diarizer",
        metavar="NAME",
        help="Who finds the turns: built-in (default), pyannote, or pyannote:FOLDER (pip install 'voicematch[torch]').",
    )(command)


def embedder_option(command: Command) -> Command:
    return click.option(
        "--embedder",
        metavar="NAME",
        help="Which model hears voices, of `voicematch models list` (default: the library's, which keeps to one).",
    )(command)


def device_option(command: Command) -> Command:
    return click.option(
        "--device",
        type=click.Choice(DEVICES),
        default="auto",
        show_default=True,
        help="Where the engines on torch compute.",
    )(command)


def engine_options(command: Command) -> Command:
    """Add ``--diarizer``, ``--embedder``, ``--embedder-everywhere`` and ``--device``, as `open_engines` takes them."""
    everywhere = click.option(
        "--embedder-everywhere",
        "everywhere",
        is_flag=True,
        help="Let an embedder that is not built in tell voices apart too: slower, by its size.",
    )
    return diarizer_option(embedder_option(everywhere(device_option(command))))


def open_engines(diarizer: str | None, embedder: str | None, device: str, *, everywhere: bool = False) -> Engines:
    """Open the engines asked for; what is not asked for is left to the library.

    everywhere : the embedder tells voices apart too, in place of a built-in one

    A GPU that is asked for with a diarizer on torch is that diarizer's: the embedder takes it where it can.
    """
    from .. import engines
    from ..usecases.chosen import Engines

    on_torch = diarizer is not None and diarizer.partition(":")[0] == "pyannote"
    if on_torch and everywhere:
        raise click.UsageError("--embedder-everywhere is for the built-in diarizer")
    if everywhere:
        diarizer = diarizer or "built-in"
    of_embedder = "auto" if on_torch and device != "cpu" else device
    return Engines(
        diarizer=engines.open_diarizer(diarizer, device=device, everywhere=everywhere) if diarizer else None,
        embedder=engines.open_embedder(embedder, device=of_embedder) if embedder else None,
        device=of_embedder,
    )


def tell_of_newer(library: Library, embedder: str | None, *, quiet: bool) -> None:
    """Say on stderr that a library keeps to what was once the default embedder, unless that one was asked for.

    embedder : as given to ``--embedder``
    """
    from ..models.table import DEFAULT_EMBEDDER, FORMER_DEFAULTS

    if embedder is None and not quiet and library.embedder in FORMER_DEFAULTS:
        click.echo(
            f"{library.location} keeps to the voices of {library.embedder!r}; {DEFAULT_EMBEDDER!r} tells people apart "
            "better: voicematch library upgrade moves it",
            err=True,
        )


class Timestamp(click.ParamType[float]):
    """Seconds, M:SS or H:MM:SS, with decimals."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d+)?", value):
            self.fail(f"{value!r} is not a time; write seconds, 1:02 or 1:02:03.5", param, ctx)
        seconds = 0.0
        for part in value.split(":"):
            seconds = 60 * seconds + float(part)
        if seconds > LONGEST:
            self.fail(f"{value!r} is later than any recording lasts", param, ctx)
        return seconds


class Day(click.ParamType[str]):
    """A day, as 2024-01-31, 2024-01 or 2024."""

    name = "day"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from ..formats import days

        if not days.is_day(value):
            self.fail(days.no_day(value), param, ctx)
        return value


class OutFolder(click.ParamType[str]):
    """A folder to write to, which is tried before any work is done; a path with {fields} begins with one.

    or_stdout : "-" is stdout; elsewhere it is refused, for nobody means a folder of that name
    """

    name = "folder"

    def __init__(self, *, or_stdout: bool) -> None:
        self._or_stdout = or_stdout

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        fixed, brace, _ = value.partition("{")
        if value == "-" and not self._or_stdout:
            self.fail("this writes files, and not to stdout; give a folder", param, ctx)
        if value != "-":
            _try_folder(os.path.dirname(fixed) if brace else value, self, param, ctx)
        return value


force_option = click.option("--force", is_flag=True, help="Overwrite the file.")


def refuse_existing(path: Path | None, *, force: bool) -> None:
    """Raise OutputExists for a file that is there, unless it may be overwritten."""
    if path is not None and path.exists() and not force:
        raise OutputExists(f"{path} exists; --force overwrites it")


class OutFile(click.Path):
    """A file to write, whose folder is tried before any work is done."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.name:
            self.fail("an empty name; give the file to write", param, ctx)
        _try_folder(path.parent, self, param, ctx)
        return path


def _try_folder(
    folder: str | Path, of: click.ParamType[Any], param: click.Parameter | None, ctx: click.Context | None
) -> None:
    """Refuse the option where no file can be written to the folder."""
    from ..errors import VoicematchError
    from ..outputs import try_folder

    if ctx is not None and ctx.resilient_parsing:  # completing a line is no wish to write
        return
    try:
        try_folder(Path(folder))
    except VoicematchError as error:
        of.fail(str(error), param, ctx)


class Within(click.FloatRange):
    """A number in a range; ``nan``, which is neither below nor above anything, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


collar_option = click.option(
    "--collar",
    type=Within(0, 60),
    default=0.0,
    show_default=True,
    help="Seconds left out on each side of a boundary.",
)


class SpeakerCount(click.ParamType[tuple[int, int]]):
    """A number of speakers, or a range such as 2-5."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        counts = re.fullmatch(r"(\d+)(?:-(\d+))?", value)
        if not counts:
            self.fail(f"{value!r} is not a number of speakers; write 3 or 2-5", param, ctx)
        fewest, most = int(counts[1]), int(counts[2] or counts[1])
        if not 1 <= fewest <= most:
            self.fail(f"{value!r}: the fewest is at least 1 and at most the most", param, ctx)
        return fewest, most


def choice_options(command: Command) -> Command:
    """``--track`` and ``--channel``: what to listen to in a file of several."""
    command = click.option(
        "--channel", type=click.IntRange(1), metavar="N", help="Listen to this channel alone (1 is left, 2 right)."
    )(command)
    return click.option(
        "--track", type=click.IntRange(1), metavar="N", help="Of a file with several audio tracks, listen to this one."
    )(command)


def choice_of(track: int | None, channel: int | None) -> Choice:
    """What those options say."""
    from ..audio import Choice

    return Choice(track, channel)


def clock(seconds: float) -> str:
    """Return a length of time, rounded to the nearest second.

    >>> clock(62.6), clock(3723)
    ('1:03', '1:02:03')
    """
    from ..formats.clock import clock as rounded_down

    return rounded_down(round(seconds))
