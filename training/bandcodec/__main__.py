"""`python -m soundstage.training.bandcodec`: fits the codec without phases to a corpus."""

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from soundstage.errors import Error
from soundstage.stages.bandcodec.measures import MEASURES
from soundstage.stages.weights.sources import save_safetensors
from soundstage.training.bandcodec.fitting import fit
from soundstage.training.bandcodec.frame_features import hear
from soundstage.training.corpus.manifest import ManifestError
from soundstage.training.tokens.pieces import corpus_pieces

EXAMPLES = """Example:

python -m soundstage.training.bandcodec --corpus corpus --output demo-bandcodec.safetensors"""

Corpus = Annotated[
    Path,
    typer.Option(metavar="DIR", help="Music, as soundstage.training.corpus makes it."),
]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The weights.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same weights.")]


def bandcodec(
    corpus: Corpus, output: Output = Path("demo-bandcodec.safetensors"), seed: Seed = 0
) -> None:
    """Fit the codec to the training pieces of a corpus: minutes, without gradients."""
    try:
        paths = [piece.path for piece in corpus_pieces(corpus) if piece.split == "train"]
        arrays = _fitted(paths, seed)
        notes = {"made by": "python -m soundstage.training.bandcodec", "license": "Apache-2.0"}
        notes |= {"pieces": str(len(paths)), "seed": str(seed)}
        save_safetensors(arrays, output, notes)
    except (Error, ManifestError, OSError) as error:
        print(f"training.bandcodec: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    print(f"{output}: fitted to {len(paths)} pieces, {output.stat().st_size / 1e6:.1f} MB")


def _fitted(paths: list[Path], seed: int) -> dict[str, np.ndarray]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        pieces = bar.add_task("hearing", total=len(paths))
        heard = hear(paths, MEASURES, on_piece=lambda done: bar.update(pieces, completed=done))
        books = bar.add_task("codebooks", total=MEASURES.levels)
        arrays = fit(heard, MEASURES, seed, lambda level: bar.update(books, completed=level + 1))
    # Matrices as float16, the vector as float32.
    return {
        name: array.astype(np.float16) if array.ndim > 1 else array
        for name, array in arrays.items()
    }


def main() -> None:
    """Runs the command and ends the process with its exit code."""
    app = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown"
    )
    names = {"help_option_names": ["--help", "-h"]}
    app.command(epilog=EXAMPLES, context_settings=names)(bandcodec)
    app(prog_name="python -m soundstage.training.bandcodec")


if __name__ == "__main__":
    main()
