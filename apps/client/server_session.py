"""A stream of music from a server, with the interface of a session."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from soundstage.apps.client.address import Address
from soundstage.apps.client.attempts import Attempts, Lost
from soundstage.apps.client.changes import Changes
from soundstage.apps.client.values import message_of, values_of
from soundstage.errors import Error, ServerError, UsageError
from soundstage.files import replacing, reporting
from soundstage.graph.control import ControlError
from soundstage.runners.engine.session_token import unpack
from soundstage.runners.lifetime import Lifetime

if TYPE_CHECKING:
    from soundstage.apps.client.link import ServerLink

SESSION = "session"


@dataclass(frozen=True)
class ServerChunk:
    """A chunk of music from a server.

    Attributes:
        chunk: its index in the music, from 0.
        audio: float32 `[row, sample, channel]`, of one row, 1.0 = full scale; read-only.
        sample_rate: samples per second and channel, in Hz.
        slack_s: how many seconds before it is needed the server had made it; below 0 = late; None =
            the first chunk, or pace "fast".
        seconds: wall time by stage, in seconds.
        not_understood: of the one row, by text prompt, its words that the pipeline does not
            understand, with commas between.
    """

    chunk: int
    audio: np.ndarray = field(repr=False)
    sample_rate: int
    slack_s: float | None
    seconds: Mapping[str, float] = field(repr=False)
    not_understood: tuple[Mapping[str, str], ...]


class ServerSession:
    """A stream of music from a server, chunk by chunk with the current controls.

    Iterating receives chunks without end, as the server makes them; in an event loop, `async for
    chunk in session` does the same on a thread of its own. The first `next` takes a slot of the
    server. A session that is not read for half a minute loses its connection, and goes on when it
    is read again.

    Each chunk comes with the state after it. If the connection or the server is lost, the next
    `next` connects again, to the same server or to another one of the same pipeline, and goes on
    after the last chunk that arrived: the bytes are those of a stream without a break. Changes that
    no chunk has yet are sent again.

    All methods may be called from any thread; one at a time reads chunks. Every method but `close`
    raises `SessionClosed` after `close`. An error leaves the session as it was: the next call
    tries again.
    """

    def __init__(
        self, addresses: Sequence[Address], start: Mapping[str, Any], give_up_s: float
    ) -> None:
        """Connects; `soundstage.connect` calls this."""
        self._lifetime = Lifetime("session")
        self._addresses, self._start = addresses, dict(start)
        self._attempts = Attempts(give_up_s, len(addresses))
        self._tried = 0
        # What `_news` guards: one thread at a time receives, for all that wait.
        self._news = threading.Condition()
        self._receiving = False
        self._link: ServerLink | None = None
        self._ready: Mapping[str, Any] = {}
        self._playing = False
        self._begun = False  # whether a chunk has arrived
        self._chunks: deque[ServerChunk] = deque()
        self._changes = Changes()
        self._receive_until(lambda: self._link is not None)

    @property
    def pipeline(self) -> str:
        """The name of the server's pipeline."""
        return str(self._ready["pipeline"])

    @property
    def sample_rate(self) -> int:
        """Audio samples per second and channel, in Hz."""
        return int(self._ready["format"]["sample_rate_hz"])

    def __iter__(self) -> ServerSession:
        self._lifetime.check()
        return self

    def __next__(self) -> ServerChunk:
        """Waits for the next chunk; connects again if need be.

        Raises:
            ServerError: the server refuses the stream or has ended it, or no server had a slot for
                it within `give_up_s`.
        """
        self._wait_for_chunk()
        return self._chunks.popleft()

    def __aiter__(self) -> ServerSession:
        self._lifetime.check()
        return self

    async def __anext__(self) -> ServerChunk:
        """Waits for the next chunk while the event loop runs on.

        A chunk that arrives after its wait was cancelled is that of the next wait.

        Raises:
            ServerError: as `next`.
        """
        await asyncio.to_thread(self._wait_for_chunk)
        return self._chunks.popleft()

    def steer(self, **controls: Any) -> None:
        """Changes controls from the next chunk on that the server begins.

        It waits for the server's answer. Chunks that are made already are heard first: see
        `buffer_chunks` of `soundstage.connect`.

        Args:
            **controls: new values by name; "prompts" is short for the prompt controls.

        Raises:
            ControlError: a value is refused; no control has changed.
            ServerError: as `next`; no control has changed.
        """
        self._lifetime.check()
        values = values_of(controls, self._ready["controls"])
        with self._news:
            change = self._changes.add(message_of("steer", controls=values))
            if self._link is not None:
                with suppress(Lost):  # it is sent again with the next connection
                    self._link.send(change.message)
        self._receive_until(change.answer.done)
        change.answer.result()

    def pause(self) -> None:
        """Lets the server make no more chunks, and frees the slot, until the next `next`."""
        self._lifetime.check()
        with self._news:
            self._playing = False
            if self._link is not None:
                with suppress(Lost):
                    self._link.send(message_of("pause"))

    def save(self, path: str | Path) -> None:
        """Saves the session after the last chunk that arrived, with the controls of that chunk.

        `soundstage.resume` and `soundstage.connect` open the file.

        Args:
            path: the file; an old one is replaced.

        Raises:
            UsageError: no chunk has arrived yet, or its state is too large to come with it.
            OutputError: the file cannot be written.
        """
        self._lifetime.check()
        session = self._start[SESSION]
        if session is None:
            raise UsageError(
                f"{path}: there is nothing to save: no chunk has arrived, or the stream's state or "
                "audio prompts are too large to be sent with each chunk"
            )
        with replacing(path) as file, reporting(path):
            file.write(unpack(base64.b64decode(session)))

    def close(self) -> None:
        """Ends the stream and frees its slot. Idempotent."""
        if self._lifetime.forked:
            return
        self._lifetime.closed = True
        self._attempts.stop()
        self._hang_up()

    def __enter__(self) -> ServerSession:
        self._lifetime.check()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _wait_for_chunk(self) -> None:
        self._lifetime.check()
        with self._news:
            if not self._playing:
                self._playing = True
                if self._link is not None:
                    with suppress(Lost):
                        self._link.send(message_of("play"))
        self._receive_until(lambda: bool(self._chunks))

    def _receive_until(self, done: Callable[[], bool]) -> None:
        """Receives what the server sends until `done`; another thread may do it meanwhile."""
        while True:
            with self._news:
                self._news.wait_for(lambda: not self._receiving or done())
                if done():
                    return
                self._lifetime.check()
                self._receiving = True
            try:
                self._step()
            except Error as error:
                self._hang_up()
                with self._news:
                    self._changes.drop(error)
                raise
            finally:
                if self._lifetime.closed:  # while it connected
                    self._hang_up()
                with self._news:
                    self._receiving = False
                    self._news.notify_all()

    def _step(self) -> None:
        """Connects if there is no connection; otherwise receives one message."""
        try:
            if self._link is None:
                self._begin()
            else:
                self._hear(self._link.receive())
        except Lost as lost:
            self._hang_up()
            self._tried += 1
            self._attempts.fail(lost)

    def _begin(self) -> None:
        """Connects, starts the stream where it was, and sends the changes that no chunk has."""
        if self._begun and self._start[SESSION] is None:
            raise ServerError(
                "the connection is lost, and the stream cannot go on: its state, or its audio "
                "prompts, are too large to come with each chunk; prompts may be style vectors"
            )
        link = _link_to(self._address)
        try:
            self._ready = link.ready
            controls = values_of(self._start["controls"], link.ready["controls"])
            link.send(message_of("start", **{**self._start, "controls": controls}))
            answer = link.receive()
            if answer["type"] != "started":
                self._refuse(answer)
            with self._news:
                for changed in self._changes.messages():
                    link.send(changed)
                if self._playing:
                    link.send(message_of("play"))
                else:
                    self._attempts.succeed()
                self._link = link
        except BaseException:
            link.close()
            raise

    def _hear(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "chunk":
            self._take(message)
        elif message["type"] == "steered":
            self._changes.accept(message["steer"])
        elif message["type"] == "refused" and message["of"] == "steer":
            self._changes.refuse(message["reason"])
        elif message["type"] in ("full", "refused", "failed"):
            self._refuse(message)

    def _take(self, message: Mapping[str, Any]) -> None:
        """Keeps a chunk, and the state after it; it includes some of the changes."""
        audio = message["audio"][None]
        audio.flags.writeable = False
        self._start |= {SESSION: message[SESSION], "controls": {}}
        self._begun = True
        with self._news:
            self._changes.hear(message["steer"])
        self._attempts.succeed()
        self._chunks.append(
            ServerChunk(
                message["chunk"],
                audio,
                self.sample_rate,
                message["slack_s"],
                message["seconds"],
                (message["not_understood"],),
            )
        )

    @property
    def _address(self) -> Address:
        """The server that is tried now."""
        return self._addresses[self._tried % len(self._addresses)]

    def _refuse(self, message: Mapping[str, Any]) -> NoReturn:
        """Raises what the server's answer means.

        Raises:
            Lost: no slot is free.
            ControlError: a control of the start is refused.
            ServerError: the stream is refused, or has ended.
        """
        url = self._address.url
        reason = message.get("reason", f"an unknown answer: {message['type']}")
        if message["type"] == "full":
            raise Lost(f"{url}: full: {reason}", message["retry_after_s"])
        if message["type"] == "refused" and self._start[SESSION] is None:
            raise ControlError(reason)
        raise ServerError(f"{url}: {message['type']}: {reason}")

    def _hang_up(self) -> None:
        with self._news:
            link, self._link = self._link, None
        if link is not None:
            link.close()


def _link_to(address: Address) -> ServerLink:
    try:
        from soundstage.apps.client.link import ServerLink
    except ModuleNotFoundError as error:
        raise UsageError(
            f"connect needs {error.name}, which is not installed: in soundstage's source folder, "
            "run pip install '.[serve]'"
        ) from error
    return ServerLink(address)
