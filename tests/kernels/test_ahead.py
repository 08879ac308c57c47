"""Programs that the last command called are loaded before this one calls them."""

import jax
import jax.numpy as jnp
import pytest
from jax import export

from soundstage.kernels import executables, program_files
from soundstage.kernels.ahead import LoadedAhead
from soundstage.kernels.executables import Executable, MachineCode, can_keep, portable
from soundstage.kernels.program_files import programs_folder

SHAPE = jax.ShapeDtypeStruct((3,), jnp.float32)
DOUBLE, TRIPLE = (
    portable(export.export(jax.jit(lambda x, times=times: times * x))(SHAPE)) for times in (2, 3)
)
X = jnp.arange(3, dtype=jnp.float32)


@pytest.fixture
def loads(tmp_path, monkeypatch):
    """A list of the programs that are loaded from an empty folder, by the size of their files."""
    if not can_keep():
        pytest.skip("this version of JAX does not give compiled programs out")
    monkeypatch.setattr(program_files, "user_cache_folder", lambda: tmp_path)
    loads, load = [], MachineCode.load

    def loaded(content, device):
        loads.append(len(content))
        return load(content, device)

    monkeypatch.setattr(MachineCode, "load", loaded)
    return loads


@pytest.fixture
def new_process(monkeypatch):
    """Returns what a new process has: nothing loaded ahead."""

    def start():
        ahead = LoadedAhead()
        monkeypatch.setattr(executables, "LOADED_AHEAD", ahead)
        return ahead

    return start


def waited(ahead):
    """Waits for all that is being loaded."""
    for coming in ahead._coming.values():
        coming.result()


def test_programs_of_the_last_command_are_loaded_before_they_are_called(loads, new_process):
    first = new_process()
    first.begin("a pipeline")
    Executable(DOUBLE)(X)
    first.end("a pipeline")
    second = new_process()
    second.begin("a pipeline")
    waited(second)
    assert len(loads) == 1
    assert Executable(DOUBLE)(X).tolist() == [0, 2, 4]
    assert len(loads) == 1


def test_program_that_is_called_while_it_is_loaded_is_waited_for(loads, new_process):
    first = new_process()
    first.begin("a pipeline")
    Executable(DOUBLE)(X)
    first.end("a pipeline")
    new_process().begin("a pipeline")
    assert Executable(DOUBLE)(X).tolist() == [0, 2, 4]
    assert len(loads) == 1


def test_another_pipeline_and_another_program_load_what_they_need(loads, new_process):
    first = new_process()
    first.begin("a pipeline")
    Executable(DOUBLE)(X)
    first.end("a pipeline")
    other = new_process()
    other.begin("another pipeline")
    assert not other._coming
    second = new_process()
    second.begin("a pipeline")
    assert Executable(TRIPLE)(X).tolist() == [0, 3, 6]
    second.end("a pipeline")
    assert not second._coming
    third = new_process()
    third.begin("a pipeline")
    assert len(third._coming) == 1
    waited(third)


def test_only_the_first_command_of_a_process_tells_what_a_new_process_needs(loads, new_process):
    process = new_process()
    process.begin("a pipeline")
    Executable(DOUBLE)(X)
    process.end("a pipeline")
    process.begin("another pipeline")
    Executable(TRIPLE)(X)
    process.end("another pipeline")
    process.end("a pipeline")
    other = new_process()
    other.begin("another pipeline")
    assert not other._coming
    again = new_process()
    again.begin("a pipeline")
    assert len(again._coming) == 1
    waited(again)


def test_process_that_has_called_programs_before_tells_nothing(loads, new_process):
    process = new_process()
    Executable(DOUBLE)(X)
    process.begin("a pipeline")
    Executable(TRIPLE)(X)
    process.end("a pipeline")
    new = new_process()
    new.begin("a pipeline")
    assert not new._coming


def test_file_that_is_gone_or_damaged_is_made_again(loads, new_process):
    first = new_process()
    first.begin("a pipeline")
    Executable(DOUBLE)(X)
    Executable(TRIPLE)(X)
    first.end("a pipeline")
    gone, damaged = programs_folder().glob("*.compiled")
    gone.unlink()
    program_files.keep(damaged.name, b"no machine code")
    new_process().begin("a pipeline")
    assert Executable(DOUBLE)(X).tolist() == [0, 2, 4]
    assert Executable(TRIPLE)(X).tolist() == [0, 3, 6]


def test_without_a_program_nothing_is_kept(loads, new_process):
    process = new_process()
    process.begin("a pipeline")
    process.end("a pipeline")
    assert not programs_folder().exists()
