"""Music over plain HTTP: a file of some seconds, or an endless stream for any player."""

from __future__ import annotations

import asyncio
import io
import tempfile
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import ExitStack, aclosing, suppress
from typing import Any, BinaryIO, cast

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from soundstage.apps.server.budget import Amount
from soundstage.apps.server.connection import (
    CLIENT_ERRORS,
    CONTINUE,
    SERVER_ERRORS,
    ServerContext,
    reason_of,
)
from soundstage.apps.server.protocols.json_controls import controls_of, is_number
from soundstage.apps.server.protocols.websocket import Refused, read_object
from soundstage.apps.server.telemetry import traced
from soundstage.apps.server.uploads import TEMPORARY
from soundstage.audio.compressed import CompressedEncoder
from soundstage.audio.wav import WavEncoder
from soundstage.audio.writer import SUBTYPES, AudioEncoding
from soundstage.errors import OutputError
from soundstage.files import reporting
from soundstage.graph.control import read_number
from soundstage.graph.format import Format
from soundstage.graph.scalar import scalars
from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.engine.refusals import Full, StreamFailed
from soundstage.runners.fleet.stream import EngineStream
from soundstage.runners.timing.realtime import chunks_ahead

MIME = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".mp3": "audio/mpeg",
}
STREAMED = (".wav", ".ogg", ".mp3")
# The music that is made ahead of what a client has read, as a multiple of what is usual.
TIMES_AHEAD = 2
PART_BYTES = 1 << 16
PROMPT, PROMPTS = "prompt", "prompts"
# Parameters of a query that carry the token.
TOKENS = ("token", "key")


class Spill(io.RawIOBase):
    """A file for an encoder whose bytes are taken away while it is written."""

    def __init__(self) -> None:
        super().__init__()
        self._pending, self._written = bytearray(), 0

    def write(self, data: Any) -> int:
        """Appends bytes."""
        self._pending += data
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        """Returns how many bytes were ever written."""
        return self._written

    def seek(self, offset: int, whence: int = 0) -> int:
        """Stays at the end, for bytes that were taken cannot be written again."""
        return self._written

    def seekable(self) -> bool:
        """Returns False."""
        return False

    def take(self) -> bytes:
        """Returns the bytes written since the last call."""
        data, self._pending = bytes(self._pending), bytearray()
        return data


def open_encoder(
    suffix: str, stream: BinaryIO, format: Format, samples: int | None
) -> AudioEncoding:
    """Returns an encoder that writes to a file.

    Args:
        suffix: one of `MIME`.
        stream: the file.
        format: gives rate and channels.
        samples: how many samples there will be; None = unknown.

    Raises:
        OutputError: the format cannot hold the rate.
    """
    rate_hz, channels = format.sample_rate_hz, format.channels
    if suffix == ".wav":
        return WavEncoder(stream, rate_hz, channels, "PCM_16", {}, samples)
    return CompressedEncoder(stream, suffix, rate_hz, channels, SUBTYPES[suffix][0], {})


async def generate(context: ServerContext, request: Request) -> Response:
    """`POST /generate`: makes an audio file.

    The body is a JSON object with "duration_s", "format", "continue" (the name of an upload that
    the music goes on from), and controls such as "prompts".
    """
    try:
        fields = read_object(await request.body())
        seconds = _seconds(fields.pop("duration_s", 10.0), context.limits.generate_s)
        suffix = _suffix(fields.pop("format", _accepted(request)))
        clip = fields.pop(CONTINUE, None)
        controls = controls_of(fields, context.uploads, context.graph.format)
        state = await context.state_after_clip(clip)
        stream = await context.fleet.join(
            controls, pace="fast", buffer_chunks=_ahead(context), state=state
        )
    except (Full, *CLIENT_ERRORS) as error:
        return refusal(error)
    try:
        file = MadeFile(context.files)
        try:
            telemetry, gone = context.telemetry_of(request.headers), request.is_disconnected
            async with aclosing(traced(stream, telemetry)) as chunks:
                await stream.play()
                await _write(file, context.graph.format, chunks, seconds, suffix, gone)
        except BaseException:
            file.close()
            raise
    except (Full, StreamFailed, OutputError) as error:
        return refusal(error)
    finally:
        await stream.close()
    headers = {
        "content-disposition": f'attachment; filename="soundstage{suffix}"',
        "content-length": str(file.size),
    }
    return StreamingResponse(file.parts(), media_type=MIME[suffix], headers=headers)


class MadeFile:
    """A file that is made and then sent; on disk, for ten minutes of it would be 115 MB in memory.

    Args:
        files: counts it until it is closed or forgotten.

    Raises:
        Full: too many files are made.
        OutputError: the disk refuses it.
    """

    def __init__(self, files: Amount) -> None:
        files.take(1)
        with ExitStack() as opened:
            opened.callback(files.give, 1)
            with reporting(TEMPORARY):
                self.stream: BinaryIO = opened.enter_context(tempfile.TemporaryFile())
            # Also if the client leaves before the response has begun.
            self._finish = weakref.finalize(self, opened.pop_all().close)

    @property
    def size(self) -> int:
        """Its bytes so far."""
        return self.stream.seek(0, io.SEEK_END)

    def close(self) -> None:
        """Deletes it. Idempotent."""
        self._finish()

    async def parts(self) -> AsyncIterator[bytes]:
        """Yields its bytes, and then deletes it."""
        try:
            self.stream.seek(0)
            while part := await asyncio.to_thread(self.stream.read, PART_BYTES):
                yield part
        finally:
            self.close()


async def _write(
    file: MadeFile,
    format: Format,
    chunks: AsyncIterator[EngineChunk],
    seconds: float,
    suffix: str,
    gone: Callable[[], Awaitable[bool]],
) -> None:
    """Makes a file; stops when the client has disconnected.

    Raises:
        StreamFailed: a stage failed.
        OutputError: the disk is full, or the format cannot hold the music.
    """
    left = total = round(seconds * format.sample_rate_hz)
    with reporting(TEMPORARY):
        encoder = open_encoder(suffix, file.stream, format, total)
        async for chunk in chunks:
            # In a thread, for compressing takes the time of many messages.
            await asyncio.to_thread(encoder.write, np.clip(chunk.audio[:left], -1, 1))
            left -= len(chunk.audio[:left])
            if not left or await gone():
                break
        await asyncio.to_thread(encoder.close)
        # What Python has not written yet may not fit on the disk.
        await asyncio.to_thread(file.stream.flush)


async def stream_file(context: ServerContext, request: Request) -> Response:
    """`GET /stream.wav`, `.ogg` or `.mp3`: endless music with the controls of the query.

    `HEAD` is answered alike, and takes no stream.
    """
    suffix = "." + request.path_params["suffix"]
    headers = {"cache-control": "no-store"}
    if request.method == "HEAD":
        return Response(media_type=MIME[suffix], headers=headers)
    try:
        controls = query_controls(request.query_params.multi_items(), scalars(context.graph))
        ahead = _ahead(context)
        stream = await context.fleet.join(controls, pace="realtime", buffer_chunks=ahead)
        await _play_or_close(stream)
    except (Full, *CLIENT_ERRORS) as error:
        return refusal(error)
    chunks = traced(stream, context.telemetry_of(request.headers))
    body = _endless(context.graph.format, stream, chunks, suffix)
    return StreamingResponse(body, media_type=MIME[suffix], headers=headers)


async def _play_or_close(stream: EngineStream) -> None:
    """Plays a stream; closes it if it gets no slot.

    Raises:
        Full: no slot is free.
    """
    try:
        await stream.play()
    except Full:
        await stream.close()
        raise


async def _endless(
    format: Format, stream: EngineStream, chunks: AsyncGenerator[EngineChunk, None], suffix: str
) -> AsyncIterator[bytes]:
    spill = Spill()
    encoder = open_encoder(suffix, cast("BinaryIO", spill), format, None)
    try:
        with suppress(StreamFailed):
            async with aclosing(chunks):
                async for chunk in chunks:
                    await asyncio.to_thread(encoder.write, np.clip(chunk.audio, -1, 1))
                    yield spill.take()
        encoder.close()
        yield spill.take()
    finally:
        await stream.close()


def query_controls(pairs: list[tuple[str, str]], numbers: Collection[str]) -> dict[str, Any]:
    """Returns the controls of a query such as `?prompt=jazz&prompt=dub:0.5&seed=3`.

    Args:
        pairs: names and values of the query.
        numbers: names of the pipeline's scalar controls; the engine checks their values.

    Raises:
        Refused: a name is unknown.
    """
    from soundstage.runners.sessions.prompts import parse_text

    controls: dict[str, Any] = {}
    prompts = []
    for name, text in pairs:
        if name == PROMPT:
            prompt = parse_text(text)
            prompts.append((prompt.text, prompt.weight))
        elif name in numbers:
            controls[name] = read_number(text)
        elif name not in TOKENS:
            known = ", ".join((PROMPT, *numbers))
            raise Refused(f"unknown query parameter {name[:40]!r}; known: {known}", name)
    return controls | ({PROMPTS: prompts} if prompts else {})


def refusal(error: Exception) -> JSONResponse:
    """Returns the response to a request that cannot be answered.

    503 if the server is full, 500 if a stage or the server's disk failed, else 400.
    """
    reason = {"error": reason_of(error)}
    if isinstance(error, Full):
        headers = {"retry-after": str(max(1, round(error.retry_after_s)))}
        return JSONResponse(reason, 503, headers)
    return JSONResponse(reason, 500 if isinstance(error, SERVER_ERRORS) else 400)


def _seconds(value: object, most: float) -> float:
    if not is_number(value):
        raise Refused("duration_s: expected a number", "duration_s")
    if not 0 < value <= most:
        raise Refused(
            f"duration_s: expected more than 0 and at most {most:g}, got {value:g}", "duration_s"
        )
    return float(value)


def _suffix(name: object) -> str:
    suffix = f".{name}".lower()
    if suffix not in MIME:
        known = ", ".join(key[1:] for key in MIME)
        raise Refused(f"format: expected one of {known}, got {str(name)[:40]!r}", "format")
    return suffix


def _accepted(request: Request) -> str:
    """Returns the first format that the client accepts; wav, if there is none."""
    accept = request.headers.get("accept", "")
    names: Mapping[str, str] = {mime: suffix[1:] for suffix, mime in MIME.items()}
    return next((name for mime, name in names.items() if mime in accept), "wav")


def _ahead(context: ServerContext) -> int:
    return TIMES_AHEAD * chunks_ahead(context.graph.format.chunk_s)
