"""Every port of the stages that make music."""

from soundstage.graph.control import PROMPT_KIND
from soundstage.graph.port import Port

CODE = "[0, codebook_size)"
FULL_SCALE = "1.0 = full scale"

# ---- style
PROMPT_TEXTS = Port("utf8", ("~text",), PROMPT_KIND)
TEXT_WEIGHTS = Port("float32", ("~text",), "text prompt weight", ">= 0", minimum=0.0)
PROMPT_CLIPS = Port(
    "float32",
    ("~clip", "clip_sample"),
    "mono audio clip",
    "1.0 = full scale, at clip_rate_hz",
    minimum=-64.0,
    maximum=64.0,
)
CLIP_WEIGHTS = Port("float32", ("~clip",), "clip weight", ">= 0", minimum=0.0)
PROMPT_STYLES = Port(
    "float32",
    ("~style", "style_dim"),
    "style vector",
    "[-1000, 1000]",
    minimum=-1000.0,
    maximum=1000.0,
)
STYLE_WEIGHTS = Port("float32", ("~style",), "style vector weight", ">= 0", minimum=0.0)
STYLE_EMBEDDING = Port("float32", ("style_dim",), "style embedding")
STYLE_TOKENS = Port("int32", ("style_level",), "style token", CODE)
# Facts that prompts name, beside the style; pipelines need not read them.
ASKED_TEMPO = Port(
    "float32",
    ("tempo_number",),
    "asked tempo",
    "beats a minute: asked, lowest, highest; -1 = not said",
    optional=True,
)
ASKED_SOUND = Port(
    "float32",
    ("sound_number",),
    "asked sound",
    "[0, 1]: density, brightness, drums; -1 = not said",
    optional=True,
)
NOT_UNDERSTOOD = Port("utf8", ("~text",), "words not understood", optional=True)

# ---- tempo and sound: 0 or -1 leave a value to the model
BPM = Port(
    "float32",
    (),
    "tempo",
    "[0, 300] beats a minute, 0 = free",
    minimum=0.0,
    maximum=300.0,
    usual=(0.0, 200.0),
    label="Tempo",
    help="Beats a minute; 0 leaves the tempo to the prompt and the music",
)
DENSITY = Port(
    "float32",
    (),
    "density",
    "[0, 1], -1 = free",
    minimum=-1.0,
    maximum=1.0,
    help="How much plays at a time, from 0 to 1; -1 leaves it to the prompt and the music",
)
BRIGHTNESS = Port(
    "float32",
    (),
    "brightness",
    "[0, 1], -1 = free",
    minimum=-1.0,
    maximum=1.0,
    help="From 0, dark, to 1, bright; -1 leaves it to the prompt and the music",
)
DRUMS = Port(
    "float32",
    (),
    "drums",
    "0 = none, 1 = drums, -1 = free",
    minimum=-1.0,
    maximum=1.0,
    help="1 asks for drums, 0 for none; -1 leaves it to the prompt and the music",
)
SOUND = Port("float32", ("sound_number",), "sound", "[0, 1]: density, brightness, drums; -1 = free")
BEATS = Port("float32", ("window_frame",), "beat", "[0, 12), -1 = free")

# ---- tokens
CONTEXT = Port("int32", ("context_frame", "level"), "codec token", f"{CODE}, -1 = nothing yet")
PROMPT = Port("int32", ("prompt_token",), "vocabulary id", "0 = PAD, 1 = MASK, then codes")
TOKENS = Port("int32", ("frame", "level"), "codec token", CODE)

# ---- notes, drums and strengths of a frame, and what they become
NOTES = Port(
    "int32",
    ("~note_frame", "pitch"),
    "asked notes",
    "-1 = free, 0 = off, 1 = sounds on, 2 = begins, 3 = sounds or begins",
    minimum=-1,
    maximum=3,
)
LAST_NOTES = Port("int32", ("pitch",), "asked notes of the last frame", "as asked, -1 = free")
NOTE_DRUMS = Port(
    "int32",
    (),
    "drums of notes",
    "[-1, 1]: 0 = none, 1 = drums, -1 = free",
    minimum=-1,
    maximum=1,
    label="Drums",
    help="1 asks for drums, 0 for none; -1 leaves it to the model",
)


def _strength(of: str, help: str) -> Port:
    return Port(
        "float32", (), f"strength of the {of}", "[-1, 7]", minimum=-1.0, maximum=7.0, help=help
    )


STYLE_STRENGTH = _strength("style", "How closely the music follows the prompts, from -1 to 7")
NOTES_STRENGTH = _strength("notes", "How closely the music follows the notes, from -1 to 7")
DRUMS_STRENGTH = _strength("drums", "How closely the music follows the drums switch, from -1 to 7")
CONTROL_NUMBERS = Port(
    "int32", ("frame", "control_number"), "conditioning", "notes, drums, strengths; -1 = masked"
)
CONDITIONS = Port(
    "uint8", ("context_frame", "condition_byte"), "packed conditioning", "0 = unknown"
)
FRAME_NUMBER = Port("int64", (), "frame number", ">= 0", minimum=0)

# ---- audio
FADED_AUDIO = Port("float32", ("faded_sample", "channel"), "audio", FULL_SCALE)
AUDIO = Port("float32", ("sample", "channel"), "audio", FULL_SCALE)
FADE_TAIL = Port("float32", ("fade_sample", "channel"), "audio", FULL_SCALE)
CODEC_MEMORY = Port("float32", ("codec_memory",), "codec memory", "0 = nothing yet")
CODEC_PAST = Port("int32", ("codec_memory",), "codec memory", f"{CODE}, -1 = nothing yet")

# ---- live input
INJECTED = Port(
    "float32",
    ("~heard_sample", "channel"),
    "live audio",
    FULL_SCALE,
    minimum=-64.0,
    maximum=64.0,
)
OWN_GAIN = Port(
    "float32",
    (),
    "gain of the own audio",
    "[0, 1]",
    minimum=0.0,
    maximum=1.0,
    label="Own share",
    help="How much of its own music the model hears beside what is played in",
)
GAP = Port(
    "float32",
    (),
    "gap",
    "seconds, [0, 60]",
    minimum=0.0,
    maximum=60.0,
    usual=(0.0, 1.0),
    label="Input gap",
    help="Seconds of silence at the input's end: with more of it the music answers more freely",
)
HEARD_FRAMES = Port("int32", (), "frames heard", "[0, frame]", minimum=0)

# ---- sampling
TEMPERATURE = Port(
    "float32",
    (),
    "temperature",
    "[0, 10], 0 = greedy",
    minimum=0.0,
    maximum=10.0,
    usual=(0.0, 3.0),
    help="How daring each choice is; 0 always takes the likeliest",
)
TOP_K = Port(
    "int32",
    (),
    "top k",
    ">= 0, 0 = no cut",
    minimum=0,
    usual=(0, 200),
    help="How many choices are considered; 0 considers all",
)
TOP_P = Port(
    "float32",
    (),
    "top p",
    "[0, 1], 1 = no cut",
    minimum=0.0,
    maximum=1.0,
    usual=(0.5, 1.0),
    help="The likeliest choices that make up this share are considered; 1 considers all",
)
MIN_P = Port(
    "float32",
    (),
    "min p",
    "[0, 1], 0 = no cut",
    minimum=0.0,
    maximum=1.0,
    usual=(0.0, 0.5),
    help="Choices less likely than this share of the likeliest are left out; 0 considers all",
)
REPETITION = Port(
    "float32",
    (),
    "repetition",
    "[-10, 10], 0 = off",
    minimum=-10.0,
    maximum=10.0,
    usual=(-0.5, 0.5),
    help="How much the music avoids what it chose before in the chunk; below 0 it seeks it",
)
GUIDANCE = Port(
    "float32",
    (),
    "guidance weight",
    "[0, 100], 0 = off",
    minimum=0.0,
    maximum=100.0,
    usual=(0.0, 10.0),
    help="How closely the music follows the prompts; 0 lets it wander",
)
SEED = Port(
    "int64",
    (),
    "seed",
    "[0, 2^63)",
    minimum=0,
    help="The same seed and the same moves make the same music",
)
CHUNK = Port("int64", (), "chunk index", ">= 0", minimum=0)
# The inputs of every stage that samples a chunk's tokens.
SAMPLE_INPUTS: dict[str, Port] = {
    "prompt": PROMPT,
    "unprompted": PROMPT,
    "temperature": TEMPERATURE,
    "top_k": TOP_K,
    "guidance": GUIDANCE,
    "seed": SEED,
    "chunk": CHUNK,
}
# Further inputs of the stages that sample with a network; pipelines need not wire them.
CHOICE_INPUTS: dict[str, Port] = {"top_p": TOP_P, "min_p": MIN_P, "repetition": REPETITION}
