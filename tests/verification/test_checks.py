"""`verify`: correct networks pass, and each change of a recording fails its rows."""

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import tensorstore
from safetensors.numpy import load_file, save_file

from soundstage.kernels import programs
from soundstage.verification.checks import verify
from soundstage.verification.recording import VerifyError

GOLDEN = Path(__file__).parents[1] / "golden"
REFERENCE = Path(__file__).parents[3] / "shared" / "reference"


@pytest.fixture
def depthformer(tmp_path):
    return shutil.copytree(GOLDEN / "depthformer", tmp_path / "depthformer")


@pytest.fixture
def spectrostream(tmp_path):
    return shutil.copytree(GOLDEN / "spectrostream", tmp_path / "spectrostream")


@pytest.fixture(scope="module")
def clean():
    """The reports on the unchanged recordings."""
    return {name: verify(GOLDEN / name) for name in ("depthformer", "spectrostream")}


def rows(report):
    return {row.name: row for row in report.rows}


def failed(report):
    return {row.name for row in report.rows if row.status == "FAIL"}


def compared(report):
    return {row.name for row in report.rows if row.status == "ok" and row.name[0] != "m"}


def edit(folder, file, change):
    path = folder / f"{file}.npz"
    with np.load(path) as content:
        arrays = {name: content[name].copy() for name in content.files}
    change(arrays)
    np.savez(path, **arrays)


def edit_all(folder, change):
    for path in folder.glob("*.npz"):
        edit(folder, path.stem, lambda arrays, stem=path.stem: change(stem, arrays))


def edit_weights(folder, file, change):
    path = folder / f"{file}.safetensors"
    arrays = load_file(path)
    change(arrays)
    save_file(arrays, path)


@pytest.mark.parametrize("name", ["depthformer", "spectrostream"])
def test_networks_agree_with_recordings_of_the_specs_by_hand(clean, name):
    report = clean[name]
    assert report.passed
    assert not failed(report)
    assert len(compared(report)) >= {"depthformer": 14, "spectrostream": 39}[name]
    inputs = {row.note for row in report.rows if row.status == "not checked"}
    assert inputs == {"an input"}


def test_second_check_in_a_process_loads_no_program_again():
    for _ in range(2):
        before = programs._program.cache_info().misses
        for name in ("depthformer", "spectrostream"):
            verify(GOLDEN / name)
    assert programs._program.cache_info().misses == before


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("depthformer", 50), ("spectrostream/A", 46)])
def test_networks_agree_with_recordings_of_the_originals(name, least):
    if not REFERENCE.exists():
        pytest.skip("the recordings are not beside the repository")
    report = verify(REFERENCE / name)
    assert report.passed, failed(report)
    assert report.count("ok") >= least


@pytest.mark.slow
@pytest.mark.parametrize("name", ["depthformer", "spectrostream"])
def test_one_wrong_element_fails_its_array(clean, name, request):
    folder = request.getfixturevalue(name)
    before = rows(clean[name])

    def disturb(stem, arrays):
        for key, array in arrays.items():
            row = before[f"{stem}/{key}"]
            if row.status != "ok" or not array.size:
                continue
            index = np.unravel_index(array.size - 1, array.shape)
            if array.dtype.kind == "f":
                array[index] += 3 * row.tolerance
            elif array.dtype == bool:
                array[index] = ~array[index]
            else:
                array[index] += -3 if array[index] >= 3 else 3

    edit_all(folder, disturb)
    report = verify(folder)
    expected = {row for row in compared(clean[name]) if "1frames" not in row}
    # A wrong code may pass as a near tie: then its margin is wrong.
    assert expected - failed(report) <= {"encode/codes", "encode_odd/codes"}
    assert not report.passed


@pytest.mark.slow
@pytest.mark.parametrize("name", ["depthformer", "spectrostream"])
def test_arrays_with_another_shape_or_nan_fail(clean, name, request):
    folder = request.getfixturevalue(name)
    before = rows(clean[name])

    def spoil(stem, arrays):
        for key, array in list(arrays.items()):
            if before[f"{stem}/{key}"].status != "ok" or not array.size:
                continue
            if array.dtype.kind == "f" and array.ndim == 3:
                array[0, 0, 0] = np.nan
            elif not key.startswith("greedy"):
                arrays[key] = array[:, :-1] if array.ndim > 1 else array[:-1]

    edit_all(folder, spoil)
    report = verify(folder)
    whole = {n for n in compared(clean[name]) if "greedy" not in n and "1frames" not in n}
    # Margins follow from the recorded codes, which do not fit here.
    assert whole - failed(report) <= {"encode/margins", "encode_odd/margins"}
    notes = [row.note for row in report.rows if row.status == "FAIL"]
    assert any("NaN" in note for note in notes)
    assert any("but our result is" in note or "recorded [" in note for note in notes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        lambda w: w["target/encoder/layers_0/mlp/wo/kernel"].__imul__(np.float32(1.01)),
        lambda w: w.update(
            {
                "target/encoder/layers_0/mlp/wi_0/kernel": w[
                    "target/encoder/layers_0/mlp/wi_1/kernel"
                ],
                "target/encoder/layers_0/mlp/wi_1/kernel": w[
                    "target/encoder/layers_0/mlp/wi_0/kernel"
                ],
            }
        ),
    ],
    ids=["one-percent", "swapped"],
)
def test_changed_depthformer_weights_fail_in_both_types(depthformer, change, request):
    edit_weights(depthformer, "weights", change)
    wrong = failed(verify(depthformer))
    assert {"recorded/encoder_out", "recorded/own_level_logits", "recorded/logsumexp"} <= wrong
    if "swapped" in request.node.name:
        edit_config(depthformer, activation_dtype="bfloat16")
        assert {"recorded/encoder_out", "recorded/own_level_logits"} <= failed(verify(depthformer))


@pytest.mark.slow
def test_swapped_codec_weights_fail(spectrostream):
    def swap(weights):
        first, second = (f"params/decoder/decoder_{i}/conv2d_3x3/conv/kernel" for i in (1, 2))
        weights[first], weights[second] = weights[second], weights[first]

    edit_weights(spectrostream, "decoder", swap)
    wrong = failed(verify(spectrostream))
    assert {"decode/waveform_K4", "blocks/dec_decoder_1", "decode_stream/waveform"} <= wrong
    assert any(name.startswith("manifest/") for name in wrong)
    assert "encode/embeddings" not in wrong


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_bfloat16_activations_are_compared_with_more_tolerance(depthformer):
    edit_config(depthformer, activation_dtype="bfloat16")
    report = verify(depthformer)
    assert report.passed
    assert {"recorded/encoder_out", "recorded/own_level_logits"} <= compared(report)
    diverging = [row for row in report.rows if row.note.startswith("bfloat16 decodes diverge")]
    assert diverging


def test_missing_arrays_are_listed_as_not_checked(depthformer, spectrostream):
    (depthformer / "recorded_more.npz").unlink()
    edit(depthformer, "recorded", lambda a: [a.pop(n) for n in ("target_tokens", "logit_steps")])
    edit(depthformer, "recorded", lambda a: a.update(surprise=np.zeros(3)))
    report = verify(depthformer)
    found_rows = rows(report)
    assert report.passed
    assert found_rows["target_tokens"].note == "not in the recording"
    assert found_rows["recorded/logsumexp"].note == "needs target_tokens"
    assert found_rows["recorded/surprise"].status == "not checked"
    for file in ("decode", "decode_short", "decode_stream", "encode_odd", "encode_stream"):
        (spectrostream / f"{file}.npz").unlink()
    edit(spectrostream, "encode", lambda a: a.pop("margins"))
    edit(spectrostream, "blocks", lambda a: a.pop("encoder_in"))
    report = verify(spectrostream)
    found_rows = rows(report)
    assert report.passed
    assert found_rows["decode/*"].note == "not in the recording"
    assert found_rows["blocks/enc_encoder_0"].note == "needs blocks/encoder_in"
    assert found_rows["encode/codes"].status == "ok"


def test_recording_with_nothing_to_check_fails(spectrostream):
    for path in spectrostream.glob("*.npz"):
        path.unlink()
    np.savez(spectrostream / "other.npz", a=np.zeros(2))
    report = verify(spectrostream)
    assert report.count("ok") == 1  # the manifest, which is not a result of the network
    assert not report.passed
    assert report.compared == 0


def write_t5x(folder, weights):
    for name, array in weights.items():
        spec = {
            "driver": "zarr",
            "kvstore": {"driver": "file", "path": str(folder / name.replace("/", "."))},
            "metadata": {
                "shape": array.shape,
                "chunks": [5] * array.ndim,
                "dtype": "<f4",
                "compressor": {"id": "gzip"},
            },
            "create": True,
        }
        tensorstore.open(spec).result().write(array).result()


@pytest.mark.slow
def test_checkpoint_alone_or_beside_safetensors_is_compared(depthformer):
    weights = load_file(depthformer / "weights.safetensors")
    checkpoint = depthformer / "checkpoint_1"
    write_t5x(checkpoint, weights)
    assert rows(verify(depthformer))["checkpoint_1: 70 weights"].status == "ok"
    weights["target/encoder/encoder_norm/scale"][3] += 1
    shutil.rmtree(checkpoint)
    write_t5x(checkpoint, weights)
    assert failed(verify(depthformer)) == {"checkpoint_1: 70 weights"}
    (depthformer / "weights.safetensors").unlink()
    assert "recorded/encoder_out" in failed(verify(depthformer))
    weights["target/encoder/encoder_norm/scale"][3] -= 1
    shutil.rmtree(checkpoint)
    write_t5x(checkpoint, weights)
    with tarfile.open(depthformer / "weights.tar", "w") as archive:
        archive.add(checkpoint, ".")
    shutil.rmtree(checkpoint)
    report = verify(depthformer)
    assert report.passed
    assert report.weights_note == "weights.tar"
    path = depthformer / "weights.tar"
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(VerifyError, match=r"weights.tar"):
        verify(depthformer)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda d: (d / "config.json").unlink(), r"config.json: missing"),
        (lambda d: (d / "config.json").write_text("{"), r"cannot be read as JSON"),
        (lambda d: (d / "config.json").write_text("[]"), r"must hold a JSON object"),
        (lambda d: edit_config(d, model="dance"), r"model is 'dance', but must be"),
        (lambda d: edit_config(d, num_levels="x"), r"config.json: num_levels"),
        (lambda d: edit_config(d, embed_dim=16), r"this size of the network needs"),
        (lambda d: edit_config(d, num_encoder_layers=3), r"lacks 9 arrays"),
        (lambda d: edit_config(d, num_encoder_layers=1), r"does not know"),
        (lambda d: (d / "weights.safetensors").unlink(), r"no weights; put"),
        (lambda d: cut(d / "weights.safetensors"), r"not a complete safetensors"),
        (lambda d: cut(d / "recorded.npz"), r"recorded.npz: damaged"),
        (lambda d: (d / "recorded.npz").write_bytes(b""), r"recorded.npz: damaged"),
        (lambda d: [path.unlink() for path in d.glob("*.npz")], r"nothing recorded"),
        (shutil.rmtree, r"no such folder"),
    ],
    ids=[
        "no-config",
        "bad-json",
        "no-object",
        "model",
        "config-value",
        "other-size",
        "more-layers",
        "fewer-layers",
        "no-weights",
        "cut-weights",
        "cut-npz",
        "empty-npz",
        "no-npz",
        "no-folder",
    ],
)
def test_unusable_folder_is_refused_in_one_line(depthformer, damage, complaint):
    damage(depthformer)
    with pytest.raises(VerifyError, match=complaint) as caught:
        verify(depthformer)
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)


def test_arrays_that_need_pickle_are_refused(depthformer):
    np.savez(depthformer / "more.npz", a=np.array([{}], dtype=object))
    with pytest.raises(VerifyError, match=r"more.npz: damaged"):
        verify(depthformer)


@pytest.mark.slow
def test_refused_inputs_fail_the_arrays_that_follow_from_them(depthformer, spectrostream):
    edit(depthformer, "recorded", lambda a: a["target_tokens"].fill(9999))
    report = verify(depthformer)
    assert "refuses" in rows(report)["recorded/logsumexp"].note
    assert "recorded/logsumexp" in failed(report)
    assert "recorded/encoder_out" in compared(report)
    edit(spectrostream, "decode", lambda a: a["codes_K4"].fill(-1))
    report = verify(spectrostream)
    assert {"decode/waveform_K4", "decode/embeddings_K4"} <= failed(report)
    assert "decode/embeddings_K3" in compared(report)


def test_rows_are_reported_in_the_order_of_the_report(clean):
    reported = []
    report = verify(GOLDEN / "depthformer", on_row=reported.append)
    assert tuple(reported) == report.rows
    assert [row.name for row in reported] == [row.name for row in clean["depthformer"].rows]
