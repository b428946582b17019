"""``voicematch models``: the weights this machine has, and those it could have."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import given
from ..errors import ModelError
from . import EXIT_ERROR, EXIT_PARTIAL
from .options import OutFile, collar_option, device_option, force_option, json_option, quiet_option, refuse_existing
from .terminal import print_json, print_table, progress_bar

if TYPE_CHECKING:
    from ..evaluate.compare import Compared


@click.group()
def models() -> None:
    """List the models, show where they are; pull, verify, remove, export, compare them.

    Pulled models go to the folder that `voicematch models path NAME` shows, below VOICEMATCH_MODELS if that is set.
    Nothing is ever downloaded but by `voicematch models pull`.
    """


@models.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List every model voicematch can use, and whether it is on this machine."""
    from ..models.files import is_here
    from ..models.table import MODELS

    if as_json:
        print_json([dataclasses.asdict(card) | {"here": is_here(name)} for name, card in MODELS.items()])
        return
    rows = [
        (
            card.name,
            card.kind,
            "built in" if card.source is None else "here" if is_here(card.name) else f"pull, {_megabytes(card.size)}",
            f"{card.num_parameters / 1e6:.2f} M" if card.num_parameters else "",
            card.licence,
            card.description,
        )
        for card in MODELS.values()
    ]
    columns = ("name", "kind", "where", "parameters", "licence", "description")
    print_table(columns, rows, right=("parameters",))


@models.command()
@click.argument("name")
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Take the files from a folder, without a network.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask before downloading.")
@quiet_option
def pull(name: str, folder: Path | None, yes: bool, quiet: bool) -> None:
    """Fetch the model NAME from the Hugging Face hub, or from a folder.

    Size and licence are shown first. The files are checked against the sums known here, or against those of the first
    pull; what is here and intact is not fetched again. HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE are heeded.
    """
    from ..models import hub

    offer = hub.offer(name, folder=folder)
    if not offer.files:
        click.echo(f"{name} is here and intact: nothing to fetch", err=True)
        _calibrate(name, quiet)
        return
    at = f" at {offer.revision[:12]}" if offer.revision else ""
    click.echo(f"{name}: {_megabytes(offer.size)} from {offer.origin}{at}, licence {offer.licence}", err=True)
    if folder is None and not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("nobody is there to be asked; --yes downloads it")
        click.confirm("Download it?", abort=True, err=True)
    with progress_bar(name, quiet=quiet) as progress:
        into = hub.pull(offer, progress=progress)
    click.echo(f"wrote {into}", err=True)
    _calibrate(name, quiet)


def _calibrate(name: str, quiet: bool) -> None:
    """Make the calibration of an embedder that was pulled, where there is none yet."""
    from ..engines import open_embedder
    from ..models.table import card
    from ..usecases.calibrate import ensure

    if card(name).kind != "embedder":
        return
    with progress_bar(name, quiet=quiet) as progress:
        made = ensure(open_embedder(name, device="cpu"), progress=progress)
    if made is not None:
        click.echo(
            f"wrote {made.file}: Cllr {made.cllr:.3f} on the calibration kit, after {made.seconds:.0f} s", err=True
        )


@models.command()
@click.argument("name")
def remove(name: str) -> None:
    """Delete the files of the pulled model NAME."""
    from ..models import hub

    click.echo(f"removed {name}: {_megabytes(hub.remove(name))} free", err=True)


@models.command()
@click.argument("name")
def path(name: str) -> None:
    """Print where the file, or the folder, of NAME is."""
    from ..models.files import path as path_of

    click.echo(path_of(name))


@models.command()
def verify() -> int:
    """Compare every file with its recorded checksum; exit 1 when one is missing or damaged."""
    from ..models.files import is_here
    from ..models.files import path as path_of
    from ..models.table import MODELS

    failed = 0
    for name, card in MODELS.items():
        if card.source is not None and not is_here(name):
            click.echo(f"{name}: not pulled")
            continue
        try:
            path_of(name)
            click.echo(f"{name}: intact")
        except ModelError as error:
            click.echo(f"{name}: {error}")
            failed += 1
    return EXIT_ERROR if failed else 0


@models.command()
@click.argument("name")
@click.argument("file", required=False, type=OutFile())
@force_option
def export(name: str, file: Path | None, force: bool) -> None:
    """Copy the ONNX file of the model NAME to FILE, by default NAME.onnx; one to pull has to be pulled first."""
    from ..models.files import path as path_of
    from ..models.table import card
    from ..outputs import write_atomically

    if card(name).engine != "onnx":
        raise ModelError(f"model {name!r} cannot be exported; it does not run in ONNX Runtime")
    target = file or Path(f"{name}.onnx")
    refuse_existing(target, force=force)
    write_atomically(target, given.content(path_of(name)))
    click.echo(f"wrote {target}", err=True)


@models.command()
@click.argument("audio", nargs=-1, required=True, metavar="AUDIO...")
@click.option("--embedder", "embedders", multiple=True, metavar="NAME", help="One to compare (repeatable).")
@click.option("--diarizer", "diarizers", multiple=True, metavar="NAME", help="One to compare (repeatable).")
@click.option(
    "--reference",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The truth of the one AUDIO, as RTTM (default: STEM.rttm or ref.rttm beside each).",
)
@collar_option
@device_option
@json_option
@quiet_option
def compare(
    audio: tuple[str, ...],
    embedders: tuple[str, ...],
    diarizers: tuple[str, ...],
    reference: Path | None,
    collar: float,
    device: str,
    as_json: bool,
    quiet: bool,
) -> int:
    """Run several embedders and diarizers over the same AUDIO, and show accuracy and speed side by side.

    Without --embedder and --diarizer, all that this machine has. Every pair works in a process of its own. Accuracy
    needs the truth, as RTTM, and pip install 'voicematch[evaluate]'. Nothing is stored.
    """
    from ..evaluate import compare as comparing

    if reference is not None and len(audio) > 1:
        raise click.UsageError("--reference goes with one AUDIO")
    recordings = [comparing.recording(source, reference) for source in audio]
    here = comparing.installed(device)
    with progress_bar("compare", quiet=quiet) as progress:
        compared = comparing.compare(
            recordings, diarizers or here[0], embedders or here[1], device=device, collar=collar, progress=progress
        )
    if as_json:
        print_json([_figures(one, collar) for one in compared])
    else:
        _show(compared, collar)
    failed = [one for one in compared if one.error]
    return EXIT_ERROR if len(failed) == len(compared) else EXIT_PARTIAL if failed else 0


def _figures(one: Compared, collar: float) -> dict[str, object]:
    figures: dict[str, object] = {"diarizer": one.diarizer, "embedder": one.embedder, "error": one.error or None}
    figures |= {"audio_seconds": one.audio_seconds, "seconds": one.seconds, "seconds_per_hour": one.seconds_per_hour}
    figures |= {"peak_memory_mb": one.peak_mb, "collar": collar, "overlap": True, "eer": one.eer}
    score = one.score
    figures["DER"] = score.der if score else None
    figures["missed"] = score.miss_rate if score else None
    figures["false alarm"] = score.false_alarm_rate if score else None
    figures["confusion"] = score.confusion_rate if score else None
    figures["JER"] = score.jer if score else None
    figures["count right"] = score.num_episodes_count_right if score else None
    figures["episodes with truth"] = score.num_episodes if score else 0
    return figures


def _show(compared: tuple[Compared, ...], collar: float) -> None:
    from ..models.sessions import num_cores

    rows = []
    for one in compared:
        if one.error:
            continue
        score = one.score
        parts = f"({score.miss_rate:.1%} + {score.false_alarm_rate:.1%} + {score.confusion_rate:.1%})" if score else ""
        rows.append(
            (
                one.diarizer,
                one.embedder,
                f"{score.der:.1%} {parts}" if score else "",
                f"{score.num_episodes_count_right} of {score.num_episodes}" if score else "",
                f"{one.eer:.1%}" if one.eer is not None else "",
                f"{one.seconds_per_hour:.1f}",
                f"{one.peak_mb:.0f} MB" if one.peak_mb else "",
            )
        )
    columns = ("diarizer", "embedder", "DER (miss + fa + conf.)", "count right", "EER 2 s", "s per hour", "peak memory")
    title = f"{num_cores()} cores; collar {collar:g} s, overlap scored; EER of the truth's voices within each recording"
    if rows:
        print_table(columns, rows, right=columns[2:], title=title)
    for one in compared:
        if one.error:
            click.echo(f"{one.diarizer} with {one.embedder}: {one.error}", err=True)


def _megabytes(size: int) -> str:
    """
    >>> _megabytes(24_861_931), _megabytes(469)
    ('24.9 MB', '469 B')
    """
    return f"{size / 1e6:.1f} MB" if size >= 50_000 else f"{size} B"
