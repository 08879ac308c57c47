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
    with new_process().command("a pipeline"):
        Executable(DOUBLE)(X)
    second = new_process()
    with second.command("a pipeline"):
        waited(second)
        assert len(loads) == 1
        assert Executable(DOUBLE)(X).tolist() == [0, 2, 4]
        assert len(loads) == 1


def test_program_that_is_called_while_it_is_loaded_is_waited_for(loads, new_process):
    with new_process().command("a pipeline"):
        Executable(DOUBLE)(X)
    with new_process().command("a pipeline"):
        assert Executable(DOUBLE)(X).tolist() == [0, 2, 4]
    assert len(loads) == 1


def test_another_pipeline_and_another_program_load_what_they_need(loads, new_process):
    with new_process().command("a pipeline"):
        Executable(DOUBLE)(X)
    other = new_process()
    with other.command("another pipeline"):
        assert not other._coming
    second = new_process()
    with second.command("a pipeline"):
        assert Executable(TRIPLE)(X).tolist() == [0, 3, 6]
    assert not second._coming
    third = new_process()
    with third.command("a pipeline"):
        waited(third)
        assert len(third._coming) == 1


def test_only_the_first_command_of_a_process_tells_what_a_new_process_needs(loads, new_process):
    process = new_process()
    with process.command("a pipeline"):
        Executable(DOUBLE)(X)
    for pipeline in ("another pipeline", "a pipeline"):
        with process.command(pipeline):
            Executable(TRIPLE)(X)
    for pipeline, programs in (("another pipeline", 0), ("a pipeline", 1)):
        new = new_process()
        with new.command(pipeline):
            waited(new)
            assert len(new._coming) == programs


def test_process_that_has_called_programs_before_tells_nothing(loads, new_process):
    process = new_process()
    Executable(DOUBLE)(X)
    with process.command("a pipeline"):
        Executable(TRIPLE)(X)
    new = new_process()
    with new.command("a pipeline"):
        assert not new._coming


def test_command_that_is_interrupted_tells_what_it_called(loads, new_process):
    def interrupted():
        with new_process().command("a pipeline"):
            Executable(DOUBLE)(X)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    new = new_process()
    with new.command("a pipeline"):
        waited(new)
        assert len(new._coming) == 1


def test_file_that_is_gone_or_damaged_is_made_again(loads, new_process):
    with new_process().command("a pipeline"):
        Executable(DOUBLE)(X)
        Executable(TRIPLE)(X)
    gone, damaged = programs_folder().glob("*.compiled")
    gone.unlink()
    program_files.keep(damaged.name, b"no machine code")
    with new_process().command("a pipeline"):
        assert Executable(DOUBLE)(X).tolist() == [0, 2, 4]
        assert Executable(TRIPLE)(X).tolist() == [0, 3, 6]


def test_without_a_program_nothing_is_kept(loads, new_process):
    with new_process().command("a pipeline"):
        pass
    assert not programs_folder().exists()
