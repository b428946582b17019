"""``voicematch profiles``: the people the library knows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from .options import clock, json_option, library_option
from .terminal import print_json, print_table


@click.group()
def profiles() -> None:
    """List, show, rename, merge or forget the people the library knows."""


@profiles.command("list")
@json_option
@library_option
def list_(as_json: bool, location: str | None) -> None:
    """Everybody the library knows."""
    from ..library import open_library

    with open_library(location) as library:
        known = library.profiles()
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
    """One person: voiceprints, and the episodes they speak in."""
    from ..library import open_library

    with open_library(location) as library:
        profile = library.profile(name)
        voiceprints = library.voiceprint_rows(profile.name)
        appearances = library.appearances(profile.name)
    if as_json:
        print_json(
            {
                **dataclasses.asdict(profile),
                "voiceprints": [dataclasses.asdict(row) for row in voiceprints],
                "appearances": [dataclasses.asdict(row) for row in appearances],
            }
        )
        return
    click.echo(f"{profile.name}{f' ({profile.role})' if profile.role else ''}")
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

    with open_library(location) as library:
        library.rename_profile(old, new)
    click.echo(f"{old} is now {new}")


@profiles.command()
@click.argument("source", metavar="FROM")
@click.argument("into")
@library_option
def merge(source: str, into: str, location: str | None) -> None:
    """Make two profiles of one person into one: FROM's voiceprints and appearances move to INTO."""
    from ..library import open_library

    with open_library(location) as library:
        merged = library.merge_profiles(source, into)
    click.echo(f"{source} is now part of {merged.name}: {merged.num_voiceprints} voiceprint(s)")


@profiles.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@library_option
def forget(name: str, yes: bool, location: str | None) -> None:
    """Erase a person for good: voiceprints, clips, and their voice in stored episodes."""
    from ..library import open_library

    with open_library(location) as library:
        profile = library.profile(name)
        if not yes:
            click.confirm(
                f"Erase {profile.name} and {profile.num_voiceprints} voiceprint(s) for good?", abort=True, err=True
            )
        forgotten = library.forget_profile(profile.name)
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
