"""The beat of audio, as an outside tool hears it."""

import numpy as np
import pytest
from evaluation.measures.rhythm import pulse_clarity, same_tempo, tempo_bpm
from librosa_programs import LibrosaPrograms, compile_librosa

RATE_HZ = 48_000


@pytest.fixture(scope="module", autouse=True)
def librosa_is_compiled():
    compile_librosa()


def clicks(bpm: float, seconds: float = 12.0) -> np.ndarray:
    """Short noises on every beat, over a soft noise: float32 [sample, channel]."""
    draw = np.random.default_rng(0)
    audio = 0.01 * draw.standard_normal(round(seconds * RATE_HZ))
    burst = draw.standard_normal(2400) * np.exp(-np.arange(2400) / 400)
    for start in np.arange(0, seconds - 0.1, 60 / bpm) * RATE_HZ:
        audio[round(start) : round(start) + 2400] += burst
    return np.stack([audio, audio], axis=1).astype(np.float32)


@pytest.mark.parametrize("bpm", [84, 120, 174])
def test_clicks_have_a_clear_pulse_and_their_tempo(bpm):
    audio = clicks(bpm)
    assert pulse_clarity(audio, RATE_HZ) > 0.7
    assert same_tempo(bpm, tempo_bpm(audio, RATE_HZ), 0.02)


def test_noise_and_silence_have_no_pulse():
    noise = np.random.default_rng(1).standard_normal((12 * RATE_HZ, 2)).astype(np.float32)
    assert pulse_clarity(noise, RATE_HZ) < 0.2
    assert pulse_clarity(np.zeros_like(noise), RATE_HZ) == 0
    assert tempo_bpm(np.zeros_like(noise), RATE_HZ) == 0


def test_octaves_of_a_tempo_are_the_same_and_others_are_not():
    assert same_tempo(120, 60.5)
    assert same_tempo(120, 238)
    assert same_tempo(120, 124)
    assert not same_tempo(120, 126)
    assert not same_tempo(120, 80)
    assert not same_tempo(120, 0)


def test_compiled_loops_are_found_by_the_content_of_their_file(tmp_path, monkeypatch):
    monkeypatch.setattr("librosa_programs.user_cache_folder", lambda: tmp_path / "cache")
    places = {}
    for name, content in (("here", "a = 1"), ("there", "a = 1"), ("changed", "a = 2")):
        (tmp_path / name).mkdir()
        file = tmp_path / name / "beat.py"
        file.write_text(content)
        locator = LibrosaPrograms.from_function(clicks, str(file))
        places[name] = (locator.get_cache_path(), locator.get_source_stamp())
    assert places["here"] == places["there"]
    assert places["changed"][0] != places["here"][0]
