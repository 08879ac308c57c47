"""Counts the everyday prompts that land on an acceptable genre.

    python benchmarks/everyday_prompts.py
    python benchmarks/everyday_prompts.py --preset demo

prints Markdown tables: genres by the lexicon (stages/words) alone and, with a pipeline, by the
embedding of its stage for prompts; whether nonsense is reported; tempo and drums; every miss. The
prompts are those of `everyday_prompts.toml`.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
from evaluation.everyday import everyday_report, read_prompts
from evaluation.table import to_json, to_markdown

import soundstage
from soundstage.files import replacing
from soundstage.graph.plan import Graph
from soundstage.stages.words.lexicon import load_lexicon

PROMPTS = Path(__file__).with_suffix(".toml")
STYLE = "style embedding"


def embedder(graph: Graph):
    """Builds the first stage of a graph that embeds prompts; returns its function for one text."""
    for node in graph.nodes.values():
        if any(port.kind == STYLE for port in node.outputs.values()):
            stage = node.cls(node.params, graph.format, jax.devices("cpu")[0])
            return stage.embed_text
    sys.exit(f"the pipeline {graph.name!r} has no stage that embeds prompts")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", help="the name of a preset whose embeddings are measured, too")
    parser.add_argument("--pipeline", type=Path, help="a pipeline file, likewise")
    parser.add_argument("--genres", help="compare with these genres alone, with commas between")
    parser.add_argument("--prompts", type=Path, default=PROMPTS, help="the list of prompts")
    parser.add_argument("--output", type=Path, help="also write the report as JSON")
    args = parser.parse_args()
    prompts, embed, about = read_prompts(args.prompts), None, "the lexicon"
    if args.preset or args.pipeline:
        graph = soundstage.load(args.preset, args.pipeline)
        embed, about = embedder(graph), f"the lexicon and the pipeline {graph.name}"
    genres = args.genres.split(",") if args.genres else list(load_lexicon().genres)
    report = everyday_report(prompts, embed, genres, about)
    if args.output is not None:
        with replacing(args.output) as file:
            file.write(to_json(report).encode())
    print(to_markdown(report), end="")


if __name__ == "__main__":
    main()
