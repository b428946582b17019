"""Weights out of files of other people: tensors and plain values, never code.

pyannote.audio reads its checkpoints by unpickling, which runs whatever the file says. Here nothing is called but what
rebuilds tensors and three small classes of pyannote.audio; the rest, notes of the training, is stepped over.
"""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path
from typing import Any

from ..errors import ModelError
from .device import load

WEIGHTS = "pytorch_model.bin"
NEEDED = ("Problem", "Resolution", "Specifications")  # of pyannote.audio.core.task: what a model was trained to do
NOTES = ("pytorch_lightning.", "lightning.", "omegaconf.", "torch_audiomentations.", "pyannote.", "typing.")
ARCHITECTURES = "pyannote.audio.models."


class Unread:
    """Stands for an object of the training that nobody needs: made, filled and forgotten without running any of it."""

    def __init__(self, *values: object, **named: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def read(file: Path) -> dict[str, Any]:
    """Read a checkpoint of pyannote.audio. Raises ModelError when it is none, or asks for any code to run."""
    torch, task = load("torch"), load("pyannote.audio.core.task")
    allowed: list[Any] = [torch.torch_version.TorchVersion, *(getattr(task, name) for name in NEEDED)]
    try:
        with torch.serialization.safe_globals(allowed):
            asked_for = torch.serialization.get_unsafe_globals_in_checkpoint(file)
            refused = [name for name in asked_for if not name.startswith(NOTES)]
            if refused:
                raise ModelError(f"{file}: asks to run {', '.join(refused)}, so it is not opened; is it a model?")
            with torch.serialization.safe_globals([(Unread, name) for name in asked_for]):
                checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(f"{file}: is no checkpoint that can be read: {reason}") from error
    if not isinstance(checkpoint, dict) or not {"pyannote.audio", "state_dict"} <= checkpoint.keys():
        raise ModelError(f"{file}: is not a checkpoint of pyannote.audio")
    return checkpoint


def model(place: Path) -> Any:
    """Load the pyannote.audio model of a checkpoint, or of the one in a folder, ready to answer. Raises ModelError."""
    file = place / WEIGHTS if place.is_dir() else place
    checkpoint = read(file)
    try:
        architecture = checkpoint["pyannote.audio"]["architecture"]
        module, name = str(architecture["module"]), str(architecture["class"])
        if not module.startswith(ARCHITECTURES) or not name.isidentifier():
            raise ModelError(f"{file}: is built by {module}.{name}, and only pyannote.audio's own models are opened")
        kind = getattr(load(module), name)
        takes = inspect.signature(kind).parameters  # a checkpoint also keeps what the model worked out from them
        made = kind(**{key: value for key, value in checkpoint.get("hyper_parameters", {}).items() if key in takes})
        made.on_load_checkpoint(checkpoint)
        misfit = made.load_state_dict(checkpoint["state_dict"], strict=False)  # it may bring the loss of its training
        if misfit.missing_keys:
            raise ModelError(f"{file}: lacks the weights {', '.join(misfit.missing_keys[:3])} …")
    except (KeyError, TypeError, ImportError, AttributeError, RuntimeError) as error:
        raise ModelError(f"{file}: does not fit this pyannote.audio: {error}") from error
    return made.eval()
