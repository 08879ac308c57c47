"""Where stages run: devices of this machine, and seats in a Ray cluster."""

import os
import subprocess
import sys
from pathlib import Path

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
            places = {
                name: [host.stage.device.id for host in hosts if hasattr(host.stage, "device")]
                for name, hosts in session.runner.hosts.items()
            }
            assert places["quantize"] == [3], places
        digest = hashlib.sha256()
        for chunk in itertools.islice(session, 3):
            digest.update(chunk.audio.tobytes())
        return digest.hexdigest()

spread = ["sample=cpu:1", "decode=cpu:2", "quantize=cpu:3"]
assert sha("tiny") == sha("tiny", *spread)
replicas = [f"{stage}={{ device = 'cpu', replicas = 4 }}" for stage in ("sample", "decode")]
assert sha("toy") == sha("toy", *replicas)
print("the same bytes")
"""


def test_four_devices_of_one_machine_change_no_byte():
    flags = "--xla_force_host_platform_device_count=4"
    ran = subprocess.run(
        [sys.executable, "-c", FOUR_DEVICES],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "the same bytes" in ran.stdout


def test_replicas_share_the_devices_there_are():
    devices = find_devices(PlacementSpec(device="cpu", replicas=3))
    assert len(devices) == 3
    assert {device.platform for device in devices} == {"cpu"}


def test_a_device_that_is_not_here_is_refused():
    with pytest.raises(NoDevice, match="counted from 0"):
        find_devices(PlacementSpec(device="cpu:99"))


@pytest.mark.parametrize("replicas", [1, 2, 3, 7])
@pytest.mark.parametrize("rows", [1, 2, 5, 8])
def test_rows_are_dealt_in_order_evenly_and_without_a_rest(rows, replicas):
    parts = [range(rows)[part] for part in split(rows, replicas)]
    assert [row for part in parts for row in part] == list(range(rows))
    lengths = {len(part) for part in parts}
    assert max(lengths) - min(lengths) <= 1
    assert min(lengths) >= 1
    assert len(parts) <= replicas


# ---- seats in a cluster


def seating(*placements, has_gpu=True):
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from soundstage.runners.ray.placement import seat

    graph = soundstage.load("toy", placements=["default=cpu", *placements])
    return seat(graph.nodes.values(), has_gpu)


def options(seating):
    from soundstage.runners.ray.placement import actor_options

    class Group:
        """Stands for the placement group, of which only the bundles' indices matter."""

    found = {}
    for one in seating.seats:
        found.setdefault(one.stage, []).append(actor_options(one, seating, Group()))
    return found


@pytest.mark.ray
def test_stages_on_one_gpu_share_it_and_others_see_none():
    seats = seating("sample=gpu:0", "decode=gpu:1", "crossfade=gpu:1")
    assert [bundle.resources for bundle in seats.bundles] == [{"GPU": 1.0}, {"GPU": 1.0}]
    found = options(seats)
    assert found["sample"][0]["num_gpus"] == 1
    assert found["decode"][0]["num_gpus"] == found["crossfade"][0]["num_gpus"] == 0.5
    assert "num_gpus" not in found["embed"][0]
    hidden = found["embed"][0]["runtime_env"]["env_vars"]
    assert (hidden["CUDA_VISIBLE_DEVICES"], hidden["JAX_PLATFORMS"]) == ("", "cpu")


@pytest.mark.ray
def test_three_that_share_a_gpu_never_ask_for_more_than_one():
    found = options(seating("sample=gpu:0", "decode=gpu:0", "crossfade=gpu:0"))
    shares = [found[name][0]["num_gpus"] for name in ("sample", "decode", "crossfade")]
    assert sum(shares) <= 1
    fractions = [
        found[name][0]["runtime_env"]["env_vars"]["XLA_PYTHON_CLIENT_MEM_FRACTION"]
        for name in ("sample", "decode", "crossfade")
    ]
    assert sum(map(float, fractions)) <= 0.91


@pytest.mark.ray
def test_replicas_get_bundles_of_their_own_and_fractions_are_kept():
    seats = seating("sample={ device = 'gpu', replicas = 4, gpus = 0.5 }")
    assert [bundle.resources for bundle in seats.bundles] == 4 * [{"GPU": 0.5}]
    assert [found["num_gpus"] for found in options(seats)["sample"]] == 4 * [0.5]


@pytest.mark.ray
def test_auto_is_the_first_gpu_of_a_cluster_that_has_one():
    seats = seating("default=auto")
    assert [bundle.resources for bundle in seats.bundles] == [{"GPU": 1.0}]
    assert len(seats.bundles[0].users) == 7
    assert seating("default=auto", has_gpu=False).bundles == ()


@pytest.mark.ray
def test_labels_chips_and_custom_resources_reach_ray():
    seats = seating(
        "sample={ device = 'tpu', chips = 4, node = 'llm' }",
        "decode={ device = 'cpu', resources = { tape = 2 } }",
    )
    assert [bundle.resources for bundle in seats.bundles] == [{"TPU": 4.0}, {"tape": 2.0}]
    assert [bundle.labels for bundle in seats.bundles] == [{"soundstage-node": "llm"}, {}]
    assert options(seats)["sample"][0]["resources"] == {"TPU": 4.0}
    assert options(seats)["decode"][0]["resources"] == {"tape": 2.0}
