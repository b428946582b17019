"""``voicematch unknowns``: the voices that are heard again and again and have no name yet."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from ..errors import VoicematchError
from .naming import split_target
from .options import clock, force_option, json_option, library_option, refuse_existing
from .showing import called, print_out_of_reach
from .terminal import print_json, print_table

PLAYERS = (  # the first that is there; each with what makes it play once, without a window
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"),
    ("afplay",),
    ("pw-play",),
    ("paplay",),
    ("aplay", "-q"),
)
UNHEARD = ("audio open failed", "Failed to open file")  # ffplay says so where there is no sound card, and exits with 0
AS_HELP = "What it is: ad, jingle, trailer … (shown with it)."


@click.group()
def unknowns() -> None:
    """List, play, split, merge or ignore the voices that have no name yet. Name one: voicematch name U-0001 NAME."""


@unknowns.command("list")
@click.option("--all", "with_ignored", is_flag=True, help="Also those that are ignored.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many, from the top.")
@json_option
@library_option
def list_(with_ignored: bool, limit: int, as_json: bool, location: str | None) -> None:
    """List voices without a name, most episodes first: what they may be, and who, if text or feed say so."""
    from ..library import open_library
    from ..usecases.describe import describe

    with open_library(location, create=location is None) as library:
        some, total = library.voices.unknowns(ignored=None if with_ignored else False, limit=limit)
        described = [describe(unknown, library=library) for unknown in some]
    if as_json:
        print_json([dataclasses.asdict(one) for one in described])
        return
    if not described:
        click.echo("No voices without a name.", err=True)
        return
    rows = [
        (
            one.id,
            f"ignored ({one.ignored_as})" if one.ignored_as else one.role,
            str(one.num_episodes),
            clock(one.talk_seconds),
            ", ".join(one.shows),
            f"{called(one.speakers[-1].title, one.speakers[-1].source)}:{one.speakers[-1].speaker}",
            "; ".join(
                f"{guess.name}? {f'“{guess.quote}”' if guess.quote else guess.reason}" for guess in one.suggestions
            ),
        )
        for one in described
    ]
    columns = ("voice", "seems", "episodes", "talk", "show", "last heard", "perhaps")
    print_table(columns, rows, right=("episodes", "talk"))
    if total > len(described):
        click.echo(f"and {total - len(described)} more: --limit {total}", err=True)


@unknowns.command()
@click.argument("unknown", metavar="U-0001")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write it (.wav, .ogg, .opus) instead of playing.")
@force_option
@library_option
def play(unknown: str, out: Path | None, force: bool, location: str | None) -> None:
    """Hear a voice: its clearest ten seconds, from the episode's audio file, which has to be there still."""
    from ..audio.clips import encode_clip, to_wav
    from ..library import open_library
    from ..outputs import write_atomically
    from ..usecases.clip import clearest_clip

    if out is not None and out.suffix.lower() not in (".wav", ".ogg", ".opus"):
        raise click.UsageError(f"{out}: write a .wav, .ogg or .opus file")
    refuse_existing(out, force=force)
    with open_library(location, create=location is None) as library:
        clip = clearest_clip(unknown, library=library)
    click.echo(f"{clip.source} at {clock(clip.start)}-{clock(clip.end)}", err=True)
    if out is not None:
        encode = to_wav if out.suffix.lower() == ".wav" else encode_clip
        write_atomically(out, encode(clip.samples))
        click.echo(f"wrote {out}", err=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{unknown}.wav"
        path.write_bytes(to_wav(clip.samples))
        _play(path)


def _play(path: Path) -> None:
    if sys.platform == "win32":
        os.startfile(path)
        click.pause("press a key when you have heard it")
        return
    for player, *options in PLAYERS:
        if shutil.which(player):
            ran = subprocess.run(
                [player, *options, str(path)], check=False, stderr=subprocess.PIPE, text=True, errors="replace"
            )
            click.echo(ran.stderr, err=True, nl=False)
            if ran.returncode or any(said in ran.stderr for said in UNHEARD):
                raise VoicematchError(f"{player} cannot play here; -o FILE.wav writes the clip instead")
            return
    raise VoicematchError("nothing here plays sound (ffplay, afplay, aplay …); -o FILE.wav writes the clip instead")


@unknowns.command()
@click.argument("unknown", metavar="U-0001")
@click.argument("speakers", nargs=-1, metavar="[EPISODE:SPEAKER...]")
@json_option
@library_option
def split(unknown: str, speakers: tuple[str, ...], as_json: bool, location: str | None) -> None:
    """Take apart a voice that is several people: the speakers given, or those that sound apart.

    \b
    voicematch unknowns split U-0001
    voicematch unknowns split U-0001 episode.mp3:SPEAKER_01
    """
    from ..library import open_library
    from ..usecases import name as naming

    with open_library(location, create=location is None) as library:
        made = naming.split(unknown, [split_target(target) for target in speakers], library=library)
    if as_json:
        print_json({"unknown": unknown, "made": list(made)})
        return
    click.echo(f"{unknown} is now {', '.join((unknown, *made))}")


@unknowns.command()
@click.argument("source", metavar="U-0002")
@click.argument("into", metavar="U-0001")
@json_option
@library_option
def merge(source: str, into: str, as_json: bool, location: str | None) -> None:
    """Make two voices that are one person into one: U-0002 is U-0001 from now on. `unknowns split` takes it back.

    \b
    voicematch unknowns merge U-0002 U-0001
    """
    from ..library import open_library
    from ..usecases import name as naming

    with open_library(location, create=location is None) as library:
        heard = naming.merge_unknowns(source, into, library=library)
    if as_json:
        print_json({"unknown": into, "speakers": [dataclasses.asdict(voice) for voice in heard]})
        return
    num_episodes = len({voice.audio_sha256 for voice in heard})
    click.echo(f"{source} is now part of {into}, heard in {num_episodes} episode(s)")


@unknowns.command()
@click.argument("unknown", metavar="U-0001")
@click.option("--yes", is_flag=True, help="Do not ask.")
@library_option
def forget(unknown: str, yes: bool, location: str | None) -> None:
    """Erase a voice without a name for good. It cannot be named then, unless its episodes are heard again."""
    from ..library import open_library
    from ..usecases import expire

    with open_library(location, create=False) as library:
        library.voices.unknown(unknown)
        if not yes:
            click.confirm(f"Erase {unknown} for good?", abort=True, err=True)
        num_erased, beyond = expire.forget_unknown(unknown, library=library)
    click.echo(f"Erased {unknown}: the voice of {num_erased} speaker(s)")
    print_out_of_reach(beyond, "the voice")


@unknowns.command()
@click.argument("unknown", metavar="U-0001")
@click.option("--as", "ignored_as", default="ad", show_default=True, metavar="WHAT", help=AS_HELP)
@click.option("--undo", is_flag=True, help="Do not ignore it any more.")
@json_option
@library_option
def ignore(unknown: str, ignored_as: str, undo: bool, as_json: bool, location: str | None) -> None:
    """Keep a voice out of the list and away from names: an advertisement, a jingle. It is still recognised."""
    from ..library import open_library
    from ..usecases import name as naming

    with open_library(location, create=location is None) as library:
        changes = naming.ignore(unknown, None if undo else ignored_as, library=library)
    if as_json:
        ignored = None if undo else ignored_as
        print_json({"unknown": unknown, "ignored_as": ignored, "changes": [dataclasses.asdict(c) for c in changes]})
        return
    click.echo(f"{unknown} is listed again" if undo else f"{unknown} is ignored ({ignored_as})")
