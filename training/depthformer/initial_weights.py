"""The weights that training of a Depthformer starts from."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from soundstage.stages.depthformer.config import DepthformerConfig
from soundstage.stages.depthformer.loading import depthformer_maker, load_depthformer
from soundstage.stages.depthformer.vocabulary import CODEC_OFFSET, Vocabulary
from soundstage.stages.weights.array_source import WeightsError
from soundstage.stages.weights.modules import structure
from soundstage.stages.weights.sources import closing_source

CODEC_CODEBOOKS = "quantizer/embedding"
EMBEDDING, HEAD = ("token_embedder", "embedding"), ("decoder", "logits_dense", "kernel")
CROSS_ATTENTION = "encoder_decoder_attention"
# Weights of the three parts of an id's first embedding. The random part separates similar codes.
FROM_CODEBOOK, FROM_LEVEL, FROM_CHANCE = 1.5, 0.4, 0.5
# Style embeddings have length 1: every code of at least this length is unused.
LONGEST_STYLE = 2.0
# Scale of the first head's columns: small, so that all codes are about equally likely.
HEAD_SCALE = 0.3


@dataclass(frozen=True)
class InitialWeights:
    """A network and the weights to train.

    Attributes:
        config: the network's sizes, as the weights have them.
        graph: the first value of `nnx.split(model)`; computes in the config's activation type.
        state: float32 arrays.
        note: where the weights come from, for people.
    """

    config: DepthformerConfig
    graph: nnx.GraphDef
    state: nnx.State
    note: str


def load_initial(
    config: DepthformerConfig, weights: str, device: jax.Device | None = None
) -> InitialWeights:
    """Reads or makes a Depthformer to train.

    Args:
        config: sizes, and the activation type of training.
        weights: as `stages.weights.sources.open_source` reads it.
        device: where the arrays go; None = JAX's default.

    Raises:
        WeightsError: the weights cannot be used.
    """
    with closing_source(weights) as source:
        network, _, note = load_depthformer(
            replace(config, activation_dtype="float32"), source, device
        )
    config = replace(network.config, activation_dtype=config.activation_dtype)
    graph, _ = structure(depthformer_maker(config))
    return InitialWeights(config, graph, nnx.state(network.module), note)


def with_quiet_encoder(state: nnx.State) -> nnx.State:
    """Sets the output of the decoder's cross-attention to 0.

    A random cross-attention adds noise. Training would first learn to ignore it, and then never
    find what the past and the style tell.
    """
    leaves = dict(nnx.to_flat_state(state))
    for path, leaf in leaves.items():
        if CROSS_ATTENTION in path and "out" in path:
            leaves[path] = leaf.replace(jnp.zeros_like(leaf[...]))
    return nnx.from_flat_state(leaves)


def read_codec_codebooks(weights: str, vocabulary: Vocabulary) -> np.ndarray:
    """Reads the codec's codebooks of the generated levels, float32 [level, code, feature].

    Raises:
        WeightsError: the weights have no codebooks, or too few.
    """
    with closing_source(weights) as source:
        shape = (source.names() or {}).get(CODEC_CODEBOOKS, ())
        levels, size = vocabulary.codec_levels, vocabulary.codebook_size
        if len(shape) != 3 or shape[0] < levels or shape[1] != size:
            raise WeightsError(
                f"{source.note}: {CODEC_CODEBOOKS} has shape {shape}; {levels} levels of {size} "
                "codes are needed"
            )
        return source.read(CODEC_CODEBOOKS, shape)[:levels]


def with_codebooks(
    state: nnx.State, vocabulary: Vocabulary, codec: np.ndarray, style: np.ndarray, seed: int
) -> nnx.State:
    """Gives similar codes similar first embeddings and similar columns of the head.

    Most codes are rare; what training learns of one then applies to its neighbours too. One
    projection serves all levels of a codec and keeps their sizes, so that the sum of a frame's
    embeddings is a projection of the frame's sound.

    Args:
        state: random weights.
        vocabulary: the ids of the codes.
        codec: float32 [level, code, feature].
        style: float32 [level, code, style_dim].
        seed: the seed of the projections.

    Returns:
        The weights with another embedding and another head.
    """
    state = _with_projected_rows(state, codec, CODEC_OFFSET, seed)
    state = with_style_codebooks(state, vocabulary, style, seed)
    leaves = dict(nnx.to_flat_state(state))
    head = np.array(leaves[HEAD][...])
    draw = np.random.default_rng([seed, 0xC0DE, 1])
    near, size = _projected(codec, len(head), draw)
    near = (near / size).reshape(-1, len(head))
    head[:, CODEC_OFFSET : CODEC_OFFSET + len(near)] = near.T * (HEAD_SCALE / np.sqrt(len(head)))
    leaves[HEAD] = leaves[HEAD].replace(jnp.asarray(head))
    return nnx.from_flat_state(leaves)


def with_style_codebooks(
    state: nnx.State, vocabulary: Vocabulary, style: np.ndarray, seed: int
) -> nnx.State:
    """Gives similar style codes similar first embeddings.

    Args:
        state: weights; the embedding's rows of style codes are replaced.
        vocabulary: the ids of the codes.
        style: float32 [level, code, style_dim].
        seed: the seed of the projection.
    """
    return _with_projected_rows(state, style, vocabulary.style_offset, seed, LONGEST_STYLE)


def _with_projected_rows(
    state: nnx.State, books: np.ndarray, first: int, seed: int, longest: float = np.inf
) -> nnx.State:
    draw = np.random.default_rng([seed, 0xC0DE, first])
    leaves = dict(nnx.to_flat_state(state))
    rows = np.array(leaves[EMBEDDING][...])
    width = rows.shape[1]
    near, size = _projected(books, width, draw, longest)  # [level, code, D], [level, 1, 1]
    of_level = draw.standard_normal((len(books), 1, width), np.float32)
    chance = FROM_CHANCE * size * draw.standard_normal(near.shape, np.float32)
    ids = slice(first, first + near.shape[0] * near.shape[1])
    rows[ids] = (FROM_CODEBOOK * near + FROM_LEVEL * of_level + chance).reshape(-1, width)
    leaves[EMBEDDING] = leaves[EMBEDDING].replace(jnp.asarray(rows))
    return nnx.from_flat_state(leaves)


def _projected(
    books: np.ndarray, width: int, draw: np.random.Generator, longest: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Projects all codebooks at random, so that the first level has standard deviation 1.

    Codes of length `longest` or more become 0 and do not count in the deviation: they are unused
    codes far from every embedding, and beside them all used codes would look alike.

    Returns:
        float32 [level, code, width], and each level's deviation, [level, 1, 1].
    """
    used = np.linalg.norm(books, axis=2, keepdims=True) < longest  # [level, code, 1]
    projection = draw.standard_normal((books.shape[2], width), np.float32)
    counts = np.maximum(used.sum(axis=1, keepdims=True), 1)
    means = (books * used).sum(axis=1, keepdims=True) / counts
    projected = ((books - means) * used) @ projection
    squares = np.square(projected).sum(axis=(1, 2), keepdims=True)
    sizes = np.maximum(np.sqrt(squares / (counts * width)), 1e-6)
    return projected / sizes[0], sizes / sizes[0]
