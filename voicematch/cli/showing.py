"""An episode on the terminal and in files, as several commands show it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import OutputExists
from .options import clock
from .terminal import print_json, print_table, print_text

if TYPE_CHECKING:
    from ..library import Library
    from ..transcript.figures import TalkFigures
    from ..types import LabelledEpisode, Match


def format_names() -> list[str]:
    from ..formats import FORMATS

    return sorted(FORMATS)


class FormatName(click.ParamType[str]):
    """A format's name; the list is read from the formats only when one is given."""

    name = "format"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in format_names():
            self.fail(f"{value!r} is not one of {', '.join(format_names())}", param, ctx)
        return value


@dataclass(frozen=True, slots=True)
class OutputFiles:
    """Which files an episode is written to.

    folder : None is beside the audio (the current folder for a URL); "-" is stdout
    """

    formats: tuple[str, ...]
    folder: str | None
    force: bool

    def paths(self, source: str) -> list[Path]:
        from ..audio import Audio
        from ..formats import SUFFIXES
        from ..net.addresses import is_address

        if self.folder == "-":
            return []
        folder = Path(self.folder) if self.folder else Path() if is_address(source) else Path(source).parent
        return [folder / f"{Audio(source).name}.{SUFFIXES.get(name, name)}" for name in self.formats]

    def refuse_shared(self, sources: Sequence[str]) -> None:
        """Raise OutputExists when two of the sources would be written to one file, before any work is done."""
        by_path: dict[Path, str] = {}
        for source in sources:
            for path in self.paths(source):
                other = by_path.setdefault(path.absolute(), source)
                if other != source:
                    raise OutputExists(f"{other} and {source} would both be written to {path}; give them one at a time")

    def check(self, source: str, follow: Library | None = None) -> None:
        """Raise OutputExists, or VoicematchError when nothing can be written beside the audio: before work is done.

        follow : the library whose own files for this audio may be written again, if nobody has changed them
        """
        from ..outputs import is_own, try_folder

        for path in self.paths(source):
            if self.folder is None and path.parent.is_dir():
                try_folder(path.parent)
            if path.exists() and not self.force and not (follow is not None and is_own(follow, path, source)):
                raise OutputExists(f"{path} exists; --force overwrites it, -o DIR writes elsewhere")

    def write(self, source: str, episode: LabelledEpisode, *, library: Library, follow: bool = False) -> None:
        """follow : whether the library keeps the files up with the episode's names from now on"""
        from .. import outputs

        if self.folder == "-":
            print_text(outputs.text_of(episode, self.formats[0], library=library))
            return
        for name, path in zip(self.formats, self.paths(source), strict=True):
            if follow:
                outputs.write(library, episode, [(path, name)])
            else:
                outputs.write_atomically(path, outputs.text_of(episode, name, library=library))
            click.echo(f"wrote {path}", err=True)


def called(title: str, source: str) -> str:
    """What to call an episode in a list: its title, else its file's name or its address."""
    return title or (source if "://" in source else Path(source).name)


def out_of_reach_json(places: Sequence[tuple[Path, str]]) -> list[dict[str, str]]:
    """Return as JSON takes it which files may hold still what was erased, each with what to do about it."""
    return [{"path": str(path), "what": what} for path, what in places]


def print_out_of_reach(places: Sequence[tuple[Path, str]], erased: str = "the name") -> None:
    """Warn of files that may hold still what was erased."""
    for path, what in places:
        click.echo(f"warning: {path} may hold {erased} still: {what}", err=True)


def print_episode_json(episode: LabelledEpisode, **more: object) -> None:
    """Print the episode's JSON on one line, so that several episodes are JSON Lines, with ``more`` fields if any."""
    from ..outputs import text_of

    print_json(json.loads(text_of(episode, "json")) | more)


def print_figures(rows: Sequence[tuple[str, TalkFigures]], *, first: str) -> None:
    """Print how people talk, a row each; ``first`` heads the column of who or where it is."""
    from ..formats.amounts import percent

    columns = ("talk", "share", "words/min", "longest turn", "interrupts", "interrupted", "questions")
    cells = [
        (
            name,
            clock(one.talk_seconds),
            percent(one.share),
            _known(one.words_a_minute),
            clock(one.longest_turn),
            _known(one.num_interruptions),
            _known(one.num_interrupted),
            _known(one.num_questions),
        )
        for name, one in rows
    ]
    print_table((first, *columns), cells, right=columns)


def _known(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.0f}"


def show(episode: LabelledEpisode, *, explain: bool, num_episodes: Mapping[str, int]) -> None:
    """Print the table: one row a voice, most talk first.

    num_episodes : in how many episodes each unknown is heard
    """
    from ..formats.amounts import percent

    talk = episode.talk_seconds()
    total = sum(talk.values())
    rows, doubtful = [], episode.doubtful()
    for speaker, seconds in sorted(talk.items(), key=lambda pair: (-pair[1], pair[0])):
        match = episode.matches[speaker]
        label = _label(match, num_episodes) + (", doubtful" if speaker in doubtful else "")
        num_turns = sum(turn.speaker == speaker for turn in episode.turns)
        rows.append((label, _probability(match), clock(seconds), percent(seconds / total), str(num_turns)))
    print_table(
        ("speaker", "probability", "talk", "share", "turns"),
        rows,
        right=("probability", "talk", "share", "turns"),
        title=f"{episode.title or episode.source}  {clock(episode.duration)}",
    )
    if not rows:
        click.echo("Nobody speaks in this audio.")
    if doubtful:
        num_voices = len(rows) - len(doubtful)
        click.echo(f"{num_voices} voice(s); doubtful ones of a few scattered seconds are not counted: {len(doubtful)}")
    if explain:
        for speaker, match in episode.matches.items():
            for reason in (*match.reasons, *_unnumbered(match, talk.get(speaker, 0.0))):
                click.echo(f"{episode.name(speaker)}: {reason}")


def _unnumbered(match: Match, seconds: float) -> tuple[str, ...]:
    """Why a voice without a name has no number (U-0001) to be remembered by."""
    if match.unknown is not None or (match.verdict == "accept" and match.profile):
        return ()
    from ..library.unknowns import MIN_SECONDS

    needed = f"a voice is remembered from {MIN_SECONDS:.0f} s of clear speech on, in an episode that is stored"
    return (f"has no number (U-0001): talks for {math.floor(seconds)} s; {needed}",)


def _label(match: Match, num_episodes: Mapping[str, int]) -> str:
    if match.verdict == "accept" and match.profile:
        return match.profile
    known = [f"maybe {match.profile}" if match.verdict == "review" else "unknown"]
    if match.unknown is not None:
        known.append(match.unknown)
        if num_episodes.get(match.unknown, 0) > 1:
            known.append(f"{num_episodes[match.unknown]} episodes")
    return f"{match.speaker} ({', '.join(known)})"


def _probability(match: Match) -> str:
    from ..formats.amounts import percent

    return percent(match.probability) if match.profile else ""
