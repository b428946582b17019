"""The engines by name, opened when they are asked for. Those on torch come with the extra ``torch``.

    built-in                diarize.BuiltinDiarizer, on ONNX Runtime
    pyannote[:NAME|FOLDER]  pyannote.PyannoteDiarizer
    campplus-2, …           embed.OnnxEmbedder: every such row of models.MODELS
    speechbrain             speechbrain.SpeechBrainEmbedder

Opening checks that everything is there and loads nothing; the weights are read when an engine is first used, and stay
behind when it is pickled, so that each worker of a backlog reads them for itself.
"""

from __future__ import annotations

from ..errors import ModelError
from ..models import table
from ..models.table import DEFAULT_EMBEDDER, MODELS
from .diarize import BuiltinDiarizer, Diarizer
from .embed import Embedder, OnnxEmbedder

DIARIZERS = ("built-in", "pyannote")


def open_diarizer(name: str = "built-in", *, device: str = "auto", everywhere: bool = False) -> Diarizer:
    """Open the diarizer of that name: "built-in", "pyannote", or "pyannote:" with a model's name or a folder.

    everywhere : of the built-in one, see there

    Raises ModelError when there is none of that name, its model is not on this machine, or the extra is missing.
    """
    engine, _, pipeline = name.partition(":")
    if engine == "built-in" and not pipeline:
        return BuiltinDiarizer(everywhere=everywhere)
    if engine == "pyannote":
        from .pyannote import PyannoteDiarizer

        return PyannoteDiarizer(pipeline or "community-1", device=device)
    raise ModelError(f"no diarizer {name!r}; there are {', '.join(DIARIZERS)}, and pyannote:FOLDER")


def open_embedder(name: str = DEFAULT_EMBEDDER, *, device: str = "auto") -> Embedder:
    """Open the embedder of that name in ``table.MODELS``. Raises ModelError as ``open_diarizer`` does."""
    card = table.card(name)
    if card.kind != "embedder":
        known = ", ".join(other.name for other in MODELS.values() if other.kind == "embedder")
        raise ModelError(f"{name!r} makes no voice vectors; embedders are {known}")
    if card.front_end == "speechbrain":
        from .speechbrain import SpeechBrainEmbedder

        return SpeechBrainEmbedder(name, device=device)
    return OnnxEmbedder(name, device)
