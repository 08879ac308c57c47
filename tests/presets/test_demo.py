"""The preset demo: the weights that ship, and that they make the music that is asked for."""

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
# Words for music that nobody takes for one another's.
PROMPTS = ("driving techno", "solo classical piano", "string quartet", "drum and bass")


def shipped() -> list[Path]:
    return sorted(shipped_folder().glob("*.safetensors"))


@cache
def played() -> np.ndarray:
    """Twelve seconds for every prompt, float32 [prompt, sample, channel]."""
    rows = [{"prompts": [prompt], "seed": 3} for prompt in PROMPTS]
    with soundstage.open(preset="demo", rows=rows) as session:
        return np.concatenate([chunk.audio for chunk in itertools.islice(session, CHUNKS)], axis=1)


def embedded(texts: Sequence[str] = (), clips: np.ndarray | None = None) -> np.ndarray:
    embed = Embed(EmbedParams("package:demo-style"), FORMAT, jax.devices("cpu")[0])
    none = np.zeros((0, FORMAT.dims["clip_sample"]), np.float32)
    given = none if clips is None else clips
    return embed(
        texts=[list(texts)],
        text_weights=[np.ones(len(texts), np.float32)],
        clips=[given],
        clip_weights=[np.ones(len(given), np.float32)],
    )["embedding"][0]


def test_the_weights_that_ship_are_small_and_say_what_they_are():
    assert sum(path.stat().st_size for path in shipped()) < MOST_MB * 1e6
    for path in shipped():
        with safe_open(path, "numpy") as file:
            assert {"made by", "license"} <= set(file.metadata())


def test_the_default_preset_has_no_random_weights():
    for node in soundstage.load().nodes.values():
        weights = getattr(node.params, "weights", "package:")
        assert weights.startswith("package:")


@pytest.mark.slow
def test_it_plays_at_a_listener_s_loudness_and_never_beyond_full_scale():
    for audio in played():
        late = round(FORMAT.sample_rate_hz * 0.08)
        assert np.abs(audio).max() <= 1
        assert 0.02 < np.sqrt(np.square(audio[late:]).mean()) < 0.4


@pytest.mark.slow
def test_what_is_played_is_nearer_to_its_own_prompt_than_to_the_others():
    asked = np.stack([embedded([prompt]) for prompt in PROMPTS])
    right = 0
    for number, audio in enumerate(played()):
        mono = soxr.resample(audio.mean(axis=1), FORMAT.sample_rate_hz, FORMAT.clip_rate_hz)
        heard = embedded(clips=mono[None, -FORMAT.dims["clip_sample"] :].astype(np.float32))
        right += int((asked @ heard).argmax()) == number
    assert right >= len(PROMPTS) - 1  # by chance, one would be
