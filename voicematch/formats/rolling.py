"""Captions that roll up, as video sites and live captioning write them, with every line once.

There a cue repeats what the one before still shows: the last rows stay while a new one comes in (``one two`` then
``two three``), a row grows word by word (``one`` then ``one two``), or a cue of a hundredth of a second holds what was
said. Whether a file is like that is asked of the whole file, so that what somebody says twice is not lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from .cues import Cue, clean

SHARE = 0.5  # of the cues repeat the one before in captions that roll
FEWEST = 3  # such cues; of fewer nothing can be told
HOLD = 0.1  # s; a cue that is shorter and says nothing new only holds the picture
NEAR = 0.5  # s between cues of which the second can be a hold of the first


def once(cues: Sequence[Cue], bare: Callable[[str], str]) -> list[Cue]:
    """Return the cues without what they repeat of the one before, when the file rolls; else as they are.

    bare : a row without its markup
    """
    rows = [[row for row in cue.text.split("\n") if clean(bare(row))] for cue in cues]
    texts = [[clean(bare(row)) for row in of_cue] for of_cue in rows]
    shown = [idx for idx, of_cue in enumerate(texts) if of_cue]
    pairs = list(pairwise(shown))
    if sum(_is_rolling(cues[a], cues[b], texts[a], texts[b]) for a, b in pairs) < max(FEWEST, SHARE * len(pairs)):
        return list(cues)
    kept: list[Cue] = []
    before: list[str] = []
    for idx in shown:
        cue, text = cues[idx], texts[idx]
        repeated = _carried(before, text)
        if repeated == len(text) and kept and not _is_hold(kept[-1], before, cue, text):
            repeated = 0  # said again
        if repeated == len(text):
            if cue.end is not None and kept:
                kept[-1] = replace(kept[-1], end=max(kept[-1].end or 0.0, cue.end))
        elif kept and before and repeated == 0 and _grows(before, text):
            kept[-1:] = _grown(kept[-1], replace(cue, text="\n".join(rows[idx][len(before) - 1 :])))
        else:
            kept.append(replace(cue, text="\n".join(rows[idx][repeated:])))
        before = text
    return kept


def _carried(before: list[str], text: list[str]) -> int:
    """Return how many rows at the top are the last ones of the cue before."""
    for num in range(min(len(before), len(text)), 0, -1):
        if before[-num:] == text[:num]:
            return num
    return 0


def _grows(before: list[str], text: list[str]) -> bool:
    """Return whether the last row shown goes on, and the rows above it are the same."""
    last = len(before) - 1
    return len(text) > last and text[:last] == before[:last] and text[last].startswith(before[last] + " ")


def _is_rolling(last: Cue, cue: Cue, before: list[str], text: list[str]) -> bool:
    repeated = _carried(before, text)
    if repeated == len(text):
        return _only_holds(last, cue)
    return repeated > 0 or _grows(before, text)


def _is_hold(kept: Cue, before: list[str], cue: Cue, text: list[str]) -> bool:
    """Return whether a cue with nothing new only goes on showing what was said."""
    is_near = kept.end is None or cue.start is None or cue.start - kept.end <= NEAR
    return is_near and (_only_holds(kept, cue) or len(text) < len(before))


def _only_holds(last: Cue, cue: Cue) -> bool:
    """Return whether a cue is as short as one that holds the picture, and follows one that is not."""
    if last.start is None or last.end is None or cue.start is None or cue.end is None:
        return False
    return cue.end - cue.start <= HOLD < last.end - last.start and cue.start >= last.end - HOLD


def _grown(kept: Cue, cue: Cue) -> list[Cue]:
    """Return the cue in place of the row that it goes on from, which is the last one of ``kept``."""
    above = kept.text.split("\n")[:-1]
    if above:
        return [replace(kept, text="\n".join(above)), cue]
    return [replace(cue, start=kept.start)]
