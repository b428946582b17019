"""Profiles as a file that another library can take: JSON, nothing that runs.

::

    {
     "format": "voicematch profiles", "version": 1,
     "embedder": "ecapa-small-4", "dimension": 192,   # vectors of two models cannot be compared
     "profiles": [
      {"name": "Maya Lindqvist", "role": "host", "note": null,
       "voiceprints": [{"vector": "…",              # base64 of little-endian float32
                        "seconds": 30.0, "start": 0.0, "end": 41.5,
                        "source": "talk.mp3", "audio_sha256": "…",
                        "consent": "permission",    # on what basis the voice may be kept
                        "clip": 0}],                # which of the clips it was made from, or null
       "clips": ["…"]}]                             # base64 of Ogg Opus; only where they were asked for
    }

A voiceprint identifies a person as a fingerprint does: whoever has the file can recognise the voice.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from ..errors import EmbedderMismatch
from ..formats import json_node
from ..formats.json_node import Misfit, Node
from ..library import CONSENT, Library, StoredVoiceprint
from ..types import Embedding

FORMAT = "voicematch profiles"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of one profile of a file."""

    name: str
    created: bool
    num_voiceprints: int


def write_profiles(library: Library, names: Sequence[str], *, with_clips: bool) -> str:
    """The profiles of these names as JSON; `import_profiles` takes it. Raises ProfileNotFound."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "embedder": library.embedder,
        "dimension": library.dimension,
        "profiles": [_profile(library, name, with_clips=with_clips) for name in names],
    }
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _profile(library: Library, name: str, *, with_clips: bool) -> dict[str, Any]:
    profile = library.profiles.get(name)
    voiceprints = library.voiceprints.of(name)
    clip_by_voiceprint = {row.id: row.clip for row in voiceprints}
    clips = {}
    if with_clips:
        clips = {
            clip_by_voiceprint[first]: clip
            for first, clip in library.voiceprints.clips(name)
            if first in clip_by_voiceprint
        }
    position = {clip: idx for idx, clip in enumerate(clips)}
    return {
        "name": profile.name,
        "role": profile.role,
        "note": profile.note,
        "voiceprints": [
            {
                "vector": _text(row.embedding.vector.astype("<f4").tobytes()),
                "seconds": row.embedding.seconds,
                "start": row.embedding.start,
                "end": row.embedding.end,
                "source": row.source,
                "audio_sha256": row.audio_sha256,
                "consent": row.consent,
                "clip": position.get(row.clip),
            }
            for row in voiceprints
        ],
        "clips": [_text(clip) for clip in clips.values()],
    }


def import_profiles(text: str, source: object, *, library: Library) -> tuple[Imported, ...]:
    """What was added to a library from the text of a file. A profile of the same name gets the voiceprints added.

    Raises FormatError where the text does not fit, EmbedderMismatch when the voices come from another model; then the
    library is as it was.
    """
    with library.together():
        return json_node.parse(text, source, lambda document: _take(document, library))


def _take(document: Node, library: Library) -> tuple[Imported, ...]:
    if document["format"].value != FORMAT:
        raise Misfit(document["format"].path, f'expected "{FORMAT}"')
    if document["version"].value != VERSION:
        raise Misfit(document["version"].path, f"version {VERSION} is the one known here; a newer voicematch wrote it")
    embedder = document["embedder"].text()
    if embedder != library.embedder:
        raise EmbedderMismatch(
            f"these are voices of {embedder!r}, {library.location} holds those of {library.embedder!r}; the two cannot "
            f"be compared; voicematch library upgrade --embedder {embedder} moves a library to another embedder"
        )
    return tuple([_take_profile(node, library, embedder) for node in document["profiles"].each()])


def _take_profile(node: Node, library: Library, embedder: str) -> Imported:
    name = node["name"].text()
    created = library.profiles.find(name) is None
    if created:
        role, note = node.get("role"), node.get("note")
        library.profiles.create(name, role=role.text() if role else None, note=note.text() if note else None)
    clips = [_bytes(clip) for clip in node["clips"].each()]
    voiceprints = [_voiceprint(one, len(clips)) for one in node["voiceprints"].each()]
    num_new = 0
    for (source, audio_sha256, consent, clip), group in groupby(voiceprints, key=_origin):
        num_new += library.voiceprints.add(
            name,
            [row.embedding for row in group],
            embedder=embedder,
            consent=consent,
            source=source,
            audio_sha256=audio_sha256,
            clip=None if clip is None else clips[clip],
        )
    return Imported(library.profiles.get(name).name, created, num_new)


def _origin(row: StoredVoiceprint) -> tuple[str, str, str, int | None]:
    return row.source, row.audio_sha256, row.consent, row.clip


def _voiceprint(node: Node, num_clips: int) -> StoredVoiceprint:
    raw = _bytes(node["vector"])
    if not raw or len(raw) % 4:
        raise Misfit(node["vector"].path, "expected 32-bit numbers")
    consent = node["consent"]
    if consent.value not in CONSENT:
        raise Misfit(consent.path, f"expected one of {', '.join(CONSENT)}")
    clip = node.get("clip")
    if clip is not None and clip.value not in range(num_clips):
        raise Misfit(clip.path, "no such clip")
    return StoredVoiceprint(
        id=0,
        embedding=Embedding(
            np.frombuffer(raw, "<f4").astype(np.float32),
            seconds=node["seconds"].seconds(),
            start=node["start"].seconds(),
            end=node["end"].seconds(),
        ),
        source=node["source"].text(),
        audio_sha256=node["audio_sha256"].text(),
        consent=consent.text(),
        clip=None if clip is None else int(clip.number()),
    )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _bytes(node: Node) -> bytes:
    try:
        return base64.b64decode(node.text(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Misfit(node.path, "expected base64") from error
