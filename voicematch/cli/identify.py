"""``voicematch identify``: names on episodes, as a table and as files."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import OutputExists, VoicematchError
from . import EXIT_ERROR, EXIT_PARTIAL
from .options import SpeakerCount, clock, engine_options, json_option, library_option, open_engines, quiet_option
from .terminal import print_json, print_table, progress_bar

if TYPE_CHECKING:
    from ..library import Library
    from ..types import LabelledEpisode, Match
    from ..usecases.chosen import Engines

AUDIO_SUFFIXES = {".aac", ".flac", ".m4a", ".mka", ".mkv", ".mp3", ".mp4", ".ogg", ".opus", ".wav", ".webm"}

NO_VOICES = 'The library knows no voices yet. Teach it one: voicematch enroll "NAME" CLIP --consent permission'


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


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="FILE|URL...")
@click.option(
    "--transcript",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="A transcript to put the names on: SRT, WebVTT, Podcasting 2.0 or Whisper JSON, text, HTML.",
)
@click.option(
    "--transcribe",
    is_flag=True,
    help="Write the transcript too, with faster-whisper (pip install 'voicematch[transcribe]').",
)
@click.option(
    "--whisper", metavar="MODEL", default="small", show_default=True, help="Its model: a size, a folder, or a hub name."
)
@click.option("--language", metavar="CODE", help="The language spoken (en, de …); else it is found out.")
@click.option(
    "-f",
    "--format",
    "formats",
    multiple=True,
    type=FormatName(),
    metavar="FORMAT",
    help="Also write STEM.FORMAT: json, vtt, srt, rttm, txt, md, csv … (repeatable).",
)
@click.option("-o", "--out", metavar="DIR|-", help="Where to write (default: beside the audio); - for stdout.")
@click.option("--speakers", type=SpeakerCount(), metavar="N|MIN-MAX", help="How many voices there are, if you know.")
@click.option(
    "--voices",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Know just the voices in this folder of clips, each named after its file; nothing is remembered.",
)
@click.option("--explain", is_flag=True, help="Say why each voice has, or has not, a name.")
@click.option("--no-store", is_flag=True, help="Do not remember the episode.")
@click.option("--force", is_flag=True, help="Overwrite output files.")
@engine_options
@json_option
@quiet_option
@library_option
@click.pass_obj
def identify(
    engines: Engines | None,
    sources: tuple[str, ...],
    transcript: str | None,
    transcribe: bool,
    whisper: str,
    language: str | None,
    formats: tuple[str, ...],
    out: str | None,
    speakers: tuple[int, int] | None,
    voices: Path | None,
    explain: bool,
    no_store: bool,
    force: bool,
    diarizer: str | None,
    embedder: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    location: str | None,
) -> int:
    """Say who speaks in each FILE or URL, by name where the library knows the voice.

    \b
    voicematch identify episode.mp3
    voicematch identify episode.mp3 --transcript episode.srt -f vtt -o labelled/
    """
    from ..usecases import identify as identifying

    if transcript and transcribe:
        raise click.UsageError("give --transcript or --transcribe, not both")
    if transcript and len(sources) > 1:
        raise click.UsageError("--transcript goes with one FILE")
    if out == "-" and (len(formats) != 1 or as_json):
        raise click.UsageError("-o - takes exactly one -f, and no --json")
    outputs = Outputs(formats, out, force=force)
    engines = engines or open_engines(diarizer, embedder, device)
    failures = 0
    with _library(location, voices, engines, quiet=quiet) as library:
        for source in sources:
            try:
                outputs.check(source)
                with progress_bar(Path(source).name, quiet=quiet) as progress:
                    episode = identifying.identify(
                        source,
                        library=library,
                        transcript_path=transcript,
                        whisper=whisper if transcribe else None,
                        language=language,
                        speakers=speakers,
                        store=not no_store,
                        engines=engines,
                        progress=progress,
                    )
                outputs.write(source, episode, follow=None if no_store or voices else library)
            except VoicematchError as error:
                if len(sources) == 1:
                    raise
                click.echo(f"error: {error}", err=True)
                failures += 1
                continue
            if as_json:
                print_episode_json(episode)
            elif out != "-":
                show(episode, explain=explain, num_episodes=library.unknowns.num_episodes())
        if not library.profiles():
            click.echo(NO_VOICES, err=True)
    if failures:
        click.echo(f"{failures} of {len(sources)} files failed", err=True)
    return EXIT_ERROR if failures == len(sources) else EXIT_PARTIAL if failures else 0


@contextmanager
def _library(location: str | None, voices: Path | None, engines: Engines, *, quiet: bool) -> Iterator[Library]:
    """The user's library, or one made for this run from a folder of clips."""
    from ..library import open_library

    if voices is None:
        with open_library(location) as library:
            yield library
        return
    from ..usecases.enroll import enroll

    clips = sorted(path for path in voices.iterdir() if path.suffix.lower() in AUDIO_SUFFIXES)
    if not clips:
        raise click.UsageError(f"{voices}: no audio files to learn voices from")
    with tempfile.TemporaryDirectory() as folder, open_library(Path(folder) / "library.db") as library:
        for clip in clips:
            with progress_bar(f"learning {clip.stem}", quiet=quiet) as progress:
                enroll(
                    clip.stem,
                    clip,
                    library=library,
                    consent="permission",
                    keep_clip=False,
                    engines=engines,
                    progress=progress,
                )
        yield library


@dataclass(frozen=True, slots=True)
class Outputs:
    """Which files an episode is written to.

    folder : None is beside the audio (the current folder for a URL); "-" is stdout
    """

    formats: tuple[str, ...]
    folder: str | None
    force: bool

    def paths(self, source: str) -> list[Path]:
        from ..audio import Audio
        from ..formats import SUFFIXES

        if self.folder == "-":
            return []
        folder = Path(self.folder) if self.folder else Path() if "://" in source else Path(source).parent
        return [folder / f"{Audio(source).name}.{SUFFIXES.get(name, name)}" for name in self.formats]

    def check(self, source: str) -> None:
        """Raises OutputExists before any work is done."""
        for path in self.paths(source):
            if path.exists() and not self.force:
                raise OutputExists(f"{path} exists; --force overwrites it, -o DIR writes elsewhere")

    def write(self, source: str, episode: LabelledEpisode, *, follow: Library | None = None) -> None:
        """follow : the library that keeps the files up with the episode's names from now on"""
        from .. import outputs
        from ..formats import FORMATS
        from ..outputs import write_atomically

        if self.folder == "-":
            click.echo(FORMATS[self.formats[0]](episode), nl=False)
            return
        for name, path in zip(self.formats, self.paths(source), strict=True):
            if follow is not None:
                outputs.write(follow, episode, [(path, name)])
            else:
                write_atomically(path, FORMATS[name](episode))
            click.echo(f"wrote {path}", err=True)


def print_episode_json(episode: LabelledEpisode) -> None:
    """The episode's JSON on one line, so that several episodes are JSON Lines."""
    from ..formats import FORMATS

    print_json(json.loads(FORMATS["json"](episode)))


def show(episode: LabelledEpisode, *, explain: bool, num_episodes: Mapping[str, int]) -> None:
    """The table: one row a voice, most talk first.

    num_episodes : in how many episodes each unknown is heard
    """
    talk = episode.talk_seconds()
    total = sum(talk.values())
    rows = []
    for speaker, seconds in sorted(talk.items(), key=lambda pair: (-pair[1], pair[0])):
        match = episode.matches[speaker]
        num_turns = sum(turn.speaker == speaker for turn in episode.turns)
        rows.append(
            (_label(match, num_episodes), _probability(match), clock(seconds), f"{seconds / total:.0%}", str(num_turns))
        )
    print_table(
        ("speaker", "probability", "talk", "share", "turns"),
        rows,
        right=("probability", "talk", "share", "turns"),
        title=f"{episode.title or episode.source}  {clock(episode.duration)}",
    )
    if not rows:
        click.echo("Nobody speaks in this audio.")
    if explain:
        for speaker, match in episode.matches.items():
            for reason in match.reasons:
                click.echo(f"{episode.name(speaker)}: {reason}")


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
    return f"{match.probability:.0%}" if match.profile else ""
