"""A proxy between a client and a server that can delay, close or silently drop connections."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

PATIENCE_S = 120


def free_port() -> int:
    """Returns an unused port of this machine."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Wire:
    """A TCP proxy that forwards bytes and closed connections in both directions.

    Args:
        port: the server's port.
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
    def context(self) -> Any:
        """A stand-in for a server's context, for `served.speak`."""
        return SimpleNamespace(settings=SimpleNamespace(port=self.port))

    def hold(self) -> None:
        """Holds all bytes back until `release`."""
        self._flows.clear()

    def release(self) -> None:
        """Forwards the bytes that were held, and later ones."""
        self._flows.set()

    def hang_up(self, port: int | None = None) -> None:
        """Closes every connection at both ends; new ones are accepted.

        Args:
            port: the server's port for new connections; None = the same.
        """
        self._server_port = port or self._server_port
        for sock in (*self._clients, *self._servers):
            _end(sock, socket.SHUT_RDWR)
        self._clients, self._servers = [], []

    def cut(self) -> None:
        """Drops all bytes from now on, and closes no connection."""
        self._cut.set()

    def hung_up(self) -> bool:
        """Waits until the server has closed every connection; False after `PATIENCE_S` seconds."""
        return all(map(_ended, self._servers))

    def close(self) -> None:
        """Closes the proxy and all its connections."""
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
        """Forwards bytes until the source is closed or `cut` is called."""
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
    """Runs a proxy to a server's port."""
    proxy = Wire(port)
    try:
        yield proxy
    finally:
        proxy.close()
