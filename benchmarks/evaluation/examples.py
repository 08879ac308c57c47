"""A page of short listening examples, made by `benchmarks/demo_examples.py`.

The prompts and seeds are constants of this file and were not chosen by ear.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from evaluation.player import PipelineChoice, open_player
from evaluation.spectrogram_sheet import draw_sheet
from soundstage.files import making_folder, replacing
from soundstage.graph.scalar import Scalar, scalars
from soundstage.runners.sessions.prompts import Text

COMMAND = "python benchmarks/demo_examples.py --preset demo --output docs/demo"

# 0 = best quality, 1 = smallest file.
COMPRESSION = 1.0
# Larger blocks overflow the stack of libsndfile's Vorbis encoder.
BLOCK_SAMPLES = 65_536
SHEET_FILE, PAGE_FILE = "examples.png", "index.md"


@dataclass(frozen=True)
class Example:
    """The prompts and the seed of one example.

    Attributes:
        name: the name of its file.
        prompts: with weights.
        seed: the seed of its random draws.
    """

    name: str
    prompts: Sequence[Text]
    seed: int

    @property
    def title(self) -> str:
        """The prompts as one line of text."""
        if len(self.prompts) == 1:
            return self.prompts[0].text
        return " + ".join(f"{prompt.weight:g} {prompt.text}" for prompt in self.prompts)


EXAMPLES = (
    Example("piano", [Text("a calm piano piece")], 1),
    Example("strings", [Text("a string quartet in a minor key")], 2),
    Example("ambient", [Text("dark ambient pads, slow")], 3),
    Example("lofi", [Text("lo-fi beats with electric piano")], 4),
    Example("bossa", [Text("bossa nova with nylon guitar and flute")], 5),
    Example("jazz", [Text("a fast jazz trio with piano")], 6),
    Example("funk", [Text("a funk groove with slap bass")], 7),
    Example("techno", [Text("driving techno, 130 BPM")], 8),
    Example("jungle", [Text("bright drum and bass")], 9),
    Example("blend", [Text("house music", 0.5), Text("reggae", 0.5)], 10),
)


def make_examples(choice: PipelineChoice, folder: Path, seconds: float) -> None:
    """Plays the examples into a folder: audio files, a sheet of spectrograms and a page.

    Args:
        choice: the pipeline.
        folder: made if missing.
        seconds: the length of each example in seconds; rounded up to whole chunks.

    Raises:
        PipelineError: the pipeline has mistakes.
        WeightsError: its weights are missing or do not fit.
        OutputError: the folder cannot be written.
    """
    graph = choice.load()
    form = graph.format
    chunks = max(1, int(np.ceil(seconds / form.chunk_s)))
    rows = [{"prompts": list(example.prompts), "seed": example.seed} for example in EXAMPLES]
    with making_folder(folder):
        with open_player(graph) as player:
            for example, audio in zip(EXAMPLES, player.play(rows, chunks, 5), strict=True):
                write_ogg(sound_file(folder, example), audio, form.sample_rate_hz, example.title)
        paths = {example.title: sound_file(folder, example) for example in EXAMPLES}
        with replacing(folder / SHEET_FILE) as file:
            file.write(draw_sheet(paths))
        with replacing(folder / PAGE_FILE) as file:
            file.write(page(graph.name, scalars(graph), chunks * form.chunk_s).encode())


def sound_file(folder: Path, example: Example) -> Path:
    """Returns the path of an example's audio file."""
    return folder / f"{example.name}.ogg"


def write_ogg(path: Path, audio: np.ndarray, sample_rate_hz: int, title: str) -> None:
    """Writes a small Ogg Vorbis file.

    Args:
        path: the file.
        audio: float32 [sample, channel]; samples beyond full scale are clipped.
        sample_rate_hz: the sample rate of the audio.
        title: the title tag.
    """
    with (
        replacing(path) as stream,
        soundfile.SoundFile(
            stream,
            "w",
            sample_rate_hz,
            audio.shape[1],
            format="OGG",
            compression_level=COMPRESSION,
        ) as file,
    ):
        file.title = title
        for start in range(0, len(audio), BLOCK_SAMPLES):
            file.write(np.clip(audio[start : start + BLOCK_SAMPLES], -1, 1))


def page(name: str, controls: Mapping[str, Scalar], seconds: float) -> str:
    """Returns the page as Markdown.

    Args:
        name: the name of the pipeline.
        controls: the pipeline's scalar controls; the examples are played with their defaults.
        seconds: the length of each example in seconds.
    """
    settings = ", ".join(
        f"{name} {control.default}" for name, control in controls.items() if name != "seed"
    )
    rows = [
        f"| [{example.name}]({example.name}.ogg) | {example.title} | {example.seed} |"
        for example in EXAMPLES
    ]
    return f"""# What `{name}` sounds like

{len(EXAMPLES)} prompts, {seconds:g} s each, {settings}. Prompts and seeds are constants
of `benchmarks/evaluation/examples.py`; none was chosen by ear.

    {COMMAND}

| sound | prompt | seed |
| --- | --- | --- |
{chr(10).join(rows)}

![A spectrogram of every example]({SHEET_FILE})
"""
