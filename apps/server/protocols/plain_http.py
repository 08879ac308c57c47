"""Music over plain HTTP: a file of some seconds, or a stream that any player opens."""

from __future__ import annotations

import io
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, cast

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from soundstage.apps.server.connection import CONTINUE, FAULTS, ServerContext
from soundstage.apps.server.protocols.json_controls import controls_of
from soundstage.apps.server.protocols.websocket import Refused, read_object
from soundstage.audio.compressed import CompressedEncoder
from soundstage.audio.wav import WavEncoder
from soundstage.audio.writer import AudioEncoding
from soundstage.graph.control import read_number
from soundstage.graph.format import Format
from soundstage.graph.scalar import scalars
from soundstage.runners.engine.refusals import Full, StreamFailed
from soundstage.runners.engine.stream import EngineStream

MIME = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".mp3": "audio/mpeg",
}
STREAMED = (".wav", ".ogg", ".mp3")
# Chunks a player may have in its pipe before the music waits for it.
AHEAD_CHUNKS = 2
PROMPT, PROMPTS = "prompt", "prompts"
# Words of a query that let a client in.
TOKENS = ("token", "key")


class Spill(io.RawIOBase):
    """A file that only grows, and whose bytes are taken away while it does."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting, self._written = bytearray(), 0

    def write(self, data: Any) -> int:
        """Appends."""
        self._waiting += data
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        """How much was ever written."""
        return self._written

    def seek(self, offset: int, whence: int = 0) -> int:
        """Stays at the end: what is gone cannot be written again."""
        return self._written

    def seekable(self) -> bool:
        """Never."""
        return False

    def take(self) -> bytes:
        """What was written since the last call."""
        found, self._waiting = bytes(self._waiting), bytearray()
        return found


def open_encoder(
    suffix: str, stream: BinaryIO, format: Format, samples: int | None
) -> AudioEncoding:
    """An encoder into a file.

    Args:
        suffix: of `MIME`.
        stream: where to.
        format: gives rate and channels.
        samples: how many there will be; None = nobody knows.

    Raises:
        OutputError: the format cannot hold the rate.
    """
    rate_hz, channels = format.sample_rate_hz, format.channels
    if suffix == ".wav":
        return WavEncoder(stream, rate_hz, channels, "pcm16", {}, samples)
    return CompressedEncoder(stream, suffix, rate_hz, channels, "pcm16", {})


async def generate(desk: ServerContext, request: Request) -> Response:
    """`POST /generate`: a JSON object in, an audio file out.

    The object has "prompts" or any other control, "duration_s" and "format", and "continue", the
    name of an upload to go on from.
    """
    try:
        asked = read_object(await request.body())
        seconds = _seconds(asked.pop("duration_s", 10.0), desk.limits.generate_s)
        suffix = _suffix(asked.pop("format", _accepted(request)))
        clip = asked.pop(CONTINUE, None)
        controls = controls_of(asked, desk.uploads, desk.graph.format)
        state = await desk.continued(clip)
        stream = await desk.engine.join(
            controls, pace="fast", buffer_chunks=AHEAD_CHUNKS, state=state
        )
    except (Full, *FAULTS) as error:
        return refusal(error)
    try:
        data = await _file(desk.graph.format, stream, seconds, suffix, request.is_disconnected)
    except StreamFailed as error:
        return JSONResponse({"error": error.reason}, 500)
    finally:
        await stream.close()
    name = f'attachment; filename="soundstage{suffix}"'
    return Response(data, media_type=MIME[suffix], headers={"content-disposition": name})


async def _file(
    format: Format,
    stream: EngineStream,
    seconds: float,
    suffix: str,
    gone: Callable[[], Awaitable[bool]],
) -> bytes:
    """Makes a file; nothing more is made once nobody waits for it."""
    total = round(seconds * format.sample_rate_hz)
    file, left = io.BytesIO(), total
    encoder = open_encoder(suffix, file, format, total)
    stream.play()
    async for made in stream:
        encoder.write(np.clip(made.audio[:left], -1, 1))
        left -= len(made.audio[:left])
        if not left or await gone():
            break
    encoder.close()
    return file.getvalue()


async def listen(desk: ServerContext, request: Request) -> Response:
    """`GET /stream.wav`, `.ogg` or `.mp3`: music without end; the query steers its start."""
    suffix = "." + request.path_params["suffix"]
    try:
        controls = query_controls(request.query_params.multi_items(), scalars(desk.graph))
        stream = await desk.engine.join(controls, pace="realtime", buffer_chunks=AHEAD_CHUNKS)
    except (Full, *FAULTS) as error:
        return refusal(error)
    headers = {"cache-control": "no-store"}
    body = _endless(desk.graph.format, stream, suffix)
    return StreamingResponse(body, media_type=MIME[suffix], headers=headers)


async def _endless(format: Format, stream: EngineStream, suffix: str) -> AsyncIterator[bytes]:
    spill = Spill()
    encoder = open_encoder(suffix, cast("BinaryIO", spill), format, None)
    try:
        stream.play()
        with suppress(StreamFailed):
            async for made in stream:
                encoder.write(np.clip(made.audio, -1, 1))
                yield spill.take()
        encoder.close()
        yield spill.take()
    finally:
        await stream.close()


def query_controls(pairs: list[tuple[str, str]], numbers: Collection[str]) -> dict[str, Any]:
    """The controls of a query such as `?prompt=jazz&prompt=dub:0.5&seed=3`.

    Args:
        pairs: names and values of the query.
        numbers: names of the pipeline's scalar controls; the engine checks their values.

    Raises:
        Refused: a name is unknown.
    """
    from soundstage.runners.sessions.prompts import parse_text

    found: dict[str, Any] = {}
    prompts = []
    for name, text in pairs:
        if name == PROMPT:
            prompt = parse_text(text)
            prompts.append((prompt.text, prompt.weight))
        elif name in numbers:
            found[name] = read_number(text)
        elif name not in TOKENS:
            known = ", ".join((PROMPT, *numbers))
            raise Refused(f"{name[:40]!r} is unknown here; known: {known}", name)
    return found | ({PROMPTS: prompts} if prompts else {})


def refusal(error: Exception) -> JSONResponse:
    """A refusal as an answer: 503 if it is full, else 400."""
    if isinstance(error, Full):
        headers = {"retry-after": str(max(1, round(error.retry_after_s)))}
        return JSONResponse({"error": error.reason}, 503, headers)
    return JSONResponse({"error": str(error)}, 400)


def _seconds(value: object, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Refused("duration_s is a number", "duration_s")
    if not 0 < value <= most:
        raise Refused(f"duration_s is above 0 and at most {most:g}", "duration_s")
    return float(value)


def _suffix(name: object) -> str:
    suffix = f".{name}".lower()
    if suffix not in MIME:
        known = ", ".join(key[1:] for key in MIME)
        raise Refused(f"format is one of {known}", "format")
    return suffix


def _accepted(request: Request) -> str:
    wanted = request.headers.get("accept", "")
    names: Mapping[str, str] = {mime: suffix[1:] for suffix, mime in MIME.items()}
    return next((name for mime, name in names.items() if mime in wanted), "wav")
