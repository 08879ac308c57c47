"""Subtypes of audio files, and the cue points of WAV files."""

import struct

import numpy as np
import pytest
import soundfile

from soundstage.audio.clips import read_audio
from soundstage.audio.wav import Cue, read_facts
from soundstage.audio.writer import SUBTYPES, open_writer
from soundstage.errors import OutputError

RATE_HZ = 48_000


def music(seconds: float) -> np.ndarray:
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    voices = [0.8 * np.sin(2 * np.pi * pitch_hz * times) for pitch_hz in (220, 440)]
    return np.stack(voices, axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "subtype", "choices"),
    [
        ("a.ogg", "PCM_16", "VORBIS or OPUS"),
        ("a.flac", "FLOAT", "PCM_16 or PCM_24 or PCM_S8"),
        ("a.wav", "MP3", "PCM_16 or PCM_24 or PCM_32 or PCM_U8 or FLOAT or DOUBLE"),
        ("a.mp3", "PCM_24", "MPEG_LAYER_III"),
    ],
)
def test_subtype_that_a_format_lacks_is_refused(tmp_path, name, subtype, choices):
    with (
        pytest.raises(OutputError, match=f"does not fit .*: choose {choices}"),
        open_writer(tmp_path / name, RATE_HZ, 2, subtype=subtype),
    ):
        pytest.fail("the subtype must be refused")


# The largest error of a sample: half a step of its whole numbers.
PRECISION = {"PCM_U8": 2**-8, "PCM_S8": 2**-8, "PCM_16": 2**-16, "PCM_24": 2**-24, "PCM_32": 2**-32}


@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [(suffix, subtype) for suffix, known in SUBTYPES.items() for subtype in known],
)
def test_every_subtype_is_written_as_soundfile_reads_it(tmp_path, suffix, subtype):
    path, audio = tmp_path / f"out{suffix}", music(0.3)
    audio[:2] = [[1.0, -1.0], [0.0, -0.5]]
    with open_writer(path, RATE_HZ, 2, subtype=subtype.lower()) as writer:
        writer.write(audio)
    assert soundfile.info(path).subtype == subtype
    back = soundfile.read(path)[0]
    if suffix in (".wav", ".flac"):
        precision = PRECISION.get(subtype, 0.0)
        assert np.abs(back - np.minimum(audio.astype(float), 1 - 2 * precision)).max() <= precision
    else:
        assert np.corrcoef(back[: len(audio), 0], audio[:, 0])[0, 1] > 0.99


def cue_points(path):
    """The samples and labels of a WAV file's cue points, and the name of every chunk."""
    data, at, names, samples, labels = path.read_bytes(), 12, [], [], []
    assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8
    while at < len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + size]
        if name == b"cue ":
            samples = [struct.unpack_from("<I", body, 4 + 24 * n + 20)[0] for n in range(body[0])]
        if body[:4] == b"adtl":
            place = 4
            while place < size:
                length = struct.unpack_from("<I", body, place + 4)[0]
                labels.append(body[place + 12 : place + 7 + length].decode())
                place += 8 + length + length % 2
        names.append(name)
        at += 8 + size + size % 2
    return list(zip(samples, labels, strict=True)), names


def test_cue_points_of_a_wav_file_follow_its_audio(tmp_path):
    path, audio = tmp_path / "out.wav", music(0.3)
    cues = (Cue(4_000, "jazz (0.5)"), Cue(9_001, "tëchno"))
    with open_writer(path, RATE_HZ, 2) as writer:
        writer.write(audio)
        writer.cues = cues
    points, names = cue_points(path)
    assert points == [(cue.sample, cue.label) for cue in cues]
    assert names == [b"JUNK", b"fmt ", b"data", b"cue ", b"LIST"]
    assert soundfile.info(path).frames == len(audio)
    assert (read_facts(path).missing_bytes, read_facts(path).surplus_bytes) == (0, 0)
    assert np.abs(read_audio(path, RATE_HZ, 2) - audio).max() < 1e-4
