"""The segmentation network in training: it goes on from an exported file, and what it says does not depend on names."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import NEEDS_TORCH

if importlib.util.find_spec("torch") is None or importlib.util.find_spec("onnx") is None:
    pytest.skip(NEEDS_TORCH, allow_module_level=True)

import torch

RECIPE = Path(__file__).resolve().parents[2] / "models" / "train"
sys.path.insert(0, str(RECIPE))  # its files import each other by their own names, as scripts do

from segmentation import Segmentation, begin, loss, permuted_classes  # noqa: E402
from segmentation_train import export  # noqa: E402

from voicematch.engines.speech import DEFAULT_SPEECH  # noqa: E402
from voicematch.models import files, sessions  # noqa: E402
from voicematch.types import Array  # noqa: E402


@pytest.fixture
def rows() -> Array:
    """Bands that come and go, and a little noise."""
    rng = np.random.default_rng(0)
    swell = 4 * np.sin(np.arange(400)[:, None] / 40 + np.arange(80) / 9)
    return np.asarray((swell + rng.normal(-4, 1, (3, 400, 80))), np.float32)


def said(network: Segmentation, rows: Array) -> Array:
    with torch.inference_mode():
        return np.asarray(network.eval()(torch.from_numpy(rows)).exp().numpy(), np.float32)


def exported(file: Path, rows: Array) -> Array:
    session = sessions.runtime().InferenceSession(file.read_bytes())
    return np.asarray(session.run(None, {"features": rows})[0])


def test_it_goes_on_from_the_file_that_ships(rows: Array) -> None:
    network = Segmentation()
    begin(network, files.path(DEFAULT_SPEECH))
    assert np.abs(said(network, rows) - exported(files.path(DEFAULT_SPEECH), rows)).mean() < 0.03  # int8 and float32


@pytest.mark.filterwarnings("ignore")  # of torch, about its own exporter
def test_it_goes_on_from_what_it_was_exported_as(rows: Array, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Segmentation()
    average = torch.optim.swa_utils.AveragedModel(network)
    torch.save({"average": average.state_dict(), "step": 7}, tmp_path / "last.pt")
    export(tmp_path / "last.pt", tmp_path / "float.onnx")
    assert np.allclose(exported(tmp_path / "float.onnx", rows), said(network, rows), atol=1e-5)
    again = Segmentation()
    begin(again, tmp_path / "float.onnx")
    assert np.allclose(said(again, rows), said(network, rows), atol=1e-5)


def test_the_loss_does_not_ask_who_is_called_first() -> None:
    heard = torch.log_softmax(torch.randn(2, 50, 7, generator=torch.Generator().manual_seed(0)), dim=-1)
    table = permuted_classes()
    targets = torch.eye(7)[torch.arange(100).view(2, 50) % 7]
    costs = [loss(heard, targets[..., renamed], table, 0.5).item() for renamed in table]
    assert costs == pytest.approx([costs[0]] * 6)
