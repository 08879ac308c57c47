"""`python -m soundstage.training.corpus`: composes and renders a corpus into a folder."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from soundstage.errors import Error
from soundstage.training.corpus.manifest import ManifestError
from soundstage.training.corpus.plan import Split
from soundstage.training.corpus.production import AudioFormat, CorpusRequest, make
from soundstage.training.corpus.render import RenderError, find_soundfont

EXAMPLES = """Examples:

python -m soundstage.training.corpus --output corpus --minutes 90

python -m soundstage.training.corpus --output corpus --minutes 12 --split heldout

python -m soundstage.training.corpus --output more --seed 1 --piece-s 30 --format ogg --jobs 4"""

Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="The folder; it may be moved later.")
]
Minutes = Annotated[float, typer.Option(min=0.01, max=100_000, help="Audio in all.")]
Seed = Annotated[int, typer.Option(min=0, max=1000, help="The same seed gives the same music.")]
Jobs = Annotated[int, typer.Option(min=1, max=256, help="Pieces rendered at a time.")]
SplitOption = Annotated[Split, typer.Option(help="Held-out pieces share no seed with training.")]
PieceS = Annotated[
    float, typer.Option("--piece-s", metavar="SECONDS", min=1, max=600, help="Length of a piece.")
]
FormatOption = Annotated[AudioFormat, typer.Option("--format", help="Of the audio files.")]
Soundfont = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A General MIDI soundfont.",
        show_default="FluidR3_GM of the package fluid-soundfont-gm",
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

    Goes on where it was stopped: files that are there and up to date are kept.
    """
    console = Console(stderr=True)
    try:
        font = find_soundfont(soundfont)
        order = CorpusRequest(output, minutes, seed, split, piece_s, audio_format, font, jobs)
        made = _make(order, console)
    except (RenderError, ManifestError, Error, OSError) as error:
        print(f"training.corpus: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        print("training.corpus: stopped; the same command goes on", file=sys.stderr)
        raise typer.Exit(130) from error
    kept = order.pieces - made
    print(f"{order.pieces} pieces in {output}: {made} made, {kept} kept", file=sys.stderr)


def _make(order: CorpusRequest, console: Console) -> int:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    made = 0
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(order.split, total=order.pieces, rate="")
        for was_made in make(order):
            made += was_made
            elapsed = bar.tasks[task].elapsed or 1e-9
            rate = f"{made * order.piece_s / elapsed:.0f} x real time"
            bar.update(task, advance=1, rate=rate)
    return made


def main() -> None:
    """Runs the command and ends the process with its exit code."""
    app = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown"
    )
    names = {"help_option_names": ["--help", "-h"]}
    app.command(epilog=EXAMPLES, context_settings=names)(corpus)
    app(prog_name="python -m soundstage.training.corpus")


if __name__ == "__main__":
    main()
