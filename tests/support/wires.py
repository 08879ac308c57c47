"""A wire between a client and a server: held up, hung up, or cut so that nobody is told."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

PATIENCE_S = 120


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Wire:
    """Hands bytes on, both ways, and tells either end when the other hangs up.

    Args:
        port: the server's.
    """

    def __init__(self, port: int) -> None:
        self._front = socket.create_server(("127.0.0.1", 0))
        self._server_port = port
        self.port = self._front.getsockname()[1]
        self._cut, self._flows = threading.Event(), threading.Event()
        self._flows.set()
        self._clients: list[socket.socket] = []
        self._servers: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def desk(self) -> Any:
        """What stands for a server's desk for `served.speak`."""
        return SimpleNamespace(settings=SimpleNamespace(port=self.port))

    def hold(self) -> None:
        """Nothing arrives for now, and nobody is told."""
        self._flows.clear()

    def let_go(self) -> None:
        """What was held up arrives, and what follows on it."""
        self._flows.set()

    def hang_up(self, port: int | None = None) -> None:
        """Ends every connection, which both ends are told; new ones are taken.

        Args:
            port: of the server that new ones lead to; None = the same.
        """
        self._server_port = port or self._server_port
        for sock in (*self._clients, *self._servers):
            _end(sock, socket.SHUT_RDWR)
        self._clients, self._servers = [], []

    def cut(self) -> None:
        """From now on nothing arrives, and nobody is told."""
        self._cut.set()

    def hung_up(self) -> bool:
        """Whether the server has ended every connection; waits for it."""
        return all(map(_ended, self._servers))

    def close(self) -> None:
        """Ends everything."""
        self._cut.set()
        self._flows.set()
        _end(self._front, socket.SHUT_RDWR)
        for sock in (self._front, *self._clients, *self._servers):
            _end(sock, socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        while not self._cut.is_set():
            try:
                client, _ = self._front.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                client.close()
                continue
            self._clients.append(client)
            self._servers.append(server)
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        """Hands bytes on until there are no more; what is behind a cut is kept from everybody."""
        how = socket.SHUT_WR
        try:
            while data := source.recv(65_536):
                self._flows.wait()
                if self._cut.is_set():
                    return
                sink.sendall(data)
        except OSError:
            how = socket.SHUT_RDWR
        if not self._cut.is_set():
            _end(sink, how)


def _end(sock: socket.socket, how: int) -> None:
    with suppress(OSError):
        sock.shutdown(how)


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
