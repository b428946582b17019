"""Cutting an embedder where its pooling begins, in the shipped file and in what is none."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from voicematch.models import files
from voicematch.models.cut import Halves, halves

WHOLE = files.path("ecapa-small-4").read_bytes()
CAMPPLUS = files.path("campplus").read_bytes()
BOTH = files.path("campplus-ecapa").read_bytes()
ROWS = np.random.default_rng(0).normal(0, 1, (1, 150, 80)).astype(np.float32)


def run(model: bytes, given: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()
    return list(session.run(None, {source.name: given}))


def pooled(cut: Halves) -> np.ndarray:
    """What both halves make of all rows, with the softmax and the statistics between them written out."""
    frames, weights = (table.astype(np.float64) for table in run(cut.front, ROWS))
    share = np.exp(weights) / np.exp(weights).sum(axis=2, keepdims=True)
    mean = (share * frames).sum(axis=2)
    deviation = np.sqrt((share * (frames - mean[..., None]) ** 2).sum(axis=2))
    statistics = np.concatenate([mean, deviation], axis=1).astype(np.float32)
    (vectors,) = run(cut.head, statistics[:, :, None])
    return vectors[:, :, 0]


RENAMED = WHOLE.replace(b"/asp/", b"/xyz/").replace(b"/mfa/", b"/uvw/")


@pytest.mark.parametrize(
    "model", [WHOLE, RENAMED, CAMPPLUS, BOTH], ids=["as it is", "with other names", "no attention", "two at once"]
)
def test_both_halves_make_what_the_whole_makes(model: bytes) -> None:
    cut = halves(model)
    assert cut is not None
    (vector,) = run(model, ROWS)
    (found,) = pooled(cut)
    assert float(found @ vector[0] / np.linalg.norm(found) / np.linalg.norm(vector)) > 0.9999


def test_a_network_that_pools_in_no_such_way_is_left_whole() -> None:
    assert halves(files.path("segmentation-small").read_bytes()) is None


@pytest.mark.parametrize("model", [b"", b"no model", WHOLE[:1000], WHOLE[:-1]])
def test_what_is_no_model_is_not_cut(model: bytes) -> None:
    assert halves(model) is None
