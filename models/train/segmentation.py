"""The segmentation network: log-mel rows every 10 ms to who speaks every 20 ms, as a powerset of three local speakers.

Convolutions find speech at 20 ms, bidirectional LSTMs at 40 ms remember who spoke over the whole window, and a last
layer joins the two. The classes are those of Plaquet and Bredin 2023 (arXiv 2310.13025): at most two at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

NUM_BINS = 80
NUM_SPEAKERS = 3
CLASSES = (0b000, 0b001, 0b010, 0b100, 0b011, 0b101, 0b110)  # bit k: local speaker k; nobody comes first
STRIDE = 4  # input frames; a window's length is a multiple
DYNAMIC_RANGE = 15.0  # nats, 65 dB: rows this far below the loudest frame's mean count as silence
SCALE = 0.25  # brings log energies, whose spread is about 4 nats, to unit size


def normalise(features: Tensor) -> Tensor:
    """(batch, frames, 80) log energies to (batch, frames, 160): without the window's level, and without its colour.

    The level of a window cancels exactly, also through the floor, so a whisper looks like a shout.
    """
    floor = features.mean(2).amax(1)[:, None, None] - DYNAMIC_RANGE
    features = torch.maximum(features, floor)
    colour = features.mean(1, keepdim=True)
    level = colour.mean(2, keepdim=True)
    return SCALE * torch.cat([features - colour, features - level], dim=2)


class Block(nn.Module):
    """A dilated convolution that adds to what comes in."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, rows: Tensor) -> Tensor:
        return rows + functional.relu(self.norm(self.conv(rows)))


class Segmentation(nn.Module):
    """(batch, frames, 80) log-mel rows to (batch, frames / 2, 7) log-probabilities of CLASSES."""

    def __init__(self, width: int = 128, hidden: int = 128, layers: int = 2) -> None:
        super().__init__()
        self.first = nn.Conv1d(2 * NUM_BINS, width, 6, stride=2, padding=2)
        self.first_norm = nn.BatchNorm1d(width)
        self.blocks = nn.ModuleList(Block(width, dilation) for dilation in (1, 2, 4))
        self.down = nn.Conv1d(width, width, 4, stride=2, padding=1)
        self.down_norm = nn.BatchNorm1d(width)
        self.lstm = nn.LSTM(width, hidden, layers, bidirectional=True, batch_first=True)
        self.join = nn.Conv1d(width + 2 * hidden, width, 1)
        self.classes = nn.Linear(width, len(CLASSES))

    def forward(self, features: Tensor) -> Tensor:
        rows = normalise(features).transpose(1, 2)
        rows = functional.relu(self.first_norm(self.first(rows)))
        for block in self.blocks:
            rows = block(rows)
        coarse = functional.relu(self.down_norm(self.down(rows))).transpose(1, 2)
        remembered = self.lstm(coarse)[0].transpose(1, 2).repeat_interleave(2, dim=2)
        joined = functional.relu(self.join(torch.cat([rows, remembered], dim=1)))
        return functional.log_softmax(self.classes(joined.transpose(1, 2)).float(), dim=-1)


class Posteriors(nn.Module):
    """The network as it is shipped: probabilities instead of their logarithms."""

    def __init__(self, network: Segmentation) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        return self.network(features).exp()


def begin(network: Segmentation, file: Path) -> None:
    """Take over the weights of an exported network, in float32 or int8.

    The export has folded each normalisation into the convolution before it, so these begin as doing nothing.
    """
    graph = onnx.load(str(file)).graph
    weights = _weights(graph)
    convolutions = [node.input for node in graph.node if node.op_type == "Conv"]
    folded = [(network.first, network.first_norm), *((block.conv, block.norm) for block in network.blocks)]
    folded += [(network.down, network.down_norm)]
    for (_, kernel, bias), (conv, norm) in zip(convolutions, folded, strict=False):
        conv.load_state_dict({"weight": weights[kernel], "bias": weights[bias]})
        norm.running_var.fill_(1 - norm.eps)
    layers = [_layer(weights, node) for node in graph.node if node.op_type.endswith("LSTM")]
    network.lstm.load_state_dict(
        {name.format(at): rows for at, layer in enumerate(layers) for name, rows in layer.items()}
    )
    _, kernel, bias = convolutions[-1]
    network.join.load_state_dict({"weight": weights[kernel], "bias": weights[bias]})
    last = next(node.input[1] for node in graph.node if node.op_type == "MatMul")
    network.classes.load_state_dict({"weight": weights[last].T, "bias": weights["network.classes.bias"]})


def _weights(graph: onnx.GraphProto) -> dict[str, Tensor]:
    """All constants of a graph by name; of a convolution in int8 also what they stand for."""
    found = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in found:
            rows, scale, zero = (found[name].float() for name in node.input)
            by_channel = (-1, *[1] * (rows.ndim - 1))
            found[node.output[0]] = (rows - zero.view(by_channel)) * scale.view(by_channel)
    return found


def _layer(weights: Mapping[str, Tensor], node: onnx.NodeProto) -> dict[str, Tensor]:
    """The parameters of one bidirectional layer by torch's names, with a place for the layer's number."""
    into, itself, biases = (weights[name] for name in node.input[1:4])
    if node.op_type == "DynamicQuantizeLSTM":  # rows and columns are the other way round
        scales = [weights[name].float()[:, None, None] for name in node.input[8:12]]
        into, itself = (
            ((rows.float() - zero) * scale).transpose(1, 2)
            for rows, scale, zero in ((into, *scales[:2]), (itself, *scales[2:]))
        )
    found: dict[str, Tensor] = {}
    for way, suffix in enumerate(("", "_reverse")):
        before, after = biases[way].chunk(2)
        rows = {"weight_ih": into[way], "weight_hh": itself[way], "bias_ih": before, "bias_hh": after}
        found |= {f"{name}_l{{}}{suffix}": _gates(part) for name, part in rows.items()}
    return found


def _gates(rows: Tensor) -> Tensor:
    """ONNX has the gates of an LSTM in the order input, output, forget, cell; torch in input, forget, cell, output."""
    into, out, forget, cell = rows.chunk(4)
    return torch.cat([into, forget, cell, out])


def permuted_classes() -> Tensor:
    """(6, 7) which class each class becomes under each renaming of the speakers."""
    table = torch.zeros(6, len(CLASSES), dtype=torch.long)
    for row, names in enumerate(permutations(range(NUM_SPEAKERS))):
        for place, bits in enumerate(CLASSES):
            moved = sum(1 << names[speaker] for speaker in range(NUM_SPEAKERS) if bits >> speaker & 1)
            table[row, place] = CLASSES.index(moved)
    return table


def loss(log_probabilities: Tensor, targets: Tensor, table: Tensor, weight: float) -> Tensor:
    """Cross-entropy under the renaming of local speakers that fits best; of speech, and of overlap, against the rest.

    log_probabilities : (batch, frames, 7)
    targets : (batch, frames, 7) how likely each class is
    weight : of the latter two
    """
    renamed = log_probabilities[..., table]  # (batch, frames, 6, 7)
    fit = (renamed * targets[:, :, None]).sum(3).mean(1).amax(1).mean()
    nobody, several = log_probabilities[..., 0], torch.logsumexp(log_probabilities[..., 4:], dim=-1)
    heard = _cross_entropy(nobody, targets[..., 0]) + _cross_entropy(several, targets[..., 4:].sum(-1))
    return weight * heard - fit


def _cross_entropy(log_probability: Tensor, target: Tensor) -> Tensor:
    log_probability = log_probability.clamp(max=-1e-6)
    return -(target * log_probability + (1 - target) * torch.log(-torch.expm1(log_probability))).mean()
