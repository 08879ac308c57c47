"""Training, freezing and export of a codec that trains in seconds."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile
from flax import nnx
from typer.testing import CliRunner

from soundstage.graph.format import Format
from soundstage.stages.spectrostream import Decode, Encode
from soundstage.stages.spectrostream.codec import Codec
from soundstage.stages.spectrostream.network import SpectroStream, published_name
from soundstage.stages.spectrostream.stage import CodecParams
from soundstage.stages.weights.networks import Blueprint, load_network
from soundstage.stages.weights.sources import open_source
from soundstage.training.checkpoint import checkpoints
from soundstage.training.codec.audio_batches import Batches
from soundstage.training.codec.command import codec_app
from soundstage.training.codec.export import codec_arrays, read_run
from soundstage.training.codec.initial_state import start_state
from soundstage.training.codec.network import CodecStructure
from soundstage.training.codec.settings import CodecTraining
from soundstage.training.codec.upsampling import upsample
from soundstage.training.crops import Crops
from soundstage.training.metrics import read_metrics
from soundstage.training.run_settings import SettingsError, keep_settings

RATE = 48_000
FRAMES = 8
CPU = jax.devices("cpu")[0]


def piece(seed, seconds=2.0):
    """A chord with a slow swell, wider on one side."""
    draw = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    tones = [np.sin(2 * np.pi * hz * time + draw.uniform(0, 6)) for hz in draw.uniform(100, 900, 4)]
    wave = 0.1 * np.sum(tones, axis=0) * (1 + np.sin(2 * np.pi * time))
    return np.stack([wave, 0.6 * wave], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    for split, seeds in (("train", (0, 1)), ("heldout", (2,))):
        lines = []
        for seed in seeds:
            soundfile.write(folder / f"{seed}.flac", piece(seed), RATE)
            record = {"path": f"{seed}.flac", "seed": seed, "split": split, "genre": "house"}
            record |= {"tempo_bpm": 120, "beats_per_bar": 4, "tonic": "C", "mode": "major"}
            record |= {"duration_s": 2.0, "density": 0.5, "brightness": 0.5, "instruments": []}
            record |= {"texts": ["x"], "heldout_texts": [], "recipe": "test"}
            lines.append(json.dumps(record))
        (folder / f"manifest-{split}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def command(*arguments):
    result = CliRunner().invoke(codec_app(), [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def training(corpus, run, *more):
    return (
        *("--corpus", corpus, "--run", run, "--size", "tiny", "--no-linear-start"),
        *("--frames", FRAMES, "--rows", 2, "--survey-vectors", 1),
        *("--rate", 0.002, "--schedule-steps", 200),
        *more,
    )


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """A run of some steps from random weights, and its exported file."""
    folder = tmp_path_factory.mktemp("trained")
    command(*training(corpus, folder / "run", "--steps", 24))
    command("export", "--run", folder / "run", "--output", folder / "codec.safetensors")
    return folder / "run", folder / "codec.safetensors"


@pytest.mark.slow
def test_training_lowers_the_loss(trained):
    curve = read_metrics(trained[0] / "metrics.csv")["log_mel"]
    assert np.mean(curve[-2:]) < 0.9 * curve[0]


@pytest.mark.slow
def test_exported_codec_reconstructs_like_the_trained_network(trained):
    run, exported = trained
    format = Format(chunk_s=0.16, context_s=0.32)
    params = CodecParams(str(exported), "tiny")
    audio = piece(5)[None, : format.dims["sample"]]
    tokens = Encode(params, format, CPU)(audio=audio)["tokens"]
    context = np.full((1, format.dims["context_frame"], 16), 0, np.int32)
    decoded = Decode(params, format, CPU)(tokens=tokens, context=context)["audio"]

    settings, state, _ = read_run(run)
    network = CodecStructure(settings.config)
    codes = jnp.asarray(np.concatenate([context[:, -1:], tokens], axis=1))
    embeddings = sum(state.books.embedding[level][codes[..., level]] for level in range(16))
    features = jax.jit(network.decode)(state.best["decoder"], embeddings)
    expected = np.asarray(network.audio(features))
    error = np.sqrt(np.square(decoded - expected).mean() / np.square(expected).mean())
    assert error < 0.02  # matrices are rounded to float16
    encode = jax.jit(lambda weights, x: network.encode(weights, network.features(x)))
    embedded = encode(state.best["encoder"], jnp.asarray(audio))
    quantized = sum(state.books.embedding[level][tokens[..., level]] for level in range(16))
    assert float(jnp.square(quantized - embedded).mean()) < (
        0.5 * float(jnp.square(embedded).mean())
    )


@pytest.mark.slow
def test_frozen_parts_keep_their_bits_while_the_decoder_learns(corpus, trained, tmp_path):
    _, exported = trained
    more = ("--weights", exported, "--freeze", "encoder,quantizer", "--steps", 3)
    command(*training(corpus, tmp_path, *more))
    settings, state, _ = read_run(tmp_path)
    before = codec_arrays(settings, start_state(settings))
    after = codec_arrays(settings, state)
    changed = [name for name in after if not np.array_equal(before[name], after[name])]
    assert {name.split("/")[0] for name in changed} == {"decoder"}


@pytest.mark.slow
def test_evaluate_prints_the_distances_of_held_out_pieces(corpus, trained):
    output = command(
        "evaluate", "--codec", trained[1], "--corpus", corpus, "--size", "tiny", "--seconds", 0.5
    )
    assert "SI-SDR" in output
    assert "over 12 frames" in output


def test_linear_first_weights_are_far_better_than_random_ones(corpus):
    settings = CodecTraining(size="tiny", frames=25, analysed_rows=2)
    paths = sorted(corpus.glob("*.flac"))
    crops = Crops(paths, settings.crop_samples, 0)
    audio = jnp.asarray(crops.batch(0, 1))
    network = CodecStructure(settings.config)

    @jax.jit
    def error(parts):
        features = network.features(audio)
        decoded = network.decode(parts["decoder"], network.encode(parts["encoder"], features))
        return jnp.square(decoded - features).mean() / jnp.square(features).mean()

    assert error(start_state(settings, crops).best) < 0.7 < 0.95 < error(start_state(settings).best)


def test_training_network_computes_what_the_codec_computes(corpus):
    """The stage's forward pass is verified against the published one."""
    settings = CodecTraining(size="tiny", frames=FRAMES)
    network = CodecStructure(settings.config)
    make = partial(SpectroStream, settings.config, upsample=upsample)
    module = load_network(
        Blueprint(lambda: lambda rngs: make(rngs=rngs)),
        open_source("random:0"),
        published_name(settings.config),
        None,
    ).network.module
    codec = Codec(settings.config, module)
    features = codec.stft(piece(3)[None, : settings.crop_samples])
    embeddings = codec.encode_features(features)
    trained = jax.jit(network.encode)(nnx.state(module.encoder), jnp.asarray(features))
    np.testing.assert_allclose(trained, embeddings, atol=1e-4 * np.abs(embeddings).max())
    expected = codec.decode_features(np.pad(embeddings, ((0, 0), (0, 1), (0, 0))))
    decoded = jax.jit(network.decode)(nnx.state(module.decoder), jnp.asarray(embeddings))
    np.testing.assert_allclose(decoded, expected, atol=1e-4 * np.abs(expected).max())


def test_batch_depends_on_step_and_seed_alone(corpus):
    settings = CodecTraining(size="tiny", frames=FRAMES, rows=8)
    crops = Crops(sorted(corpus.glob("*.flac")), settings.crop_samples, settings.seed)
    first, again = Batches(settings, crops), Batches(settings, crops)
    again(3)
    for left, right in zip(first(7), again(7), strict=True):
        np.testing.assert_array_equal(left, right)
    levels = np.concatenate([first(step).levels for step in range(40)])
    assert levels.min() == 1
    assert 0.4 < (levels == 16).mean() < 0.7
    assert len(np.unique(levels)) == 16


def test_run_is_not_resumed_with_other_settings(tmp_path):
    path = tmp_path / "settings.json"
    keep_settings(path, CodecTraining(size="tiny"))
    keep_settings(path, CodecTraining(size="tiny"))
    with pytest.raises(SettingsError, match=r"was started with rows 4, not rows 5: give the same"):
        keep_settings(path, CodecTraining(size="tiny", rows=5))
    assert not checkpoints(tmp_path / "checkpoints")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"freeze": ("encoder", "decoder")}, "not both"),
        ({"freeze": ("ears",)}, "ears"),
        ({"size": "huge"}, "size must be one of"),
        ({"books_step": None}, "codebooks must be fitted"),
        ({"rows": 0}, "at least 1"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        CodecTraining(**settings)
