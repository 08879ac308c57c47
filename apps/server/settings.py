"""A server's settings: where it listens, which requests it accepts, and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from soundstage.errors import UsageError

# A host that stands for every address of the machine, and the address that reaches it from here.
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True)
class Limits:
    """The limits of a server.

    Attributes:
        message_bytes: the largest message of a WebSocket, whose state is not large (see
            `ServerContext.message_bytes`).
        upload_bytes: the largest body of an upload; other bodies are at most `message_bytes`.
        uploads: audio files kept at once; another one replaces the oldest.
        kept_bytes: the most bytes of decoded uploads that are kept; likewise.
        transfer_bytes: bytes of uploads, files and sessions that are in transfer at once.
        files: files of `POST /generate` that are made or sent at once.
        waiting: requests that wait for one thing at once, such as an upload to be read.
        connections: HTTP and WebSocket connections open at once, with or without a request.
        head_s: how long a client may take to send the head of a request.
        sockets: WebSockets open at once, with or without a stream.
        messages_per_s: the most messages of one WebSocket, over ten seconds; more end it.
        idle_s: how long a WebSocket may be open without a stream and without a message.
        lost_s: how long a client may send no heartbeat, or leave data unread, before it is
            disconnected; the server pings a WebSocket every half of that.
        loop_share: the part of a processor that the messages of one WebSocket may take from the
            event loop in the long run; a client that takes more is disconnected.
        server_loop_share: the same for all WebSockets together.
        generate_s: the longest music of one `POST /generate`.
    """

    message_bytes: int = 256 * 1024
    upload_bytes: int = 32 * 1024 * 1024
    uploads: int = 64
    kept_bytes: int = 256 * 1024 * 1024
    transfer_bytes: int = 256 * 1024 * 1024
    files: int = 8
    waiting: int = 8
    connections: int = 512
    head_s: float = 20.0
    loop_share: float = 0.1
    server_loop_share: float = 0.5
    sockets: int = 256
    messages_per_s: float = 100.0
    idle_s: float = 60.0
    lost_s: float = 40.0
    generate_s: float = 600.0


@dataclass(frozen=True)
class ServeSettings:
    """Where a server listens and which requests it accepts.

    Attributes:
        host: an address of this machine.
        port: a free port; 0 = any.
        token: the secret that every request must carry; None = none is needed.
        origins: origins of other servers' pages that may connect, such as "https://example.org".
        allowed_hosts: names by which clients may address the server, besides its addresses, `host`
            and the name of this machine; not checked if there is a token.
        tls_cert: a certificate chain in PEM; needs `tls_key`.
        tls_key: the private key of the certificate, in PEM.
        insecure: allow other machines to connect without a token.
        drain_s: how long open streams may go on after SIGTERM.
        limits: the limits.

    Raises:
        UsageError: the settings exclude each other, or are not safe.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False
    drain_s: float = 30.0
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise UsageError("--tls-cert and --tls-key need each other: give both or neither")
        if self.token is not None and len(self.token) < 8:
            raise UsageError(
                f"--token: {len(self.token)} characters are too easy to guess; give at least 8"
            )
        if not self.loopback and self.token is None and not self.insecure:
            raise UsageError(
                f"--host {self.host} can be reached from other machines: give a --token, or "
                "--insecure to serve without one"
            )

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def address(self) -> str:
        """The URL of the page, on this machine if the server listens on every address."""
        scheme = "http" if self.tls_cert is None else "https"
        host = EVERY_ADDRESS.get(self.host, self.host)
        host = f"[{host}]" if ":" in host else host
        return f"{scheme}://{host}:{self.port}/"
