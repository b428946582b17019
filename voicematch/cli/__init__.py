"""The command line: each command parses, opens the library, makes one call and prints.

Commands are imported when they are asked for, so that ``--help`` loads no runtime.
"""

from __future__ import annotations

import errno
import importlib
import io
import logging
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from .. import __version__
from ..errors import VoicematchError, redacted

if TYPE_CHECKING:
    from ..usecases.chosen import Engines

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3  # some of several files failed
EXIT_STOPPED = 130  # what a shell reports for ^C

# Of a stream, which has no name: the disk that stdout goes to is full, or the terminal is gone.
UNPRINTED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

# command → (module, what the top-level help says of it)
COMMANDS = {
    "identify": ("identify", "Say who speaks in episodes, by name."),
    "enroll": ("enroll", "Teach the library a voice."),
    "name": ("naming", "Name a voice of a stored episode, or one heard in several."),
    "correct": ("naming", "Say who a wrongly named voice really is."),
    "fix": ("fix", "Put one line, one turn or one word of a stored episode right."),
    "unknowns": ("unknowns", "List, play, split, merge or ignore voices without a name."),
    "profiles": ("profiles", "List, show, rename, merge, forget, export or import the people the library knows."),
    "batch": ("batch", "Label a backlog: folders, feeds, hundreds of episodes."),
    "episodes": ("episodes", "List, show, match again or export stored episodes."),
    "search": ("episodes", "Find what was said, and by whom."),
    "serve": ("serve", "Show the library as pages: speakers, episodes, voices to name, matches to review."),
    "site": ("serve", "Write the public part of the library as files for any web server."),
    "mcp": ("mcp", "Serve the library to an assistant, over the Model Context Protocol."),
    "notes": ("notes", "Write the library as notes for Obsidian or Logseq: one an episode, one a person."),
    "library": ("library", "Where the library is, what is in it, check it, back it up, move it to another embedder."),
    "models": ("models", "The models: which there are, where they are; pull, verify, remove, export, compare."),
    "evaluate": ("evaluate", "Score labels against a truth, or an embedder on trial lists."),
    "calibrate": ("calibrate", "Measure what an embedder's scores are worth, and from where on to give names."),
    "bench": ("evaluate", "Time each stage on this machine."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported only when used; the help needs their one-line summary alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f".{COMMANDS[cmd_name][0]}", __name__)
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(command, summary) for command, (_, summary) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="voicematch")
def cli() -> None:
    """Say who is speaking in a podcast, by name, because it remembers voices.

    Everything stays on this machine. The library of voices is at the path that `voicematch library path` prints;
    --library or VOICEMATCH_LIBRARY choose another.
    """


class _OnStderr(logging.Handler):
    """Warnings of the library, one line each, on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"{record.levelname.lower()}: {redacted(record.getMessage())}", err=True)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit: 0 done, 1 an error of ours, 2 usage, 3 some files failed, 130 stopped by ^C."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str], *, engines: Engines | None = None) -> int:
    """Run one command and return its exit code. The one place where errors turn into one line on stderr.

    engines : what identify and enroll use instead of the built-in ones
    """
    _let_print_anything()
    talk = _OnStderr(logging.WARNING)
    logging.getLogger("voicematch").addHandler(talk)
    try:
        outcome = cli.main(arguments, prog_name="voicematch", standalone_mode=False, obj=engines)
        return outcome if isinstance(outcome, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped; files already finished are kept, the one in hand is left as it was", err=True)
        return EXIT_STOPPED
    except VoicematchError as error:
        click.echo(f"error: {redacted(str(error))}", err=True)
        return EXIT_ERROR
    except OSError as error:
        if error.filename is not None:
            click.echo(f"error: {redacted(f'{error.filename}: {error.strerror}')}", err=True)
            return EXIT_ERROR
        if error.errno not in UNPRINTED:
            raise
        _let_go_of_stdout()
        click.echo(f"error: cannot write: {error.strerror}", err=True)
        return EXIT_ERROR
    finally:
        logging.getLogger("voicematch").removeHandler(talk)


def _let_print_anything() -> None:
    """Have what a stream's encoding lacks spelled with escapes: most names in Latin-1, a file whose name is no text."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _let_go_of_stdout() -> None:
    """Lead what could not be printed nowhere, lest Python tries again at its end and fails aloud."""
    with suppress(OSError):  # a stand-in for stdout has no number
        number = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
