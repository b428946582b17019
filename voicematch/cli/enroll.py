"""``voicematch enroll``: a voice with a name, from a clip."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import (
    Timestamp,
    choice_of,
    choice_options,
    engine_options,
    json_option,
    library_option,
    open_engines,
    quiet_option,
)
from .terminal import print_json, progress_bar

if TYPE_CHECKING:
    from ..usecases.chosen import Engines

CONSENT_HELP = (
    "Why this voice may be kept: it is your own (self), the person agreed (permission), "
    "or the person published it under their name (public). Recorded with every voiceprint."
)


@click.command()
@click.argument("name")
@click.argument("source", metavar="FILE|URL")
@click.option("--from", "start", type=Timestamp(), default=0.0, help="Where the voice starts, as 30, 0:30 or 1:02:03.")
@click.option("--to", "end", type=Timestamp(), help="Where it ends.")
@click.option("--speaker", metavar="SPEAKER_00", help="Which voice, in a file of several (as `identify` labels them).")
@click.option("--consent", type=click.Choice(("self", "permission", "public")), required=True, help=CONSENT_HELP)
@click.option("--role", help="host, guest …: shown with the profile.")
@click.option("--force", is_flag=True, help="Add a voice that does not sound like the NAME known so far.")
@choice_options
@click.option("--no-clip", is_flag=True, help="Keep the vectors alone; a later model then cannot re-embed this voice.")
@engine_options
@json_option
@quiet_option
@library_option
@click.pass_obj
def enroll(
    engines: Engines | None,
    name: str,
    source: str,
    start: float,
    end: float | None,
    speaker: str | None,
    consent: str,
    role: str | None,
    force: bool,
    track: int | None,
    channel: int | None,
    no_clip: bool,
    diarizer: str | None,
    embedder: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    location: str | None,
) -> None:
    """Teach the library the voice of NAME from a clip: 15 seconds or more of that one person.

    \b
    voicematch enroll "Ada Byron" clip.wav --consent permission
    voicematch enroll "Ada Byron" episode.mp3 --from 0:30 --to 1:45 --consent public

    Again with other clips makes it surer: other episodes, other microphones.
    """
    from ..library import open_library
    from ..usecases import enroll as enrolling

    if end is not None and end <= start:
        raise click.UsageError("--to is not after --from")
    engines = engines or open_engines(diarizer, embedder, device)
    with open_library(location) as library, progress_bar(Path(source).name, quiet=quiet) as progress:
        added = enrolling.enroll(
            name,
            source,
            library=library,
            start=start,
            end=end,
            speaker=speaker,
            consent=consent,
            role=role,
            keep_clip=not no_clip,
            force=force,
            choice=choice_of(track, channel),
            engines=engines,
            progress=progress,
        )
    for warning in added.warnings:
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        print_json(dataclasses.asdict(added))
        return
    if not added.created and added.num_voiceprints == 0:
        click.echo(f"{added.profile} has this clip already; nothing is new")
        return
    click.echo(
        f"{'Enrolled' if added.created else 'Added to'} {added.profile}: "
        f"{added.speech_seconds:.0f} s of speech, {added.num_voiceprints} voiceprint(s)"
    )
