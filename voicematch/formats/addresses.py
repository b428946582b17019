"""What a name or a title is called in an address that a person can read."""

from __future__ import annotations

import hashlib
import re
import unicodedata

LONGEST = 80  # characters; cut between two words
# Folders that Windows cannot have.
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])", re.ASCII)


def slug(name: str) -> str:
    """Return the name in lower case, its words joined by "-"; letters of every script stay, accents of Latin go.

    A name without any letter or digit is called by the beginning of its sha256.

    >>> slug("Dwarkesh Patel"), slug("Zoë O’Hara & Söhne"), slug("王小明"), slug("Łukasz"), slug("../..")
    ('dwarkesh-patel', 'zoe-ohara-sohne', '王小明', 'lukasz', 'x-0cfd1c96')
    """
    text = unicodedata.normalize("NFKD", name.casefold().replace("ł", "l").replace("ø", "o").replace("đ", "d"))
    text = re.sub(r"(?<=[a-z])[\u0300-\u036f]+", "", text)  # of other scripts a mark may be half of the letter
    text = unicodedata.normalize("NFC", re.sub(r"['’`]", "", text))
    words = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text).split()
    found = ""
    for word in words:
        longer = f"{found}-{word}" if found else word[:LONGEST]
        if len(longer) > LONGEST:
            break
        found = longer
    if not found or unicodedata.category(found[0])[0] == "M":
        return "x-" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"x-{found}" if _RESERVED.fullmatch(found) else found
