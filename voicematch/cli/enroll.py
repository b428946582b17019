"""``voicematch enroll``: a voice with a name, from a clip."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..voices.consent import CONSENT
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
CONSENT_NOTE_HELP = "Who gave it, where, in what words: kept with it."


def ask_consent(name: str) -> str:
    """Ask why a voice may be kept, where somebody sits who can answer; else it is a missing option."""
    if not sys.stdin.isatty():
        raise click.UsageError(f"Missing option '--consent'. Choose from: {', '.join(CONSENT)}")
    click.echo(
        f"Why may the voice of {name} be kept? It is your own (self), the person agreed (permission), or", err=True
    )
    click.echo("published it under this name (public).", err=True)
    return str(click.prompt("Consent", type=click.Choice(CONSENT), err=True))


@click.command()
@click.argument("name")
@click.argument("source", metavar="FILE|URL")
@click.option("--from", "start", type=Timestamp(), default=0.0, help="Where the voice starts, as 30, 0:30 or 1:02:03.")
@click.option("--to", "end", type=Timestamp(), help="Where it ends.")
@click.option("--speaker", metavar="SPEAKER_00", help="Which voice, in a file of several (as `identify` labels them).")
@click.option("--consent", type=click.Choice(CONSENT), help=CONSENT_HELP + " Asked for in a terminal.")
@click.option("--consent-note", metavar="TEXT", default="", help=CONSENT_NOTE_HELP)
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
    consent: str | None,
    consent_note: str,
    role: str | None,
    force: bool,
    track: int | None,
    channel: int | None,
    no_clip: bool,
    diarizer: str | None,
    embedder: str | None,
    everywhere: bool,
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
    consent = consent or ask_consent(name)
    engines = engines or open_engines(diarizer, embedder, device, everywhere=everywhere)
    with open_library(location) as library, progress_bar(Path(source).name, quiet=quiet) as progress:
        added = enrolling.enroll(
            name,
            source,
            library=library,
            start=start,
            end=end,
            speaker=speaker,
            consent=consent,
            consent_note=consent_note,
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
