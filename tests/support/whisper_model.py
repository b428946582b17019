"""A Whisper model of random weights: hears nothing right, but runs all of the real code."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

UNITS, MELS, FRAMES, POSITIONS = 32, 80, 1500, 448
LETTERS = [*string.ascii_lowercase, *("Ġ" + letter for letter in string.ascii_lowercase), "Ġ", "."]
SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>"]
SPECIAL += ["<|startofprev|>", "<|nospeech|>", "<|notimestamps|>", *(f"<|{idx * 0.02:.2f}|>" for idx in range(1501))]


def save(folder: Path) -> Path:
    """Writes the model in CTranslate2's form, with its tokenizer."""
    from ctranslate2.specs import WhisperSpec

    spec = WhisperSpec(1, 2, 1, 2)
    rng = np.random.default_rng(3)

    def random(*shape: int) -> npt.NDArray[np.float32]:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    def linear(layer: Any, num_out: int, num_in: int) -> None:
        layer.weight, layer.bias = random(num_out, num_in), np.zeros(num_out, np.float32)

    def norm(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(UNITS, np.float32), np.zeros(UNITS, np.float32)

    encoder, decoder = spec.encoder, spec.decoder
    encoder.conv1.weight, encoder.conv1.bias = random(UNITS, MELS, 3), random(UNITS)
    encoder.conv2.weight, encoder.conv2.bias = random(UNITS, UNITS, 3), random(UNITS)
    encoder.position_encodings.encodings = random(FRAMES, UNITS)
    decoder.position_encodings.encodings = random(POSITIONS, UNITS)
    decoder.embeddings.weight = random(len(LETTERS) + len(SPECIAL), UNITS)
    bias = np.zeros(len(LETTERS) + len(SPECIAL), np.float32)
    bias[len(LETTERS) :] = -6.0
    bias[len(LETTERS)] = 4.0  # the end comes soon,
    for time in ("<|0.00|>", "<|3.00|>"):  # and few segments fill the window
        bias[len(LETTERS) + SPECIAL.index(time)] = 8.0
    decoder.projection.weight, decoder.projection.bias = decoder.embeddings.weight, bias
    for layer in (*encoder.layer, *decoder.layer):
        norm(layer.self_attention.layer_norm)
        linear(layer.self_attention.linear[0], 3 * UNITS, UNITS)
        linear(layer.self_attention.linear[1], UNITS, UNITS)
        norm(layer.ffn.layer_norm)
        linear(layer.ffn.linear_0, 4 * UNITS, UNITS)
        linear(layer.ffn.linear_1, UNITS, 4 * UNITS)
    for layer in decoder.layer:
        norm(layer.attention.layer_norm)
        linear(layer.attention.linear[0], UNITS, UNITS)
        linear(layer.attention.linear[1], 2 * UNITS, UNITS)
        linear(layer.attention.linear[2], UNITS, UNITS)
    norm(encoder.layer_norm)
    norm(decoder.layer_norm)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [len(LETTERS)]
    spec.config.lang_ids = []
    spec.config.alignment_heads = [[0, 0], [0, 1]]
    spec.register_vocabulary([*LETTERS, *SPECIAL])
    spec.validate()
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    _tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def _tokenizer() -> Any:
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers

    vocabulary = {token: idx for idx, token in enumerate(LETTERS)}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocabulary, [], unk_token="."))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer
