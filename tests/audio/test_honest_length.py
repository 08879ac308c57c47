"""Audio is read to its end, whatever length its header states, or is refused."""

import io
import struct

import numpy as np
import pytest
import soundfile

from soundstage.audio.clips import read_audio, read_clips
from soundstage.audio.inspection import inspect
from soundstage.errors import InputError
from soundstage.graph.format import Format

RATE_HZ = 48_000
SECONDS = 2
TONE = (np.sin(np.arange(RATE_HZ * SECONDS) / 20) * 0.3).astype(np.float32)
PCM = (TONE * 32767).astype("<i2").tobytes()
BYTES = len(PCM)
UNKNOWN = 0xFFFFFFFF
FORM = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)


def chunk(name, body):
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def ds64(riff, data):
    return chunk(b"ds64", struct.pack("<QQQI", riff, data, data // 2, 0))


def wav(riff, data, before=b"", after=b"", name=b"RIFF", pcm=PCM):
    sizes = struct.pack("<I", riff), struct.pack("<I", data)
    return name + sizes[0] + b"WAVE" + before + FORM + b"data" + sizes[1] + pcm + after


WAVS = {
    "killed recorder": wav(0, 0),
    "killed recorder with JUNK": wav(0, 0, before=chunk(b"JUNK", bytes(28))),
    "killed recorder with bext": wav(0, 0, before=chunk(b"bext", b"x" * 602)),
    "no size of data": wav(36 + BYTES, 0),
    "no size of RIFF": wav(0, BYTES),
    "pipe": wav(UNKNOWN, UNKNOWN),
    "pipe of 2 GB": wav(0x7FFFF024, 0x7FFFF000),
    "RF64": wav(UNKNOWN, UNKNOWN, before=ds64(80 + BYTES, BYTES), name=b"RF64"),
    "RF64 of a killed recorder": wav(UNKNOWN, UNKNOWN, before=ds64(0, 0), name=b"RF64"),
    "RF64 with size 0": wav(UNKNOWN, 0, before=ds64(0, 0), name=b"RF64"),
    "chunks on both sides": wav(
        BYTES + 700, BYTES, before=chunk(b"JUNK", bytes(28)), after=chunk(b"bext", b"x" * 601)
    ),
    "some bytes behind": wav(36 + BYTES, BYTES, after=bytes(1000)),
}


@pytest.mark.parametrize("data", WAVS.values(), ids=WAVS.keys())
def test_wav_is_read_to_its_end(tmp_path, data):
    path = tmp_path / "odd.wav"
    path.write_bytes(data)
    audio = read_audio(path, RATE_HZ, 1)[:, 0]
    np.testing.assert_allclose(audio, TONE, atol=1e-4)
    assert read_clips(path, Format()).seconds == inspect(path).seconds == SECONDS


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (wav(36 + 2 * BYTES, 2 * BYTES), f"{BYTES} bytes of its audio are missing"),
        (wav(36 + BYTES // 2, BYTES // 2), "its header claims 1.0 s, and 96000 bytes follow"),
        (wav(36, 2), "bytes follow"),
        (wav(0, 0, pcm=b""), "has no audio"),
        (wav(0, 0, pcm=b"", after=chunk(b"LIST", b"INFO")), "has no audio"),
    ],
    ids=["cut", "half claimed", "one sample claimed", "empty", "empty before a chunk"],
)
def test_wav_that_does_not_hold_what_it_claims_is_refused(tmp_path, data, words):
    path = tmp_path / "odd.wav"
    path.write_bytes(data)
    for read in (inspect, lambda path: read_audio(path, RATE_HZ, 1)):
        with pytest.raises(InputError, match=words):
            read(path)


def encoded(kind, audio=TONE, **settings):
    file = io.BytesIO()
    soundfile.write(file, audio, RATE_HZ, format=kind, **settings)
    return file.getvalue()


@pytest.fixture(scope="module")
def mp3():
    """Quiet, then noise: a variable bit rate, with its first frame, the index."""
    noise = np.random.default_rng(0).normal(0, 0.2, RATE_HZ).astype(np.float32)
    audio = np.concatenate([TONE * 0.001, noise, TONE])
    data = encoded("MP3", audio, bitrate_mode="VARIABLE", compression_level=0.3)
    # A frame of version 1, layer III: 144 times bit rate over sample rate bytes.
    kbits = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)[data[2] >> 4]
    index = 144 * kbits * 1000 // RATE_HZ
    assert b"Xing" in data[:index]
    return data, index, len(audio) / RATE_HZ


def picture(size):
    """An ID3 tag with a picture full of bytes that look like frames."""
    frame = (
        b"APIC" + synchsafe(size) + b"\0\0" + (b"\0image/png\0\3\0" + size * b"\xff\xfb\x90")[:size]
    )
    return b"ID3\4\0\0" + synchsafe(len(frame)) + frame


def synchsafe(size):
    return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))


def test_mp3_without_an_index_is_read_to_its_end(tmp_path, mp3):
    data, index, seconds = mp3
    path = tmp_path / "odd.mp3"
    for before, after in ((b"", b""), (picture(100_000), b""), (b"", b"TAG" + bytes(125))):
        path.write_bytes(before + data[index:] + after)
        assert inspect(path).seconds == pytest.approx(seconds, abs=0.06)
        assert len(read_audio(path, RATE_HZ, 1)) / RATE_HZ == inspect(path).seconds
    path.write_bytes(picture(100_000) + data)
    assert inspect(path).seconds == seconds


def test_joined_mp3_is_read_to_its_end(tmp_path, mp3):
    data, _, seconds = mp3
    path = tmp_path / "odd.mp3"
    path.write_bytes(4 * data)
    assert inspect(path).seconds == pytest.approx(4 * seconds, abs=0.3)


@pytest.mark.parametrize(("kind", "settings"), [("OGG", {}), ("OGG", {"subtype": "OPUS"})])
def test_truncated_ogg_is_refused(tmp_path, kind, settings):
    data = encoded(kind, **settings)
    path = tmp_path / "cut.ogg"
    pages = [at for at in range(len(data)) if data[at : at + 4] == b"OggS"]
    for end in (len(data) * 2 // 3, pages[-1], pages[-1] + 30):
        path.write_bytes(data[:end])
        with pytest.raises(InputError, match="last Ogg page is missing"):
            inspect(path)


def test_flac_is_compared_with_its_header(tmp_path):
    data, path = bytearray(encoded("FLAC")), tmp_path / "odd.flac"
    for claimed, words in ((RATE_HZ, "claims 1.0 s and holds 2.0 s"), (4 * RATE_HZ, "cut short")):
        data[22:26] = struct.pack(">I", claimed)
        path.write_bytes(data)
        with pytest.raises(InputError, match=words):
            inspect(path)
    data[22:26] = bytes(4)
    path.write_bytes(data)
    assert inspect(path).seconds == SECONDS
    assert len(read_audio(path, RATE_HZ, 1)) == len(TONE)


@pytest.mark.parametrize("kind", ["AIFF", "AU", "CAF", "W64"])
def test_other_formats_are_refused_if_cut_short(tmp_path, kind):
    path, data = tmp_path / "a", encoded(kind)
    path.write_bytes(data)
    assert inspect(path).seconds == SECONDS
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"cut short|not an audio file"):
        inspect(path)
