"""`soundstage generate`: its options, and nothing else."""

from pathlib import Path
from typing import Annotated

import typer

from soundstage.apps.commands.exit_codes import errors_as_lines
from soundstage.apps.commands.options import (
    MUSIC_PANEL,
    NO_CONTROLS,
    OUTPUT_PANEL,
    Allow,
    Controls,
    Debug,
    Pipeline,
    Place,
    Preset,
    Quiet,
    RayAddress,
    Runner,
    Set,
    Trace,
    Window,
    takes_controls,
)
from soundstage.apps.commands.pipeline_choice import choose
from soundstage.runners.choice import RunnerChoice

EXAMPLES = """Examples:

soundstage generate "warm ambient pads" --duration 10 --output pads.flac

soundstage generate --prompt "warm pads" --prompt "jazz trio:0.5" --audio ref.wav:1.0 --seed 7

soundstage generate "acid" --save set.session; soundstage generate "dub" --resume set.session

soundstage generate "strings" --output - | ffplay -i -

soundstage generate "brass band" --continue-from tune.wav --keep-clip

soundstage generate "acid house" --preset demo-inject --inject guitar.wav --control inject_own=0.5

soundstage generate "strings" --output - --journal set.journal | ...; soundstage generate
--resume set.journal --journal set.journal --output - | ..."""

Prompts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PROMPT",
        help="What the music should sound like; the same as --prompt.",
        show_default=False,
    ),
]
Prompt = Annotated[
    list[str] | None,
    typer.Option(
        "--prompt",
        metavar="TEXT[:WEIGHT]",
        help="A text prompt; several are blended. A number behind the last colon is its weight "
        "(write `at 12:30:1` to keep the time). May be repeated.",
        rich_help_panel=MUSIC_PANEL,
    ),
]
AudioPrompt = Annotated[
    list[str] | None,
    typer.Option(
        "--audio",
        metavar="FILE[:WEIGHT]",
        help="An audio file the music should sound like, 0.1 s to 10 minutes long. May be "
        "repeated.",
        rich_help_panel=MUSIC_PANEL,
    ),
]
Duration = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        help="Above 0, at most 24 hours; kept to the sample.",
        rich_help_panel=MUSIC_PANEL,
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="A .wav, .flac, .ogg or .mp3 file, replaced when the new one is complete; "
        "- streams WAV to standard output.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Save = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Save the session, to go on with --resume. It goes on where the last chunk ends, "
        "which may be later than where --duration cut the file.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Journal = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Keep a journal of the session while it plays, to go on with --resume behind the "
        "last chunk that was written out, even if this process is killed. An old file is only "
        "gone on with, never replaced.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Go on from a saved session or a journal, pipeline and all; prompts and other "
        "options given here steer it.",
        rich_help_panel=MUSIC_PANEL,
    ),
]
ContinueFrom = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Go on from an audio file: its end is what the model remembers. Any file that --audio "
        "takes, and silence.",
        rich_help_panel=MUSIC_PANEL,
    ),
]
KeepClip = Annotated[
    bool,
    typer.Option(
        "--keep-clip",
        help="Put the file of --continue-from in front of the music, joined by a cross-fade; "
        "--duration counts the music alone.",
        rich_help_panel=MUSIC_PANEL,
    ),
]
Inject = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Play an audio file into the music: the model hears it as if it had sounded with its "
        "own last chunk. Takes a pipeline with a control for it, such as the preset demo-inject.",
        rich_help_panel=MUSIC_PANEL,
    ),
]
Record = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write down what every stage said in every tick, as an Arrow stream file.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]


@takes_controls()
def generate(
    prompts: Prompts = None,
    prompt: Prompt = None,
    audio: AudioPrompt = None,
    duration: Duration = 10.0,
    controls: Controls = NO_CONTROLS,
    resume: Resume = None,
    continue_from: ContinueFrom = None,
    keep_clip: KeepClip = False,
    inject: Inject = None,
    preset: Preset = None,
    pipeline: Pipeline = None,
    set_: Set = None,
    place: Place = None,
    allow: Allow = None,
    runner: Runner = "local",
    ray_address: RayAddress = None,
    window: Window = None,
    output: Output = "soundstage.wav",
    save: Save = None,
    journal: Journal = None,
    record: Record = None,
    trace: Trace = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make music and write it to a file or a pipe.

    The same command makes the same bytes again. Everything needed for that is written into the
    file's tags; `soundstage inspect` reads it back.
    """
    with errors_as_lines(debug):
        # late, as JAX and Arrow come with it
        from soundstage.apps.commands.generate.generation import generate as make
        from soundstage.apps.commands.generate.request import GenerateRequest
        from soundstage.progress import open_progress
        from soundstage.runners.sessions.prompts import parse_prompts

        order = GenerateRequest(
            prompts=parse_prompts([*(prompts or []), *(prompt or [])], audio or []),
            duration_s=duration,
            output=output,
            controls=controls,
            choice=choose(None, preset, pipeline, set_, place, allow),
            resume=resume,
            continue_from=continue_from,
            keep_clip=keep_clip,
            inject=inject,
            save=save,
            journal=journal,
            record=record,
            timeline=trace,
            runner=RunnerChoice(runner, ray_address, window),
        )
        make(order, open_progress(quiet))
