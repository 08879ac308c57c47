"""Export of trained weights to the file that the stage `Sample` loads."""

from collections.abc import Mapping
from pathlib import Path

from flax import nnx

from soundstage.stages.depthformer.compact import compacted
from soundstage.stages.depthformer.loading import published_name
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.stages.weights.modules import parameter_arrays, save_safetensors
from soundstage.training.half_precision import as_float16


def export(
    graph: nnx.GraphDef,
    state: nnx.State,
    vocabulary: Vocabulary,
    path: Path,
    notes: Mapping[str, str],
) -> None:
    """Writes weights in float16, in the compact form, under their published names.

    Args:
        graph: the first value of `nnx.split(model)`.
        state: float32 arrays.
        vocabulary: the vocabulary of the music format.
        path: the file; its folder must exist.
        notes: the file's metadata.

    Raises:
        ExportError: a weight is too large for float16.
        OSError: the folder cannot be written to.
    """
    whole = parameter_arrays(nnx.merge(graph, state), published_name)
    save_safetensors(as_float16(compacted(whole, vocabulary)), path, notes)
