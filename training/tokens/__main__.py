"""`python -m soundstage.training.tokens`: encodes a corpus once, for all later training runs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from soundstage.graph.format import Format
from soundstage.stages.bandcodec.stage import BandCodecParams
from soundstage.stages.spectrostream.stage import CodecParams, Size
from soundstage.training.command_line import (
    Corpus,
    counting_bar,
    errors_in_one_line,
    run_command,
)
from soundstage.training.tokens.cache_update import update_cache
from soundstage.training.tokens.encoders import Encoders
from soundstage.training.tokens.pieces import corpus_pieces
from soundstage.training.tokens.pipeline_encoders import file_encoders
from soundstage.training.whole_codec import CodecParameters

COMMAND = "soundstage.training.tokens"
EXAMPLES = """Example:

python -m soundstage.training.tokens --corpus corpus --codec demo-bandcodec.safetensors
--style demo-style.safetensors --codebooks demo-style-codebooks.safetensors --output tokens.arrow"""
LINES = 20

Codec = Annotated[
    str, typer.Option(metavar="FILE", help="A codec's weights with encoder and quantizer.")
]
SpectroStream = Annotated[
    Size | None,
    typer.Option(
        help="Size of the codec, if it is a SpectroStream.", show_default="the band codec"
    ),
]
Style = Annotated[str, typer.Option(metavar="FILE", help="The style model's weights.")]
Codebooks = Annotated[str, typer.Option(metavar="FILE", help="The style quantizer's weights.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The Arrow file.")]
Clips = Annotated[
    int, typer.Option(min=1, max=100, help="Most clips of a piece whose styles are encoded.")
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

    Resumes an interrupted run; pieces that did not change are not encoded again.
    """
    with errors_in_one_line(COMMAND):
        params: CodecParameters = BandCodecParams(codec)
        if spectrostream is not None:
            params = CodecParams(codec, spectrostream)
        encoders = file_encoders(Format(), params, style, codebooks)
        _encode(corpus, encoders, output, clips)


def _encode(corpus: Path, encoders: Encoders, output: Path, clips: int) -> None:
    pieces = corpus_pieces(corpus)
    console = Console(stderr=True)
    with counting_bar(console) as bar:
        task = bar.add_task("encoding", total=len(pieces))

        def on_piece(done: int) -> None:
            bar.update(task, completed=done)
            if not console.is_terminal and done % max(len(pieces) // LINES, 1) == 0:
                console.print(f"{done} of {len(pieces)} pieces", highlight=False)

        summary = update_cache(pieces, encoders, output, clips, on_piece)
    size_mb = output.stat().st_size / 1e6
    print(f"{output}: {summary.encoded} pieces encoded, {summary.kept} kept, {size_mb:.1f} MB")


if __name__ == "__main__":
    run_command(tokens, COMMAND, EXAMPLES)
