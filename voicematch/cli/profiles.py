"""``voicematch profiles``: the people the library knows."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import LibraryError
from .naming import dry_run_option, print_changes
from .options import clock, csv_option, force_option, json_option, library_option, refuse_existing
from .showing import out_of_reach_json, print_figures, print_out_of_reach
from .terminal import print_csv, print_json, print_table

if TYPE_CHECKING:
    from ..library import Appearance
    from ..usecases.forget import Reached

MOST_COMPANY = 5  # co-speakers told in one line


@click.group()
def profiles() -> None:
    """List, show, rename, merge, forget, export or import the people the library knows."""


@profiles.command("list")
@json_option
@library_option
def list_(as_json: bool, location: str | None) -> None:
    """List everybody the library knows."""
    from ..library import open_library

    with open_library(location, create=location is None) as library:
        known, _ = library.people.find()
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
    """Show one person: first and last heard, talk time, who with, voiceprints, and the episodes they speak in."""
    from ..library import open_library
    from ..library.reading.people import co_speakers

    with open_library(location, create=location is None) as library:
        profile = library.profiles.get(name)
        voiceprints = library.voiceprints.rows(profile.name)
        appearances = library.people.appearances(profile.id)
        company = co_speakers(appearances)
        over_time = library.figures.person(profile.id) if as_json else None
    if as_json:
        print_json(
            {
                **dataclasses.asdict(profile),
                "voiceprints": [dataclasses.asdict(row) for row in voiceprints],
                "first_heard": appearances[0].date if appearances else None,
                "co_speakers": {one.person.name: one.num_episodes for one in company},
                "appearances": [dataclasses.asdict(row) | {"co_speakers": _names(row)} for row in appearances],
                "figures": dataclasses.asdict(over_time) if over_time else None,
            }
        )
        return
    click.echo(f"{profile.name}{f' ({profile.role})' if profile.role else ''}")
    if appearances:
        click.echo(
            f"Heard in {profile.num_episodes} episode(s), {clock(profile.talk_seconds)} of talk: first "
            f"{_when(appearances[0])}, last {_when(appearances[-1])}"
        )
    if company:
        most_often = ", ".join(f"{one.person.name} ({one.num_episodes})" for one in company[:MOST_COMPANY])
        click.echo(f"Most often with {most_often}")
    click.echo(
        f"Voice profile active: {profile.num_voiceprints} voiceprint(s), {clock(profile.speech_seconds)} of speech"
    )
    for consent in profile.consents:
        click.echo(f"Kept by consent: {consent}")
    print_table(
        ("no.", "voiceprint from", "span", "speech", "consent", "added"),
        [
            (str(number), v.source, f"{clock(v.start)}-{clock(v.end)}", f"{v.seconds:.0f} s", v.consent, v.created[:10])
            for number, v in enumerate(voiceprints, start=1)
        ],
        right=("no.", "speech"),
    )
    if appearances:
        rows = [
            (
                a.title or Path(a.source).name,
                a.date or "",
                clock(a.talk_seconds),
                str(a.num_turns),
                ", ".join(_names(a)),
            )
            for a in appearances
        ]
        print_table(("episode", "date", "talk", "turns", "with"), rows, right=("talk", "turns"))


@profiles.command()
@click.argument("name")
@click.option("--latest", type=click.IntRange(1, 1_000_000), metavar="N", help="Only the newest N episodes.")
@json_option
@csv_option
@library_option
def figures(name: str, latest: int | None, as_json: bool, as_csv: bool, location: str | None) -> None:
    """Tell how a person talks, in each episode over time and in all together: share, words a minute, questions …

    Columns are those of `voicematch episodes figures`.
    """
    from ..library import open_library

    with open_library(location, create=location is None) as library:
        found = library.figures.person(library.people.id(name), most=latest)
    if as_json:
        print_json(dataclasses.asdict(found))
    elif as_csv:
        print_csv(
            [
                {"episode": one.title, "date": one.date, "audio_sha256": one.audio_sha256}
                | dataclasses.asdict(one.figures)
                for one in found.episodes
            ]
        )
    elif found.total is None:
        click.echo(f"{found.person.name} is named in no stored episode.", err=True)
    else:
        rows = [(f"{one.date or ''}  {one.title}".strip(), one.figures) for one in found.episodes]
        print_figures([*rows, ("all", found.total)], first="episode")


@profiles.command()
@click.argument("name")
@click.argument("numbers", nargs=-1, required=True, type=click.IntRange(1), metavar="NUMBER...")
@json_option
@library_option
def remove(name: str, numbers: tuple[int, ...], as_json: bool, location: str | None) -> None:
    """Take out voiceprints that are somebody else's, by their numbers in `profiles show NAME`.

    \b
    voicematch profiles remove "Ada Byron" 3
    """
    from ..library import open_library
    from ..usecases import name as naming

    with open_library(location) as library:
        known = library.profiles.get(name).name
        rows = library.voiceprints.rows(known)
        unknown = [number for number in numbers if number > len(rows)]
        if unknown:
            raise LibraryError(f"{known} has {len(rows)} voiceprint(s), and none of number {unknown[0]}")
        changes = naming.remove_voiceprints(known, [rows[number - 1].id for number in numbers], library=library)
        left = library.profiles.get(known).num_voiceprints
    if as_json:
        print_json({"num_voiceprints": left, "changes": [dataclasses.asdict(change) for change in changes]})
        return
    click.echo(f"Took {len(set(numbers))} out of {known}; {left} voiceprint(s) left")
    click.echo(f"{len(changes)} voice(s) changed their label")


@profiles.command()
@click.argument("old")
@click.argument("new")
@library_option
def rename(old: str, new: str, location: str | None) -> None:
    """Give a person another name, everywhere."""
    from ..library import open_library
    from ..usecases import name as naming

    with open_library(location, create=location is None) as library:
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

    with open_library(location, create=location is None) as library:
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
@click.option("--words", is_flag=True, help="Redact the name in transcripts, titles and notes of others.")
@click.option("--backups", is_flag=True, help="Erase it also in backups of the library, and in exported voices.")
@click.option("--also", "former", multiple=True, metavar="NAME", help="A former name, which goes too (repeatable).")
@json_option
@library_option
def forget(
    name: str, yes: bool, words: bool, backups: bool, former: tuple[str, ...], as_json: bool, location: str | None
) -> None:
    """Erase a person for good: voiceprints, clips, and their voice in stored episodes.

    The name goes from every file that follows the library. What is out of reach (copies, a site) is listed.
    A name from before a renaming or a merge is not kept, and not looked for: give it with --also.
    What --words and --backups would reach besides is said before the question: afterwards it is too late for them.
    """
    from ..library import open_library
    from ..usecases import forget as forgetting

    with open_library(location, create=location is None) as library:
        profile = library.profiles.get(name)
        if not yes:
            num_mentions, num_copies = forgetting.ahead(profile.name, library=library, former=former)
            if num_mentions and not words:
                click.echo(
                    f"{num_mentions} line(s), title(s) and note(s) say the name, and stay; --words redacts them",
                    err=True,
                )
            if num_copies and not backups:
                told = f"{num_copies} backup(s) and exported voices hold it, and stay; --backups erases there too"
                click.echo(told, err=True)
            click.confirm(
                f"Erase {profile.name} and {profile.num_voiceprints} voiceprint(s) for good?", abort=True, err=True
            )
        reached = forgetting.forget(profile.name, library=library, words=words, backups=backups, former=former)
    if as_json:
        print_json(_told(profile.name, reached))
        return
    _tell_of(profile.name, reached, words=words)


def _told(name: str, reached: Reached) -> dict[str, object]:
    forgotten = reached.forgotten
    return {
        "name": name,
        "num_voiceprints": forgotten.num_voiceprints,
        "num_clips": forgotten.num_clips,
        "num_speaker_embeddings": forgotten.num_speaker_embeddings,
        "num_mentions": forgotten.num_mentions,
        "compacted": forgotten.compacted,
        "erased": [str(path) for path in reached.erased],
        "out_of_reach": out_of_reach_json(reached.out_of_reach),
    }


def _tell_of(name: str, reached: Reached, *, words: bool) -> None:
    forgotten = reached.forgotten
    click.echo(
        f"Erased {name}: {forgotten.num_voiceprints} voiceprint(s), {forgotten.num_clips} clip(s), "
        f"the voice in {forgotten.num_speaker_embeddings} episode(s)"
    )
    if forgotten.num_mentions:
        done = "redacted" if words else "kept as they are; --words would have redacted them"
        click.echo(f"{forgotten.num_mentions} line(s), title(s) and note(s) say the name: {done}")
    for path in reached.erased:
        click.echo(f"erased there too: {path}")
    if not forgotten.compacted:
        reason = f"{forgotten.obstacle}; the bytes are still in the file, and the next command tries again"
        click.echo(f"warning: {reason}", err=True)
    print_out_of_reach(reached.out_of_reach)


@profiles.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--all", "everybody", is_flag=True, help="Everybody, instead of NAMEs.")
@click.option("--voices", is_flag=True, help="With the voiceprints, for another library. They are biometric.")
@click.option("--clips", "with_clips", is_flag=True, help="With these and the sound that was kept, for a later model.")
@force_option
@library_option
def export(
    names: tuple[str, ...],
    path: Path,
    everybody: bool,
    voices: bool,
    with_clips: bool,
    force: bool,
    location: str | None,
) -> None:
    """Write people to FILE: names, roles, notes, pictures, lines, links, consents; --voices adds the voices.

    Whoever has a file with voices can recognise them, as with a fingerprint.

    \b
    voicematch profiles export --voices "Ada Byron" ada.json
    voicematch profiles export --all --voices voices.json
    """
    from ..library import open_library
    from ..library.copies import PROFILES
    from ..library.upkeep import recorded
    from ..outputs import write_atomically
    from ..usecases import exchange

    if bool(names) is everybody:
        raise click.UsageError("give NAMEs and a FILE, or --all and a FILE")
    refuse_existing(path, force=force)
    voices = voices or with_clips
    with open_library(location, create=location is None) as library:
        names = names or library.people.names()
        text = exchange.write_profiles(library, names, with_clips=with_clips, voices=voices)
        with recorded(library.copies, path, PROFILES):
            write_atomically(path, text, private=True)
        consents = {name: library.profiles.get(name).consents for name in names}
    if voices:
        click.echo(f"wrote {path}: {len(names)} voice(s); keep it as you would keep a fingerprint", err=True)
    else:
        click.echo(f"wrote {path}: {len(names)} name(s) and no voice; --voices takes the voices along", err=True)
    for name, of_name in consents.items():
        click.echo(f"{name}: {'; '.join(map(str, of_name)) or 'none'}", err=True)


@profiles.command("import")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@json_option
@library_option
def import_(path: Path, as_json: bool, location: str | None) -> None:
    """Take the people and voices of a file that `profiles export` wrote; the consent they were kept under comes along.

    What your library tells of somebody already, as a role or a picture, stays.
    """
    from ..library import open_library
    from ..usecases import exchange

    text = exchange.read_file(path)
    with open_library(location) as library:
        imported, changes = exchange.take_in(text, path, library=library)
    if as_json:
        changed = [dataclasses.asdict(change) for change in changes]
        print_json({"profiles": [dataclasses.asdict(one) for one in imported], "changes": changed})
        return
    for one in imported:
        click.echo(f"{'Added' if one.created else 'Added to'} {one.name}: {one.num_voiceprints} voiceprint(s)")
    click.echo(f"{len(changes)} voice(s) changed their label")


def _names(appearance: Appearance) -> list[str]:
    return [person.name for person in appearance.others]


def _when(appearance: Appearance) -> str:
    return appearance.date or "on an unknown day"
