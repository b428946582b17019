"""XML as people write it by hand."""

from __future__ import annotations

import re
from html.entities import html5

_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});)([A-Za-z][A-Za-z0-9]{1,30};)?")
_CLOSING = {"<![CDATA[": "]]>", "<!--": "-->"}
_OPENING = re.compile(r"<!\[CDATA\[|<!--")


def with_escaped_ampersands(text: str) -> str:
    """Return the text with every ``&`` escaped that begins nothing that XML knows; what is quoted or a comment stays.

    Names that HTML has for characters become those characters.

    >>> with_escaped_ampersands('<a t="Q & A">x &amp; y &eacute;</a>')
    '<a t="Q &amp; A">x &amp; y &#233;</a>'
    """
    parts: list[str] = []
    position = 0
    while position < len(text):
        opening = _OPENING.search(text, position)
        begin = len(text) if opening is None else opening.start()
        parts.append(_AMPERSAND.sub(_spelled, text[position:begin]))
        closing = -1 if opening is None else text.find(_CLOSING[opening.group()], begin)
        position = len(text) if closing < 0 else closing + 3
        parts.append(text[begin:position])
    return "".join(parts)


def _spelled(found: re.Match[str]) -> str:
    character = html5.get(found.group(1) or "")
    return "".join(f"&#{ord(one)};" for one in character) if character else "&amp;" + found.group()[1:]
