"""Scalar controls: found in a graph, with ranges and steps that come from their ports alone."""

import pytest

from soundstage.graph.check import build
from soundstage.graph.pipeline_file import read_tables
from soundstage.graph.port import Port
from soundstage.graph.scalar import Scalar, scalars
from soundstage.graph.spec import parse
from soundstage.presets.preset import preset_path
from soundstage.stages.ports import GUIDANCE, OWN_GAIN, SEED, TEMPERATURE, TOP_K


def test_scalars_of_a_graph_are_its_controls_of_one_number():
    found = scalars(build(parse(read_tables(preset_path("toy-inject")))))
    assert list(found) == [
        "temperature",
        "top_k",
        "guidance",
        "seed",
        "inject_own",
        "inject_gap_s",
    ]
    assert found["temperature"] == Scalar("temperature", TEMPERATURE, 1.1)
    assert found["seed"] == Scalar("seed", SEED, 0)


@pytest.mark.parametrize(
    ("port", "default", "usual", "step", "key_step"),
    [
        (TEMPERATURE, 1.1, (0, 3), 0.05, 0.1),
        (TOP_K, 40, (0, 200), 1, 5),
        (TOP_K, 900, (0, 900), 1, 50),
        (GUIDANCE, 5.0, (0, 10), 0.1, 0.5),
        (OWN_GAIN, 0.95, (0, 1), 0.01, 0.05),
        (SEED, 0, None, 1, 1),
        (Port("float32", (), "pitch"), 0.0, None, None, 0.1),
        (Port("float32", (), "only one", minimum=2, maximum=2), 2.0, None, None, 0.1),
        (Port("float32", (), "cutoff", minimum=20, maximum=20_000), 440.0, (20, 20_000), 200, 500),
        (Port("uint8", (), "voices", minimum=1, maximum=8), 4, (1, 8), 1, 1),
    ],
)
def test_slider_and_steps_come_from_range_and_dtype(port, default, usual, step, key_step):
    scalar = Scalar("knob", port, default)
    assert (scalar.usual, scalar.step, scalar.key_step) == (usual, step, key_step)


def test_label_is_the_ports_or_made_of_the_name():
    assert Scalar("top_k", TOP_K, 40).label == "Top k"
    assert Scalar("inject_own", OWN_GAIN, 0.95).label == "Own share"


def test_description_leaves_out_what_a_control_lacks():
    assert Scalar("seed", SEED, 0).described() == {"label": "Seed", "help": SEED.help, "step": 1}
    assert Scalar("temperature", TEMPERATURE, 4.0).described() == {
        "label": "Temperature",
        "help": TEMPERATURE.help,
        "usual": [0.0, 4.0],
        "step": 0.05,
    }
