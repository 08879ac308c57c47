"""Encoders loaded from weight files, or from the stages of a pipeline."""

from typing import ClassVar

import jax

from soundstage.errors import Error
from soundstage.graph.format import Format
from soundstage.graph.plan import FromStage, Graph, Node
from soundstage.runners.devices import find_device
from soundstage.stages.beat import PackOnBeat
from soundstage.stages.context import PackKnown
from soundstage.stages.depthformer import Sample, SampleOnBeat
from soundstage.stages.style.stage import Quantize, QuantizeParams
from soundstage.stages.style_towers.stage import Embed, EmbedParams
from soundstage.training.tokens.encoders import Embedding, Encoders, Quantizing
from soundstage.training.whole_codec import CodecParameters, decodes, open_whole_codec

ENCODER_PARTS = ("encoder", "quantizer")


class NotTrainable(Error):
    """A pipeline lacks stages that training needs; the message says which."""

    exit_code: ClassVar[int] = 4


def file_encoders(
    format: Format,
    codec: CodecParameters,
    style: str,
    codebooks: str,
    device: jax.Device | None = None,
) -> Encoders:
    """Loads a codec and the style towers from their files.

    Args:
        format: the music format.
        codec: size and weights of the codec; its encoder and quantizer are loaded.
        style: weights of `stages.style_towers`.
        codebooks: weights of the style quantizer.
        device: where to compute; None = JAX's default.

    Raises:
        WeightsError: weights cannot be used.
        ValueError: the codec was made for another format.
    """
    device = device or jax.devices()[0]
    embed = Embed(EmbedParams(style), format, device)
    quantize = Quantize(QuantizeParams(codebooks), format, device)
    return _encoders(format, codec, device, embed, quantize)


def pipeline_encoders(graph: Graph) -> Encoders:
    """Loads the encoders of a pipeline: its style stages, and the encoder of its codec.

    Raises:
        NotTrainable: the pipeline lacks the stages or edges of the default graph.
        WeightsError: weights cannot be used, for instance a codec without its encoder.
    """
    sample = sample_node(graph)
    pack = _source(graph, sample, "prompt")
    quantize = _source(graph, pack, "style")
    embed = _source(graph, quantize, "embedding")
    decoders = [
        node
        for node in graph.nodes.values()
        if decodes(node) and node.sources["tokens"] == FromStage(sample.name, "tokens")
    ]
    if len(decoders) != 1:
        raise NotTrainable(
            f"pipeline {graph.name}: {len(decoders)} codec decoders read {sample.name}.tokens; "
            "training needs exactly one"
        )
    stages = [
        node.cls(node.params, graph.format, find_device(node.device)) for node in (embed, quantize)
    ]
    return _encoders(graph.format, decoders[0].params, find_device(decoders[0].device), *stages)


def sample_node(graph: Graph) -> Node:
    """Returns the only `Sample` or `SampleOnBeat` stage of a pipeline, which training changes.

    Raises:
        NotTrainable: there is none, or there are several.
    """
    nodes = [node for node in graph.nodes.values() if node.cls in (Sample, SampleOnBeat)]
    if len(nodes) != 1:
        raise NotTrainable(
            f"pipeline {graph.name} has {len(nodes)} stages that sample with a Depthformer; "
            "training needs one"
        )
    return nodes[0]


def hides_nothing_yet(graph: Graph) -> bool:
    """Tells whether a pipeline hides context frames that do not exist yet, as `PackKnown` does.

    Raises:
        NotTrainable: the pipeline lacks the stages or edges of the default graph.
    """
    return _source(graph, sample_node(graph), "prompt").cls in (PackKnown, PackOnBeat)


def _source(graph: Graph, node: Node, port: str) -> Node:
    """Returns the stage that feeds a port."""
    source = node.sources.get(port)
    if not isinstance(source, FromStage):
        raise NotTrainable(
            f"pipeline {graph.name}: {node.name}.{port} is not fed by a stage of the same tick; "
            "training needs the default graph's embed, quantize, pack and sample"
        )
    return graph.nodes[source.stage]


def _encoders(
    format: Format,
    params: CodecParameters,
    device: jax.Device,
    embed: Embedding,
    quantize: Quantizing,
) -> Encoders:
    codec, digest = open_whole_codec(params, format, device, ENCODER_PARTS)
    return Encoders(format, codec, digest, embed, quantize)
