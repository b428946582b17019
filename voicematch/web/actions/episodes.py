"""Changing episodes."""

from __future__ import annotations

from ...formats.amounts import plural
from ...library import Library
from ...usecases import expire
from ..addresses import path
from ..telling import plain
from .action import (
    EPISODE,
    Action,
    ActionOutcome,
    Fields,
)


def _remove_episode(library: Library, fields: Fields) -> ActionOutcome:
    episode = library.listings.episode(fields["episode"]).summary
    files, beyond = expire.remove_episode(episode.audio_sha256, library=library)
    left = [f"{plural(len(files), 'file')} written for it stay where they are"] if files else []
    left += [f"{place.name} may hold it still: {plain(remedy)}" for place, remedy in beyond]
    return ActionOutcome(f"{episode.shown_as} is removed from the library", warnings=tuple(left), go=path("episodes"))


def _ask_of_removing(library: Library, fields: Fields) -> tuple[str, str]:
    episode = library.listings.episode(fields["episode"]).summary
    return (
        f"“{episode.shown_as}” goes out of the library with all that was said of its voices. The sound stays where it "
        "is. This cannot be undone.",
        "Remove it",
    )


EPISODES = {
    "remove-episode": Action(
        "Take an episode out of the library. It cannot be undone.",
        (EPISODE,),
        _remove_episode,
        question=_ask_of_removing,
        is_final=True,
    ),
}
