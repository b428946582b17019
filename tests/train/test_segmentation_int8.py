"""The segmentation model with less work: nearly the same answers."""

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

import onnx  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from segmentation_int8 import quantise, windows_of  # noqa: E402

from voicematch.engines.speech import SegmentationDetector  # noqa: E402
from voicematch.models import files, sessions  # noqa: E402
from voicematch.types import Array  # noqa: E402

CHANNELS = 8


def small(path: Path) -> Path:
    """A convolution and an LSTM over filterbanks, in float32."""
    rng = np.random.default_rng(0)
    shapes = {"kernel": (CHANNELS, 80, 3), "w": (1, 4 * CHANNELS, CHANNELS), "r": (1, 4 * CHANNELS, CHANNELS)}
    weights = [
        numpy_helper.from_array(rng.normal(0, 0.2, shape).astype(np.float32), name) for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Transpose", ["features"], ["bins"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["bins", "kernel"], ["heard"], pads=[1, 1], name="conv"),
        helper.make_node("Transpose", ["heard"], ["frames"], perm=[2, 0, 1]),
        helper.make_node("LSTM", ["frames", "w", "r"], ["told"], hidden_size=CHANNELS, name="lstm"),
    ]
    source = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", "frames", 80])
    target = helper.make_tensor_value_info("told", TensorProto.FLOAT, ["frames", 1, "batch", CHANNELS])
    graph = helper.make_graph(nodes, "small", [source], [target], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def told(model: bytes, rows: Array) -> Array:
    session = sessions.runtime().InferenceSession(model)
    return np.asarray(session.run(None, {"features": rows})[0])


def test_convolutions_and_lstm_are_in_int8_and_say_nearly_the_same(tmp_path: Path) -> None:
    source, target = small(tmp_path / "float.onnx"), tmp_path / "int8.onnx"
    rows = np.random.default_rng(1).normal(0, 1, (4, 40, 80)).astype(np.float32)
    quantise(source, target, iter(rows))
    kinds = [node.op_type for node in onnx.load(target).graph.node]
    assert "DynamicQuantizeLSTM" in kinds
    assert "QuantizeLinear" in kinds
    assert "LSTM" not in kinds
    before, after = told(source.read_bytes(), rows), told(target.read_bytes(), rows)
    assert 0 < np.abs(before - after).mean() < 0.02 * np.abs(before).mean() + 0.01


def test_the_file_that_ships_has_been_through_it() -> None:
    kinds = [node.op_type for node in onnx.load(files.path("segmentation-small")).graph.node]
    assert kinds.count("DynamicQuantizeLSTM") == 2
    assert "LSTM" not in kinds


def test_windows_are_those_of_shows(tmp_path: Path) -> None:
    (tmp_path / "shows").mkdir()
    with pytest.raises(ValueError, match="no shows in"):
        next(windows_of(tmp_path))
    np.savez(tmp_path / "shows" / "0000.npz", rows=np.zeros((2_000, 80), np.float16))
    (window,) = windows_of(tmp_path)
    assert window.shape == (SegmentationDetector.WINDOW, 80)
    assert window.dtype == np.float32
