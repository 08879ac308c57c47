"""Prompts as faders with a name and a weight, and the controls that they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from soundstage.graph.plan import Graph
from soundstage.runners.sessions.prompts import (
    STYLE_WEIGHTS,
    STYLES,
    Audio,
    OnePrompt,
    Style,
    Text,
    expand_prompts,
    style_name,
)

# The prompt controls of every pipeline with prompts; others take style vectors, too.
CONTROLS = ("texts", "text_weights", "clips", "clip_weights")


@dataclass(frozen=True)
class PromptFader:
    """One prompt of a mix.

    Attributes:
        name: the text, or the name of its audio or style vector.
        weight: its share beside the other prompts, at least 0; only ratios matter.
        clips: float32 [clip, clip_sample] of an audio prompt; None = another kind of prompt.
        shares: each clip's part of the weight; they sum to 1.
        vector: float32 [style_dim], a style vector; None = another kind of prompt.
    """

    name: str
    weight: float
    clips: np.ndarray | None = None
    shares: tuple[float, ...] = ()
    vector: np.ndarray | None = None

    @property
    def is_text(self) -> bool:
        """Whether the prompt is a text."""
        return self.clips is None and self.vector is None


@dataclass(frozen=True)
class PromptMix:
    """The prompts of one stream, immutable: every change returns a new mix.

    Attributes:
        faders: one for each prompt; texts first, then audio, then style vectors.
    """

    faders: tuple[PromptFader, ...]

    @classmethod
    def read(cls, controls: Mapping[str, Any]) -> PromptMix | None:
        """Returns the mix of a stream's controls; None if its pipeline takes no prompts.

        All clips become one fader, since controls do not hold which clips belong together.
        """
        if not all(name in controls for name in CONTROLS):
            return None
        texts = zip(controls["texts"], controls["text_weights"], strict=True)
        faders = [PromptFader(text, float(weight)) for text, weight in texts]
        weights = [float(weight) for weight in controls["clip_weights"]]
        if weights:
            total = sum(weights)
            shares = [w / total if total else 1.0 / len(weights) for w in weights]
            name = f"audio ({len(weights)} clips)"
            faders.append(PromptFader(name, total, np.asarray(controls["clips"]), tuple(shares)))
        styles = zip(controls.get(STYLES, ()), controls.get(STYLE_WEIGHTS, ()), strict=True)
        faders += [
            PromptFader(f"style vector {number}", float(weight), vector=vector)
            for number, (vector, weight) in enumerate(styles, 1)
        ]
        return cls(tuple(faders))

    @classmethod
    def of(cls, prompts: Sequence[OnePrompt], graph: Graph) -> PromptMix:
        """Returns the mix of some prompts, one fader for each.

        Raises:
            Exception: as `runners.sessions.prompts.expand_prompts`.
        """
        faders = [PromptFader(p.text, p.weight) for p in prompts if isinstance(p, Text)]
        for prompt in prompts:
            if isinstance(prompt, Audio):
                controls = expand_prompts([replace(prompt, weight=1.0)], graph)
                shares = tuple(controls["clip_weights"])
                faders.append(PromptFader(prompt.name, prompt.weight, controls["clips"], shares))
        for prompt in prompts:
            if isinstance(prompt, Style):
                (vector,) = expand_prompts([prompt], graph)[STYLES]
                faders.append(PromptFader(style_name(prompt), prompt.weight, vector=vector))
        return cls(tuple(faders))

    def controls(self, graph: Graph) -> dict[str, Any]:
        """Returns the controls of a pipeline that this mix stands for."""
        texts = [fader for fader in self.faders if fader.is_text]
        audio = [fader for fader in self.faders if fader.clips is not None]
        clips = [fader.clips for fader in audio if fader.clips is not None]
        no_clips = np.zeros((0, graph.format.dims["clip_sample"]), np.float32)
        styles = [fader for fader in self.faders if fader.vector is not None]
        vectors = {
            STYLES: [fader.vector for fader in styles],
            STYLE_WEIGHTS: [fader.weight for fader in styles],
        }
        return {
            "texts": [fader.name for fader in texts],
            "text_weights": [fader.weight for fader in texts],
            "clips": np.concatenate(clips) if clips else no_clips,
            "clip_weights": [fader.weight * share for fader in audio for share in fader.shares],
            **(vectors if STYLES in graph.controls else {}),
        }

    def with_weight(self, index: int, weight: float) -> PromptMix:
        """Returns the mix with another weight of one fader."""
        fader = replace(self.faders[index], weight=weight)
        return PromptMix((*self.faders[:index], fader, *self.faders[index + 1 :]))

    def with_text(self, text: Text) -> PromptMix:
        """Returns the mix with one more text; a text that it has already gets the new weight."""
        for index, fader in enumerate(self.faders):
            if fader.is_text and fader.name == text.text:
                return self.with_weight(index, text.weight)
        texts = [fader for fader in self.faders if fader.is_text]
        others = [fader for fader in self.faders if not fader.is_text]
        return PromptMix((*texts, PromptFader(text.text, text.weight), *others))

    def without(self, index: int) -> PromptMix:
        """Returns the mix without one fader."""
        return PromptMix((*self.faders[:index], *self.faders[index + 1 :]))
