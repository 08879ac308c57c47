"""Encoders with their weights in place: from files, or from the stages of a pipeline."""

from typing import ClassVar

import jax

from soundstage.errors import Error
from soundstage.graph.format import Format
from soundstage.graph.plan import FromStage, Graph, Node
from soundstage.runners.devices import find_device
from soundstage.stages.context import PackKnown
from soundstage.stages.depthformer import Sample
from soundstage.stages.style.stage import Quantize, QuantizeParams
from soundstage.stages.style_towers.stage import Embed, EmbedParams
from soundstage.training.tokens.encoders import Embedding, Encoders, Quantizing
from soundstage.training.whole_codec import CodecParameters, decodes, open_whole_codec

ENCODER_PARTS = ("encoder", "quantizer")


class NotTrainable(Error):
    """A pipeline has not the parts that training needs; the message says which."""

    exit_code: ClassVar[int] = 4


def file_encoders(
    format: Format,
    codec: CodecParameters,
    style: str,
    codebooks: str,
    device: jax.Device | None = None,
) -> Encoders:
    """The encoders that a codec's file and the small style model's files make.

    Args:
        format: the music format.
        codec: weights, encoder and quantizer among them, and their size.
        style: weights of `stages.style_towers`.
        codebooks: weights of the style quantizer.
        device: where to compute; None = JAX's default.

    Raises:
        WeightsError: weights cannot be used.
        ValueError: the codec does not speak the format.
    """
    device = device or jax.devices()[0]
    embed = Embed(EmbedParams(style), format, device)
    quantize = Quantize(QuantizeParams(codebooks), format, device)
    return _encoders(format, codec, device, embed, quantize)


def pipeline_encoders(graph: Graph) -> Encoders:
    """The encoders that fit a pipeline: its own style stages, and its codec's other half.

    Raises:
        NotTrainable: the pipeline is not wired as one of a Depthformer is.
        WeightsError: weights cannot be used, for instance a codec without its encoder.
    """
    sample = sample_node(graph)
    pack = _behind(graph, sample, "prompt")
    quantize = _behind(graph, pack, "style")
    embed = _behind(graph, quantize, "embedding")
    decoders = [
        node
        for node in graph.nodes.values()
        if decodes(node) and node.sources["tokens"] == FromStage(sample.name, "tokens")
    ]
    if len(decoders) != 1:
        raise NotTrainable(
            f"pipeline {graph.name}: {len(decoders)} stages that decode read "
            f"{sample.name}.tokens; training needs the one codec that they belong to"
        )
    stages = [
        node.cls(node.params, graph.format, find_device(node.device)) for node in (embed, quantize)
    ]
    return _encoders(graph.format, decoders[0].params, find_device(decoders[0].device), *stages)


def sample_node(graph: Graph) -> Node:
    """The stage of a pipeline that training changes.

    Raises:
        NotTrainable: there is none, or there are several.
    """
    found = [node for node in graph.nodes.values() if node.cls is Sample]
    if len(found) != 1:
        raise NotTrainable(
            f"pipeline {graph.name} has {len(found)} stages.depthformer:Sample stages; training "
            "needs one"
        )
    return found[0]


def hides_nothing_yet(graph: Graph) -> bool:
    """Does a pipeline hide from its Depthformer what is not there yet? See `PackKnown`.

    Raises:
        NotTrainable: the pipeline is not wired as one of a Depthformer is.
    """
    return _behind(graph, sample_node(graph), "prompt").cls is PackKnown


def _behind(graph: Graph, node: Node, port: str) -> Node:
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
