"""Makes the provenance of a run, for the tags of its audio file."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from soundstage.audio.provenance import (
    AudioPrompt,
    PromptRecord,
    Provenance,
    StageWeights,
    StylePrompt,
    TextPrompt,
)
from soundstage.graph.plan import Graph
from soundstage.runners.sessions.prompts import (
    STYLE_WEIGHTS,
    STYLES,
    OnePrompt,
    Style,
    Text,
    style_name,
)

_CLIPS = "audio prompts of the session"
_VECTOR = "style vector"


def describe(
    graph: Graph,
    weights: Mapping[str, Mapping[str, str]],
    row: Mapping[str, Any],
    prompts: Sequence[OnePrompt],
    chunks: int,
    version: str,
) -> Provenance:
    """Returns the provenance of one stream.

    Args:
        graph: the graph that runs.
        weights: digest and note of every stage with weights, by stage.
        row: every control's value.
        prompts: the prompts of the request; if empty, those of the controls, without the names of
            audio files.
        chunks: the number of chunks.
        version: soundstage's version.
    """
    numbers = {
        name: _plain(value)
        for name, value in row.items()
        if isinstance(value, np.number) and name != "seed"
    }
    return Provenance(
        version=version,
        pipeline=graph.name,
        graph_hash=graph.digest,
        prompts=_prompts(prompts, row) or _prompts_of(row),
        seeds=(int(row["seed"]),) if "seed" in row else (),
        controls=numbers,
        weights={
            name: StageWeights(entry["digest"], entry["note"]) for name, entry in weights.items()
        },
        chunks=chunks,
        random_weights=any("random" in entry["note"] for entry in weights.values()),
    )


def _plain(value: np.number) -> float | int:
    # The shortest text of the same float32, which is the number that the user wrote.
    return float(str(value)) if isinstance(value, np.floating) else int(value)


def _prompts(prompts: Sequence[OnePrompt], row: Mapping[str, Any]) -> tuple[PromptRecord, ...]:
    vectors = iter(row.get(STYLES, ()))  # in the order of their prompts
    return tuple(_prompt(prompt, vectors) for prompt in prompts)


def _prompt(prompt: OnePrompt, vectors: Iterator[np.ndarray]) -> PromptRecord:
    if isinstance(prompt, Text):
        return TextPrompt(prompt.text, prompt.weight)
    if isinstance(prompt, Style):
        return _style(style_name(prompt), next(vectors), prompt.weight)
    samples = prompt.samples()
    if samples is None:
        return AudioPrompt.of(prompt.path, prompt.weight)
    return AudioPrompt(prompt.name, _digest(samples.audio), prompt.weight)


def _style(name: str, vector: np.ndarray, weight: float) -> StylePrompt:
    # A file name may have bytes that are not UTF-8; a tag may not.
    name = name.encode("utf-8", "replace").decode()
    return StylePrompt(name, _digest(np.asarray(vector, np.float32)), weight)


def _prompts_of(row: Mapping[str, Any]) -> tuple[PromptRecord, ...]:
    """Returns the prompts that a session has: of audio, only the clips are known."""
    pairs = zip(row.get("texts", ()), row.get("text_weights", ()), strict=True)
    prompts: list[PromptRecord] = [TextPrompt(text, _plain(w)) for text, w in pairs]
    clips = np.asarray(row.get("clips", ()))
    if clips.size:
        weight = float(np.sum(row["clip_weights"]))
        prompts.append(AudioPrompt(_CLIPS, _digest(clips), weight))
    styles = zip(row.get(STYLES, ()), row.get(STYLE_WEIGHTS, ()), strict=True)
    prompts += [_style(_VECTOR, vector, _plain(weight)) for vector, weight in styles]
    return tuple(prompts)


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
