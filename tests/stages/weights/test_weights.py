"""Weights load with the bytes that were saved, and any others are refused."""

import tracemalloc
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax import nnx
from safetensors import SafetensorError
from safetensors.numpy import save_file

from soundstage.stages.weights import safetensors_files, sources
from soundstage.stages.weights.array_source import WeightsError
from soundstage.stages.weights.modules import (
    parameter_arrays,
    save_safetensors,
    structure,
)
from soundstage.stages.weights.networks import Blueprint, load_network
from soundstage.stages.weights.sources import open_source

WIDTH, LAYERS = 8, 3


class Net(nnx.Module):
    def __init__(self, rngs, width=WIDTH, layers=LAYERS):
        self.layers = nnx.List([nnx.Linear(width, width, rngs=rngs) for _ in range(layers)])
        self.norm = nnx.RMSNorm(width, rngs=rngs)


NET = Blueprint(lambda: Net)


def published(path):
    return "net/" + path.replace("layers/", "layers_")


def random_net(text="random:0"):
    return load_network(NET, open_source(text), published, None)


def arrays(seed=0):
    return parameter_arrays(random_net(f"random:{seed}").network.module, published)


def load_file(path, **options):
    return load_network(NET, open_source(str(path)), published, None, **options)


def test_saved_network_loads_with_the_same_bytes_and_digest(tmp_path):
    first = random_net()
    path = tmp_path / "net.safetensors"
    save_safetensors(parameter_arrays(first.network.module, published), path, {"made by": "a test"})
    again = load_file(path)
    assert again.digest == first.digest
    assert again.note == "net.safetensors"
    for name, array in parameter_arrays(again.network.module, published).items():
        np.testing.assert_array_equal(array, arrays()[name], strict=True)
    assert [file.name for file in tmp_path.iterdir()] == ["net.safetensors"]


def test_structure_is_traced_once_and_shared_without_arrays():
    made = []

    def make(rngs):
        made.append(rngs)
        return Net(rngs)

    _, state = structure(make)
    blueprint = Blueprint(lambda: make)
    first, again = (
        load_network(blueprint, open_source("random:0"), published, None) for _ in range(2)
    )
    assert len(made) == 1
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(state))
    first.network.module.layers[0].kernel[...] = jnp.zeros((WIDTH, WIDTH))
    assert again.network.module.layers[0].kernel[...].any()


def test_published_names_join_attributes_and_list_indices():
    assert set(arrays()) == {
        *(f"net/layers_{i}/{part}" for i in range(LAYERS) for part in ("kernel", "bias")),
        "net/norm/scale",
    }


def test_random_weights_depend_only_on_seed_name_and_shape():
    source, again = open_source("random:0"), open_source("random:0")
    first = source.read("a/kernel", (4, 6))
    source.read("b/kernel", (4, 6))
    np.testing.assert_array_equal(again.read("a/kernel", (4, 6)), first, strict=True)
    others = [
        source.read("b/kernel", (4, 6)),
        open_source("random:1").read("a/kernel", (4, 6)),
        source.read("a/kernel", (6, 4)).T,
    ]
    assert all(not np.array_equal(other, first) for other in others)
    assert random_net("random:0").digest == random_net("random:0").digest
    assert random_net("random:0").digest != random_net("random:1").digest
    assert random_net().note == "random weights, seed 0: for tests"


def test_random_weights_have_the_documented_scales():
    source = open_source("random:5")
    assert source.read("x/kernel", (3, 5, 40, 50)).std() == pytest.approx(600**-0.5, rel=0.05)
    assert source.read("x/bias", (4000,)).std() == pytest.approx(0.1, rel=0.05)
    np.testing.assert_array_equal(source.read("x/scale", (7,)), np.ones(7, np.float32))
    levels = source.read("q/embedding", (3, 60, 60)).std(axis=(1, 2))
    np.testing.assert_allclose(levels, 0.8 * 0.93 ** np.arange(3), rtol=0.05)


def test_random_weights_use_the_networks_own_scale():
    loaded = load_network(
        NET,
        open_source("random:0"),
        published,
        None,
        initial=lambda name, shape, z: np.full(shape, 2.0, np.float32),
    )
    assert all(
        (array == 2).all() for array in parameter_arrays(loaded.network.module, published).values()
    )


@pytest.mark.parametrize("text", ["random:", "random:-1", "random:x", "random:1.5"])
def test_bad_seed_is_refused_with_an_example(text):
    with pytest.raises(WeightsError, match=r"random:0"):
        open_source(text)


def test_containers_in_front_of_names_are_ignored(tmp_path):
    for number, prefix in enumerate(("target/", "params/", "params/soundstream/")):
        path = tmp_path / f"{number}.safetensors"
        save_file({prefix + name: array for name, array in arrays().items()}, path)
        assert load_file(path).digest == random_net().digest


def test_part_missing_in_the_names_is_the_file_name(tmp_path):
    values = np.ones((2, 3, 4), np.float32)
    save_file({"params/embedding": values}, tmp_path / "quantizer.safetensors")
    with sources.closing_source(str(tmp_path)) as source:
        assert source.names() == {"quantizer/embedding": (2, 3, 4)}


def test_array_in_two_files_must_have_equal_values(tmp_path):
    name, array = "net/norm/scale", np.arange(8, dtype=np.float32)
    save_file({name: array}, tmp_path / "a.safetensors")
    save_file({f"params/{name}": array}, tmp_path / "b.safetensors")
    np.testing.assert_array_equal(open_source(str(tmp_path)).read(name, (8,)), array)
    save_file({name: array + 1}, tmp_path / "b.safetensors")
    with pytest.raises(WeightsError, match=r"net/norm/scale differs between .*a.saf.*b.saf"):
        open_source(str(tmp_path)).read(name, (8,))
    save_file({name: array[:4]}, tmp_path / "b.safetensors")
    with pytest.raises(WeightsError, match=r"\(4,\), but \(8,\)"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16])
def test_half_precision_arrays_are_widened_to_float32(tmp_path, dtype):
    stored = {name: array.astype(dtype) for name, array in arrays().items()}
    save_file(stored, tmp_path / "half.safetensors")
    loaded = parameter_arrays(load_file(tmp_path / "half.safetensors").network.module, published)
    for name, array in loaded.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, stored[name].astype(np.float32))


def test_loaded_arrays_have_the_type_and_device_asked_for():
    loaded = load_network(NET, open_source("random:0"), published, jax.devices()[0], jnp.bfloat16)
    leaves = jax.tree.leaves(nnx.state(loaded.network.module))
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype(jnp.bfloat16)}
    assert {next(iter(leaf.devices())) for leaf in leaves} == {jax.devices()[0]}
    assert loaded.digest == random_net().digest


def changed(change):
    values = {name: array.copy() for name, array in arrays().items()}
    change(values)
    return values


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda a: a.pop("net/norm/scale"), r"lacks 1 array \(net/norm/scale\)"),
        (lambda a: a.update(extra=np.ones(1, np.float32)), r"has 1 array \(extra\)"),
        (lambda a: a.clear(), r"lacks 7 arrays \(.* and 2 more\)"),
        (
            lambda a: a.update({"net/norm/scale": np.ones(9, np.float32)}),
            r"net/norm/scale has shape \(9,\), .* needs \(8,\)",
        ),
        (lambda a: a["net/layers_1/bias"].fill(np.nan), r"net/layers_1/bias holds NaN"),
        (lambda a: a["net/layers_1/bias"].fill(-np.inf), r"net/layers_1/bias holds NaN or inf"),
        (
            lambda a: a.update({"net/norm/scale": np.ones(8, np.int32)}),
            r"net/norm/scale holds int32",
        ),
    ],
    ids=["gap", "leftover", "all-gone", "shape", "nan", "infinity", "integers"],
)
def test_weights_of_another_network_are_refused(tmp_path, change, reason):
    save_file(changed(change), tmp_path / "net.safetensors")
    with pytest.raises(WeightsError, match=reason):
        load_file(tmp_path / "net.safetensors")


def test_arrays_of_other_networks_are_ignored_by_prefix(tmp_path):
    other = {"other/kernel": np.ones((2, 2), np.float32)}
    save_file(arrays() | other, tmp_path / "net.safetensors")
    loaded = load_file(tmp_path / "net.safetensors", elsewhere=("other/",))
    assert loaded.digest == random_net().digest
    with pytest.raises(WeightsError, match="does not know"):
        load_file(tmp_path / "net.safetensors", elsewhere=("another/",))


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_truncated_safetensors_file_is_refused(tmp_path, kept):
    path = tmp_path / "net.safetensors"
    save_file(arrays(), path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=r"net.safetensors: not a complete safetensors"):
        open_source(str(path))


def test_missing_weights_are_refused_with_the_paths_tried(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_data_path", lambda name: tmp_path / name)
    folder = tmp_path / "soundstage" / "models"
    with pytest.raises(WeightsError) as caught:
        open_source("some-model")
    for part in (folder / "some-model.safetensors", folder / "some-model.tar", "random:0"):
        assert str(part) in str(caught.value)
    with pytest.raises(WeightsError, match=r"random:0"):
        open_source(str(tmp_path / "nothing.safetensors"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match="neither"):
        open_source(str(tmp_path / "empty"))


@pytest.mark.parametrize("name", ["some-model.safetensors", "some-model/part.safetensors"])
def test_bare_name_is_found_in_the_models_folder(tmp_path, monkeypatch, name):
    monkeypatch.setattr("platformdirs.user_data_path", lambda name: tmp_path / name)
    path = tmp_path / "soundstage" / "models" / name
    path.parent.mkdir(parents=True)
    save_file(arrays(), path)
    assert load_file(Path("some-model")).digest == random_net().digest


def test_failed_save_leaves_only_the_old_file(tmp_path):
    path = tmp_path / "net.safetensors"
    save_safetensors(arrays(), path, {})
    before = path.read_bytes()
    with pytest.raises(SafetensorError):
        save_safetensors({"a": "text"}, path, {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_loading_never_holds_two_copies_in_host_memory(tmp_path):
    layers, width = 24, 256
    total = layers * width * width * 4

    def make(rngs):
        return Net(rngs, width, layers)

    path = tmp_path / "big.safetensors"
    blueprint = Blueprint(lambda: make)
    big = load_network(blueprint, open_source("random:0"), published, None).network.module
    save_safetensors(parameter_arrays(big, published), path, {})
    for text in ("random:0", str(path)):
        tracemalloc.start()
        loaded = load_network(blueprint, open_source(text), published, None)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        # Arrays made by NumPy are traced, arrays copied by XLA are not: either way the peak stays
        # below one whole copy and a few arrays.
        assert peak < 1.3 * total, (text, peak, total)
        del loaded


def test_jax_takes_arrays_of_a_file_as_they_are(tmp_path):
    save_file({"half": np.ones((3, 5), np.float16)}, tmp_path / "half.safetensors")
    array = open_source(str(tmp_path / "half.safetensors")).read("half", (3, 5))
    on_device = jax.device_put(array, jax.devices("cpu")[0])
    assert on_device.unsafe_buffer_pointer() == array.ctypes.data


@pytest.mark.parametrize(("mapped_bytes", "times"), [(1 << 20, 1), (0, len(arrays()))])
def test_file_is_mapped_once_for_so_many_bytes(tmp_path, monkeypatch, mapped_bytes, times):
    save_safetensors(arrays(), tmp_path / "net.safetensors", {})
    mapped, safe_open = [], safetensors_files.safetensors.safe_open

    def counted(path, framework):
        mapped.append(path)
        return safe_open(path, framework)

    monkeypatch.setattr(safetensors_files, "MAPPED_BYTES", mapped_bytes)
    monkeypatch.setattr(safetensors_files.safetensors, "safe_open", counted)
    assert load_file(tmp_path / "net.safetensors").digest == random_net().digest
    assert len(mapped) == times


def test_shipped_weights_are_found_by_name(tmp_path):
    path = tmp_path / "demo-net.safetensors"
    save_safetensors(arrays(), path, {})
    loaded = load_network(NET, sources.open_shipped("demo-net", tmp_path), published, None)
    assert loaded.digest == random_net().digest
    with pytest.raises(WeightsError, match=r"package:other: .* it has package:demo-net"):
        sources.open_shipped("other", tmp_path)


def test_folder_of_shipped_weights_is_in_the_package():
    assert (sources.shipped_folder() / "__init__.py").is_file()
    with pytest.raises(WeightsError, match="package:no-such: soundstage ships no such weights"):
        open_source("package:no-such")
