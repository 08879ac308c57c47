"""Runs the commands of snippets in forks of one process, which has imported what they import.

A new process takes up to 0.9 s to import JAX, Flax and soundstage, and a snippet starts several.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUPPORT = Path(__file__).parent
SHIM = """#!{python} -IS
import sys

sys.path.insert(0, {support!r})
from fork_client import run

run({address!r}, [{script}*sys.argv[1:]])
"""
PATIENCE_S = 60


def can_fork() -> bool:
    """Whether this system has what `fork_server` needs."""
    if not hasattr(os, "pidfd_open") or not Path("/proc/self/task").is_dir():
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


@contextmanager
def forked_commands() -> Iterator[Path]:
    """Yields a folder for PATH with `soundstage` and `python`, which run in forked processes.

    The time of the processor that they take is counted for this process at the end of the block.
    """
    with tempfile.TemporaryDirectory(prefix="forks-") as name:
        folder = Path(name)
        process = _start_server(str(folder / "socket"))
        script = shutil.which("soundstage", path=_search_path())
        for command, start in (("python", ""), ("soundstage", f"{script!r}, ")):
            _write_shim(folder / command, start, str(folder / "socket"))
        try:
            yield folder
            assert process.poll() is None, "the process that forks has ended"
        finally:
            process.stdin.close()
            assert process.wait(PATIENCE_S) == 0


def _search_path() -> str:
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def _start_server(address: str) -> subprocess.Popen[bytes]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()  # clients may connect at once, and wait for the imports
        return subprocess.Popen(
            [sys.executable, str(SUPPORT / "fork_server.py"), str(listener.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            start_new_session=True,  # Ctrl-C goes to clients, which forward it
            # Without a thread of NumPy's linear algebra or of Arrow's memory.
            env=os.environ
            | {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"},
        )


def _write_shim(path: Path, script: str, address: str) -> None:
    text = SHIM.format(python=sys.executable, support=str(SUPPORT), address=address, script=script)
    path.write_text(text)
    path.chmod(0o755)
