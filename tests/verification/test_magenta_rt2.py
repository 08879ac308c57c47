"""`verify` on Magenta RealTime 2: recordings of the spec by hand pass, and each change fails."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from magenta_rt2_recording import CONFIG, write_recording

from soundstage.documents import read_json
from soundstage.stages.magenta_rt2.config import MagentaRt2Config
from soundstage.verification.checks import verify

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "magenta_rt2"


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """The folder of a recording of the spec by hand."""
    return write_recording(tmp_path_factory.mktemp("magenta_rt2"))


@pytest.fixture(scope="module")
def changed(recording, tmp_path_factory):
    """The names of arrays that were changed, and the report on the recording with them."""
    folder = shutil.copytree(recording, tmp_path_factory.mktemp("changed") / "copy")
    with np.load(folder / "recorded.npz") as content:
        arrays = {name: content[name].copy() for name in content.files}
    changes = {
        "greedy_tokens": 1,
        "sampled_logits": 2e-4,
        "state8_1_cross_keys": 2e-5,
        "guided_logits": 2e-4,
        "rows_tokens": 1,
        "prefilled_app_tokens": 1,
    }
    for name, change in changes.items():
        arrays[name].flat[-1] += np.asarray(change, arrays[name].dtype)
    np.savez(folder / "recorded.npz", **arrays)
    return {f"recorded/{name}" for name in changes}, verify(folder)


def by_status(report, status):
    return {row.name for row in report.rows if row.status == status}


def test_changed_arrays_fail_and_no_others(changed):
    names, report = changed
    assert by_status(report, "FAIL") == names


def test_all_other_arrays_of_the_spec_by_hand_are_compared(changed):
    names, report = changed
    open_names = {row.name: row.note for row in report.rows if row.status == "not checked"}
    audio = {
        "greedy_audio_int16": "not in the recording",
        "sampled_audio_int16": "not in the recording",
    }
    assert {name: note for name, note in open_names.items() if note != "an input"} == audio
    assert len(by_status(report, "ok")) == 47 - len(names)


def test_config_without_a_key_is_refused():
    with pytest.raises(ValueError, match=r"lacks .*window_cross"):
        MagentaRt2Config.from_json({k: v for k, v in CONFIG.items() if k != "window_cross"})


def test_table_of_places_is_padded_and_reach_follows_from_the_windows():
    config = MagentaRt2Config.from_json(CONFIG)
    assert (sum(config.place_rows), config.table_rows, config.reach) == (173, 256, 5)


@pytest.mark.slow
def test_network_agrees_with_recording_of_the_original():
    if not REFERENCE.exists():
        pytest.skip("the recordings of the originals are not beside this checkout")
    report = verify(REFERENCE)
    assert report.passed
    assert len(by_status(report, "ok")) == 61


@pytest.mark.parametrize("size", ["small", "base"])
def test_arrays_are_those_of_the_published_files(size):
    path = REFERENCE / f"names_mrt2_{size}.json"
    if not path.exists():
        pytest.skip("the recordings of the originals are not beside this checkout")
    published = {
        name.removeprefix("params/"): tuple(shape)
        for name, shape in read_json(path.read_bytes()).items()
        if name.startswith("params/depthformer/")
    }
    assert shapes_of(size) == published


def shapes_of(size):
    from flax import nnx

    from soundstage.stages.magenta_rt2.config import config_of_size
    from soundstage.stages.magenta_rt2.loading import magenta_rt2_maker
    from soundstage.stages.magenta_rt2.names import published_name
    from soundstage.stages.weights.modules import structure

    _, state = structure(magenta_rt2_maker(config_of_size(size)))
    return {
        published_name("/".join(map(str, path))): tuple(leaf.shape)
        for path, leaf in nnx.to_flat_state(state)
    }
