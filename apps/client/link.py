"""One connection to a server, in soundstage's own protocol."""

from __future__ import annotations

import json
import ssl
from contextlib import ExitStack
from typing import Any, NoReturn

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import CloseCode
from websockets.sync.client import connect

from soundstage.apps.client.address import Address
from soundstage.apps.client.attempts import Lost
from soundstage.apps.server.protocols.frames import read_chunk_frame
from soundstage.errors import ServerError

VERSION = 1
# The answer to a close frame has no consequence, and may be behind chunks that nobody reads.
OPEN_TIMEOUT_S, CLOSE_TIMEOUT_S = 10.0, 0.1
# A connection is lost if a ping is not answered.
PING_S = 10.0
# The server closes with these for what the client is or sends: another attempt would fail, too.
# 4401: wrong token; 4403: a name or an origin that is refused; 4429: too many messages.
FINAL = {CloseCode.INVALID_DATA, CloseCode.MESSAGE_TOO_BIG, 4401, 4403, 4429}
CLIENT_ERRORS = range(400, 500)


class ServerLink:
    """A connection to a server that has introduced itself.

    Attributes:
        ready: its first message (docs/protocol.md).
    """

    def __init__(self, address: Address) -> None:
        """Connects.

        Raises:
            Lost: the server cannot be reached; it may be tried again.
            ServerError: it refuses the client, or is no soundstage server.
        """
        self._url = address.url
        self._open = ExitStack()
        headers = {} if address.token is None else {"Authorization": f"Bearer {address.token}"}
        try:
            self._socket = self._open.enter_context(
                connect(
                    address.url,
                    ssl=address.trust,
                    additional_headers=headers,
                    compression=None,
                    max_size=None,
                    open_timeout=OPEN_TIMEOUT_S,
                    ping_interval=PING_S,
                    ping_timeout=PING_S,
                    close_timeout=CLOSE_TIMEOUT_S,
                )
            )
        except InvalidStatus as error:
            self._refuse(error)
        except ssl.SSLCertVerificationError as error:
            cure = "give its certificate as `certificate`"
            raise ServerError(f"{self._url}: {error.verify_message}: {cure}") from error
        except (OSError, WebSocketException) as error:
            raise Lost(f"{self._url}: cannot be reached: {error}") from error
        try:
            self.ready = self.receive()
            if (self.ready["type"], self.ready.get("protocol")) != ("ready", VERSION):
                found = f"protocol {self.ready.get('protocol')!r}"
                raise ServerError(f"{self._url}: speaks {found}, and this client {VERSION}")
        except BaseException:
            self.close()
            raise

    def send(self, message: str) -> None:
        """Sends a message.

        Raises:
            Lost: the connection is lost.
        """
        try:
            self._socket.send(message)
        except (ConnectionClosed, OSError) as error:
            raise Lost(f"{self._url}: the connection is lost: {error}") from error

    def receive(self) -> dict[str, Any]:
        """Waits for the next message; that of a chunk has its samples as `audio`.

        Raises:
            Lost: the connection is lost.
            ServerError: the server has closed it for what this client is or has sent, or is no
                soundstage server.
        """
        try:
            message = json.loads(self._socket.recv())
            if message["type"] == "chunk":
                message["audio"] = read_chunk_frame(self._socket.recv(decode=False))
        except ConnectionClosed as error:
            frame = error.rcvd
            if frame is not None and frame.code in FINAL:
                raise ServerError(f"{self._url}: {frame.reason or error}") from error
            raise Lost(f"{self._url}: the connection is lost: {error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ServerError(f"{self._url}: is no soundstage server: {error}") from error
        assert isinstance(message, dict)
        return message

    def close(self) -> None:
        """Closes the connection. Idempotent."""
        self._open.close()

    def _refuse(self, error: InvalidStatus) -> NoReturn:
        """Refuses an answer without a WebSocket; a proxy whose server is away may be asked again.

        Raises:
            Lost: the server is away.
            ServerError: it is no soundstage server.
        """
        status = error.response.status_code
        if status in CLIENT_ERRORS:
            raise ServerError(f"{self._url}: is no soundstage server: HTTP {status}") from error
        raise Lost(f"{self._url}: HTTP {status}") from error
