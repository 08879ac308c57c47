"""The command: encodes music once, for all later training runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from soundstage.errors import InputError
from soundstage.graph.format import Format
from soundstage.stages.bandcodec.stage import BandCodecParams
from soundstage.stages.spectrostream.stage import CodecParams, Size
from soundstage.training.command_line import counting_bar, errors_in_one_line, run_command
from soundstage.training.corpus.plan import Split
from soundstage.training.corpus.sound import find_sources
from soundstage.training.tokens.cache_update import update_cache
from soundstage.training.tokens.composed import MusicRequest, composed_pieces
from soundstage.training.tokens.encoders import Encoders
from soundstage.training.tokens.pieces import MusicSource, corpus_pieces
from soundstage.training.tokens.pipeline_encoders import file_encoders
from soundstage.training.whole_codec import CodecParameters

COMMAND = "soundstage.training.tokens"
EXAMPLES = """Examples:

python -m soundstage.training.tokens --corpus corpus --codec demo-bandcodec.safetensors
--style demo-style.safetensors --codebooks demo-style-codebooks.safetensors --output tokens.arrow

python -m soundstage.training.tokens --minutes 1800 --seed 3 --codec demo-bandcodec.safetensors
--style demo-style.safetensors --codebooks demo-style-codebooks.safetensors --output tokens.arrow"""
LINES = 20

CorpusFolder = Annotated[
    Path | None,
    typer.Option("--corpus", metavar="DIR", help="A corpus of soundstage.training.corpus."),
]
Minutes = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        max=100_000,
        help="Instead of --corpus: minutes of music to compose, whose audio is not kept.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=1000, help="Of composed music.")]
SplitOption = Annotated[Split, typer.Option(help="Of composed music; the two share no piece.")]
PieceS = Annotated[
    float, typer.Option("--piece-s", metavar="SECONDS", min=1, max=600, help="Of composed music.")
]
Soundfont = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A General MIDI soundfont for all composed pieces.",
        show_default="as in soundstage.training.corpus",
    ),
]
Jobs = Annotated[
    int, typer.Option(min=1, max=256, help="Pieces read or rendered while another is encoded.")
]
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
    codec: Codec,
    style: Style,
    codebooks: Codebooks,
    output: Output = Path("tokens.arrow"),
    corpus: CorpusFolder = None,
    minutes: Minutes = None,
    seed: Seed = 0,
    split: SplitOption = "train",
    piece_s: PieceS = 40.0,
    soundfont: Soundfont = None,
    spectrostream: SpectroStream = None,
    clips: Clips = 4,
    jobs: Jobs = 1,
) -> None:
    """Encode music: codec tokens, the styles of clips and texts, and the facts of the score.

    Resumes an interrupted run; pieces that did not change are not encoded again. Composed music is
    appended to the file; a corpus replaces its pieces.
    """
    with errors_in_one_line(COMMAND):
        if (corpus is None) == (minutes is None):
            raise InputError("give either --corpus DIR or --minutes N")
        params: CodecParameters = BandCodecParams(codec)
        if spectrostream is not None:
            params = CodecParams(codec, spectrostream)
        encoders = file_encoders(Format(), params, style, codebooks)
        if corpus is not None:
            _encode(corpus_pieces(corpus), encoders, output, clips, jobs, append=False)
        elif minutes is not None:
            request = MusicRequest(minutes, seed, split, piece_s, find_sources(soundfont))
            pieces = list(composed_pieces(request))
            _encode(pieces, encoders, output, clips, jobs, append=True)


def _encode(
    pieces: Sequence[MusicSource],
    encoders: Encoders,
    output: Path,
    clips: int,
    jobs: int,
    *,
    append: bool,
) -> None:
    console = Console(stderr=True)
    with counting_bar(console) as bar:
        task = bar.add_task("encoding", total=len(pieces))

        def on_piece(done: int) -> None:
            bar.update(task, completed=done)
            if not console.is_terminal and done % max(len(pieces) // LINES, 1) == 0:
                console.print(f"{done} of {len(pieces)} pieces", highlight=False)

        summary = update_cache(pieces, encoders, output, clips, on_piece, jobs=jobs, append=append)
    size_mb = output.stat().st_size / 1e6
    print(f"{output}: {summary.encoded} pieces encoded, {summary.kept} kept, {size_mb:.1f} MB")


def main() -> None:
    """Runs the command and ends the process with its exit code."""
    run_command(tokens, COMMAND, EXAMPLES)
