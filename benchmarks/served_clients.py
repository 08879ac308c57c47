"""A server in a process of its own, and listeners of it in this one: what measurements share."""

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

ROOT = Path(__file__).parents[1]
STYLES = ("warm pads", "jazz trio", "techno", "string quartet")
READY_WITHIN_S = 600.0
# What nobody is to be told here: everybody is let in, and asks for what there is.
FAULTS = ("failed", "refused", "full")


class Served:
    """`soundstage serve`, seen from outside.

    Args:
        process: it.
        port: where it listens.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process, self._port = process, port
        self._folder = Path(f"/proc/{process.pid}")

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    @property
    def socket_address(self) -> str:
        """Where our own protocol is spoken."""
        return f"ws://127.0.0.1:{self._port}/ws/stream"

    def cpu_s(self) -> float:
        """Seconds of processor time so far."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        """Memory that is really there."""
        return self._status("VmRSS") / 1024

    def threads(self) -> int:
        """How many it has."""
        return self._status("Threads")

    def open_files(self) -> int:
        """Files and sockets."""
        return len(list((self._folder / "fd").iterdir()))

    def metrics(self) -> dict[str, float]:
        """What `/metrics` says, labels as they are there: `late_total{stage="decode"}`."""
        with urllib.request.urlopen(self._url("/metrics"), timeout=60) as answer:
            text = answer.read().decode()
        found = re.findall(r"^soundstage_(\S+) (\S+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in found}

    def wait_until_ready(self) -> None:
        """Waits; raises `SystemExit` if it does not come up."""
        end_s = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < end_s and not self.ended:
            try:
                urllib.request.urlopen(self._url("/readyz"), timeout=60).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise SystemExit("the server did not come up")

    def _status(self, name: str) -> int:
        text = (self._folder / "status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[1])

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"


@contextmanager
def serving(preset: str, *options: str) -> Iterator[Served]:
    """Runs a server; it is ready when this yields. It lets in whoever comes: that is measured."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "soundstage",
        "serve",
        preset,
        "--port",
        str(port),
    ]
    insisted = ["--capacity", "1000", "--streams", "64", "--quiet"]
    process = subprocess.Popen([*command, *insisted, *options], cwd=ROOT)
    try:
        served = Served(process, port)
        served.wait_until_ready()
        yield served
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


@dataclass
class Heard:
    """What listeners have heard.

    Attributes:
        chunks: how many.
        late: chunks that the server says were late.
        gaps: chunks that came when the one before had been heard: silence, by the listener's clock.
        slacks_s: of each chunk that was needed at a time, by the server.
        faults: what must not happen: chunks out of order, messages of failure.
    """

    chunks: int = 0
    late: int = 0
    gaps: int = 0
    slacks_s: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Listener:
    """Somebody who plays in real time, with what the server calls a chunk ahead.

    Args:
        server: whose.
        number: gives the style and the seed.
        heard: where what it hears is counted, with that of others.
        steer_every: chunks; 0 = never.
    """

    def __init__(self, server: Served, number: int, heard: Heard, steer_every: int = 0) -> None:
        self._server, self._number, self._heard = server, number, heard
        self._steer_every = steer_every
        self._next = 0
        self._heard_up_to_s: float | None = None

    async def play(self, stop: asyncio.Event) -> None:
        """Listens until it is told to stop, its stream fails, or the server ends."""
        async with connect(self._server.socket_address, max_size=None) as sock:
            chunk_s = json.loads(await sock.recv())["format"]["chunk_s"]
            await _say(sock, type="start", encoding="int16", controls=self._controls())
            await _say(sock, type="play")
            while not stop.is_set():
                message = await sock.recv()
                said = json.loads(message) if isinstance(message, str) else {"type": "samples"}
                if said["type"] in FAULTS:
                    # Nothing more would come.
                    self._heard.faults.append(f"listener {self._number}: {said}")
                    return
                if said["type"] == "chunk":
                    await self._hear(sock, said, chunk_s)

    async def _hear(self, sock: ClientConnection, said: dict[str, Any], chunk_s: float) -> None:
        self._count(said, chunk_s)
        if self._steer_every and self._next % self._steer_every == 0:
            await _say(sock, type="steer", controls=self._controls())

    def _count(self, said: dict[str, Any], chunk_s: float) -> None:
        heard, now_s = self._heard, time.monotonic()
        if said["chunk"] != self._next:
            fault = f"chunk {said['chunk']} came for {self._next}"
            heard.faults.append(f"listener {self._number}: {fault}")
        self._next = said["chunk"] + 1
        heard.chunks += 1
        if said["slack_s"] is not None:
            heard.slacks_s.append(said["slack_s"])
            heard.late += said["slack_s"] < 0
        if self._heard_up_to_s is not None and now_s > self._heard_up_to_s:
            heard.gaps += 1
        self._heard_up_to_s = max(now_s, self._heard_up_to_s or now_s) + chunk_s

    def _controls(self) -> dict[str, Any]:
        style = STYLES[(self._number + self._next) % len(STYLES)]
        return {"prompts": [style], "seed": self._number}


async def visit(server: Served, number: int) -> None:
    """Joins, takes a chunk as it comes, saves, leaves; raises `RuntimeError` if it may not."""
    async with connect(server.socket_address, max_size=None) as sock:
        controls = {"prompts": [STYLES[number % len(STYLES)]], "seed": number}
        await _say(sock, type="start", pace="fast", controls=controls)
        await _say(sock, type="play")
        await _hear_until(sock, "chunk")
        await _say(sock, type="save")
        await _say(sock, type="stop")
        await _hear_until(sock, "stopped")


async def _say(sock: ClientConnection, **message: Any) -> None:
    await sock.send(json.dumps(message))


async def _hear_until(sock: ClientConnection, kind: str) -> None:
    while True:
        message = await sock.recv()
        said = json.loads(message) if isinstance(message, str) else {"type": "samples"}
        if said["type"] == kind:
            return
        if said["type"] in FAULTS:
            raise RuntimeError(f"a visitor was told {said}")
