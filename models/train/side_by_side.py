"""Makes one ONNX file, and its backend, of two embedders that hear the same sound: two opinions in one vector.

    python models/train/side_by_side.py WORK/train campplus ecapa-small-4 models/campplus-ecapa.onnx

``WORK/train`` is a prepared folder (shows.py). Both networks hear the same features, and their frames are pooled
together, every 20 ms (lighten.py): attentive statistics (Okabe et al. 2018) are of each channel alone, so pooling both
is one pooling of all channels. Each one's vector is made a unit vector, weighted so that ``--share`` of a cosine is the
second's, and put one after the other on as many axes as one alone has: those of most of the sum of squares over the
training people's clips (principal components about zero), so that a cosine loses little. The axes of both backends
serve side by side, too; the three numbers in it are chosen on simulated shows (judge_shows.py). ``fit_engine.py
--keep-backend`` then makes the calibration.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from fit_engine import clip_windows
from lighten import lightened
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from voicematch.engines import diarize
from voicematch.engines.backend import Backend
from voicematch.engines.embed import LEAST_VARIANCE, OnnxEmbedder
from voicematch.engines.features import NUM_BINS
from voicematch.models import files, sessions
from voicematch.models.cut import halves as halves_of
from voicematch.types import Array

Numbers = NDArray[np.float64]
OPSET = 17


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("onnx", type=Path)
    parser.add_argument("--share", type=float, default=0.35, help="of the second in a cosine, 0 to 1")
    parser.add_argument("--alike", type=float, default=0.75, help="the backend's")
    parser.add_argument("--unlike", type=float, default=0.5, help="the backend's")
    parser.add_argument("--apart", type=float, default=0.62, help="the backend's")
    parser.add_argument("--evidence", type=float, default=0.3, help="the backend's")
    chosen = parser.parse_args()
    parts = [OnnxEmbedder(name) for name in (chosen.first, chosen.second)]
    weights = np.sqrt([1 - chosen.share, chosen.share])
    both = np.hstack([w * clip_windows(chosen.work, part)[1] for w, part in zip(weights, parts, strict=True)])
    axes = principal(both, parts[0].dimension)
    model = joined([part.name for part in parts], weights, axes)
    chosen.onnx.write_bytes(model)
    backends = [backend for part in parts if (backend := diarize.kept_backend(part))]
    backend = backend_of(backends, weights, axes)
    backend = replace(backend, alike=chosen.alike, unlike=chosen.unlike, apart=chosen.apart, evidence=chosen.evidence)
    backend.save(chosen.onnx.with_suffix(diarize.BACKEND))
    kept = both @ axes
    cosines = np.abs((both @ both[::97].T) - (kept @ kept[::97].T))
    print(f"{cosines.mean():.4f} of a cosine are lost on {axes.shape[1]} axes, on the mean")
    print(f"sha256 {hashlib.sha256(model).hexdigest()}")


def principal(vectors: Array, number: int) -> Numbers:
    """(dimension, number) orthonormal axes that hold most of the sum of squares of the rows, the most first."""
    values, axes = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors)
    chosen = axes[:, np.argsort(-values)[:number]]
    return chosen * np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(number)])


def backend_of(parts: Sequence[Backend], weights: Numbers, axes: Numbers) -> Backend:
    """Both backends side by side: what is usual for a voice in the one says nothing of the other."""
    sizes = [len(part.mean) for part in parts]
    block = np.zeros((sum(sizes), sum(part.projection.shape[1] for part in parts)))
    block[: sizes[0], : parts[0].projection.shape[1]] = parts[0].projection / weights[0]
    block[sizes[0] :, parts[0].projection.shape[1] :] = parts[1].projection / weights[1]
    mean = np.concatenate([weight * part.mean for weight, part in zip(weights, parts, strict=True)])
    between = np.concatenate([part.between for part in parts])
    order = np.argsort(-between, kind="stable")
    return Backend(mean @ axes, (axes.T @ block)[:, order], between[order])


def joined(names: Sequence[str], weights: Numbers, axes: Numbers) -> bytes:
    """The ONNX file: both fronts, one pooling of all channels, both heads, and one vector of theirs."""
    halves = [cut for name in names if (cut := halves_of(lightened(files.path(name).read_bytes())))]
    fronts = [compose.add_prefix(onnx.load_from_string(one.front), f"{i}/") for i, one in enumerate(halves)]
    heads = [compose.add_prefix(onnx.load_from_string(one.head), f"{i}/head/") for i, one in enumerate(halves)]
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, values: Array) -> str:
        constants.append(numpy_helper.from_array(values, name))
        return name

    def add(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    for front in fronts:
        (given,) = front.graph.input
        add("Identity", ["features"], given.name)
        nodes += front.graph.node
        constants += front.graph.initializer
    frames = add("Concat", [front.graph.output[0].name for front in fronts], "frames", axis=1)
    logarithms = add("Concat", [front.graph.output[1].name for front in fronts], "weights", axis=1)
    last = constant("last", np.array([2], np.int64))
    share = add("Softmax", [logarithms], "share", axis=2)
    mean = add("ReduceSum", [add("Mul", [share, frames], "weighted"), last], "mean")
    away = add("Sub", [frames, mean], "away")
    square = add("Mul", [add("Mul", [away, away], "square"), share], "weighted square")
    variance = add("ReduceSum", [square, last], "variance")
    least = constant("least variance", np.array(LEAST_VARIANCE, np.float32))
    deviation = add("Sqrt", [add("Max", [variance, least], "enough variance")], "deviation")
    statistics = add("Concat", [mean, deviation], "statistics", axis=1)

    channels = [_num_channels(one.front) for one in halves]
    sizes = constant("sizes", np.array(channels + channels, np.int64))
    pieces = ["0/mean", "1/mean", "0/deviation", "1/deviation"]
    nodes.append(helper.make_node("Split", [statistics, sizes], pieces, "pieces", axis=1))
    vectors = []
    for number, head in enumerate(heads):
        (given,), (made,) = head.graph.input, head.graph.output
        add("Concat", [f"{number}/mean", f"{number}/deviation"], given.name, axis=1)
        nodes += head.graph.node
        constants += head.graph.initializer
        length = add("ReduceL2", [made.name], f"{number}/length", axes=[1], keepdims=1)
        unit = add("Div", [made.name, length], f"{number}/unit")
        weight = constant(f"{number}/weight", np.array(weights[number], np.float32))
        vectors.append(add("Mul", [unit, weight], f"{number}/vector"))
    both = add("Concat", vectors, "both", axis=1)
    turned = add("Conv", [both, constant("axes", axes.T[:, :, None].astype(np.float32))], "turned")
    add("Squeeze", [turned, last], "embedding")
    graph = helper.make_graph(
        nodes,
        "side by side",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", "frames", NUM_BINS])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", axes.shape[1]])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _num_channels(front: bytes) -> int:
    session = sessions.runtime().InferenceSession(front)
    frames, _ = session.run(None, {session.get_inputs()[0].name: np.zeros((1, 100, NUM_BINS), np.float32)})
    return int(frames.shape[1])


if __name__ == "__main__":
    main()
