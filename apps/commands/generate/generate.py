"""The command `soundstage generate` and its options."""

from pathlib import Path
from typing import Annotated

import typer

from soundstage.apps.commands.command import command
from soundstage.apps.commands.early_loading import programs_ahead
from soundstage.apps.commands.options import (
    MUSIC,
    OUTPUT,
    ControlOptions,
    Quiet,
    RunnerOptions,
    Subtype,
    Trace,
)
from soundstage.apps.commands.pipeline_choice import PipelineOptions

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
    typer.Argument(metavar="PROMPT", help="A text prompt, as --prompt.", show_default=False),
]
Prompt = Annotated[
    list[str] | None,
    MUSIC.option(
        metavar="TEXT[:WEIGHT]",
        help="A text prompt with its weight, 0 or more, by default 1. Several prompts are blended. "
        "A number after the last colon is read as the weight: write `at 12:30:1` for the text "
        "`at 12:30`. May be repeated.",
    ),
]
AudioPrompt = Annotated[
    list[str] | None,
    MUSIC.option(
        metavar="FILE[:WEIGHT]",
        help="An audio file (WAV, FLAC, Ogg, MP3) as a prompt, 0.1 s to 10 minutes long, with its "
        "weight, by default 1. May be repeated.",
    ),
]
StylePrompt = Annotated[
    list[str] | None,
    MUSIC.option(
        metavar="FILE[:WEIGHT]",
        help="A style vector as a prompt, with its weight, by default 1: a .npy file of floats, "
        "such as numpy.save writes of `session.embed` in Python. May be repeated.",
    ),
]
Duration = Annotated[
    float,
    MUSIC.option(
        metavar="SECONDS",
        help="Length of the music: above 0, at most 86400 (24 hours); exact to the sample.",
    ),
]
Output = Annotated[
    str,
    OUTPUT.option(
        "--output",
        "-o",
        metavar="FILE",
        help="The .wav, .flac, .ogg or .mp3 file to write. An old file is replaced when the new "
        "one is complete. Use - to stream WAV to standard output.",
    ),
]
Loudness = Annotated[
    float | None,
    OUTPUT.option(
        metavar="LUFS",
        help="Make the file as loud as this, -70 to 0 LUFS (BS.1770), such as -14; not louder than "
        "its peaks allow. It is then written at the end. At most an hour.",
        show_default="as it is made",
    ),
]
Save = Annotated[
    Path | None,
    OUTPUT.option(
        metavar="FILE",
        help="Save the session at the end, for --resume. It continues where the last chunk ends, "
        "which may be up to one chunk after the end of the file.",
    ),
]
Journal = Annotated[
    Path | None,
    OUTPUT.option(
        metavar="FILE",
        help="Write a journal of the session after every chunk. --resume continues it after the "
        "last chunk that was written, even if this process is killed. An old file is refused "
        "unless it is the journal that --resume names.",
    ),
]
Resume = Annotated[
    Path | None,
    MUSIC.option(
        metavar="FILE",
        help="Continue a saved session or a journal with the pipeline that it holds. Prompts and "
        "controls given here replace those saved.",
    ),
]
ContinueFrom = Annotated[
    Path | None,
    MUSIC.option(
        metavar="FILE",
        help="Continue an audio file: the model starts with the end of this file as its past. "
        "Takes any file that --audio takes, and silence.",
    ),
]
KeepClip = Annotated[
    bool,
    MUSIC.option(
        "--keep-clip",
        help="Write the audio of --continue-from before the music, joined by a cross-fade. "
        "--duration counts the new music alone.",
    ),
]
Inject = Annotated[
    Path | None,
    MUSIC.option(
        metavar="FILE",
        help="Play an audio file into the music: the model hears each chunk of the file mixed "
        "with the chunk that it made last. Needs a pipeline with live input, such as the preset "
        "demo-inject.",
    ),
]
Midi = Annotated[
    Path | None,
    MUSIC.option(
        metavar="FILE",
        help="Play the notes of a MIDI file from the start of the music, and leave the rest to the "
        "model. Needs a pipeline that hears notes, such as the preset mrt2-small, and "
        "`pip install '.[midi]'`.",
    ),
]
Record = Annotated[
    Path | None,
    OUTPUT.option(
        metavar="FILE",
        help="Write a trace, an Arrow file with the output of every stage in every tick, for "
        "`soundstage replay` and `soundstage diff`.",
    ),
]


@command
def generate(
    *,
    prompts: Prompts = None,
    prompt: Prompt = None,
    audio: AudioPrompt = None,
    style: StylePrompt = None,
    duration: Duration = 10.0,
    controls: ControlOptions,
    resume: Resume = None,
    continue_from: ContinueFrom = None,
    keep_clip: KeepClip = False,
    inject: Inject = None,
    midi: Midi = None,
    choice: PipelineOptions,
    runner: RunnerOptions,
    output: Output = "soundstage.wav",
    subtype: Subtype = None,
    loudness: Loudness = None,
    save: Save = None,
    journal: Journal = None,
    record: Record = None,
    trace: Trace = None,
    quiet: Quiet = False,
) -> None:
    """Make music and write it to a file or a pipe.

    The same command makes the same bytes again. The file's tags say what made it: prompts, seed,
    controls, pipeline and weights. `soundstage inspect` prints them.
    """
    with programs_ahead(choice, resume, runner):
        # late, as JAX and Arrow come with it
        from soundstage.apps.commands.generate.generation import generate as run
        from soundstage.apps.commands.generate.request import GenerateRequest
        from soundstage.apps.commands.standard_input import with_standard_input
        from soundstage.progress import open_progress
        from soundstage.runners.sessions.prompts import parse_prompts

        request = GenerateRequest(
            prompts=with_standard_input(
                parse_prompts([*(prompts or []), *(prompt or [])], audio or [], style or [])
            ),
            duration_s=duration,
            output=output,
            subtype=subtype,
            loudness_lufs=loudness,
            controls=controls,
            choice=choice,
            resume=resume,
            continue_from=continue_from,
            keep_clip=keep_clip,
            inject=inject,
            midi=midi,
            save=save,
            journal=journal,
            record=record,
            timeline=trace,
            runner=runner,
        )
        run(request, open_progress(quiet))
