"""The same vectors with less work."""

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

from lighten import lightened  # noqa: E402

from voicematch.models import cut, files, sessions  # noqa: E402
from voicematch.types import Array  # noqa: E402


def front_of(model: bytes) -> list[Array]:
    halves = cut.halves(model)
    assert halves
    session = sessions.runtime().InferenceSession(halves.front)
    rows = np.random.default_rng(0).normal(0, 2, (1, 301, 80)).astype(np.float32)
    found: list[Array] = session.run(None, {session.get_inputs()[0].name: rows})
    return found


def test_every_second_frame_is_heard_and_no_number_is_rounded_twice() -> None:
    heavy = files.path("ecapa-small-4").read_bytes()
    light = lightened(heavy)
    assert light.count(b"Relu") < heavy.count(b"Relu")
    (frames, _), (few, weights) = front_of(heavy), front_of(light)
    assert few.shape == weights.shape == (1, frames.shape[1], 151)
    one, other = frames[0, :, ::2].ravel(), few[0].ravel()
    assert one @ other > 0.98 * np.linalg.norm(one) * np.linalg.norm(other)


@pytest.mark.parametrize("name", ["campplus", "campplus-ecapa", "campplus-2"])
def test_what_is_light_stays_as_it_is(name: str) -> None:
    """So the files that ship have been through it."""
    model = files.path(name).read_bytes()
    assert lightened(model) == model


def test_a_model_that_pools_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no pooling"):
        lightened(files.path("segmentation-small").read_bytes())
