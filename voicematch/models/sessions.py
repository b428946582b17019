"""One ONNX Runtime session for each model and device, opened on first use."""

from __future__ import annotations

import functools
import os
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from ..errors import ModelError
from .cut import Halves, halves
from .files import path
from .table import DEVICES, card

if TYPE_CHECKING:
    import onnxruntime


Part = Literal["whole", "front", "head"]

_lock = threading.RLock()


def session(name: str, device: str = "cpu", part: Part = "whole") -> onnxruntime.InferenceSession:
    """Return the model's inference session: opened on first use, then the same one; several threads may run it.

    device : one of ``DEVICES``; "auto" is a CUDA GPU where ONNX Runtime can use one, else the CPU
    part : of a model that has ``halves_of``, what comes before its pooling, or after

    Raises ModelError when the model is not there, or the device asked for.
    """
    if card(name).engine != "onnx":
        raise ModelError(f"model {name!r} does not run in ONNX Runtime; it needs: pip install 'voicematch[torch]'")
    wanted = provider(device, runtime().get_available_providers())
    with _lock:  # two threads that ask at once share one session
        opened = _session(name, wanted, part)
    if device != "auto" and wanted not in opened.get_providers():  # it falls back without an error
        raise ModelError(f"--device {device}: ONNX Runtime could not start {wanted}; is its driver installed? {REMEDY}")
    return opened


def runtime() -> ModuleType:
    """Import ONNX Runtime, and switch off what `reports` has no variable for."""
    import onnxruntime

    module: ModuleType = onnxruntime
    module.disable_telemetry_events()  # on Windows it reads no variable
    return module


def halves_of(name: str) -> Halves | None:
    """The model cut where its pooling begins; None for one that pools in no such way."""
    of_model = card(name)
    return halves(path(name).read_bytes()) if of_model.engine == "onnx" and of_model.dimension else None


@functools.cache
def can_be_cut(name: str) -> bool:
    """Whether a model has ``halves_of``, which are as large as itself and not kept."""
    return halves_of(name) is not None


@functools.cache
def _session(name: str, wanted: str, part: Part) -> onnxruntime.InferenceSession:
    onnxruntime = runtime()
    cut = None if part == "whole" else halves_of(name)
    model: str | bytes = str(path(name)) if cut is None else cut.front if part == "front" else cut.head
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, num_cores() // 2)  # two networks run at a time
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # a plan for each length of sound, kept for good: memory for no time
    options.log_severity_level = 3  # errors: its warnings are about graph optimisations, not about the answer
    providers = list(dict.fromkeys((wanted, "CPUExecutionProvider")))  # the CPU for what a GPU has no kernel of
    return onnxruntime.InferenceSession(model, sess_options=options, providers=providers)


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
