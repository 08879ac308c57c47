"""A control that only its stage declares, `swing`, is taken wherever controls are taken."""

import itertools
import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from command_line import run, told
from served import PATIENCE_S, hear, samples, say, served, speak

import soundstage
from soundstage.apps.player.faders import Faders
from soundstage.audio.inspection import inspect
from soundstage.graph.control import ControlError
from soundstage.runners.sessions.controls import complete

ROOT = Path(__file__).parents[2]
# Protocols of others have names of their own, and the command line its short options.
MAY_NAME_CONTROLS = {
    "apps/commands/options.py",
    "apps/server/protocols/demo_protocol.py",
    "apps/server/protocols/lyria.py",
}
NAMES = [
    re.compile(rf"\b{name}\b", re.IGNORECASE) for name in ("temperature", "top_?k", "guidance")
]
SETTINGS = [
    "format.chunk_s=0.2",
    "format.context_s=0.4",
    "sample.use=swing_stages:SwingSample",
    "sample.inputs.swing=in.swing",
    "inputs.swing=0.25",
]
ALLOW = ["swing_stages"]
OPTIONS = ["--preset", "toy", "--allow", *ALLOW, *(word for s in SETTINGS for word in ("--set", s))]
REFUSAL = re.compile(r"swing: 2(\.0)? is outside the range \[0, 1\]")
# At most of a WAV file's header, and of a frame.
HEADER_BYTES, FRAME_HEADER_BYTES = 400, 32


@pytest.fixture(scope="module")
def graph():
    return soundstage.load("toy", settings=SETTINGS, allow=ALLOW)


@pytest.fixture(scope="module")
def context(graph):
    with served(graph=graph) as context:
        yield context


def offline(swing, chunks=1):
    """Music without a server: float32 [sample, channel]."""
    asked = {"prompts": ["bells"], "seed": 5, "swing": swing}
    with soundstage.open("toy", settings=SETTINGS, allow=ALLOW, **asked) as session:
        made = [chunk.audio[0] for chunk in itertools.islice(session, chunks)]
    return np.concatenate(made)


def pcm16(audio):
    return np.round(np.clip(audio, -1, 1) * 32767)


# ---- the server


def opened(context, path, body=None):
    address = f"http://127.0.0.1:{context.settings.port}{path}"
    return urllib.request.urlopen(urllib.request.Request(address, body), timeout=PATIENCE_S)


def refused(context, path, body=None):
    with pytest.raises(urllib.error.HTTPError) as caught:
        opened(context, path, body)
    assert caught.value.code == 400
    return json.load(caught.value)["error"]


@pytest.mark.parametrize("swing", [0.25, 0.75])
def test_swing_in_a_query_steers_the_stream(context, swing):
    wanted = pcm16(offline(swing))
    with opened(context, f"/stream.wav?prompt=bells&seed=5&swing={swing}") as answer:
        header, _, data = answer.read(HEADER_BYTES + 2 * wanted.size).partition(b"data")
    assert len(header) < HEADER_BYTES - 8
    heard = np.frombuffer(data[4 : 4 + 2 * wanted.size], "<i2").reshape(wanted.shape)
    assert np.abs(heard - wanted).max() <= 1


def test_swing_outside_its_range_is_refused_over_http(context):
    assert REFUSAL.search(refused(context, "/stream.wav?swing=2"))
    assert "swing: expected a number, got 'x'" in refused(context, "/stream.wav?swing=x")
    assert REFUSAL.search(refused(context, "/generate", b'{"swing": 2, "duration_s": 0.2}'))
    assert "known: prompt, temperature" in refused(context, "/stream.wav?swang=1")


def test_swing_is_described_for_machines(context):
    with opened(context, "/openapi.json") as answer:
        paths = json.load(answer)["paths"]
    parameters = {
        each["name"]: each["schema"] for each in paths["/stream.mp3"]["get"]["parameters"]
    }
    body = paths["/generate"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    described = {
        "type": "number",
        "default": 0.25,
        "description": "How far it swings",
        "minimum": 0.0,
        "maximum": 1.0,
    }
    assert parameters["swing"] == body["properties"]["swing"] == described
    assert parameters["seed"]["type"] == "integer"


def test_swing_is_offered_and_taken_by_the_own_protocol(context):
    with speak(context, "/ws/stream") as socket:
        swing = hear(socket, "ready")["controls"]["swing"]
        assert (swing["default"], swing["minimum"], swing["maximum"]) == (0.25, 0, 1)
        assert (swing["label"], swing["help"]) == ("Swing", "How far it swings")
        assert (swing["usual"], swing["step"]) == ([0, 1], 0.01)
        say(socket, type="start", controls={"prompts": ["bells"], "seed": 5, "swing": 2})
        assert REFUSAL.search(hear(socket, "refused")["reason"])
        say(socket, type="start", controls={"prompts": ["bells"], "seed": 5, "swing": 0.75})
        hear(socket, "started")
        say(socket, type="play")
        heard = np.frombuffer(samples(socket)[FRAME_HEADER_BYTES:], "<f4")
        say(socket, type="steer", controls={"swing": 2})
        assert REFUSAL.search(hear(socket, "refused")["reason"])
    assert np.array_equal(heard, offline(0.75).reshape(-1))


# ---- the player


class Steered:
    """Stands for a performer: its controls, and nothing that plays."""

    def __init__(self, graph):
        self.graph, self.controls = graph, complete(graph, {}, {})

    def steer(self, changes):
        self.controls = complete(self.graph, changes, self.controls)


def test_swing_is_a_fader_that_stays_within_its_range(graph):
    performer = Steered(graph)
    faders = Faders(graph, performer, None)
    names = [row.name for row in faders.rows]
    assert names == ["temperature", "top_k", "guidance", "seed", "swing"]
    faders.select(names.index("swing"))
    faders.nudge(1)
    assert faders.rows[-1].value == pytest.approx(0.3)
    faders.nudge(100)
    assert faders.rows[-1].value == 1
    for typed, reason in [("2", REFUSAL.pattern), ("x", "swing: expected a number, got 'x'")]:
        with pytest.raises(ControlError, match=reason):
            faders.type_value(typed)
    faders.type_value("0.5")
    assert performer.controls["swing"] == 0.5


def test_keys_move_whole_numbers_by_whole_steps(graph):
    performer = Steered(graph)
    faders = Faders(graph, performer, None)
    faders.select(1)
    faders.nudge(1)
    assert performer.controls["top_k"] == 45
    faders.nudge(-100)
    assert performer.controls["top_k"] == 0
    faders.select(2)
    faders.type_value(str(2**63 - 2))
    faders.nudge(9)
    assert performer.controls["seed"] == 2**63 - 1


# ---- the command line


def make(path, *options):
    done = run("generate", *OPTIONS, "--duration", 0.2, "--quiet", *options, "--output", path)
    assert done.code == 0, done.stderr
    return inspect(path).provenance.controls["swing"]


def test_swing_is_set_by_the_option_for_every_control(tmp_path):
    assert make(tmp_path / "a.wav") == 0.25
    assert make(tmp_path / "b.wav", "--control", "swing=0.5", "--control", "top_k=7") == 0.5


@pytest.mark.parametrize(
    ("options", "code", "why"),
    [
        (["--control", "swing=2"], 3, REFUSAL.pattern),
        (["--control", "swing=x"], 3, "swing: expected a number, got 'x'"),
        (["--control", "swang=0.5"], 3, "no control 'swang'; did you mean 'swing'"),
        (["--control", "swing"], 2, "--control swing: write NAME=VALUE"),
        (["--control", "swing=1", "--control", "swing=0"], 2, "swing is set twice"),
        (["--seed", 1, "--control", "seed=2"], 2, "seed is set twice"),
    ],
)
def test_control_option_that_cannot_be_used_is_refused(tmp_path, options, code, why):
    done = run("generate", *OPTIONS, *options, "--output", tmp_path / "a.wav")
    assert done.code == code
    assert re.search(why, told(done.stderr))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["generate", "play", "variants", "branch"])
def test_every_music_command_lists_the_same_options_for_controls(command):
    text = run(command, "--help").stdout
    assert {"--temperature", "--top-k", "--guidance", "--control"} <= set(text.split())
    assert ("--seed" in text.split()) == (command != "variants")


def test_swing_is_a_column_of_a_list_of_variants(tmp_path):
    (tmp_path / "a.csv").write_text("prompts,swing\npads,0.5\nbells,\n")
    out = ("--duration", 0.2, "--quiet", "--output-dir", tmp_path / "out")
    done = run("variants", *OPTIONS, *out, "--control", "swing=0.75", "--list", tmp_path / "a.csv")
    assert done.code == 0, done.stderr
    entries = json.loads((tmp_path / "out" / "manifest.json").read_text())["variants"]
    assert [entry["controls"]["swing"] for entry in entries] == [0.5, 0.75]


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("a.csv", "prompts,swing\npads,2\n", "line 2"),
        ("a.toml", '[[variant]]\nprompts = "pads"\nswing = 2.0\n', "variant 1"),
    ],
)
def test_swing_outside_its_range_is_refused_with_its_row(tmp_path, name, text, where):
    (tmp_path / name).write_text(text)
    done = run("variants", *OPTIONS, "--list", tmp_path / name, "--output-dir", tmp_path / "out")
    assert done.code == 3
    assert f"{name}: {where}: " in done.stderr
    assert REFUSAL.search(told(done.stderr))


# ---- the source


def test_no_module_lists_the_controls_of_pipelines_by_hand():
    rooms = ("soundstage", "graph", "audio", "runners", "apps", "training")
    paths = [path for room in rooms for path in (ROOT / room).rglob("*") if path.is_file()]
    sources = [path for path in paths if path.suffix in (".py", ".pyi", ".js", ".html")]
    found = set()
    for path in sources:
        text = path.read_text("utf-8")
        if sum(bool(name.search(text)) for name in NAMES) > 1:
            found.add(path.relative_to(ROOT).as_posix())
    assert found == MAY_NAME_CONTROLS
