"""The table of models, and where their files are found."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from voicematch.engines.backend import Backend
from voicematch.engines.diarize import BACKEND, guide_of, kept_backend
from voicematch.engines.embed import OnnxEmbedder
from voicematch.errors import ModelError
from voicematch.models import files, sessions, table
from voicematch.models.files import CALIBRATION
from voicematch.models.table import DEFAULT_EMBEDDER, MODELS
from voicematch.types import Embedding, Verdict
from voicematch.voices.match import match
from voicematch.voices.score import Cohort, Voiceprints

PARTS: tuple[sessions.Part, ...] = ("whole", "front", "head")
BUILT_IN = [name for name, card in MODELS.items() if card.source is None]


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_row_of_the_table_names_a_file_that_is_there_and_intact(name: str) -> None:
    card = table.card(name)
    assert card.name == name
    assert hashlib.sha256(files.path(name).read_bytes()).hexdigest() == card.sha256
    assert (card.dimension > 0) == (card.kind == "embedder")


def test_defaults_are_in_the_table() -> None:
    assert table.card(DEFAULT_EMBEDDER).kind == "embedder"


@pytest.mark.parametrize("name", [name for name in BUILT_IN if table.card(name).kind == "embedder"])
def test_an_embedder_gives_vectors_of_the_dimension_on_its_card(name: str) -> None:
    session = sessions.session(name)
    (vectors,) = session.run(None, {session.get_inputs()[0].name: np.zeros((2, 150, 80), dtype=np.float32)})
    assert vectors.shape == (2, table.card(name).dimension)


@pytest.mark.parametrize("name", [name for name in BUILT_IN if table.card(name).kind == "embedder"])
def test_every_embedder_that_comes_with_the_package_is_calibrated_and_tells_voices_apart_by_itself(name: str) -> None:
    embedder = OnnxEmbedder(name)
    assert embedder.can_pool
    assert guide_of(embedder) is None
    assert kept_backend(embedder) is not None
    assert files.calibration(name).embedder == name


def test_the_licence_of_a_model_made_by_others_comes_with_the_package() -> None:
    top = Path(__file__).parents[2]
    notice, project = (top / "NOTICE").read_text(), tomllib.loads((top / "pyproject.toml").read_text())
    assert {"LICENSE", "NOTICE"} <= set(project["project"]["license-files"])
    for name in ("campplus", "campplus-ecapa", "campplus-2"):
        assert table.card(name).file in notice
        assert table.card(name).licence == project["project"]["license"] == "Apache-2.0"


def test_a_session_is_made_once_even_when_two_threads_ask() -> None:
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(sessions.session(DEFAULT_EMBEDDER))) for _ in "12"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] is found[1] is sessions.session(DEFAULT_EMBEDDER)
    best = "cuda" if CUDA in onnxruntime.get_available_providers() else "cpu"
    assert sessions.session(DEFAULT_EMBEDDER, "auto") is sessions.session(DEFAULT_EMBEDDER, best)


def test_two_sessions_share_the_cores_this_process_may_use() -> None:
    options = sessions.session(DEFAULT_EMBEDDER).get_session_options()
    assert options.intra_op_num_threads == max(1, sessions.num_cores() // 2)


def test_a_name_that_is_not_in_the_table_is_answered_with_those_that_are() -> None:
    with pytest.raises(ModelError, match=r"no model is called 'nemo'; there is .*ecapa-small-4"):
        files.path("nemo")


def test_a_damaged_file_is_refused_and_a_repaired_one_taken(tmp_path: Path) -> None:
    file = tmp_path / "weights.onnx"
    file.write_bytes(b"right")
    right = hashlib.sha256(b"right").hexdigest()
    files.verify(file, right)
    file.write_bytes(b"wrong, and longer")
    with pytest.raises(ModelError, match=r"weights\.onnx: damaged or another model: sha256 .* replace it"):
        files.verify(file, right)
    file.write_bytes(b"right")
    files.verify(file, right)


def own(folder: Path, content: bytes, dimension: int = 192) -> str:
    """An embedder of somebody's own, with its card."""
    (folder / "own.onnx").write_bytes(content)
    (folder / "own.json").write_text(f'{{"dimension": {dimension}, "front_end": "kaldi", "min_speech": 0.5}}')
    return str(folder / "own.onnx")


@pytest.mark.parametrize("content", [b"", b"<!doctype html>", files.path("ecapa-small-4").read_bytes()[:100_000]])
def test_a_file_that_is_no_whole_model_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ModelError, match=r"own\.onnx: cannot be run, is it a whole model of voices\? \(.+\)"):
        sessions.session(own(tmp_path, content))


def test_a_model_that_answers_otherwise_than_its_card_says_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    voices, speech = (files.path(name).read_bytes() for name in ("ecapa-small-4", "segmentation-small"))
    with pytest.raises(ModelError, match=r"own\.onnx: gives \[\(2, 192\)\] of two windows, not \[\(2, 256\)\]"):
        sessions.session(own(tmp_path, voices, dimension=256))
    with pytest.raises(ModelError, match=r"own\.onnx: (gives|cannot be run)"):
        sessions.session(own(tmp_path, speech))
    assert capfd.readouterr().err == ""
    assert sessions.session(own(tmp_path, voices)) is sessions.session(str(tmp_path / "own.onnx"))


def test_a_model_that_was_replaced_is_opened_anew(tmp_path: Path) -> None:
    small, other = (files.path(name).read_bytes() for name in ("ecapa-small-4", "campplus"))
    name = own(tmp_path, small)
    before = {part: sessions.session(name, part=part) for part in PARTS}
    own(tmp_path, other)
    after = {part: sessions.session(name, part=part) for part in PARTS}
    rows = np.zeros((2, 150, 80), np.float32)
    expected, found = (
        session.run(None, {session.get_inputs()[0].name: rows})[0]
        for session in (sessions.session("campplus"), after["whole"])
    )
    assert np.array_equal(found, expected)
    for part in PARTS:
        assert after[part] is not before[part]
        assert after[part] is sessions.session(name, part=part)


def test_an_embedder_never_mixes_vectors_of_two_models(tmp_path: Path) -> None:
    small, other = (files.path(name).read_bytes() for name in ("ecapa-small-4", "campplus"))
    name = own(tmp_path, small)
    rows = np.random.default_rng(5).normal(size=(400, 80)).astype(np.float32)
    embedder = OnnxEmbedder(name)
    vectors = embedder.pool(rows, 0, 400, [(0, 20), (20, 40)])
    own(tmp_path, other)
    assert np.array_equal(embedder.pool(rows, 0, 400, [(0, 20), (20, 40)]), vectors)
    replaced = OnnxEmbedder(name).pool(rows, 0, 400, [(0, 20), (20, 40)])
    assert np.array_equal(replaced, OnnxEmbedder("campplus").pool(rows, 0, 400, [(0, 20), (20, 40)]))
    with pytest.raises(ModelError, match=r"own\.onnx: was replaced while it was in use; begin again"):
        embedder.pool(rows, 0, 400, [(0, 20), (20, 40)])


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{", b"[]"])
def test_a_damaged_calibration_is_named_with_the_way_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setenv("VOICEMATCH_MODELS", str(tmp_path))
    (tmp_path / f"ecapa512{CALIBRATION}").write_bytes(content)
    with pytest.raises(ModelError, match=r"ecapa512\.calibration\.json: cannot be read .*--embedder ecapa512 makes it"):
        files.calibration("ecapa512")


def test_a_home_of_nobody_is_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"~nobody-here/own\.onnx: ~ stands for the home of nobody here"):
        table.card("~nobody-here/own.onnx")
    monkeypatch.setenv("VOICEMATCH_MODELS", "~nobody-here/models")
    with pytest.raises(ModelError, match="VOICEMATCH_MODELS=~nobody-here/models: ~ stands for the home of nobody here"):
        files.path("ecapa512")


def python(code: str, **environment: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=os.environ | environment, check=True, capture_output=True, text=True).stdout


def test_the_folder_of_the_environment_is_searched_and_named_when_a_file_is_missing(tmp_path: Path) -> None:
    code = """
from voicematch import errors
from voicematch.models import files, table
print(files.folders()[-1])
card = table.MODELS[table.DEFAULT_EMBEDDER]
table.MODELS["own"] = table.ModelCard(name="own", kind="speech", licence="MIT", description="", file="own.onnx")
try:
    files.path("own")
except errors.ModelError as error:
    print(error)
"""
    folder, message = python(code, VOICEMATCH_MODELS=str(tmp_path)).splitlines()
    assert folder == str(tmp_path)
    assert message == f"own.onnx, of model 'own', is missing; put it in {tmp_path} or install voicematch again"


def test_without_the_environment_the_platform_says_where_models_lie() -> None:
    code = "from voicematch.models import files; print(files.folders()[-1])"
    assert Path(python(code, VOICEMATCH_MODELS="").strip()).parts[-2:] == ("voicematch", "models")


def test_without_a_calibration_names_are_suggested_and_never_given(caplog: pytest.LogCaptureFixture) -> None:
    cautious = files.calibration("an embedder of somebody's own")
    assert "voicematch calibrate --embedder an embedder of somebody's own" in caplog.text
    voice = np.eye(8, dtype=np.float32)[0]
    known = Voiceprints(("Ada", "Basil"), np.eye(8, dtype=np.float32)[:2], np.array([30.0, 30.0], np.float32))
    speaker = {"S0": tuple(Embedding(voice, 10.0, 10.0 * at, 10.0 * at + 10.0) for at in range(6))}
    found = match(speaker, known, calibration=cautious)["S0"]  # the very same voice, a minute of it
    assert (found.verdict, found.profile) == (Verdict.REVIEW, "Ada")
    caplog.clear()
    assert files.calibration("an embedder of somebody's own").accept == cautious.accept
    assert caplog.text == ""  # said once


def test_what_was_measured_of_a_pulled_model_lies_with_the_pulled_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEMATCH_MODELS", str(tmp_path))
    assert files.beside("ecapa512", CALIBRATION) is None
    place = files.place_beside("ecapa512", CALIBRATION)
    assert place == tmp_path / "ecapa512.calibration.json"
    own = replace(files.calibration("ecapa-small-4"), embedder="ecapa512", accept=0.77)
    place.write_text(own.to_json(), encoding="utf-8")
    assert files.calibration("ecapa512").accept == 0.77
    built_in = files.place_beside("ecapa-small-4", CALIBRATION)
    assert built_in == files.beside("ecapa-small-4", CALIBRATION)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        (files.folders()[1] / f"{DEFAULT_EMBEDDER}{BACKEND}").read_bytes()[:3000],
        Backend(np.zeros(3), np.zeros((3, 2)), np.ones(2)).to_bytes(),
        Backend(np.full(192, np.nan), np.zeros((192, 2)), np.ones(2)).to_bytes(),
        Backend(np.zeros(192), np.zeros((192, 2)), np.ones(2), alike=np.nan).to_bytes(),
    ],
    ids=["empty", "no archive", "cut short", "of other vectors", "no numbers", "no number"],
)
def test_a_damaged_backend_is_said_in_one_line(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMATCH_MODELS", str(tmp_path))
    (tmp_path / f"{DEFAULT_EMBEDDER}{BACKEND}").write_bytes(content)
    with pytest.raises(ModelError, match=r"backend\.npz: .*; voicematch calibrate --embedder .* makes it anew"):
        kept_backend(OnnxEmbedder())


def test_a_calibration_of_other_vectors_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMATCH_MODELS", str(tmp_path))
    other = replace(files.calibration("ecapa-small-4"), cohort=Cohort(np.eye(3, dtype=np.float32)))
    (tmp_path / f"{DEFAULT_EMBEDDER}{CALIBRATION}").write_text(other.to_json(), encoding="utf-8")
    with pytest.raises(ModelError, match=r"calibration\.json: .*dimension 192\); voicematch calibrate"):
        files.calibration(DEFAULT_EMBEDDER)


def test_a_backend_of_other_weights_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after the file of a model was replaced: what is kept beside a calibration was measured with it."""
    monkeypatch.setenv("VOICEMATCH_MODELS", str(tmp_path))
    shipped = files.beside(DEFAULT_EMBEDDER, BACKEND)
    assert shipped is not None
    own = tmp_path / shipped.name
    own.write_bytes(shipped.read_bytes())
    assert files.beside(DEFAULT_EMBEDDER, BACKEND) == own
    for weights, expected in ((files.fingerprint(DEFAULT_EMBEDDER), own), ("0" * 64, shipped)):
        (tmp_path / f"{DEFAULT_EMBEDDER}{CALIBRATION}").write_text(json.dumps({"model": weights}), encoding="utf-8")
        assert files.beside(DEFAULT_EMBEDDER, BACKEND) == expected


CPU, CUDA, CORE_ML = "CPUExecutionProvider", "CUDAExecutionProvider", "CoreMLExecutionProvider"


@pytest.mark.parametrize(
    ("device", "available", "expected"),
    [
        ("cpu", [CUDA, CPU], CPU),
        ("cuda", [CUDA, CPU], CUDA),
        ("mps", [CORE_ML, CPU], CORE_ML),
        ("auto", [CUDA, CPU], CUDA),
        ("auto", [CORE_ML, CPU], CPU),  # Core ML gains nothing on models this small
        ("auto", [CPU], CPU),
    ],
)
def test_a_device_is_a_provider_of_onnx_runtime(device: str, available: list[str], expected: str) -> None:
    assert sessions.provider(device, available) == expected


def test_a_device_that_is_not_there_is_said_with_the_way_forward() -> None:
    with pytest.raises(ModelError, match=r"--device cuda: .*pip install onnxruntime-gpu.*--device cpu always works"):
        sessions.provider("cuda", [CPU])
    with pytest.raises(ModelError, match=r"--device mps: .*macOS"):
        sessions.provider("mps", [CPU])
    with pytest.raises(ModelError, match="no device is called 'tpu'; there is auto, cpu, cuda, mps"):
        sessions.provider("tpu", [CPU])


def test_a_model_of_torch_has_no_session() -> None:
    with pytest.raises(ModelError, match=r"'pyannote-3.1' does not run in ONNX Runtime; .*voicematch\[torch\]"):
        sessions.session("pyannote-3.1")


def test_every_pulled_row_says_what_is_needed_to_pull_and_open_it() -> None:
    for name, card in MODELS.items():
        if card.source is None:
            continue
        assert "/" in card.source.repository
        assert (card.made_of or card.file) in ("", *card.source.files)
        assert set(card.source.sha256) <= set(card.source.files)
        assert all(len(sha256) == 64 for sha256 in card.source.sha256.values())
        assert (card.dimension > 0) == (card.kind == "embedder"), name
        assert card.sha256 == ""


def test_importing_the_table_loads_no_runtime() -> None:
    code = "import sys, voicematch.models.sessions; print('onnxruntime' in sys.modules, 'numpy' in sys.modules)"
    assert python(code) == "False False\n"
