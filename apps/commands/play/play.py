"""The command `soundstage play` and its options."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundstage.apps.commands.command import command
from soundstage.apps.commands.early_loading import programs_ahead
from soundstage.apps.commands.exit_codes import print_error
from soundstage.apps.commands.generate.generate import (
    AudioPrompt,
    ContinueFrom,
    Inject,
    Midi,
    Prompt,
    Prompts,
    Resume,
    StylePrompt,
)
from soundstage.apps.commands.options import (
    MUSIC,
    OUTPUT,
    ControlOptions,
    Quiet,
    RunnerOptions,
    Subtype,
)
from soundstage.apps.commands.pipeline_choice import PipelineOptions
from soundstage.errors import Error, UsageError

if TYPE_CHECKING:
    from soundstage.apps.commands.play.playback import Destination, Watch
    from soundstage.apps.player.live_input import LiveSourceSpec
    from soundstage.apps.player.note_source import NoteSourceSpec
    from soundstage.progress import Progress

EXAMPLES = """Examples:

soundstage play "warm ambient pads"

soundstage play --prompt "warm pads" --prompt "jazz trio:0.5" --audio ref.wav --latency 4

soundstage play "strings" --to "aplay -q"

soundstage play "strings" --to "ffplay -nodisp -autoexit -loglevel error -i -"

soundstage play "dub techno" --preset demo-inject --listen

soundstage play "piano" --preset mrt2-small --midi-input ""

soundstage play "acid" --save set.session; soundstage play --resume set.session"""

Duration = Annotated[
    float | None,
    MUSIC.option(
        metavar="SECONDS",
        help="Length of the music: above 0, at most 86400 (24 hours).",
        show_default="until you stop it",
    ),
]
Listen = Annotated[
    bool,
    MUSIC.option(
        "--listen",
        help="Play the microphone into the music, as --inject plays a file. Use headphones, or "
        "the microphone records the music.",
    ),
]
InputDevice = Annotated[
    str | None,
    MUSIC.option(
        metavar="DEVICE",
        help="The microphone: a sound device's number or a part of its name; implies --listen.",
        show_default="the system's",
    ),
]
MidiInput = Annotated[
    str | None,
    MUSIC.option(
        metavar="NAME",
        help='Play the notes of a MIDI keyboard: a part of its name, see --list-devices; "" = the '
        "first. Needs a pipeline that hears notes, such as the preset mrt2-small, and "
        "`pip install '.[midi]'`.",
    ),
]
Device = Annotated[
    str | None,
    OUTPUT.option(
        metavar="DEVICE",
        help="The speakers: a sound device's number or a part of its name.",
        show_default="the system's",
    ),
]
ListDevices = Annotated[
    bool, OUTPUT.option("--list-devices", help="Print the sound devices and exit.")
]
To = Annotated[
    str | None,
    OUTPUT.option(
        metavar="COMMAND",
        help="Play through this program, which reads WAV from its standard input, instead of on "
        "the speakers.",
    ),
]
Output = Annotated[
    str | None,
    OUTPUT.option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write a .wav, .flac, .ogg or .mp3 file in real time, instead of playing on the "
        "speakers. Use - to stream WAV to standard output.",
    ),
]
Latency = Annotated[
    float | None,
    OUTPUT.option(
        metavar="SECONDS",
        help="Music kept buffered, above 0, at most 120, in whole chunks. "
        "With more, the music survives longer slow moments, and a change is heard later.",
        show_default="a chunk, at least 0.2 s",
    ),
]
Save = Annotated[
    Path | None,
    OUTPUT.option(
        metavar="FILE",
        help="Save the session at the end, also after Ctrl-C, and whenever you press s.",
    ),
]
Cues = Annotated[
    bool,
    OUTPUT.option(
        "--cues",
        help="Write the moments of steering to a .json file beside that of --output. A .wav file "
        "has them as cue points in any case.",
    ),
]
NoUi = Annotated[
    bool,
    OUTPUT.option(
        "--no-ui",
        help="Print one line for each chunk instead of showing the mixing desk; the default "
        "without a terminal.",
    ),
]


@command
def play(
    *,
    prompts: Prompts = None,
    prompt: Prompt = None,
    audio: AudioPrompt = None,
    style: StylePrompt = None,
    duration: Duration = None,
    controls: ControlOptions,
    resume: Resume = None,
    continue_from: ContinueFrom = None,
    inject: Inject = None,
    listen: Listen = False,
    input_device: InputDevice = None,
    midi: Midi = None,
    midi_input: MidiInput = None,
    choice: PipelineOptions,
    runner: RunnerOptions,
    device: Device = None,
    list_devices: ListDevices = False,
    to: To = None,
    output: Output = None,
    subtype: Subtype = None,
    cues: Cues = False,
    latency: Latency = None,
    save: Save = None,
    no_ui: NoUi = False,
    quiet: Quiet = False,
) -> None:
    """Play music on the speakers, and steer it while it plays.

    On a terminal, a mixing desk shows prompts and controls as faders, levels, buffered music and
    the causes of underruns. Needs the extra `play`, `pip install '.[play]'`; without it,
    --to and --output work all the same.
    """
    if list_devices:
        _print_devices()
        return
    with programs_ahead(choice, resume, runner):
        # late, as JAX and Arrow come with it
        from soundstage.apps.commands.play.playback import PlayRequest
        from soundstage.apps.commands.play.playback import play as run
        from soundstage.apps.commands.standard_input import with_standard_input
        from soundstage.progress import open_progress
        from soundstage.runners.sessions.prompts import parse_prompts

        request = PlayRequest(
            prompts=with_standard_input(
                parse_prompts([*(prompts or []), *(prompt or [])], audio or [], style or [])
            ),
            destination=_destination(device, to, output, subtype, cues),
            controls=controls,
            choice=choice,
            duration_s=duration,
            latency_s=latency,
            resume=resume,
            continue_from=continue_from,
            live_source=_live_source(inject, listen, input_device),
            note_source=_note_source(midi, midi_input),
            save=save,
            runner=runner,
        )
        progress = open_progress(quiet)
        run(request, progress, _watch(progress, no_ui or quiet))


def _print_devices() -> None:
    from soundstage.apps.player.note_source import instruments
    from soundstage.apps.player.sound_devices import find_devices

    playing, recording = find_devices(), find_devices("input")
    for title, devices in (("to play on", playing), ("to listen to", recording)):
        print(f"{title}:")
        for each in devices:
            mark = "*" if each.is_default else " "
            rate = f"{each.channels} channels, {each.rate_hz:g} Hz"
            print(f"{mark} {each.index:3}  {each.name} ({rate})")
        if not devices:
            print("  none")
    print("MIDI keyboards:")
    try:
        names = instruments()
    except Error as error:
        names = [f"none: {error}"]
    for name in names or ["none"]:
        print(f"  {name}")
    if not playing:
        print("no sound device can play; use --to or --output instead")


def _live_source(inject: Path | None, listen: bool, device: str | None) -> LiveSourceSpec | None:
    from soundstage.apps.player.live_input import FileSpec, MicrophoneSpec

    if inject is not None and (listen or device is not None):
        option = "--listen" if listen else "--input-device"
        raise UsageError(
            f"--inject and {option} exclude each other: the live input is a file or a microphone"
        )
    if inject is not None:
        return FileSpec(inject)
    return MicrophoneSpec(device) if listen or device is not None else None


def _note_source(midi: Path | None, instrument: str | None) -> NoteSourceSpec | None:
    from soundstage.apps.player.note_source import MidiFileSpec, MidiInputSpec

    if midi is not None and instrument is not None:
        raise UsageError("--midi and --midi-input exclude each other: notes come from one of them")
    if midi is not None:
        return MidiFileSpec(midi)
    return None if instrument is None else MidiInputSpec(instrument)


def _destination(
    device: str | None, to: str | None, output: str | None, subtype: str | None, cues: bool
) -> Destination:
    options = {"--device": device, "--to": to, "--output": output}
    named = [name for name, value in options.items() if value is not None]
    if len(named) > 1:
        raise UsageError(f"{named[0]} and {named[1]} exclude each other: give one destination")
    for option, given in (("--subtype", subtype is not None), ("--cues", cues)):
        if given and output is None:
            raise UsageError(f"{option} is for the file of --output: give both, or neither")
    if to is not None:
        from soundstage.apps.player.pipes import PlayerCommand

        return PlayerCommand(to)
    if output is not None:
        from soundstage.apps.player.pipes import FileOutput
        from soundstage.audio.writer import STANDARD_OUTPUT

        if cues and output == STANDARD_OUTPUT:
            raise UsageError("--cues writes a file beside that of --output, which - has not")
        return FileOutput(output, print_error, subtype, cues)
    from soundstage.apps.player.speakers import SpeakersChoice

    return SpeakersChoice(device)


def _watch(progress: Progress, plain: bool) -> Watch:
    from soundstage.apps.player.lines import watch_lines

    if not plain and sys.stdin.isatty() and sys.stderr.isatty():
        try:
            from soundstage.apps.player.mixing_desk import show_mixing_desk
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "textual":
                raise
            cure = "in soundstage's source folder, run `pip install '.[play]'`"
            progress.say(f"no mixing desk: textual is not installed; {cure}")
        else:
            return show_mixing_desk
    return watch_lines(progress.say)
