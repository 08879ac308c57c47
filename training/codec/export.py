"""Export of a trained codec to one safetensors file with the published names."""

from pathlib import Path

import jax
import numpy as np
from flax import nnx

from soundstage.stages.spectrostream.codec import codec_maker
from soundstage.stages.spectrostream.network import PARTS, Quantizer, published_name
from soundstage.stages.weights.modules import parameter_arrays, save_safetensors, structure
from soundstage.training.checkpoint import Position, restore_run
from soundstage.training.codec.initial_state import start_state
from soundstage.training.codec.settings import FILE, CodecTraining
from soundstage.training.codec.step import CodecState
from soundstage.training.codec.upsampling import upsample
from soundstage.training.half_precision import as_float16
from soundstage.training.run_settings import read_settings


def read_run(run: Path) -> tuple[CodecTraining, CodecState, Position]:
    """Reads the settings and the last checkpoint of a run.

    Raises:
        SettingsError: the folder holds no run.
        CheckpointError: there is no checkpoint, or it is damaged.
    """
    settings = read_settings(run / FILE, CodecTraining)
    return settings, *restore_run(run, start_state(settings))


def codec_arrays(settings: CodecTraining, state: CodecState) -> dict[str, np.ndarray]:
    """Returns the best weights of a run (averaged if kept) by published name, float32."""
    abstract = nnx.merge(*structure(codec_maker(settings.config, PARTS, upsample)))
    whole = {**state.best, "quantizer": _quantizer(settings, state)}
    # Copied, so that the update does not change the state that training continues with.
    nnx.update(abstract, nnx.State(jax.device_put(whole, may_alias=False)))
    return parameter_arrays(abstract, published_name(settings.config))


def _quantizer(settings: CodecTraining, state: CodecState) -> nnx.State:
    quantizer = nnx.state(Quantizer(settings.config, rngs=nnx.Rngs(0)))
    return jax.tree.map(lambda _: state.books.embedding, quantizer)


def export(run: Path, output: Path) -> Position:
    """Writes the last checkpoint's best weights; matrices as float16, vectors as float32.

    Args:
        run: the run's folder.
        output: the file.

    Returns:
        The checkpoint's position.

    Raises:
        SettingsError: the folder holds no run.
        CheckpointError: there is no checkpoint, or it is damaged.
        ExportError: a weight is too large for float16.
        OSError: the file cannot be written.
    """
    settings, state, position = read_run(run)
    metadata = {
        "model": "spectrostream",
        "size": settings.size,
        "seed": str(settings.seed),
        "step": str(position.step),
        "minutes": f"{position.seconds / 60:.1f}",
    }
    arrays = as_float16(codec_arrays(settings, state), keep_vectors=True)
    save_safetensors(arrays, output, metadata)
    return position
