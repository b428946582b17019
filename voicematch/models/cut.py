"""Cuts an ONNX model of a voice in two where its pooling begins: frames of sound, and any span of them to a vector.

An ECAPA-TDNN (and what else ends in attentive statistics pooling) turns sound into frames by convolutions, which is
nearly all of its work, and pools the frames of a window with weights from a softmax over time. The tensor that the
weights are multiplied with is where the network is cut, whatever it is called. A graph is a list of nodes in
protobuf's wire format (onnx.proto3; protobuf.dev/programming-guides/encoding), so parting it copies bytes and needs
no library.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .wire import BYTES, VARINT, Field, fields, varint, written

# Field numbers of onnx.proto3
MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_VALUE_INFO = 1, 5, 11, 12, 13
NODE_INPUT, NODE_OUTPUT, NODE_TYPE = 1, 2, 4
TENSOR_NAME, VALUE_NAME = 8, 1
FLOAT = 1  # TensorProto.DataType


@dataclass(frozen=True, slots=True)
class Halves:
    """The two models, as ONNX files have them.

    front : features (batch, num_frames, num_bins) → frames (batch, channels, num_frames), and how much each of them
        counts, the logarithms of their weights, of the same shape
    head : weighted mean and deviation of the frames of spans (1, 2 * channels, num_spans) → vectors (1, dimension,
        num_spans), what the whole model gives of one span at a time
    """

    front: bytes
    head: bytes


@dataclass(frozen=True, slots=True)
class _Node:
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    field: Field


@dataclass(frozen=True, slots=True)
class _Cut:
    """Names of tensors: what is pooled, with which weights (before the softmax), and what comes of it."""

    frames: str
    weights: str
    statistics: str


def halves(model: bytes) -> Halves | None:
    """Cut the model where its pooling begins; None when it has no such place, or is not whole."""
    try:
        outside = list(fields(model))
        (graph,) = (value for number, _, value in outside if number == MODEL_GRAPH)
        inside = list(fields(graph))
        nodes = [_node(field) for field in inside if field[0] == GRAPH_NODE]
        constants = {_name(value, TENSOR_NAME) for number, _, value in inside if number == GRAPH_INITIALIZER}
        (target,) = (_name(value, VALUE_NAME) for number, _, value in inside if number == GRAPH_OUTPUT)
    except (ValueError, IndexError):
        return None
    ends = [node for node in nodes if node.kind == "Squeeze" and node.outputs == (target,)]
    if not ends:  # a head that is no convolution over spans
        return None
    target = ends[0].inputs[0]
    for cut in _places(nodes):
        front, head = _needed(nodes, (cut.frames, cut.weights), ()), _needed(nodes, (target,), (cut.statistics,))
        made = {name for node in head for name in node.outputs}
        foreign = {name for node in head for name in node.inputs} - made - constants - {cut.statistics, ""}
        if front and head and not foreign:
            return Halves(
                _part(outside, inside, front, {GRAPH_OUTPUT: (cut.frames, cut.weights)}),
                _part(outside, inside, head, {GRAPH_INPUT: (cut.statistics,), GRAPH_OUTPUT: (target,)}),
            )
    return None


def is_model(content: bytes) -> bool:
    """Return whether this is a whole ONNX file, as far as its fields tell."""
    try:
        return MODEL_GRAPH in [number for number, _, _ in fields(content)]
    except (ValueError, IndexError):
        return False


def _places(nodes: Sequence[_Node]) -> Iterator[_Cut]:
    """Where softmax(weights) * frames is summed and put before a second statistic; the last softmax first."""
    users: dict[str, list[_Node]] = {}
    for node in nodes:
        for name in node.inputs:
            users.setdefault(name, []).append(node)
    for softmax in (node for node in reversed(nodes) if node.kind == "Softmax"):
        (share,) = softmax.outputs
        for product in (node for node in users.get(share, ()) if node.kind == "Mul"):
            others = [name for name in product.inputs if name != share]
            sums = [node for node in users.get(product.outputs[0], ()) if node.kind == "ReduceSum"]
            joined = [node for one in sums for node in users.get(one.outputs[0], ()) if node.kind == "Concat"]
            for both in joined:
                if others and len(both.inputs) == 2 and both.inputs[0] == sums[0].outputs[0]:
                    yield _Cut(others[0], softmax.inputs[0], both.outputs[0])


def _needed(nodes: Sequence[_Node], targets: Iterable[str], given: Iterable[str]) -> list[_Node]:
    """The nodes that make the targets, in their order, without those behind what is given."""
    kept: list[_Node] = []
    wanted, known = set(targets), set(given)
    for node in reversed(nodes):
        if any(name in wanted and name not in known for name in node.outputs):
            kept.append(node)
            wanted.update(node.inputs)
    return kept[::-1]


def _part(
    outside: Sequence[Field], inside: Sequence[Field], nodes: Sequence[_Node], ends: Mapping[int, Sequence[str]]
) -> bytes:
    """The model with these nodes alone.

    ends : the tensors that are now the graph's inputs or outputs, by the number of that field
    """
    used = {name for node in nodes for name in node.inputs}
    graph = [written(node.field) for node in nodes]
    for field in inside:
        number, _, value = field
        is_unused = number == GRAPH_INITIALIZER and _name(value, TENSOR_NAME) not in used
        if number not in (GRAPH_NODE, GRAPH_VALUE_INFO, *ends) and not is_unused:
            graph.append(written(field))
    graph += [written((number, BYTES, _value(name))) for number, names in ends.items() for name in names]
    whole = b"".join(graph)
    return b"".join(
        written((number, kind, whole if number == MODEL_GRAPH else value)) for number, kind, value in outside
    )


def _node(field: Field) -> _Node:
    inputs: list[str] = []
    outputs: list[str] = []
    kind = ""
    for number, _, value in fields(field[2]):
        if number == NODE_INPUT:
            inputs.append(value.decode())
        elif number == NODE_OUTPUT:
            outputs.append(value.decode())
        elif number == NODE_TYPE:
            kind = value.decode()
    return _Node(kind, tuple(inputs), tuple(outputs), field)


def _name(message: bytes, number: int) -> str:
    """The string in that field of a message."""
    return next((value.decode() for tag, _, value in fields(message) if tag == number), "")


def _value(name: str) -> bytes:
    """A ValueInfoProto: that name, a tensor of floats of any shape of three dimensions."""
    names = (b"batch", b"channels", b"frames")
    dimensions = b"".join(written((1, BYTES, written((2, BYTES, part)))) for part in names)
    tensor = written((1, VARINT, varint(FLOAT))) + written((2, BYTES, dimensions))
    return written((1, BYTES, name.encode())) + written((2, BYTES, written((1, BYTES, tensor))))
