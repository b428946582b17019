"""``voicematch library``: the file the voices live in."""

from __future__ import annotations

import dataclasses
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import EXIT_ERROR
from .options import device_option, json_option, library_option, quiet_option
from .showing import out_of_reach_json, print_out_of_reach
from .terminal import print_json, print_table, progress_bar

if TYPE_CHECKING:
    from ..usecases.chosen import Engines
    from ..usecases.upgrade import Upgrade


@click.group()
def library() -> None:
    """Show where the library is and what is in it, check it, back it up, move it to another embedder."""


@library.command()
@library_option
def path(location: str | None) -> None:
    """Print where the library is, or would be made."""
    from ..library import default_location

    click.echo(location or default_location())


@library.command()
@json_option
@library_option
def stats(as_json: bool, location: str | None) -> None:
    """Show what is in it, in numbers."""
    from ..library import open_library

    with open_library(location, create=location is None) as opened:
        figures = dataclasses.asdict(opened.upkeep.stats())
    if as_json:
        print_json(figures)
        return
    print_table(
        ("what", "value"), [(what.replace("_", " "), str(value)) for what, value in figures.items()], right=("value",)
    )


@library.command()
@click.option("--repair", is_flag=True, help="Take out what cannot be right, and say what it was.")
@library_option
def check(repair: bool, location: str | None) -> int:
    """Look for damage, and for what cannot be right; exit 1 when there is any."""
    from ..library import open_library

    with open_library(location, create=location is None) as opened:
        if repair:
            for line in opened.upkeep.repair():
                click.echo(f"repaired: {line}")
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

    with open_library(location, create=location is None) as opened:
        opened.upkeep.backup(target)
    click.echo(f"wrote {target}", err=True)


@library.command()
@click.option("--new-passphrase-file", "new", metavar="FILE", help="The passphrase to be, in the first line of a file.")
@click.option("--keyring", is_flag=True, help="Keep it in this system's keyring, where later commands find it.")
@library_option
def encrypt(new: str | None, keyring: bool, location: str | None) -> None:
    """Put the library under a passphrase, or under another one.

    The file is then encrypted (SQLCipher: AES-256), and so are its backups made from then on. Later commands take the
    passphrase from --passphrase-file, VOICEMATCH_PASSPHRASE_FILE, VOICEMATCH_PASSPHRASE or the keyring, or ask for it.
    Whoever loses it has lost the library.

    Not encrypted: files of episodes, exported voices, sites, downloaded recordings, models, and backups of before.

    \b
    pip install 'voicematch[passphrase]'
    voicematch library encrypt --keyring
    """
    from ..library import passphrase, sealing

    path = _file_of(location)
    secret = passphrase.checked(_new_passphrase(new, is_first=not sealing.is_sealed(path)))
    with passphrase.keeping(path, secret if keyring else None):
        sealing.seal(path, secret)
    click.echo(f"{path} is under a passphrase now", err=True)
    _tell_copies(location)


@library.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@library_option
def decrypt(yes: bool, location: str | None) -> None:
    """Take the library out of its passphrase: anybody who can read the file can read it then."""
    from ..errors import LibraryError
    from ..library import passphrase, sealing

    path = _file_of(location)
    if not sealing.is_sealed(path):
        raise LibraryError(f"{path}: is under no passphrase")
    if not yes:
        click.confirm(f"Keep {path} without a passphrase?", abort=True, err=True)
    with passphrase.keeping(path, None):
        sealing.seal(path, None)
    click.echo(f"{path} is under no passphrase now", err=True)


def _file_of(location: str | None) -> Path:
    """The library's file, which is there and of today's form."""
    from ..errors import LibraryError
    from ..library import open_library

    with open_library(location, create=False) as opened:
        if opened.path is None:
            raise LibraryError(f"{opened.location}: PostgreSQL encrypts its own disks; see to that there")
        return opened.path


def _new_passphrase(file: str | None, *, is_first: bool) -> str:
    from ..errors import LibraryError
    from ..library import passphrase

    if file is not None:
        return passphrase.read(file)
    stated = passphrase.stated() if is_first else None
    if stated is not None:
        return stated
    if sys.stdin is None or not sys.stdin.isatty():
        raise LibraryError("no passphrase: give --new-passphrase-file, or run this in a terminal")
    chosen: str = click.prompt("New passphrase", hide_input=True, confirmation_prompt=True, err=True)
    return chosen


def _tell_copies(location: str | None) -> None:
    """Says which copies of the library are still for anybody to read."""
    from ..library import open_library, sealing

    with open_library(location, create=False) as opened:
        for path in opened.upkeep.backups():
            if not sealing.is_plain(path):
                continue
            click.echo(f"not under it: {path}, a copy of before; delete it", err=True)


OLDEST = 36_500  # days


class Age(click.ParamType[int]):
    """A number of days: 90, 90d, 12m or 2y."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        parts = re.fullmatch(r"(\d{1,5})([dmy]?)", value)
        if not parts:
            self.fail(f"{value!r} is no age; write days, or 90d, 12m, 2y", param, ctx)
        days = int(parts[1]) * {"": 1, "d": 1, "m": 30, "y": 365}[parts[2]]
        if days > OLDEST:
            self.fail(f"{value!r} is older than anything kept here can be; 100y at most", param, ctx)
        return days


@library.command()
@click.option("--older-than", "age", type=Age(), required=True, metavar="AGE", help="Days, or 90d, 12m, 2y.")
@click.option("--profiles", is_flag=True, help="People to whom nothing was added since.")
@click.option("--unknowns", is_flag=True, help="Voices without a name that were not heard since.")
@click.option("--episodes", is_flag=True, help="Episodes stored before; their files stay.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and erase nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@library_option
def expire(
    age: int,
    profiles: bool,
    unknowns: bool,
    episodes: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    location: str | None,
) -> None:
    """Erase voices that are older than need be, for good: say of which kinds.

    \b
    voicematch library expire --older-than 1y --unknowns --episodes
    """
    from ..library import open_library
    from ..usecases import expire as expiring

    kinds = tuple(
        kind for kind, is_meant in zip(expiring.KINDS, (profiles, unknowns, episodes), strict=True) if is_meant
    )
    if not kinds:
        raise click.UsageError("say of which kinds: --profiles, --unknowns, --episodes")
    before = (datetime.now(UTC) - timedelta(days=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
    with open_library(location, create=False) as opened:
        expired = expiring.expire(before, kinds, library=opened, dry_run=True)
        told = ", ".join(f"{len(getattr(expired, kind))} {kind}" for kind in kinds)
        if not dry_run and expired != expiring.Expired():
            if not yes:
                click.confirm(f"Erase {told} of before {before[:10]} for good?", abort=True, err=True)
            expired = expiring.expire(before, kinds, library=opened)
    if as_json:
        places = {"out_of_reach": out_of_reach_json(expired.out_of_reach)}
        print_json({"dry_run": dry_run, "before": before} | dataclasses.asdict(expired) | places)
        return
    click.echo(f"{'Would erase' if dry_run else 'Erased'} {told} of before {before[:10]}")
    print_out_of_reach(expired.out_of_reach, "the name" if expired.profiles else "what was erased")


@library.command("set")
@click.argument("what", type=click.Choice(["remember-unknowns", "keep-windows"]))
@click.argument("value", type=click.Choice(["yes", "no"]))
@library_option
def set_(what: str, value: str, location: str | None) -> None:
    """Set what the library keeps: voices without a name (remember-unknowns), and what was heard (keep-windows).

    keep-windows no: what is kept already goes, and `episodes recluster` needs episodes to be heard again.
    remember-unknowns no: `identify` and `batch run` keep the voices of named people alone. `unknowns list` gets no
    longer, and a voice that is named later is not found in episodes of before: hear these again then.
    """
    from ..library import open_library

    with open_library(location) as opened:
        if what == "keep-windows":
            opened.settings.keep_windows(value == "yes")
            opened.upkeep.tidy()
            click.echo(f"what is heard is {'kept' if value == 'yes' else 'not kept'} from now on")
            return
        opened.settings.remember_unknowns(value == "yes")
    click.echo(f"voices without a name are {'remembered' if value == 'yes' else 'not remembered'} from now on")
    if value == "no":
        click.echo(
            "those that are remembered already stay: voicematch unknowns forget, or library expire --unknowns", err=True
        )


@library.command()
@click.option(
    "--embedder",
    metavar="NAME",
    help="The one to move to, of `voicematch models list` (default: that of new libraries).",
)
@click.option("--dry-run", is_flag=True, help="Say what would be heard again, queued and lost; change nothing.")
@click.option("--force", is_flag=True, help="Go on although a profile will be left without a voice.")
@device_option
@json_option
@quiet_option
@library_option
@click.pass_obj
def upgrade(
    engines: Engines | None,
    embedder: str | None,
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
    from ..models.table import DEFAULT_EMBEDDER
    from ..usecases.upgrade import upgrade as move

    given = engines.embedder if engines else None
    chosen = given or open_embedder(embedder or DEFAULT_EMBEDDER, device=device)
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
