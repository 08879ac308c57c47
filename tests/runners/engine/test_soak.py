"""Thousands of chunks, with clients that start, steer, save and disconnect: nothing leaks."""

import gc
import hashlib
import os
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from served import hear, offline, samples, say, served, settled, speak, started

from soundstage.apps.server.protocols.frames import HEADER

PATH = "/ws/stream"
VISITS = 100
RESIDENT = Path("/proc/self/status")
# The classes of which every client, or every chunk, has objects.
WATCHED = {"StreamRow", "EngineStream", "StreamSender", "OwnSession", "Socket", "Pulse", "Task"}
WATCHED |= {"State", "EngineChunk", "Chunk", "Tick", "Future", "WebSocket", "ChunkStart"}
WATCHED |= {"Schedule", "PreparedRow", "PreparedChunk", "ChunkMessage"}


def count_objects():
    """The number of objects of each watched class."""
    gc.collect()
    names = (type(thing).__name__ for thing in gc.get_objects())
    return Counter(name for name in names if name in WATCHED)


def open_files():
    return len(os.listdir("/proc/self/fd"))


def resident_mb():
    rows = RESIDENT.read_text().splitlines()
    return next(int(row.split()[1]) / 1024 for row in rows if row.startswith("VmRSS"))


def visit(context, number):
    """Starts, steers, saves, disconnects, one in five without a close; every other one prepares."""
    client = speak(context, PATH, legacy=True)
    controls = {"prompts": [f"visitor {number % 9}"], "seed": number}
    started(client, controls=controls)
    say(client, type="play")
    for _ in range(3):
        samples(client)
    if number % 2:
        say(client, type="prepare", controls={"temperature": 0.5})
        hear(client, "preparing")
    say(client, type="steer", controls={"temperature": 1 + number % 3})
    if number % 4 == 1:
        say(client, type="prepare", controls={"temperature": 0.7})
    say(client, type="save")
    hear(client, "session")
    if number % 5:
        say(client, type="stop")
        hear(client, "stopped")
        client.close()
    else:
        client.socket.shutdown(socket.SHUT_RDWR)


def visits(context, first):
    for number in range(first, first + VISITS):
        visit(context, number)


def at_rest(context):
    """Waits until one socket is open; returns objects, threads, open files and memory in MB."""
    assert settled(context, 1)
    end_s = time.monotonic() + 60
    while context.sockets > 1 and time.monotonic() < end_s:
        time.sleep(0.02)
    assert context.sockets == 1
    return count_objects(), threading.active_count(), open_files(), resident_mb()


@pytest.mark.slow
@pytest.mark.skipif(not RESIDENT.exists(), reason="this system does not tell its memory")
def test_hundreds_of_visits_leave_no_objects_threads_or_files():
    # A fixed capacity: otherwise no stream is admitted for a while after a late chunk.
    with served(capacity=8) as context, speak(context, PATH) as witness:
        started(witness, pace="realtime")
        say(witness, type="play")
        visits(context, 0)
        objects, threads, files, memory_mb = at_rest(context)
        visits(context, VISITS)
        objects_then, threads_then, files_then, memory_then_mb = at_rest(context)
        counts = context.fleet.counts()
        say(witness, type="pause")
        say(witness, type="save")
        digest, count = hashlib.sha256(), 0
        while (message := witness.recv(timeout=60)) is not None:
            if isinstance(message, bytes):
                digest.update(message[HEADER.size :])
                count += 1
            elif '"session"' in message:
                break
        assert digest.hexdigest() == hashlib.sha256(offline(count).tobytes()).hexdigest()
    assert counts.joined - counts.left == 1
    assert counts.chunks > 3 * 2 * VISITS
    # Chunks in progress or unread differ by a few; a leak leaves an object of each visit at least.
    grown = {name: objects_then[name] - objects[name] for name in objects_then}
    assert max(grown.values()) < VISITS / 3, grown
    assert threads_then <= threads + 2
    assert files_then <= files + 2
    assert memory_then_mb < memory_mb * 1.05
