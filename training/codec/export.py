"""A trained codec as one safetensors file with the published names."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from soundstage.stages.spectrostream.network import Quantizer, SpectroStream, published_name
from soundstage.stages.weights.sources import parameter_arrays, save_safetensors
from soundstage.training.checkpoint import Position, restore_latest
from soundstage.training.codec.initial_state import start_state
from soundstage.training.codec.settings import CodecTraining, SettingsError, read_settings
from soundstage.training.codec.step import CodecState


def read_run(run: Path) -> tuple[CodecTraining, CodecState, Position]:
    """Reads the settings and the last checkpoint of a run.

    Raises:
        SettingsError: there is no run, or it has no checkpoint yet.
        CheckpointError: the checkpoint is damaged.
    """
    settings = read_settings(run)
    found = restore_latest(run / "checkpoints", start_state(settings))
    if found is None:
        raise SettingsError(f"{run} has no checkpoint yet")
    return settings, *found


def codec_arrays(settings: CodecTraining, state: CodecState) -> dict[str, np.ndarray]:
    """The best weights of a run by published name: averaged ones where there are any, float32."""
    abstract = nnx.eval_shape(lambda: SpectroStream(settings.config, rngs=nnx.Rngs(0)))
    whole = {**state.best, "quantizer": _quantizer(settings, state)}
    # Copied, so that setting them does not reach into the state that training goes on with.
    nnx.update(abstract, nnx.State(jax.tree.map(jnp.copy, whole)))
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
        Where the run stood.

    Raises:
        SettingsError: there is no run, or it has no checkpoint yet.
        CheckpointError: the checkpoint is damaged.
        OverflowError: a weight is too large for float16.
        OSError: the file cannot be written.
    """
    settings, state, position = read_run(run)
    halves = {}
    for name, array in codec_arrays(settings, state).items():
        with np.errstate(over="ignore"):
            halves[name] = array.astype(np.float32 if array.ndim < 2 else np.float16)
        if not np.isfinite(halves[name]).all():
            raise OverflowError(f"{name} holds values that float16 cannot: train on, or clip them")
    metadata = {
        "model": "spectrostream",
        "size": settings.size,
        "seed": str(settings.seed),
        "step": str(position.step),
        "minutes": f"{position.seconds / 60:.1f}",
    }
    save_safetensors(halves, output, metadata)
    return position
