"""Names of files and of pages, made from what strangers wrote: safe on every system, and to link to."""

from __future__ import annotations

import re
import unicodedata

LONGEST_NAME = 120  # bytes of UTF-8 of one field; file systems take 255 for a name with everything in it
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # what Windows keeps for devices
_NOT_IN_A_LINK = re.compile(r"[\[\]#^]")  # a page with one of these cannot be linked to in Obsidian


def file_name(text: str) -> str:
    """Return the text as a part of a file's name on any system, or "" when nothing of it can stay.

    >>> file_name("What is AI?  Part 1/2: …"), file_name(".."), file_name("con.txt")
    ('What is AI Part 1-2 …', '', '_con.txt')
    """
    composed = unicodedata.normalize("NFC", text)
    plain = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in composed)
    plain = re.sub(r"\s*[/\\|]\s*", "-", plain)
    plain = re.sub(r'[<>:"?*]', "", plain)
    plain = " ".join(plain.split())
    while len(plain.encode()) > LONGEST_NAME:
        plain = plain[:-1]
    plain = plain.strip(" .-")  # a leading point hides a file, a leading dash is an option
    return f"_{plain}" if RESERVED.fullmatch(plain) else plain


def page_name(text: str) -> str:
    """Return what a page about somebody is called, which its file is named for and links lead to.

    >>> page_name("Ada [Host] #1"), page_name("A|B")
    ('Ada Host 1', 'A-B')
    """
    return file_name(_NOT_IN_A_LINK.sub("", text))


def alike(name: str) -> str:
    """Return what two names share that some system takes for one: case and composition do not count.

    >>> alike("ÉCOLE") == alike("e\\u0301cole")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
