"""Compiled programs are loaded at the next start, and give the bytes that JAX's own way gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from soundstage.kernels import executables, program_files
from soundstage.kernels.executables import SUFFIX, Executable, can_keep, portable
from soundstage.kernels.program_files import keep, programs_folder


def function(x, weights):
    """Has parts that the compiler joins, and results in a tree."""
    both = jnp.concatenate([jnp.tanh(x) * weights, x + 1.0])
    return {"sum": both.sum(), "parts": (both, (x * 7).astype(jnp.int32))}


SHAPE = jax.ShapeDtypeStruct((5,), jnp.float32)
CONTENT = portable(export.export(jax.jit(function))(SHAPE, SHAPE))
X = jnp.arange(5, dtype=jnp.float32)
WEIGHTS = jnp.linspace(0.0, 1.0, 5)


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """An empty folder of programs, and a list with an entry for each program that is compiled."""
    if not can_keep():
        pytest.skip("this version of JAX does not give compiled programs out")
    monkeypatch.setattr(program_files, "user_cache_folder", lambda: tmp_path)
    lists, compile_it = [], Executable._compiled
    monkeypatch.setattr(
        Executable, "_compiled", lambda self, *on: lists.append(on) or compile_it(self, *on)
    )
    return lists


def is_right(result):
    """Whether a result is, to the last bit, what JAX computes."""
    jax.tree.map(np.testing.assert_array_equal, result, jax.jit(function)(X, WEIGHTS))
    return jax.tree.structure(result) == jax.tree.structure(function(X, WEIGHTS))


def kept():
    return list(programs_folder().glob(f"*{SUFFIX}"))


def test_second_start_compiles_nothing(compiled):
    for _ in range(2):
        assert is_right(Executable(CONTENT)(X, WEIGHTS))
    assert len(compiled) == len(kept()) == 1


def test_program_of_changed_source_code_that_computes_the_same_is_not_compiled_again(compiled):
    def the_same(x, weights):
        # This function has other lines.
        both = jnp.concatenate([jnp.tanh(x) * weights, x + 1.0])

        return {"sum": both.sum(), "parts": (both, (x * 7).astype(jnp.int32))}

    the_same.__name__ = function.__name__
    Executable(CONTENT)(X, WEIGHTS)
    content = portable(export.export(jax.jit(the_same))(SHAPE, SHAPE))
    assert content != CONTENT
    assert is_right(Executable(content)(X, WEIGHTS))
    assert len(compiled) == 1


def test_programs_that_differ_in_unused_arguments_alone_are_told_apart(compiled):
    def more(unused, x, weights, unused_too):
        return function(x, weights)

    more.__name__ = function.__name__
    content = portable(export.export(jax.jit(more))(SHAPE, SHAPE, SHAPE, SHAPE))
    for _ in range(2):
        assert is_right(Executable(CONTENT)(X, WEIGHTS))
        assert is_right(Executable(content)(WEIGHTS, X, WEIGHTS, WEIGHTS))
    assert len(compiled) == 2


def test_program_is_compiled_again_where_jax_has_it_in_its_own_cache(compiled):
    """What JAX loads from its cache cannot be serialized: it lacks functions when it is loaded."""
    for start in range(3):
        assert is_right(Executable(CONTENT)(X, WEIGHTS))
        if start == 0:
            kept()[0].unlink()
    assert len(compiled) == 2


@pytest.mark.parametrize("damage", [b"", b"no machine code"])
def test_code_that_cannot_be_loaded_is_compiled_again(compiled, damage):
    Executable(CONTENT)(X, WEIGHTS)
    keep(kept()[0].name, damage)
    for _ in range(2):
        assert is_right(Executable(CONTENT)(X, WEIGHTS))
    assert len(compiled) == 2


def test_another_processor_has_code_of_its_own(compiled, monkeypatch):
    Executable(CONTENT)(X, WEIGHTS)
    monkeypatch.setattr(executables, "_processor_words", lambda: "another processor")
    assert is_right(Executable(CONTENT)(X, WEIGHTS))
    assert len(compiled) == len(kept()) == 2


def test_arrays_of_numpy_are_taken_beside_those_of_jax(compiled):
    assert is_right(Executable(CONTENT)(np.asarray(X), WEIGHTS))
    assert len(compiled) == 1


def test_program_may_be_called_while_another_one_is_traced(compiled):
    program = Executable(CONTENT)
    assert is_right(jax.jit(lambda x: program(x, WEIGHTS))(X))
    assert not compiled


def test_random_keys_are_left_to_jax(compiled):
    def drawn(key):
        return jax.random.bits(key)

    key = jax.random.key(5)
    shape = jax.ShapeDtypeStruct(key.shape, key.dtype)
    content = portable(export.export(jax.jit(drawn))(shape))
    assert Executable(content)(key) == drawn(key)
    assert not compiled


def test_version_of_jax_without_this_interface_works_as_before(compiled, monkeypatch):
    monkeypatch.setattr(executables, "can_keep", lambda: False)
    assert is_right(Executable(CONTENT)(X, WEIGHTS))
    assert not compiled


def test_program_that_cannot_be_compiled_beforehand_is_left_to_jax(compiled, monkeypatch):
    monkeypatch.setattr(Executable, "_compiled", lambda *_: object())  # has no `serialize`
    assert is_right(Executable(CONTENT)(X, WEIGHTS))
    assert not kept()
