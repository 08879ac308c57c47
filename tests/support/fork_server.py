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
import io
import marshal
import os
import select
import signal
import socket
import sys
import types
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fork_client import FORWARDED, RUN_ALONE, SIZE_BYTES

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
    b"PWD",
    b"PYTEST_CURRENT_TEST",
    b"PYTHONPATH",
    b"SHLVL",
}
FREE_PREFIXES = (b"PIP_", b"RAY_", b"SOUNDSTAGE_")

# Arguments of Python that stand for code which is no file.
CODE = ("-c", "-")

# Seconds for a client to send its request, which it does at once.
PATIENCE_S = 30

# The exit code of a command that has come to its end; none of the server itself.
_codes: list[int] = []


@dataclass(frozen=True)
class Request:
    """A command line after `python`, and what its process is to have.

    Attributes:
        arguments: `-c CODE`, `-` or a script, and the arguments of that; others cannot be forked.
        folder: the current folder.
        environment: all variables.
        umask: the permissions that new files do not get.
        ignored: numbers of the signals that the command ignores.
        streams: descriptors in this process for its standard input, output and error.
    """

    arguments: list[str]
    folder: str
    environment: dict[bytes, bytes]
    umask: int
    ignored: list[int]
    streams: list[int]


class Server:
    """Forks commands, forwards signals to them, and tells clients how they ended."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        own_paths = _paths(os.environ.get("PYTHONPATH", ""))
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
        start = _start(first, request.folder) or request.folder
        paths = {*_paths(python_path, request.folder), start}
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

    def become(self, request: Request) -> None:
        """Turns this forked process into one that has just begun to run the command."""
        os.setsid()
        for number, stream in enumerate(request.streams):
            os.dup2(stream, number)
            os.close(stream)
        os.umask(request.umask)
        os.chdir(request.folder)
        os.environb.clear()
        os.environb.update(request.environment)
        for number in FORWARDED:
            handler = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, signal.SIG_IGN if number in request.ignored else handler)
        sys.stdin = sys.__stdin__ = _stream(0, sys.stdin)
        sys.stdout = sys.__stdout__ = _stream(1, sys.stdout)
        sys.stderr = sys.__stderr__ = _stream(2, sys.stderr)
        first = request.arguments[0]
        sys.argv = request.arguments[1:] if first == "-c" else list(request.arguments)
        sys.argv[0] = first
        paths = [*_paths(os.environ.get("PYTHONPATH", "")), *self.common_paths]
        sys.path[:] = [_start(first, request.folder), *dict.fromkeys(paths)]
        importlib.invalidate_caches()
        sys.modules["numpy"].random.seed()  # the server's state would be the same for all commands


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


def run_main(arguments: list[str]) -> None:
    """Runs the main module of a command line in this process, as `python ARGUMENTS` does."""
    main = types.ModuleType("__main__")
    main.__annotations__ = {}
    sys.modules["__main__"] = main
    match arguments[0]:
        case "-c":
            name, code = "<string>", arguments[1].encode("utf-8", "surrogateescape")
        case "-":
            name, code = "<stdin>", sys.stdin.buffer.read()
        case script:
            name, code = os.path.abspath(script), Path(script).read_bytes()
    if arguments[0] != "-c":
        main.__file__ = name
    try:
        exec(compile(code, name, "exec"), main.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            _codes.append((end.code or 0) & 0xFF)
        raise
    _codes.append(0)


def leave() -> None:
    """Ends the process of a command that came to its end; to be registered before all else.

    The interpreter has joined threads and called what else is registered for its end. Now it would
    take apart the libraries, for which the system would copy their pages: a tenth of a second.
    """
    if _codes:
        sys.modules["__main__"].__dict__.clear()  # writes files that are still open
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            return  # the interpreter has a message and an exit code for it
        os._exit(_codes[0])


def _start(first: str, folder: str) -> str:
    """Returns what comes first in `sys.path`, given the first argument of Python."""
    return "" if first in CODE else os.path.dirname(os.path.realpath(os.path.join(folder, first)))


def _paths(python_path: str, folder: str = "") -> list[str]:
    """Returns the folders of PYTHONPATH as Python puts them into `sys.path`."""
    folder = folder or os.getcwd()
    return [os.path.join(folder, each) for each in python_path.split(":")] if python_path else []


def _fixed(environment: Iterable[bytes]) -> dict[bytes, bytes]:
    names = [n for n in environment if n not in FREE_VARIABLES and not n.startswith(FREE_PREFIXES)]
    return {name: environment[name] for name in names}


def _hides_a_module(paths: Iterable[str]) -> bool:
    """Whether a module that the server has imported would come from one of `paths` instead."""
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


def _stream(number: int, like: io.TextIOWrapper) -> io.TextIOWrapper:
    """Returns a standard stream of this process as Python opens it at its start."""
    binary = raw = io.FileIO(number, "w" if number else "r", closefd=False)
    raw.name = like.name
    is_buffered = not isinstance(like.buffer, io.FileIO)  # PYTHONUNBUFFERED is not set
    if is_buffered:
        binary = io.BufferedWriter(raw) if number else io.BufferedReader(raw)
    text = io.TextIOWrapper(
        binary,
        like.encoding,
        like.errors,
        line_buffering=is_buffered and (number == 2 or raw.isatty()),
        write_through=like.write_through,
    )
    text.mode = raw.mode[0]
    return text


def _import() -> None:
    for module in MODULES:
        importlib.import_module(module)
    import soundstage

    for preset in PRESETS:
        soundstage.load(preset)
    gc.collect()
    gc.freeze()  # forked processes share the pages of these objects


if __name__ == "__main__":
    atexit.register(leave)
    server = Server(socket.socket(fileno=int(sys.argv[1])))
    del sys.path[0]  # the folder of this file
    _import()
    if (request := server.serve()) is not None:
        server.become(request)
        # The interpreter ends as always, with what the command has registered for its end.
        run_main(request.arguments)
