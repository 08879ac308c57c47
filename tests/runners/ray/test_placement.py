"""Placements: devices of this machine, and slots in a Ray cluster."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import soundstage
from soundstage.graph.spec import PlacementSpec
from soundstage.runners.devices import NoDevice, find_devices
from soundstage.runners.wiring import split

ROOT = Path(__file__).parents[3]

FOUR_DEVICES = """
import hashlib, itertools, jax, soundstage
assert len(jax.devices("cpu")) == 4
rows = [{"seed": row, "prompts": [f"style {row}"]} for row in range(5)]

def sha(preset, *placements):
    with soundstage.open(preset, rows=rows, placements=placements, lookahead=2) as session:
        if preset == "tiny" and placements:
            used = {device.id for array in jax.live_arrays() for device in array.devices()}
            assert {1, 2} <= used, used
        digest = hashlib.sha256()
        for chunk in itertools.islice(session, 3):
            digest.update(chunk.audio.tobytes())
        return digest.hexdigest()

spread = ["sample=cpu:1", "decode=cpu:2"]
assert sha("tiny") == sha("tiny", *spread)
replicas = [f"{stage}={{ device = 'cpu', replicas = 4 }}" for stage in ("sample", "decode")]
assert sha("toy") == sha("toy", *replicas)
print("the same bytes")
"""


def test_placement_on_four_devices_changes_no_byte():
    flags = "--xla_force_host_platform_device_count=4"
    process = subprocess.run(
        [sys.executable, "-c", FOUR_DEVICES],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert "the same bytes" in process.stdout


def test_more_replicas_than_devices_share_devices():
    devices = find_devices(PlacementSpec(device="cpu", replicas=3))
    assert len(devices) == 3
    assert {device.platform for device in devices} == {"cpu"}


def test_device_that_this_machine_lacks_is_refused():
    with pytest.raises(NoDevice, match="counted from 0"):
        find_devices(PlacementSpec(device="cpu:99"))


@pytest.mark.parametrize("replicas", [1, 2, 3, 7])
@pytest.mark.parametrize("rows", [1, 2, 5, 8])
def test_split_gives_all_rows_in_order_and_evenly(rows, replicas):
    parts = [range(rows)[part] for part in split(rows, replicas)]
    assert [row for part in parts for row in part] == list(range(rows))
    lengths = {len(part) for part in parts}
    assert max(lengths) - min(lengths) <= 1
    assert min(lengths) >= 1
    assert len(parts) <= replicas


# ---- slots in a cluster


def slot_plan(*placements, has_gpu=True):
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from soundstage.runners.ray.placement import plan_slots

    graph = soundstage.load("toy", placements=["default=cpu", *placements])
    return plan_slots(graph.nodes.values(), has_gpu)


def options(plan):
    from soundstage.runners.ray.placement import actor_options

    class Group:
        """A stand-in for the placement group, whose content `actor_options` does not use."""

    by_stage = {}
    for slot in plan.slots:
        by_stage.setdefault(slot.stage, []).append(actor_options(slot, plan, Group()))
    return by_stage


def variables(plan, stage):
    """The variables of the processes of a stage."""
    from soundstage.runners.ray.placement import process_settings

    return [process_settings(slot, plan).variables for slot in plan.slots if slot.stage == stage]


@pytest.mark.ray
def test_stages_on_one_gpu_share_it_and_cpu_stages_see_none():
    plan = slot_plan("sample=gpu:0", "decode=gpu:1", "crossfade=gpu:1")
    assert [bundle.resources for bundle in plan.bundles] == [{"GPU": 1.0}, {"GPU": 1.0}]
    by_stage = options(plan)
    assert by_stage["sample"][0]["num_gpus"] == 1
    assert by_stage["decode"][0]["num_gpus"] == by_stage["crossfade"][0]["num_gpus"] == 0.5
    assert "num_gpus" not in by_stage["embed"][0]
    (hidden,) = variables(plan, "embed")
    assert hidden == {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}


@pytest.mark.ray
def test_three_stages_on_one_gpu_take_at_most_one_gpu():
    plan = slot_plan("sample=gpu:0", "decode=gpu:0", "crossfade=gpu:0")
    by_stage = options(plan)
    shares = [by_stage[name][0]["num_gpus"] for name in ("sample", "decode", "crossfade")]
    assert sum(shares) <= 1
    fractions = [
        shared["XLA_PYTHON_CLIENT_MEM_FRACTION"]
        for name in ("sample", "decode", "crossfade")
        for shared in variables(plan, name)
    ]
    assert sum(map(float, fractions)) <= 0.91


@pytest.mark.ray
def test_each_replica_has_its_own_bundle_and_its_share():
    plan = slot_plan("sample={ device = 'gpu', replicas = 4, gpus = 0.5 }")
    assert [bundle.resources for bundle in plan.bundles] == 4 * [{"GPU": 0.5}]
    assert [actor["num_gpus"] for actor in options(plan)["sample"]] == 4 * [0.5]


@pytest.mark.ray
def test_auto_is_the_first_gpu_of_the_cluster_or_the_cpu():
    plan = slot_plan("default=auto")
    assert [bundle.resources for bundle in plan.bundles] == [{"GPU": 1.0}]
    assert len(plan.bundles[0].users) == 7
    assert slot_plan("default=auto", has_gpu=False).bundles == ()


@pytest.mark.ray
def test_labels_chips_and_custom_resources_are_in_the_options():
    plan = slot_plan(
        "sample={ device = 'tpu', chips = 4, node = 'llm' }",
        "decode={ device = 'cpu', resources = { tape = 2 } }",
    )
    assert [bundle.resources for bundle in plan.bundles] == [{"TPU": 4.0}, {"tape": 2.0}]
    assert [bundle.labels for bundle in plan.bundles] == [{"soundstage-node": "llm"}, {}]
    assert options(plan)["sample"][0]["resources"] == {"TPU": 4.0}
    assert options(plan)["decode"][0]["resources"] == {"tape": 2.0}


@pytest.mark.ray
def test_bundles_that_fit_alone_and_not_together_are_one_problem():
    plan = slot_plan("sample={ device = 'gpu', replicas = 3 }")
    from soundstage.runners.ray.placement import missing_machines

    machine = {"Alive": True, "Resources": {"GPU": 2.0}, "Labels": {}}
    dead = {"Alive": False, "Resources": {"GPU": 8.0}, "Labels": {}}
    (problem,) = missing_machines(plan.bundles, [machine, dead])
    assert problem.what == "needs 3 GPU in all, and the cluster has 2"
    assert missing_machines(plan.bundles, [machine, machine]) == []


# ---- engines


def engine_place(*placements, has_gpu=True):
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from soundstage.runners.ray.placement import place_engine

    return place_engine(soundstage.load("toy", placements=["default=cpu", *placements]), has_gpu)


@pytest.mark.ray
def test_engine_is_one_process_with_the_gpus_that_its_stages_name():
    place = engine_place("sample=gpu:0", "decode=gpu:1", "crossfade=gpu:1")
    assert place.one_process
    assert (place.options["num_gpus"], place.bundles[0].resources) == (2.0, {"GPU": 2.0})
    assert place.settings.variables == {}


@pytest.mark.ray
def test_engine_on_processors_sees_no_gpu():
    place = engine_place()
    assert place.one_process
    assert place.options["num_gpus"] == 0
    assert place.settings.variables["CUDA_VISIBLE_DEVICES"] == ""
    # Ray spreads over the machines only what takes something of them.
    assert 0 < place.options["num_cpus"] == place.bundles[0].resources["CPU"] <= 0.001


@pytest.mark.ray
@pytest.mark.parametrize(
    ("placed", "needed"),
    [
        ("sample={ device = 'gpu', node = 'llm' }", {"GPU": 1.0}),
        ("decode={ device = 'cpu', resources = { tape = 1 } }", {"tape": 1.0}),
        ("decode={ device = 'cpu', spares = 1 }", {"CPU": 0.001}),
        ("sample={ device = 'tpu', chips = 4 }", {"TPU": 4.0}),
    ],
)
def test_stages_tied_to_machines_or_with_spares_are_actors_of_their_own(placed, needed):
    place = engine_place(placed)
    assert not place.one_process
    assert (place.options["num_gpus"], place.options["num_cpus"]) == (0.0, 0.001)
    assert [bundle.resources for bundle in place.bundles] == [needed]


@pytest.mark.ray
def test_engine_on_processors_of_which_no_machine_has_any_is_one_problem():
    from soundstage.runners.ray.placement import missing_machines

    head = {"Alive": True, "Resources": {}, "Labels": {}}
    (problem,) = missing_machines(engine_place().bundles, [head])
    assert problem.what == "no machine of the cluster has a processor"
    assert missing_machines(engine_place().bundles, [head | {"Resources": {"CPU": 1.0}}]) == []


@pytest.mark.ray
def test_engine_on_a_machine_of_other_versions_is_refused_in_one_line():
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from soundstage.errors import ClusterError
    from soundstage.runners.ray.engine_actor import refuse_other_versions, versions

    refuse_other_versions(versions())
    with pytest.raises(ClusterError, match=r"has jax .*, and the server has .*jax 0\.1: install"):
        refuse_other_versions({**versions(), "jax": "0.1"})


@pytest.mark.ray
def test_large_arrays_are_sent_once_and_small_values_as_they_are(ray_cluster):
    from soundstage.runners.ray.large_values import ReadValues, SentArray, SentValues

    clip = np.arange(1 << 15, dtype=np.float32)
    controls = {"clips": [clip, clip], "texts": ["bells"], "seed": 3}
    sent, read = SentValues(), ReadValues()
    first, second = sent.send(controls), sent.send(controls)
    assert (first["texts"], first["seed"]) == (["bells"], 3)
    references = {one for value in (first, second) for one in value["clips"]}
    assert len(references) == 1
    assert isinstance(references.pop(), SentArray)
    again = read.read(first)
    np.testing.assert_array_equal(again["clips"][1], clip)
    assert again["clips"][0] is read.read(second)["clips"][0]
