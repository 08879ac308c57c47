"""The command: composes and renders a corpus into a folder."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from soundstage.training.command_line import counting_bar, errors_in_one_line, run_command
from soundstage.training.corpus.plan import Split
from soundstage.training.corpus.production import AudioFormat, CorpusRequest, make
from soundstage.training.corpus.sound import find_sources

COMMAND = "soundstage.training.corpus"
EXAMPLES = """Examples:

python -m soundstage.training.corpus --output corpus --minutes 90

python -m soundstage.training.corpus --output corpus --minutes 12 --split heldout

python -m soundstage.training.corpus --output more --seed 1 --piece-s 30 --format ogg --jobs 4"""

Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="The folder; it may be moved later.")
]
Minutes = Annotated[float, typer.Option(min=0.01, max=100_000, help="Total minutes of audio.")]
Seed = Annotated[int, typer.Option(min=0, max=1000, help="The same seed gives the same music.")]
Jobs = Annotated[int, typer.Option(min=1, max=256, help="Pieces rendered at a time.")]
SplitOption = Annotated[Split, typer.Option(help="Held-out pieces share no seed with training.")]
PieceS = Annotated[
    float, typer.Option("--piece-s", metavar="SECONDS", min=1, max=600, help="Length of a piece.")
]
FormatOption = Annotated[
    AudioFormat, typer.Option("--format", help="The format of the audio files.")
]
Soundfont = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A General MIDI soundfont for all pieces and their drums.",
        show_default="FluidR3, MuseScore General and Sonic Pi's drum samples in turn",
    ),
]


def corpus(
    output: Output,
    minutes: Minutes = 60.0,
    seed: Seed = 0,
    jobs: Jobs = 2,
    split: SplitOption = "train",
    piece_s: PieceS = 40.0,
    audio_format: FormatOption = "flac",
    soundfont: Soundfont = None,
) -> None:
    """Compose and render music with descriptions, for training.

    Resumes an interrupted run: files that are up to date are kept.
    """
    with errors_in_one_line(COMMAND):
        sources = find_sources(soundfont)
        request = CorpusRequest(output, minutes, seed, split, piece_s, audio_format, sources, jobs)
        rendered = _make(request)
    kept = request.pieces - rendered
    print(f"{request.pieces} pieces in {output}: {rendered} made, {kept} kept", file=sys.stderr)


def _make(request: CorpusRequest) -> int:
    """Makes the corpus, and returns how many pieces were rendered."""
    rendered = 0
    with counting_bar(Console(stderr=True)) as bar:
        task = bar.add_task(request.split, total=request.pieces)
        for was_rendered in make(request):
            rendered += was_rendered
            elapsed = bar.tasks[task].elapsed or 1e-9
            speed = f"{rendered * request.piece_s / elapsed:.0f} x real time"
            bar.update(task, advance=1, description=f"{request.split}, {speed}")
    return rendered


def main() -> None:
    """Runs the command and ends the process with its exit code."""
    run_command(corpus, COMMAND, EXAMPLES)
