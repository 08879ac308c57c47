"""Speakers on a stand-in for PortAudio: other sample rates, and a device that goes away."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from soundstage.apps.player.resampled import Resampled
from soundstage.apps.player.speakers import SpeakersChoice
from soundstage.errors import OutputError

RATE_HZ, TONE_HZ = 48_000, 441
FINE = SimpleNamespace(output_underflow=False)


class Tone:
    """A source: a tone of some seconds."""

    def __init__(self, seconds=1.0):
        times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
        self.left = np.repeat(0.5 * np.sin(2 * np.pi * TONE_HZ * times)[:, None], 2, axis=1)

    @property
    def finished(self):
        return not len(self.left)

    def fill(self, out):
        count = min(len(out), len(self.left))
        out[:count], out[count:] = self.left[:count], 0.0
        self.left = self.left[count:]


class Stream:
    """A sound device's stream, which a test pulls by hand."""

    latency = 0.01

    def __init__(self, samplerate, callback, **_):
        self.rate_hz, self.active, self._callback = samplerate, False, callback

    def start(self):
        self.active = True

    def close(self):
        self.active = False

    def pull(self, samples):
        out = np.full((samples, 2), np.nan, np.float32)
        try:
            self._callback(out, samples, None, FINE)
        except sys.modules["sounddevice"].CallbackStop:
            self.active = False
        return out


@pytest.fixture
def card(monkeypatch):
    """A sound card; `card.rates` are those that it takes."""
    library = ModuleType("sounddevice")
    library.rates, library.own_hz, library.streams = {RATE_HZ}, RATE_HZ, []
    library.PortAudioError = type("PortAudioError", (Exception,), {})
    library.CallbackStop = type("CallbackStop", (Exception,), {})

    def check_output_settings(device, channels, dtype, extra, rate_hz):
        if rate_hz not in library.rates:
            raise library.PortAudioError("Invalid sample rate [PaErrorCode -9997]")

    def output_stream(**settings):
        library.streams.append(Stream(**settings))
        return library.streams[-1]

    library.check_output_settings, library.OutputStream = check_output_settings, output_stream
    library.query_devices = lambda device, kind: {
        "name": "card",
        "default_samplerate": float(library.own_hz),
    }
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    return library


@pytest.mark.parametrize("rate_hz", [44_100, 96_000, 32_000, 11_025])
def test_card_of_another_rate_plays_the_same_music(card, rate_hz):
    card.rates, card.own_hz = {rate_hz}, rate_hz
    SpeakersChoice().check(RATE_HZ, 2)
    with SpeakersChoice().open(RATE_HZ, 2) as speakers:
        assert speakers.name == f"card (resampled to {rate_hz} Hz)"
        speakers.start(Tone())
        (stream,) = card.streams
        blocks = []
        while stream.active:
            blocks.append(stream.pull(441))
        assert speakers.error is None
    heard = np.concatenate(blocks)
    assert np.isfinite(heard).all()
    loud = np.flatnonzero(np.abs(heard[:, 0]) > 0.01)
    assert abs(len(heard[: loud[-1] + 1]) - rate_hz) < 0.02 * rate_hz
    second = heard[:rate_hz, 0] * np.hanning(rate_hz)
    assert abs(int(np.abs(np.fft.rfft(second)).argmax()) - TONE_HZ) <= 1
    assert 0.49 < np.abs(heard).max() < 0.51


def test_card_of_the_same_rate_is_not_resampled(card):
    card.rates, card.own_hz = {RATE_HZ, 96_000}, 96_000
    with SpeakersChoice().open(RATE_HZ, 2) as speakers:
        assert speakers.name == "card"
        assert card.streams[0].rate_hz == RATE_HZ


def test_card_that_takes_no_rate_is_refused(card):
    card.rates = set()
    with pytest.raises(OutputError, match="Invalid sample rate"):
        SpeakersChoice().check(RATE_HZ, 2)


def test_resampled_music_ends_after_its_last_sample():
    source = Resampled(Tone(0.1), RATE_HZ, 44_100, 2)
    out, total = np.zeros((100, 2), np.float32), 0
    while not source.finished:
        source.fill(out)
        total += 100
    assert abs(total - 4_410) <= 0.02 * 44_100 + 100
    source.fill(out)
    assert not out.any()


@pytest.mark.parametrize("rate_hz", [RATE_HZ, 44_100])
@pytest.mark.parametrize("silent", [False, True], ids=["in-music", "in-an-underrun"])
def test_card_that_goes_away_is_an_error_also_once_the_music_is_stopped(card, rate_hz, silent):
    card.rates, card.own_hz = {rate_hz}, rate_hz
    tone = Tone()
    with SpeakersChoice().open(RATE_HZ, 2) as speakers:
        speakers.start(tone)
        card.streams[0].pull(441)
        card.streams[0].active = False  # the device is gone
        if silent:  # stopping a ring that has nothing to fade finishes it at once
            tone.left = tone.left[:0]
    assert isinstance(speakers.error, OutputError)
    assert speakers.error.exit_code == 6


def test_closing_a_card_that_still_plays_is_no_error(card):
    with SpeakersChoice().open(RATE_HZ, 2) as speakers:
        speakers.start(Tone())
        card.streams[0].pull(441)
    assert speakers.error is None
