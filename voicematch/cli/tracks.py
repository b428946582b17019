"""``identify --tracks`` and ``--channels``: a person each, with names that come with the files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..net.addresses import is_address
from ..voices.consent import CONSENT
from .options import clock

if TYPE_CHECKING:
    from ..library import Library
    from ..types import LabelledEpisode, Progress
    from ..usecases.chosen import Engines

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class HowApart:
    """What the options say. ``how`` is "tracks" or "channels"; None is a mix, as most episodes are."""

    how: str | None
    enroll: bool = False
    consent: str | None = None
    consent_note: str = ""


def apart_options(command: Command) -> Command:
    """Add ``--tracks``, ``--channels``, ``--enroll``, ``--consent`` and ``--consent-note``, as one value: ``apart``."""

    def gather(ctx: click.Context, param: click.Parameter, value: object) -> object:
        """Collect the options in one value, so that the command does not have to know them."""
        kept = ctx.meta.setdefault("voicematch.apart", {})
        kept[param.name] = value
        ctx.params["apart"] = _checked(kept)
        return value

    for name, help_text in (
        ("--consent-note", "Who gave the consent, where, in what words: kept with the voice."),
        ("--consent", "Why these voices may be kept, as for `voicematch enroll`."),
    ):
        choice = click.Choice(CONSENT) if name == "--consent" else click.STRING
        command = click.option(name, type=choice, callback=gather, expose_value=False, help=help_text)(command)
    for name, help_text in (
        ("--enroll", "Also teach the library the voices of the tracks given as NAME=FILE."),
        ("--channels", "Each channel is a person."),
        ("--tracks", "Each FILE, or NAME=FILE, is a person's track of one episode; of one FILE, each audio track."),
    ):
        command = click.option(name, is_flag=True, callback=gather, expose_value=False, help=help_text)(command)
    return command


def _checked(kept: dict[str, Any]) -> HowApart:
    """Return what was given so far; the order of options is not known, so that `check` looks at the whole."""
    how = "tracks" if kept.get("tracks") else "channels" if kept.get("channels") else None
    if kept.get("tracks") and kept.get("channels"):
        raise click.UsageError("give --tracks or --channels, not both")
    return HowApart(how, bool(kept.get("enroll")), kept.get("consent"), kept.get("consent_note") or "")


def named(sources: Sequence[str], apart: HowApart) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    """Return the sources without their names, and the names: NAME=FILE, where there is no file of that whole name."""
    found: list[tuple[str, str | None]] = []
    for source in sources:
        name, equals, rest = source.partition("=")
        is_named = apart.how == "tracks" and equals and not is_address(source) and not os.path.exists(source)
        found.append((rest, name.strip()) if is_named and name.strip() and rest else (source, None))
    return tuple(source for source, _ in found), tuple(name for _, name in found)


def check(
    apart: HowApart,
    names: Sequence[str | None],
    *,
    has_track: bool,
    has_channel: bool,
    speakers: tuple[int, int] | None,
    diarizer: str | None,
    no_store: bool,
) -> None:
    """Raise UsageError for options that do not go together."""
    if apart.how is None:
        if apart.enroll or apart.consent or apart.consent_note:
            raise click.UsageError("--enroll and --consent go with --tracks NAME=FILE...")
        return
    if diarizer or speakers:
        raise click.UsageError(f"--{apart.how} says who speaks when; leave out --diarizer and --speakers")
    if has_channel or (has_track and apart.how == "tracks"):
        raise click.UsageError(f"give --{apart.how}, or --track and --channel, not both")
    if len([name for name in names if name]) != len({name.casefold() for name in names if name}):
        raise click.UsageError("two tracks have one name; join them, or name one of them")
    if apart.enroll and not any(names):
        raise click.UsageError("--enroll needs names: --tracks NAME=FILE...")
    if apart.enroll and no_store:
        raise click.UsageError("--enroll remembers; leave out --no-store and --voices")
    if (apart.consent or apart.consent_note) and not apart.enroll:
        raise click.UsageError("--consent goes with --enroll")


def with_consent(apart: HowApart, names: Sequence[str | None]) -> HowApart:
    """Return the same with the consent asked for where it is needed and was not given."""
    if not apart.enroll or apart.consent is not None:
        return apart
    from .enroll import ask_consent

    return replace(apart, consent=ask_consent(", ".join(name for name in names if name)))


def groups(sources: Sequence[str], names: Sequence[str | None], apart: HowApart) -> list[tuple[str, ...]]:
    """Return which sources are one episode: with --tracks and several files, all of them."""
    if apart.how == "tracks" and len(sources) > 1:
        return [tuple(sources)]
    if any(names):
        raise click.UsageError("NAME=FILE is for several tracks; of one file name the voices afterwards")
    return [(source,) for source in sources]


def identify_apart(
    group: Sequence[str],
    names: Sequence[str | None],
    apart: HowApart,
    *,
    track: int | None,
    library: Library,
    engines: Engines,
    progress: Progress | None,
    **wanted: Any,
) -> LabelledEpisode:
    """Identify one episode out of its tracks or channels, and say what was learned."""
    from ..audio import Audio, Choice
    from ..audio.together import apart_in
    from ..usecases.tracks import GivenConsent, identify_tracks

    consent = GivenConsent(apart.consent, apart.consent_note) if apart.consent is not None else None
    how = apart.how or "tracks"
    tracks = (
        [Audio(source) for source in group] if len(group) > 1 else apart_in(Audio(group[0], choice=Choice(track)), how)
    )
    episode, learned = identify_tracks(
        tracks,
        library=library,
        names=names if len(group) > 1 else (),
        consent=consent,
        engines=engines,
        progress=progress,
        **wanted,
    )
    for added in learned:
        for warning in added.warnings:
            click.echo(f"warning: {warning}", err=True)
        verb = "Enrolled" if added.created else "Added to"
        click.echo(f"{verb} {added.profile}: {added.speech_seconds:.0f} s of speech", err=True)
    return episode


EQUAL = 2.0  # s; tracks that one program recorded end together


def notice_equal(durations: Sequence[tuple[str, float]]) -> None:
    """Say so when files that were identified one by one look like the tracks of one conversation."""
    longest = max((seconds for _, seconds in durations), default=0.0)
    if len(durations) > 1 and longest > 60 and longest - min(seconds for _, seconds in durations) <= EQUAL:
        files = ", ".join(Path(source).name for source, _ in durations)
        click.echo(
            f"{files} are equally long ({clock(longest)}); if they are one person's track each of one conversation, "
            "identify them with --tracks",
            err=True,
        )
