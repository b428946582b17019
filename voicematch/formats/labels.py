"""Labels for scoring and for checking by hand: RTTM, Audacity, Praat TextGrid, CSV."""

from __future__ import annotations

import csv
import io
import re
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from ..types import LabelledEpisode
from . import clock
from .cues import clean, named_lines

_NOT_IN_SLUG = re.compile(r"[^\w.-]+")
_MISSING = frozenset({"na", "n/a", "nan", "null", "none", "-nan", "<na>"})  # what table readers take for "no value"


def slug(name: str) -> str:
    """Return the name without blanks or anything else that ends a field.

    >>> slug("Dwarkesh Patel"), slug("José (host)"), slug("NA")
    ('Dwarkesh_Patel', 'José_host', 'NA_')
    """
    word = _NOT_IN_SLUG.sub("_", clean(name)).strip("_") or "speaker"
    return word + "_" if word.lower() in _MISSING else word


def slugs(episode: LabelledEpisode) -> dict[str, str]:
    """Return the slug of each name that speaks in the episode, no two alike, in order of first appearance."""
    by_name: dict[str, str] = {}
    taken: set[str] = set()
    for speaker in [*episode.talk_seconds(), *episode.matches]:
        name = episode.name(speaker)
        if name in by_name:
            continue
        plain, number = slug(name), 2
        chosen = plain
        while chosen in taken:
            chosen, number = f"{plain}_{number}", number + 1
        by_name[name] = chosen
        taken.add(chosen)
    return by_name


def stem(source: str) -> str:
    """Return the file's name without folder and ending, of a path or URL.

    >>> stem("https://example.org/show/ep%201.mp3?token=1"), stem("talks/ep1.mp3")
    ('ep 1', 'ep1')
    """
    is_url = re.match(r"https?://", source) is not None
    path = unquote(urlsplit(source).path) if is_url else source.replace("\\", "/")
    return PurePosixPath(path).stem or "episode"


def write_rttm(episode: LabelledEpisode) -> str:
    """Write NIST RTTM: a SPEAKER line of ten fields for every turn, after one SPKR-INFO line for every name.

    Names stand there as slugs; the SPKR-INFO line of a slug has the whole name in its ortho field, percent-encoded,
    so that the file is its own map and readers of SPEAKER lines (pyannote.database among them) accept it.
    """
    by_name = slugs(episode)
    file = slug(stem(episode.source))
    rows = [f"SPKR-INFO {file} 1 <NA> <NA> {quote(name)} unknown {word} <NA> <NA>" for name, word in by_name.items()]
    for turn in sorted(episode.turns):
        start, end = clock.milliseconds(turn.start), clock.milliseconds(turn.end)
        word = by_name[episode.name(turn.speaker)]
        rows.append(f"SPEAKER {file} 1 {start / 1000:.3f} {(end - start) / 1000:.3f} <NA> <NA> {word} <NA> <NA>")
    return "".join(row + "\n" for row in rows)


def read_slugs(rttm: str) -> dict[str, str]:
    """Return the names by slug that :func:`write_rttm` put into the file."""
    fields = (line.split() for line in rttm.splitlines() if line.startswith("SPKR-INFO "))
    return {row[7]: unquote(row[5]) for row in fields if len(row) == 10}


def write_audacity(episode: LabelledEpisode) -> str:
    """Write a label track for Audacity: start, end and label between tabs, in seconds."""
    rows = []
    for line in named_lines(episode):
        label = ": ".join(part for part in (line.speaker, line.text) if part)
        rows.append(f"{line.start:.6f}\t{line.end:.6f}\t{label}\n")
    return "".join(rows)


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(episode: LabelledEpisode) -> str:
    """Write a table for spreadsheets: start and end in seconds, speaker (the local label), name, text; rows in
    order of start.

    A cell that a spreadsheet would take for a formula (it begins with = + - @) gets an apostrophe in front, which
    spreadsheets hide: names and words come from strangers. The JSON has them untouched.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["start", "end", "speaker", "name", "text", "others"])
    if episode.lines:
        lines = sorted(episode.lines, key=lambda line: line.start)
        rows = [(line.start, line.end, line.speaker, line.text, line.others) for line in lines]
    else:
        rows = [(turn.start, turn.end, turn.speaker, "", ()) for turn in sorted(episode.turns)]
    for start, end, speaker, text, others in rows:
        name = episode.name(speaker) if speaker else ""
        cells = [speaker or "", name, clean(text), "; ".join(episode.name(other) for other in others)]
        writer.writerow([f"{start:.3f}", f"{end:.3f}", *(unformula(clean(cell)) for cell in cells)])
    return table.getvalue()


def unformula(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula.

    >>> unformula("=SUM(A1)"), unformula("Ada")
    ("'=SUM(A1)", 'Ada')
    """
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def write_textgrid(episode: LabelledEpisode) -> str:
    """Write a Praat TextGrid in the long format, with an interval tier for every name; where turns of one name overlap,
    they are one interval. With a transcript, intervals hold the words of the lines, else the name. Praat has no
    interval of no length, so a line without one gets a millisecond.
    """
    tiers = _tiers(episode)
    end = max(
        [clock.milliseconds(episode.duration) / 1000, *(until for tier in tiers.values() for _, until, _ in tier)]
    )
    rows = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end:.3f}",
        "tiers? <exists>" if tiers else "tiers? <absent>",
    ]
    if tiers:
        rows += [f"size = {len(tiers)}", "item []:"]
    for number, (name, intervals) in enumerate(tiers.items(), start=1):
        filled = _filled(intervals, end)
        rows += [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_praat(name)}"]
        rows += ["        xmin = 0", f"        xmax = {end:.3f}", f"        intervals: size = {len(filled)}"]
        for idx, (since, until, text) in enumerate(filled, start=1):
            rows += [
                f"        intervals [{idx}]:",
                f"            xmin = {since:.3f}",
                f"            xmax = {until:.3f}",
            ]
            rows += [f"            text = {_praat(text)}"]
    return "".join(row + "\n" for row in rows)


Interval = tuple[float, float, str]


def _tiers(episode: LabelledEpisode) -> dict[str, list[Interval]]:
    tiers: dict[str, list[Interval]] = {}
    for line in named_lines(episode):
        name = line.speaker or "(nobody)"
        since = clock.milliseconds(line.start)
        start, end = since / 1000, max(clock.milliseconds(line.end), since + 1) / 1000
        text = line.text or name
        tier = tiers.setdefault(name, [])
        if tier and start < tier[-1][1]:
            before = tier.pop()
            text = before[2] if not line.text else f"{before[2]} {text}"
            start, end = before[0], max(before[1], end)
        tier.append((start, end, text))
    return tiers


def _filled(intervals: list[Interval], end: float) -> list[Interval]:
    """Return the intervals with empty ones between, as Praat wants a tier to be without holes."""
    filled: list[Interval] = []
    cursor = 0.0
    for since, until, text in [*intervals, (end, end, "")]:
        if since > cursor:
            filled.append((cursor, since, ""))
        if until > since:
            filled.append((since, until, text))
        cursor = until
    return filled


def _praat(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
