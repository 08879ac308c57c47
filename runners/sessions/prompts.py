"""Prompts: weighted texts, audio files and style vectors, and their controls."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from soundstage.audio.source import SampleArray
from soundstage.errors import InputError, UsageError
from soundstage.graph.control import ControlError, as_float
from soundstage.graph.format import Format
from soundstage.graph.plan import Graph
from soundstage.runners.sessions.style_vectors import check_vector, read_vector

PROMPTS = "prompts"
STYLES, STYLE_WEIGHTS = "styles", "style_weights"
PROMPT_CONTROLS = ("texts", "text_weights", "clips", "clip_weights", STYLES, STYLE_WEIGHTS)
# "jazz trio:0.5": the text after the last colon is a weight if it is a number.
_NUMBER = r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+|nan|inf)"
_WEIGHTED = re.compile(rf"(?P<prompt>.*):(?P<weight>{_NUMBER})", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Text:
    """A text prompt.

    Attributes:
        text: a description of the music; may be empty.
        weight: the prompt's share, at least 0; only the ratios of the weights matter.
    """

    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class Audio:
    """An audio prompt: the music should sound like this file, or like these samples.

        Audio("piano.ogg", weight=0.5)
        Audio(samples, 44_100)

    Attributes:
        source: a file in any format that libsndfile reads, or samples: float32 or float64
            `[sample]` or `[sample, channel]`, 1.0 = full scale. 0.1 s to 10 minutes long, with
            any number of channels.
        sample_rate: the rate of samples, in Hz, 1 kHz to 768 kHz; None for a file, which has its
            own.
        weight: the prompt's share, at least 0; only the ratios of the weights matter.

    Raises:
        InputError: samples have another dtype or shape, or their rate is out of range.
        UsageError: samples without a rate, or a file with one.
    """

    source: str | Path | np.ndarray
    sample_rate: float | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.source, str | Path | np.ndarray):
            kind = type(self.source).__name__
            raise UsageError(f"Audio takes a file's path or a NumPy array of samples, got {kind}")
        if isinstance(self.source, np.ndarray):
            if self.sample_rate is None:
                raise UsageError("samples need their rate in Hz: write Audio(samples, 48_000)")
            self.samples()
        elif self.sample_rate is not None:
            raise UsageError(
                f"Audio({str(self.source)!r}, {self.sample_rate!r}): a file has its own sample "
                "rate; for a weight, write Audio(path, weight=0.5)"
            )

    @property
    def path(self) -> Path:
        """The file.

        Raises:
            UsageError: the prompt has samples instead.
        """
        if isinstance(self.source, np.ndarray):
            raise UsageError("this audio prompt has samples and no file")
        return Path(self.source)

    @property
    def name(self) -> str:
        """The file's name without its folder; "samples" for samples."""
        return "samples" if isinstance(self.source, np.ndarray) else self.path.name

    def samples(self) -> SampleArray | None:
        """Returns the samples; None for a file."""
        if not isinstance(self.source, np.ndarray) or self.sample_rate is None:
            return None
        return SampleArray.of(self.source, self.sample_rate)


@dataclass(frozen=True)
class Style:
    """A style vector as a prompt, such as `Session.embed` returns, or arithmetic on several.

    Vectors are blended as they are, whatever their length. They say nothing about tempo, density,
    brightness and drums.

    Attributes:
        vector: float32 or float64 [style_dim], at most 1000 in size each; or a .npy file of them.
        weight: the prompt's share, at least 0; only the ratios of the weights matter.
    """

    vector: np.ndarray | str | Path
    weight: float = 1.0


OnePrompt: TypeAlias = Text | Audio | Style
Prompt: TypeAlias = str | np.ndarray | tuple[str | np.ndarray, float] | OnePrompt


def parse_text(argument: str) -> Text:
    """Reads "jazz trio" or "jazz trio:0.5"."""
    return Text(*_split(argument))


def parse_audio(argument: str) -> Audio:
    """Reads "ref.wav" or "ref.wav:0.5"."""
    path, weight = _split(argument)
    return Audio(path, weight=weight)


def parse_style(argument: str) -> Style:
    """Reads "style.npy" or "style.npy:0.5"."""
    return Style(*_split(argument))


def parse_prompts(
    texts: Sequence[str], audio: Sequence[str], styles: Sequence[str] = ()
) -> tuple[OnePrompt, ...]:
    """Reads a command line's prompts: texts first, then audio files, then style vectors."""
    return (*map(parse_text, texts), *map(parse_audio, audio), *map(parse_style, styles))


def written_out(changes: Mapping[str, Any], graph: Graph) -> dict[str, Any]:
    """Returns changes of controls with `prompts`, if it is among them, as what it is short for.

    Raises:
        Exception: as `expand_prompts`.
    """
    changes = dict(changes)
    if PROMPTS in changes:
        changes |= expand_prompts(changes.pop(PROMPTS), graph)
    return changes


def expand_prompts(prompts: Sequence[Prompt], graph: Graph) -> dict[str, Any]:
    """Turns prompts into the `PROMPT_CONTROLS` of a pipeline.

    A bare text is read as on the command line: "jazz trio:0.5" has the weight 0.5, and `Text`
    takes a text as it is. An audio prompt's clips share its weight, so that its embedding is the
    mean over its clips.

    Args:
        prompts: the prompts.
        graph: the pipeline. One without the control `styles` takes no style vectors.

    Raises:
        ControlError: a prompt is of another type, its weight is not a finite number >= 0, or a
            style vector cannot be used.
        InputError: a file cannot be used (see `audio.clips.read_clips`, `style_vectors`).
    """
    texts: list[Text] = []
    audio: list[Audio] = []
    styles: list[Style] = []
    for prompt in listed(prompts):
        if isinstance(prompt, Text):
            texts.append(Text(prompt.text, _weight(prompt.text, prompt.weight)))
        elif isinstance(prompt, Style):
            styles.append(prompt)
        else:
            audio.append(replace(prompt, weight=_weight(prompt.name, prompt.weight)))
    clips, clip_weights = _read_clips(audio, graph.format)
    return {
        "texts": [prompt.text for prompt in texts],
        "text_weights": [prompt.weight for prompt in texts],
        "clips": clips,
        "clip_weights": clip_weights,
        **_read_styles(styles, graph),
    }


def listed(prompts: object) -> list[OnePrompt]:
    """Reads a list of prompts; a bare text is read as on the command line.

    Raises:
        ControlError: it is no list, or a prompt is of another type.
    """
    if isinstance(prompts, np.ndarray):
        raise ControlError("prompts is a list: write [vector]")
    if isinstance(prompts, str | bytes | OnePrompt) or not isinstance(prompts, Iterable):
        raise ControlError(f"prompts is a list: write [{prompts!r}]")
    return [_as_prompt(prompt) for prompt in prompts]


def style_name(style: Style) -> str:
    """Returns the name of a style vector for people: its file's, or "style vector"."""
    return "style vector" if isinstance(style.vector, np.ndarray) else Path(style.vector).name


def clip_controls(clip: str | Path, controls: Mapping[str, Any], graph: Graph) -> dict[str, Any]:
    """Returns the prompt of music that continues a clip if nobody gave one: the clip itself.

    Args:
        clip: the audio file.
        controls: the controls that were given.
        graph: the pipeline.

    Returns:
        The clip as controls; nothing if a control is a prompt, the pipeline takes no audio prompts,
        or the clip is none, because it is silent or too short.
    """
    given = {PROMPTS, *PROMPT_CONTROLS} & controls.keys()
    if given or "clips" not in graph.controls:
        return {}
    try:
        return expand_prompts([Audio(clip)], graph)
    except InputError:
        return {}


def _read_clips(prompts: Sequence[Audio], format: Format) -> tuple[np.ndarray, list[float]]:
    if not prompts:
        return np.zeros((0, format.dims["clip_sample"]), np.float32), []
    from soundstage.audio.clips import read_clips

    samples = [read_clips(prompt.samples() or prompt.path, format).samples for prompt in prompts]
    weights = [
        prompt.weight / len(clips)
        for prompt, clips in zip(prompts, samples, strict=True)
        for _ in clips
    ]
    return np.concatenate(samples), weights


def _read_styles(styles: Sequence[Style], graph: Graph) -> dict[str, Any]:
    if STYLES not in graph.controls:
        if not styles:
            return {}
        raise ControlError(
            f"the pipeline {graph.name!r} takes no style vectors: add styles = [] and "
            "style_weights = [] to its [inputs], and wire both to the stage that embeds prompts"
        )
    width = graph.format.style_dim
    vectors = [
        check_vector(style_name(style), style.vector, width)
        if isinstance(style.vector, np.ndarray)
        else read_vector(style.vector, width)
        for style in styles
    ]
    weights = [_weight(style_name(style), style.weight) for style in styles]
    return {
        STYLES: np.stack(vectors) if vectors else np.zeros((0, width), np.float32),
        STYLE_WEIGHTS: weights,
    }


def _as_prompt(prompt: Prompt) -> OnePrompt:
    if isinstance(prompt, OnePrompt):
        return prompt
    if isinstance(prompt, str):
        return parse_text(prompt)
    content, weight = prompt if isinstance(prompt, tuple) and len(prompt) == 2 else (prompt, 1.0)
    if isinstance(content, str):
        return Text(content, weight)
    # Arrays of other libraries, such as JAX, are given as NumPy's.
    if hasattr(content, "__array__"):
        return Style(np.asarray(content), weight)
    raise ControlError(
        f"a prompt is text or a style vector, alone or as (prompt, weight), or Text, Audio or "
        f"Style, got {prompt!r}"
    )


def _weight(name: str, weight: object) -> float:
    where = f"prompt {name[:40]!r}"
    if isinstance(weight, bool) or not isinstance(weight, int | float | np.number):
        raise ControlError(f"{where}: its weight is a number, not {type(weight).__name__}")
    number = as_float(weight) if isinstance(weight, int) else float(weight)
    if not (math.isfinite(number) and number >= 0):
        raise ControlError(f"{where}: weight {number} must be a finite number of at least 0")
    return number


def _split(argument: str) -> tuple[str, float]:
    match = _WEIGHTED.fullmatch(argument)
    return (match["prompt"], float(match["weight"])) if match else (argument, 1.0)
