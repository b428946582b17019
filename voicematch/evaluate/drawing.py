"""Figures as pictures: SVG, drawn in plain text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

SIZE, EDGE = 320, 48  # pixels: of the square that is drawn in, and around it
COLOURS = ("#0b6e99", "#b3541e", "#4b7f3a", "#7a4b9d")


def reliability(points: Sequence[tuple[float, float]], title: str) -> str:
    """How often answers of a probability were right; on the diagonal they are what they say.

    points : (probability, share that was right), both 0 … 1
    """
    inside = [_line([(0.0, 0.0), (1.0, 1.0)], "#999999", dashed=True), _line(points, COLOURS[0])]
    inside += [_dot(x, y, COLOURS[0]) for x, y in points]
    ticks = [(share, f"{share:.0%}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return _drawing(inside, title, "probability given", "share that was right", ticks, ticks)


def open_set(rates: Mapping[str, Sequence[tuple[int, float]]], title: str) -> str:
    """How many of the known are found and named as a library grows.

    rates : by name of a line, (number of profiles, rate 0 … 1)
    """
    counts = sorted({count for line in rates.values() for count, _ in line})
    low, high = math.log10(min(counts)), math.log10(max(counts))
    across = {count: (math.log10(count) - low) / max(high - low, 1e-9) for count in counts}
    inside = []
    for idx, (name, line) in enumerate(rates.items()):
        colour = COLOURS[idx % len(COLOURS)]
        points = [(across[count], rate) for count, rate in line]
        inside += [_line(points, colour), *(_dot(x, y, colour) for x, y in points)]
        inside.append(f'<text x="{EDGE + 8}" y="{EDGE + SIZE - 8 - 16 * idx}" fill="{colour}">{escape(name)}</text>')
    ticks = [(share, f"{share:.0%}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return _drawing(inside, title, "profiles", "named rightly", [(x, f"{n:,}") for n, x in across.items()], ticks)


def _drawing(
    inside: Sequence[str],
    title: str,
    x_name: str,
    y_name: str,
    x_ticks: Sequence[tuple[float, str]],
    y_ticks: Sequence[tuple[float, str]],
) -> str:
    whole = SIZE + 2 * EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {whole}" role="img" '
        f'font-family="sans-serif" font-size="12"><title>{escape(title)}</title>',
        f'<rect width="{whole}" height="{whole}" fill="#ffffff"/>',
        f'<rect x="{EDGE}" y="{EDGE}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#666666"/>',
        f'<text x="{whole / 2:g}" y="{EDGE / 2:g}" text-anchor="middle">{escape(title)}</text>',
        f'<text x="{whole / 2:g}" y="{whole - 8}" text-anchor="middle">{escape(x_name)}</text>',
        f'<text transform="rotate(-90)" x="{-whole / 2:g}" y="12" text-anchor="middle">{escape(y_name)}</text>',
    ]
    for x, name in x_ticks:
        parts.append(f'<text x="{_x(x)}" y="{EDGE + SIZE + 16}" text-anchor="middle">{escape(name)}</text>')
    for y, name in y_ticks:
        parts.append(f'<text x="{EDGE - 4}" y="{_y(y)}" text-anchor="end">{escape(name)}</text>')
    return "\n".join([*parts, *inside, "</svg>"]) + "\n"


def _line(points: Sequence[tuple[float, float]], colour: str, *, dashed: bool = False) -> str:
    path = " ".join(f"{_x(x)},{_y(y)}" for x, y in points)
    dashes = ' stroke-dasharray="4 4"' if dashed else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'


def _dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{_x(x)}" cy="{_y(y)}" r="3" fill="{colour}"/>'


def _x(value: float) -> str:
    return f"{EDGE + SIZE * value:.1f}"


def _y(value: float) -> str:
    return f"{EDGE + SIZE * (1 - value):.1f}"
