"""A wire between a client and a server that can be cut so that neither side is told."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from served import PATIENCE_S

LOOK_S = 0.05


class Wire:
    """Hands bytes on, both ways, until it is cut; then it takes none, and hangs up on nobody."""

    def __init__(self, port: int) -> None:
        self._front = socket.create_server(("127.0.0.1", 0))
        self._port, self._cut = port, threading.Event()
        self.port = self._front.getsockname()[1]
        self._servers: list[socket.socket] = []
        self._all = [self._front]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def desk(self) -> Any:
        """What stands for a server's desk for `served.speak`."""
        return SimpleNamespace(settings=SimpleNamespace(port=self.port))

    def cut(self) -> None:
        """From now on, nothing arrives."""
        self._cut.set()

    def hung_up(self) -> bool:
        """Whether the server has ended every connection; waits for it."""
        return all(map(_ended, self._servers))

    def close(self) -> None:
        """Ends everything."""
        self._cut.set()
        for sock in self._all:
            sock.close()

    def _accept(self) -> None:
        while not self._cut.is_set():
            try:
                client, _ = self._front.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            self._servers.append(server)
            self._all += [client, server]
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        source.settimeout(LOOK_S)
        while not self._cut.is_set():
            try:
                data = source.recv(65_536)
            except TimeoutError:
                continue
            except OSError:
                return
            if not data or self._cut.is_set():
                return
            sink.sendall(data)


def _ended(sock: socket.socket) -> bool:
    sock.settimeout(PATIENCE_S)
    try:
        while sock.recv(1 << 20):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


@contextmanager
def wire(port: int) -> Iterator[Wire]:
    """A wire to a server's port."""
    found = Wire(port)
    try:
        yield found
    finally:
        found.close()
