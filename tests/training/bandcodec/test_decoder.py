"""Training of the band codec's decoder."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
import soundfile

from soundstage.stages.bandcodec.measures import MEASURES, Measures
from soundstage.stages.bandcodec.weights import BandCodecWeights, named_arrays, read_weights
from soundstage.stages.weights.sources import closing_source
from soundstage.training.bandcodec.decoder_command import WITH_AUDIO
from soundstage.training.bandcodec.decoder_loss import (
    DecoderLoss,
    DecoderLossParams,
    DecoderParams,
)
from soundstage.training.bandcodec.decoder_run import DecoderTraining, train_decoder
from soundstage.training.bandcodec.fit_command import save_codec
from soundstage.training.bandcodec.fitting import fit
from soundstage.training.bandcodec.frame_features import read_features
from soundstage.training.loop import Budget
from soundstage.training.optimizer import OptimizerParams, make_step, start
from soundstage.training.run_settings import SettingsError

SMALL = Measures(width=16, levels=4, codes=32, hidden=32, hop_hidden=16)
FRAMES = 40
STEPS = OptimizerParams(rate=3e-3, warmup_steps=5, schedule_steps=200)


class Quiet:
    """Progress that is not shown."""

    def __enter__(self) -> "Quiet":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, *_: object) -> None:
        """Shows nothing."""


def notes(seed: int) -> np.ndarray:
    """Notes with overtones, one every five frames; float32 [sample, channel]."""
    random = np.random.default_rng(seed)
    at_s = np.arange(5 * SMALL.frame_samples) / SMALL.sample_rate_hz
    parts = []
    for step in random.choice([0, 2, 4, 5, 7, 9, 11, 12], FRAMES // 5):
        hertz = 220 * 2 ** (step / 12) * np.arange(1, 13)
        tones = np.sin(2 * np.pi * hertz[:, None] * at_s) / np.arange(1, 13)[:, None]
        parts.append(0.2 * np.exp(-5 * at_s) * tones.sum(axis=0))
    mono = np.concatenate(parts)
    return np.stack([mono, 0.5 * mono], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    for seed in range(4):
        soundfile.write(folder / f"{seed}.wav", notes(seed), SMALL.sample_rate_hz, subtype="FLOAT")
    return folder


@pytest.fixture(scope="module")
def codec(folder) -> BandCodecWeights:
    return fit(read_features(sorted(folder.glob("*.wav")), SMALL, FRAMES), SMALL)


def parts_of(
    codec: BandCodecWeights, params: DecoderParams, losses: DecoderLossParams
) -> dict[str, float]:
    audio = np.stack([notes(seed) for seed in (0, 1)])
    loss = jax.jit(DecoderLoss(SMALL, codec, losses))
    return {name: float(value) for name, value in loss(params, audio)[1].items()}


def test_training_brings_bins_nearer_to_the_music(codec):
    losses = DecoderLossParams()
    step = make_step(DecoderLoss(SMALL, codec, losses), STEPS)
    first = DecoderParams(jax.numpy.asarray(codec.synthesis), codec.network)
    before = parts_of(codec, first, losses)
    state = start(jax.tree.map(jax.numpy.array, first), STEPS)
    audio = np.stack([notes(seed) for seed in (0, 1)])
    for _ in range(60):
        state, _ = step(state, audio)
    after = parts_of(codec, state.best, losses)
    assert after["bins"] < 0.8 * before["bins"]


def test_gradients_with_audio_are_finite_and_reach_every_layer(codec):
    loss = DecoderLoss(SMALL, codec, WITH_AUDIO)
    random = np.random.default_rng(0)
    network = jax.tree.map(
        lambda array: (0.1 * random.standard_normal(array.shape)).astype(np.float32), codec.network
    )
    params = DecoderParams(jax.numpy.asarray(codec.synthesis), network)
    # Silence in the second half: its bins are below the floor.
    audio = notes(0)[None] * (np.arange(FRAMES * SMALL.frame_samples) < 40_000)[None, :, None]
    gradients = jax.jit(jax.grad(lambda p: loss(p, audio.astype(np.float32))[0]))(params)
    for leaf in jax.tree.leaves(gradients):
        assert np.isfinite(leaf).all()
        assert np.abs(leaf).max() > 0


def test_run_keeps_the_codes_and_resumes(folder, tmp_path):
    with closing_source("random:0") as source:
        save_codec(read_weights(MEASURES, source)[0], tmp_path / "codes.safetensors")
    settings = DecoderTraining(str(tmp_path / "codes.safetensors"), rows=1, frames=12)
    pieces = sorted(folder.glob("*.wav"))
    once, _ = train_decoder(settings, pieces, Budget(steps=3), tmp_path / "once", Quiet())
    train_decoder(settings, pieces, Budget(steps=1), tmp_path / "twice", Quiet())
    twice, steps = train_decoder(settings, pieces, Budget(steps=3), tmp_path / "twice", Quiet())
    assert steps == 3
    with closing_source(settings.weights) as source:
        before = named_arrays(read_weights(MEASURES, source)[0])
    after, resumed = named_arrays(once), named_arrays(twice)
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], resumed[name])
        trained = name.startswith(("synthesis", "network")) and name != "network/scale"
        assert (after[name] != array).any() == trained, name
    with pytest.raises(SettingsError, match="rows"):
        train_decoder(
            replace(settings, rows=2), pieces, Budget(steps=3), tmp_path / "once", Quiet()
        )
