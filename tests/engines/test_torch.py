"""The engines of the extra ``torch``, with real weights where there are some beside the checkout, else random ones."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import pickle
import subprocess
import sys
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import NEEDS_TORCH, SHARED
from tests.support.fakes import FakeEmbedder
from voicematch import cli
from voicematch.audio import Audio
from voicematch.audio.clips import to_wav
from voicematch.audio.spans import Excerpt
from voicematch.cli.options import open_engines
from voicematch.engines import checkpoints, device, open_diarizer, open_embedder, pipelines, speechbrain
from voicematch.engines.embed import OnnxEmbedder
from voicematch.engines.pyannote import PyannoteDiarizer
from voicematch.errors import ModelError
from voicematch.models import assemble, files
from voicematch.models.checkpoint import read_tensors
from voicematch.types import Turn

pytestmark = pytest.mark.skipif(importlib.util.find_spec("speechbrain") is None, reason=NEEDS_TORCH)

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "episode.mp3"
SEGMENTATION = SHARED / "models" / "segmentation-3.0"
PLDA = SHARED / "models" / "plda-community1"
needs_weights = pytest.mark.skipif(
    not (SEGMENTATION / "pytorch_model.bin").is_file(), reason=f"no segmentation model in {SEGMENTATION}"
)


def test_everything_of_the_extra_imports() -> None:
    """In a new process, as a user's first command does, with nothing said on the way but what Python itself says."""
    modules = "torch", "torchaudio", "torchcodec", "onnx", "speechbrain.lobes.models.ECAPA_TDNN", "pyannote.audio"
    code = f"from voicematch.engines.device import load\nfor name in {modules}: load(name)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    assert version("torch").split(".")[:2] == version("torchaudio").split(".")[:2]


def test_nothing_is_reported_to_anybody() -> None:
    device.load("pyannote.audio")
    assert not device.load("pyannote.audio.telemetry.metrics").is_metrics_enabled()


# -- devices


def test_a_device_that_is_not_there_is_an_error() -> None:
    torch = device.load("torch")
    assert device.pick("cpu") == torch.device("cpu")
    assert device.pick("auto").type in ("cpu", "cuda", "mps")
    missing = "mps" if torch.cuda.is_available() else "cuda"
    with pytest.raises(ModelError, match=f"--device {missing}: torch finds none.*--device cpu always works"):
        device.pick(missing)
    with pytest.raises(ModelError, match="no device is called 'tpu'; there is auto, cpu, cuda, mps"):
        device.pick("tpu")


def test_batches_shrink_until_they_fit() -> None:
    tried = []

    def call(size: int) -> int:
        tried.append(size)
        if size > 3:
            raise device.load("torch").OutOfMemoryError
        return size

    assert device.in_batches(call, 32) == 2
    assert tried == [32, 16, 8, 4, 2]


def test_a_device_without_room_for_one_is_an_error() -> None:
    def call(size: int) -> int:
        raise MemoryError

    with pytest.raises(ModelError, match="too little memory"):
        device.in_batches(call, 4)


# -- SpeechBrain's embedder


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return Audio(EXAMPLE).read(0.0, 6.0)


def test_features_are_speechbrains(samples: np.ndarray) -> None:
    """To 1e-3 of a decibel, with windows that are partly silent, so that the limit of 80 dB counts."""
    windows = np.stack([samples[:24_000], samples[24_000:48_000], np.zeros(24_000, np.float32)])
    windows[1, :9_000] = 0
    reference = device.load("speechbrain.lobes.features").Fbank(n_mels=80)(device.load("torch").from_numpy(windows))
    np.testing.assert_allclose(speechbrain.filterbank(windows), reference.numpy(), atol=1e-3)


def test_vectors_are_those_of_speechbrains_own_chain(speechbrain_weights: Path, samples: np.ndarray) -> None:
    torch = device.load("torch")
    net = speechbrain.network(speechbrain_weights)
    windows = np.array([[0, 24_000], [32_000, 48_000], [8_000, 32_000]])
    expected = []
    for start, end in windows:
        rows = device.load("speechbrain.lobes.features").Fbank(n_mels=80)(torch.from_numpy(samples[None, start:end]))
        with torch.inference_mode():
            vector = net(rows - rows.mean(dim=1, keepdim=True), torch.ones(1))[0, 0].numpy()
        expected.append(vector / np.linalg.norm(vector))
    embedder = speechbrain.SpeechBrainEmbedder(checkpoint=speechbrain_weights, device="cpu")
    np.testing.assert_allclose(embedder.embed(samples, windows), expected, atol=1e-4)
    with pytest.raises(ValueError, match="outside"):
        embedder.embed(samples, np.array([[0, len(samples) + 1]]))


def test_the_network_out_of_the_checkpoint_answers_as_speechbrains_for_any_number_of_windows(
    speechbrain_weights: Path,
) -> None:
    import onnxruntime

    graph = files.shipped(assemble.GRAPH)
    model = assemble.filled(graph, read_tensors(speechbrain_weights), speechbrain_weights)
    session = onnxruntime.InferenceSession(model)
    net = speechbrain.network(speechbrain_weights)
    torch = device.load("torch")
    for batch, frames in ((1, 151), (5, 60), (3, 400)):
        rows = np.random.default_rng(batch).normal(0, 10, (batch, frames, 80)).astype(np.float32)
        with torch.inference_mode():
            expected = net(torch.from_numpy(rows))[:, 0].numpy()
        (found,) = session.run(None, {"features": rows})
        np.testing.assert_allclose(found / np.abs(expected).max(), expected / np.abs(expected).max(), atol=1e-4)


def test_models_that_are_not_here_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each with the command that fetches it, and the page on which its terms are accepted."""
    monkeypatch.setenv("VOICEMATCH_MODELS", str(tmp_path))
    assert cli.run(["bench", "a.mp3", "--embedder", "speechbrain"]) == 1
    assert "'speechbrain' is not on this machine; voicematch models pull speechbrain" in capsys.readouterr().err
    for name, repository in (("", "speaker-diarization-community-1"), (":3.1", "speaker-diarization-3.1")):
        assert cli.run(["bench", "a.mp3", "--diarizer", f"pyannote{name}"]) == 1
        error = capsys.readouterr().err
        assert f"accept its terms at https://huggingface.co/pyannote/{repository}, log in" in error
        assert "then voicematch models pull pyannote-" in error


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    torch = device.load("torch")
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "other.ckpt")
    (tmp_path / "broken.ckpt").write_bytes(b"not weights")
    torch.save({"run": os.system}, tmp_path / "code.ckpt")
    for name in ("other", "broken", "code", "absent"):
        with pytest.raises(ModelError, match=f"{name}.ckpt: holds no weights of speechbrain: "):
            speechbrain.network(tmp_path / f"{name}.ckpt")


# -- pyannote's checkpoints


@needs_weights
def test_a_checkpoint_is_read_without_running_it() -> None:
    model = checkpoints.model(SEGMENTATION)
    assert not model.training
    assert model.specifications.duration == 10.0
    reference = device.load("torch").load(SEGMENTATION / "pytorch_model.bin", weights_only=False)["state_dict"]
    assert all(bool((model.state_dict()[name] == value).all()) for name, value in reference.items())


class Trap:
    """Unpickled, it makes the file that it names."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not weights", "no checkpoint that can be read"),
        ({"state_dict": {}}, "is not a checkpoint of pyannote.audio"),
        (
            {"state_dict": {}, "pyannote.audio": {"architecture": {"module": "os", "class": "_exit"}}},
            r"built by os\._exit",
        ),
        ({"state_dict": {}, "pyannote.audio": {}}, "does not fit this pyannote.audio"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused(content: Any, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "pytorch_model.bin"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        device.load("torch").save(content, file)
    with pytest.raises(ModelError, match=reason):
        checkpoints.model(tmp_path)


def test_a_checkpoint_with_a_trap_is_refused_and_does_nothing(tmp_path: Path) -> None:
    trapped = {"state_dict": {}, "pyannote.audio": {}, "notes": Trap(tmp_path / "sprung")}
    device.load("torch").save(trapped, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"asks to run .*pathlib\.Path"):
        checkpoints.model(tmp_path)
    assert not (tmp_path / "sprung").exists()


@needs_weights
def test_a_checkpoint_without_all_weights_is_refused(tmp_path: Path) -> None:
    content = checkpoints.read(SEGMENTATION / "pytorch_model.bin")
    del content["state_dict"]["classifier.weight"]
    device.load("torch").save(content, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"lacks the weights classifier\.weight"):
        checkpoints.model(tmp_path)


# -- pyannote's pipelines


def excerpt(end: float) -> Excerpt:
    return Excerpt(Audio(EXAMPLE), 0.0, end)


@needs_weights
def test_the_example_has_its_three_speakers_heard_whole_and_in_pieces() -> None:
    steps: list[tuple[str, float, float]] = []
    whole = PyannoteDiarizer(str(SEGMENTATION), device="cpu").diarize(
        Audio(EXAMPLE), OnnxEmbedder(), progress=lambda *step: steps.append(step)
    )
    assert talk(whole.turns) == pytest.approx([30, 24, 30], abs=2.5)
    assert set(whole.embeddings) == {"SPEAKER_00", "SPEAKER_01", "SPEAKER_02"}
    assert all(before.end <= after.start + 1e-6 for before, after in pairwise(whole.exclusive))
    assert list(dict.fromkeys(step for step, _, _ in steps)) == ["listen", "turns", "voices", "cluster"]
    assert all(0 <= done <= total for _, done, total in steps)
    pieces = PyannoteDiarizer(str(SEGMENTATION), device="cpu", piece=40.0).diarize(Audio(EXAMPLE), OnnxEmbedder())
    assert talk(pieces.turns) == pytest.approx(talk(whole.turns), abs=1.0)
    assert pieces.duration == whole.duration


@needs_weights
def test_nobody_speaks_in_silence(tmp_path: Path) -> None:
    (tmp_path / "silence.wav").write_bytes(to_wav(np.zeros(3 * 16_000, np.float32)))
    found = PyannoteDiarizer(str(SEGMENTATION), device="cpu").diarize(Audio(tmp_path / "silence.wav"), OnnxEmbedder())
    assert (found.turns, found.embeddings, found.duration) == ((), {}, 3.0)


def talk(turns: tuple[Turn, ...]) -> list[float]:
    return [sum(t.duration for t in turns if t.speaker == who) for who in sorted({turn.speaker for turn in turns})]


@needs_weights
def test_the_number_of_speakers_is_heeded_and_raising_stops() -> None:
    diarizer = open_diarizer(f"pyannote:{SEGMENTATION}", device="cpu")
    assert diarizer.name == "pyannote:segmentation-3.0"
    one = diarizer.diarize(excerpt(15.0), OnnxEmbedder(), speakers=(1, 1))
    assert {turn.speaker for turn in one.turns} == {"SPEAKER_00"}
    again: PyannoteDiarizer = pickle.loads(pickle.dumps(diarizer))
    assert again.name == diarizer.name
    assert again._pipelines == {}

    def stop(step: str, done: float, total: float) -> None:
        if step == "voices":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        diarizer.diarize(excerpt(15.0), OnnxEmbedder(), progress=stop)


@needs_weights
def test_a_gpu_for_the_diarizer_is_not_demanded_of_the_embedder() -> None:
    for device_asked, of_embedder in (("cuda", "auto"), ("mps", "auto"), ("auto", "auto"), ("cpu", "cpu")):
        chosen = open_engines(f"pyannote:{SEGMENTATION}", None, device_asked)
        assert (type(chosen.diarizer), chosen.device) == (PyannoteDiarizer, of_embedder)
    assert open_engines("built-in", None, "cuda").device == "cuda"


@pytest.fixture(scope="module")
def community(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as speaker-diarization-community-1 is laid out; its embedder has random weights."""
    torch, task = device.load("torch"), device.load("pyannote.audio.core.task")
    folder: Path = tmp_path_factory.mktemp("community")
    (folder / "segmentation").symlink_to(SEGMENTATION)
    (folder / "plda").symlink_to(PLDA)
    (folder / "embedding").mkdir()
    torch.manual_seed(0)
    net = device.load("pyannote.audio.models.embedding.wespeaker").WeSpeakerResNet34()
    about = {
        "versions": {"torch": torch.__version__, "pyannote.audio": version("pyannote.audio")},
        "architecture": {"module": "pyannote.audio.models.embedding.wespeaker", "class": "WeSpeakerResNet34"},
        "specifications": task.Specifications(
            problem=task.Problem.REPRESENTATION, resolution=task.Resolution.CHUNK, duration=5.0
        ),
    }
    kept = {"state_dict": net.state_dict(), "hyper_parameters": dict(net.hparams), "pyannote.audio": about}
    torch.save(kept, folder / "embedding" / "pytorch_model.bin")
    write_config(folder)
    return folder


def write_config(folder: Path, **changes: Any) -> None:
    """The config of community-1, as JSON, which is YAML. changes : of its pipeline's parameters"""
    params = {
        "clustering": "VBxClustering",
        "segmentation": "$model/segmentation",
        "segmentation_batch_size": 32,
        "embedding": "$model/embedding",
        "embedding_batch_size": 32,
        "embedding_exclude_overlap": True,
        "plda": "$model/plda",
    }
    tuned = {"clustering": {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8}, "segmentation": {"min_duration_off": 0.0}}
    if changes.get("clustering") == "AgglomerativeClustering":
        tuned["clustering"] = {"method": "centroid", "min_cluster_size": 12, "threshold": 0.7}  # type: ignore[dict-item]
    name = changes.pop("name", "pyannote.audio.pipelines.SpeakerDiarization")
    config = {"pipeline": {"name": name, "params": params | changes}, "params": tuned}
    (folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")


@needs_weights
def test_a_folder_of_a_pipeline_runs_without_the_hub(community: Path) -> None:
    found = PyannoteDiarizer(str(community), device="cpu").diarize(excerpt(9.0), OnnxEmbedder())
    assert found.turns
    assert found.duration == 9.0
    assert all(e.vector.shape == (192,) for own in found.embeddings.values() for e in own)


@needs_weights
def test_a_pipeline_as_3_1_is_laid_out_with_parts_elsewhere(community: Path, tmp_path: Path) -> None:
    parts = {"segmentation": str(SEGMENTATION), "embedding": {"checkpoint": str(community), "subfolder": "embedding"}}
    write_config(tmp_path, clustering="AgglomerativeClustering", **parts)
    pipeline = pipelines.build(tmp_path, FakeEmbedder())
    assert pipeline.embedding_exclude_overlap
    assert pipeline.klustering == "AgglomerativeClustering"
    assert pipeline.clustering.parameters(instantiated=True)["min_cluster_size"] == 12


@needs_weights
def test_an_embedder_without_a_backend_is_clustered_by_linkage() -> None:
    assert pipelines.build(SEGMENTATION, FakeEmbedder()).klustering == "AgglomerativeClustering"
    assert pipelines.build(SEGMENTATION, OnnxEmbedder()).klustering == "VBxClustering"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "subprocess.Popen"}, r"is of subprocess\.Popen; only"),
        ({"segmentation": "someone/model"}, "needs someone/model, which is not on this machine"),
        ({"segmentation": "$model/nosuch"}, "nosuch"),
    ],
)
def test_a_pipeline_that_is_not_run(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    write_config(tmp_path, **changes)
    with pytest.raises(ModelError, match=reason):
        pipelines.build(tmp_path, FakeEmbedder())


@pytest.mark.parametrize("text", ["[", "- a", "pipeline: {}", "pipeline: 3"])
def test_a_config_that_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError):
        pipelines.build(tmp_path, FakeEmbedder())


@needs_weights
def test_a_plda_that_is_none(community: Path, tmp_path: Path) -> None:
    write_config(tmp_path, segmentation=str(SEGMENTATION), embedding=str(community / "embedding"))
    (tmp_path / "plda").mkdir()
    with pytest.raises(ModelError, match="not a PLDA that can be read"):
        pipelines.build(tmp_path, FakeEmbedder())


def test_a_pipeline_that_is_not_here(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no such folder; there is pyannote:community-1, pyannote:3\.1"):
        open_diarizer("pyannote:/no/such/folder")
    with pytest.raises(ModelError, match="holds neither a pipeline"):
        open_diarizer(f"pyannote:{tmp_path}")


def test_masks_choose_what_is_embedded() -> None:
    """A tone under each half of the chunk; short speech is repeated, none gets the first axis."""
    torch = device.load("torch")
    seconds = np.arange(16_000) / 16_000
    chunk = np.concatenate([np.sin(2 * np.pi * hertz * seconds) for hertz in (500, 1300)]).astype(np.float32)
    masks = np.zeros((4, 20), np.float32)
    masks[0, :10], masks[1, 10:], masks[2, 10:11] = 1, 1, 1
    vectors = pipelines.VoiceVectors(FakeEmbedder())
    assert vectors.min_num_samples == 1600
    found = vectors(torch.from_numpy(np.stack([chunk] * 4))[:, None], masks=torch.from_numpy(masks))
    assert found.argmax(axis=1).tolist() == [2, 6, 6, 0]


def test_an_embedder_of_the_table_opens_on_torch(speechbrain_weights: Path) -> None:
    make = functools.partial(open_embedder, device="cpu")
    assert isinstance(make("ecapa-small-4"), OnnxEmbedder)
    embedder = speechbrain.SpeechBrainEmbedder(checkpoint=speechbrain_weights, device="cpu")
    again = pickle.loads(pickle.dumps(embedder))
    silent = np.zeros(16_000, np.float32)
    np.testing.assert_array_equal(
        again.embed(silent, np.array([[0, 16_000]])), embedder.embed(silent, np.array([[0, 16_000]]))
    )
