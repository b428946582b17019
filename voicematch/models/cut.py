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

# Field numbers of onnx.proto3
MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_VALUE_INFO = 1, 5, 11, 12, 13
NODE_INPUT, NODE_OUTPUT, NODE_TYPE = 1, 2, 4
TENSOR_NAME, VALUE_NAME = 8, 1
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
FLOAT = 1  # TensorProto.DataType

Field = tuple[int, int, bytes]
"""Number, wire type, and the bytes of the value: those of a varint as they are, of a string without its length."""


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
        fields = list(_fields(model))
        (graph,) = (value for number, _, value in fields if number == MODEL_GRAPH)
        inside = list(_fields(graph))
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
                _part(fields, inside, front, {GRAPH_OUTPUT: (cut.frames, cut.weights)}),
                _part(fields, inside, head, {GRAPH_INPUT: (cut.statistics,), GRAPH_OUTPUT: (target,)}),
            )
    return None


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
    fields: Sequence[Field], inside: Sequence[Field], nodes: Sequence[_Node], ends: Mapping[int, Sequence[str]]
) -> bytes:
    """The model with these nodes alone.

    ends : the tensors that are now the graph's inputs or outputs, by the number of that field
    """
    used = {name for node in nodes for name in node.inputs}
    graph = [_written(node.field) for node in nodes]
    for field in inside:
        number, _, value = field
        is_unused = number == GRAPH_INITIALIZER and _name(value, TENSOR_NAME) not in used
        if number not in (GRAPH_NODE, GRAPH_VALUE_INFO, *ends) and not is_unused:
            graph.append(_written(field))
    graph += [_written((number, BYTES, _value(name))) for number, names in ends.items() for name in names]
    whole = b"".join(graph)
    return b"".join(
        _written((number, kind, whole if number == MODEL_GRAPH else value)) for number, kind, value in fields
    )


def _node(field: Field) -> _Node:
    inputs: list[str] = []
    outputs: list[str] = []
    kind = ""
    for number, _, value in _fields(field[2]):
        if number == NODE_INPUT:
            inputs.append(value.decode())
        elif number == NODE_OUTPUT:
            outputs.append(value.decode())
        elif number == NODE_TYPE:
            kind = value.decode()
    return _Node(kind, tuple(inputs), tuple(outputs), field)


def _name(message: bytes, number: int) -> str:
    """The string in that field of a message."""
    return next((value.decode() for found, _, value in _fields(message) if found == number), "")


def _value(name: str) -> bytes:
    """A ValueInfoProto: that name, a tensor of floats of any shape of three dimensions."""
    names = (b"batch", b"channels", b"frames")
    dimensions = b"".join(_written((1, BYTES, _written((2, BYTES, part)))) for part in names)
    tensor = _written((1, VARINT, _varint(FLOAT))) + _written((2, BYTES, dimensions))
    return _written((1, BYTES, name.encode())) + _written((2, BYTES, _written((1, BYTES, tensor))))


def _fields(message: bytes) -> Iterator[Field]:
    """The fields of a message in order. Raises ValueError or IndexError when it ends too early."""
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            _, end = _read_varint(message, position)
        elif kind in (FIXED64, FIXED32):
            end = position + (8 if kind == FIXED64 else 4)
        elif kind == BYTES:
            length, position = _read_varint(message, position)
            end = position + length
        else:
            raise ValueError(f"no such wire type: {kind}")
        if end > len(message):
            raise ValueError("a field reaches past the end")
        yield number, kind, message[position:end]
        position = end


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _varint(value: int) -> bytes:
    """Seven bits to a byte, the lowest first.

    >>> _varint(300).hex()
    'ac02'
    """
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _written(field: Field) -> bytes:
    number, kind, value = field
    return _varint(number << 3 | kind) + (_varint(len(value)) if kind == BYTES else b"") + value
