"""Profiles as a file that another library can take: JSON, nothing that runs.

::

    {
     "format": "voicematch profiles", "version": 1,
     "sha256": "…",                                   # over all the rest, so that damage is found out
     "embedder": "campplus-2", "dimension": 192,  # vectors of two models cannot be compared
     "profiles": [
      {"name": "Maya Lindqvist", "role": "host", "note": null,
       "about": "Asks about rain.", "links": ["https://…"],  # what their page shows
       "picture": "…",                                # base64 of JPEG, or null
       "voiceprints": [{"vector": "…",              # base64 of little-endian float32; only where voices were asked for
                        "seconds": 30.0, "start": 0.0, "end": 41.5,
                        "source": "talk.mp3", "audio_sha256": "…",
                        "consent": "permission",    # on what basis the voice may be kept, since when, and what
                        "consent_date": null, "consent_note": null,                  # else was said of it
                        "clip": 0}],                # which of the clips it was made from, or null
       "clips": ["…"]}]                             # base64 of Ogg Opus; only where they were asked for
    }

A voiceprint identifies a person as a fingerprint does: whoever has the file can recognise the voice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from .. import given
from ..audio import SAMPLE_RATE, decode_clip, encode_clip
from ..errors import AudioError, EmbedderMismatch, FormatError, LibraryError
from ..formats import days, json_node
from ..formats.json_node import Misfit, Node
from ..formats.pictures import MOST_SENT, square
from ..library import Library, StoredVoiceprint
from ..library.keys import harmless
from ..library.traces import Mark
from ..types import Embedding
from ..voices.consent import CONSENT
from .name import Change, changing
from .recognise import match_again

FORMAT = "voicematch profiles"
VERSION = 1
MOST_BYTES = 256 << 20  # of a file; a thousand people with clips
LONGEST_CLIP = 120  # s; enrolling keeps a minute
SHA256 = re.compile(r"[0-9a-f]{64}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of one profile of a file."""

    name: str
    created: bool
    num_voiceprints: int


def write_profiles(library: Library, names: Sequence[str], *, with_clips: bool, voices: bool = True) -> str:
    """Return the profiles of these names as JSON, which `import_profiles` takes. Raises ProfileNotFound.

    voices : with the vectors that a voice is known by; without them it is a list of people and consents
    """
    document = {
        "format": FORMAT,
        "version": VERSION,
        "embedder": library.embedder,
        "dimension": library.dimension,
        "profiles": [_profile(library, name, with_clips=with_clips, voices=voices) for name in names],
    }
    return _sealed(document)


def checksum(document: Mapping[str, Any]) -> str:
    """Return the sha256 over all of a document but its checksum, however it is laid out."""
    rest = {name: value for name, value in document.items() if name != "sha256"}
    plain = json.dumps(rest, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(plain.encode()).hexdigest()


def _sealed(document: Mapping[str, Any]) -> str:
    sealed = {**document, "sha256": checksum(document)}
    return json.dumps(sealed, ensure_ascii=False, indent=1) + "\n"


def people(text: str, source: object) -> tuple[tuple[str, frozenset[Mark]], ...]:
    """Return everybody in a file of profiles: name, and what the voiceprints were learned from. Raises FormatError."""

    def listed(document: Node) -> tuple[tuple[str, frozenset[Mark]], ...]:
        _check_kind(document)
        return tuple((node["name"].text(), _marks(node)) for node in document["profiles"].each())

    return json_node.parse(text, source, listed)


def without(text: str, source: object, is_meant: Callable[[str, frozenset[Mark]], bool]) -> str | None:
    """Return the same file without those who are meant; None when nobody else is in it. Raises FormatError."""

    def rest(document: Node) -> str | None:
        _check_kind(document)
        left = [node for node in document["profiles"].each() if not is_meant(node["name"].text(), _marks(node))]
        value = document.value
        assert isinstance(value, dict)  # it has keys
        return _sealed({**value, "profiles": [node.value for node in left]}) if left else None

    return json_node.parse(text, source, rest)


def _marks(profile: Node) -> frozenset[Mark]:
    return frozenset(
        (one["audio_sha256"].text(), one["start"].seconds(), one["end"].seconds())
        for one in profile["voiceprints"].each()
    )


def _profile(library: Library, name: str, *, with_clips: bool, voices: bool) -> dict[str, Any]:
    profile, number = library.profiles.get(name), library.people.id(name)
    shown, picture = library.portrayals.of(number), library.portrayals.picture(number)
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
        "about": shown.about,
        "links": list(shown.links),
        "picture": None if picture is None else _text(picture),
        "voiceprints": [
            ({"vector": _text(row.embedding.vector.astype("<f4").tobytes())} if voices else {})
            | {
                "seconds": row.embedding.seconds,
                "start": row.embedding.start,
                "end": row.embedding.end,
                "source": row.source,
                "audio_sha256": row.audio_sha256,
                "consent": row.consent,
                "consent_date": row.consent_date,
                "consent_note": row.consent_note,
                "clip": position.get(row.clip),
            }
            for row in voiceprints
        ],
        "clips": [_text(clip) for clip in clips.values()],
    }


def read_file(path: Path) -> str:
    """Read a file of profiles. Raises FormatError for what is no ordinary file, too large, or not UTF-8."""
    try:
        raw = given.content(path, MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise FormatError(path, f"larger than {MOST_BYTES >> 20} MiB")
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(path, f"not UTF-8 at byte {error.start}; it is damaged, or no file of profiles") from error
    except OSError as error:
        raise FormatError(path, f"cannot be read: {error.strerror}") from error


def import_profiles(text: str, source: object, *, library: Library) -> tuple[Imported, ...]:
    """Add the profiles in the text of a file to a library. A profile of the same name gets the voiceprints added.

    What is told of somebody (role, note, line, links, picture) is taken where the library tells nothing of that kind.

    Raises FormatError where the text does not fit, EmbedderMismatch when the voices come from another model; then the
    library is as it was.
    """
    with library.together():
        return json_node.parse(text, source, lambda document: _take(document, library))


def take_in(text: str, source: object, *, library: Library) -> tuple[tuple[Imported, ...], tuple[Change, ...]]:
    """Do as `import_profiles`, match all episodes with the new voices too, and return every label that changes.

    All of it is one transaction.
    """
    with changing(library) as changes:
        imported = import_profiles(text, source, library=library)
        match_again(library)
    return imported, tuple(changes)


def _check_kind(document: Node) -> None:
    if document["format"].value != FORMAT:
        raise Misfit(document["format"].path, f'expected "{FORMAT}"')
    if document["version"].value != VERSION:
        raise Misfit(document["version"].path, f"version {VERSION} is the one known here; a newer voicematch wrote it")
    seal, value = document.get("sha256"), document.value
    if seal is None:
        log.warning(
            "the file carries no checksum: an earlier voicematch wrote it, and nothing tells whether it is whole"
        )
    elif isinstance(value, dict) and seal.value != checksum(value):
        raise Misfit(seal.path, "the file was changed since it was written, or is damaged; export it again")


def _take(document: Node, library: Library) -> tuple[Imported, ...]:
    _check_kind(document)
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
        library.profiles.create(name)
    _tell(node, library, name)
    voiceprints = list(node["voiceprints"].each())
    if not any(one.get("vector") is not None for one in voiceprints):  # a list of people and consents
        return Imported(library.profiles.get(name).name, created, 0)
    clips = [_clip(clip) for clip in node["clips"].each()]
    rows = [_voiceprint(one, len(clips), library.dimension) for one in voiceprints]
    num_new = 0
    for (source, audio_sha256, consent, day, said, clip), group in groupby(rows, key=_origin):
        num_new += library.voiceprints.add(
            name,
            [row.embedding for row in group],
            embedder=embedder,
            consent=consent,
            consent_date=day,
            consent_note=said,
            source=source,
            audio_sha256=audio_sha256,
            clip=None if clip is None else clips[clip],
        )
    return Imported(library.profiles.get(name).name, created, num_new)


def _tell(node: Node, library: Library, name: str) -> None:
    """Take what is said and shown of a person, each thing where the library has nothing of its own."""
    profile, number = library.profiles.get(name), library.people.id(name)
    role, note = (None if found is None else found.text() for found in (node.get("role"), node.get("note")))
    library.profiles.describe(name, role=None if profile.role else role, note=None if profile.note else note)
    shown, about, links = library.portrayals.of(number), node.get("about"), node.get("links")
    told = shown.about or (about.text() if about else "")
    linked = shown.links or (tuple(link.text() for link in links.each()) if links else ())
    if (told, linked) != (shown.about, shown.links):
        try:
            library.portrayals.tell(name, told, linked)
        except LibraryError as error:
            raise Misfit(node.path, str(error)) from error
    picture = node.get("picture")
    if picture is not None and not shown.picture:
        library.portrayals.show(name, _picture(picture, name))


def _picture(node: Node, name: str) -> bytes | None:
    """The picture written anew, as one that is handed in on the pages; None where Pillow is missing."""
    raw = _bytes(node)
    if find_spec("PIL") is None:
        log.warning("the picture of %s is left out: reading it takes pip install 'voicematch[web]'", name)
        return None
    if len(raw) > MOST_SENT:
        raise Misfit(node.path, f"a picture of more than {MOST_SENT >> 20} MiB")
    try:
        return square(raw, "the picture")
    except FormatError as error:
        raise Misfit(node.path, "expected a picture") from error


def _origin(row: StoredVoiceprint) -> tuple[str, str, str, str | None, str | None, int | None]:
    return row.source, row.audio_sha256, row.consent, row.consent_date, row.consent_note, row.clip


def _clip(node: Node) -> bytes:
    """The clip encoded anew, so that nothing but sound comes in."""
    try:
        samples = decode_clip(_bytes(node))
    except AudioError as error:
        raise Misfit(node.path, "expected sound") from error
    if not 0 < len(samples) <= LONGEST_CLIP * SAMPLE_RATE:
        raise Misfit(node.path, f"expected up to {LONGEST_CLIP} s of sound")
    return encode_clip(samples)


def _voiceprint(node: Node, num_clips: int, dimension: int | None) -> StoredVoiceprint:
    raw = _bytes(node["vector"])
    if not raw or len(raw) % 4:
        raise Misfit(node["vector"].path, "expected 32-bit numbers")
    vector = np.frombuffer(raw, "<f4").astype(np.float32)
    if dimension is not None and len(vector) != dimension:
        raise Misfit(node["vector"].path, f"expected {dimension} numbers, not {len(vector)}")
    consent = node["consent"]
    if consent.value not in CONSENT:
        raise Misfit(consent.path, f"expected one of {', '.join(CONSENT)}")
    clip = node.get("clip")
    if clip is not None and clip.value not in range(num_clips):
        raise Misfit(clip.path, "no such clip")
    sha256 = node["audio_sha256"]
    if not SHA256.fullmatch(sha256.text()):
        raise Misfit(sha256.path, "expected 64 hexadecimal digits")
    day, note = node.get("consent_date"), node.get("consent_note")
    if day is not None and not (days.is_day(day.text()) and len(day.text()) == len("2024-01-31")):
        raise Misfit(day.path, "expected a day, as 2024-01-31")
    return StoredVoiceprint(
        id=0,
        embedding=Embedding(
            vector,
            seconds=node["seconds"].seconds(),
            start=node["start"].seconds(),
            end=node["end"].seconds(),
        ),
        source=harmless(node["source"].text()),
        audio_sha256=sha256.text(),
        consent=consent.text(),
        clip=None if clip is None else int(clip.number()),
        consent_date=None if day is None else day.text(),
        consent_note=None if note is None else note.text(),
    )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _bytes(node: Node) -> bytes:
    try:
        return base64.b64decode(node.text(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Misfit(node.path, "expected base64") from error
