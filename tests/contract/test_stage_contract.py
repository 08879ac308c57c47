"""The contract of stages, tested on every stage class under `stages`."""

import importlib.util
import inspect
import pkgutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from soundstage import stages
from soundstage.graph.declaration import make_params
from soundstage.graph.format import Format
from soundstage.stages.bandcodec.codec import memory_size
from soundstage.stages.bandcodec.measures import MEASURES
from soundstage.stages.spectrostream.config import TINY
from soundstage.stages.spectrostream.streaming import MemoryLayout
from soundstage.testing import check_stage
from soundstage.testing.example_inputs import ExampleInputs
from soundstage.testing.new_process import CallRequest, digests_of

ROOT = Path(__file__).parents[2]
FORMAT = Format(
    chunk_s=0.24, context_s=0.48, style_dim=32, clip_s=0.5, codec_memory=MemoryLayout(TINY).size
)
MUSICCOCA = str(ROOT / "tests" / "golden" / "musiccoca")

# Params of every stage that has `Params`: small sizes and random weights; small files for a stage
# without random weights.
PARAMS: dict[str, dict[str, Any]] = {
    "stages.bandcodec.stage:Decode": {"weights": "random:0"},
    "stages.bandcodec.stage:DecodeStreaming": {"weights": "random:0"},
    "stages.bandcodec.stage:Encode": {"weights": "random:0"},
    "stages.bandcodec.stage:EncodeStreaming": {"weights": "random:0"},
    "stages.crossfade:Crossfade": {"ramp": "linear"},
    "stages.depthformer.stage:Sample": {"weights": "random:0", "size": "tiny"},
    "stages.depthformer.stage:SampleOnBeat": {"weights": "random:0", "size": "demo"},
    "stages.magenta_rt2.step:Step": {"weights": "random:0", "size": "tiny"},
    "stages.musiccoca.embed:Embed": {"weights": MUSICCOCA, "mapper": True},
    "stages.musiccoca.quantize:Quantize": {"weights": MUSICCOCA},
    "stages.spectrostream.codes_decoder:DecodeFromCodes": {"weights": "random:0", "size": "tiny"},
    "stages.spectrostream.stage:Decode": {"weights": "random:0", "size": "tiny"},
    "stages.spectrostream.stage:DecodeStreaming": {"weights": "random:0", "size": "tiny"},
    "stages.spectrostream.stage:Encode": {"weights": "random:0", "size": "tiny"},
    "stages.spectrostream.stage:EncodeStreaming": {"weights": "random:0", "size": "tiny"},
    "stages.style.stage:Embed": {"weights": "random:0"},
    "stages.style.stage:Quantize": {"weights": "random:0"},
    "stages.style_towers.stage:Embed": {"weights": "random:0"},
    "stages.toy:Gain": {"gain_db": -6.0},
}
# Formats of stages that do not fit `FORMAT`.
BANDS = replace(FORMAT, fade_s=0.08, codec_memory=memory_size(MEASURES))
FORMATS = (
    {
        f"stages.bandcodec.stage:{name}": BANDS
        for name in ("DecodeStreaming", "Encode", "EncodeStreaming")
    }
    | {
        "stages.spectrostream.codes_decoder:DecodeFromCodes": replace(FORMAT, codec_memory=64 * 16),
    }
    | {
        "stages.magenta_rt2.step:Step": replace(
            FORMAT, context_s=0.56, codec_levels=12, context_levels=12
        ),
    }
)
# Stages that need a library of an extra.
LIBRARIES = {
    "stages.musiccoca.embed:Embed": "ai_edge_litert",
    "stages.musiccoca.quantize:Quantize": "ai_edge_litert",
}


def discover() -> dict[str, type]:
    """Finds every stage class, by "module:Class" of its definition."""
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(stages.__path__, "soundstage.stages.")
    ]
    return {
        f"{module.__name__.removeprefix('soundstage.')}:{name}": cls
        for module in modules
        for name, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__
        and all(hasattr(cls, part) for part in ("inputs", "outputs", "__call__"))
    }


STAGES = discover()
each_stage = pytest.mark.parametrize("use", STAGES)


def can_be_built(use: str) -> bool:
    return use not in LIBRARIES or importlib.util.find_spec(LIBRARIES[use]) is not None


def format_of(use: str) -> Format:
    return FORMATS.get(use, FORMAT)


# ---- the declaration


def test_discovery_finds_stages():
    names = {use.partition(":")[2] for use in STAGES}
    assert {"Embed", "Quantize", "Pack", "Crossfade", "Remember"} <= names


def test_table_of_params_lists_the_stages_with_params():
    assert {use for use, cls in STAGES.items() if hasattr(cls, "Params")} == set(PARAMS)


@each_stage
def test_stage_keeps_the_contract(use):
    if not can_be_built(use):
        pytest.skip(f"needs {LIBRARIES[use]}")
    params = PARAMS.get(use, {})
    # Networks take seconds to compile again; their own tests leave inputs unwired.
    unwired = "depthformer" not in use and "magenta_rt2" not in use
    report = check_stage(
        STAGES[use], params, format=format_of(use), new_process=False, unwired=unwired
    )
    weights = [line for line in report.checked if line.startswith("weights: ")]
    assert len(weights) == ("weights" in params)
    if weights:
        assert Path(params["weights"].replace("random:0", "random")).name in weights[0]


@each_stage
def test_unknown_key_of_params_is_refused(use):
    _, problems = make_params(use, STAGES[use], PARAMS.get(use, {}) | {"colour": "red"})
    assert len(problems) == 1
    assert "colour" in str(problems[0])


def test_new_process_gives_the_same_bytes_for_every_stage():
    requests = [
        CallRequest(
            STAGES[use].__module__,
            STAGES[use].__name__,
            PARAMS.get(use, {}),
            format_of(use),
            ExampleInputs(STAGES[use].inputs, format_of(use)).message([3, 4]),
        )
        for use in STAGES
        if can_be_built(use)
    ]
    assert digests_of(requests) == [request.answer() for request in requests]
