"""Programs are found by name at the next start, and never in place of another one."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from soundstage.kernels import program_files, programs
from soundstage.kernels.program_files import programs_folder
from soundstage.kernels.programs import Program
from soundstage.stages.depthformer.choice import Addressed, ByFunction
from soundstage.stages.depthformer.config import config_of_size

TRACED = []


def scaled(weights, x, factor=2.0):
    """A function of a tree and an array; notes each trace."""
    TRACED.append(x.shape)
    offset = 0 if weights["offset"] is None else weights["offset"]
    return {"scaled": (factor * weights["scale"] * x.astype(jnp.float32) + offset, x.sum())}


@dataclass(frozen=True)
class Sizes:
    """A setting."""

    width: int
    name: str = "a"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of programs, for functions of this file."""
    monkeypatch.setattr(programs, "PACKAGE", __name__)
    monkeypatch.setattr(program_files, "user_cache_folder", lambda: tmp_path)
    programs._program.cache_clear()
    TRACED.clear()
    return programs_folder()


def weights(scale, offset=None):
    return {"scale": jnp.float32(scale), "offset": offset}


def portable(folder):
    """The files of portable programs; the compiled ones are beside them."""
    return [file for file in folder.iterdir() if not file.suffix]


def start_again():
    """Forgets what this process has compiled; the files stay."""
    programs._program.cache_clear()


def test_second_start_finds_the_program_and_traces_nothing(folder):
    x = np.arange(3, dtype=np.float32)
    first = Program(scaled, Sizes(3))(weights(2), x, constants=(3.0,))
    start_again()
    second = Program(scaled, Sizes(3))(weights(2), x, constants=(3.0,))
    assert TRACED == [(3,)]
    assert np.asarray(second["scaled"][0]).tolist() == [0, 6, 12]
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_equal_programs_of_a_process_share_what_is_compiled(folder):
    for scale in (1, 2):
        result = Program(scaled, Sizes(3))(weights(scale), np.ones(3, np.float32))
        assert np.asarray(result["scaled"][0]).tolist() == [2 * scale] * 3
    assert len(TRACED) == 1
    assert programs._program.cache_info().hits == 1


OTHERS = {
    "setting": (Sizes(3, "b"), weights(2), np.ones(3, np.float32), ()),
    "shape": (Sizes(3), weights(2), np.ones(4, np.float32), ()),
    "dtype": (Sizes(3), weights(2), np.ones(3, np.int32), ()),
    "tree": (Sizes(3), weights(2, jnp.float32(1)), np.ones(3, np.float32), ()),
    "constant": (Sizes(3), weights(2), np.ones(3, np.float32), (3.0,)),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_whatever_a_program_depends_on_makes_another_one(folder, other):
    setting, tree, x, constants = other
    Program(scaled, Sizes(3))(weights(2), np.ones(3, np.float32))
    Program(scaled, setting)(tree, x, constants=constants)
    assert len(TRACED) == len(portable(folder)) == 2


def test_changed_source_code_makes_another_program(folder, monkeypatch):
    Program(scaled)(weights(2), np.ones(3, np.float32))
    monkeypatch.setattr(programs, "source_digest", lambda *modules: "another")
    Program(scaled)(weights(2), np.ones(3, np.float32))
    assert len(portable(folder)) == 2


@pytest.mark.parametrize("damage", [b"", b"x", b"another content" * 9])
def test_damaged_file_is_made_again(folder, damage):
    program = Program(scaled)
    program(weights(2), np.ones(3, np.float32))
    (file,) = portable(folder)
    file.write_bytes(damage)
    start_again()
    result = Program(scaled)(weights(2), np.ones(3, np.float32))
    assert np.asarray(result["scaled"][0]).tolist() == [4, 4, 4]
    assert len(TRACED) == 2
    start_again()
    Program(scaled)(weights(2), np.ones(3, np.float32))
    assert len(TRACED) == 2


def test_folder_that_cannot_be_written_costs_time_only(folder):
    folder.parent.joinpath("programs").write_text("a file where the folder should be")
    result = Program(scaled)(weights(2), np.ones(3, np.float32))
    assert np.asarray(result["scaled"][0]).tolist() == [4, 4, 4]


def test_code_and_settings_of_users_are_never_stored(folder, monkeypatch):
    monkeypatch.setattr(programs, "PACKAGE", "soundstage.stages")
    Program(scaled)(weights(2), np.ones(3, np.float32))
    assert not folder.exists()
    assert programs._known((config_of_size("tiny"), 50, Addressed(), None))
    assert not programs._known((config_of_size("tiny"), ByFunction(lambda logits, key: 0)))
    assert not programs._known(Sizes(3))


def test_function_that_cannot_be_exported_is_traced_at_every_start(folder):
    def with_host(x):
        return jax.pure_callback(lambda x: 2 * x, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    assert np.asarray(Program(with_host)(np.ones(2, np.float32))).tolist() == [2, 2]
    assert not folder.exists()


@pytest.mark.parametrize("maker", ["cuda", "rocm"])
def test_gpus_are_named_after_their_maker_in_exported_programs(maker, monkeypatch):
    """JAX refuses to run on CUDA what was exported for "gpu"."""

    def devices(name):
        if name != maker:
            raise RuntimeError(f"Unknown backend {name}")
        return ["a GPU"]

    monkeypatch.setattr(jax, "devices", devices)
    assert programs.export_name("gpu") == maker
    assert [programs.export_name(name) for name in ("cpu", "tpu")] == ["cpu", "tpu"]
