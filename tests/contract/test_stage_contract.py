"""The contract of stages, tested on every stage class under `stages`.

Run as a script, this file prints the digests of all stages' outputs, for the test that compares
them with those of a new process.
"""

import hashlib
import importlib.util
import inspect
import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import jax
import numpy as np
import pytest

from soundstage import stages
from soundstage.graph import wire
from soundstage.graph.declaration import make_params, optional_inputs
from soundstage.graph.format import Format
from soundstage.graph.port import Port, Tensor
from soundstage.stages.bandcodec.codec import memory_size
from soundstage.stages.bandcodec.measures import MEASURES
from soundstage.stages.context import Pack
from soundstage.stages.spectrostream.config import TINY
from soundstage.stages.spectrostream.streaming import MemoryLayout

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
    "stages.musiccoca.embed:Embed": {"weights": MUSICCOCA, "mapper": True},
    "stages.musiccoca.quantize:Quantize": {"weights": MUSICCOCA},
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
FORMATS = {
    f"stages.bandcodec.stage:{name}": BANDS
    for name in ("DecodeStreaming", "Encode", "EncodeStreaming")
}
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


@cache
def build(use: str) -> Any:
    if not can_be_built(use):
        pytest.skip(f"needs {LIBRARIES[use]}")
    params, problems = make_params(use, STAGES[use], PARAMS.get(use, {}))
    assert not problems
    return STAGES[use](params, format_of(use), jax.devices("cpu")[0])


def format_of(use: str) -> Format:
    return FORMATS.get(use, FORMAT)


# ---- inputs: legal values for every kind of port


def code(random: np.random.Generator, port: Port, shape: tuple[int, ...]) -> np.ndarray:
    codes = random.integers(0, FORMAT.codebook_size, shape)
    if port.shape[0] == "context_frame":
        codes[: random.integers(0, shape[0])] = -1
    return codes


def vocabulary_id(random: np.random.Generator, port: Port, shape: tuple[int, ...]) -> np.ndarray:
    dims = FORMAT.dims
    context = random.integers(-1, FORMAT.codebook_size, (1, dims["context_frame"], dims["level"]))
    style = random.integers(0, FORMAT.codebook_size, (1, dims["style_level"]))
    pack = Pack(None, FORMAT, jax.devices("cpu")[0])
    return pack(context.astype(np.int32), style.astype(np.int32))["prompt"][0]


def unit_vector(random: np.random.Generator, port: Port, shape: tuple[int, ...]) -> np.ndarray:
    vector = random.standard_normal(shape)
    return vector / np.linalg.norm(vector)


def sound(random: np.random.Generator, port: Port, shape: tuple[int, ...]) -> np.ndarray:
    return 0.2 * random.standard_normal(shape)


def between(low: float, high: float) -> Any:
    return lambda random, port, shape: np.asarray(random.uniform(low, high, shape))


def whole(low: int, high: int) -> Any:
    return lambda random, port, shape: np.asarray(random.integers(low, high, shape))


def words(random: np.random.Generator, port: Port, shape: tuple[int, ...]) -> list[str]:
    return [str(word) for word in random.choice(["warm pads", "", "JAZZ trio", "Été"], shape)]


VALUES = {
    "text prompt": words,
    "text prompt weight": between(0.1, 2),
    "mono audio clip": sound,
    "clip weight": between(0.1, 2),
    "style vector": unit_vector,
    "style vector weight": between(0.1, 2),
    "style embedding": unit_vector,
    "style token": whole(0, FORMAT.codebook_size),
    "codec token": code,
    "vocabulary id": vocabulary_id,
    "audio": sound,
    "codec memory": sound,
    "live audio": sound,
    "gain of the own audio": between(0, 1),
    "gap": between(0, 0.1),
    "frames heard": whole(0, 7),
    "tempo": between(0, 200),
    "density": between(-1, 1),
    "brightness": between(-1, 1),
    "drums": between(-1, 1),
    "asked tempo": between(-1, 180),
    "asked sound": between(-1, 1),
    "sound": between(-1, 1),
    "beat": between(-1, 12),
    "temperature": between(0.5, 1.5),
    "top k": whole(0, 50),
    "top p": between(0.3, 0.9),
    "min p": between(0.01, 0.3),
    "repetition": between(0.1, 1),
    "guidance weight": between(0, 6),
    "seed": whole(0, 2**63 - 1),
    "chunk index": whole(0, 100),
}


def row_value(name: str, port: Port, seed: int, format: Format) -> Any:
    """Makes one stream's value; the ragged ports of a row share their first dimension's length."""
    fixed = tuple(format.dims[dimension] for dimension in port.fixed_shape)
    length = 1 + (seed + crc32(port.shape[0].encode())) % 2 if port.ragged else 0
    shape = (length, *fixed) if port.ragged else fixed
    random = np.random.default_rng([seed, crc32(name.encode())])
    value = VALUES[port.kind](random, port, shape)
    return value if port.dtype == "utf8" else value.astype(port.dtype)


def make_inputs(use: str, seeds: list[int]) -> dict[str, Tensor]:
    """Makes inputs with one row a seed, read-only, as a runner passes them."""
    values: dict[str, Tensor] = {}
    for name, port in STAGES[use].inputs.items():
        column = [row_value(name, port, seed, format_of(use)) for seed in seeds]
        values[name] = column if port.ragged or port.dtype == "utf8" else np.stack(column)
    return over_the_wire(STAGES[use].inputs, values, len(seeds), format_of(use))


def over_the_wire(
    ports: Mapping[str, Port], values: Mapping[str, Tensor], rows: int, format: Format
) -> dict[str, Tensor]:
    streams = [f"stream {row}" for row in range(rows)]
    buffer = wire.encode(ports, values, streams, [0] * rows, format.dims)
    return dict(wire.decode(ports, buffer, format.dims).values)


def digest(values: Mapping[str, Tensor]) -> str:
    sha = hashlib.sha256()
    for name in sorted(values):
        for row in values[name]:
            sha.update(
                row.tobytes() if isinstance(row, np.ndarray | np.generic) else repr(row).encode()
            )
    return sha.hexdigest()


# ---- the declaration


def test_discovery_finds_stages():
    names = {use.partition(":")[2] for use in STAGES}
    assert {"Embed", "Quantize", "Pack", "Crossfade", "Remember"} <= names


def test_table_of_params_lists_the_stages_with_params():
    assert {use for use, cls in STAGES.items() if hasattr(cls, "Params")} == set(PARAMS)


@each_stage
def test_signature_equals_the_input_ports(use):
    parameters = inspect.signature(STAGES[use].__call__).parameters.values()
    assert [parameter.name for parameter in parameters] == ["self", *STAGES[use].inputs]
    assert all(parameter.kind is parameter.POSITIONAL_OR_KEYWORD for parameter in parameters)
    # An input that may be left unwired is None then.
    assert all(parameter.default in (parameter.empty, None) for parameter in parameters)
    build_parameters = list(inspect.signature(STAGES[use]).parameters)
    assert build_parameters == ["params", "format", "device"]


@each_stage
def test_params_are_a_frozen_dataclass_and_refuse_unknown_keys(use):
    params = getattr(STAGES[use], "Params", None)
    if params is not None:
        assert is_dataclass(params)
        assert params.__dataclass_params__.frozen
    _, problems = make_params(use, STAGES[use], PARAMS.get(use, {}) | {"colour": "red"})
    assert len(problems) == 1
    assert "colour" in str(problems[0])


@each_stage
def test_stage_with_weights_has_their_digest_and_note(use):
    stage = build(use)
    weights = PARAMS.get(use, {}).get("weights")
    if weights:
        assert len(bytes.fromhex(stage.weights_digest)) == 32
        assert ("random" if weights == "random:0" else Path(weights).name) in stage.weights_note
    else:
        assert not hasattr(stage, "weights_digest")


# ---- the call


@each_stage
@pytest.mark.parametrize("rows", [1, 3])
def test_outputs_fit_their_ports_and_survive_encoding(use, rows):
    outputs = build(use)(**make_inputs(use, list(range(rows))))
    arrived = over_the_wire(STAGES[use].outputs, outputs, rows, format_of(use))
    for name, port in STAGES[use].outputs.items():
        assert wire.equal(arrived[name], outputs[name])
        for row in arrived[name]:
            assert port.dtype == "utf8" or np.all(np.isfinite(row))


# Networks take seconds to compile again; their own tests leave inputs unwired.
@pytest.mark.parametrize(
    "use", [use for use, cls in STAGES.items() if optional_inputs(cls) and "depth" not in use]
)
def test_unwired_inputs_give_other_outputs_of_the_same_ports(use):
    inputs = make_inputs(use, [0, 1])
    wired = {name: inputs[name] for name in inputs.keys() - optional_inputs(STAGES[use])}
    outputs = build(use)(**wired)
    over_the_wire(STAGES[use].outputs, outputs, 2, format_of(use))
    assert digest(outputs) != digest(build(use)(**inputs))


@each_stage
def test_inputs_are_unchanged_and_equal_calls_give_equal_bytes(use):
    inputs, untouched = make_inputs(use, [0, 1]), make_inputs(use, [0, 1])
    first = digest(build(use)(**inputs))
    assert digest(build(use)(**inputs)) == first
    assert digest(inputs) == digest(untouched)


@each_stage
def test_rows_do_not_see_each_other(use):
    together = build(use)(**make_inputs(use, [0, 1, 2]))
    changed = build(use)(**make_inputs(use, [0, 9, 2]))
    alone = build(use)(**make_inputs(use, [2]))
    for name in together:
        for row in (0, 2):
            np.testing.assert_array_equal(together[name][row], changed[name][row])
        if STAGES[use].outputs[name].dtype == "utf8":
            assert together[name][2] == alone[name][0]
            continue
        # Another number of rows means another matrix product, which may round differently.
        np.testing.assert_allclose(together[name][2], alone[name][0], rtol=1e-4, atol=1e-5)


@each_stage
def test_output_does_not_change_when_the_stage_is_called_again(use):
    outputs = build(use)(**make_inputs(use, [0]))
    before = digest(outputs)
    build(use)(**make_inputs(use, [5]))
    assert digest(outputs) == before


def all_digests() -> dict[str, str]:
    return {
        use: digest(build(use)(**make_inputs(use, [3, 4]))) for use in STAGES if can_be_built(use)
    }


def test_new_process_gives_the_same_bytes_for_every_stage():
    fresh = subprocess.run(
        [sys.executable, __file__],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert fresh.returncode == 0, fresh.stderr
    assert json.loads(fresh.stdout) == all_digests()


if __name__ == "__main__":
    print(json.dumps(all_digests()))
