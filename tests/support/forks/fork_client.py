"""What stands for `soundstage` and `python` in PATH: asks the fork server to run a command.

Starts with the standard library only, which takes 20 ms. This process ends as the command ends, and
forwards signals to it; if it is killed itself, the server kills the command.
"""

import contextlib
import marshal
import os
import signal
import socket
import sys

# Signals that a command handles or dies of. The others end this process, and so the command.
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
SIZE_BYTES = 8
# The server's answer to a command that needs a process of its own; else it is an exit code.
RUN_ALONE = b"alone"


def run(address: str, arguments: list[str]) -> None:
    """Runs `python ARGUMENTS` in a process that the server forks, and ends as it does.

    Args:
        address: the path of the server's socket.
        arguments: the command line after `python`.

    Raises:
        SystemExit: the server has ended.
    """
    answer = _ask(address, arguments) if _has_streams() else RUN_ALONE
    if answer == RUN_ALONE:
        os.execv(sys.executable, [sys.executable, *arguments])
    if not answer:
        sys.exit("fork_client: the server has ended")
    code = int(answer)
    if code < 0:
        with contextlib.suppress(OSError):  # SIGKILL has no handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _has_streams() -> bool:
    """Whether no standard stream is closed."""
    try:
        for number in range(3):
            os.fstat(number)
    except OSError:
        return False
    return True


def _ask(address: str, arguments: list[str]) -> bytes:
    """Returns the server's answer, which comes at the end of the command."""
    ignored = [each for each in FORWARDED if signal.getsignal(each) == signal.SIG_IGN]
    heeded = set(FORWARDED) - set(ignored)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        signal.pthread_sigmask(signal.SIG_BLOCK, heeded)  # the request comes before all signals
        _send(connection, arguments, [int(each) for each in ignored])
        for number in heeded:
            signal.signal(number, lambda number, frame: connection.send(bytes([number])))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, heeded)
        answer = connection.recv(SIZE_BYTES)
        for number in heeded:
            signal.signal(number, signal.SIG_DFL)
    return answer


def _send(connection: socket.socket, arguments: list[str], ignored: list[int]) -> None:
    umask = os.umask(0)
    os.umask(umask)
    request = (arguments, os.getcwd(), dict(os.environb), umask, ignored)
    message = marshal.dumps(request)
    size = len(message).to_bytes(SIZE_BYTES, sys.byteorder)
    socket.send_fds(connection, [size], [0, 1, 2])
    connection.sendall(message)
