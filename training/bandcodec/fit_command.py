"""The command that fits the codec, the default of `python -m soundstage.training.bandcodec`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from soundstage.stages.bandcodec.measures import MEASURES
from soundstage.stages.bandcodec.weights import BandCodecWeights, named_arrays
from soundstage.stages.weights.modules import save_safetensors
from soundstage.training.bandcodec.fitting import fit
from soundstage.training.bandcodec.frame_features import read_features
from soundstage.training.command_line import counting_bar, errors_in_one_line, weight_notes
from soundstage.training.half_precision import as_float16
from soundstage.training.tokens.pieces import corpus_pieces

COMMAND = "soundstage.training.bandcodec"
EXAMPLES = """Examples:

python -m soundstage.training.bandcodec --corpus corpus --output codes.safetensors

python -m soundstage.training.bandcodec decoder --corpus corpus --codec codes.safetensors
--run runs/decoder --minutes 60 --output demo-bandcodec.safetensors"""

Corpus = Annotated[
    Path | None, typer.Option(metavar="DIR", help="A corpus that soundstage.training.corpus made.")
]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The weights.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same weights.")]


def bandcodec(
    context: typer.Context,
    corpus: Corpus = None,
    output: Output = Path("demo-bandcodec.safetensors"),
    seed: Seed = 0,
) -> None:
    """Fit the band codec to the training pieces of a corpus, in minutes, without gradients.

    The codes are final; the subcommand `decoder` trains the network that decodes them.
    """
    if context.invoked_subcommand is not None:
        return
    if corpus is None:
        raise typer.BadParameter("give --corpus")
    with errors_in_one_line(COMMAND):
        paths = [piece.path for piece in corpus_pieces(corpus) if piece.split == "train"]
        save_codec(_fit(paths, seed), output, pieces=len(paths), seed=seed)
    print(f"{output}: fitted to {len(paths)} pieces, {output.stat().st_size / 1e6:.1f} MB")


def save_codec(weights: BandCodecWeights, output: Path, **facts: str | int) -> None:
    """Writes a codec as float16, with facts about its making in the header."""
    arrays = as_float16(named_arrays(weights), keep_vectors=True)
    save_safetensors(arrays, output, weight_notes(COMMAND, **facts))


def _fit(paths: list[Path], seed: int) -> BandCodecWeights:
    with counting_bar(Console(stderr=True)) as bar:
        pieces = bar.add_task("pieces", total=len(paths))
        features = read_features(
            paths, MEASURES, on_piece=lambda done: bar.update(pieces, completed=done)
        )
        books = bar.add_task("codebooks", total=MEASURES.levels)
        return fit(features, MEASURES, seed, lambda level: bar.update(books, completed=level + 1))
