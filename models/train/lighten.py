"""Takes work out of an embedder's int8 file that hardly changes what it says, and writes it anew.

    python models/train/lighten.py models/campplus-ecapa.onnx

Two things, and what has them already stays as it is. A convolution's output is not made int8 twice where a ReLU stands
between it and the next one: the second range begins at zero, so it does what the ReLU did, and rounds once where it was
rounded twice. And what is pooled comes every 20 ms, not every 10: CAM++ has no more (campplus.py gives each of its
frames twice), and an ECAPA-TDNN's last convolution before the pooling runs at every second frame.
"""

from __future__ import annotations

import voicematch  # noqa: F401  # isort: skip  # before onnxruntime, which it keeps from reporting

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import GraphProto, NodeProto, helper, numpy_helper

from voicematch.engines.features import NUM_BINS
from voicematch.models import cut

NUM_ROWS = 200  # of 10 ms, to see how many frames there are to each
ELEMENTWISE = ("Relu", "BatchNormalization", "QuantizeLinear", "DequantizeLinear", "Identity")
TWICE = ("Slice", "Reshape", "Expand", "Unsqueeze")  # how frames are given twice, from the last to the first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("onnx", type=Path, nargs="+")
    for file in parser.parse_args().onnx:
        light = lightened(file.read_bytes())
        file.write_bytes(light)
        print(f"{file.name}: sha256 {hashlib.sha256(light).hexdigest()}")


def lightened(content: bytes) -> bytes:
    """The model with half of the frames to pool, and with no number rounded twice."""
    halves = cut.halves(content)
    if halves is None:
        raise ValueError("no pooling of statistics in this model")
    pooled = onnx.load_from_string(halves.front).graph.output[0].name
    model = onnx.load_from_string(content)
    _round_once(model.graph)
    if _num_frames(halves.front) == NUM_ROWS:
        _every_second(model.graph, pooled)
    _drop_unused(model.graph)
    onnx.checker.check_model(model)
    light: bytes = model.SerializeToString()
    return light


def _num_frames(front: bytes) -> int:
    session = onnxruntime.InferenceSession(front)
    frames, _ = session.run(None, {session.get_inputs()[0].name: np.zeros((1, NUM_ROWS, NUM_BINS), np.float32)})
    return int(frames.shape[2])


def _round_once(graph: GraphProto) -> None:
    """Conv, quantised, ReLU, quantised from zero on: without what is between the first and the last."""
    constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    users, makers = _users(graph), _makers(graph)
    for node in list(graph.node):
        conv = makers.get(node.input[0]) if node.op_type == "QuantizeLinear" else None
        if conv is None or conv.op_type != "Conv" or len(users[conv.output[0]]) != 1:
            continue
        chain = list(_only_users(users, node))[:3]
        kinds = [one.op_type for one in chain]
        if kinds == ["DequantizeLinear", "Relu", "QuantizeLinear"] and not constants[chain[2].input[2]].any():
            chain[2].input[0] = conv.output[0]
        elif kinds[:2] == ["DequantizeLinear", "Relu"]:
            scale, zero = (constants[name] for name in node.input[1:])
            positive = (np.iinfo(zero.dtype).max - zero.astype(np.float32)) / np.iinfo(zero.dtype).max
            range_of = [f"{node.output[0]} scale", f"{node.output[0]} zero"]
            values = [scale * positive.astype(np.float32), np.zeros_like(zero)]
            graph.initializer.extend(map(numpy_helper.from_array, values, range_of))
            node.input[1:] = chain[0].input[1:] = range_of
            for user in users[chain[1].output[0]]:
                user.input[:] = [chain[0].output[0] if name == chain[1].output[0] else name for name in user.input]


def _every_second(graph: GraphProto, pooled: str) -> None:
    """The frames that are pooled, of each network that is in the model, every 20 ms."""
    makers = _makers(graph)
    joined = makers[pooled]
    for frames in joined.input if joined.op_type == "Concat" else [pooled]:
        node, chain = makers[frames], []
        while node.op_type in TWICE:
            chain.append(node.op_type)
            node = makers[node.input[0]]
        if tuple(chain) == TWICE:
            for user in graph.node:
                for place, name in enumerate(user.input):
                    if name == frames:
                        user.input[place] = node.output[0]
            continue
        while node.op_type in ELEMENTWISE:
            node = makers[node.input[0]]
        sizes = {one.name: list(one.ints) for one in node.attribute}
        if node.op_type != "Conv" or sizes.get("kernel_shape") != [1] or sizes.get("strides", [1]) != [1]:
            raise ValueError(f"{frames} does not come of a convolution of single frames")
        kept = [one for one in node.attribute if one.name != "strides"]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute("strides", [2])])


def _drop_unused(graph: GraphProto) -> None:
    used = {one.name for one in graph.output}
    nodes = []
    for node in reversed(graph.node):
        if used.intersection(node.output):
            nodes.append(node)
            used.update(node.input)
    constants = [one for one in graph.initializer if one.name in used]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes[::-1])
    graph.initializer.extend(constants)


def _users(graph: GraphProto) -> dict[str, list[NodeProto]]:
    users: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    return users


def _makers(graph: GraphProto) -> dict[str, NodeProto]:
    return {name: node for node in graph.node for name in node.output}


def _only_users(users: dict[str, list[NodeProto]], node: NodeProto) -> Iterator[NodeProto]:
    while len(of_node := users.get(node.output[0], [])) == 1:
        (node,) = of_node
        yield node


if __name__ == "__main__":
    main()
