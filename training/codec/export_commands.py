"""The commands `export` and `evaluate` of a trained codec."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from soundstage.stages.spectrostream.codec import load_codec
from soundstage.stages.spectrostream.stage import CodecParams, Size
from soundstage.stages.weights.sources import closing_source
from soundstage.training.codec.export import export as export_run
from soundstage.training.codec.fidelity import Evaluation
from soundstage.training.codec.fidelity import evaluate as measure
from soundstage.training.command_line import errors_in_one_line
from soundstage.training.corpus.manifest import read_manifest

EXPORT_EXAMPLES = """Example:

python -m soundstage.training.codec export --run runs/codec --output demo-codec.safetensors"""
EVALUATE_EXAMPLES = """Example:

python -m soundstage.training.codec evaluate --codec demo-codec.safetensors --corpus corpus
--pieces 8"""

Run = Annotated[Path, typer.Option(metavar="DIR", help="The run's folder.")]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="A .safetensors file.")
]
CodecOption = Annotated[
    str, typer.Option("--codec", metavar="SOURCE", help="Weights, as a pipeline file names them.")
]
SizeOption = Annotated[Size, typer.Option(help="The codec's size.")]
HeldOut = Annotated[
    Path, typer.Option("--corpus", metavar="DIR", help="A corpus; its held-out pieces are used.")
]
Pieces = Annotated[int, typer.Option(min=1, help="Most pieces to measure.")]
Seconds = Annotated[float, typer.Option(min=0.1, help="Seconds of each piece, from its middle.")]


def export(run: Run, output: Output) -> None:
    """Write the last checkpoint's averaged weights as float16, for `stages.spectrostream`."""
    with errors_in_one_line("soundstage.training.codec export"):
        position = export_run(run, output)
    typer.echo(f"{output}: step {position.step}, {output.stat().st_size / 1e6:.2f} MB")


def evaluate(
    codec: CodecOption,
    corpus: HeldOut,
    size: SizeOption = "demo",
    pieces: Pieces = 8,
    seconds: Seconds = 8.0,
) -> None:
    """Measure a codec on pieces it was not trained on."""
    with errors_in_one_line("soundstage.training.codec evaluate"):
        held_out = [piece.path for piece in read_manifest(corpus) if piece.split == "heldout"]
        config = CodecParams(codec, size).config
        with closing_source(codec) as source:
            loaded = load_codec(config, source)[0]
        _show(measure(loaded, held_out[:pieces], seconds))


def _show(evaluation: Evaluation) -> None:
    console = Console()
    table = Table("levels", "log-spectral distance dB", "mel distance", "SI-SDR dB")
    for row in evaluation.fidelity:
        table.add_row(
            str(row.levels),
            f"{row.log_spectral_distance_db:.2f}",
            f"{row.mel_distance:.3f}",
            f"{row.si_sdr_db:.2f}",
        )
    console.print(table)
    used = " ".join(f"{value:.0f}" for value in evaluation.perplexity)
    console.print(f"codes in use at each level, over {evaluation.frames} frames: {used}")
