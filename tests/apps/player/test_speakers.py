"""Speakers and microphones on PulseAudio's null sink, recorded while it plays."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow
NEEDED = ("pulseaudio", "parec", "pacat", "pactl")
ROOT = Path(__file__).parents[3]
RATE_HZ = 48_000
LOAD = [
    "--load=module-native-protocol-unix socket={socket}",
    "--load=module-null-sink sink_name=null rate=48000",
]


@dataclass(frozen=True)
class Card:
    """A sound card: its server, and the environment of a process that uses it."""

    server: subprocess.Popen
    settings: dict


@pytest.fixture
def card(tmp_path):
    """A sound card that only this test uses."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} here")
    home = tmp_path / "card"
    home.mkdir()
    (home / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
    socket = home / "pulse.sock"
    settings = os.environ | {
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "PULSE_SERVER": f"unix:{socket}",
        "PYTHONPATH": str(ROOT),
    }
    options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=true"]
    modules = [module.format(socket=socket) for module in LOAD]
    with open(home / "log", "wb") as log:
        command = ["pulseaudio", *options, *modules]
        server = subprocess.Popen(command, env=settings, stdout=log, stderr=log)
    card = Card(server, settings)
    try:
        wait_for(lambda: run(card, "pactl", "info").returncode == 0)
        devices = play(card, "--list-devices")
        if "pulse" not in devices.stdout:
            pytest.skip(f"PortAudio does not find it: {devices.stdout}{devices.stderr}")
        yield card
    finally:
        server.kill()
        server.wait()


def run(card, *command):
    return subprocess.run(
        command, env=card.settings, capture_output=True, text=True, timeout=120, check=False
    )


def play(card, *options):
    words = [str(option) for option in options]
    return run(card, sys.executable, "-m", "soundstage", "play", *words)


def wait_for(what, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


LISTEN = """
import time
import numpy as np
import soundstage
from soundstage.apps.player.live_input import MicrophoneSpec

form = soundstage.load(preset="toy-inject").format
with MicrophoneSpec().open(form) as microphone:
    heard = np.zeros((0, 2), np.float32)
    while len(heard) < form.sample_rate_hz or not heard.any():
        time.sleep(0.05)
        heard = np.concatenate([heard, microphone.take()])
spectrum = np.abs(np.fft.rfft(heard[-form.sample_rate_hz:, 0]))
print(int(spectrum.argmax()))
"""


def test_microphone_is_recorded_and_played_into_the_music(card, tmp_path):
    # The null sink's monitor, the only microphone here, records what the sink plays.
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(60 * RATE_HZ) / RATE_HZ)).astype("<f4")
    (tmp_path / "tone.raw").write_bytes(tone.tobytes())
    form = ["--raw", f"--rate={RATE_HZ}", "--format=float32le", "--channels=1"]
    player = subprocess.Popen(["pacat", *form, str(tmp_path / "tone.raw")], env=card.settings)
    try:
        done = run(card, sys.executable, "-c", LISTEN)
        assert done.returncode == 0, done.stderr
        assert abs(int(done.stdout) - 440) <= 1
    finally:
        player.kill()
        player.wait()
    options = ("--preset", "toy-inject", "--listen", "--duration", 4, "--no-ui")
    heard = play(card, "bells", *options, "--output", tmp_path / "jam.wav")
    assert heard.returncode == 0, heard.stderr
    unknown = play(card, "bells", *options[:2], "--input-device", "no such thing")
    assert unknown.returncode == 6
    assert "--list-devices" in unknown.stderr


def test_speakers_play_every_sample_without_a_gap(card, tmp_path):
    recorded = tmp_path / "heard.raw"
    form = ["--raw", f"--rate={RATE_HZ}", "--format=float32le", "--channels=2"]
    with open(recorded, "wb") as file:
        recorder = subprocess.Popen(
            ["parec", *form, "-d", "null.monitor"], env=card.settings, stdout=file
        )
    try:
        wait_for(lambda: recorded.stat().st_size > 0.5 * RATE_HZ * 8)
        toy = ("bells", "--preset", "toy", "--duration", 3)
        done = play(card, *toy, "--device", "pulse")
        size = recorded.stat().st_size
        wait_for(lambda: recorded.stat().st_size > size + 0.5 * RATE_HZ * 8)
    finally:
        recorder.terminate()
        recorder.wait()
    assert done.returncode == 0, done.stderr
    assert "pulse: 3.0 s of music" in done.stderr
    whole = recorded.read_bytes()
    heard = np.frombuffer(whole[: len(whole) // 8 * 8], np.float32).reshape(-1, 2)
    loud = np.flatnonzero(np.abs(heard).max(axis=1) > 1e-4)
    # The first fade of the toy is 0.04 s of silence, and it is never silent later.
    assert 2.9 < (loud[-1] - loud[0]) / RATE_HZ < 3.0
    assert np.diff(loud).max() < 0.01 * RATE_HZ
    assert np.abs(np.diff(heard, axis=0)).max() < 0.1


def test_unknown_device_is_refused(card):
    done = play(card, "--preset", "toy", "--device", "gramophone")
    assert done.returncode == 6
    assert "gramophone" in done.stderr
    assert "--list-devices" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_device_that_disappears_ends_the_music_with_its_reason(card):
    words = ["--preset", "toy", "--device", "pulse"]
    player = subprocess.Popen(
        [sys.executable, "-m", "soundstage", "play", *words],
        env=card.settings,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        for line in player.stderr:
            if line.startswith(b"chunk 1:"):
                break
        card.server.kill()
        messages = player.communicate(timeout=60)[1].decode()
    finally:
        player.kill()
        player.wait()
    assert player.returncode == 6
    assert "the device has stopped" in messages.splitlines()[-1]
