"""Audio files as input of the networks: clips of audio prompts, and input of the codec."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from soundstage.audio.reader import open_audio
from soundstage.audio.source import AudioSource, SampleArray
from soundstage.errors import InputError
from soundstage.graph.format import Format

LONGEST_S = 600.0
SHORTEST_S = 0.1
SILENCE_DBFS = -80.0
LOUDEST = 32.0  # of full scale; a louder sample is a scaling mistake


@dataclass(frozen=True)
class Clips:
    """An audio prompt, ready to be embedded.

    Attributes:
        samples: float32 [clip, clip_sample], mono at the format's `clip_rate_hz`.
        seconds: the file's duration, before zero padding.
        notes: conversions of the audio, for people.
    """

    samples: np.ndarray
    seconds: float
    notes: tuple[str, ...]


def read_clips(source: Path | str | SampleArray, format: Format, max_s: float = LONGEST_S) -> Clips:
    """Reads an audio prompt as clips of `clip_s` seconds, one after another.

    The channels are averaged to mono; other rates are resampled. Zeros fill the end of the last
    clip.

    Args:
        source: a file in any format that libsndfile reads, 1 kHz to 768 kHz, or samples.
        format: has the clips' length and rate.
        max_s: seconds of the longest file accepted; the header is checked before decoding.

    Returns:
        The clips; at least one.

    Raises:
        InputError: the file is missing, damaged, empty, shorter than 0.1 s, longer than `max_s`,
            silent (below -80 dBFS as mono), or has samples that are not finite or beyond 32 times
            full scale.
    """
    opened = nullcontext(source) if isinstance(source, SampleArray) else open_audio(source)
    with opened as audio:
        mono = _read(audio, format.clip_rate_hz, 1, max_s)[:, 0]  # [sample]
        notes = _notes(audio, format.clip_rate_hz)
        seconds = audio.seconds
    _refuse_silence(audio.name, mono, audio.channels)
    length = format.dims["clip_sample"]
    clips = -(-len(mono) // length)
    padded = np.zeros(clips * length, np.float32)
    padded[: len(mono)] = mono
    return Clips(padded.reshape(clips, length), seconds, notes)


def read_audio(
    path: Path | str, sample_rate_hz: int, channels: int, max_s: float = LONGEST_S
) -> np.ndarray:
    """Reads a file as input of the codec.

    A file with `channels` channels keeps them; for any other number, every channel gets the mean.
    Silence is accepted.

    Returns:
        float32 [sample, channel], 1.0 = full scale.

    Raises:
        InputError: as `read_clips`, except for silence.
    """
    with open_audio(path) as source:
        return _read(source, sample_rate_hz, channels, max_s)


def _read(source: AudioSource, rate_hz: int, channels: int, max_s: float) -> np.ndarray:
    _refuse_length(source, max_s)
    mixed = (_mixed(block, channels) for block in _finite(source))
    if source.sample_rate_hz == rate_hz:
        return np.concatenate(list(mixed))
    resampler = soxr.ResampleStream(
        source.sample_rate_hz, rate_hz, channels, dtype="float32", quality="VHQ"
    )
    parts = [resampler.resample_chunk(block) for block in mixed]
    parts.append(resampler.resample_chunk(np.zeros((0, channels), np.float32), last=True))
    return np.concatenate(parts)


def _mixed(block: np.ndarray, channels: int) -> np.ndarray:
    if block.shape[1] == channels:
        return block
    mean = block.mean(axis=1, keepdims=True, dtype=np.float32)
    return np.repeat(mean, channels, axis=1)


def _finite(source: AudioSource) -> Iterator[np.ndarray]:
    start = 0
    for block in source.blocks():
        wrong = ~(np.abs(block) <= LOUDEST).all(axis=1)  # NaN compares false
        if wrong.any():
            index = int(wrong.argmax())
            at = (start + index) / source.sample_rate_hz
            worst = block[index][~(np.abs(block[index]) <= LOUDEST)][0]
            raise InputError(
                f"{source.name}: the sample at {at:.3f} s is {worst:g}, outside full scale, "
                "-1 to 1: export the file again"
            )
        start += len(block)
        yield block


def _refuse_length(source: AudioSource, max_s: float) -> None:
    if source.seconds > max_s:
        is_file = not isinstance(source, SampleArray)
        example = f", such as `ffmpeg -i in.wav -t {max_s:g} out.wav`" if is_file else ""
        raise InputError(
            f"{source.name}: lasts {_clock(source.seconds)}, more than the limit of "
            f"{_clock(max_s)}: cut out a part{example}"
        )
    if source.seconds < SHORTEST_S:
        raise InputError(
            f"{source.name}: lasts {1000 * source.seconds:.3g} ms, less than the minimum of "
            f"{1000 * SHORTEST_S:g} ms: use a longer one"
        )


def _refuse_silence(name: str, mono: np.ndarray, channels: int) -> None:
    peak = float(np.abs(mono).max())
    if peak > 10 ** (SILENCE_DBFS / 20):
        return
    cause = ", or its channels cancel out" if channels > 1 else ""
    raise InputError(
        f"{name}: is silent (nothing above {SILENCE_DBFS:g} dBFS as mono{cause}): use audio with "
        "sound"
    )


def _notes(source: AudioSource, rate_hz: int) -> tuple[str, ...]:
    notes = []
    if source.channels > 1:
        notes.append(f"{source.channels} channels mixed to mono")
    if source.sample_rate_hz != rate_hz:
        notes.append(f"resampled from {source.sample_rate_hz} Hz to {rate_hz} Hz")
    return tuple(notes)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = (f"{hours} h" * (hours > 0), f"{minutes} min" * (minutes > 0), f"{rest} s" * (rest > 0))
    return " ".join(part for part in parts if part) or "0 s"
