"""Makes the provenance of a run, for the tags of its audio file."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from soundstage.audio.provenance import AudioPrompt, Provenance, StageWeights, TextPrompt
from soundstage.graph.plan import Graph
from soundstage.runners.sessions.prompts import Audio, Text

_CLIPS = "audio prompts of the session"


def describe(
    graph: Graph,
    weights: Mapping[str, Mapping[str, str]],
    row: Mapping[str, Any],
    prompts: Sequence[Text | Audio],
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
        prompts=tuple(map(_prompt, prompts)) or _prompts_of(row),
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


def _prompt(prompt: Text | Audio) -> TextPrompt | AudioPrompt:
    if isinstance(prompt, Text):
        return TextPrompt(prompt.text, prompt.weight)
    samples = prompt.samples()
    if samples is None:
        return AudioPrompt.of(prompt.path, prompt.weight)
    return AudioPrompt(prompt.name, _digest(samples.audio), prompt.weight)


def _prompts_of(row: Mapping[str, Any]) -> tuple[TextPrompt | AudioPrompt, ...]:
    """Returns the prompts that a session has: of audio, only the clips are known."""
    pairs = zip(row.get("texts", ()), row.get("text_weights", ()), strict=True)
    prompts: list[TextPrompt | AudioPrompt] = [TextPrompt(text, _plain(w)) for text, w in pairs]
    clips = np.asarray(row.get("clips", ()))
    if clips.size:
        weight = float(np.sum(row["clip_weights"]))
        prompts.append(AudioPrompt(_CLIPS, _digest(clips), weight))
    return tuple(prompts)


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
