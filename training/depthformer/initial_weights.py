"""The weights training starts from."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from soundstage.stages.depthformer.config import DepthformerConfig
from soundstage.stages.depthformer.loading import load_depthformer
from soundstage.stages.depthformer.model import Depthformer
from soundstage.stages.depthformer.vocabulary import CODEC_OFFSET, Vocabulary
from soundstage.stages.weights.sources import WeightsError, closing_source

CODEC_CODEBOOKS = "quantizer/embedding"
EMBEDDING, HEAD = ("token_embedder", "embedding"), ("decoder", "logits_dense", "kernel")
CROSS_ATTENTION = "encoder_decoder_attention"
# What an id's first embedding is made of. The share of chance tells codes apart that are near.
FROM_CODEBOOK, FROM_LEVEL, FROM_CHANCE = 1.5, 0.4, 0.5
# Styles are of length 1: no code in use is this long.
LONGEST_STYLE = 2.0
# How far the columns of the first head are from zero: all codes are about as likely.
HEAD_SCALE = 0.3


@dataclass(frozen=True)
class Start:
    """Weights to train on.

    Attributes:
        config: the network's sizes, as the weights have them.
        graph: of `nnx.split(model)`; computes in the config's activation type.
        state: float32 arrays.
        note: where the weights come from, for people.
    """

    config: DepthformerConfig
    graph: nnx.GraphDef
    state: nnx.State
    note: str


def start_from(config: DepthformerConfig, weights: str, device: jax.Device | None = None) -> Start:
    """Reads or makes a Depthformer to train.

    Args:
        config: sizes; the activation type is training's.
        weights: as `stages.weights.sources.open_source` reads it.
        device: where the arrays go; None = JAX's default.

    Raises:
        WeightsError: the weights cannot be used.
    """
    with closing_source(weights) as source:
        model, _, note = load_depthformer(
            replace(config, activation_dtype="float32"), source, device
        )
    config = replace(model.config, activation_dtype=config.activation_dtype)
    graph = nnx.split(nnx.eval_shape(lambda: Depthformer(config, nnx.Rngs(0))))[0]
    return Start(config, graph, nnx.state(model), note)


def with_quiet_encoder(state: nnx.State) -> nnx.State:
    """Lets the decoder begin as if there were no encoder: what it hears of it is 0 at first.

    Else it is noise, the first thing that training learns is to shut it out, and what the past and
    the style could tell is never found.
    """
    leaves = dict(nnx.to_flat_state(state))
    for path, leaf in leaves.items():
        if CROSS_ATTENTION in path and "out" in path:
            leaves[path] = leaf.replace(jnp.zeros_like(leaf[...]))
    return nnx.from_flat_state(leaves)


def with_fresh_encoder(start: Start, seed: int) -> Start:
    """The same decoder, with random weights where it is a matter of the encoder.

    Args:
        start: whose decoder stays as it is, but for its ways to the encoder.
        seed: of the random weights.
    """
    fresh = dict(nnx.to_flat_state(start_from(start.config, f"random:{seed}").state))
    leaves = dict(nnx.to_flat_state(start.state))
    for path in leaves:
        if path[0] == "encoder" or CROSS_ATTENTION in path:
            leaves[path] = fresh[path]
    state = with_quiet_encoder(nnx.from_flat_state(leaves))
    return replace(start, state=state, note=f"{start.note}, its encoder from seed {seed}")


def read_codec_codebooks(weights: str, vocabulary: Vocabulary) -> np.ndarray:
    """The codec's codebooks, float32 [level, code, feature], of the levels that are generated.

    Raises:
        WeightsError: there are none, or too few.
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


def near_alike(
    state: nnx.State, vocabulary: Vocabulary, codec: np.ndarray, style: np.ndarray, seed: int
) -> nnx.State:
    """Lets codes that sound alike start alike, in the embedding and in the head.

    Most codes are rare. What is learned of one then holds for its neighbours too. All levels of a
    codec are projected alike and keep their size, so that the sum of a frame's embeddings is a
    projection of what the frame sounds like.

    Args:
        state: random weights.
        vocabulary: whose ids they are.
        codec: float32 [level, code, feature].
        style: float32 [level, code, style_dim].
        seed: of the projections.

    Returns:
        The weights with another embedding and another head.
    """
    state = _near_rows(state, codec, CODEC_OFFSET, seed)
    state = near_styles(state, vocabulary, style, seed)
    leaves = dict(nnx.to_flat_state(state))
    head = np.array(leaves[HEAD][...])
    draw = np.random.default_rng([seed, 0xC0DE, 1])
    near, size = _projected(codec, len(head), draw)
    near = (near / size).reshape(-1, len(head))
    head[:, CODEC_OFFSET : CODEC_OFFSET + len(near)] = near.T * (HEAD_SCALE / np.sqrt(len(head)))
    leaves[HEAD] = leaves[HEAD].replace(jnp.asarray(head))
    return nnx.from_flat_state(leaves)


def near_styles(
    state: nnx.State, vocabulary: Vocabulary, style: np.ndarray, seed: int
) -> nnx.State:
    """Lets styles that are alike start alike, in the embedding.

    Args:
        state: whose rows of style codes are replaced.
        vocabulary: whose ids they are.
        style: float32 [level, code, style_dim].
        seed: of the projection.
    """
    return _near_rows(state, style, vocabulary.style_offset, seed, LONGEST_STYLE)


def _near_rows(
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
    """One random projection of all codebooks, the first level's to deviation 1.

    Codes of `longest` or more are left out of the account and become 0: they were put where no
    embedding is, and beside them all codes in use would look alike.

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
