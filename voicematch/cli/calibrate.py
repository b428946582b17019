"""``voicematch calibrate``: what an embedder's scores are worth."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import (
    OutFile,
    Within,
    device_option,
    force_option,
    json_option,
    library_option,
    quiet_option,
    refuse_existing,
)
from .terminal import print_json, print_table, progress_bar

if TYPE_CHECKING:
    from ..usecases.calibrate import Calibrated
    from ..usecases.chosen import Engines


@click.command()
@click.option("--embedder", metavar="NAME|FILE", help="A model of `voicematch models list`, or an ONNX file.")
@click.option("--from-library", is_flag=True, help="Refine with what was confirmed and corrected in the library.")
@click.option("--undo", is_flag=True, help="Take back what --from-library changed.")
@click.option(
    "--wrong-names",
    type=Within(1e-6, 0.2),
    metavar="RATE",
    help="Share of strangers who may get a name, in a library of five (default: 0.002).",
)
@click.option("--svg", type=OutFile(), metavar="FILE", help="Draw how reliable it is.")
@force_option
@device_option
@json_option
@quiet_option
@library_option
@click.pass_obj
def calibrate(
    engines: Engines | None,
    embedder: str | None,
    from_library: bool,
    undo: bool,
    wrong_names: float | None,
    svg: Path | None,
    force: bool,
    device: str,
    as_json: bool,
    quiet: bool,
    location: str | None,
) -> None:
    """Measure what an embedder's scores are worth, with speech that comes with voicematch.

    Makes the probabilities, the thresholds, and what the clustering has to know, and keeps them beside the model.
    `models pull` and `library upgrade` do it by themselves. A local ONNX FILE needs a card beside it: FILE.json with
    dimension, front_end and min_speech.

    \b
    voicematch calibrate --embedder ecapa512 --wrong-names 0.001
    voicematch calibrate --from-library
    """
    if (from_library or undo) and (embedder or wrong_names):
        raise click.UsageError("--from-library and --undo are about the library's own embedder, and its thresholds")
    if from_library and undo:
        raise click.UsageError("give --from-library, or --undo")
    refuse_existing(svg, force=force)
    if undo:
        _undo(location)
        return
    if from_library:
        found = _refined(location)
    else:
        from ..engines import open_embedder
        from ..models.table import DEFAULT_EMBEDDER
        from ..usecases.calibrate import calibrate as measure
        from ..voices.fitting import WRONG_NAMES

        model = engines.embedder if engines and engines.embedder else None
        model = model or open_embedder(embedder or DEFAULT_EMBEDDER, device=device)
        with progress_bar(model.name, quiet=quiet) as progress:
            found = measure(model, wrong_names=wrong_names or WRONG_NAMES, progress=progress)
    if svg is not None:
        from ..evaluate.drawing import reliability
        from ..outputs import write_atomically

        write_atomically(svg, reliability([(one.probability, one.share) for one in found.curve], found.embedder))
    _show(found, as_json)


def _refined(location: str | None) -> Calibrated:
    from ..library import open_library
    from ..usecases.calibrate import refine
    from ..usecases.recognise import match_again

    with open_library(location, create=False) as opened, opened.together():
        found = refine(opened)
        match_again(opened)
    return found


def _undo(location: str | None) -> None:
    from ..library import open_library
    from ..usecases.calibrate import forget
    from ..usecases.recognise import match_again

    with open_library(location, create=False) as opened, opened.together():
        had = forget(opened)
        if had:
            match_again(opened)
    click.echo("the library's own calibration is taken back" if had else "the library has no calibration of its own")


def _show(found: Calibrated, as_json: bool) -> None:
    if as_json:
        figures = dataclasses.asdict(dataclasses.replace(found.calibration, cohort=None))
        figures.pop("cohort")
        print_json(
            {
                "embedder": found.embedder,
                "cllr": found.cllr,
                "cllr_before": found.cllr_before,
                "num_right": found.num_right,
                "num_wrong": found.num_wrong,
                "named": found.named,
                "calibration": figures,
                "curve": [dataclasses.asdict(one) for one in found.curve],
                "file": str(found.file) if found.file else None,
                "seconds": round(found.seconds, 1),
            }
        )
        return
    rows = [(f"{one.probability:.1%}", f"{one.share:.1%}", str(one.num)) for one in found.curve]
    columns = ("said", "were right", "pairs")
    before = "" if found.cllr_before is None else f", before {found.cllr_before:.3f}"
    title = (
        f"{found.embedder}: Cllr {found.cllr:.3f}{before}, {found.num_right} right pairs and {found.num_wrong} wrong"
    )
    print_table(columns, rows, right=columns, title=title)
    click.echo(
        f"a name is given from {found.calibration.accept:.1%} on: {found.named:.0%} of the right pairs in a library "
        "of five"
    )
    if found.file:
        click.echo(f"wrote {found.file} after {found.seconds:.0f} s", err=True)
