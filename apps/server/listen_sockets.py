"""The sockets a server listens on, and the limits and the heartbeat of their connections.

A network can vanish without notice, and a client can stop reading. Then bytes wait in a connection
that nobody takes, and the stream behind it keeps its slot. The operating system ends connections
whose client does not answer (on Linux also those whose client leaves bytes unread);
`Pulse` ends WebSockets on every system.
"""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import struct
import time
from typing import TYPE_CHECKING, Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State

from soundstage.apps.server.budget import LoopTime
from soundstage.apps.server.protocols.websocket import TOO_MANY
from soundstage.apps.server.settings import Limits
from soundstage.errors import OutputError

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

BACKLOG = 2048
# Keepalive probes on an idle connection before it counts as lost.
PROBES = 4
# Bytes that wait in the system for a slow network; with more, later messages would wait longer.
MOST_UNSENT_BYTES = 256 * 1024
# Bytes that are read from a connection before others have their turn.
MOST_READ_BYTES = 16 * 1024
MOST_FRAGMENTS = 1_000
TOO_BIG = 1009  # a close code of RFC 6455
# Messages from so many bytes on, such as the samples of a chunk, are not copied into a frame. The
# head of such a frame (RFC 6455, 5.2): the last one of its message, and its length in 64 bits.
LARGE_MESSAGE = 1 << 16
HEAD, LAST, LENGTH_64 = struct.Struct("!BBQ"), 0x80, 127
TOO_MANY_HEAD = (
    "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 5\r\n"
    "content-type: application/json\r\ncontent-length: {}\r\n\r\n"
)


class Pulse(WebSocketsSansIOProtocol):
    """A WebSocket that ends when no heartbeat comes, whatever is still unsent.

    A heartbeat is a pong, any other data from the client, or that the client makes room in a full
    send buffer: the ping may wait there behind much music. While the server does not read, because
    it is busy with the client's last message, no heartbeat can arrive and none is expected.
    """

    _alive = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._loop_time = LoopTime(Limits.loop_share)

    async def send(self, message: ASGISendEvent) -> None:
        """Sends a message; a large one as it is, where the library would copy it twice."""
        data = message.get("bytes") if message["type"] == "websocket.send" else None
        if data is None or len(data) < LARGE_MESSAGE:
            return await super().send(message)
        await self.writable.wait()
        if self.disconnected or self.close_sent or self.conn.state is not State.OPEN:
            raise ClientDisconnected()
        self.transport.write(HEAD.pack(LAST | Opcode.BINARY, LENGTH_64, len(data)))
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Takes data from the client as a heartbeat; frames may not take too much time."""
        self._alive = True
        start_s = time.thread_time()
        super().data_received(data)
        self._loop_time.add(time.thread_time() - start_s)
        if self._loop_time.problem:
            self._end(TOO_MANY, self._loop_time.problem)

    def handle_cont(self, event: Frame) -> None:
        """Adds a fragment to a message, which may have only so many: a fragment may be empty."""
        if len(self.frames) < MOST_FRAGMENTS:
            super().handle_cont(event)
        else:
            self._end(TOO_BIG, f"a message has at most {MOST_FRAGMENTS} fragments")

    def handle_ping(self) -> None:
        """Answers a ping, unless earlier answers are unread."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def _end(self, code: int, reason: str) -> None:
        if self.close_sent or self.transport.is_closing():
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()

    def send_receive_event_to_app(self) -> None:
        """Hands a message on; ends a connection whose text message is not UTF-8, with a reason."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.send_close(CloseCode.INVALID_DATA, "a text message is not UTF-8")
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def resume_writing(self) -> None:
        """Takes room in the send buffer as a heartbeat."""
        super().resume_writing()
        self._alive = True

    def send_keepalive_ping(self) -> None:
        """Sends a ping."""
        self._alive = self._reading_paused
        super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        """Ends the connection if no heartbeat has come since the ping."""
        if (self._alive or self._reading_paused) and self.ping_timeout is not None:
            # After reading was paused, time is needed to read what has arrived meanwhile.
            self._alive = self._reading_paused
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
            return
        super().keepalive_timeout()
        # The close frame would wait behind unread bytes, maybe for ever.
        self.transport.abort()

    @property
    def _reading_paused(self) -> bool:
        """Whether the server does not read; a connection that is closing is never read again."""
        return self.read_paused and not self.transport.is_closing()


class Intake(H11Protocol):
    """An HTTP connection that is refused beyond a number, and closed if it sends no request.

    Attributes:
        most_connections: HTTP and WebSocket connections open at once.
        head_s: how long a client may take to send the head of a request.
    """

    most_connections = Limits.connections
    head_s = Limits.head_s
    _head_timer: asyncio.TimerHandle | None = None

    @classmethod
    def limited(cls, limits: Limits) -> type[Intake]:
        """Returns a class with a server's limits; uvicorn makes the connections."""
        values = {"most_connections": limits.connections, "head_s": limits.head_s}
        return type(cls.__name__, (cls,), values)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuses a connection too many; otherwise waits for a request."""
        transport = cast("asyncio.Transport", transport)
        super().connection_made(transport)
        _read_little(transport)
        if len(self.connections) <= self.most_connections:
            self._await_head()
            return
        reason = f"{self.most_connections} connections are open, and no more are allowed"
        body = json.dumps({"error": reason})
        transport.write(TOO_MANY_HEAD.format(len(body)).encode() + body.encode())
        transport.close()

    def data_received(self, data: bytes) -> None:
        """Reads data; then waits for the rest of a request's head, if that is not complete."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._cancel_head()
        elif self._head_timer is None:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no longer."""
        self._cancel_head()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_s, self.transport.close)

    def _cancel_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def _read_little(transport: asyncio.Transport) -> None:
    """Reads at most `MOST_READ_BYTES` at once: a message may have few bytes, and takes time."""
    if hasattr(transport, "max_size"):
        transport.max_size = MOST_READ_BYTES


def listen(host: str, port: int, lost_s: float) -> list[socket.socket]:
    """Opens sockets that listen on every address of a host name.

    Args:
        host: an address of this machine, or a name.
        port: a free port.
        lost_s: how long a connection lives without a heartbeat.

    Raises:
        OutputError: the port is taken, or the address is not this machine's.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a host name"
        raise OutputError(f"{host}: not an address of this machine: {reason}") from error
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    # A name may have one address twice.
    for family, _, _, _, address in dict.fromkeys(addresses):
        try:
            sockets.append(socket.create_server(address, family=family, backlog=BACKLOG))
        except OSError as error:
            # localhost may have an IPv6 address on a machine without IPv6.
            if failure is None or error.errno != errno.EADDRNOTAVAIL:
                failure = error
    if failure is not None and (not sockets or failure.errno != errno.EADDRNOTAVAIL):
        for sock in sockets:
            sock.close()
        raise OutputError(f"{host}, port {port}: cannot listen there: {_reason(failure)}")
    for sock in sockets:
        _keep_alive(sock, lost_s)
    return sockets


def _reason(failure: OSError) -> str:
    if failure.errno == errno.EADDRINUSE:
        return "the port is taken"
    if failure.errno == errno.EADDRNOTAVAIL:
        return "the address is not this machine's"
    return failure.strerror or str(failure)


def _keep_alive(sock: socket.socket, lost_s: float) -> None:
    """Sets the keepalive options, which accepted connections inherit."""
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
        if hasattr(socket, name):  # no system has all of them
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
