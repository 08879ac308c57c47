"""Clients that send little and ask for much, for `client_costs.py` and `soak.py`.

Each attack is a function of an `Attacker`, which counts the bytes that it sends and keeps the last
answer. The server under attack should refuse in words, keep its memory, and go on answering.
"""

import base64
import contextlib
import functools
import http.client
import io
import json
import socket
import struct
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import soundfile
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

TIMEOUT_S = 60.0
OWN, DEMO = "/ws/stream", "/stream"


class Attacker:
    """Connections to one server, all closed in the end.

    Args:
        port: the server's, on this machine.
        size: how large the attack is, 1 = in full.

    Attributes:
        sent_bytes: what was sent, without the overhead of TCP.
        answer: the last answer, in words.
    """

    def __init__(self, port: int, size: float = 1.0) -> None:
        self._port, self._size = port, size
        self._open = contextlib.ExitStack()
        self.sent_bytes, self.answer = 0, ""

    def close(self) -> None:
        """Closes all connections."""
        self._open.close()

    def times(self, count: int) -> range:
        """Returns a range of so many, or fewer if the attack is small; at least one."""
        return range(max(1, round(count * self._size)))

    def tcp(self, data: bytes = b"") -> socket.socket:
        """Opens a TCP connection, which stays open, and sends bytes."""
        sock = socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT_S)
        self._open.callback(sock.close)
        self.send_raw(sock, data)
        return sock

    def send_raw(self, sock: socket.socket, data: bytes) -> None:
        """Sends bytes."""
        sock.sendall(data)
        self.sent_bytes += len(data)

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
        """Makes a request; returns the body of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        try:
            self.sent_bytes += len(body) + 100
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            data = response.read()
            self.answer = f"{response.status} {data[:150].decode(errors='replace')}"
            return data
        finally:
            connection.close()

    def websocket(self, path: str = OWN) -> ClientConnection:
        """Opens a WebSocket, which stays open."""
        address = f"ws://127.0.0.1:{self._port}{path}"
        options = {"max_size": None, "max_queue": 4, "open_timeout": TIMEOUT_S}
        sock = connect(address, ping_interval=None, legacy=True, **options)
        self._open.callback(sock.socket.close)
        self.sent_bytes += 200
        return sock

    def say(self, sock: ClientConnection, **message: object) -> None:
        """Sends a JSON object."""
        self.send(sock, json.dumps(message))

    def send(self, sock: ClientConnection, data: str | bytes) -> None:
        """Sends one message."""
        self.sent_bytes += len(data) + 8
        sock.send(data)

    def hear(self, sock: ClientConnection, count: int = 1) -> dict[str, object]:
        """Returns the last of so many JSON messages; keeps what was refused."""
        message: dict[str, object] = {}
        while count:
            data = sock.recv(timeout=TIMEOUT_S)
            if isinstance(data, str):
                message, count = json.loads(data), count - 1
        if "reason" in message:
            self.answer = f"{message['type']}: {message['reason']}"
        return message

    def started(self, **fields: object) -> ClientConnection:
        """Opens a WebSocket and starts a stream."""
        sock = self.websocket()
        self.say(sock, **({"type": "start", "pace": "fast"} | fields))
        self.hear(sock, 2)
        return sock

    def upload(self, seconds: float = 100.0) -> str:
        """Uploads a quiet tone; returns the upload's name."""
        data = self.request("POST", "/uploads", flac(1, 16_000, seconds))
        return str(json.loads(data).get("upload", ""))

    @contextlib.contextmanager
    def until_closed(self) -> Iterator[None]:
        """Keeps the reason with which the server closes a connection."""
        try:
            yield
        except ConnectionClosed as error:
            close = error.rcvd
            self.answer = "cut" if close is None else f"closed {close.code}: {close.reason}"
        except (OSError, WebSocketException) as error:
            self.answer = self.answer or f"cut: {type(error).__name__}"


@functools.cache
def flac(channels: int, rate_hz: int, seconds: float) -> bytes:
    """Returns a FLAC file of a constant, which is small and decodes to much."""
    samples = np.full((round(rate_hz * seconds), channels), 0.1, np.float32)
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="FLAC")
    return file.getvalue()


def packed_session(attacker: Attacker) -> None:
    """A saved session whose buffers unpack to 900 MB."""
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    sink = pa.BufferOutputStream()
    column = pa.array(np.zeros(112_500 * len(attacker.times(1_000)), np.int64))
    schema = pa.schema([("x", column.type)], {b"pipeline": b"toy"})
    with pa.ipc.new_stream(sink, schema, options=options) as writer:
        writer.write_batch(pa.record_batch([column], schema))
    sock = attacker.websocket()
    data = base64.b64encode(sink.getvalue().to_pybytes()).decode()
    attacker.say(sock, type="start", session=data)
    attacker.hear(sock, 2)


def repeated_uploads(attacker: Attacker) -> None:
    """One upload named 400 times in one start."""
    name = attacker.upload()
    sock = attacker.websocket()
    attacker.say(sock, type="start", controls={"clips": [name] * 400})
    attacker.hear(sock, 2)


def changing_clips(attacker: Attacker) -> None:
    """Streams whose many clips change before every chunk, which are not read."""
    names = [attacker.upload() for _ in attacker.times(3)]
    with attacker.until_closed():
        for _ in attacker.times(8):
            sock = attacker.started(buffer_chunks=60, controls={"clips": names})
            attacker.say(sock, type="play")
            for number in attacker.times(60):
                weights = [1.0 + number] + [1.0] * (len(names) - 1)
                attacker.say(sock, type="steer", controls={"clips": names, "clip_weights": weights})


def saved_clips(attacker: Attacker) -> None:
    """Saves of a session with clips, none of which is read."""
    names = [attacker.upload() for _ in attacker.times(3)]
    with attacker.until_closed():
        for _ in attacker.times(20):
            sock = attacker.started(controls={"clips": names})
            for _ in attacker.times(30):
                attacker.say(sock, type="save")
        attacker.hear(sock)


def chunks_ahead(attacker: Attacker) -> None:
    """Streams with 60 chunks made ahead, which are not read."""
    with attacker.until_closed():
        for _ in attacker.times(40):
            sock = attacker.started(buffer_chunks=60)
            attacker.say(sock, type="play")


def long_files(attacker: Attacker) -> None:
    """Requests for ten minutes of music, whose answers are not read."""
    body = json.dumps({"duration_s": 600}).encode()
    head = f"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    for _ in attacker.times(40):
        attacker.tcp(head.encode() + body)
    attacker.request("POST", "/generate", body)


def large_json(attacker: Attacker) -> None:
    """A body of 30 MB of empty lists, where a few controls are expected."""
    lists = b"[]," * (10_000 * len(attacker.times(1_000)))
    attacker.request("POST", "/generate", b"[" + lists + b"[]]")


def many_objects(attacker: Attacker) -> None:
    """Messages of 250 kB of small objects."""
    sock = attacker.websocket()
    text = '{"type": "steer", "controls": {"texts": [' + "{}," * 80_000 + "{}]}}"
    with attacker.until_closed():
        for _ in attacker.times(300):
            attacker.send(sock, text)
            attacker.hear(sock)


def long_names(attacker: Attacker) -> None:
    """Messages with a name of 250 kB."""
    sock = attacker.websocket()
    with attacker.until_closed():
        for _ in attacker.times(300):
            attacker.say(sock, type="start", controls={"x" * 250_000: 1})
            attacker.hear(sock)


def long_prompts(attacker: Attacker) -> None:
    """Up to 64 prompts of 2000 letters each, changed ten times."""
    with attacker.until_closed():
        sock = attacker.started()
        attacker.say(sock, type="play")
        for number in attacker.times(10):
            texts = [f"{number} {place} " + "qzj vxk " * 240 for place in range(64)]
            weights = [1.0] * len(texts)
            attacker.say(sock, type="steer", controls={"texts": texts, "text_weights": weights})
            attacker.hear(sock)


def low_rates(attacker: Attacker) -> None:
    """Live input at 1 kHz in messages of 250 kB, which would be 128 s each."""
    with attacker.until_closed():
        sock = attacker.started()
        header = struct.pack("<4s3I", b"shin", 1, 1_000, 1)
        for _ in attacker.times(300):
            attacker.send(sock, header + bytes(250_000))


def odd_rates(attacker: Attacker) -> None:
    """Short live input, each message at another rate."""
    with attacker.until_closed():
        sock = attacker.started()
        for number in attacker.times(3_000):
            header = struct.pack("<4s3I", b"shin", 1, 700_001 + number, 2)
            attacker.send(sock, header + bytes(400))


def odd_styles(attacker: Attacker) -> None:
    """Styles that are no blend of known ones, again and again."""
    for number in attacker.times(20):
        attacker.request("POST", "/style", f"text {number}".encode())
    with attacker.until_closed():
        for number in attacker.times(100):
            sock = attacker.websocket(DEMO)
            attacker.say(sock, type="StartSession", body={})
            style = np.random.default_rng(number).random(768).tolist()
            attacker.say(sock, type="UpdateControl", body={"style": style})
            sock.recv(timeout=TIMEOUT_S)


def upgraded(attacker: Attacker, extra: str = "") -> socket.socket:
    """Returns a TCP connection after the handshake of a WebSocket."""
    sock = attacker.tcp(
        (
            f"GET {OWN} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n{extra}"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()
    )
    sock.recv(1 << 16)
    return sock


def frames(attacker: Attacker, frame: bytes, first: bytes = b"", extra: str = "") -> None:
    """Sends one frame again and again, and reads no answer until the end."""
    with attacker.until_closed():
        sock = upgraded(attacker, extra)
        attacker.send_raw(sock, first)
        for _ in attacker.times(1_000):
            attacker.send_raw(sock, frame * (32_000 // len(frame)))
        attacker.answer = "every frame was accepted"


def empty_fragments(attacker: Attacker) -> None:
    """One message of millions of empty fragments."""
    frames(attacker, b"\x00\x80abcd", first=b"\x01\x80abcd")


def unread_pongs(attacker: Attacker) -> None:
    """Millions of pings, whose answers are not read."""
    frames(attacker, b"\x89\xfdabcd" + bytes(125))


def compressed_frames(attacker: Attacker) -> None:
    """Frames that claim to be compressed."""
    extra = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    frames(attacker, b"\xc1\x85abcd" + bytes(5), extra=extra)


def wide_audio(attacker: Attacker) -> None:
    """Small uploads of eight channels at 192 kHz, 100 s long."""
    data = flac(8, 192_000, 1.0 * len(attacker.times(100)))
    for _ in attacker.times(5):
        attacker.request("POST", "/uploads", data)


def many_uploads(attacker: Attacker) -> None:
    """200 small uploads of 100 s each."""
    for _ in attacker.times(200):
        attacker.upload()


def slow_uploads(attacker: Attacker) -> None:
    """Uploads of 32 MB, of which nearly all is sent, and not the end."""
    size = 32_768 * len(attacker.times(1_024))
    head = f"POST /uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
    body = bytes(size - 1)
    for _ in attacker.times(20):
        with attacker.until_closed():
            attacker.tcp(head.encode() + body)
    attacker.request("POST", "/uploads", bytes(1000))


def half_open(attacker: Attacker) -> None:
    """700 connections, every other with half a request."""
    with attacker.until_closed():
        for number in attacker.times(700):
            attacker.tcp(b"GET / HTTP/1.1\r\nHost: lo" if number % 2 else b"")
        attacker.request("GET", "/healthz")


def half_sessions(attacker: Attacker) -> None:
    """300 WebSockets that start nothing."""
    with attacker.until_closed():
        for _ in attacker.times(300):
            sock = attacker.websocket()
            sock.recv(timeout=TIMEOUT_S)


def metrics(attacker: Attacker) -> None:
    """500 requests for the metrics, and as many for the health."""
    for _ in attacker.times(500):
        attacker.request("GET", "/metrics")
        attacker.request("GET", "/healthz")


ATTACKS: tuple[Callable[[Attacker], None], ...] = (
    packed_session,
    repeated_uploads,
    changing_clips,
    saved_clips,
    chunks_ahead,
    long_files,
    large_json,
    many_objects,
    long_names,
    long_prompts,
    low_rates,
    odd_rates,
    odd_styles,
    empty_fragments,
    unread_pongs,
    compressed_frames,
    wide_audio,
    many_uploads,
    slow_uploads,
    half_open,
    half_sessions,
    metrics,
)


def attack(port: int, one: Callable[[Attacker], None], size: float = 1.0) -> Attacker:
    """Carries out one attack; returns what it sent and was answered."""
    attacker = Attacker(port, size)
    try:
        one(attacker)
    except (ConnectionClosed, OSError, TimeoutError, http.client.HTTPException) as error:
        attacker.answer = attacker.answer or f"{type(error).__name__}: {error}"
    finally:
        attacker.close()
    return attacker
