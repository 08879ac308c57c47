"""The Lyria RealTime protocol, with raw messages and with the client that Google publishes."""

import base64
import json
import shutil
import subprocess

import numpy as np
import pytest
from beat_graphs import toy_on_beat
from served import PATIENCE_S, hear, say, served, settled, speak
from worded_graphs import worded

import soundstage
from soundstage.apps.server.protocols.lyria import PATHS

CLIENT = """
import { GoogleGenAI } from "@google/genai";
const messages = [];
let notify = () => {};
const until = (holds) => new Promise((resolve) => {
  notify = () => { if (holds()) resolve(); };
  notify();
});
const chunks = () => messages.filter((message) => message.serverContent?.audioChunks);
const ai = new GoogleGenAI({
  apiKey: process.argv[3], apiVersion: process.argv[4] || undefined,
  httpOptions: { baseUrl: process.argv[2] },
});
const session = await ai.live.music.connect({
  model: "models/lyria-realtime-exp",
  callbacks: {
    onmessage: (message) => { messages.push(message); notify(); },
    onerror: () => {},
    onclose: () => {},
  },
});
await until(() => messages.some((message) => message.setupComplete));
await session.setWeightedPrompts({ weightedPrompts: [{ text: "bells", weight: 1.0 }] });
await session.setMusicGenerationConfig({
  musicGenerationConfig: { temperature: 1.1, topK: 40, guidance: 4.0, seed: 5, bpm: 120 },
});
session.play();
await until(() => chunks().length >= 3);
session.pause();
const paused = chunks().length;
session.resetContext();
session.play();
await until(() => chunks().length >= paused + 3);
session.stop();
session.close();
process.stdout.write(JSON.stringify(messages) + "\\n", () => process.exit(0));
"""


@pytest.fixture(scope="module")
def context():
    with served() as context:
        yield context


@pytest.fixture(scope="module")
def client_folder(request):
    """A folder with the published client, kept in pytest's cache."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("no node on this machine")
    folder = request.config.cache.mkdir("genai")
    if not (folder / "node_modules" / "@google" / "genai").exists():
        command = [
            "npm",
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "@google/genai@1",
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False)
        if done.returncode:
            pytest.skip("the client cannot be fetched here")
    (folder / "client.mjs").write_text(CLIENT)
    return folder


def set_up(socket):
    say(socket, setup={"model": "models/lyria-realtime-exp"})
    assert json.loads(socket.recv(timeout=PATIENCE_S)) == {"setupComplete": {}}


def audio_of(message):
    (chunk,) = message["serverContent"]["audioChunks"]
    assert chunk["mimeType"] == "audio/l16;rate=48000;channels=2"
    return np.frombuffer(base64.b64decode(chunk["data"]), "<i2").reshape(-1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["v1alpha", ""], ids=["v1alpha", "its default"])
def test_published_client_plays_pauses_and_resets(context, client_folder, version):
    # With a slash at its end, the client requests a path that begins with two.
    address = f"http://127.0.0.1:{context.settings.port}" + ("" if version else "/")
    command = ["node", "client.mjs", address, "no-key", version]
    run = subprocess.run(
        command, cwd=client_folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    messages = json.loads(run.stdout.splitlines()[-1])
    audio = [audio_of(message) for message in messages if "serverContent" in message]
    assert len(audio) >= 6
    assert all(len(chunk) == 9600 and np.abs(chunk).max() > 100 for chunk in audio)
    warnings = [message["warning"] for message in messages if "warning" in message]
    assert any("bpm" in warning for warning in warnings)
    metadata = next(m for m in messages if "serverContent" in m)["serverContent"]["audioChunks"][0]
    prompts = metadata["sourceMetadata"]["clientContent"]["weightedPrompts"]
    assert prompts == [{"text": "bells", "weight": 1.0}]
    assert settled(context, 0)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_of_the_api_is_served(context, path):
    with speak(context, path) as socket:
        set_up(socket)


def test_reset_plays_the_same_music_again(context):
    with speak(context, PATHS[0]) as socket:
        set_up(socket)
        say(socket, clientContent={"weightedPrompts": [{"text": "drums", "weight": 2}]})
        say(socket, musicGenerationConfig={"seed": 8})
        say(socket, playbackControl="PLAY")
        first = audio_of(hear(socket))
        say(socket, playbackControl="STOP")
        say(socket, playbackControl="PLAY")
        for _ in range(12):  # chunks made before the stop come first
            if np.array_equal(audio_of(hear(socket)), first):
                return
    raise AssertionError("the first chunk did not come again")


def test_unusable_prompts_are_filtered_and_the_others_are_used(context):
    with speak(context, PATHS[0]) as socket:
        set_up(socket)
        prompts = [{"text": "dark", "weight": -1}, {"text": "bells", "weight": 1}]
        say(socket, clientContent={"weightedPrompts": prompts})
        filtered = hear(socket)["filteredPrompt"]
        assert filtered["text"] == "dark"
        assert "below 0" in filtered["filteredReason"]
        say(socket, playbackControl="PLAY")
        chunk = hear(socket)["serverContent"]["audioChunks"][0]
        accepted = chunk["sourceMetadata"]["clientContent"]["weightedPrompts"]
        assert accepted == [{"text": "bells", "weight": 1.0}]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"playbackControl": "DANCE"}, "PLAY, PAUSE"),
        ({"musicGenerationConfig": {"temperature": "hot"}}, "temperature: expected a number"),
        ({"musicGenerationConfig": {"temperature": 99}}, "temperature"),
        ({"musicGenerationConfig": {"temperature": 10**400}}, "temperature: expected a number"),
        ({"musicGenerationConfig": {"seed": 10**400}}, "seed: expected a number"),
        ({"musicGenerationConfig": {"seed": 10**30}}, "seed: 1e+30 is outside the range"),
        ({"musicGenerationConfig": {"guidance": json.loads("[" * 70 + "]" * 70)}}, "64 levels"),
        ({"musicGenerationConfig": {"scale": "D_MAJOR_B_MINOR", "density": 0.3}}, "density, scale"),
        ({"musicGenerationConfig": {"muteDrums": True, "muteBass": True}}, "muteBass, muteDrums"),
        ({"clientContent": {"weightedPrompts": []}}, "at least one"),
        ({"nothing": 1}, "a message has one of"),
    ],
)
def test_impossible_request_is_a_warning_and_the_connection_lives(context, message, words):
    with speak(context, PATHS[0]) as socket:
        set_up(socket)
        say(socket, **message)
        assert words in hear(socket)["warning"]
        say(socket, playbackControl="PLAY")
        assert audio_of(hear(socket)).any()


def test_tempo_and_sound_set_controls_that_the_pipeline_has(tmp_path):
    pipeline = tmp_path / "beat.toml"
    pipeline.write_text(toy_on_beat())
    graph = soundstage.load(pipeline=pipeline)
    with served(graph=graph) as beating, speak(beating, PATHS[0]) as socket:
        set_up(socket)
        config = {"bpm": 128, "density": 0.3, "brightness": 0.8, "muteDrums": True}
        say(socket, musicGenerationConfig=config)
        say(socket, playbackControl="PLAY")
        # The first message is no warning.
        chunk = hear(socket)["serverContent"]["audioChunks"][0]
        assert chunk["sourceMetadata"]["musicGenerationConfig"] == config
        for name, value in (("bpm", 500), ("muteDrums", "yes")):
            say(socket, musicGenerationConfig={name: value})
            while "warning" not in (answer := hear(socket)):
                pass
            assert name in answer["warning"]


def first_chunk(context, **config):
    """Returns the first chunk of a new session, with a config if one is given."""
    with speak(context, PATHS[0]) as socket:
        set_up(socket)
        if config:
            say(socket, musicGenerationConfig=config)
        say(socket, playbackControl="PLAY")
        return audio_of(hear(socket)).tobytes()


def test_session_without_a_seed_gets_a_random_one(context):
    assert len({first_chunk(context) for _ in range(3)}) == 3
    assert len({first_chunk(context, temperature=1.0) for _ in range(3)}) == 3
    assert len({first_chunk(context, seed=0) for _ in range(3)}) == 1


def test_config_without_a_seed_keeps_the_random_one(context):
    with speak(context, PATHS[0]) as socket:
        set_up(socket)
        say(socket, playbackControl="PLAY")
        first = audio_of(hear(socket))
        say(socket, playbackControl="STOP")
        say(socket, musicGenerationConfig={})
        say(socket, playbackControl="PLAY")
        for _ in range(12):  # chunks made before the stop come first
            if np.array_equal(audio_of(hear(socket)), first):
                return
    raise AssertionError("the first chunk did not come again")


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1main"])
def test_other_versions_of_the_api_are_served(context, version):
    with speak(context, PATHS[0].replace("v1alpha", version)) as socket:
        set_up(socket)


def test_message_before_setup_closes_the_connection(context):
    with speak(context, PATHS[0]) as socket:
        say(socket, playbackControl="PLAY")
        with pytest.raises(Exception, match="setup"):
            socket.recv(timeout=PATIENCE_S)


def test_words_that_are_not_understood_are_a_warning_before_their_chunk():
    with served(graph=worded()) as context, speak(context, PATHS[0]) as socket:
        set_up(socket)
        prompts = [{"text": "techno flrbgl", "weight": 1}, {"text": "salsa", "weight": 1}]
        say(socket, clientContent={"weightedPrompts": prompts})
        say(socket, playbackControl="PLAY")
        messages = [json.loads(socket.recv(timeout=PATIENCE_S)) for _ in range(4)]
        assert messages[0] == {"warning": "not understood: flrbgl"}
        assert all("serverContent" in message for message in messages[1:])
