"""The text in a file's bytes: UTF-8, UTF-16, UTF-32 with or without a mark, else Windows-1252 as old tools wrote it."""

from __future__ import annotations

import codecs
import logging
import re

from ..errors import FormatError
from .repairs import BYTES, Repairs

log = logging.getLogger(__name__)

_BAD_BYTE = re.compile("[\udc80-\udcff]")  # how "surrogateescape" spells a byte that does not decode
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_CONTAINERS = (b"PK\x03\x04", b"%PDF-", b"\xd0\xcf\x11\xe0")  # Word and other zips, PDF, old Word


def decode(raw: bytes, source: object) -> str:
    """Return the text of a file's bytes. A byte that does not fit costs that byte, with a warning that counts them.

    A file is UTF-8 when more of its bytes beyond ASCII spell characters than do not.
    """
    if raw.startswith(_CONTAINERS):
        raise FormatError(source, "not a text file")
    encoding = _wide(raw)
    if encoding is not None:
        return _decode_wide(raw, encoding, source)
    text = raw.decode("utf-8", errors="surrogateescape")
    num_bad = 0 if text.isascii() else len(_BAD_BYTE.findall(text))
    if num_bad and num_bad > sum(not char.isascii() for char in text) - num_bad:
        if b"\0" in raw:
            raise FormatError(source, "not a text file")
        log.warning("%s: %d byte(s) are not UTF-8; read as Windows-1252", source, num_bad)
        return raw.decode("cp1252", errors="replace")
    repairs = Repairs(source)
    for found in re.finditer("[\0\udc80-\udcff]", text):
        repairs.note(BYTES, text.count("\n", 0, found.start()) + 1 if not repairs.count(BYTES) else None)
    repairs.say()
    return re.sub("[\0\udc80-\udcff\ufeff]", "", text)


def _wide(raw: bytes) -> str | None:
    """Return the encoding whose characters take two or four bytes, by its mark, or by the zeros beside ASCII."""
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return encoding
    if raw[:4].count(0) == 2 and raw[:2] != b"\0\0":
        return "utf-16-be" if raw[0] == 0 else "utf-16-le"
    return None


def _decode_wide(raw: bytes, encoding: str, source: object) -> str:
    text = raw.decode(encoding, errors="replace")
    num_bad = text.count("\ufffd")
    if num_bad * 2 > len(text.removeprefix("\ufeff")):
        raise FormatError(source, f"begins like {encoding[:6].upper()} but is not; save it as UTF-8")
    repairs = Repairs(source)
    for _ in range(num_bad):
        repairs.note(BYTES)
    repairs.say()
    return re.sub("[\0\ufeff\ufffd]", "", text)
