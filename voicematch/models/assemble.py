"""SpeechBrain's ECAPA-TDNN out of its checkpoint, as ONNX: the graph comes with voicematch, the weights do not.

What ships are graphs that name their weights and hold none, and what the network says of a few features. Put together,
it has to say the same; the graph for weights of 8 bits has to say nearly the same, and is kept in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError
from ..types import Array
from . import files, sessions
from .checkpoint import read_tensors
from .wire import BYTES, fields, number_of, written

GRAPH, SMALL_GRAPH, REFERENCE = (
    "speechbrain.graph.onnx",
    "speechbrain.int8.graph.onnx",
    "speechbrain.reference.npz",
)
MOST_APART = 1e-4  # of the largest number of a vector
LEAST_ALIKE = 0.98  # cosine of a vector out of weights of 8 bits to the one it should be
WEIGHT_BITS = 7  # of 8: processors without VNNI add up two products in 16 bits, which would overflow
BIAS_ENDINGS = (".bias_quantized", ".bias_quantized_scale")
SOURCE_SCALE = ".source_scale"  # after a layer's name: what one step of what it hears is worth

# Field numbers of onnx.proto3
MODEL_GRAPH, GRAPH_INITIALIZER = 7, 5
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW = 1, 2, 8, 9
TYPES: dict[int, np.dtype[Any]] = {
    number: np.dtype(kind) for number, kind in ((1, "<f4"), (2, "u1"), (3, "i1"), (6, "<i4"), (7, "<i8"))
}


def reference_features() -> Array:
    """(4, 160, 80) features that the shipped vectors are of: any numbers do, if they are the same everywhere."""
    steps = np.arange(4 * 160 * 80, dtype=np.float64).reshape(4, 160, 80)
    rows = 12 * np.sin(steps * 0.7391) + 8 * np.cos(steps * steps * 1e-4)
    return np.asarray(rows - rows.mean(axis=1, keepdims=True), np.float32)


def assemble(checkpoint: Path, target: Path, *, folder: Path | None = None) -> None:
    """Write the network with the checkpoint's weights to ``target``, in 8 bits where that says the same.

    folder : where the graphs and the vectors to compare with are; default what came with voicematch

    Raises ModelError when the checkpoint is not one of this network, or what comes of it answers otherwise; nothing
    is written then.
    """
    tensors = read_tensors(checkpoint)
    graph, small, reference = (
        (folder / name) if folder else files.shipped(name) for name in (GRAPH, SMALL_GRAPH, REFERENCE)
    )
    with np.load(reference) as kept:
        expected: Array = kept["embedding"]
    model = filled(graph, tensors, checkpoint)
    found = _vectors(model)
    apart = float(np.abs(found - expected).max() / np.abs(expected).max())
    if not apart <= MOST_APART:
        raise ModelError(f"{checkpoint}: its network is {apart:.1g} from the one it should be; nothing was kept")
    in_8_bits = filled(small, tensors, checkpoint)
    answers = _vectors(in_8_bits)
    lengths = np.linalg.norm(answers, axis=1) * np.linalg.norm(found, axis=1)
    alike = float(((answers * found).sum(axis=1) / np.maximum(lengths, 1e-12)).min())
    target.write_bytes(in_8_bits if alike >= LEAST_ALIKE else model)


def filled(graph: Path, tensors: Mapping[str, Array], checkpoint: Path) -> bytes:
    """The model of a graph with its weights in their places. Raises ModelError when some are missing, or misshapen."""
    parts = []
    for number, kind, value in fields(graph.read_bytes()):
        inside = _with_weights(value, tensors, checkpoint) if number == MODEL_GRAPH else value
        parts.append(written((number, kind, inside)))
    return b"".join(parts)


def _with_weights(graph: bytes, tensors: Mapping[str, Array], checkpoint: Path) -> bytes:
    inside = list(fields(graph))
    held = dict(_constant(value) for number, _, value in inside if number == GRAPH_INITIALIZER and _is_whole(value))
    parts = []
    for number, kind, value in inside:
        if number == GRAPH_INITIALIZER and not _is_whole(value):
            name, shape, numbers = _described(value)
            made = weight(name, tensors, held)
            if made is None or made.shape != shape:
                what = "lacks" if made is None else f"has {made.shape} numbers, not {shape}, of"
                raise ModelError(f"{checkpoint}: {what} the weights {name}; it is a checkpoint of another network")
            value = value + written((TENSOR_RAW, BYTES, np.ascontiguousarray(made, numbers).tobytes()))
        parts.append(written((number, kind, value)))
    return b"".join(parts)


def weight(name: str, tensors: Mapping[str, Array], held: Mapping[str, Array]) -> Array | None:
    """A tensor of a graph, made of the checkpoint's; None for one that the graph holds itself.

    held : the constants of the graph, of which the scales of what flows through it are needed

    In 8 bits, ``NAME_quantized`` is the weight over ``NAME_scale``, which suits the largest weight of each channel. A
    bias counts in steps of its weights' times those of what the layer hears, which the graph holds.
    """
    if name.endswith(BIAS_ENDINGS):
        layer = name[: name.rindex(".bias_")]
        own, bias = tensors.get(f"{layer}.weight"), tensors.get(f"{layer}.bias")
        source = held.get(f"{layer}{SOURCE_SCALE}")
        if own is None or bias is None or source is None:
            return None
        scale = _scale(own) * source
        if name.endswith("_scale"):
            return np.asarray(scale, np.float32)
        return np.asarray(np.clip(np.rint(bias / scale), -(2**31), 2**31 - 1), np.int32)
    for ending in ("_quantized", "_scale", "_zero_point"):
        own = tensors.get(name.removesuffix(ending)) if name.endswith(ending) else None
        if own is None or own.ndim != 3:
            continue
        scale = _scale(own)
        if ending == "_scale":
            return scale
        if ending == "_zero_point":
            return np.zeros(len(scale), np.int8)
        most = 2 ** (WEIGHT_BITS - 1)
        return np.asarray(np.clip(np.rint(own / scale[:, None, None]), -most, most), np.int8)
    return tensors.get(name)


def _scale(own: Array) -> Array:
    """(num_channels,) array: what one step of a weight in 8 bits is worth; 1 where a channel has no weights."""
    most = np.abs(own.reshape(len(own), -1)).max(axis=1).astype(np.float64)
    step = 2 * most / 2**WEIGHT_BITS
    return np.asarray(np.where(step < np.finfo(np.float32).tiny, 1.0, step), np.float32)


def _is_whole(tensor: bytes) -> bool:
    return any(number not in (TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME) for number, _, _ in fields(tensor))


def _described(tensor: bytes) -> tuple[str, tuple[int, ...], np.dtype[Any]]:
    """Name, shape and type of a tensor."""
    shape: list[int] = []
    name, numbers = "", TYPES[1]
    for number, kind, value in fields(tensor):
        if number == TENSOR_DIMS:
            shape += [number_of(value)] if kind != BYTES else list(value)
        elif number == TENSOR_TYPE:
            numbers = TYPES[number_of(value)]
        elif number == TENSOR_NAME:
            name = value.decode()
    return name, tuple(shape), numbers


def _constant(tensor: bytes) -> tuple[str, Array]:
    name, shape, numbers = _described(tensor)
    raw = next((value for number, _, value in fields(tensor) if number == TENSOR_RAW), b"")
    return name, np.frombuffer(raw, numbers).reshape(shape) if raw else np.zeros(0, numbers)


def _vectors(model: bytes) -> Array:
    """What a model says of `reference_features`."""
    runtime = sessions.runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = sessions.num_cores()
    options.log_severity_level = 3
    session = runtime.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])
    (vectors,) = session.run(None, {"features": reference_features()})
    return np.asarray(vectors, np.float32)
