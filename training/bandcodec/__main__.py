"""`python -m soundstage.training.bandcodec`: fits the band codec to a corpus."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from soundstage.stages.bandcodec.measures import MEASURES
from soundstage.stages.weights.modules import save_safetensors
from soundstage.training.bandcodec.fitting import fit
from soundstage.training.bandcodec.frame_features import read_features
from soundstage.training.command_line import (
    Corpus,
    counting_bar,
    errors_in_one_line,
    run_command,
    weight_notes,
)
from soundstage.training.half_precision import as_float16
from soundstage.training.tokens.pieces import corpus_pieces

COMMAND = "soundstage.training.bandcodec"
EXAMPLES = """Example:

python -m soundstage.training.bandcodec --corpus corpus --output demo-bandcodec.safetensors"""

Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The weights.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same weights.")]


def bandcodec(
    corpus: Corpus, output: Output = Path("demo-bandcodec.safetensors"), seed: Seed = 0
) -> None:
    """Fit the band codec to the training pieces of a corpus, in minutes, without gradients."""
    with errors_in_one_line(COMMAND):
        paths = [piece.path for piece in corpus_pieces(corpus) if piece.split == "train"]
        notes = weight_notes(COMMAND, pieces=len(paths), seed=seed)
        save_safetensors(as_float16(_fit(paths, seed), keep_vectors=True), output, notes)
    print(f"{output}: fitted to {len(paths)} pieces, {output.stat().st_size / 1e6:.1f} MB")


def _fit(paths: list[Path], seed: int) -> dict[str, np.ndarray]:
    with counting_bar(Console(stderr=True)) as bar:
        pieces = bar.add_task("pieces", total=len(paths))
        features = read_features(
            paths, MEASURES, on_piece=lambda done: bar.update(pieces, completed=done)
        )
        books = bar.add_task("codebooks", total=MEASURES.levels)
        return fit(features, MEASURES, seed, lambda level: bar.update(books, completed=level + 1))


if __name__ == "__main__":
    run_command(bandcodec, COMMAND, EXAMPLES)
