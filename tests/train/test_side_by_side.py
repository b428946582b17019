"""Two embedders in one file: their cosines in their shares, pooled like any other."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

if importlib.util.find_spec("onnx") is None:
    pytest.skip("needs the recipes' packages: pip install '.[train]'", allow_module_level=True)

RECIPE = Path(__file__).resolve().parents[2] / "models" / "train"
sys.path.insert(0, str(RECIPE))  # its files import each other by their own names, as scripts do

import side_by_side  # noqa: E402
from lighten import lightened  # noqa: E402

from voicematch.engines.diarize import kept_backend  # noqa: E402
from voicematch.engines.embed import OnnxEmbedder  # noqa: E402
from voicematch.models import files  # noqa: E402
from voicematch.types import Array  # noqa: E402

NAMES = ("ecapa-small-4", "campplus")
SPANS = np.array([[0, 30], [10, 70], [40, 80]])


@pytest.fixture(scope="module")
def rows() -> Array:
    return np.random.default_rng(0).normal(-5, 3, (400, 80)).astype(np.float32)


def test_a_cosine_is_the_share_of_each(tmp_path: Path, rows: Array) -> None:
    weights = np.sqrt([0.75, 0.25])
    file = tmp_path / "both.onnx"
    file.write_bytes(side_by_side.joined(NAMES, weights, np.eye(384)))
    file.with_suffix(".json").write_text('{"dimension": 384, "front_end": "kaldi", "min_speech": 0.5}')
    both = OnnxEmbedder(str(file))
    assert both.can_pool
    found = both.pool(rows, 0, len(rows), SPANS)
    parts = [_light(name, tmp_path).pool(rows, 0, len(rows), SPANS) for name in NAMES]
    np.testing.assert_allclose(found @ found.T, 0.75 * parts[0] @ parts[0].T + 0.25 * parts[1] @ parts[1].T, atol=1e-4)
    np.testing.assert_allclose(found[:, :192], weights[0] * parts[0], atol=1e-4)


def _light(name: str, folder: Path) -> OnnxEmbedder:
    file = folder / f"{name}.onnx"
    file.write_bytes(lightened(files.path(name).read_bytes()))
    file.with_suffix(".json").write_text('{"dimension": 192, "front_end": "kaldi", "min_speech": 0.5}')
    return OnnxEmbedder(str(file))


def test_the_axes_hold_most_of_what_there_is_and_are_square_to_each_other() -> None:
    vectors = np.random.default_rng(1).normal(0, [3.0, 0.1, 2.0, 1.0], (500, 4)).astype(np.float32)
    axes = side_by_side.principal(vectors, 2)
    np.testing.assert_allclose(axes.T @ axes, np.eye(2), atol=1e-9)
    np.testing.assert_allclose(np.abs(axes[[0, 2], [0, 1]]), 1, atol=0.02)


def test_the_backends_serve_side_by_side() -> None:
    """With all axes kept, a vector of both has the one's coordinates and the other's, the widest first."""
    weights = np.sqrt([0.5, 0.5])
    parts = [backend for name in NAMES if (backend := kept_backend(OnnxEmbedder(name)))]
    both = side_by_side.backend_of(parts, weights, np.eye(384))
    vectors = np.random.default_rng(2).normal(0, 1, (3, 384))
    found = (vectors - both.mean) @ both.projection
    first = (vectors[:, :192] / weights[0] - parts[0].mean) @ parts[0].projection
    second = (vectors[:, 192:] / weights[1] - parts[1].mean) @ parts[1].projection
    np.testing.assert_allclose(np.sort(found), np.sort(np.hstack([first, second])), atol=1e-6)
    assert (np.diff(both.between) <= 0).all()
