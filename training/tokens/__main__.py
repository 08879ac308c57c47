"""`python -m soundstage.training.tokens`: encodes a corpus once, for all trainings to come."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from soundstage.errors import Error
from soundstage.graph.format import Format
from soundstage.stages.bandcodec.stage import BandCodecParams
from soundstage.stages.spectrostream.stage import CodecParams, Size
from soundstage.stages.weights.array_source import WeightsError
from soundstage.training.corpus.manifest import ManifestError
from soundstage.training.tokens.cache_update import make_cache
from soundstage.training.tokens.encoders import Encoders
from soundstage.training.tokens.pieces import corpus_pieces
from soundstage.training.tokens.pipeline_encoders import file_encoders
from soundstage.training.whole_codec import CodecParameters

EXAMPLES = """Example:

python -m soundstage.training.tokens --corpus corpus --codec demo-bandcodec.safetensors
--style demo-style.safetensors --codebooks demo-style-codebooks.safetensors --output tokens.arrow"""
LINES = 20

Corpus = Annotated[
    Path,
    typer.Option(metavar="DIR", help="Music, as soundstage.training.corpus makes it."),
]
Codec = Annotated[
    str, typer.Option(metavar="FILE", help="A codec's weights; encoder and quantizer are used.")
]
SpectroStream = Annotated[
    Size | None,
    typer.Option(help="The codec is a SpectroStream of this size; else it is the band codec."),
]
Style = Annotated[str, typer.Option(metavar="FILE", help="The style model's weights.")]
Codebooks = Annotated[str, typer.Option(metavar="FILE", help="The style quantizer's weights.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The Arrow file.")]
Clips = Annotated[
    int, typer.Option(min=1, max=100, help="Clips a piece, at most, whose style is kept.")
]


def tokens(
    corpus: Corpus,
    codec: Codec,
    style: Style,
    codebooks: Codebooks,
    output: Output = Path("tokens.arrow"),
    spectrostream: SpectroStream = None,
    clips: Clips = 4,
) -> None:
    """Encode a corpus: codec tokens, and the styles of clips and texts.

    Goes on where it was stopped; pieces that are there and did not change are kept.
    """
    faults = (Error, ManifestError, WeightsError, OSError)
    try:
        params: CodecParameters = BandCodecParams(codec)
        if spectrostream is not None:
            params = CodecParams(codec, spectrostream)
        encoders = file_encoders(Format(), params, style, codebooks)
        _make(corpus, encoders, output, clips)
    except faults as error:
        print(f"training.tokens: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


def _make(corpus: Path, encoders: Encoders, output: Path, clips: int) -> None:
    pieces = corpus_pieces(corpus)
    console = Console(stderr=True)
    columns = (TextColumn("encoding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=len(pieces))

        def on_piece(done: int, name: str) -> None:
            bar.update(task, completed=done)
            if not console.is_terminal and done % max(len(pieces) // LINES, 1) == 0:
                console.print(f"{done} of {len(pieces)} pieces", highlight=False)

        made = make_cache(pieces, encoders, output, clips, on_piece)
    size_mb = output.stat().st_size / 1e6
    print(f"{output}: {made.encoded} pieces encoded, {made.kept} kept, {size_mb:.1f} MB")


def main() -> None:
    """Runs the command and ends the process with its exit code."""
    app = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown"
    )
    names = {"help_option_names": ["--help", "-h"]}
    app.command(epilog=EXAMPLES, context_settings=names)(tokens)
    app(prog_name="python -m soundstage.training.tokens")


if __name__ == "__main__":
    main()
