"""Random messages and connections: the server stays up, and other streams are not changed."""

import hashlib
import json
import random
import threading
import time

import pytest
from served import CONTROLS, hear, offline, samples, say, served, settled, speak, started
from websockets.exceptions import ConnectionClosed

from soundstage.apps.server.protocols.frames import HEADER
from soundstage.apps.server.protocols.live_frames import LIVE_INPUT_HEADER, LIVE_INPUT_MAGIC
from soundstage.apps.server.protocols.lyria import PATHS
from soundstage.apps.server.settings import Limits

MESSAGES, CONNECTIONS = 10_000, 1_000
LIMITS = Limits(messages_per_s=1e6, message_bytes=20_000)
KINDS = [
    "start",
    "steer",
    "prepare",
    "play",
    "pause",
    "reset",
    "save",
    "stop",
    "dance",
    None,
    3,
    [],
]
NAMES = [
    "texts",
    "text_weights",
    "clips",
    "clip_weights",
    "styles",
    "style_weights",
    "seed",
    "temperature",
    "prompts",
    "x",
]


def value(draw, depth=0):
    """Returns any JSON value, or NaN or an infinity, which JSON cannot have."""
    pick = draw.randrange(11 if depth < 2 else 8)
    simple = [None, True, -1, 2**63, 1e308, float("nan"), float("inf"), "bells"]
    if pick < 8:
        return simple[pick]
    if pick == 8:
        return [value(draw, depth + 1) for _ in range(draw.randrange(4))]
    if pick == 9:
        return {draw.choice(NAMES): value(draw, depth + 1) for _ in range(draw.randrange(4))}
    return "\u0000é" * draw.randrange(1, 900)


def nonsense(draw):
    """Returns a message: random bytes or text, or an object with random values."""
    pick = draw.randrange(7)
    if pick == 0:
        return draw.randbytes(draw.randrange(60))
    if pick == 6:
        rate_hz = draw.choice([0, 999, 8_000, 48_000, 2**32 - 1])
        header = LIVE_INPUT_HEADER.pack(
            LIVE_INPUT_MAGIC, draw.randrange(3), rate_hz, draw.randrange(4)
        )
        return header + draw.randbytes(draw.choice([0, 7, 64, 4_800]))
    if pick == 1:
        return "".join(draw.choices('{}[]",:0ae\\n ', k=draw.randrange(60)))
    if pick == 2:
        return "[" * draw.randrange(1, 5_000)
    fields = {"type": draw.choice(KINDS), "controls": value(draw)}
    if pick == 3:
        fields = {draw.choice(["clientContent", "playbackControl", "body", "type"]): value(draw)}
    elif pick == 4:
        fields |= {"pace": value(draw), "buffer_chunks": value(draw), "session": value(draw)}
    elif pick == 5:
        fields |= {"continue": value(draw), "again": value(draw), "seed": value(draw)}
    return json.dumps(fields)


@pytest.fixture(scope="module")
def context():
    # Without live input, it makes the bytes of toy.
    with served(rows=8, preset="toy-inject", limits=LIMITS) as context:
        yield context


@pytest.fixture
def witness(context):
    """A client that plays during the test; at its end, every byte must have been right."""
    digest, stop = hashlib.sha256(), threading.Event()
    count = 0

    def listen():
        nonlocal count
        with speak(context, "/ws/stream") as socket:
            started(socket, pace="realtime")
            say(socket, type="play")
            while not stop.is_set() or count < 10:
                digest.update(samples(socket)[HEADER.size :])
                count += 1

    thread = threading.Thread(target=listen)
    thread.start()
    yield
    stop.set()
    thread.join(120)
    assert not thread.is_alive()
    assert count >= 10
    expected = hashlib.sha256(offline(count).tobytes())
    assert digest.hexdigest() == expected.hexdigest()
    assert settled(context, 0)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/ws/stream", "/stream", PATHS[0]])
def test_nonsense_messages_change_no_byte_of_another_stream(context, witness, path):
    draw = random.Random(f"fuzz {path}")
    left = MESSAGES // 3 + 1
    while left:
        with speak(context, path) as socket:
            try:
                for _ in range(min(left, 400)):
                    socket.send(nonsense(draw))
                    left -= 1
            except ConnectionClosed:
                continue  # the demo protocol closes at the first refusal
            socket.close()
    with speak(context, "/ws/stream") as socket:
        assert hear(socket)["type"] == "ready"


@pytest.mark.slow
def test_thousand_connections_change_no_byte_of_another_stream(context, witness):
    draw = random.Random(1)
    for _ in range(CONNECTIONS):
        socket = speak(context, "/ws/stream", legacy=True)
        if draw.random() < 0.3:
            say(socket, type="start", controls=CONTROLS, pace="fast")
            say(socket, type="play")
        if draw.random() < 0.5:
            socket.socket.close()  # without a close frame
        else:
            socket.close()
    with speak(context, "/ws/stream") as socket:
        assert hear(socket)["type"] == "ready"


def flooded(socket):
    for _ in range(1_000):
        say(socket, type="dance")
        time.sleep(0.001)  # what arrives at a closed socket would reset it, and hide the reason
    hear(socket, "never")


def test_huge_or_too_many_messages_end_only_their_connection():
    limits = Limits(messages_per_s=5, message_bytes=1_000)
    with served(limits=limits) as context, speak(context, "/ws/stream") as calm:
        hear(calm)
        with speak(context, "/ws/stream") as huge:
            hear(huge)
            huge.send("0" * 2_000)
            with pytest.raises(ConnectionClosed) as caught:
                hear(huge, "never")
            assert caught.value.rcvd.code == 1009
        with speak(context, "/ws/stream") as flood:
            hear(flood)
            with pytest.raises(ConnectionClosed) as caught:
                flooded(flood)
            assert caught.value.rcvd.code == 4429
        say(calm, type="start", controls=CONTROLS)
        assert hear(calm)["type"] == "started"


def test_client_that_never_starts_is_disconnected():
    with served(limits=Limits(idle_s=0.3)) as context, speak(context, "/ws/stream") as silent:
        hear(silent)
        with pytest.raises(ConnectionClosed) as caught:
            hear(silent)
        assert caught.value.rcvd.code == 4408
