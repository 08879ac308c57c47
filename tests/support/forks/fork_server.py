"""A process that has imported what commands import, and forks for each command.

`python fork_server.py DESCRIPTOR` serves a listening UNIX socket until its standard input ends. A
command in a forked process is as one in a new process: it has the standard streams, the folder, the
environment, the signals and the umask of `fork_client`, which asked for it. `fork_client` starts a
new process for a command that needs another environment while libraries are imported. Limits of
resources and the controlling terminal are those of the server.
"""

import atexit
import contextlib
import gc
import importlib
import marshal
import os
import select
import signal
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from fork_client import RUN_ALONE, SIZE_BYTES
from forked_process import CODE, Request, become, leave, python_paths, run_main, start_folder

# What the commands and snippets of the documents import, apart from the stages of `PRESETS`.
MODULES = (
    "flax.nnx",
    "jax.experimental.multihost_utils",
    "pyarrow",
    "rich.progress",
    "soundfile",
    "soundstage.__main__",
    "soundstage.apps.commands.generate.generation",
    "soundstage.apps.commands.main",
    "soundstage.apps.commands.preparation",
    "soundstage.audio.inspection",
    "soundstage.graph.drawing.svg",
    "soundstage.graph.drawing.text_and_mermaid",
    "soundstage.runners.compilation",
    "soundstage.runners.local",
    "soundstage.runners.sessions.journal",
    "soundstage.runners.sessions.session",
    "soundstage.runners.traces.recorded_run",
    "soundstage.runners.traces.replay",
    "soxr",
)
PRESETS = ("toy", "toy-inject", "tiny", "demo", "mrt2-tiny")

# Variables that a command may have otherwise than the server. Where another one differs, it gets a
# new process: libraries read variables when they are imported.
FREE_VARIABLES = {
    b"_",
    b"JE_ARROW_MALLOC_CONF",
    b"OLDPWD",
    b"PATH",
    b"PS1",
    b"PWD",
    b"PYTEST_CURRENT_TEST",
    b"PYTHONPATH",
    b"SHLVL",
}
FREE_PREFIXES = (b"PIP_", b"RAY_", b"SOUNDSTAGE_")

# Seconds for a client to send its request, which it does at once.
PATIENCE_S = 30


class Server:
    """Forks commands, forwards signals to them, and tells clients how they ended."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        own_paths = python_paths(os.environ.get("PYTHONPATH", ""))
        self.own_paths = set(own_paths)
        self.common_paths = [path for path in sys.path[1:] if path not in self.own_paths]
        self.fixed = _fixed(os.environb)
        self.processes: dict[socket.socket, int] = {}
        self.endings: dict[int, socket.socket] = {}

    def serve(self) -> Request | None:
        """Returns a request in each forked process, and None in this one, once it is to end."""
        while True:
            waiting = [0, self.listener, *self.endings, *self.processes]
            ready, _, _ = select.select(waiting, [], [])
            for each in ready:
                if isinstance(each, int) and each in self.endings:
                    self._tell_end(each)
            # Before new commands: one may read what a command that was killed has written.
            for each in ready:
                if each in self.processes:
                    self._forward(each)
            if 0 in ready:
                for connection in list(self.processes):
                    self._kill(connection)
                return None
            if self.listener in ready and (request := self._accept()) is not None:
                return request

    def _accept(self) -> Request | None:
        """Answers one client; returns its request in the forked process, and None in this one."""
        connection, _ = self.listener.accept()
        connection.settimeout(PATIENCE_S)
        try:
            request = _receive(connection)
        except (OSError, EOFError):
            connection.close()  # the client was killed meanwhile
            return None
        process = None
        if self.can_fork(request):
            refuse_threads()
            process = os.fork()
            if process == 0:
                self._close(connection)
                return request
            self.processes[connection] = process
            self.endings[os.pidfd_open(process)] = connection
        for stream in request.streams:
            os.close(stream)
        if process is None:
            with connection, contextlib.suppress(OSError):
                connection.send(RUN_ALONE)
        return None

    def can_fork(self, request: Request) -> bool:
        """Whether the command would do the same in a new process."""
        first = next(iter(request.arguments), "-i")
        if first.startswith("-") and first not in CODE:
            return False
        python_path = os.fsdecode(request.environment.get(b"PYTHONPATH", b""))
        start = start_folder(first, request.folder) or request.folder
        paths = {*python_paths(python_path, request.folder), start}
        return (
            _fixed(request.environment) == self.fixed
            and self.own_paths <= paths
            and not _hides_a_module(paths - self.own_paths)
        )

    def _forward(self, connection: socket.socket) -> None:
        """Sends signals on to a command; kills it if the client is gone."""
        try:
            numbers = connection.recv(SIZE_BYTES)
        except OSError:
            numbers = b""
        for number in numbers:
            os.kill(self.processes[connection], number)  # not waited for yet, so it is still there
        if not numbers:
            self._kill(connection)

    def _kill(self, connection: socket.socket) -> None:
        os.kill(self.processes[connection], signal.SIGKILL)
        self._tell_end(next(end for end, each in self.endings.items() if each is connection))

    def _tell_end(self, ending: int) -> None:
        with self.endings.pop(ending) as connection:
            os.close(ending)
            _, status = os.waitpid(self.processes.pop(connection), 0)
            with contextlib.suppress(OSError):
                connection.send(str(os.waitstatus_to_exitcode(status)).encode())

    def _close(self, connection: socket.socket) -> None:
        """Closes what a forked process has from the server."""
        for each in (self.listener, connection, *self.processes):
            each.close()
        for ending in self.endings:
            os.close(ending)


def refuse_threads() -> None:
    """Checks that this process can be forked.

    Raises:
        RuntimeError: a thread runs, which may hold a lock, or JAX has a backend, which has threads.
    """
    from jax._src import xla_bridge

    threads = {Path(f"/proc/self/task/{each}/comm") for each in os.listdir("/proc/self/task")}
    if len(threads) > 1 or xla_bridge.backends_are_initialized():
        names = sorted(path.read_text().strip() for path in threads)
        raise RuntimeError(f"a process to be forked has threads or a backend of JAX: {names}")


def _fixed(environment: Iterable[bytes]) -> dict[bytes, bytes]:
    names = [n for n in environment if n not in FREE_VARIABLES and not n.startswith(FREE_PREFIXES)]
    return {name: environment[name] for name in names}


def _hides_a_module(paths: Iterable[str]) -> bool:
    """Whether a module that the server has imported would come from one of the folders instead."""
    files = [
        file
        for path in paths
        for file in (*Path(path).glob("*.py"), *Path(path).glob("*/__init__.py"))
    ]
    names = {file.parent.name if file.name == "__init__.py" else file.stem for file in files}
    return bool(names & set(sys.modules))


def _receive(connection: socket.socket) -> Request:
    size, streams, _, _ = socket.recv_fds(connection, SIZE_BYTES, 3)
    with connection.makefile("rb") as file:
        message = file.read(int.from_bytes(size, sys.byteorder))
    return Request(*marshal.loads(message), streams)


def _import() -> None:
    for module in MODULES:
        importlib.import_module(module)
    import soundstage

    for preset in PRESETS:
        soundstage.load(preset)
    with soundstage.open("toy"):  # draws random codebooks, which a process keeps
        pass
    gc.collect()
    gc.freeze()  # forked processes share the pages of these objects


if __name__ == "__main__":
    atexit.register(leave)
    server = Server(socket.socket(fileno=int(sys.argv[1])))
    del sys.path[0]  # the folder of this file
    _import()
    if (request := server.serve()) is not None:
        become(request, server.common_paths)
        # The interpreter ends as always, with what the command has registered for its end.
        run_main(request.arguments)
