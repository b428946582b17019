"""Keep no voice for longer than it is needed: what is older than a day goes, of each kind that is named."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .. import given, outputs
from ..audio import Audio
from ..library import Library, Output
from ..outputs.following import Behind
from .forget import out_of_reach, sought, unnamed_out_of_reach

KINDS = ("profiles", "unknowns", "episodes")


@dataclass(frozen=True, slots=True)
class Expired:
    """What went, or would go: names of profiles, numbers of unknowns, sha256 of episodes' audio.

    out_of_reach : files that may hold something of it still, each with what to do about it
    """

    profiles: tuple[str, ...] = ()
    unknowns: tuple[str, ...] = ()
    episodes: tuple[str, ...] = ()
    out_of_reach: tuple[Behind, ...] = ()


def expire(before: str, kinds: tuple[str, ...], *, library: Library, dry_run: bool = False) -> Expired:
    """Erase what was last added to, or stored, before a day, and return what that was. It is one transaction.

    before : ISO 8601
    kinds : of `KINDS`. A profile is as old as the last voiceprint that was added to it, an unknown as the latest
        episode that it was heard in, an episode as its storing
    """
    expired = Expired(
        profiles=tuple(_old_profiles(library, before)) if "profiles" in kinds else (),
        unknowns=tuple(library.unknowns.last_stored_before(before)) if "unknowns" in kinds else (),
        episodes=tuple(library.episodes.stored_before(before)) if "episodes" in kinds else (),
    )
    if dry_run or expired == Expired():
        return expired
    people = [sought(name, library=library) for name in expired.profiles]
    stems = {Audio(one.source).name for one in library.listings.of(expired.episodes)}
    with outputs.following(library) as behind:
        for name in expired.profiles:
            library.profiles.forget(name)
        for unknown in expired.unknowns:
            library.unknowns.forget(unknown)
        for sha256 in expired.episodes:
            library.episodes.remove(sha256)
    library.upkeep.tidy()
    beyond = dict((*behind, *out_of_reach(people, library=library)) if people else ())
    if expired.unknowns or expired.episodes:
        beyond |= unnamed_out_of_reach(library=library, stems=stems)
    return replace(expired, out_of_reach=tuple(beyond.items()))


def _old_profiles(library: Library, before: str) -> list[str]:
    old = []
    for name in library.people.names():
        newest = max([library.profiles.get(name).created, *(row.created for row in library.voiceprints.rows(name))])
        if newest < before:
            old.append(name)
    return old


def forget_unknown(unknown: str, *, library: Library) -> tuple[int, tuple[Behind, ...]]:
    """Erase an unnamed voice, down to the bytes of the file.

    Return in how many places it was heard, and the copies that may hold it still, each with what to do about it.
    """
    with outputs.following(library):
        num_erased = library.unknowns.forget(unknown)
    library.upkeep.tidy()
    return num_erased, unnamed_out_of_reach(library=library)


def remove_episode(key: str, *, library: Library) -> tuple[tuple[Output, ...], tuple[Behind, ...]]:
    """Remove a stored episode with its voices, down to the bytes of the file.

    Return its files, which stay, and the copies that may hold it still, each with what to do about it.
    """
    episode = library.episodes.get(key)
    files = library.outputs.of(episode.audio_sha256)
    library.episodes.remove(episode.audio_sha256)
    library.upkeep.tidy()
    left = tuple(output for output in files if given.may_be_there(output.path))
    return left, unnamed_out_of_reach(library=library, stems={Audio(episode.source).name})
