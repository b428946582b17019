"""``voicematch batch``: hundreds of episodes, overnight."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import redacted
from . import EXIT_ERROR, EXIT_PARTIAL, EXIT_STOPPED
from .options import (
    Command,
    Day,
    OutFolder,
    Within,
    choice_of,
    choice_options,
    clock,
    engine_options,
    json_option,
    library_option,
    open_engines,
    quiet_option,
    tell_of_newer,
)
from .showing import FormatName
from .terminal import print_json, print_table, print_text

if TYPE_CHECKING:
    from ..batch import Event, Outcome, Tally
    from ..batch.loop import Watch
    from ..usecases.chosen import Engines

GIB = 1 << 30
YEAR = 365 * 86_400.0  # s


class Interval(click.ParamType[float]):
    """A length of time, as 30m, 1h or 1d, in seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        span = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value, re.ASCII)
        seconds = float(span[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[span[2]] if span else 0.0
        if not 1 <= seconds <= YEAR:
            self.fail(f"{value!r} is not a length of time from 1s to 365d; write 30m, 1h or 1d", param, ctx)
        return seconds


@click.group()
def batch() -> None:
    """Label a backlog: add episodes, run, look, retry, report."""


@batch.command()
@click.argument("sources", nargs=-1, required=True, metavar="DIR|FILE|LIST|FEED|OPML...")
@click.option(
    "--since", type=Day(), metavar="DAY", help="Only episodes published (files: changed) on this day or later."
)
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Of each folder, list or feed only the newest N."
)
@click.option("--match", metavar="REGEX", help="Only episodes whose title, path or address has this in it.")
@choice_options
@click.option("--tracks", is_flag=True, help="Each audio track of a file is a person.")
@click.option("--channels", is_flag=True, help="Each channel of a file is a person.")
@click.option(
    "--allow-local",
    is_flag=True,
    help="Let feeds send voicematch to addresses of this machine and its network, not only to their own host.",
)
@json_option
@library_option
def add(
    sources: tuple[str, ...],
    since: str | None,
    limit: int | None,
    match: str | None,
    track: int | None,
    channel: int | None,
    tracks: bool,
    channels: bool,
    allow_local: bool,
    as_json: bool,
    location: str | None,
) -> None:
    """Queue what is in folders, files, lists (a line a path or address), RSS feeds and OPML.

    What is queued or done already is not added again, so the same command can follow a feed. A file whose episode was
    removed is; an entry of a feed only by `batch retry`.

    \b
    voicematch batch add https://example.org/feed.xml --since 2024 --limit 50
    voicematch batch add recordings/ --match interview
    """
    from .. import batch as backlog
    from ..library import open_library

    if (tracks and channels) or (tracks and (track or channel)) or (channels and channel):
        raise click.UsageError("of --tracks, --channels, --track and --channel only --track and --channel go together")
    episodes = backlog.find(sources, since=since, limit=limit, match=match, allow_local=allow_local)
    apart = "tracks" if tracks else "channels" if channels else None
    episodes = backlog.heard_as(episodes, choice_of(track, channel), apart)
    for reason in episodes.left_out:
        click.echo(f"left out: {reason}", err=True)
    with open_library(location) as library:
        added = library.jobs.add(episodes.jobs, by_hand=True)
    if as_json:
        figures = {"new": added.num_new, "known": added.num_known, "changed": added.num_changed}
        figures |= {"removed": added.num_removed}
        print_json(figures | {"left_out": list(episodes.left_out)})
        return
    click.echo(f"{added.num_new} new, {added.num_known} known already; voicematch batch run labels them")
    if added.num_changed:
        click.echo(f"{added.num_changed} offer another sound than was labelled; voicematch batch retry --changed")
    if added.num_removed:
        click.echo(f"{added.num_removed} were removed since, and are not labelled again; voicematch batch retry TITLE")


def run_options(command: Command) -> Command:
    """Add how a run does its work, as ``batch run`` and ``batch watch`` take it."""
    options = (
        click.option(
            "--jobs",
            "num_workers",
            type=click.IntRange(1, 256),
            metavar="N",
            help="Episodes at once (default: one for every two cores).",
        ),
        click.option(
            "-o",
            "--out",
            type=OutFolder(or_stdout=False),
            metavar="DIR|TEMPLATE",
            help="Where to write: a folder, or a path with {show} {date} {year} {title} {season} {episode} {name} "
            "(default: beside the audio; for feeds ./{show}/{date}-{title}).",
        ),
        click.option(
            "-f",
            "--format",
            "formats",
            multiple=True,
            type=FormatName(),
            metavar="FORMAT",
            help="Write a file in this format for each episode (repeatable); else only the library knows.",
        ),
        click.option("--force", is_flag=True, help="Overwrite files that this library's backlog has not written."),
        click.option(
            "--cache",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            help="Where to keep downloads (default: the platform's cache folder).",
        ),
        click.option(
            "--cache-size",
            type=Within(0.01, 1e6),
            default=10.0,
            show_default=True,
            metavar="GIB",
            help="How much of them.",
        ),
        click.option(
            "--ray",
            "ray_address",
            metavar="ADDRESS",
            help="Work on a Ray cluster ('local' for one on this machine); pip install 'voicematch[ray]'.",
        ),
        engine_options,
        quiet_option,
        library_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@batch.command()
@run_options
@click.pass_obj
def run(engines: Engines | None, /, **chosen: Any) -> int:
    """Label what is queued. May be stopped, or killed, at any time: the next run goes on.

    ^C stops after the stage in hand. A bad episode fails alone, and the exit code is 3; `batch report` says why.

    \b
    voicematch batch run -f vtt -f json --out "labelled/{show}/{date}-{title}"
    """
    from ..library import open_library

    with open_library(chosen["location"], create=chosen["location"] is None):
        pass
    return _closing(_run(engines, **chosen))


def _run(
    engines: Engines | None,
    *,
    num_workers: int | None,
    out: str | None,
    formats: tuple[str, ...],
    force: bool,
    cache: Path | None,
    cache_size: float,
    ray_address: str | None,
    diarizer: str | None,
    embedder: str | None,
    everywhere: bool,
    device: str,
    quiet: bool,
    location: str | None,
) -> Tally:
    """Work the queue off as the options say."""
    from .. import batch as backlog
    from ..library import State, default_location, open_library
    from ..outputs import check

    if out is not None and "{" in out:
        check(out)
    settings = backlog.Settings(
        library=location or default_location(),
        formats=tuple(dict.fromkeys(formats)),
        out=out,
        force=force,
        cache=cache or backlog.default_cache(),
        cache_bytes=round(cache_size * GIB),
        engines=engines or open_engines(diarizer, embedder, device, everywhere=everywhere),
    )
    with open_library(location, create=location is None) as library:
        tell_of_newer(library, embedder, quiet=quiet)
        counts = library.jobs.counts()
    num_queued = counts[State.QUEUED] + counts[State.RUNNING]
    workers = num_workers or max(1, (os.cpu_count() or 1) // 2)
    with _watch(num_queued, quiet=quiet) as watch:
        if ray_address is not None:
            from ..batch import ray_cluster

            return ray_cluster.run(settings, ray_address, num_workers=workers, watch=watch)
        return backlog.run(settings, num_workers=workers, watch=watch)


@batch.command()
@click.argument("sources", nargs=-1, required=True, metavar="DIR|LIST|FEED|OPML...")
@click.option(
    "--every", type=Interval(), default="1h", show_default=True, metavar="TIME", help="How often to look: 30m, 1h, 1d."
)
@click.option(
    "--since", type=Day(), metavar="DAY", help="Only episodes published (files: changed) on this day or later."
)
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Of each source only the newest N, at each look."
)
@click.option("--match", metavar="REGEX", help="Only episodes whose title, path or address has this in it.")
@click.option("--allow-local", is_flag=True, help="As for `batch add`.")
@run_options
@click.pass_obj
def watch(
    engines: Engines | None,
    /,
    sources: tuple[str, ...],
    every: float,
    since: str | None,
    limit: int | None,
    match: str | None,
    allow_local: bool,
    **chosen: Any,
) -> int:
    """Label new episodes as they come, in folders and feeds: look, label, wait, look again.

    May be stopped, or killed, at any time: begun again, it goes on. A file is taken once it has not changed for half a
    minute. A feed that cannot be had is asked again later, each time after twice as long. One watch a library.

    \b
    voicematch batch watch recordings/ https://example.org/feed.xml --every 1h -f vtt
    """
    from .. import batch as backlog
    from ..batch import watching
    from ..batch.loop import interrupts
    from ..library import open_library

    def look(source: str) -> backlog.Found:
        found = backlog.find([source], since=since, limit=limit, match=match, allow_local=allow_local)
        for reason in found.left_out:
            click.echo(f"left out: {reason}", err=True)
        return found

    with interrupts() as came, open_library(chosen["location"]) as library:

        def sleep(seconds: float) -> bool:
            end = time.monotonic() + seconds
            while not came and time.monotonic() < end:
                time.sleep(min(0.2, max(0.0, end - time.monotonic())))
            return not came

        def say(line: str) -> None:
            if not chosen["quiet"]:
                click.echo(redacted(line), err=True)

        tally = watching.watch(
            sources, library, every=every, look=look, run=lambda: _run(engines, **chosen), sleep=sleep, say=say
        )
    click.echo("stopped; voicematch batch watch goes on where it was" if tally.interrupted else "ended", err=True)
    return EXIT_STOPPED


def _closing(tally: Tally) -> int:
    """Say how the run ended, and return its exit code."""
    click.echo(f"{tally.num_done} done, {tally.num_failed} failed", err=True)
    if tally.interrupted:
        click.echo("stopped; what is not done stays queued: voicematch batch run goes on", err=True)
        return EXIT_STOPPED
    if tally.stop:
        click.echo(f"error: stopped after {tally.stop}", err=True)
        return EXIT_ERROR
    return EXIT_PARTIAL if tally.num_failed else 0


@batch.command()
@click.option("--failed", is_flag=True, help="List the failed episodes, each with its reason.")
@json_option
@library_option
def status(failed: bool, as_json: bool, location: str | None) -> None:
    """Show how far the backlog is, and what is being worked on."""
    from ..library import State, open_library

    with open_library(location, create=location is None) as library:
        counts = library.jobs.counts()
        listed = library.jobs.find(State.FAILED if failed else State.RUNNING)
    if as_json:
        shown = [{"title": j.title, "source": j.source, "started": j.started, "error": j.error} for j in listed]
        print_json(
            {"counts": {str(state): num for state, num in counts.items()}, "failed" if failed else "running": shown}
        )
        return
    print_table(tuple(counts), [tuple(str(num) for num in counts.values())], right=tuple(counts))
    if failed:
        print_table(("failed", "why"), [(job.title, job.error or "") for job in listed])
    elif listed:
        print_table(("running", "since", "attempt"), [(j.title, j.started or "", str(j.attempts)) for j in listed])


@batch.command()
@click.argument("titles", nargs=-1, metavar="[TITLE]...")
@click.option("--changed", is_flag=True, help="Also episodes whose sound has changed since they were labelled.")
@library_option
def retry(titles: tuple[str, ...], changed: bool, location: str | None) -> None:
    """Queue failed episodes again: all, or those with TITLE in their title, path or address, removed ones too."""
    from ..library import open_library

    with open_library(location, create=location is None) as library:
        num_queued = library.jobs.retry(titles, changed=changed)
    click.echo(f"{num_queued} queued again")


@batch.command()
@json_option
@library_option
def report(as_json: bool, location: str | None) -> None:
    """Report who was named, who is unknown, what failed, how long they talk: Markdown on stdout."""
    from .. import batch as backlog
    from ..library import open_library

    with open_library(location, create=location is None) as library:
        if as_json:
            print_json(backlog.as_json(library))
        else:
            print_text(backlog.as_markdown(library))


@contextmanager
def _watch(num_queued: int, *, quiet: bool) -> Iterator[Watch | None]:
    """Show a run on stderr: bars on a terminal, else a line an episode, nothing when quiet."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bars(num_queued) as watch:
            yield watch
    else:
        yield _Lines(num_queued)


class _Lines:
    """A line for each episode that ended, with the time left by the pace so far."""

    def __init__(self, num_queued: int) -> None:
        self._num_queued = num_queued
        self._num_ended = 0
        self._started = time.monotonic()

    def __call__(self, event: Event) -> None:
        if event.outcome is None:
            return
        self._num_ended += event.outcome.state != "queued"
        left = max(0, self._num_queued - self._num_ended)
        pace = (time.monotonic() - self._started) / max(1, self._num_ended)
        ahead = f"; about {clock(left * pace)} left" if left else ""
        click.echo(f"[{self._num_ended}/{self._num_queued}] {_ended(event.outcome)}{ahead}", err=True)


@contextmanager
def _bars(num_queued: int) -> Iterator[Watch]:
    """A bar for the whole, and one for each worker's episode."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    week = 7 * 86_400  # s; the pace is that of all episodes, not of the last seconds
    with Progress(*columns, console=console, transient=True, speed_estimate_period=week) as progress:
        whole = progress.add_task("all", total=num_queued)
        by_worker: dict[int, TaskID] = {}

        def watch(event: Event) -> None:
            if event.worker not in by_worker:
                by_worker[event.worker] = progress.add_task("", total=None)
            task = by_worker[event.worker]
            title = escape(event.job.title[:40])
            if event.outcome is not None:
                console.print(escape(_ended(event.outcome)), highlight=False)
                progress.update(task, description="", completed=0, total=None)
                progress.advance(whole, event.outcome.state != "queued")
            else:
                described = f"{title}: {event.step}" if event.step else title
                progress.update(
                    task, description=described, completed=round(event.done), total=round(event.total) or None
                )

        yield watch


def _ended(outcome: Outcome) -> str:
    """One line on what came of an episode."""
    if outcome.error:
        return f"{outcome.state}: {outcome.job.title}: {outcome.error}"
    names = ", ".join(outcome.named) or "nobody named"
    unknown = f", {outcome.num_unknown} unknown" if outcome.num_unknown else ""
    return f"{outcome.state}: {outcome.job.title}: {names}{unknown} ({clock(outcome.seconds)})"
