"""The stylesheet keeps what it says of its colours: apart for everybody, and legible."""

from __future__ import annotations

import itertools
import re

import numpy as np
import numpy.typing as npt
import pytest

from voicematch.web import rendering, views

STYLE = (rendering.STATIC / "style.css").read_text("utf-8")
LIGHT, DARK = STYLE.split("@media (prefers-color-scheme: dark)")[:2]

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB
SIGHT = {
    "common": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]]
    ),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])  # of sRGB, D65
WHITE = np.array([0.9505, 1.0, 1.089])
Colour = npt.NDArray[np.float64]


def linear(code: str) -> Colour:
    """(3,) linear RGB, 0 … 1, of ``#rrggbb``."""
    values = np.array([int(code[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: Colour) -> Colour:
    """(3,) CIE L*a*b* of linear RGB."""
    relative = XYZ @ np.clip(rgb, 0, 1) / WHITE
    x, y, z = np.where(relative > 0.008856, np.cbrt(relative), 7.787 * relative + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    """WCAG 2: 1 … 21."""
    low, high = sorted(float(XYZ[1] @ linear(code)) for code in (one, other))
    return (high + 0.05) / (low + 0.05)


def colour(style: str, name: str) -> str:
    found = re.search(rf"--{name}: (#[0-9a-f]{{6}});", style)
    assert found, name
    return found[1]


def test_contrast_is_as_defined() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert lab(linear("#ffffff")) == pytest.approx([100.0, 0.0, 0.0], abs=0.01)


@pytest.mark.parametrize("style", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("sight", "least"), [("common", 40.0), ("protan", 20.0), ("deutan", 20.0), ("tritan", 20.0)])
def test_voices_are_told_apart(style: str, sight: str, least: float) -> None:
    seen = [lab(SIGHT[sight] @ linear(colour(style, f"c{idx}"))) for idx in range(views.NUM_COLORS)]
    assert min(float(np.linalg.norm(one - other)) for one, other in itertools.combinations(seen, 2)) > least


@pytest.mark.parametrize("style", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_are_legible_where_they_stand(style: str) -> None:
    for ground in ("paper", "card", "sunk"):
        for text in ("ink", "quiet", "accent", "bad"):
            assert contrast(colour(style, text), colour(style, ground)) >= 4.5, (text, ground)  # WCAG 1.4.3
    for idx in range(views.NUM_COLORS):
        assert contrast(colour(style, f"c{idx}"), colour(style, "sunk")) >= 3.0  # WCAG 1.4.11
    assert contrast(colour(style, "accent-ink"), colour(style, "accent")) >= 4.5
    assert contrast(colour(style, "edge"), colour(style, "card")) >= 3.0
