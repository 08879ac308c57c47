"""Prompts: weighted texts and audio files, and their four controls."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from soundstage.errors import InputError
from soundstage.graph.control import ControlError
from soundstage.graph.format import Format
from soundstage.graph.plan import Graph

PROMPTS = "prompts"
PROMPT_CONTROLS = ("texts", "text_weights", "clips", "clip_weights")
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
    """An audio prompt: the music should sound like this file.

    Attributes:
        path: a file in any format that libsndfile reads, with any number of channels, 0.1 s to
            10 minutes long.
        weight: the prompt's share, at least 0; only the ratios of the weights matter.
    """

    path: str | Path
    weight: float = 1.0


Prompt: TypeAlias = str | tuple[str, float] | Text | Audio


def parse_text(argument: str) -> Text:
    """Reads "jazz trio" or "jazz trio:0.5"."""
    return Text(*_split(argument))


def parse_audio(argument: str) -> Audio:
    """Reads "ref.wav" or "ref.wav:0.5"."""
    return Audio(*_split(argument))


def parse_prompts(texts: Sequence[str], audio: Sequence[str]) -> tuple[Text | Audio, ...]:
    """Reads a command line's prompts: texts first, then audio files."""
    return (*map(parse_text, texts), *map(parse_audio, audio))


def expand_prompts(prompts: Sequence[Prompt], format: Format) -> dict[str, Any]:
    """Turns prompts into the controls `texts`, `text_weights`, `clips` and `clip_weights`.

    An audio prompt's clips share its weight, so that its embedding is the mean over its clips.

    Raises:
        ControlError: a prompt is of another type, or its weight is not a finite number >= 0.
        InputError: an audio file cannot be used (see `audio.clips.read_clips`).
    """
    if isinstance(prompts, str):
        raise ControlError(f"prompts is a list: write [{prompts!r}]")
    texts, audio = [], []
    for prompt in map(_as_prompt, prompts):
        if not (math.isfinite(prompt.weight) and prompt.weight >= 0):
            name = prompt.text if isinstance(prompt, Text) else Path(prompt.path).name
            raise ControlError(f"prompt {name[:40]!r}: weight {prompt.weight} must be at least 0")
        if isinstance(prompt, Text):
            texts.append(prompt)
        else:
            audio.append(prompt)
    clips, clip_weights = _read_clips(audio, format)
    return {
        "texts": [prompt.text for prompt in texts],
        "text_weights": [prompt.weight for prompt in texts],
        "clips": clips,
        "clip_weights": clip_weights,
    }


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
        return expand_prompts([Audio(clip)], graph.format)
    except InputError:
        return {}


def _read_clips(prompts: Sequence[Audio], format: Format) -> tuple[np.ndarray, list[float]]:
    if not prompts:
        return np.zeros((0, format.dims["clip_sample"]), np.float32), []
    from soundstage.audio.clips import read_clips

    samples = [read_clips(prompt.path, format).samples for prompt in prompts]
    weights = [
        prompt.weight / len(clips)
        for prompt, clips in zip(prompts, samples, strict=True)
        for _ in clips
    ]
    return np.concatenate(samples), weights


def _as_prompt(prompt: Prompt) -> Text | Audio:
    if isinstance(prompt, Text | Audio):
        return prompt
    if isinstance(prompt, str):
        return Text(prompt)
    if isinstance(prompt, tuple) and len(prompt) == 2 and isinstance(prompt[0], str):
        return Text(prompt[0], float(prompt[1]))
    raise ControlError(f"a prompt is text, (text, weight), Text or Audio, got {prompt!r}")


def _split(argument: str) -> tuple[str, float]:
    match = _WEIGHTED.fullmatch(argument)
    return (match["prompt"], float(match["weight"])) if match else (argument, 1.0)
