"""The codec's sizes: the published arrays, the config of a recording, and refusals."""

import json

import numpy as np
import pytest
from flax import nnx

from soundstage.stages.spectrostream.blocks import upsample_by_phases
from soundstage.stages.spectrostream.codec import codec_maker
from soundstage.stages.spectrostream.config import FULL, TINY, SpectroStreamConfig
from soundstage.stages.spectrostream.network import PARTS, published_name
from soundstage.stages.weights.modules import structure

WRITTEN = {
    "model": "spectrostream",
    "sample_rate": 48000.0,
    "stft": {"frame_length": 960, "frame_step": 480, "fft_length": 960, "bins": 480},
    "feature_channels": 4,
    "ratios": [[1, 2], [1, 2], [1, 3], [1, 2], [1, 2], [2, 2], [2, 1]],
    "mults": [2, 1, 2, 1, 1, 2, 1],
    "num_features": 256,
    "encoder_base": 32,
    "encoder_base_kernel": 7,
    "decoder_base": 64,
    "decoder_base_kernel": 7,
    "channel_splits": 2,
    "channel_recombo_block": -2,
    "decoder_lookahead": 1,
    "quantizers": 64,
    "codes": 1024,
    "samples_per_frame": 1920,
}


def shapes_by_name(config, parts=PARTS):
    _, state = structure(codec_maker(config, parts, upsample_by_phases))
    name = published_name(config)
    flat = nnx.to_flat_state(state)
    return {name("/".join(str(part) for part in path)): leaf.shape for path, leaf in flat}


def test_default_is_the_published_codec():
    assert SpectroStreamConfig.from_json(json.dumps(WRITTEN)) == FULL
    assert (FULL.frame_samples, FULL.time_stride, FULL.bottom_bins) == (1920, 4, 5)
    assert FULL.channels == 2


def test_published_codec_has_the_published_arrays():
    shapes = shapes_by_name(FULL)
    sizes = {
        part: sum(int(np.prod(shape)) for name, shape in shapes.items() if name.startswith(part))
        for part in PARTS
    }
    assert len(shapes) == 97
    assert sizes == {"encoder": 9_251_904, "decoder": 35_684_546, "quantizer": 16_777_216}
    spot_checks = {
        "encoder/encoder_2/conv2d_3x6_a/conv/kernel": (3, 6, 64, 128),
        "encoder/bottleneck/conv2d_3x3_a/conv/kernel": (3, 3, 256, 256),
        "encoder/output_convs/shortcut_layer/conv1x1_b1/conv/kernel": (1, 1, 1280, 1280),
        "decoder/input_layers_residual_unit/conv2d_3x3_a/conv/kernel": (3, 3, 512, 512),
        "decoder/decoder_0/conv2dtranspose_4x3/conv/kernel": (4, 3, 512, 1024),
        "decoder/decoder_1/shortcut_layer/conv1x1/conv/kernel": (1, 1, 512, 256),
        "decoder/output_layer/base_conv_last/conv/kernel": (7, 7, 64, 2),
        "quantizer/embedding": (64, 1024, 256),
    }
    assert spot_checks.items() <= shapes.items()
    assert "encoder/encoder_1/shortcut_layer/conv1x1/conv/kernel" not in shapes


def test_only_the_requested_parts_are_built():
    assert {name.split("/")[0] for name in shapes_by_name(FULL, ("decoder",))} == {"decoder"}


def test_tiny_codec_fits_the_published_format():
    for same in ("sample_rate_hz", "frame_samples", "channels", "codes"):
        assert getattr(TINY, same) == getattr(FULL, same)
    assert TINY.levels >= 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quantisers": 64}, r"unknown keys \['quantisers'\]"),
        ({"stft": WRITTEN["stft"] | {"window": 1}}, r"unknown keys \['stft.window'\]"),
        ({"model": "depthformer"}, "model is 'depthformer', but must be"),
        ({"samples_per_frame": 960}, "samples_per_frame is 960.*1920"),
        ({"codes": "many"}, "codes = 'many'"),
        ({"codes": 0}, "codes must be at least 1"),
        ({"codes": True}, "codes = True"),
        ({"ratios": [[1, 2]]}, "1 ratios and 7 mults"),
        ({"ratios": [[1, 7]] * 7}, "480 bins cannot be divided"),
        ({"ratios": [[0, 2]] * 7}, "ratios must be at least 1"),
        ({"channel_splits": 4}, "4 feature channels cannot be split"),
        ({"channel_recombo_block": -1}, "is not one of the 7 levels"),
        ({"channel_recombo_block": 8}, "is not one of the 7 levels"),
        ({"stft": WRITTEN["stft"] | {"bins": 240}}, "fft_length 960 has 480 bins, got bins = 240"),
        ({"stft": WRITTEN["stft"] | {"frame_step": 961}}, "does not hold"),
        ({"stft": 960}, "stft"),
    ],
)
def test_impossible_config_value_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        SpectroStreamConfig.from_json(json.dumps(WRITTEN | change))


def test_missing_key_and_broken_json_are_named():
    lacking = {key: value for key, value in WRITTEN.items() if key != "mults"}
    with pytest.raises(ValueError, match=r"lacks \['mults'\]"):
        SpectroStreamConfig.from_json(json.dumps(lacking))
    with pytest.raises(ValueError, match="line 1"):
        SpectroStreamConfig.from_json("{")
    with pytest.raises(ValueError, match="JSON object"):
        SpectroStreamConfig.from_json("[]")


def test_widths_follow_multipliers_and_splits():
    config = SpectroStreamConfig(
        ratios=((1, 2), (2, 3), (1, 1)),
        mults=(1.5, 2, 1),
        encoder_base=3,
        decoder_base=2,
        channel_recombo_block=1,
    )
    assert config.joint_levels == 2
    # round(3 * 1.5) rounds half to even, as the published code does.
    assert [(u.width_in, u.width_out) for u in config.encoder_units] == [(3, 4), (8, 8), (8, 8)]
    assert [(u.width_in, u.width_out) for u in config.decoder_units] == [(6, 6), (6, 6), (3, 2)]
    assert [u.projects for u in config.encoder_units] == [True, False, False]


def test_channels_without_splits_have_wider_outer_layers():
    config = SpectroStreamConfig.from_json(json.dumps(WRITTEN | {"channel_splits": None}))
    shapes = shapes_by_name(config)
    assert shapes["encoder/base_conv_first/conv/kernel"] == (7, 7, 4, 32)
    assert shapes["decoder/output_layer/base_conv_last/conv/kernel"] == (7, 7, 64, 4)
    assert shapes["decoder/decoder_0/conv2d_3x3/conv/kernel"] == (3, 3, 512, 512)
