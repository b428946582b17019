"""``voicematch profiles``: the people the library knows."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import OutputExists, VoicematchError
from .naming import dry_run_option, print_changes
from .options import clock, json_option, library_option
from .terminal import print_json, print_table

if TYPE_CHECKING:
    from ..library import Appearance

MOST_COMPANY = 5  # co-speakers told in one line


@click.group()
def profiles() -> None:
    """List, show, rename, merge, forget, export or import the people the library knows."""


@profiles.command("list")
@json_option
@library_option
def list_(as_json: bool, location: str | None) -> None:
    """Everybody the library knows."""
    from ..library import open_library

    with open_library(location) as library:
        known = library.profiles.all()
    if as_json:
        print_json([dataclasses.asdict(profile) for profile in known])
        return
    if not known:
        click.echo('No profiles yet. voicematch enroll "NAME" CLIP --consent permission makes the first.', err=True)
        return
    rows = [
        (
            p.name,
            p.role or "",
            str(p.num_voiceprints),
            clock(p.speech_seconds),
            str(p.num_episodes),
            clock(p.talk_seconds),
        )
        for p in known
    ]
    print_table(
        ("name", "role", "voiceprints", "enrolled", "episodes", "talk"),
        rows,
        right=("voiceprints", "enrolled", "episodes", "talk"),
    )


@profiles.command()
@click.argument("name")
@json_option
@library_option
def show(name: str, as_json: bool, location: str | None) -> None:
    """One person: first and last heard, talk time, who with, voiceprints, and the episodes they speak in."""
    from ..library import open_library

    with open_library(location) as library:
        profile = library.profiles.get(name)
        voiceprints = library.voiceprints.rows(profile.name)
        appearances = library.episodes.appearances(profile.name)
    if as_json:
        print_json(
            {
                **dataclasses.asdict(profile),
                "voiceprints": [dataclasses.asdict(row) for row in voiceprints],
                "first_heard": appearances[0].date if appearances else None,
                "co_speakers": dict(_company(appearances)),
                "appearances": [dataclasses.asdict(row) for row in appearances],
            }
        )
        return
    click.echo(f"{profile.name}{f' ({profile.role})' if profile.role else ''}")
    if appearances:
        click.echo(
            f"Heard in {profile.num_episodes} episode(s), {clock(profile.talk_seconds)} of talk: first "
            f"{_when(appearances[0])}, last {_when(appearances[-1])}"
        )
    company = ", ".join(f"{name} ({num})" for name, num in _company(appearances)[:MOST_COMPANY])
    if company:
        click.echo(f"Most often with {company}")
    click.echo(
        f"Voice profile active: {profile.num_voiceprints} voiceprint(s), {clock(profile.speech_seconds)} of speech"
    )
    print_table(
        ("voiceprint from", "span", "speech", "consent", "added"),
        [
            (v.source, f"{clock(v.start)}-{clock(v.end)}", f"{v.seconds:.0f} s", v.consent, v.created[:10])
            for v in voiceprints
        ],
        right=("speech",),
    )
    if appearances:
        rows = [
            (
                a.title or Path(a.source).name,
                a.date or "",
                clock(a.talk_seconds),
                str(a.num_turns),
                ", ".join(a.co_speakers),
            )
            for a in appearances
        ]
        print_table(("episode", "date", "talk", "turns", "with"), rows, right=("talk", "turns"))


@profiles.command()
@click.argument("old")
@click.argument("new")
@library_option
def rename(old: str, new: str, location: str | None) -> None:
    """Give a person another name, everywhere."""
    from ..library import open_library
    from ..usecases import name as naming

    with open_library(location) as library:
        naming.rename(old, new, library=library)
    click.echo(f"{old} is now {new}")


@profiles.command()
@click.argument("source", metavar="FROM")
@click.argument("into")
@dry_run_option
@json_option
@library_option
def merge(source: str, into: str, dry_run: bool, as_json: bool, location: str | None) -> None:
    """Make two profiles of one person into one: FROM's voiceprints and appearances move to INTO."""
    from ..library import open_library
    from ..usecases import name as naming

    with open_library(location) as library:
        changes = naming.merge(source, into, library=library, dry_run=dry_run)
        merged = library.profiles.get(into)
        if as_json:
            print_json({"dry_run": dry_run, "changes": [dataclasses.asdict(change) for change in changes]})
            return
        if dry_run:
            print_changes(changes, library)
            click.echo(f"{len(changes)} voice(s) would change their label")
            return
    click.echo(f"{source} is now part of {merged.name}: {merged.num_voiceprints} voiceprint(s)")


@profiles.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@library_option
def forget(name: str, yes: bool, location: str | None) -> None:
    """Erase a person for good: voiceprints, clips, and their voice in stored episodes."""
    from ..library import open_library
    from ..usecases import name as naming

    with open_library(location) as library:
        profile = library.profiles.get(name)
        if not yes:
            click.confirm(
                f"Erase {profile.name} and {profile.num_voiceprints} voiceprint(s) for good?", abort=True, err=True
            )
        forgotten = naming.forget(profile.name, library=library)
    click.echo(
        f"Erased {profile.name}: {forgotten.num_voiceprints} voiceprint(s), {forgotten.num_clips} clip(s), "
        f"the voice in {forgotten.num_speaker_embeddings} episode(s)"
    )
    if not forgotten.compacted:
        click.echo(
            "warning: another process has the library open; the file lets go of the bytes when it is closed and "
            "`voicematch library check` has run",
            err=True,
        )
    for backup in forgotten.backups:
        click.echo(f"warning: {backup} still holds the voice; delete it too", err=True)


@profiles.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--all", "everybody", is_flag=True, help="Everybody, instead of NAMEs.")
@click.option("--clips", "with_clips", is_flag=True, help="With the sound that was kept, for a later model.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@library_option
def export(
    names: tuple[str, ...], path: Path, everybody: bool, with_clips: bool, force: bool, location: str | None
) -> None:
    """Write voices to FILE, for another library. Voiceprints are biometric: whoever has the file knows the voice.

    \b
    voicematch profiles export "Ada Byron" ada.json
    voicematch profiles export --all voices.json
    """
    from ..library import open_library
    from ..usecases import exchange

    if bool(names) is everybody:
        raise click.UsageError("give NAMEs and a FILE, or --all and a FILE")
    with open_library(location) as library:
        names = names or tuple(profile.name for profile in library.profiles.all())
        text = exchange.write_profiles(library, names, with_clips=with_clips)
    _write_private(path, text, force=force)
    click.echo(f"wrote {path}: {len(names)} voice(s); keep it as you would keep a fingerprint", err=True)


@profiles.command("import")
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@library_option
def import_(path: Path, as_json: bool, location: str | None) -> None:
    """Take the voices of a file that `profiles export` wrote; the consent they were kept under comes along."""
    from ..library import open_library
    from ..usecases import exchange
    from ..usecases import name as naming

    with open_library(location) as library:
        imported = exchange.import_profiles(path.read_text(encoding="utf-8"), path, library=library)
        changes = naming.relabel(library=library)
    if as_json:
        changed = [dataclasses.asdict(change) for change in changes]
        print_json({"profiles": [dataclasses.asdict(one) for one in imported], "changes": changed})
        return
    for one in imported:
        click.echo(f"{'Added' if one.created else 'Added to'} {one.name}: {one.num_voiceprints} voiceprint(s)")
    click.echo(f"{len(changes)} voice(s) changed their label")


def _company(appearances: Sequence[Appearance]) -> list[tuple[str, int]]:
    """(name, episodes together) of everybody named in the same episodes, most often first."""
    together = Counter(name for appearance in appearances for name in appearance.co_speakers)
    return sorted(together.items(), key=lambda pair: (-pair[1], pair[0]))


def _when(appearance: Appearance) -> str:
    return appearance.date or "on an unknown day"


def _write_private(path: Path, text: str, *, force: bool) -> None:
    """A file that only its owner may read."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        if path.exists() and not force:
            raise OutputExists(f"{path} exists; --force overwrites it")
        with open(os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise VoicematchError(f"{path}: cannot write: {error.strerror}") from error
