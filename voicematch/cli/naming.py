"""``voicematch name`` and ``voicematch correct``: what a person says of a stored voice; every episode follows."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ..voices.consent import CONSENT
from .enroll import CONSENT_HELP, CONSENT_NOTE_HELP, ask_consent
from .options import Command, json_option, library_option
from .showing import called
from .terminal import print_json, print_table

if TYPE_CHECKING:
    from ..library import Library
    from ..usecases.learn import Enrollment
    from ..usecases.name import Change


def consent_option(command: Command) -> Command:
    default = " Without it, what the profile's voiceprints have already."
    return click.option("--consent", type=click.Choice(CONSENT), help=CONSENT_HELP + default)(command)


def consent_note_option(command: Command) -> Command:
    return click.option("--consent-note", metavar="TEXT", default="", help=CONSENT_NOTE_HELP)(command)


def dry_run_option(command: Command) -> Command:
    return click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")(command)


@click.command()
@click.argument("target", metavar="U-0001|EPISODE:SPEAKER")
@click.argument("name")
@consent_option
@consent_note_option
@dry_run_option
@json_option
@library_option
def name(
    target: str,
    name: str,
    consent: str | None,
    consent_note: str,
    dry_run: bool,
    as_json: bool,
    location: str | None,
) -> None:
    """Name a voice; every stored episode is matched again at once, without its audio.

    \b
    voicematch name U-0001 "Ada Byron" --consent public
    voicematch name episode.mp3:SPEAKER_01 "Ada Byron" --consent public
    """
    from ..library import open_library
    from ..usecases import name as naming
    from ..voices.rules import number_of

    voice = None if number_of(target) is not None else split_target(target)
    with open_library(location, create=location is None) as library:
        consent = given_consent(name, consent, library)
        if voice is None:
            added, changes = naming.name_unknown(
                target, name, library=library, consent=consent, consent_note=consent_note, dry_run=dry_run
            )
        else:
            added, changes = naming.name(
                *voice, name, library=library, consent=consent, consent_note=consent_note, dry_run=dry_run
            )
        _report(f"{'Would name' if dry_run else 'Named'} {name}", added, changes, library, as_json, dry_run)


@click.command()
@click.argument("target", metavar="EPISODE:SPEAKER")
@click.argument("name", required=False)
@click.option("--nobody", is_flag=True, help="Instead of NAME: it is nobody whom the library should name.")
@consent_option
@consent_note_option
@dry_run_option
@json_option
@library_option
def correct(
    target: str,
    name: str | None,
    nobody: bool,
    consent: str | None,
    consent_note: str,
    dry_run: bool,
    as_json: bool,
    location: str | None,
) -> None:
    """Say who a wrongly named voice really is. The library learns: the wrong person is never given to it again.

    \b
    voicematch correct episode.mp3:SPEAKER_01 "Ada Byron" --consent public
    voicematch correct episode.mp3:SPEAKER_01 --nobody
    """
    from ..library import open_library
    from ..usecases import name as naming

    if (name is None) is not nobody:
        raise click.UsageError("give the right NAME, or --nobody")
    episode, speaker = split_target(target)
    with open_library(location, create=location is None) as library:
        consent = given_consent(name, consent, library) if name is not None else None
        added, changes = naming.correct(
            episode, speaker, name, library=library, consent=consent, consent_note=consent_note, dry_run=dry_run
        )
        done = f"{'Would correct' if dry_run else 'Corrected'} {target}"
        _report(f"{done}: {name or 'nobody known'}", added, changes, library, as_json, dry_run)


def given_consent(name: str, consent: str | None, library: Library) -> str | None:
    """Return the consent given, or ask for it in a terminal when the library has none of this person yet."""
    known = library.profiles.find(name)
    if consent is None and sys.stdin.isatty() and not (known is not None and known.consent):
        return ask_consent(name)
    return consent


def split_target(target: str) -> tuple[str, str]:
    """Return (episode, speaker) of EPISODE:SPEAKER."""
    episode, separator, speaker = target.rpartition(":")
    if not separator or not episode or not speaker:
        raise click.UsageError(f"{target!r} is not EPISODE:SPEAKER; `voicematch episodes list` shows the episodes")
    return episode, speaker


def _report(
    done: str,
    added: Enrollment | None,
    changes: Sequence[Change],
    library: Library,
    as_json: bool,
    dry_run: bool,
) -> None:
    for warning in added.warnings if added else ():
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        learned = dataclasses.asdict(added) if added else {}
        print_json({**learned, "dry_run": dry_run, "changes": [dataclasses.asdict(change) for change in changes]})
        return
    if dry_run:
        print_changes(changes, library)
    num_episodes = len({change.audio_sha256 for change in changes})
    would = "would change" if dry_run else "changed"
    click.echo(f"{done}; {len(changes)} voice(s) in {num_episodes} episode(s) {would} their label")


def print_changes(changes: Sequence[Change], library: Library) -> None:
    """Print a table of them, by the episodes' titles."""
    if not changes:
        return
    titles = {episode.audio_sha256: called(episode.title, episode.source) for episode in library.listings.episodes()[0]}
    rows = [
        (titles.get(c.audio_sha256, ""), c.audio_sha256[:12], c.speaker, c.before or "unknown", c.after or "unknown")
        for c in changes
    ]
    print_table(("episode", "hash", "speaker", "before", "after"), rows)
