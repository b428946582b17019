"""Which engines do the work."""

from __future__ import annotations

from dataclasses import dataclass

from ..engines import open_embedder
from ..engines.diarize import BuiltinDiarizer, Diarizer
from ..engines.embed import Embedder
from ..library import Library
from ..models import files
from ..models.table import DEFAULT_EMBEDDER, is_known, is_local


@dataclass(frozen=True, slots=True)
class Engines:
    """Which engines do the work; None is the built-in diarizer, and the embedder of the library.

    device : where that embedder computes, if it can be told
    """

    diarizer: Diarizer | None = None
    embedder: Embedder | None = None
    device: str = "auto"

    def resolve(self, library: Library) -> tuple[Diarizer, Embedder]:
        """Return the diarizer, and the embedder, which has to be the one that the library's vectors come from.

        A library that holds none yet keeps to this embedder from now on. Raises EmbedderMismatch, ModelError.
        """
        # One that is in the table no more cannot be opened; the mismatch then says how to move on.
        name = library.embedder if is_known(library.embedder) else DEFAULT_EMBEDDER
        embedder = self.embedder or open_embedder(name, device=self.device)
        weights = files.fingerprint(embedder.name) if is_local(embedder.name) else None
        library.keep_to(embedder.name, embedder.dimension, weights)
        return self.diarizer or BuiltinDiarizer(), embedder


BUILT_IN = Engines()
