"""Checkpoints read without torch, and the network that is put together out of one."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.checkpoints import write_checkpoint
from voicematch import cli
from voicematch.engines import open_embedder
from voicematch.errors import ModelError
from voicematch.models import assemble, files, kit, table
from voicematch.models.checkpoint import read_tensors
from voicematch.models.wire import fields
from voicematch.types import Array


def test_tensors_come_back_as_they_were_written(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    tensors = {
        "conv.weight": random.normal(size=(4, 3, 5)).astype(np.float32),
        "norm.num_batches_tracked": np.array(7, np.int64),
        "bias": random.normal(size=4).astype(np.float32),
    }
    write_checkpoint(tmp_path / "a.ckpt", tensors)
    found = read_tensors(tmp_path / "a.ckpt")
    assert list(found) == list(tensors)
    for name, value in tensors.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("asked", [("os", "system"), ("builtins", "eval"), ("torch", "load"), ("collections", "deque")])
def test_a_checkpoint_that_asks_for_code_is_refused_before_any_is_run(tmp_path: Path, asked: tuple[str, str]) -> None:
    write_checkpoint(tmp_path / "a.ckpt", {"w": np.zeros(3, np.float32)}, asks_for=asked)
    with pytest.raises(ModelError, match=rf"a\.ckpt: asks to run {asked[0]}\.{asked[1]}, so it is not opened"):
        read_tensors(tmp_path / "a.ckpt")


def test_what_is_no_checkpoint_is_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "a.ckpt"
    with pytest.raises(ModelError, match=r"a\.ckpt: is no checkpoint that can be read"):
        read_tensors(file)
    file.write_bytes(b"not a zip")
    with pytest.raises(ModelError, match=r"a\.ckpt: is no checkpoint that can be read"):
        read_tensors(file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/readme", b"")
    with pytest.raises(ModelError, match=r"a\.ckpt: is no dictionary of tensors"):
        read_tensors(file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"(lp0\n.")
    with pytest.raises(ModelError, match=r"a\.ckpt: holds no dictionary of tensors"):
        read_tensors(file)
    write_checkpoint(tmp_path / "whole.ckpt", {"w": np.zeros(300, np.float32)})
    with zipfile.ZipFile(tmp_path / "whole.ckpt") as whole, zipfile.ZipFile(file, "w") as archive:
        for name in whole.namelist():
            archive.writestr(name, whole.read(name)[:100] if "data/" in name else whole.read(name))
    with pytest.raises(ModelError, match=r"a\.ckpt: archive/data/1000 holds 100 bytes, not 1200"):
        read_tensors(file)


# -- SpeechBrain's network out of random weights


@pytest.fixture(scope="session")
def random_weights() -> dict[str, Array]:
    """As many numbers as the graph asks for, of a size that lets something through the layers."""
    random = np.random.default_rng(0)
    tensors: dict[str, Array] = {}
    for number, _, graph in fields(files.shipped(assemble.GRAPH).read_bytes()):
        if number != assemble.MODEL_GRAPH:
            continue
        for inside, _, tensor in fields(graph):
            if inside == assemble.GRAPH_INITIALIZER:
                name, shape, _ = assemble._described(tensor)
                values = random.normal(0, 1 / np.sqrt(max(1, np.prod(shape[1:]))), shape)
                if name.endswith("running_var"):
                    values = random.uniform(0.5, 2, shape)
                tensors[name] = values.astype(np.float32)
    return tensors


@pytest.fixture
def made(tmp_path: Path, random_weights: dict[str, Array]) -> Path:
    """A folder with a checkpoint of random weights, graphs, and what the float network says, as a reference."""
    write_checkpoint(tmp_path / "embedding_model.ckpt", random_weights)
    for name in (assemble.GRAPH, assemble.SMALL_GRAPH):
        shutil.copyfile(files.shipped(name), tmp_path / name)
    model = assemble.filled(tmp_path / assemble.GRAPH, random_weights, tmp_path)
    np.savez(tmp_path / assemble.REFERENCE, embedding=assemble._vectors(model))
    return tmp_path


def test_a_network_out_of_a_checkpoint_has_to_say_what_it_should(
    made: Path, random_weights: dict[str, Array], tmp_path: Path
) -> None:
    target = tmp_path / "speechbrain.onnx"
    assemble.assemble(made / "embedding_model.ckpt", target, folder=made)
    with np.load(made / assemble.REFERENCE) as kept:
        expected = kept["embedding"]
    found = assemble._vectors(target.read_bytes())
    alike = (found * expected).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
    assert alike.min() > assemble.LEAST_ALIKE
    target.unlink()

    other = dict(random_weights)
    other["fc.conv.weight"] = other["fc.conv.weight"][:, ::-1]
    write_checkpoint(made / "other.ckpt", other)
    with pytest.raises(ModelError, match=r"other\.ckpt: its network is .* from the one it should be"):
        assemble.assemble(made / "other.ckpt", target, folder=made)
    del other["fc.conv.bias"]
    write_checkpoint(made / "less.ckpt", other)
    with pytest.raises(ModelError, match=r"less\.ckpt: lacks the weights fc\.conv\.bias"):
        assemble.assemble(made / "less.ckpt", target, folder=made)
    other["fc.conv.bias"] = np.zeros(191, np.float32)
    write_checkpoint(made / "short.ckpt", other)
    with pytest.raises(ModelError, match=r"short\.ckpt: has \(191,\) numbers, not \(192,\), of"):
        assemble.assemble(made / "short.ckpt", target, folder=made)
    assert not target.exists()


def test_weights_of_8_bits_are_the_weights_to_half_a_step() -> None:
    own = np.array([[[0.5, -1.0]], [[0.0, 0.0]]], np.float32)
    tensors = {"a.weight": own, "a.bias": np.array([0.25, 0.0], np.float32)}
    held = {"a.source_scale": np.array(0.5, np.float32)}
    scale = assemble.weight("a.weight_scale", tensors, held)
    quantised = assemble.weight("a.weight_quantized", tensors, held)
    assert scale is not None
    assert quantised is not None
    assert scale.tolist() == [1 / 64, 1.0]  # a channel without weights has steps of 1
    assert quantised.tolist() == [[[32, -64]], [[0, 0]]]
    bias = assemble.weight("a.bias_quantized", tensors, held)
    assert bias is not None
    assert bias.tolist() == [32, 0]  # 0.25 in steps of 0.5 / 64
    assert assemble.weight("b.weight_scale", tensors, held) is None


def test_the_reference_ecapa_is_pulled_from_a_folder_and_needs_no_torch(
    made: Path,
    few: kit.Kit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Weights of another network leave nothing; the right ones leave a model in ONNX, and no download."""
    kept = tmp_path / "models"
    monkeypatch.setenv("VOICEMATCH_MODELS", str(kept))
    card = table.MODELS["speechbrain"]
    assert card.source is not None
    own_sum = files.sha256_of(made / "embedding_model.ckpt")
    source = replace(card.source, sha256={"embedding_model.ckpt": own_sum})
    monkeypatch.setitem(table.MODELS, "speechbrain", replace(card, source=source))
    assert cli.run(["models", "pull", "speechbrain", "--from", str(made), "--quiet"]) == 1
    assert "from the one it should be; nothing was kept" in capsys.readouterr().err
    assert list(kept.iterdir()) == []

    monkeypatch.setattr(assemble, "MOST_APART", float("inf"))  # the weights are random, and the reference is not
    monkeypatch.setattr(kit, "open_kit", lambda: few)
    assert cli.run(["models", "pull", "speechbrain", "--from", str(made), "--quiet"]) == 0
    assert "speechbrain.calibration.json: Cllr " in capsys.readouterr().err
    assert sorted(file.name for file in (kept / "speechbrain").iterdir()) == ["pulled.json", "speechbrain.onnx"]
    assert (kept / "speechbrain.backend.npz").is_file()
    embedder = open_embedder("speechbrain", device="cpu")
    samples = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)
    vectors = embedder.embed(samples, np.array([[0, 24_000], [24_000, 48_000], [0, 16_000]]))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert cli.run(["models", "verify"]) == 0
    capsys.readouterr()
    assert cli.run(["models", "export", "speechbrain", str(tmp_path / "copy.onnx")]) == 0
    assert (tmp_path / "copy.onnx").read_bytes() == (kept / "speechbrain" / "speechbrain.onnx").read_bytes()
