"""The picture that a chat or a feed shows of a link: 1200 × 630 pixels, drawn here, with nothing fetched."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

SIZE = (1200, 630)
MARGIN = 80
PAPER, INK, QUIET, ACCENT = "#faf9f6", "#1d1c1a", "#5d5951", "#17607a"
COLORS = ("#237de6", "#780402", "#6b8d16", "#3c3152", "#c7568b", "#005c48", "#997d58", "#5e0c7d")  # style.css: --c0 …
LARGEST, SMALLEST = 92, 44  # pixels of the title's letters
MOST_LINES = 3
MOST_LETTERS = 160  # of a title; more never fit
# For scripts that Pillow's own font lacks; looked for where the system keeps its fonts.
FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "NotoSansArabic-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
)


@dataclass(frozen=True, slots=True)
class Card:
    """color : 0 … 7, as on the pages; None for the site's own"""

    title: str
    under: str
    site: str
    initials: str = ""
    color: int | None = None


def draw(card: Card) -> bytes:
    """Return the card as PNG. Letters that no font here has are left out, and so is a line of nothing else."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", SIZE, PAPER)
    pen = ImageDraw.Draw(picture)
    color = ACCENT if card.color is None else COLORS[card.color]
    pen.rectangle((0, 0, 24, SIZE[1]), fill=color)
    left = MARGIN
    initials = _drawn(card.initials, 84)
    if initials:
        pen.ellipse((MARGIN, 150, MARGIN + 220, 370), fill=color)
        pen.text((MARGIN + 110, 260), initials[0], font=initials[1], fill="#ffffff", anchor="mm")
        left = MARGIN + 280
    bottom = _paragraph(pen, card.title, left)
    under = _drawn(card.under, 38)
    if under:
        pen.text((left, bottom + 24), _cut(under, SIZE[0] - left - MARGIN), font=under[1], fill=QUIET)
    site = _drawn(card.site, 32)
    if site:
        pen.text((MARGIN, SIZE[1] - 72), _cut(site, SIZE[0] - 2 * MARGIN), font=site[1], fill=ACCENT)
    held = io.BytesIO()
    picture.quantize(64).save(held, "PNG")
    return held.getvalue()


def _paragraph(pen: ImageDraw, text: str, left: int) -> int:
    """Write the title as large as it fits; return where it ends."""
    width = SIZE[0] - left - MARGIN
    for size in range(LARGEST, SMALLEST - 1, -8):
        drawn = _drawn(text, size)
        if drawn is None:
            return 260
        words, font = drawn
        lines = _wrapped(words, font, width)
        if len(lines) <= MOST_LINES and all(font.getlength(line) <= width for line in lines):
            break
    height = int(size * 1.15)
    if len(lines) > MOST_LINES:
        lines[MOST_LINES - 1] += " " + lines[MOST_LINES]  # cut off below, with a sign that it goes on
    lines = [_cut((line, font), width) for line in lines[:MOST_LINES]]
    top = max(100, 260 - height * len(lines) // 2 - 20)
    for number, line in enumerate(lines):
        pen.text((left, top + number * height), line, font=font, fill=INK)
    return top + height * len(lines)


def _wrapped(text: str, font: FreeTypeFont, width: int) -> list[str]:
    """The text in lines; a script without blanks, or a word that is too long, is cut between letters."""
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if font.getlength(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        while len(word) > 1 and font.getlength(word) > width:
            fits = max(1, bisect_right(range(len(word)), width, key=lambda n: int(font.getlength(word[:n]))) - 1)
            lines.append(word[:fits])
            word = word[fits:]
        line = word
    return [*lines, line] if line else lines


def _cut(drawn: tuple[str, FreeTypeFont], width: int) -> str:
    text, font = drawn
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _drawn(text: str, size: int) -> tuple[str, FreeTypeFont] | None:
    """(what can be drawn of the text, the font that draws most of it); None where nothing can."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * MOST_LETTERS]).split())[:MOST_LETTERS]
    best: tuple[str, FreeTypeFont] | None = None
    for font in _fonts(size):
        kept = " ".join("".join(c for c in shown if c == " " or _has(font, c)).split())
        if kept and (best is None or len(kept) > len(best[0])):
            best = kept, font
        if kept == shown:
            break
    return best


@cache
def _fonts(size: int) -> Sequence[FreeTypeFont]:
    from PIL import ImageFont

    own = ImageFont.load_default(size)
    assert isinstance(own, ImageFont.FreeTypeFont)  # Pillow's wheels have FreeType
    found = [own]
    for name in FONTS:
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:  # not on this system
            continue
    return found


@cache
def _missing(font: FreeTypeFont) -> bytes:
    return bytes(font.getmask("\U0010ffff"))


@lru_cache(maxsize=10_000)
def _has(font: FreeTypeFont, letter: str) -> bool:
    """Whether the font has the letter: what it has not, it draws as one and the same box."""
    return bytes(font.getmask(letter)) != _missing(font)
