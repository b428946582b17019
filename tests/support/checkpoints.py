"""Checkpoints as ``torch.save`` writes them, made without torch: a zip with a pickle and the numbers beside it."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from voicematch.types import Array


class _Named:
    """Pickles as a global of a module that need not be there."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Tensor:
    def __init__(self, key: str, values: Array) -> None:
        self.key, self.values = key, values


_InPython: Any = pickle._Pickler  # type: ignore[attr-defined,unused-ignore]  # the one in C takes no opcodes of ours


class _Pickler(_InPython):  # type: ignore[misc]
    dispatch = _InPython.dispatch.copy()

    def save_named(self, named: _Named) -> None:
        self.write(pickle.GLOBAL + f"{named.module}\n{named.name}\n".encode())

    def save_tensor(self, tensor: _Tensor) -> None:
        self.save_named(_Named("torch._utils", "_rebuild_tensor_v2"))
        kind = {"f4": "FloatStorage", "i8": "LongStorage"}[tensor.values.dtype.str[1:]]
        shape = tensor.values.shape
        stride = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
        self.write(pickle.MARK)
        self.save(("storage", _Named("torch", kind), tensor.key, "cpu", tensor.values.size))
        self.write(pickle.BINPERSID)
        parts: tuple[object, ...] = (0, shape, stride, False, OrderedDict())
        for part in parts:
            self.save(part)
        self.write(pickle.TUPLE + pickle.REDUCE)

    dispatch[_Named] = save_named
    dispatch[_Tensor] = save_tensor


def write_checkpoint(file: Path, tensors: Mapping[str, Array], *, asks_for: tuple[str, str] | None = None) -> None:
    """Write a state dict; ``asks_for`` puts a function of that (module, name) into it, called when it is unpickled."""
    keys = {name: str(1000 + number) for number, name in enumerate(tensors)}
    state: Any = OrderedDict((name, _Tensor(keys[name], value)) for name, value in tensors.items())
    if asks_for is not None:
        state["extra"] = _Named(*asks_for)
    with zipfile.ZipFile(file, "w") as archive:
        with archive.open("archive/data.pkl", "w") as stream:
            _Pickler(stream, protocol=2).dump(state)
        archive.writestr("archive/byteorder", b"little")
        for name, value in tensors.items():
            archive.writestr(f"archive/data/{keys[name]}", np.ascontiguousarray(value).tobytes())
        archive.writestr("archive/version", b"3\n")
