"""Where a client finds a server: its URL as people give it, the token and the certificate."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from soundstage.errors import InputError

PATH = "/ws/stream"
SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


@dataclass(frozen=True)
class Address:
    """The address of a server.

    Attributes:
        url: ws:// or wss://, with the path of soundstage's own protocol.
        token: the server's token; None = it needs none.
        trust: the certificates that are trusted; None = the URL is a ws:// URL.
    """

    url: str
    token: str | None
    trust: ssl.SSLContext | None

    @classmethod
    def read(cls, url: str, token: str | None, certificate: str | Path | None) -> Address:
        """Reads a URL: that of the page, with or without `#token=...`, or that of the WebSocket.

        Raises:
            InputError: it is no such URL, or the certificate cannot be used.
        """
        try:
            parts = urlsplit(url)
            usable = parts.scheme in SCHEMES and parts.hostname and (parts.port or True)
        except ValueError:
            usable = False
        if not usable:
            raise InputError(f"{url!r} is no server: give a URL such as http://127.0.0.1:8080")
        path = PATH if parts.path in ("", "/") else parts.path
        token = token or parse_qs(parts.fragment).get("token", [None])[0]
        scheme = SCHEMES[parts.scheme]
        trust = _trust(certificate) if scheme == "wss" else None
        query = f"?{parts.query}" if parts.query else ""
        return cls(f"{scheme}://{parts.netloc}{path}{query}", token, trust)


def _trust(certificate: str | Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=certificate)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or error
        raise InputError(f"{certificate}: cannot be used as a certificate: {reason}") from error
