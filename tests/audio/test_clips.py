"""Audio prompts: good files are read as clips, bad files are refused in one line."""

import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundstage.audio.clips import read_audio, read_clips
from soundstage.audio.reader import open_audio
from soundstage.errors import InputError
from soundstage.graph.format import Format

FORMAT = Format()


def tone(seconds: float, rate_hz: int, channels: int = 1, pitch_hz: float = 440.0) -> np.ndarray:
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    wave = 0.5 * np.sin(2 * np.pi * pitch_hz * times)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


def saved(path: Path, samples: np.ndarray, rate_hz: int, subtype: str | None = None) -> Path:
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    return path


def refusal(path: Path, max_s: float = 600.0) -> str:
    with pytest.raises(InputError) as caught:
        read_clips(path, FORMAT, max_s)
    message = str(caught.value)
    assert caught.value.exit_code == 3
    assert "\n" not in message
    assert path.name in message
    return message


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff", "caf"])
@pytest.mark.parametrize(("rate_hz", "channels"), [(48_000, 2), (8_000, 1)])
def test_every_format_gives_the_same_clips(tmp_path, suffix, rate_hz, channels):
    path = saved(tmp_path / f"a.{suffix}", tone(12.0, rate_hz, channels), rate_hz)
    clips = read_clips(path, FORMAT)
    assert clips.samples.dtype == np.float32
    assert clips.samples.shape == (2, 160_000)
    assert clips.seconds == pytest.approx(12.0, abs=0.05)
    expected = tone(12.0, 16_000)[:, 0]
    inner = slice(1_000, 150_000)  # codecs and filters ring at the edges
    assert (
        np.abs(clips.samples[0][inner] - expected[inner]).max() < 0.08
    )  # MP3 at 8 kHz is that rough
    assert not clips.samples[1, 33_000:].any(), "the last clip ends in zeros"


def test_number_of_clips_is_the_length_rounded_up(tmp_path):
    rate = FORMAT.clip_rate_hz
    for samples, clips in ((160_000, 1), (160_001, 2), (1_600, 1)):
        path = saved(tmp_path / "a.wav", tone(11.0, rate)[:samples], rate)
        assert len(read_clips(path, FORMAT).samples) == clips


def test_file_at_the_clip_rate_is_not_changed(tmp_path):
    noise = np.random.default_rng(0).uniform(-1, 1, (16_000, 1)).astype(np.float32)
    path = saved(tmp_path / "a.wav", noise, 16_000, "FLOAT")
    clips = read_clips(path, FORMAT)
    assert np.array_equal(clips.samples[0, :16_000], noise[:, 0])
    assert clips.notes == ()


def test_surround_is_mixed_to_the_mean_of_its_channels(tmp_path):
    six = np.zeros((16_000, 6), np.float32)
    six[:, 2] = tone(1.0, 16_000)[:, 0]
    path = saved(tmp_path / "a.wav", six, 16_000, "FLOAT")
    clips = read_clips(path, FORMAT)
    assert np.allclose(clips.samples[0, :16_000], six[:, 2] / 6, atol=1e-7)
    assert clips.notes == ("6 channels mixed to mono",)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_codec_input_is_stereo_at_its_rate(tmp_path, channels):
    rng = np.random.default_rng(1)
    samples = rng.uniform(-1, 1, (48_000, channels)).astype(np.float32)
    audio = read_audio(saved(tmp_path / "a.wav", samples, 48_000, "FLOAT"), 48_000, 2)
    mean = samples.mean(axis=1, keepdims=True)
    expected = samples if channels == 2 else np.repeat(mean, 2, axis=1)
    assert audio.shape == (48_000, 2)
    assert np.allclose(audio, expected, atol=1e-6)


def test_resampling_in_blocks_keeps_length_and_pitch(tmp_path):
    path = saved(tmp_path / "a.wav", tone(7.3, 44_100, 2, 1_000.0), 44_100)
    audio = read_audio(path, 48_000, 2)
    assert abs(len(audio) - 7.3 * 48_000) <= 1
    inner = slice(2_000, -2_000)
    assert np.abs(audio[inner] - tone(7.3, 48_000, 2, 1_000.0)[: len(audio)][inner]).max() < 1e-3


def test_silence_is_accepted_by_the_codec_but_not_as_a_prompt(tmp_path):
    path = saved(tmp_path / "a.wav", np.zeros((16_000, 2), np.float32), 16_000)
    assert not read_audio(path, 16_000, 2).any()
    assert "silent" in refusal(path)


def test_prompt_with_cancelling_channels_is_refused_as_silent(tmp_path):
    left = tone(1.0, 16_000)
    path = saved(tmp_path / "a.wav", np.hstack([left, -left]), 16_000, "FLOAT")
    assert "cancel" in refusal(path)


def test_missing_file_is_refused(tmp_path):
    assert "No such file" in refusal(tmp_path / "none.wav")


def test_folder_is_refused(tmp_path):
    assert "folder" in refusal(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_named_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    assert "ordinary file" in refusal(tmp_path / "a.wav")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_file_without_permission_is_refused(tmp_path):
    path = saved(tmp_path / "a.wav", tone(1.0, 16_000), 16_000)
    path.chmod(0)
    assert "cannot be read" in refusal(path)


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.ogg", "a.flac", "a.txt"])
@pytest.mark.parametrize(
    ("content", "word"),
    [(b"", "empty"), (b"words, not music " * 6_000, "not an audio"), (b"ID3\x04", "not an audio")],
    ids=["empty", "text", "a bare tag"],
)
def test_file_that_is_not_audio_is_refused(tmp_path, capfd, name, content, word):
    path = tmp_path / name
    path.write_bytes(content)
    assert word in refusal(path)
    assert capfd.readouterr().err == "", "decoders print nothing"


def test_raw_samples_are_refused(tmp_path):
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(100_000))
    assert "no header" in refusal(path)


def test_header_without_audio_is_refused(tmp_path):
    assert "length is 0" in refusal(saved(tmp_path / "a.wav", np.zeros((0, 1)), 16_000))


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("kept", [0.5, 0.97])
def test_truncated_file_is_refused(tmp_path, capfd, suffix, kept):
    whole = saved(tmp_path / f"whole.{suffix}", tone(4.0, 48_000, 2), 48_000).read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(whole[: int(len(whole) * kept)])
    assert "cut short" in refusal(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e6])
def test_sample_that_is_not_finite_or_too_large_is_refused(tmp_path, wrong):
    samples = tone(1.0, 16_000, 2)
    samples[8_000, 1] = wrong
    message = refusal(saved(tmp_path / "a.wav", samples, 16_000, "FLOAT"))
    assert "0.500 s" in message
    assert f"{wrong:g}" in message


@pytest.mark.parametrize("samples", [1, 160, 1_599])
def test_file_shorter_than_a_tenth_of_a_second_is_refused(tmp_path, samples):
    assert "minimum" in refusal(saved(tmp_path / "a.wav", tone(1, 16_000)[:samples], 16_000))


@pytest.mark.parametrize("rate_hz", [1, 999, 768_001, 4_000_000_000])
def test_sample_rate_out_of_range_is_refused(tmp_path, rate_hz):
    path = saved(tmp_path / "a.wav", tone(1.0, 16_000), 16_000)
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", rate_hz)
    path.write_bytes(content)
    refusal(path)


def test_lowest_sample_rate_is_read(tmp_path):
    path = saved(tmp_path / "a.wav", tone(1.0, 1_000, pitch_hz=50), 1_000)
    assert read_clips(path, FORMAT).samples.shape == (1, 160_000)


def test_file_of_five_hours_is_refused_before_decoding(tmp_path):
    path = saved(tmp_path / "a.wav", np.zeros((1, 2)), 8_000, "PCM_U8")
    content = bytearray(path.read_bytes())
    data_bytes = 5 * 3600 * 8_000 * 2
    at = content.index(b"data")
    content[at + 4 :] = struct.pack("<I", data_bytes)
    content[4:8] = struct.pack("<I", len(content) - 8 + data_bytes)
    path.write_bytes(content)
    os.truncate(path, len(content) + data_bytes)  # sparse: takes no disk space
    tracemalloc.start()
    message = refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "lasts 5 h" in message
    assert "limit of 10 min" in message
    assert peak < 1_000_000


def test_long_file_is_decoded_in_bounded_memory(tmp_path):
    path = tmp_path / "a.flac"
    with soundfile.SoundFile(path, "w", 48_000, 2) as stream:
        for _ in range(60):
            stream.write(tone(2.0, 48_000, 2))
    tracemalloc.start()
    clips = read_clips(path, FORMAT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert clips.samples.shape == (12, 160_000)
    # The clips, the parts that are joined and one copy; decoding at once would take 46 MB more.
    assert peak < 3.2 * clips.samples.nbytes + 8_000_000


def test_streamed_wav_with_an_unknown_length_is_read(tmp_path):
    path = saved(tmp_path / "a.wav", tone(1.0, 16_000), 16_000)
    content = bytearray(path.read_bytes())
    at = content.index(b"data")
    content[at + 4 : at + 8] = b"\xff" * 4
    path.write_bytes(content)
    assert read_clips(path, FORMAT).seconds == 1.0


def test_concatenated_blocks_equal_the_file(tmp_path):
    samples = np.random.default_rng(2).uniform(-1, 1, (10_007, 3)).astype(np.float32)
    path = saved(tmp_path / "a.wav", samples, 16_000, "FLOAT")
    with open_audio(path) as source:
        blocks = list(source.blocks(1_000))
    assert [len(block) for block in blocks] == [1_000] * 10 + [7]
    assert np.array_equal(np.concatenate(blocks), samples)
