"""What a server is told: where it listens, whom it lets in, and how much it takes."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from soundstage.errors import UsageError


@dataclass(frozen=True)
class Limits:
    """How much of everything a server takes.

    Attributes:
        message_bytes: of one message of a WebSocket.
        upload_bytes: of one audio file or saved session.
        uploads: audio files kept at once; the oldest goes when one more comes.
        sockets: WebSockets open at once, those that wait for a place included.
        messages_per_s: of one WebSocket, over ten seconds; more than that ends it.
        idle_s: how long a socket may take to say "start".
        lost_s: how long a listener may give no sign of life, or leave in its pipe what was sent,
            before it counts as gone; a WebSocket is asked for one every half of that.
        generate_s: seconds of music of one `POST /generate`.
    """

    message_bytes: int = 256 * 1024
    upload_bytes: int = 32 * 1024 * 1024
    uploads: int = 64
    sockets: int = 256
    messages_per_s: float = 100.0
    idle_s: float = 60.0
    lost_s: float = 40.0
    generate_s: float = 600.0


@dataclass(frozen=True)
class ServeSettings:
    """Where a server listens and whom it lets in.

    Attributes:
        host: an address of this machine.
        port: a free port; 0 = any.
        token: what every request must carry; None = nothing.
        origins: pages of other servers that may connect, such as "https://example.org".
        tls_cert: a certificate chain in PEM; with it, `tls_key`.
        tls_key: its key.
        insecure: listen beyond this machine although no token is asked for.
        drain_s: how long those who listen may go on when the server is to end.
        limits: how much it takes.

    Raises:
        UsageError: the settings do not go together, or are not safe.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    origins: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False
    drain_s: float = 30.0
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise UsageError("--tls-cert and --tls-key go together")
        if self.token is not None and len(self.token) < 8:
            raise UsageError("a token shorter than 8 characters keeps nobody out")
        if not self.loopback and self.token is None and not self.insecure:
            raise UsageError(
                f"{self.host} can be reached from other machines: give a --token, or --insecure "
                "to let everybody in"
            )

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def address(self) -> str:
        """Where people find it."""
        scheme = "http" if self.tls_cert is None else "https"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}/"
