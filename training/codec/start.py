"""The state of a codec run before its first step."""

from flax import nnx

from stages.spectrostream.network import PARTS, SpectroStream, published_name
from stages.weights import closing_source, load_module
from training.codec.codebooks import start_books
from training.codec.network import new_weights
from training.codec.settings import CodecTraining
from training.codec.step import CodecState
from training.codec.upsampling import upsample
from training.optimizer import start


def start_state(settings: CodecTraining) -> CodecState:
    """Makes the weights that a run starts from.

    Raises:
        WeightsError: the settings name weights that cannot be used.
    """
    network = _network(settings)
    parts = {name: nnx.state(getattr(network, name)) for name in ("encoder", "decoder")}
    trained = {name: parts.pop(name) for name in settings.trained}
    vectors = settings.rows * settings.frames
    assert network.quantizer is not None
    books = start_books(network.quantizer.embedding[...], vectors)
    return CodecState(start(trained, settings.optimizer), parts, books)


def _network(settings: CodecTraining) -> SpectroStream:
    if not settings.weights:
        return new_weights(settings.config, settings.seed)
    with closing_source(settings.weights) as source:
        return load_module(
            lambda rngs: SpectroStream(settings.config, PARTS, upsample=upsample, rngs=rngs),
            source,
            published_name(settings.config),
            None,
            elsewhere=("depthformer/",),
        ).module
