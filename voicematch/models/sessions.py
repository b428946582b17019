"""One ONNX Runtime session for each model and device, opened on first use, and anew when its file was replaced."""

from __future__ import annotations

import functools
import os
import threading
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from ..errors import ModelError
from .cut import Halves, halves
from .files import fingerprint, path
from .table import DEVICES, ModelCard, card, is_built_in

if TYPE_CHECKING:
    import onnxruntime


Part = Literal["whole", "front", "head"]

NUM_BINS = 80  # of the features, whatever the front end
TRIED = (100, 150)  # rows of 10 ms: windows of two lengths

_lock = threading.RLock()
_opened: dict[tuple[str, str, Part], tuple[str, onnxruntime.InferenceSession]] = {}  # each with its fingerprint


def session(
    name: str, device: str = "cpu", part: Part = "whole", weights: str | None = None
) -> onnxruntime.InferenceSession:
    """Return the model's inference session: the same one while its file is the same; several threads may run it.

    device : one of ``DEVICES``; "auto" is a CUDA GPU where ONNX Runtime can use one, else the CPU
    part : of a model that has ``halves_of``, what comes before its pooling, or after
    weights : the fingerprint that the model had, for who must not go on with other weights; None takes today's

    Raises ModelError when the model is not there, cannot be run, answers otherwise than its card says, or has other
    weights than are meant; or when the device asked for is not there.
    """
    if card(name).engine != "onnx":
        raise ModelError(f"model {name!r} does not run in ONNX Runtime; it needs: pip install 'voicematch[torch]'")
    wanted = provider(device, runtime().get_available_providers())
    meant = fingerprint(name) if weights is None else weights
    with _lock:  # two threads that ask at once share one session
        made_of, opened = _opened.get((name, wanted, part), ("", None))
        if opened is None or made_of != meant:
            opened = _open(name, wanted, part, meant)
            _opened[name, wanted, part] = meant, opened
    if device != "auto" and wanted not in opened.get_providers():  # it falls back without an error
        raise ModelError(f"--device {device}: ONNX Runtime could not start {wanted}; is its driver installed? {REMEDY}")
    return opened


def runtime() -> ModuleType:
    """Import ONNX Runtime, and switch off what `reports` has no variable for."""
    import onnxruntime

    module: ModuleType = onnxruntime
    module.disable_telemetry_events()  # on Windows it reads no variable
    return module


def halves_of(name: str, weights: str) -> Halves | None:
    """The model cut where its pooling begins; None for one that pools in no such way."""
    of_model = card(name)
    return halves(_file(name, weights).read_bytes()) if of_model.engine == "onnx" and of_model.dimension else None


@functools.cache
def can_be_cut(name: str, weights: str) -> bool:
    """Whether a model has ``halves_of``, which are as large as itself and not kept."""
    return halves_of(name, weights) is not None


def _file(name: str, weights: str) -> Path:
    """The model's file. Raises ModelError when it holds other weights than are meant."""
    file = path(name)
    if fingerprint(name) != weights:
        raise ModelError(f"{file}: was replaced while it was in use; begin again with the new one")
    return file


def _open(name: str, wanted: str, part: Part, weights: str) -> onnxruntime.InferenceSession:
    onnxruntime = runtime()
    cut = None if part == "whole" else halves_of(name, weights)
    model: str | bytes = str(_file(name, weights)) if cut is None else cut.front if part == "front" else cut.head
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, num_cores() // 2)  # two networks run at a time
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # a plan for each length of sound, kept for good: memory for no time
    options.log_severity_level = 3  # errors: its warnings are about graph optimisations, not about the answer
    providers = list(dict.fromkeys((wanted, "CPUExecutionProvider")))  # the CPU for what a GPU has no kernel of
    try:
        opened = onnxruntime.InferenceSession(model, sess_options=options, providers=providers)
        if part == "whole" and not is_built_in(name):
            _try_out(opened, card(name))
    except _failures() as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(f"{path(name)}: cannot be run, is it a whole model of voices? ({reason})") from error
    return opened


def _try_out(opened: onnxruntime.InferenceSession, model: ModelCard) -> None:
    """Raise ModelError unless a network turns windows of any number and length into vectors as its card says."""
    import numpy as np

    unheard = runtime().RunOptions()
    unheard.log_severity_level = 4  # what is wrong is said once, as an error of ours
    for num_rows in TRIED if model.dimension else ():
        windows = np.zeros((2, num_rows, NUM_BINS), np.float32)
        answers = opened.run(None, {opened.get_inputs()[0].name: windows}, unheard)
        shapes = [np.shape(answer) for answer in answers]
        if shapes != [(2, model.dimension)]:
            raise ModelError(
                f"{path(model.name)}: gives {shapes} of two windows, not [(2, {model.dimension})]; its card has to say "
                "what it is"
            )


def _failures() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises of a model; its errors have no class in common."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = (kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception))
    return (RuntimeError, ValueError, *own)


REMEDY = "--device cpu always works"


PROVIDERS = {
    "cpu": ("CPUExecutionProvider", ""),
    "cuda": ("CUDAExecutionProvider", "pip install onnxruntime-gpu in place of onnxruntime"),
    "mps": ("CoreMLExecutionProvider", "it is in onnxruntime for macOS alone"),
}


def provider(device: str, available: list[str]) -> str:
    """Return ONNX Runtime's name for a device. Raises ModelError when it is not among those available.

    >>> provider("auto", ["CPUExecutionProvider"])
    'CPUExecutionProvider'
    """
    if device == "auto":
        device = "cuda" if PROVIDERS["cuda"][0] in available else "cpu"
    if device not in PROVIDERS:
        raise ModelError(f"no device is called {device!r}; there is {', '.join(DEVICES)}")
    wanted, way = PROVIDERS[device]
    if wanted not in available:
        raise ModelError(f"--device {device}: this ONNX Runtime has no {wanted} ({way}); {REMEDY}")
    return wanted


def num_cores() -> int:
    """Return how many cores this process may use; in a container often fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
