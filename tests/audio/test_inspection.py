"""Inspection of audio files: levels, silences, provenance and plots."""

import builtins
import dataclasses
import sys

import numpy as np
import pytest
import soundfile

from soundstage.audio.inspection import inspect
from soundstage.audio.plots import plot
from soundstage.audio.provenance import NOISE, Provenance, TextPrompt
from soundstage.audio.reader import open_audio
from soundstage.audio.spectrogram import COLUMNS, SILENCE_DB, picture
from soundstage.audio.writer import open_writer
from soundstage.errors import InputError, OutputError

RECORD = Provenance("0.1.0", "tiny", "ab" * 32, (TextPrompt("pads $x^2$"),), (7,), {}, {}, 1, True)


def sine(seconds: float, rate_hz: int, pitch_hz: float, level: float) -> np.ndarray:
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * pitch_hz * times)).astype(np.float32)[:, None]


def test_levels_of_a_sine_are_exact(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(3.0, 48_000, 480, 0.5), 48_000, subtype="FLOAT")
    facts = inspect(tmp_path / "a.wav")
    assert (facts.container, facts.encoding) == ("WAV", "FLOAT")
    assert (facts.sample_rate_hz, facts.channels, facts.seconds) == (48_000, 1, 3.0)
    assert facts.peak_dbfs == pytest.approx(-6.02, abs=0.01)
    assert facts.rms_dbfs == pytest.approx(-9.03, abs=0.01)
    assert (facts.clipped_samples, facts.bad_samples, facts.silences) == (0, 0, ())
    assert facts.provenance is None
    assert "no record" in facts.lines()[-1]


def test_clipped_and_damaged_samples_are_counted(tmp_path):
    audio = np.tile(sine(0.5, 48_000, 480, 0.5), 2)
    audio[10, 0], audio[11, 1], audio[12] = 1.0, -2.0, np.nan
    soundfile.write(tmp_path / "a.wav", audio, 48_000, subtype="FLOAT")
    facts = inspect(tmp_path / "a.wav")
    assert facts.clipped_samples == 2
    assert facts.bad_samples == 2
    assert facts.peak_dbfs == pytest.approx(6.02, abs=0.01)


def test_silences_are_found_across_blocks(tmp_path):
    audio = np.tile(sine(20.0, 8_000, 100, 0.5), 2)
    audio[8_000 : 8_000 * 2] = 0  # 1 s
    audio[8_000 * 5 : 8_000 * 5 + 2_000] = 0  # 0.25 s: too short
    audio[8_000 * 13 :] = 1e-4  # the rest, over more than one block
    soundfile.write(tmp_path / "a.wav", audio, 8_000, subtype="FLOAT")
    facts = inspect(tmp_path / "a.wav")
    assert np.allclose(facts.silences, [(1.0, 2.0), (13.0, 20.0)], atol=0.051)


def test_digital_silence_has_the_level_minus_infinity(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((8_000, 2)), 8_000)
    facts = inspect(tmp_path / "a.wav")
    assert facts.peak_dbfs == facts.rms_dbfs == -np.inf
    assert facts.silences == ((0.0, 1.0),)


def test_file_of_soundstage_has_its_provenance(tmp_path):
    with open_writer(tmp_path / "a.ogg", 48_000, 2, RECORD) as writer:
        writer.write(np.tile(sine(1.0, 48_000, 480, 0.5), 2))
    facts = inspect(tmp_path / "a.ogg")
    assert facts.provenance == RECORD
    text = "\n".join(facts.lines())
    assert "pads $x^2$" in text
    assert NOISE in text


def test_file_with_a_damaged_record_is_inspected(tmp_path):
    with soundfile.SoundFile(tmp_path / "a.flac", "w", 8_000, 1) as stream:
        stream.comment = '{"soundstage": 99}'
        stream.write(np.zeros(8_000))
    facts = inspect(tmp_path / "a.flac")
    assert facts.provenance is None
    assert "schema 99" in facts.provenance_fault
    assert "schema 99" in facts.lines()[-1]


def test_file_that_is_not_audio_is_refused(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no audio")
    with pytest.raises(InputError):
        inspect(tmp_path / "a.wav")


@pytest.mark.parametrize("pitch_hz", [55.0, 440.0, 3_520.0, 18_000.0])
def test_spectrogram_shows_a_sine_at_its_pitch_and_level(tmp_path, pitch_hz):
    soundfile.write(tmp_path / "a.wav", sine(4.0, 48_000, pitch_hz, 0.5), 48_000)
    with open_audio(tmp_path / "a.wav") as source:
        reduced = picture(source)
    bands, times = reduced.level_db.shape
    assert times <= COLUMNS
    middle = reduced.level_db[:, times // 2]
    octaves = np.log2(reduced.highest_hz / 30.0)
    shown_hz = 30.0 * 2 ** ((middle.argmax() + 0.5) / bands * octaves)
    assert abs(np.log2(shown_hz / pitch_hz)) < 0.15
    assert middle.max() == pytest.approx(-6.02, abs=2.0)
    assert reduced.high.max() == pytest.approx(0.5, abs=1e-3)
    assert reduced.low.min() == pytest.approx(-0.5, abs=1e-3)


def test_waveform_and_spectrogram_show_events_at_their_times(tmp_path):
    audio = np.zeros((48_000 * 10, 2), np.float32)
    audio[48_000 * 7 : 48_000 * 7 + 4_800] = sine(0.1, 48_000, 1_000, 0.8)
    soundfile.write(tmp_path / "a.wav", audio, 48_000)
    with open_audio(tmp_path / "a.wav") as source:
        reduced = picture(source)
    loud = np.flatnonzero(reduced.high[:, 0] > 0.5) / len(reduced.high) * 10
    assert 6.98 < loud.min() < loud.max() < 7.12
    times = np.flatnonzero(reduced.level_db.max(axis=0) > -20) / reduced.level_db.shape[1] * 10
    assert 6.9 < times.min() < times.max() < 7.2
    assert reduced.level_db[:, 0].max() == pytest.approx(SILENCE_DB)


@pytest.mark.parametrize(
    ("samples", "channels", "rate_hz"), [(1, 1, 8_000), (200, 6, 1_000), (96_000, 2, 48_000)]
)
def test_plot_writes_a_png(tmp_path, samples, channels, rate_hz):
    rng = np.random.default_rng(0)
    record = dataclasses.replace(RECORD, prompts=(TextPrompt("\U0001f3b9 $\\frac{ $ " * 20),))
    with open_writer(tmp_path / "a.wav", rate_hz, channels, record) as writer:
        writer.write(rng.uniform(-1, 1, (samples, channels)).astype(np.float32))
    plot(tmp_path / "a.wav", tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert content.endswith(b"IEND\xaeB`\x82")


def test_plot_of_a_missing_file_leaves_no_png(tmp_path):
    with pytest.raises(InputError):
        plot(tmp_path / "none.wav", tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_plot_without_matplotlib_is_refused_with_the_install_command(tmp_path, monkeypatch):
    real = builtins.__import__

    def without_matplotlib(name, *rest):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    with pytest.raises(OutputError, match=r"pip install '\.\[plot\]'"):
        plot(tmp_path / "a.wav", tmp_path / "a.png")
