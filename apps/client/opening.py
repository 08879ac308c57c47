"""Opens a session of a server."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from soundstage.apps.client.address import Address
from soundstage.apps.client.server_session import SESSION, ServerSession
from soundstage.errors import InputError, UsageError
from soundstage.runners.engine.schedule import Pace


def connect(
    url: str | Sequence[str],
    *,
    token: str | None = None,
    pace: Pace = "realtime",
    buffer_chunks: float | None = None,
    session: str | Path | None = None,
    certificate: str | Path | None = None,
    give_up_s: float = 60.0,
    **controls: Any,
) -> ServerSession:
    """Opens a stream on a server of `soundstage serve`, which goes on if its connection is lost.

        with soundstage.connect("http://127.0.0.1:8080", prompts=["house"], seed=1) as session:
            for chunk in session:
                play(chunk.audio)  # float32 [row, sample, channel]

    Chunks are those of `soundstage.open` with the same pipeline and controls. Needs the extra
    `serve`.

    Args:
        url: the server's address, such as "https://music.example.org:8443", with or without
            `#token=...`; or a list of addresses of servers of the same pipeline, which are tried
            in turn.
        token: the token of all servers; None = that of each URL, or none.
        pace: "realtime": a chunk arrives about as often as it lasts. "fast": as quickly as the
            server can make it beside its realtime streams.
        buffer_chunks: chunks that the server makes ahead of their need; None = one, or as many as
            last 0.2 s. With fewer, changes are heard sooner.
        session: a file of `Session.save` or `ServerSession.save` to go on from.
        certificate: a PEM file of a certificate that would not be trusted otherwise, for https.
        give_up_s: for how many seconds a server that is away or full is tried again; 0 = once.
        **controls: the controls that differ from the pipeline's defaults, or from the session's;
            `prompts` is short for the prompt controls: texts and style vectors, as in
            `soundstage.open`.

    Raises:
        ServerError: a server refuses the token or the stream, or none had a slot for it within
            `give_up_s`.
        ControlError: a control is refused.
        InputError: a URL, the certificate or the session's file cannot be used.
        UsageError: the extra `serve` is not installed, or `give_up_s` is below 0.
    """
    urls = [url] if isinstance(url, str) else list(url)
    if not urls:
        raise InputError("connect needs the address of a server, and got an empty list")
    if not give_up_s >= 0:  # NaN compares false
        raise UsageError(f"give_up_s={give_up_s}: give seconds, 0 or more")
    addresses = [Address.read(one, token, certificate) for one in urls]
    start = {
        "controls": controls,
        "pace": pace,
        "buffer_chunks": buffer_chunks,
        "resumable": True,
        SESSION: None if session is None else _read(session),
    }
    return ServerSession(addresses, start, give_up_s)


def _read(path: str | Path) -> str:
    try:
        return base64.b64encode(Path(path).read_bytes()).decode()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
