"""Whether a text says a name, however a format writes it: with entities, percent signs, underscores, escapes."""

from __future__ import annotations

import html
import re
import unicodedata
from urllib.parse import unquote

LONGEST = 40  # letters; a longer name is cut short in tags and in what files are called

_ESCAPED = re.compile(r"\\u([0-9a-f]{4})", re.IGNORECASE)


def holds_name(text: str, name: str) -> bool:
    """Return whether a text may say a name. Letters and digits alone count, so that no format can hide one.

    >>> [holds_name(text, "Zoë O'Hara") for text in ("Zo\\\\u00eb_O&#39;Hara", "zoe%CC%88%20ohara", "Zoe O'Hara")]
    [True, True, False]
    """
    sought = _letters(name)[:LONGEST]
    return any(sought in _letters(form) for form in (text, _unescaped(text)))


def _unescaped(text: str) -> str:
    utf16 = _ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), html.unescape(unquote(text)))
    return utf16.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _letters(text: str) -> str:
    composed = unicodedata.normalize("NFC", text).casefold()
    return "".join(filter(str.isalnum, unicodedata.normalize("NFC", composed)))
