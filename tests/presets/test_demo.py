"""The preset demo: its weights, and music that follows the prompts."""

import itertools
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jax
import numpy as np
import pytest
import soxr
from safetensors import safe_open

import soundstage
from soundstage.graph.format import Format
from soundstage.stages.style_towers.stage import Embed, EmbedParams
from soundstage.stages.weights.sources import shipped_folder

MOST_MB = 40
FORMAT = Format()
CHUNKS = 6
# Prompts for music of clearly different styles.
PROMPTS = ("driving techno", "solo classical piano", "string quartet", "drum and bass")


def shipped() -> list[Path]:
    return sorted(shipped_folder().glob("*.safetensors"))


@cache
def generated() -> np.ndarray:
    """Generates 12 s for every prompt: float32 [prompt, sample, channel]."""
    rows = [{"prompts": [prompt], "seed": 3} for prompt in PROMPTS]
    with soundstage.open(preset="demo", rows=rows) as session:
        return np.concatenate([chunk.audio for chunk in itertools.islice(session, CHUNKS)], axis=1)


def embedded(texts: Sequence[str] = (), clips: np.ndarray | None = None) -> np.ndarray:
    embed = Embed(EmbedParams("package:demo-style"), FORMAT, jax.devices("cpu")[0])
    none = np.zeros((0, FORMAT.dims["clip_sample"]), np.float32)
    rows = none if clips is None else clips
    return embed(
        texts=[list(texts)],
        text_weights=[np.ones(len(texts), np.float32)],
        clips=[rows],
        clip_weights=[np.ones(len(rows), np.float32)],
    )["embedding"][0]


def test_shipped_weights_are_small_and_have_origin_and_license():
    assert sum(path.stat().st_size for path in shipped()) < MOST_MB * 1e6
    for path in shipped():
        with safe_open(path, "numpy") as file:
            assert {"made by", "license"} <= set(file.metadata())


def test_default_preset_has_no_random_weights():
    for node in soundstage.load().nodes.values():
        weights = getattr(node.params, "weights", "package:")
        assert weights.startswith("package:")


@pytest.mark.slow
def test_audio_is_audible_and_within_full_scale():
    for audio in generated():
        late = round(FORMAT.sample_rate_hz * 0.08)
        assert np.abs(audio).max() <= 1
        assert 0.02 < np.sqrt(np.square(audio[late:]).mean()) < 0.4


@pytest.mark.slow
def test_audio_is_nearer_to_its_own_prompt_than_to_the_others():
    prompts = np.stack([embedded([prompt]) for prompt in PROMPTS])
    matches = 0
    for number, audio in enumerate(generated()):
        mono = soxr.resample(audio.mean(axis=1), FORMAT.sample_rate_hz, FORMAT.clip_rate_hz)
        embedding = embedded(clips=mono[None, -FORMAT.dims["clip_sample"] :].astype(np.float32))
        matches += int((prompts @ embedding).argmax()) == number
    assert matches >= len(PROMPTS) - 1  # chance would give one
