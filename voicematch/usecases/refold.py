"""Lays what a person fixed in an episode over each new answer on it, and keeps that as it was heard."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..engines.kept import heard_again
from ..engines.windows import embeddings_of
from ..library import AsHeard, Library
from ..models.table import card, is_known
from ..transcript.fixing import Fix, carried_over, fixed_lines, fixed_turns
from ..types import Embedding, LabelledEpisode, Line, Turn, Windows
from ..voices.overlaps import overlap, within

log = logging.getLogger(__name__)

Voices = Mapping[str, Sequence[Embedding]]


def laid_over(
    library: Library, episode: LabelledEpisode, voices: Voices, windows: Windows | None
) -> tuple[LabelledEpisode, Voices]:
    """Return a new answer on an audio, and its voices, with what a person fixed in an earlier one.

    windows : what was heard, if that is known; voices are then made of just what each speaker says

    The fixes are stored with the labels of this answer. Nothing changes where nothing was fixed.
    """
    heard = library.fixes.heard(episode.audio_sha256)
    stored = library.fixes.of(episode.audio_sha256)
    if heard is None or not stored:
        return episode, voices
    fixes = carried_over([row.fix for row in stored], heard.turns, episode.turns)
    library.fixes.relabel(episode.audio_sha256, fixes)
    return folded(library, episode, voices, fixes, windows)


def folded(
    library: Library, episode: LabelledEpisode, voices: Voices, fixes: Sequence[Fix], windows: Windows | None
) -> tuple[LabelledEpisode, Voices]:
    """Return an answer as it was heard, and its voices, with the fixes."""
    turns = fixed_turns(episode.turns, fixes)
    lines, waiting = fixed_lines(episode.lines, fixes)
    for fix in waiting if episode.lines else ():
        start = fix.spans[0][0]
        log.warning("%s: no line at %.0f s any more for words that were fixed there", episode.source, start)
    return replace(episode, turns=turns, lines=lines), revoiced(library, voices, episode.turns, turns, windows)


def revoiced(
    library: Library, voices: Voices, before: Sequence[Turn], after: Sequence[Turn], windows: Windows | None
) -> dict[str, tuple[Embedding, ...]]:
    """Return the voices of other turns than they were made of.

    Of speakers whose turns are others now they are made anew out of the windows, where those are by the library's
    embedder; else each stretch goes to whoever has most of its speech.
    """
    shared = shared_out(voices, before, after)
    if windows is None or windows.embedder != library.embedder:
        return shared
    least = card(windows.embedder).min_speech if is_known(windows.embedder) else 0.0
    exact = embeddings_of(heard_again(windows), tuple(after), least)
    spans_before, spans_after = _spans(before), _spans(after)
    same = {label for label, spans in spans_after.items() if spans_before.get(label) == spans}
    made = {label: shared.get(label, ()) if label in same else exact.get(label, ()) for label in sorted(spans_after)}
    return {label: own for label, own in made.items() if own}


def shared_out(voices: Voices, before: Sequence[Turn], after: Sequence[Turn]) -> dict[str, tuple[Embedding, ...]]:
    """Return the voices by who speaks in the turns now: each stretch goes to whoever has most of its speech."""
    spans_before, spans_after = _spans(before), _spans(after)
    shared: dict[str, list[Embedding]] = {}
    for label, own in voices.items():
        for stretch in own:
            speech = within(spans_before.get(label, []), stretch.start, stretch.end)
            seconds = {other: overlap(speech, spans) for other, spans in spans_after.items()}
            now = max(seconds, key=lambda other: (seconds[other], other == label, other), default=label)
            if seconds.get(now, 0.0) > 0:
                shared.setdefault(now, []).append(stretch)
    return {
        label: tuple(sorted(shared[label], key=lambda stretch: (stretch.start, stretch.end)))
        for label in sorted(shared)
    }


def keep(library: Library, episode: LabelledEpisode, voices: Voices) -> None:
    """Keep a stored answer as it was heard, where something in it was fixed."""
    if library.fixes.of(episode.audio_sha256):
        own = {label: tuple(of_label) for label, of_label in voices.items()}
        library.fixes.keep_heard(episode.audio_sha256, AsHeard(episode.turns, episode.lines, own, {}))


def lines_heard(library: Library, audio_sha256: str) -> tuple[Line, ...]:
    """Return what is said in a stored episode, before anything was fixed in it."""
    heard = library.fixes.heard(audio_sha256)
    return library.episodes.lines(audio_sha256) if heard is None else heard.lines


def _spans(turns: Sequence[Turn]) -> dict[str, list[tuple[float, float]]]:
    spans: dict[str, list[tuple[float, float]]] = {}
    for turn in turns:
        spans.setdefault(turn.speaker, []).append((turn.start, turn.end))
    return spans
