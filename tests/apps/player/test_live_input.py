"""Microphones, with a stand-in for PortAudio."""

import sys
from types import ModuleType

import numpy as np
import pytest

import soundstage
from soundstage.apps.player.live_input import MicrophoneSpec
from soundstage.errors import Error, OutputError

RATE_HZ = 48_000


class Refusal(Exception):
    """Stands in for PortAudio's error."""


class Recording:
    """A recording stream; tests call its callback with samples."""

    open_now: list["Recording"] = []
    startable = True

    def __init__(self, *, samplerate, channels, dtype, device, callback):
        assert (samplerate, dtype, device) == (RATE_HZ, "float32", 3)
        self.channels, self.call = channels, callback
        self.open_now.append(self)

    def start(self):
        if not self.startable:
            raise Refusal("the device is taken [PaErrorCode -9985]")

    def close(self):
        self.open_now.remove(self)


@pytest.fixture
def library(monkeypatch):
    library = ModuleType("sounddevice")
    device = {"index": 3, "name": "a microphone", "max_input_channels": 1}
    device["default_samplerate"] = float(RATE_HZ)
    library.PortAudioError = Refusal
    library.InputStream = Recording
    library.query_devices = lambda wanted, kind: device
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    return library


@pytest.fixture(scope="module")
def form():
    return soundstage.load("toy-inject").format


def test_microphone_samples_are_clipped_and_spread_over_channels(library, form):
    with MicrophoneSpec().open(form) as microphone:
        (stream,) = Recording.open_now
        assert stream.channels == 1
        assert microphone.take().shape == (0, 2)
        stream.call(np.array([[0.5], [np.nan], [-7.0]], np.float32), 3, None, None)
        heard = [[0.5, 0.5], [0.0, 0.0], [-1.0, -1.0]]
        np.testing.assert_array_equal(microphone.take(), heard)
    assert Recording.open_now == []


def test_microphone_that_cannot_start_is_refused_and_closed(library, form, monkeypatch):
    monkeypatch.setattr(Recording, "startable", False)
    opening = MicrophoneSpec().open(form)
    with pytest.raises(OutputError, match=r"a microphone: the device is taken; .*--list-devices"):
        opening.__enter__()
    assert Recording.open_now == []


def test_microphone_without_sounddevice_is_refused_with_its_cure(form, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(Error, match=r"sounddevice is not installed") as caught:
        MicrophoneSpec().check(form)
    assert "play through" not in str(caught.value)
