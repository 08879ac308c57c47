"""Measures how much a language model gains from the past of the music.

    python benchmarks/uses_past.py --preset demo --tokens tokens.arrow

prints the surprise of the coarsest level on held-out pieces, in nats a frame, teacher-forced, for
four pasts: the right one, none, the same piece 8.5 s earlier, and another piece. A model that
ignores its past has the same surprise for all. `--drums` takes only chunks with drums.
`python -m soundstage.training.tokens` makes the file of tokens.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
from evaluation.table import Report, Row, Section, to_markdown
from flax import nnx

from soundstage.graph.format import Format
from soundstage.graph.plan import Graph
from soundstage.runners.api import load
from soundstage.stages.depthformer.conditions import FREE, Conditions
from soundstage.stages.depthformer.config import config_of_size
from soundstage.stages.depthformer.loading import load_depthformer
from soundstage.stages.depthformer.model import Depthformer
from soundstage.stages.depthformer.vocabulary import NOTHING, PAD, Vocabulary
from soundstage.stages.weights.sources import closing_source
from soundstage.training.depthformer.objective import code_ids, surprise_of_frames
from soundstage.training.tokens.cache import TokenCache
from soundstage.training.tokens.pipeline_encoders import sample_node
from soundstage.training.tokens.record import PieceTokens

EARLIER_S = 8.5
PARTS = {"frames 0-2": slice(0, 3), "frames 3-9": slice(3, 10), "frames 10-49": slice(10, None)}
BATCH = 16


def load_network(graph: Graph, weights: str | None) -> Depthformer:
    """Loads the network of a pipeline's stage `sample`.

    Args:
        graph: the pipeline.
        weights: other weights; None = the pipeline's own.

    Raises:
        WeightsError: they cannot be used.
    """
    params = sample_node(graph).params
    config = replace(config_of_size(params.size).fitted(graph.format), activation_dtype="float32")
    with closing_source(weights or params.weights) as source:
        return load_depthformer(config, source, None)[0].module


def chunk_surprise(
    model: Depthformer, prompt: jax.Array, codes: jax.Array, context_frames: int
) -> jax.Array:
    """Returns the surprise of a chunk's coarsest level, float32 [row, frame], in nats.

    Args:
        model: either kind of network.
        prompt: int32 [row, prompt_token]; PAD = no such frame.
        codes: int32 [row, frame, level].
        context_frames: frames of the past in the prompt.
    """
    ids = code_ids(model, codes)
    levels = model.config.past_levels
    if not levels:
        temporal = model.forced_temporal(model.encode(prompt), prompt, ids)
        return surprise_of_frames(model, temporal, ids[:, :, :1])[:, :, 0]
    past = prompt[:, : context_frames * levels].reshape(len(prompt), context_frames, levels)
    style = prompt[:, context_frames * levels :]
    frames = jnp.concatenate([past, ids[:, :, :levels]], axis=1)
    shape = frames.shape[:2]
    free = Conditions(jnp.full(shape, FREE), jnp.full((*shape, 3), FREE))
    temporal = model.forced_sequence(model.encode(style), style, frames, free, hidden=PAD)
    return surprise_of_frames(model, temporal[:, context_frames:], ids[:, :, :1])[:, :, 0]


def examples(
    pieces: list[PieceTokens], form: Format, drums: bool, chunks: int
) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]]:
    """Cuts chunks with four pasts.

    Args:
        pieces: held-out pieces.
        form: the music format.
        drums: whether to take only chunks with drums.
        chunks: most chunks of a piece.

    Yields:
        Style tokens [style_level], codes [frame, level], and the pasts [context_frame, level].
    """
    context, frames = form.dims["context_frame"], form.dims["frame"]
    earlier = round(EARLIER_S * form.frame_rate_hz)
    for number, piece in enumerate(pieces):
        other = pieces[(number + 1) % len(pieces)]
        last = len(piece.tokens) - frames
        for start in np.linspace(context + earlier, last, chunks).astype(int):
            if drums and piece.drums[start : start + frames].mean() < 1:
                continue
            right = piece.tokens[start - context : start]
            yield (
                piece.clips.tokens[0],
                piece.tokens[start : start + frames],
                {
                    "right past": right,
                    "no past": np.full_like(right, NOTHING),
                    "8.5 s earlier": piece.tokens[start - context - earlier : start - earlier],
                    "another piece": other.tokens[:context],
                },
            )


def measure(model: Depthformer, pieces: list[PieceTokens], form: Format, drums: bool) -> list[Row]:
    """Returns a row of the table for every past."""
    vocabulary, context = Vocabulary.of(form), form.dims["context_frame"]
    graph, state = nnx.split(model)

    @jax.jit
    def surprise(state: nnx.State, prompt: jax.Array, codes: jax.Array) -> jax.Array:
        return chunk_surprise(nnx.merge(graph, state), prompt, codes, context)

    nats: dict[str, list[np.ndarray]] = {}
    for style, codes, pasts in examples(pieces, form, drums, chunks=8):
        prompts = [
            vocabulary.hide_nothing(vocabulary.pack(past.astype(np.int32), style))
            for past in pasts.values()
        ]
        repeated = np.repeat(codes[None].astype(np.int32), len(prompts), axis=0)
        values = np.asarray(surprise(state, np.stack(prompts), repeated))
        for name, row in zip(pasts, values, strict=True):
            nats.setdefault(name, []).append(row)
    return [
        {"past": name, "chunks": len(rows)}
        | {part: float(np.mean([row[frames] for row in rows])) for part, frames in PARTS.items()}
        for name, rows in nats.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", help="the name of a preset")
    parser.add_argument("--pipeline", type=Path, help="a pipeline file")
    parser.add_argument("--weights", help="other weights for its stage `sample`")
    parser.add_argument("--tokens", type=Path, required=True, help="a file of tokens")
    parser.add_argument("--drums", action="store_true", help="only chunks with drums")
    args = parser.parse_args()
    graph = load(args.preset, args.pipeline)
    pieces = [piece for piece in TokenCache(args.tokens) if piece.split == "heldout"]
    rows = measure(load_network(graph, args.weights), pieces, graph.format, args.drums)
    note = f"""Nats a frame of level 0 on {len(pieces)} held-out pieces, teacher-forced, with the
        style of a clip and no other conditions."""
    print(to_markdown(Report({}, [Section("Use of the past", note, rows)])), end="")


if __name__ == "__main__":
    main()
