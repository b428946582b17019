"""``voicematch fix``: one line, one turn, one word of a stored episode put right; every output follows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from .naming import consent_note_option, consent_option, dry_run_option, given_consent
from .options import Timestamp, clock, json_option, library_option
from .terminal import print_json, print_table

if TYPE_CHECKING:
    from ..library import FixRow, Library
    from ..usecases.fix import Fixed

Span = tuple[float, float | None]


class TimeSpan(click.ParamType[Span]):
    """A time, which means the line that is said then, or two with a dash between them."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Span:
        if isinstance(value, tuple):
            return value
        first, dash, last = value.partition("-")
        start = Timestamp().convert(first, param, ctx)
        if not dash:
            return start, None
        end = Timestamp().convert(last, param, ctx)
        if end <= start:
            self.fail(f"{value!r} ends before it begins", param, ctx)
        return start, end


@click.command()
@click.argument("episode")
@click.option(
    "--at",
    "spans",
    type=TimeSpan(),
    multiple=True,
    metavar="TIME[-TIME]",
    help="The line said at a time, or all from one time to another (repeatable).",
)
@click.option("--from-word", type=click.IntRange(1), metavar="N", help="Of the line at --at, from its Nth word on.")
@click.option("--to-word", type=click.IntRange(1), metavar="N", help="Of the line at --at, up to its Nth word.")
@click.option("--speaker", metavar="NAME|SPEAKER_02|new", help="Who says it.")
@click.option("--text", metavar="WORDS", help="What the line at --at says.")
@click.option("--merge", nargs=2, metavar="SPEAKER SPEAKER", help="Two are one: the first becomes part of the second.")
@click.option("--split", metavar="SPEAKER", help="One is two: what is marked with --at is somebody else.")
@click.option("--undo", is_flag=True, help="Take back the latest fix.")
@click.option("--number", type=click.IntRange(1), metavar="N", help="With --undo: the fix of this number.")
@click.option("--list", "is_list", is_flag=True, help="List the fixes of the episode.")
@consent_option
@consent_note_option
@dry_run_option
@json_option
@library_option
def fix(
    episode: str,
    spans: tuple[Span, ...],
    from_word: int | None,
    to_word: int | None,
    speaker: str | None,
    text: str | None,
    merge: tuple[str, str] | None,
    split: str | None,
    undo: bool,
    number: int | None,
    is_list: bool,
    consent: str | None,
    consent_note: str,
    dry_run: bool,
    as_json: bool,
    location: str | None,
) -> None:
    """Put one line, one turn or one word of EPISODE right. No later run, relabelling or upgrade changes it.

    \b
    voicematch fix episode.mp3 --at 12:04-12:19 --speaker "Ada Byron"
    voicematch fix episode.mp3 --at 12:04 --from-word 5 --speaker new
    voicematch fix episode.mp3 --at 12:04 --text "What was said."
    voicematch fix episode.mp3 --merge SPEAKER_03 SPEAKER_01
    voicematch fix episode.mp3 --split SPEAKER_01 --at 3:10 --at 4:00-5:12
    voicematch fix episode.mp3 --undo
    """
    from ..library import open_library
    from ..usecases import fix as fixing

    wanted = [name for name, given in (("--merge", merge), ("--undo", undo), ("--list", is_list)) if given]
    wanted += ["--text"] if text is not None else []
    wanted += ["--split"] if split else ["--speaker"] if speaker else []
    if len(wanted) != 1:
        raise click.UsageError("say one thing: --speaker, --text, --merge, --split, --undo or --list")
    (done,) = wanted
    if (done in ("--speaker", "--text", "--split")) is not bool(spans):
        raise click.UsageError(f"{done} {'takes no' if spans else 'needs'} --at")
    if (from_word or to_word or done == "--text") and (len(spans) != 1 or spans[0][1] is not None):
        raise click.UsageError("words of a line need one --at TIME, of that line")
    if number is not None and not undo:
        raise click.UsageError("--number goes with --undo")
    with open_library(location, create=location is None) as library:
        if is_list:
            _print_list(fixing.fixes(episode, library=library), as_json)
            return
        if merge:
            fixed = fixing.merge(episode, *merge, library=library, dry_run=dry_run)
        elif undo:
            fixed = fixing.undo(episode, number, library=library, dry_run=dry_run)
        elif text is not None:
            line = fixing.line_at(library.episodes.get(episode), spans[0][0])
            fixed = fixing.reword(episode, line, text, library=library, dry_run=dry_run)
        else:
            meant = _spans(library, episode, spans, from_word, to_word)
            whom = speaker or fixing.NEW
            if not _is_label(library, episode, whom):
                consent = given_consent(whom, consent, library)
            with_note: Any = {
                "library": library,
                "consent": consent,
                "consent_note": consent_note,
                "dry_run": dry_run,
            }
            if split:
                fixed = fixing.split(episode, split, meant, to=whom, **with_note)
            else:
                fixed = fixing.give(episode, meant, whom, **with_note)
    _report(fixed, as_json, dry_run)


def _spans(
    library: Library, episode: str, spans: Sequence[Span], from_word: int | None, to_word: int | None
) -> list[tuple[float, float]]:
    """What a person means by the times and numbers of words."""
    from ..usecases import fix as fixing

    stored = library.episodes.get(episode)
    if from_word or to_word:
        line = fixing.line_at(stored, spans[0][0])
        last = None if to_word is None else to_word - 1
        return [fixing.span_of_lines(stored, line, from_word=(from_word or 1) - 1, to_word=last)]
    return [fixing.span_between(stored, start, end) for start, end in spans]


def _is_label(library: Library, episode: str, speaker: str) -> bool:
    from ..usecases.fix import NEW

    return speaker.casefold() == NEW or speaker in library.episodes.get(episode).matches


def _report(fixed: Fixed, as_json: bool, dry_run: bool) -> None:
    for warning in fixed.warnings:
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        print_json(dataclasses.asdict(fixed) | {"dry_run": dry_run})
        return
    of_fix = f" (fix {fixed.number})" if fixed.number else ""
    would = "would change" if dry_run else "changed"
    click.echo(f"{fixed.text}{of_fix}; {len(fixed.changes)} voice(s) {would} their label")


def _print_list(rows: Sequence[FixRow], as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {"number": row.batch, "made": row.created, "profile": row.profile} | dataclasses.asdict(row.fix)
                for row in rows
            ]
        )
        return
    if not rows:
        click.echo("Nothing was fixed in this episode.", err=True)
        return
    table = [(str(row.batch), row.created[:10], *_told(row)) for row in rows]
    print_table(("fix", "made", "at", "what"), table, right=("fix",))


def _told(row: FixRow) -> tuple[str, str]:
    spans = ", ".join(f"{clock(start)}-{clock(end)}" for start, end in row.fix.spans[:3])
    spans += " …" if len(row.fix.spans) > 3 else ""
    if row.fix.text:
        return spans, f"says: {row.fix.text}"
    if row.fix.source:
        return spans, f"{row.fix.source} is {row.fix.label}"
    return spans, f"is {row.profile or row.fix.label}"
