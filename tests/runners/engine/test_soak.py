"""Thousands of chunks, with listeners who come, steer, save and go: nothing is left behind."""

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
VISITS = 150
RESIDENT = Path("/proc/self/status")
# Everything that a listener, or a chunk, has of its own.
OWN = {"Row", "EngineStream", "Listener", "OwnSession", "Socket", "Pulse", "Task", "Schedule"}
OWN |= {"State", "Made", "Chunk", "Tick", "Future", "WebSocket", "Begun"}
OWN |= {"Rehearsal", "Rehearsed"}


def left():
    """How many of everything there are."""
    gc.collect()
    return Counter(
        type(thing).__name__ for thing in gc.get_objects() if type(thing).__name__ in OWN
    )


def open_files():
    return len(os.listdir("/proc/self/fd"))


def resident_mb():
    rows = RESIDENT.read_text().splitlines()
    return next(int(row.split()[1]) / 1024 for row in rows if row.startswith("VmRSS"))


def visit(desk, number):
    """Joins, plays, steers, saves, leaves, one in five without a word; every other one prepares."""
    client = speak(desk, PATH, legacy=True)
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


def visits(desk, first):
    for number in range(first, first + VISITS):
        visit(desk, number)


def at_rest(desk):
    """Waits until the last visitors' sockets are gone; what is there then."""
    assert settled(desk, 1)
    end_s = time.monotonic() + 60
    while desk.sockets > 1 and time.monotonic() < end_s:
        time.sleep(0.02)
    assert desk.sockets == 1
    found = left()
    return found, threading.active_count(), open_files(), resident_mb()


@pytest.mark.slow
@pytest.mark.skipif(not RESIDENT.exists(), reason="this system does not tell its memory")
def test_visitors_by_the_hundred_leave_nothing_behind_and_are_not_heard():
    # A number that is insisted on: else nobody is let in for a while when a busy machine is late.
    with served(capacity=8) as desk, speak(desk, PATH) as witness:
        started(witness, pace="realtime")
        say(witness, type="play")
        visits(desk, 0)
        things, threads, files, memory_mb = at_rest(desk)
        visits(desk, VISITS)
        things_then, threads_then, files_then, memory_then_mb = at_rest(desk)
        figures = desk.engine.figures()
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
    assert figures.joined - figures.left == 1
    assert figures.chunks > 3 * 2 * VISITS
    # What is under way or unread differs by a few; a leak leaves one of each visitor at least.
    grown = {name: things_then[name] - things[name] for name in things_then}
    assert max(grown.values()) < VISITS / 3, grown
    assert threads_then <= threads + 2
    assert files_then <= files + 2
    assert memory_then_mb < memory_mb * 1.05
