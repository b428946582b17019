"""torch as the engines meet it: whether it is there, why it will not load, and which device it runs on."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeVar

from ..errors import ModelError
from ..models.sessions import REMEDY
from ..models.table import DEVICES

EXTRA = "pip install 'voicematch[torch]'"

Answer = TypeVar("Answer")


def require(package: str) -> None:
    """Return when a package of the extra is installed, without loading it; ModelError says how to install it."""
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:  # not even the namespace that it lives in
        spec = None
    if spec is None:
        raise ModelError(f"{package} is not installed; it comes with {EXTRA}")


def load(module: str) -> Any:
    """Import a module of the extra. Raises ModelError with the way forward when it cannot be."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # pyannote.audio tells at length that it cannot decode files; we hand it samples
            return importlib.import_module(module)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise unloadable(module, error) from error


def unloadable(module: str, error: Exception) -> ModelError:
    """Return what to tell a user whose installation of torch does not hold together."""
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if isinstance(error, ModuleNotFoundError):
        return ModelError(f"{module}: {reason}; it comes with {EXTRA}")
    return ModelError(
        f"{module} cannot be loaded: {reason}. torch, torchaudio and torchcodec must be of one release and from one "
        f"place: {EXTRA} in a new environment, or for a computer without NVIDIA's libraries first "
        "pip install 'torch==2.11.*' 'torchaudio==2.11.0' --index-url https://download.pytorch.org/whl/cpu"
    )


def pick(device: str) -> Any:
    """Return the torch.device for "cpu", "cuda", "mps", or for "auto" the best there is."""
    torch = load("torch")
    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available, "cpu": lambda: True}
    if device == "auto":
        device = next(kind for kind, is_there in there.items() if is_there())
    if device not in there:
        raise ModelError(f"no device is called {device!r}; there is {', '.join(DEVICES)}")
    if not there[device]():
        raise ModelError(f"--device {device}: torch finds none on this computer; {REMEDY}")
    return torch.device(device)


def in_batches(call: Callable[[int], Answer], largest: int) -> Answer:
    """Call with the largest batch that the device's memory holds: half as much after each failure."""
    torch = load("torch")
    while True:
        try:
            return call(largest)
        except (torch.OutOfMemoryError, MemoryError) as error:
            if largest == 1:
                raise ModelError(f"the device has too little memory for this model; {REMEDY}") from error
            torch.cuda.empty_cache()
        largest = max(1, largest // 2)
