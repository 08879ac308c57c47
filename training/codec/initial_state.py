"""The state of a codec run before its first step."""

from collections.abc import Sequence
from contextlib import closing

import jax
import numpy as np
from flax import nnx

from soundstage.stages.spectrostream.codec import codec_blueprint
from soundstage.stages.spectrostream.network import PARTS, SpectroStream, published_name
from soundstage.stages.weights.networks import load_network
from soundstage.stages.weights.random_weights import RandomSource, default_initial
from soundstage.stages.weights.sources import closing_source
from soundstage.training.codec.codebooks import start_books
from soundstage.training.codec.principal import analyse
from soundstage.training.codec.principal_weights import write_decoder, write_encoder
from soundstage.training.codec.settings import CodecTraining
from soundstage.training.codec.step import CodecState
from soundstage.training.codec.upsampling import upsample
from soundstage.training.crops import Crops
from soundstage.training.optimizer import start

# The step whose crops the first weights are fitted to; no run reaches it.
ANALYSED = 2**31


def start_state(settings: CodecTraining, crops: Crops | None = None) -> CodecState:
    """Makes the state that a run starts from.

    Args:
        settings: the settings of the run.
        crops: crops of the corpus, to fit the first weights to; None = random first weights, which
            suffices where only the state's structure matters.

    Raises:
        WeightsError: the settings name weights that cannot be used.
        OSError: a crop cannot be read.
    """
    network = _network(settings)
    if crops is not None and settings.analysed_rows and not settings.weights:
        _make_linear(settings, network, crops)
    parts = {name: nnx.state(getattr(network, name)) for name in ("encoder", "decoder")}
    trained = {name: parts.pop(name) for name in settings.trained}
    vectors = settings.rows * settings.frames
    assert network.quantizer is not None
    books = start_books(network.quantizer.embedding[...], vectors)
    return CodecState(start(trained, settings.optimizer), parts, books)


def _network(settings: CodecTraining) -> SpectroStream:
    random = closing(RandomSource(settings.seed, _without_biases))
    with closing_source(settings.weights) if settings.weights else random as source:
        return load_network(
            codec_blueprint(settings.config, PARTS, upsample),
            source,
            published_name(settings.config),
            None,
            elsewhere=("depthformer/",),
        ).network.module


def _without_biases(name: str, shape: tuple[int, ...], z: np.ndarray) -> np.ndarray:
    values = default_initial(name, shape, z)
    return np.zeros_like(values) if name.endswith("/bias") else values


def _make_linear(settings: CodecTraining, network: SpectroStream, crops: Crops) -> None:
    """Writes the linear codec fitted to some crops into the weights."""
    analysis = analyse(settings.config, crops.batch(ANALYSED, settings.analysed_rows))
    state = nnx.state(network)
    flat = nnx.to_flat_state(state)
    arrays = {_name(path): np.array(leaf[...], np.float64) for path, leaf in flat}
    write_encoder(settings.config, analysis, arrays)
    write_decoder(settings.config, analysis, arrays)
    written = {
        path: leaf.replace(jax.device_put(arrays[_name(path)].astype(np.float32)))
        for path, leaf in flat
    }
    nnx.update(network, nnx.from_flat_state(written))


def _name(path: Sequence) -> str:
    return "/".join(str(part) for part in path)
