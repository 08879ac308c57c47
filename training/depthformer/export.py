"""From trained weights to the file that the stage `Sample` loads."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from flax import nnx

from soundstage.errors import Error
from soundstage.stages.depthformer.compact import compacted
from soundstage.stages.depthformer.model import published_name
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.stages.weights.modules import parameter_arrays, save_safetensors


class ExportError(Error):
    """Weights that do not fit the file's type."""


def export(
    graph: nnx.GraphDef,
    state: nnx.State,
    vocabulary: Vocabulary,
    path: Path,
    notes: Mapping[str, str],
) -> None:
    """Writes weights in float16, in the compact form, under their published names.

    Args:
        graph: of `nnx.split(model)`.
        state: float32 arrays.
        vocabulary: that of the music format.
        path: the file; its folder must exist.
        notes: what the file says about itself.

    Raises:
        ExportError: a weight is too large for float16.
        OSError: the folder cannot be written to.
    """
    whole = parameter_arrays(nnx.merge(graph, state), published_name)
    arrays = {}
    for name, array in compacted(whole, vocabulary).items():
        if not np.abs(array).max(initial=0) <= np.finfo(np.float16).max:
            raise ExportError(f"{name} holds a number that float16 cannot; it was not trained well")
        arrays[name] = array.astype(np.float16)
    save_safetensors(arrays, path, notes)
