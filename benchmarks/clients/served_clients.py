"""A server process and WebSocket clients of it, for measurements."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

ROOT = Path(__file__).parents[2]
STYLES = ("warm pads", "jazz trio", "techno", "string quartet")
READY_WITHIN_S = 600.0
# Messages that no client should get: the server has room for all, and all requests are valid.
ERRORS = ("failed", "refused", "full")


class ServerProcess:
    """A running `soundstage serve`.

    Args:
        process: the process.
        port: the port it listens on.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process, self.port = process, port
        self._folder = Path(f"/proc/{process.pid}")

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    @property
    def socket_address(self) -> str:
        """The address of soundstage's own protocol."""
        return f"ws://127.0.0.1:{self.port}/ws/stream"

    def cpu_s(self) -> float:
        """Returns the processor time so far, in seconds."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        """Returns the resident memory in MB."""
        return self._status("VmRSS") / 1024

    def forget_peak(self) -> None:
        """Makes `peak_mb` count from now on."""
        (self._folder / "clear_refs").write_text("5")

    def peak_mb(self) -> float:
        """Returns the most resident memory since `forget_peak`, in MB."""
        return self._status("VmHWM") / 1024

    def threads(self) -> int:
        """Returns the number of threads."""
        return self._status("Threads")

    def open_files(self) -> int:
        """Returns the number of open files and sockets."""
        return len(list((self._folder / "fd").iterdir()))

    def metrics(self) -> dict[str, float]:
        """Reads `/metrics`; names include labels, such as `late_total{stage="decode"}`."""
        with urllib.request.urlopen(self.url("/metrics"), timeout=60) as response:
            text = response.read().decode()
        samples = re.findall(r"^soundstage_(\S+) (\S+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in samples}

    def wait_until_ready(self) -> None:
        """Waits for `/readyz`; raises `SystemExit` after `READY_WITHIN_S`."""
        end_s = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < end_s and not self.ended:
            try:
                urllib.request.urlopen(self.url("/readyz"), timeout=60).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise SystemExit(f"the server was not ready within {READY_WITHIN_S:g} s, or ended")

    def _status(self, name: str) -> int:
        text = (self._folder / "status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[1])

    def url(self, path: str) -> str:
        """Returns the address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def running(command: list[str]) -> Iterator[ServerProcess]:
    """Runs a server; yields it when it is ready.

    Args:
        command: the command line; "PORT" in it is replaced by a free port.
    """
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    words = [str(port) if word == "PORT" else word for word in command]
    process = subprocess.Popen(words, cwd=ROOT)
    try:
        server = ServerProcess(process, port)
        server.wait_until_ready()
        yield server
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


@contextmanager
def serving(preset: str, *options: str) -> Iterator[ServerProcess]:
    """Runs a server with room for all clients; yields it when it is ready."""
    command = [sys.executable, "-m", "soundstage", "serve", preset, "--port", "PORT"]
    limits = ["--capacity", "1000", "--streams", "64", "--quiet"]
    with running([*command, *limits, *options]) as server:
        yield server


@dataclass
class ClientCounts:
    """Counts that several clients share.

    Attributes:
        chunks: received chunks.
        late: chunks that the server reported as late.
        gaps: chunks that arrived after the previous chunk's end, by the client's clock.
        slacks_s: the slack of each chunk with a deadline, as the server reported it.
        errors: chunks out of order, and error messages of the server.
    """

    chunks: int = 0
    late: int = 0
    gaps: int = 0
    slacks_s: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class BenchmarkClient:
    """A client that plays one stream in real time.

    Args:
        address: the server's, of soundstage's own protocol.
        number: gives the style and the seed.
        counts: updated by the client.
        steer_every: chunks between two steers; 0 = never.
    """

    def __init__(
        self, address: str, number: int, counts: ClientCounts, steer_every: int = 0
    ) -> None:
        self._address, self._number, self._counts = address, number, counts
        self._steer_every = steer_every
        self._next = 0
        self._played_up_to_s: float | None = None

    async def play(self, stop: asyncio.Event) -> None:
        """Plays until `stop` is set, the stream fails, or the server ends."""
        async with connect(self._address, max_size=None) as sock:
            chunk_s = json.loads(await sock.recv())["format"]["chunk_s"]
            await _send(sock, type="start", encoding="int16", controls=self.controls())
            await _send(sock, type="play")
            while not stop.is_set():
                message = await _receive(sock)
                if message["type"] == "full" and self.waits(message["retry_after_s"]):
                    await asyncio.sleep(message["retry_after_s"])
                    await _send(sock, type="play")
                elif message["type"] in ERRORS:
                    # The server sends nothing more.
                    self._counts.errors.append(f"client {self._number}: {message}")
                    return
                if message["type"] == "samples":
                    self.hear(message["data"])
                if message["type"] == "chunk":
                    self._count(message, chunk_s)
                    if self._steer_every and self._next % self._steer_every == 0:
                        await _send(sock, type="steer", controls=self.controls())

    def _count(self, message: dict[str, Any], chunk_s: float) -> None:
        counts, now_s = self._counts, time.monotonic()
        if message["chunk"] != self._next:
            error = f"got chunk {message['chunk']} instead of {self._next}"
            counts.errors.append(f"client {self._number}: {error}")
        self._next = message["chunk"] + 1
        counts.chunks += 1
        if message["slack_s"] is not None:
            counts.slacks_s.append(message["slack_s"])
            counts.late += message["slack_s"] < 0
        if self._played_up_to_s is not None and now_s > self._played_up_to_s:
            counts.gaps += 1
        self._played_up_to_s = max(now_s, self._played_up_to_s or now_s) + chunk_s

    def waits(self, retry_after_s: float) -> bool:
        """Returns whether it asks again after this time, as no slot is free now."""
        return False

    def hear(self, message: bytes) -> None:
        """Takes the samples of a chunk, with their header."""

    def controls(self) -> dict[str, Any]:
        """Returns the controls of the next chunks."""
        style = STYLES[(self._number + self._next) % len(STYLES)]
        return {"prompts": [style], "seed": self._number}


async def visit(server: ServerProcess, number: int) -> None:
    """Starts a stream, receives one chunk, saves and stops.

    Raises:
        RuntimeError: the server sent an error message.
    """
    async with connect(server.socket_address, max_size=None) as sock:
        controls = {"prompts": [STYLES[number % len(STYLES)]], "seed": number}
        await _send(sock, type="start", pace="fast", controls=controls)
        await _send(sock, type="play")
        await _wait_for(sock, "chunk")
        await _send(sock, type="save")
        await _send(sock, type="stop")
        await _wait_for(sock, "stopped")


async def _send(sock: ClientConnection, **message: Any) -> None:
    await sock.send(json.dumps(message))


async def _receive(sock: ClientConnection) -> dict[str, Any]:
    message = await sock.recv()
    return (
        json.loads(message)
        if isinstance(message, str)
        else {
            "type": "samples",
            "data": message,
        }
    )


async def _wait_for(sock: ClientConnection, kind: str) -> None:
    while (message := await _receive(sock))["type"] != kind:
        if message["type"] in ERRORS:
            raise RuntimeError(f"the server sent {message}")
