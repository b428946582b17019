"""``voicematch identify``: names on episodes, as a table and as files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import VoicematchError, redacted
from . import EXIT_ERROR, EXIT_PARTIAL, keeping
from . import tracks as apart_tracks
from .options import (
    OutFolder,
    SpeakerCount,
    choice_of,
    choice_options,
    engine_options,
    json_option,
    library_option,
    open_engines,
    quiet_option,
    tell_of_newer,
)
from .showing import FormatName, OutputFiles, print_episode_json, show
from .terminal import progress_bar

if TYPE_CHECKING:
    from ..library import Library
    from ..types import LabelledEpisode
    from ..usecases.chosen import Engines
    from ..usecases.keep_speakers import KeptSpeakers

AUDIO_SUFFIXES = {".aac", ".flac", ".m4a", ".mka", ".mkv", ".mp3", ".mp4", ".ogg", ".opus", ".wav", ".webm"}

NO_VOICES = 'The library knows no voices yet. Teach it one: voicematch enroll "NAME" CLIP --consent permission'


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="FILE|URL...")
@click.option(
    "--transcript",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="A transcript to put the names on: SRT, WebVTT, ASS, TTML, JSON of many recognisers, text, HTML …",
)
@keeping.options
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
@click.option(
    "-o",
    "--out",
    type=OutFolder(or_stdout=True),
    metavar="DIR|-",
    help="Where to write (default: beside the audio); - for stdout.",
)
@choice_options
@apart_tracks.apart_options
@click.option("--speakers", type=SpeakerCount(), metavar="N|MIN-MAX", help="How many voices there are, if you know.")
@click.option(
    "--voices",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Know just the voices in this folder of clips, each named after its file; nothing is remembered.",
)
@click.option("--explain", is_flag=True, help="Say why each voice has, or has not, a name.")
@click.option("--no-windows", is_flag=True, help="Do not keep what was heard, which `episodes recluster` needs.")
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
    keep_speakers: bool,
    repair_drift: bool,
    transcribe: bool,
    whisper: str,
    language: str | None,
    formats: tuple[str, ...],
    out: str | None,
    track: int | None,
    channel: int | None,
    apart: apart_tracks.HowApart,
    speakers: tuple[int, int] | None,
    voices: Path | None,
    explain: bool,
    no_windows: bool,
    no_store: bool,
    force: bool,
    diarizer: str | None,
    embedder: str | None,
    everywhere: bool,
    device: str,
    as_json: bool,
    quiet: bool,
    location: str | None,
) -> int:
    """Say who speaks in each FILE or URL, by name where the library knows the voice.

    \b
    voicematch identify episode.mp3
    voicematch identify episode.mp3 --transcript episode.srt -f vtt -o labelled/
    voicematch identify --tracks "Ada Byron=ada.wav" guest.wav --enroll --consent permission
    """
    if transcript and transcribe:
        raise click.UsageError("give --transcript or --transcribe, not both")
    files, names = apart_tracks.named(sources, apart)
    stores = not no_store and voices is None
    has = {"has_track": track is not None, "has_channel": channel is not None, "no_store": not stores}
    apart_tracks.check(apart, names, speakers=speakers, diarizer=diarizer, **has)
    kept = keeping.asked(keep_speakers, repair_drift, transcript)
    if kept and apart.how is not None:
        raise click.UsageError(f"give --keep-speakers or --{apart.how}, not both")
    apart = apart_tracks.with_consent(apart, names)
    episodes = apart_tracks.groups(files, names, apart)
    outputs = OutputFiles(formats, out, force=force)
    _refuse(episodes, outputs, has_transcript=bool(transcript), as_json=as_json)
    engines = engines or open_engines(diarizer, embedder, device, everywhere=everywhere)
    wanted: dict[str, Any] = {
        "transcript_path": transcript,
        "whisper": whisper if transcribe else None,
        "language": language,
    }
    wanted |= {"store": not no_store, "keep_windows": not no_windows, "engines": engines}
    how = _How(names, apart, track, channel, speakers, kept, wanted)
    num_failed, lengths = 0, list[tuple[str, float]]()
    with _library(location, voices, engines, quiet=quiet) as library:
        tell_of_newer(library, embedder, quiet=quiet)
        for group in episodes:
            try:
                outputs.check(group[0], library if stores else None)
                episode = _identify(group, how, library, quiet=quiet)
                lengths.append((group[0], episode.duration))
                outputs.write(group[0], episode, library=library, follow=stores)
            except VoicematchError as error:
                if len(episodes) == 1:
                    raise
                click.echo(f"error: {redacted(str(error))}", err=True)
                num_failed += 1
                continue
            if as_json:
                print_episode_json(episode, **keeping.as_json(kept))
            elif out != "-":
                show(episode, explain=explain, num_episodes=library.voices.num_episodes())
                keeping.report(kept, episode)
        if apart.how is None:
            apart_tracks.notice_equal(lengths)
        if not library.people.names():
            click.echo(NO_VOICES, err=True)
    return _exit_code(num_failed, len(episodes))


@dataclass(frozen=True)
class _How:
    """How each episode is to be identified. wanted : what the library's own function takes, but for the sound"""

    names: tuple[str | None, ...]
    apart: apart_tracks.HowApart
    track: int | None
    channel: int | None
    speakers: tuple[int, int] | None
    kept: KeptSpeakers | None
    wanted: dict[str, Any]


def _refuse(episodes: Sequence[tuple[str, ...]], outputs: OutputFiles, *, has_transcript: bool, as_json: bool) -> None:
    """Raise, before any work is done, where the answers would not fit where they are to go."""
    if has_transcript and len(episodes) > 1:
        raise click.UsageError("--transcript goes with one FILE")
    if outputs.folder == "-" and (len(outputs.formats) != 1 or as_json):
        raise click.UsageError("-o - takes exactly one -f, and no --json")
    outputs.refuse_shared([files[0] for files in episodes])


def _identify(group: tuple[str, ...], how: _How, library: Library, *, quiet: bool) -> LabelledEpisode:
    """Identify one episode, out of one file or out of its tracks."""
    from ..audio import Audio
    from ..usecases import identify as identifying

    with progress_bar(Path(group[0]).name, quiet=quiet) as progress:
        wanted: Any = how.wanted | {"library": library, "progress": progress}
        if how.apart.how is not None:
            return apart_tracks.identify_apart(group, how.names, how.apart, track=how.track, **wanted)
        chosen = Audio(group[0], choice=choice_of(how.track, how.channel))
        return identifying.identify(chosen, speakers=how.speakers, keep_speakers=how.kept, **wanted)


def _exit_code(num_failed: int, num_episodes: int) -> int:
    """Tell whether all failed, or some, or none; a line says how many."""
    if num_failed:
        click.echo(f"{num_failed} of {num_episodes} files failed", err=True)
    return EXIT_ERROR if num_failed == num_episodes else EXIT_PARTIAL if num_failed else 0


@contextmanager
def _library(location: str | None, voices: Path | None, engines: Engines, *, quiet: bool) -> Iterator[Library]:
    """The user's library, or one made for this run from a folder of clips."""
    from ..library import open_library

    if voices is None:
        with open_library(location) as library:
            yield library
        return
    from ..usecases.enroll import enroll

    inside = (path for path in voices.iterdir() if not path.name.startswith("."))  # macOS puts ._NAME beside NAME
    clips = sorted(path for path in inside if path.suffix.lower() in AUDIO_SUFFIXES)
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
