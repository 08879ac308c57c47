"""Audio files and pipes: written audio is read back; a failure leaves no file."""

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundstage.audio.clips import read_audio
from soundstage.audio.wav import WavEncoder, read_facts
from soundstage.audio.writer import open_writer
from soundstage.errors import OutputError, StageError
from soundstage.files import replacing

RATE_HZ = 48_000
REPOSITORY = Path(__file__).parents[2]

PIPE_SCRIPT = """
import sys
import numpy as np
from soundstage.audio.writer import open_writer
block = np.full((48_000, 2), 0.25, np.float32)
blocks, total = int(sys.argv[1]), sys.argv[2]
with open_writer("-", 48_000, 2, None, None if total == "unknown" else int(total)) as writer:
    for _ in range(blocks):
        writer.write(block)
print("wrote", writer.samples, file=sys.stderr)
"""


FULL_DISK = """
import resource, sys
import numpy as np
from soundstage.audio.writer import open_writer
from soundstage.errors import OutputError
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
noise = np.random.default_rng(0).uniform(-1, 1, (48_000, 2)).astype(np.float32)
try:
    with open_writer(sys.argv[1], 48_000, 2) as writer:
        for _ in range(12):
            writer.write(noise)
except OutputError as error:
    sys.exit(f"refused: {error}")
"""


def music(seconds: float, channels: int = 2) -> np.ndarray:
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    voices = [0.8 * np.sin(2 * np.pi * 220 * (k + 1) * times) for k in range(channels)]
    return np.stack(voices, axis=1).astype(np.float32)


def write(path: Path, *blocks: np.ndarray) -> None:
    with open_writer(path, RATE_HZ, 2) as writer:
        for block in blocks:
            writer.write(block)


def only(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("suffix", "subtype", "tolerance"),
    [
        ("wav", None, 0.51 / 2**15),
        ("wav", "PCM_24", 0.51 / 2**23),
        ("wav", "FLOAT", 0.0),
        ("flac", None, 1.1 / 2**15),
        ("flac", "PCM_24", 1.1 / 2**23),
        ("ogg", None, 0.05),
        ("mp3", None, 0.05),
        ("WAV", None, 0.51 / 2**15),
    ],
)
def test_written_audio_is_read_back(tmp_path, suffix, subtype, tolerance, channels):
    audio = music(3.0, channels)
    path = tmp_path / f"out.{suffix}"
    with open_writer(path, RATE_HZ, channels, total_samples=len(audio), subtype=subtype) as writer:
        for block in np.array_split(audio, 7):
            writer.write(block)
        assert only(tmp_path) != [path.name], "the file appears only when it is complete"
    assert writer.samples == len(audio)
    assert writer.clipped_samples == 0
    assert only(tmp_path) == [path.name]
    back = read_audio(path, RATE_HZ, channels)
    assert back.shape == audio.shape
    assert np.abs(back - audio).max() <= tolerance


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_one_large_block_gives_the_audio_of_many_small_ones(tmp_path, suffix):
    audio = music(20.0)
    for name, parts in (("one", 1), ("many", 40)):
        with open_writer(tmp_path / f"{name}.{suffix}", RATE_HZ, 2) as writer:
            for block in np.array_split(audio, parts):
                writer.write(block)
    one, many = (read_audio(tmp_path / f"{name}.{suffix}", RATE_HZ, 2) for name in ("one", "many"))
    assert one.shape == many.shape
    # Vorbis looks ahead to the end of a block, so that its choices depend on the blocks.
    assert np.abs(one - many).max() <= (0.05 if suffix == "ogg" else 0.0)


def test_odd_number_of_bytes_is_padded(tmp_path):
    path = tmp_path / "out.wav"
    with open_writer(path, RATE_HZ, 1, subtype="PCM_24") as writer:
        writer.write(music(1.0, 1)[:1_001])
    assert path.stat().st_size % 2 == 0
    assert soundfile.info(path).frames == 1_001
    assert read_facts(path).missing_bytes == 0


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_empty_block_changes_nothing(tmp_path, suffix):
    path = tmp_path / f"out.{suffix}"
    with open_writer(path, RATE_HZ, 2) as writer:
        writer.write(np.zeros((0, 2), np.float32))
        writer.write(music(0.5))
    assert len(read_audio(path, RATE_HZ, 2)) == 24_000


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_samples_beyond_full_scale_are_clipped_and_counted(tmp_path, suffix):
    audio = np.array([[0.5, -1.0], [1.0, 1.25], [-7.0, 0.0]], np.float32)
    with open_writer(tmp_path / f"out.{suffix}", RATE_HZ, 2) as writer:
        writer.write(audio)
    assert writer.clipped_samples == 2
    back, _ = soundfile.read(tmp_path / f"out.{suffix}")
    assert np.abs(back - np.clip(audio, -1, 1)).max() < 1e-4


def test_float_file_keeps_samples_beyond_full_scale(tmp_path):
    audio = np.array([[0.5, -3.0]], np.float32)
    with open_writer(tmp_path / "out.wav", RATE_HZ, 2, subtype="FLOAT") as writer:
        writer.write(audio)
    assert writer.clipped_samples == 0
    assert np.array_equal(soundfile.read(tmp_path / "out.wav", dtype="float32")[0], audio)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("suffix", ["wav", "mp3"])
def test_sample_that_is_not_finite_leaves_no_file(tmp_path, suffix, wrong):
    audio = music(0.1)
    audio[17, 1] = wrong
    with pytest.raises(StageError, match="sample 4817 is not a finite") as caught:
        write(tmp_path / f"out.{suffix}", music(0.1), audio)
    assert caught.value.exit_code == 7
    assert only(tmp_path) == []


@pytest.mark.parametrize(
    "block",
    [np.zeros((4, 2)), np.zeros((4, 1), np.float32), np.zeros(4, np.float32)],
    ids=["float64", "mono", "flat"],
)
def test_block_of_another_shape_or_dtype_is_refused(tmp_path, block):
    with (
        pytest.raises(TypeError, match="block must be float32"),
        open_writer(tmp_path / "out.wav", RATE_HZ, 2) as writer,
    ):
        writer.write(block)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_exception_leaves_the_old_file_and_nothing_else(tmp_path, capfd, suffix, error):
    path = tmp_path / f"out.{suffix}"
    path.write_bytes(b"precious")

    def interrupted():
        with open_writer(path, RATE_HZ, 2) as writer:
            writer.write(music(1.0))
            raise error

    with pytest.raises(error):
        interrupted()
    assert only(tmp_path) == [path.name]
    assert path.read_bytes() == b"precious"
    assert capfd.readouterr().err == ""


def test_replaced_file_keeps_its_permissions_and_its_link(tmp_path):
    real, link = tmp_path / "real.wav", tmp_path / "link.wav"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    with open_writer(link, RATE_HZ, 2) as writer:
        writer.write(music(0.1))
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert soundfile.info(real).frames == 4_800


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none/out.wav", "no folder"),
        ("folder.wav", "is a folder"),
        ("file.txt/out.wav", "no folder"),
        ("out", "must end in one of .wav, .flac, .ogg, .mp3"),
        ("out.aac", "must end in one of"),
        ("n" * 300 + ".wav", "cannot be written"),
    ],
)
def test_path_that_cannot_be_written_is_refused_at_once(tmp_path, name, reason):
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "file.txt").touch()
    before = only(tmp_path)
    with (
        pytest.raises(OutputError, match=reason) as caught,
        open_writer(tmp_path / name, 48_000, 2),
    ):
        pytest.fail("the path must be refused before the block runs")
    assert caught.value.exit_code == 6
    assert "\n" not in str(caught.value)
    assert only(tmp_path) == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_device_is_refused(tmp_path):
    (tmp_path / "out.wav").symlink_to("/dev/full")
    with (
        pytest.raises(OutputError, match="not an ordinary file"),
        open_writer(tmp_path / "out.wav", RATE_HZ, 2),
    ):
        pytest.fail("a device must be refused")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError), open_writer(tmp_path / "out.wav", RATE_HZ, 2):
        pytest.fail("the folder must be refused")


def test_disk_without_room_is_refused_before_the_first_block(tmp_path):
    with (
        pytest.raises(OutputError, match="make room"),
        open_writer(tmp_path / "out.wav", RATE_HZ, 2, total_samples=1 << 50),
    ):
        pytest.fail("the disk must be refused")
    assert only(tmp_path) == []


def test_sample_rate_that_a_format_lacks_is_refused(tmp_path):
    with (
        pytest.raises(OutputError, match=r"use \.wav"),
        open_writer(tmp_path / "a.mp3", 96_000, 2),
    ):
        pytest.fail("MP3 ends at 48 kHz")
    assert only(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_disk_that_fills_up_leaves_no_file(tmp_path, suffix):
    process = run(FULL_DISK, str(tmp_path / f"out.{suffix}"))
    assert process.returncode == 1
    assert process.stderr.decode().startswith("refused: "), process.stderr
    assert len(process.stderr.decode().splitlines()) == 1
    assert only(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_full_disk_keeps_what_was_written_if_asked_to(tmp_path, suffix):
    script = FULL_DISK.replace("2) as", "2, keep=print) as")
    process = run(script, str(tmp_path / f"out.{suffix}"))
    assert process.returncode == 1, process.stderr
    assert only(tmp_path) == [f"out.partial.{suffix}"]
    kept, _ = soundfile.read(tmp_path / f"out.partial.{suffix}")
    told = process.stdout.decode()
    assert told.startswith(f"{tmp_path}/out.partial.{suffix}: has the first ")
    assert 0 < len(kept) < 12 * 48_000


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_unfinished_file_can_be_read_after_every_block(tmp_path, suffix):
    block = music(1.0)
    with open_writer(tmp_path / f"out.{suffix}", RATE_HZ, 2) as writer:
        for seconds in range(1, 4):
            writer.write(block)
            kept, _ = soundfile.read(tmp_path / f"out.partial.{suffix}")
            # Encoders hold back what does not fill a frame; Vorbis and FLAC, a few frames.
            held_back = 0 if suffix == "wav" else 12_000
            assert seconds * RATE_HZ - held_back <= len(kept) <= seconds * RATE_HZ
    assert only(tmp_path) == [f"out.{suffix}"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_exception_keeps_the_unfinished_file_if_asked_to(tmp_path, error):
    (tmp_path / "out.wav").write_bytes(b"precious")
    (tmp_path / "out.partial.wav").write_bytes(b"of an earlier run")
    told: list[str] = []

    def interrupted(*blocks):
        with open_writer(tmp_path / "out.wav", RATE_HZ, 2, keep=told.append) as writer:
            for block in blocks:
                writer.write(block)
            raise error

    with pytest.raises(error):
        interrupted()
    assert (only(tmp_path), told) == (["out.partial.wav", "out.wav"], [])
    with pytest.raises(error):
        interrupted(music(1.0))
    assert only(tmp_path) == ["out.partial-2.wav", "out.partial.wav", "out.wav"]
    assert told == [f"{tmp_path}/out.partial-2.wav: has the first 1.0 s, made before the end"]
    assert (tmp_path / "out.wav").read_bytes() == b"precious"
    assert (tmp_path / "out.partial.wav").read_bytes() == b"of an earlier run"
    assert soundfile.info(tmp_path / "out.partial-2.wav").frames == RATE_HZ


def run(script: str, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("total", ["144000", "unknown"])
def test_pipe_gets_a_wav(total):
    process = run(PIPE_SCRIPT, "3", total)
    assert process.returncode == 0
    audio, rate_hz = soundfile.read(io.BytesIO(process.stdout))
    assert rate_hz == RATE_HZ
    assert audio.shape == (144_000, 2)
    assert np.abs(audio - 0.25).max() == 0
    riff_bytes = struct.unpack("<I", process.stdout[4:8])[0]
    assert riff_bytes == (0xFFFFFFFF if total == "unknown" else len(process.stdout) - 8)


def test_closed_pipe_ends_the_block_without_an_error():
    command = [sys.executable, "-c", PIPE_SCRIPT, "1000000", "unknown"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(12)[8:] == b"WAVE"
        process.stdout.close()
        messages = process.stderr.read().decode()
        assert process.wait(timeout=30) == 0
    assert messages.startswith("wrote ")
    assert len(messages.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_terminal_is_refused():
    import pty

    parent, child = pty.openpty()
    command = [sys.executable, "-c", PIPE_SCRIPT, "1", "unknown"]
    process = subprocess.run(
        command, cwd=REPOSITORY, stdout=child, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(child)
    os.close(parent)
    assert "OutputError: standard output is a terminal" in process.stderr.decode()


def test_more_than_4_gb_is_written_as_rf64(tmp_path):
    samples = 1_500_000_000
    header = io.BytesIO()
    WavEncoder(header, RATE_HZ, 2, "PCM_16", {"ICMT": "long"}, samples)
    path = tmp_path / "long.wav"
    path.write_bytes(header.getvalue())
    os.truncate(path, len(header.getvalue()) + samples * 4)  # sparse: takes no disk space
    assert soundfile.info(path).frames == samples
    facts = read_facts(path)
    assert facts.missing_bytes == 0
    assert facts.tags == {"ICMT": "long"}


def test_replacing_passes_an_oserror_of_its_block_through(tmp_path):
    with pytest.raises(ConnectionError), replacing(tmp_path / "state.bin"):
        raise ConnectionError
    assert only(tmp_path) == []
