"""The Lyria RealTime protocol: by hand, and with the client that Google publishes, unmodified."""

import base64
import json
import shutil
import subprocess

import numpy as np
import pytest
from served import PATIENCE_S, hear, say, served, settled, speak

from soundstage.apps.server.protocols.lyria import PATHS

CLIENT = """
import { GoogleGenAI } from "@google/genai";
const messages = [];
let told = () => {};
const until = (holds) => new Promise((resolve) => {
  told = () => { if (holds()) resolve(); };
  told();
});
const chunks = () => messages.filter((message) => message.serverContent?.audioChunks);
const ai = new GoogleGenAI({
  apiKey: process.argv[3], apiVersion: process.argv[4], httpOptions: { baseUrl: process.argv[2] },
});
const session = await ai.live.music.connect({
  model: "models/lyria-realtime-exp",
  callbacks: {
    onmessage: (message) => { messages.push(message); told(); },
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
def desk():
    with served() as desk:
        yield desk


@pytest.fixture(scope="module")
def client_folder(request):
    """A folder with the published client in it, kept from run to run."""
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
        got = subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False)
        if got.returncode:
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
@pytest.mark.parametrize("version", ["v1alpha", "v1beta"])
def test_the_published_client_plays_pauses_and_resets(desk, client_folder, version):
    # With the slash at its end, the client asks for a path of two slashes.
    address = f"http://127.0.0.1:{desk.settings.port}" + ("/" if version == "v1beta" else "")
    command = ["node", "client.mjs", address, "no-key", version]
    ran = subprocess.run(
        command, cwd=client_folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
    messages = json.loads(ran.stdout.splitlines()[-1])
    audio = [audio_of(message) for message in messages if "serverContent" in message]
    assert len(audio) >= 6
    assert all(len(chunk) == 9600 and np.abs(chunk).max() > 100 for chunk in audio)
    warnings = [message["warning"] for message in messages if "warning" in message]
    assert any("bpm" in warning for warning in warnings)
    metadata = next(m for m in messages if "serverContent" in m)["serverContent"]["audioChunks"][0]
    prompts = metadata["sourceMetadata"]["clientContent"]["weightedPrompts"]
    assert prompts == [{"text": "bells", "weight": 1.0}]
    assert settled(desk, 0)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_of_the_api_leads_there(desk, path):
    with speak(desk, path) as socket:
        set_up(socket)


def test_reset_plays_the_same_music_again(desk):
    with speak(desk, PATHS[0]) as socket:
        set_up(socket)
        say(socket, clientContent={"weightedPrompts": [{"text": "drums", "weight": 2}]})
        say(socket, musicGenerationConfig={"seed": 8})
        say(socket, playbackControl="PLAY")
        first = audio_of(hear(socket))
        say(socket, playbackControl="STOP")
        say(socket, playbackControl="PLAY")
        for _ in range(12):  # what was made before the stop comes first
            if np.array_equal(audio_of(hear(socket)), first):
                return
    raise AssertionError("the first chunk did not come again")


def test_prompts_that_cannot_be_used_are_filtered_and_the_others_are_taken(desk):
    with speak(desk, PATHS[0]) as socket:
        set_up(socket)
        prompts = [{"text": "dark", "weight": -1}, {"text": "bells", "weight": 1}]
        say(socket, clientContent={"weightedPrompts": prompts})
        filtered = hear(socket)["filteredPrompt"]
        assert filtered["text"] == "dark"
        assert "below 0" in filtered["filteredReason"]
        say(socket, playbackControl="PLAY")
        chunk = hear(socket)["serverContent"]["audioChunks"][0]
        taken = chunk["sourceMetadata"]["clientContent"]["weightedPrompts"]
        assert taken == [{"text": "bells", "weight": 1.0}]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"playbackControl": "DANCE"}, "PLAY, PAUSE"),
        ({"musicGenerationConfig": {"temperature": "hot"}}, "temperature is a number"),
        ({"musicGenerationConfig": {"temperature": 99}}, "temperature"),
        ({"musicGenerationConfig": {"topK": 10**400}}, "expected a whole number"),
        ({"musicGenerationConfig": {"scale": "D_MAJOR_B_MINOR", "density": 0.3}}, "density, scale"),
        ({"clientContent": {"weightedPrompts": []}}, "at least one"),
        ({"nothing": 1}, "a message has one of"),
    ],
)
def test_what_cannot_be_done_is_said_and_the_connection_lives(desk, said, words):
    with speak(desk, PATHS[0]) as socket:
        set_up(socket)
        say(socket, **said)
        assert words in hear(socket)["warning"]
        say(socket, playbackControl="PLAY")
        assert audio_of(hear(socket)).any()


def test_without_setup_there_is_no_music(desk):
    with speak(desk, PATHS[0]) as socket:
        say(socket, playbackControl="PLAY")
        with pytest.raises(Exception, match="setup"):
            socket.recv(timeout=PATIENCE_S)
