"""``voicematch episodes`` and ``voicematch search``: what identify remembered."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import shown
from .options import Day, OutFolder, SpeakerCount, clock, csv_option, json_option, library_option
from .showing import FormatName, OutputFiles, called, print_episode_json, print_figures, print_out_of_reach, show
from .terminal import print_csv, print_json, print_table

if TYPE_CHECKING:
    from ..library import EpisodeSummary


@click.group()
def episodes() -> None:
    """List, show, recluster, match again or export stored episodes.

    EPISODE is a file name, a path, a URL or part of the hash.
    """


@episodes.command("list")
@click.option("--speaker", metavar="NAME", help="Only those in which this person was named.")
@click.option(
    "--since", type=Day(), metavar="DAY", help="Only those published on this day or later; without a date, stored."
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the newest N.")
@json_option
@library_option
def list_(speaker: str | None, since: str | None, limit: int | None, as_json: bool, location: str | None) -> None:
    """List stored episodes, newest first."""
    from ..library import open_library

    with open_library(location, create=location is None) as library:
        profile = None if speaker is None else library.people.id(speaker)
        stored, _ = library.listings.episodes(profile=profile, since=since, limit=limit)
    if as_json:
        print_json([dataclasses.asdict(episode) | {"names": _names(episode)} for episode in stored])
        return
    if not stored:
        is_part = speaker is not None or since is not None
        none = "No such episodes." if is_part else "No episodes yet. voicematch identify FILE stores the first."
        click.echo(none, err=True)
        return
    rows = [
        (
            called(e.title, e.source),
            e.date or "",
            clock(e.duration),
            ", ".join(_names(e)),
            str(e.num_speakers),
            e.audio_sha256[:12],
        )
        for e in stored
    ]
    print_table(("episode", "date", "length", "named", "voices", "hash"), rows, right=("length", "voices"))


def _names(episode: EpisodeSummary) -> list[str]:
    return [person.name for person in episode.people]


@episodes.command("show")
@click.argument("episode")
@click.option("--explain", is_flag=True, help="Say why each voice has, or has not, a name.")
@json_option
@library_option
def show_(episode: str, explain: bool, as_json: bool, location: str | None) -> None:
    """Show one stored episode, as `identify` did, with the names of today."""
    from ..library import open_library

    with open_library(location, create=location is None) as library:
        stored = library.episodes.get(episode)
        num_episodes = library.voices.num_episodes()
        figures = library.figures.episode(stored.audio_sha256) if as_json else ()
        also = library.listings.episode(stored.audio_sha256).also
    if as_json:
        talk, others = list(map(dataclasses.asdict, figures)), list(map(dataclasses.asdict, also))
        print_episode_json(stored, figures=talk, also=others)
    else:
        show(stored, explain=explain, num_episodes=num_episodes)
        for other in also:
            click.echo(f"Also in {other.show}: {' '.join(part for part in (other.date, other.title) if part)}")
        if stored.chapters:
            rows = [(clock(chapter.start), chapter.title) for chapter in stored.chapters]
            print_table(("at", "chapter"), rows, right=("at",))


@episodes.command()
@click.argument("episode")
@json_option
@csv_option
@library_option
def figures(episode: str, as_json: bool, as_csv: bool, location: str | None) -> None:
    """Tell how everybody talks in one episode: share, words a minute, longest turn, interruptions, questions.

    What counts as each is in the first lines of voicematch/transcript/figures.py. A dash is what cannot be told: words
    without a transcript, interruptions where no two voices are heard at once. The built-in diarizer hears only the
    clearest of these.
    """
    from ..library import open_library

    with open_library(location, create=location is None) as library:
        stored = library.episodes.get(episode)
        found = library.figures.episode(stored.audio_sha256)
    if as_json:
        print_json([dataclasses.asdict(one) for one in found])
    elif as_csv:
        print_csv([{"name": one.name} | dataclasses.asdict(one.figures) for one in found])
    else:
        print_figures([(one.name, one.figures) for one in found], first="speaker")


@episodes.command()
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@json_option
@library_option
def relabel(dry_run: bool, as_json: bool, location: str | None) -> None:
    """Match every stored episode again with the voices known today; no audio is opened."""
    from ..library import open_library
    from ..usecases import name as naming

    with open_library(location, create=location is None) as library:
        changes = naming.relabel(library=library, dry_run=dry_run)
    if as_json:
        print_json([dataclasses.asdict(change) for change in changes])
        return
    rows = [(c.audio_sha256[:12], c.speaker, c.before or "unknown", c.after or "unknown") for c in changes]
    if rows:
        print_table(("episode", "speaker", "before", "after"), rows)
    click.echo(f"{len(changes)} voice(s) {'would change' if dry_run else 'changed'} their label")


@episodes.command()
@click.argument("episode")
@click.option("--speakers", type=SpeakerCount(), metavar="N|MIN-MAX", help="How many there are; else it is found out.")
@click.option("--undo", "is_undo", is_flag=True, help="Put back who spoke when, and the names, of before.")
@click.option("--dry-run", is_flag=True, help="Show what would come of it, and change nothing.")
@json_option
@library_option
def recluster(
    episode: str,
    speakers: tuple[int, int] | None,
    is_undo: bool,
    dry_run: bool,
    as_json: bool,
    location: str | None,
) -> None:
    """Tell the voices of EPISODE apart anew, out of what is kept of it; no audio is opened.

    What you confirmed and fixed stays: two people whom you named are never made one. The last five times can be taken
    back, until something else is said of the episode, it is heard again, or a voice is forgotten.

    \b
    voicematch episodes recluster episode.mp3 --speakers 3
    voicematch episodes recluster episode.mp3 --undo
    """
    from ..library import open_library
    from ..usecases import recluster as reclustering

    if is_undo and speakers is not None:
        raise click.UsageError("--undo takes no --speakers")
    with open_library(location, create=location is None) as library:
        if is_undo:
            done = reclustering.undo(episode, library=library, dry_run=dry_run)
        else:
            done = reclustering.recluster(episode, speakers, library=library, dry_run=dry_run)
        num_episodes = library.voices.num_episodes()
    for warning in done.warnings:
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        print_episode_json(done.episode)
    else:
        show(done.episode, explain=False, num_episodes=num_episodes)


@episodes.command()
@click.argument("episode")
@click.option("--yes", is_flag=True, help="Do not ask.")
@library_option
def remove(episode: str, yes: bool, location: str | None) -> None:
    """Remove a stored episode for good, with the voices stored for it. Its files stay, and are listed."""
    from ..library import open_library
    from ..usecases import expire

    with open_library(location, create=False) as library:
        stored = library.episodes.get(episode)
        title = stored.title or shown(stored.source)
        if not yes:
            click.confirm(f"Remove {title} for good?", abort=True, err=True)
        files, beyond = expire.remove_episode(stored.audio_sha256, library=library)
    click.echo(f"Removed {title}")
    for output in files:
        click.echo(f"stays as it is: {output.path}", err=True)
    print_out_of_reach(beyond, "the episode")


@episodes.command()
@click.argument("episode")
@click.option("-f", "--format", "formats", multiple=True, required=True, type=FormatName(), metavar="FORMAT")
@click.option(
    "-o",
    "--out",
    type=OutFolder(or_stdout=True),
    metavar="DIR|-",
    help="Where to write (default: the current directory); - for stdout.",
)
@click.option("--force", is_flag=True, help="Overwrite output files.")
@library_option
def export(episode: str, formats: tuple[str, ...], out: str | None, force: bool, location: str | None) -> None:
    """Write a stored episode in any format, with the names of today; later names do not reach the file."""
    from ..library import open_library
    from ..library.copies import EPISODE
    from ..library.upkeep import recorded

    if out == "-" and len(formats) != 1:
        raise click.UsageError("-o - takes exactly one -f")
    with open_library(location, create=location is None) as library:
        stored = library.episodes.get(episode)
        outputs = OutputFiles(formats, out or str(Path()), force=force)
        outputs.check(stored.source)
        with ExitStack() as noted:
            for path in outputs.paths(stored.source):
                noted.enter_context(recorded(library.copies, path, EPISODE))
            outputs.write(stored.source, stored, library=library)


@click.command()
@click.argument("words")
@click.option("--speaker", metavar="NAME", help="Only what this person said.")
@click.option(
    "--since", type=Day(), metavar="DAY", help="Only episodes published on this day or later; without a date, stored."
)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@json_option
@library_option
def search(words: str, speaker: str | None, since: str | None, limit: int, as_json: bool, location: str | None) -> None:
    """Find WORDS in the stored transcripts, best first; quote a phrase to find it whole.

    \b
    voicematch search '"continual learning"' --speaker "Ada Byron"
    """
    from ..library import open_library

    with open_library(location, create=location is None) as library:
        hits = library.search.lines(words, speaker=speaker, since=since, limit=limit)
    if as_json:
        print_json([dataclasses.asdict(hit) for hit in hits])
        return
    if not hits:
        click.echo("nothing found", err=True)
        return
    rows = [(called(hit.title, hit.source), clock(hit.start), hit.speaker or "", hit.text) for hit in hits]
    print_table(("episode", "at", "speaker", "line"), rows, right=("at",))
