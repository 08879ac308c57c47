"""Checkpoints: complete or absent, restored to the bit."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors

from soundstage.training.checkpoint import (
    CheckpointError,
    Position,
    checkpoints,
    restore_latest,
    save,
)

LIMIT_BYTES = 16_000_000


def tree(scale=1.0):
    return {
        "layers": [{"kernel": jnp.full((2, 3), scale)}, {"kernel": jnp.full((2, 3), 2 * scale)}],
        "count": jnp.int32(7),
        "half": jnp.full(5, scale, jnp.bfloat16),
        "empty": jnp.zeros((0, 3)),
        "plain": np.arange(6, dtype=np.int64),
        "nothing": None,
    }


def same(left, right):
    return left.dtype == right.dtype and np.array_equal(np.asarray(left), np.asarray(right))


def test_restored_state_has_the_saved_bits_types_and_position(tmp_path):
    position = Position(step=12, seed=5, metrics_bytes=99, seconds=1.25)
    save(tmp_path, tree(0.3), position)
    restored, restored_position = restore_latest(tmp_path, tree(0.0))
    assert restored_position == position
    assert restored["nothing"] is None
    assert isinstance(restored["plain"], np.ndarray)
    assert same(restored["half"], tree(0.3)["half"])
    assert same(restored["layers"][1]["kernel"], tree(0.3)["layers"][1]["kernel"])
    assert restored["empty"].shape == (0, 3)
    assert int(restored["count"]) == 7


def test_restore_without_checkpoint_returns_none(tmp_path):
    assert restore_latest(tmp_path / "absent", tree()) is None


def test_large_arrays_are_split_into_files_below_16_mb(tmp_path):
    draw = np.random.default_rng(0)
    state = {"large": draw.random((3000, 3001), np.float32), "small": np.ones(3, np.float32)}
    folder = save(tmp_path, state, Position(1, 0))
    files = list(folder.iterdir())
    assert len(files) == 3
    assert max(file.stat().st_size for file in files) < LIMIT_BYTES
    restored, _ = restore_latest(tmp_path, state)
    assert same(restored["large"], state["large"])
    assert same(restored["small"], state["small"])


def test_the_last_two_checkpoints_are_kept(tmp_path):
    for step in (5, 10, 15, 100_000_000):
        save(tmp_path, tree(float(step)), Position(step, 0))
    assert [path.name for path in checkpoints(tmp_path)] == ["step_00000015", "step_100000000"]
    assert restore_latest(tmp_path, tree())[1].step == 100_000_000


def test_half_written_checkpoint_is_ignored_then_removed(tmp_path):
    save(tmp_path, tree(1.0), Position(1, 0))
    torn = tmp_path / ".step_00000002"
    torn.mkdir()
    (torn / "part_00000.safetensors").write_bytes(b"half")
    assert restore_latest(tmp_path, tree())[1].step == 1
    save(tmp_path, tree(2.0), Position(2, 0))
    assert restore_latest(tmp_path, tree())[1].step == 2
    assert not torn.exists()


def test_checkpoint_of_another_state_is_refused_by_name(tmp_path):
    save(tmp_path, {"a": jnp.zeros(2), "b": jnp.zeros(3)}, Position(1, 0))
    with pytest.raises(CheckpointError, match=r"lacks \['c'\] and also has \['b'\]"):
        restore_latest(tmp_path, {"a": jnp.zeros(2), "c": jnp.zeros(3)})
    with pytest.raises(CheckpointError, match=r"b is float32 \(3,\).*needs float32 \(4,\)"):
        restore_latest(tmp_path, {"a": jnp.zeros(2), "b": jnp.zeros(4)})
    for rows in (3, 4_000_000):  # the larger one is stored in pieces
        save(tmp_path, {"b": jnp.zeros((rows, 1))}, Position(rows, 0))
        with pytest.raises(CheckpointError, match=rf"b is float32 \({rows}, 1\).*needs"):
            restore_latest(tmp_path, {"b": jnp.zeros((1, rows))})


def test_damaged_checkpoint_is_refused(tmp_path):
    folder = save(tmp_path, tree(), Position(1, 0))
    file = folder / "part_00000.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="damaged"):
        restore_latest(tmp_path, tree())
    file.unlink()
    with pytest.raises(CheckpointError, match="damaged"):
        restore_latest(tmp_path, tree())


def test_state_with_a_text_is_refused(tmp_path):
    with pytest.raises(TypeError, match="names is a str"):
        save(tmp_path, {"names": "x"}, Position(1, 0))


def test_header_is_json_and_arrays_are_named_by_tree_path(tmp_path):
    folder = save(tmp_path, tree(), Position(4, 2))
    with safetensors.safe_open(folder / "part_00000.safetensors", "numpy") as file:
        assert json.loads(file.metadata()["position"])["step"] == 4
        assert "layers/1/kernel" in set(file.keys())
