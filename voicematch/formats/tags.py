"""Podcasting 2.0 tags for a feed's ``<item>``: who speaks, and where the transcripts are.

https://github.com/Podcastindex-org/podcast-namespace: person.md, transcript.md. Tags of an item replace those of the
channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from ..types import LabelledEpisode, Verdict
from .cues import clean
from .labels import stem

NAME_LENGTH = 128  # characters, the most that podcast:person may hold

MEDIA_TYPES = {"vtt": "text/vtt", "srt": "application/x-subrip", "podcast.json": "application/json"}
"""By file suffix, the transcripts that players read."""


def write_tags(
    episode: LabelledEpisode,
    *,
    roles: Mapping[str, str] | None = None,
    base_url: str = "https://example.org/transcripts/",
) -> str:
    """Write XML to paste: a podcast:person for everybody who was named, a podcast:transcript for each format players
    read.

    A person without a known role is written as a guest, and a comment says so: without a role the tag would say host.

    roles : role by name, of the Podcast Taxonomy ("host", "guest", …)
    base_url : where the transcripts will be; with its default, the address is for you to change
    """
    known = {name: role for name, role in (roles or {}).items() if role}
    rows: list[str] = []
    if any(name not in known for name in _named(episode)):
        rows.append('<!-- roles that are not known are written as "guest"; hosts want role="host" -->')
    for name in _named(episode):
        role = quoteattr(clean(known.get(name, "guest")).lower())
        rows.append(f"<podcast:person role={role}>{escape(clean(name)[:NAME_LENGTH])}</podcast:person>")
    for suffix, media_type in MEDIA_TYPES.items():
        address = base_url + quote(f"{stem(episode.source)}.{suffix}")
        rows.append(f"<podcast:transcript url={quoteattr(address)} type={quoteattr(media_type)} />")
    return "".join(row + "\n" for row in rows)


def _named(episode: LabelledEpisode) -> list[str]:
    """Return everybody who was accepted, who speaks most first."""
    seconds: dict[str, float] = {}
    talk = episode.talk_seconds()
    for speaker, match in episode.matches.items():
        if match.verdict is Verdict.ACCEPT and match.profile is not None:
            seconds[match.profile] = seconds.get(match.profile, 0.0) + talk.get(speaker, 0.0)
    return sorted(seconds, key=lambda name: -seconds[name])
