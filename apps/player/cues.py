"""The moments at which music was steered: their labels, and the file that lists them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from soundstage.audio.wav import Cue
from soundstage.files import replacing, reporting

SCHEMA = 1
# Letters of one value in a label.
LONGEST = 120
RESTARTED = "starts again"


def label_of(before: Mapping[str, Any], after: Mapping[str, Any], restarted: bool = False) -> str:
    """Returns what changed between two sets of every control's value; "" = nothing did.

    For example "warm pads, jazz (0.5); temperature 0.9".
    """
    changed = [name for name, value in after.items() if not _equal(before.get(name), value)]
    parts = [RESTARTED] if restarted else []
    if {"texts", "text_weights"} & set(changed):
        parts.append(_shortened(", ".join(_prompts(after)) or "no text prompts"))
    if {"clips", "clip_weights"} & set(changed):
        parts.append(f"{len(after['clips'])} audio clips")
    if {"styles", "style_weights"} & set(changed):
        parts.append(f"{len(after['styles'])} style vectors")
    for name in changed:
        value = np.asarray(after[name])
        if not value.shape and value.dtype.kind in "iuf":
            parts.append(f"{name} {value.item():g}")
    return "; ".join(parts)


def cue_file(audio: Path | str) -> Path:
    """Returns the path of the file of cues beside an audio file."""
    return Path(audio).with_suffix(".json")


def write_cues(audio: Path | str, cues: Sequence[Cue], samples: int, sample_rate_hz: int) -> None:
    """Writes the cues of an audio file as JSON beside it.

    Args:
        audio: the audio file.
        cues: the moments of steering, in order.
        samples: samples per channel of the file.
        sample_rate_hz: samples per second and channel.

    Raises:
        OutputError: the file cannot be written.
    """
    path = cue_file(audio)
    content = {
        "schema": SCHEMA,
        "file": Path(audio).name,
        "sample_rate_hz": sample_rate_hz,
        "samples": samples,
        "cues": [
            {
                "sample": cue.sample,
                "seconds": round(cue.sample / sample_rate_hz, 6),
                "label": cue.label,
            }
            for cue in cues
        ],
    }
    with replacing(path) as stream, reporting(path):
        stream.write(json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n")


def _prompts(controls: Mapping[str, Any]) -> Iterator[str]:
    for text, weight in zip(controls["texts"], controls["text_weights"], strict=True):
        yield text if weight == 1 else f"{text} ({weight:g})"


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return bool(one == other)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
