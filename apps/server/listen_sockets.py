"""The sockets a server listens on, and how long their connections may be without a sign of life.

A network can vanish without a word, and a reader can stop reading: then bytes wait in a connection
that nobody will take, and whatever waits for them holds its place. The system ends connections
whose other side does not answer (Linux only: also those whose reader leaves bytes lying); `Pulse`
ends WebSockets everywhere.
"""

from __future__ import annotations

import errno
import socket

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from soundstage.errors import OutputError

BACKLOG = 2048
# Questions to a connection that is at rest, before it counts as lost.
PROBES = 4
# What waits in the system for a slow network; more would make whatever is said later wait as well.
MOST_UNSENT_BYTES = 256 * 1024


class Pulse(WebSocketsSansIOProtocol):
    """A WebSocket that ends when no sign of life comes, whatever is still in its pipe.

    A pong is one, and whatever else is said. So is that something is taken out of a pipe that was
    full: the ping may wait there behind much music. While nothing is read here, as what was said
    before takes its time, none can come.
    """

    _alive = False

    def data_received(self, data: bytes) -> None:
        """The other side has said something."""
        self._alive = True
        super().data_received(data)

    def resume_writing(self) -> None:
        """The other side has taken something."""
        super().resume_writing()
        self._alive = True

    def send_keepalive_ping(self) -> None:
        """Asks for a sign of life."""
        self._alive = self._busy
        super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        """No pong came in time."""
        if (self._alive or self._busy) and self.ping_timeout is not None:
            # When it is busy no more, there has to be time to read what came meanwhile.
            self._alive = self._busy
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
            return
        super().keepalive_timeout()
        # A farewell would wait behind what is not read, maybe for ever.
        self.transport.abort()

    @property
    def _busy(self) -> bool:
        """Whether nothing is read; of who is let go nothing will be."""
        return self.read_paused and not self.transport.is_closing()


def listen(host: str, port: int, lost_s: float) -> list[socket.socket]:
    """Listens on every address that a name stands for.

    Args:
        host: an address of this machine, or a name of some.
        port: a free port.
        lost_s: how long a connection may be without a sign of life.

    Raises:
        OutputError: the port is taken, or the address is not this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no name"
        raise OutputError(f"{host}: no address of this machine: {reason}") from error
    sockets: list[socket.socket] = []
    fault: OSError | None = None
    # A name may stand for one address twice.
    for family, _, _, _, address in dict.fromkeys(found):
        try:
            sockets.append(socket.create_server(address, family=family, backlog=BACKLOG))
        except OSError as error:
            # localhost may stand for an IPv6 address where there is no IPv6.
            if fault is None or error.errno != errno.EADDRNOTAVAIL:
                fault = error
    if fault is not None and (not sockets or fault.errno != errno.EADDRNOTAVAIL):
        for sock in sockets:
            sock.close()
        raise OutputError(f"{host}, port {port}: cannot listen there: {_reason(fault)}")
    for sock in sockets:
        _expect_life(sock, lost_s)
    return sockets


def _reason(fault: OSError) -> str:
    if fault.errno == errno.EADDRINUSE:
        return "the port is taken"
    if fault.errno == errno.EADDRNOTAVAIL:
        return "the address is not this machine's"
    return fault.strerror or str(fault)


def _expect_life(sock: socket.socket, lost_s: float) -> None:
    """Accepted connections inherit these."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    every_s = max(1, round(lost_s / (PROBES + 1)))
    options = {
        "TCP_KEEPIDLE": every_s,
        "TCP_KEEPINTVL": every_s,
        "TCP_KEEPCNT": PROBES,
        "TCP_USER_TIMEOUT": round(1e3 * lost_s),
        "TCP_NOTSENT_LOWAT": MOST_UNSENT_BYTES,
    }
    for name, value in options.items():
        if hasattr(socket, name):  # not every system knows all of them
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
