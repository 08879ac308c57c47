"""Prompts as faders: each with a name and a weight, and the controls they come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from soundstage.graph.format import Format
from soundstage.runners.sessions.prompts import Audio, Text, expand_prompts

CONTROLS = ("texts", "text_weights", "clips", "clip_weights")


@dataclass(frozen=True)
class PromptFader:
    """One prompt.

    Attributes:
        name: the text, or what its audio is called.
        weight: its share beside the other prompts, at least 0; only ratios matter.
        clips: float32 [clip, clip_sample] of an audio prompt; None = a text.
        shares: what part of the weight each clip has.
    """

    name: str
    weight: float
    clips: np.ndarray | None = None
    shares: tuple[float, ...] = ()


@dataclass(frozen=True)
class PromptMix:
    """The prompts of one stream; every change makes another mix.

    Attributes:
        parts: texts first, then audio.
    """

    parts: tuple[PromptFader, ...]

    @classmethod
    def read(cls, controls: Mapping[str, Any]) -> PromptMix | None:
        """The mix behind a stream's controls; None if its pipeline takes no prompts.

        All clips are one part: which of them belong together, controls do not tell.
        """
        if not all(name in controls for name in CONTROLS):
            return None
        texts = zip(controls["texts"], controls["text_weights"], strict=True)
        parts = [PromptFader(text, float(weight)) for text, weight in texts]
        weights = [float(weight) for weight in controls["clip_weights"]]
        if weights:
            total = sum(weights)
            shares = [w / total if total else 1.0 / len(weights) for w in weights]
            name = f"audio ({len(weights)} clips)"
            parts.append(PromptFader(name, total, np.asarray(controls["clips"]), tuple(shares)))
        return cls(tuple(parts))

    @classmethod
    def of(cls, prompts: Sequence[Text | Audio], format: Format) -> PromptMix:
        """The mix of some prompts, a part each.

        Raises:
            Exception: as `runners.sessions.prompts.expand_prompts`.
        """
        parts = [PromptFader(p.text, p.weight) for p in prompts if isinstance(p, Text)]
        for prompt in prompts:
            if isinstance(prompt, Audio):
                made = expand_prompts([replace(prompt, weight=1.0)], format)
                name = Path(prompt.path).name
                shares = tuple(made["clip_weights"])
                parts.append(PromptFader(name, prompt.weight, made["clips"], shares))
        return cls(tuple(parts))

    def controls(self, format: Format) -> dict[str, Any]:
        """The controls that play it."""
        texts = [part for part in self.parts if part.clips is None]
        audio = [part for part in self.parts if part.clips is not None]
        clips = [part.clips for part in audio if part.clips is not None]
        nothing = np.zeros((0, format.dims["clip_sample"]), np.float32)
        return {
            "texts": [part.name for part in texts],
            "text_weights": [part.weight for part in texts],
            "clips": np.concatenate(clips) if clips else nothing,
            "clip_weights": [part.weight * share for part in audio for share in part.shares],
        }

    def weighted(self, index: int, weight: float) -> PromptMix:
        """Another mix, one part of which has another weight."""
        part = replace(self.parts[index], weight=weight)
        return PromptMix((*self.parts[:index], part, *self.parts[index + 1 :]))

    def joined_by(self, text: Text) -> PromptMix:
        """Another mix with a text more; a text that is there already gets the new weight."""
        for index, part in enumerate(self.parts):
            if part.clips is None and part.name == text.text:
                return self.weighted(index, text.weight)
        texts = [part for part in self.parts if part.clips is None]
        audio = [part for part in self.parts if part.clips is not None]
        return PromptMix((*texts, PromptFader(text.text, text.weight), *audio))

    def without(self, index: int) -> PromptMix:
        """Another mix with a part less."""
        return PromptMix((*self.parts[:index], *self.parts[index + 1 :]))
