"""A page of short listening examples, made by `benchmarks/demo_examples.py`.

The prompts and seeds are written here and were not chosen by ear.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from evaluation.player import Choice, performing
from evaluation.spectrogram_sheet import sheet
from soundstage.files import making_folder, replacing
from soundstage.runners.sessions.prompts import Text

COMMAND = "python benchmarks/demo_examples.py --preset demo --output docs/demo"

# 0 is best and largest, 1 smallest.
COMPRESSION = 1.0
# Beyond this, libsndfile's Vorbis encoder overruns its stack.
BLOCK_SAMPLES = 65_536
SHEET_FILE, PAGE_FILE = "examples.png", "index.md"


@dataclass(frozen=True)
class Example:
    """What one example is asked for.

    Attributes:
        name: of its file.
        prompts: with weights.
        seed: of its randomness.
    """

    name: str
    prompts: Sequence[Text]
    seed: int

    @property
    def title(self) -> str:
        """Its prompts in words."""
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


def make_examples(choice: Choice, folder: Path, seconds: float) -> None:
    """Plays the examples into a folder: sound files, a sheet of spectrograms and a page.

    Args:
        choice: the pipeline.
        folder: made if missing.
        seconds: of each example; rounded up to whole chunks.

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
        with performing(graph) as performer:
            for example, audio in zip(EXAMPLES, performer.play(rows, chunks, 5), strict=True):
                write_ogg(sound_file(folder, example), audio, form.sample_rate_hz, example.title)
        pictures = {example.title: sound_file(folder, example) for example in EXAMPLES}
        with replacing(folder / SHEET_FILE) as file:
            file.write(sheet(pictures))
        with replacing(folder / PAGE_FILE) as file:
            file.write(page(graph.name, graph.spec.inputs, chunks * form.chunk_s).encode())


def sound_file(folder: Path, example: Example) -> Path:
    """Where an example's sound is."""
    return folder / f"{example.name}.ogg"


def write_ogg(path: Path, audio: np.ndarray, sample_rate_hz: int, title: str) -> None:
    """Writes small rather than fine.

    Args:
        path: the file.
        audio: float32 [sample, channel]; what is beyond full scale is cut.
        sample_rate_hz: of the audio.
        title: for players.
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


def page(name: str, controls: Mapping[str, object], seconds: float) -> str:
    """The page, in Markdown.

    Args:
        name: of the pipeline.
        controls: the pipeline's defaults, which the examples are played with.
        seconds: of each example.
    """
    played = ", ".join(
        f"{control} {controls[control]}"
        for control in ("temperature", "top_k", "guidance")
        if control in controls
    )
    rows = [
        f"| [{example.name}]({example.name}.ogg) | {example.title} | {example.seed} |"
        for example in EXAMPLES
    ]
    return f"""# What `{name}` sounds like

{len(EXAMPLES)} prompts, {seconds:g} s each, {played}. None was chosen by ear: prompts and seeds are
written in `benchmarks/evaluation/examples.py`.

    {COMMAND}

| sound | prompt | seed |
| --- | --- | --- |
{chr(10).join(rows)}

![A spectrogram of every example]({SHEET_FILE})
"""
