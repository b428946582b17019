"""``voicematch evaluate`` and ``voicematch bench``: how right, and how fast."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import EvaluationError
from .options import (
    OutFile,
    Within,
    clock,
    collar_option,
    device_option,
    diarizer_option,
    force_option,
    json_option,
    open_engines,
    quiet_option,
    refuse_existing,
)
from .terminal import print_json, print_table, progress_bar

if TYPE_CHECKING:
    from ..evaluate import TrialScore

CLIP_SECONDS = (1.0, 1.5, 2.0, 3.0, 5.0, None)  # None is the whole clip


@click.command()
@click.argument("files", nargs=-1, metavar="REFERENCE HYPOTHESIS", type=click.Path(path_type=Path))
@click.option("--uem", type=click.Path(path_type=Path), help="What to score of the audio (a UEM file).")
@collar_option
@click.option(
    "--trials", is_flag=True, help="FILES are trial lists: enroll<TAB>test<TAB>0 or 1, paths beside the list."
)
@click.option(
    "--open-set",
    "is_open",
    is_flag=True,
    help="FILES are lists of people: tables with speaker, path and seconds. How many are named as a library grows.",
)
@click.option("--svg", type=OutFile(), metavar="FILE", help="Draw the open-set rates.")
@force_option
@click.option(
    "--embedder", metavar="NAME", help="Which embedder to score on the trials (default: that of new libraries)."
)
@device_option
@click.option(
    "--seconds",
    "lengths",
    multiple=True,
    type=Within(0, 3600),
    help="Cut test clips to this length (repeatable; 0 is whole).",
)
@json_option
@quiet_option
def evaluate(
    files: tuple[Path, ...],
    uem: Path | None,
    collar: float,
    trials: bool,
    is_open: bool,
    svg: Path | None,
    force: bool,
    embedder: str | None,
    device: str,
    lengths: tuple[float, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Score labelled episodes against their truth (two RTTM files), or an embedder on trial lists.

    \b
    voicematch evaluate truth.rttm episode.rttm --uem truth.uem
    voicematch evaluate --trials lists/*.tsv --seconds 1.5 --seconds 0
    voicematch evaluate --open-set people.tsv --svg rates.svg
    """
    if is_open:
        if not files or trials:
            raise click.UsageError("--open-set needs at least one list of people, and goes without --trials")
        refuse_existing(svg, force=force)
        _evaluate_open_set(files, embedder, device, svg, as_json, quiet)
        return
    if trials:
        if not files:
            raise click.UsageError("--trials needs at least one list")
        seconds = [length or None for length in lengths] or list(CLIP_SECONDS)
        _evaluate_trials(files, embedder, device, seconds, as_json, quiet)
        return
    if len(files) != 2:
        raise click.UsageError("give REFERENCE and HYPOTHESIS, or --trials LIST...")
    _evaluate_labels(*files, uem, collar, as_json)


def _evaluate_labels(reference: Path, hypothesis: Path, uem: Path | None, collar: float, as_json: bool) -> None:
    from ..evaluate import diarization_error, identification_error, of_recordings, read_rttms, read_uems, total

    truths = read_rttms(reference)
    if not truths:
        raise EvaluationError(f"{reference}: nobody speaks in it")
    answers = of_recordings(truths, read_rttms(hypothesis), hypothesis)
    scored = of_recordings(truths, read_uems(uem), uem) if uem else dict.fromkeys(truths)
    if uem and (unscored := [recording for recording, spans in scored.items() if not spans]):
        raise EvaluationError(f"{uem}: nothing of {unscored[0]} is to be scored")
    pairs = [(truths[recording], answers[recording], scored[recording]) for recording in truths]
    parts = [diarization_error(*pair, collar=collar) for pair in pairs]
    if not sum(part.total for part in parts):
        raise EvaluationError(f"{reference}: nobody speaks in what is to be scored")
    errors = total(parts)
    named = total([identification_error(*pair, collar=collar) for pair in pairs])
    figures = {
        "DER": errors.der,
        "missed": errors.miss_rate,
        "false alarm": errors.false_alarm_rate,
        "confusion": errors.confusion_rate,
        "JER": errors.jer,
        "IER": named.ier,
    }
    counts = {
        "recordings": len(pairs),
        "speakers in truth": sum(len({t.speaker for t in truth}) for truth, _, _ in pairs),
        "speakers found": sum(len({t.speaker for t in answer}) for _, answer, _ in pairs),
    }
    if as_json:
        print_json({"collar": collar, "overlap": True, **figures, **counts})
        return
    rows = [(what, f"{share:.1%}") for what, share in figures.items()] + [(k, str(v)) for k, v in counts.items()]
    print_table(("figure", "value"), rows, right=("value",), title=f"collar {collar:g} s, overlap scored")


def _evaluate_trials(
    lists: tuple[Path, ...],
    embedder: str | None,
    device: str,
    lengths: list[float | None],
    as_json: bool,
    quiet: bool,
) -> None:
    from ..engines import open_embedder
    from ..evaluate import trials
    from ..models.files import calibration
    from ..models.table import DEFAULT_EMBEDDER

    model = open_embedder(embedder or DEFAULT_EMBEDDER, device=device)
    cohort = calibration(model.name).cohort
    scores: list[TrialScore] = []
    for path in lists:
        with progress_bar(path.stem, quiet=quiet) as progress:
            scores += trials(path, model.embed, lengths=lengths, cohort=cohort, progress=progress)
    if as_json:
        print_json({"embedder": model.name, "trials": [dataclasses.asdict(score) for score in scores]})
        return
    rows = [
        (
            s.name,
            f"{s.seconds:g} s" if s.seconds else "whole",
            str(s.num_target),
            str(s.num_nontarget),
            f"{s.eer:.2%}",
            "" if s.eer_normalised is None else f"{s.eer_normalised:.2%}",
            f"{s.min_dcf_01:.3f}",
            f"{s.min_dcf_05:.3f}",
            f"{s.min_cllr:.3f}",
        )
        for s in scores
    ]
    columns = ("list", "clips", "target", "nontarget", "EER", "EER norm.", "minDCF .01", "minDCF .05", "min Cllr")
    print_table(columns, rows, right=columns[2:], title=f"{model.name}: enrollment vectors averaged, cosine")


def _evaluate_open_set(
    lists: tuple[Path, ...], embedder: str | None, device: str, svg: Path | None, as_json: bool, quiet: bool
) -> None:
    from ..engines import open_embedder
    from ..evaluate.drawing import open_set as drawn
    from ..evaluate.open_set import gallery, open_set, read_people
    from ..models.files import calibration
    from ..models.table import DEFAULT_EMBEDDER
    from ..outputs import write_atomically

    model = open_embedder(embedder or DEFAULT_EMBEDDER, device=device)
    people = read_people(lists)
    with progress_bar(model.name, quiet=quiet) as progress:
        found = open_set(gallery(people, model.embed, progress), calibration(model.name))
    if svg is not None:
        lines: dict[str, list[tuple[int, float]]] = {}
        for one in found:
            lines.setdefault(f"{one.false_alarm_rate:.1%} false alarms", []).append((one.num_profiles, one.rate))
        write_atomically(svg, drawn(lines, f"{model.name}: named rightly"))
    if as_json:
        print_json({"embedder": model.name, "open_set": [dataclasses.asdict(one) for one in found]})
        return
    rows = [(f"{o.num_profiles:,}", f"{o.false_alarm_rate:.1%}", f"{o.rate:.1%}", f"{o.threshold:.3f}") for o in found]
    columns = ("profiles", "strangers named", "known named rightly", "from a score of")
    print_table(columns, rows, right=columns, title=f"{model.name}: {len(people):,} people")


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@diarizer_option
@click.option("--embedder", metavar="NAME", help="Which embedder to use (default: that of new libraries).")
@device_option
@json_option
@quiet_option
def bench(
    files: tuple[str, ...], diarizer: str | None, embedder: str | None, device: str, as_json: bool, quiet: bool
) -> None:
    """Time each stage of identify over FILES on this machine, and its peak memory. Nothing is stored."""
    from ..audio import Audio
    from ..evaluate.memory import peak_memory_mb
    from ..models.sessions import num_cores
    from ..models.table import DEFAULT_EMBEDDER

    chosen = open_engines(diarizer or "built-in", embedder or DEFAULT_EMBEDDER, device)
    listener, model = chosen.diarizer, chosen.embedder
    assert listener is not None
    assert model is not None
    stages: dict[str, float] = {}
    audio_seconds = wall = 0.0
    for file in files:
        audio = Audio(file)
        started = time.perf_counter()
        with progress_bar(audio.name, quiet=quiet) as progress:
            diarization = listener.diarize(audio, model, progress=progress)
        wall += time.perf_counter() - started
        audio_seconds += diarization.duration
        for stage, seconds in diarization.seconds_by_stage.items():
            stages[stage] = stages.get(stage, 0.0) + seconds
    per_hour = 3600 / audio_seconds
    peak = peak_memory_mb()
    if as_json:
        print_json(
            {
                "audio_seconds": audio_seconds,
                "wall_seconds": wall,
                "seconds_by_stage": stages,
                "peak_memory_mb": peak,
                "cores": num_cores(),
            }
        )
        return
    rows = [(stage, f"{seconds:.2f}", f"{seconds * per_hour:.1f}") for stage, seconds in stages.items()]
    rows.append(("all", f"{wall:.2f}", f"{wall * per_hour:.1f}"))
    print_table(
        ("stage", "seconds", "seconds per hour of audio"),
        rows,
        right=("seconds", "seconds per hour of audio"),
        title=f"{clock(audio_seconds)} of audio on {num_cores()} cores",
    )
    click.echo(f"peak memory: {f'{peak:.0f} MB' if peak else 'not known on this system'}")
