"""Effects of the mixer: room, echoes, chorus, distortion, filters, ducking and stereo width."""

from collections.abc import Sequence

import numpy as np

# The tilt of the spectrum from the darkest to the brightest piece, and the darkest low-pass.
TILT_DB_PER_OCTAVE = 1.6
TILT_AROUND_HZ = 800.0
TILT_LIMIT_DB = 7.0
LOWPASS_HZ = 2_500.0
LOWPASS_BELOW = 0.45
# Some sounds of FluidR3 have an inaudible DC offset that is larger than their notes.
HIGHPASS_HZ = 25.0

CHORUS_DELAY_S, CHORUS_DEPTH_S = 0.012, 0.003
CHORUS_RATES_HZ = (0.53, 0.71)
SWEEP_HZ = (350.0, 1_200.0, 4_200.0)
DUCK_S = 0.11
PREDELAY_S = 0.012


def fast_size(size: int) -> int:
    """Returns the smallest length >= size with prime factors 2, 3 and 5 only in short form."""
    power = 1 << max(0, (size - 1).bit_length())
    return min(n for n in (power, power * 3 // 4, power * 5 // 8, power * 9 // 16) if n >= size)


def brightened(audio: np.ndarray, rate_hz: int, brightness: float) -> np.ndarray:
    """Tilts the spectrum by brightness, and removes frequencies below `HIGHPASS_HZ`.

    Brightness 0.5 leaves the tilt unchanged; below `LOWPASS_BELOW` a low-pass is added.

    Args:
        audio: float [sample, channel].
        rate_hz: samples a second.
        brightness: 0 dark to 1 bright.
    """
    size = fast_size(len(audio))
    frequency_hz = np.maximum(np.fft.rfftfreq(size, 1.0 / rate_hz), 1.0)
    slope = TILT_DB_PER_OCTAVE * (2.0 * brightness - 1.0)
    tilt_db = slope * np.log2(frequency_hz / TILT_AROUND_HZ)
    gain = 10.0 ** (np.clip(tilt_db, -TILT_LIMIT_DB, TILT_LIMIT_DB) / 20.0)
    gain = gain / np.sqrt(1.0 + (HIGHPASS_HZ / frequency_hz) ** 4)
    if brightness < LOWPASS_BELOW:
        corner_hz = LOWPASS_HZ * 2.0 ** (brightness / LOWPASS_BELOW * 3.0)
        gain = gain / np.sqrt(1.0 + (frequency_hz / corner_hz) ** 4)
    return _filtered(audio, gain)


def room_response(
    seconds: float, damping: float, rate_hz: int, rng: np.random.Generator
) -> np.ndarray:
    """Returns the impulse response of a room: decaying noise, whose high frequencies die first.

    Args:
        seconds: time in which it decays by 60 dB.
        damping: 0 bright to 1 dull.
        rate_hz: samples a second.
        rng: draws the noise.

    Returns:
        float32 [sample, 2] of energy 1 a channel; its channels are independent.
    """
    length = round(seconds * rate_hz)
    time = np.arange(length) / rate_hz
    decay = 10.0 ** (-3.0 * time / seconds)
    bright = rng.standard_normal((length, 2)) * decay[:, None]
    dull = rng.standard_normal((length, 2)) * np.sqrt(decay)[:, None]
    frequency_hz = np.fft.rfftfreq(fast_size(length), 1.0 / rate_hz)
    lowpass = 1.0 / np.sqrt(1.0 + (frequency_hz / 1_800.0) ** 2)
    noise = (1.0 - damping) * bright + damping * _filtered(dull, lowpass) * decay[:, None]
    response = np.concatenate([np.zeros((round(PREDELAY_S * rate_hz), 2)), noise])
    return (response / np.sqrt((response**2).sum(0))).astype(np.float32)


def convolved(audio: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Convolves each channel with its response; the result is as long as the audio."""
    size = fast_size(len(audio) + len(response) - 1)
    spectrum = np.fft.rfft(audio, size, axis=0) * np.fft.rfft(response, size, axis=0)
    return np.fft.irfft(spectrum, size, axis=0)[: len(audio)]


def echoed(audio: np.ndarray, step: int, feedback: float, count: int = 4) -> np.ndarray:
    """Returns echoes alone, which change sides at each repetition.

    Args:
        audio: float [sample, 2].
        step: samples from one echo to the next.
        feedback: level of an echo relative to the one before.
        count: number of echoes.
    """
    out = np.zeros_like(audio)
    for number in range(1, count + 1):
        shift = number * step
        if shift >= len(audio):
            break
        source = audio[:-shift, ::-1] if number % 2 else audio[:-shift]
        out[shift:] += source * np.float32(feedback**number)
    return out


def chorused(audio: np.ndarray, rate_hz: int, depth: float) -> np.ndarray:
    """Adds to each channel a copy whose delay swings, which widens the sound.

    Args:
        audio: float [sample, 2].
        rate_hz: samples a second.
        depth: level of the copy, 0 to 1.
    """
    time = np.arange(len(audio))
    out = audio.copy()
    for channel, speed_hz in enumerate(CHORUS_RATES_HZ):
        swing = np.sin(2.0 * np.pi * speed_hz * time / rate_hz + channel)
        delay = (CHORUS_DELAY_S + CHORUS_DEPTH_S * swing) * rate_hz
        copy = np.interp(time - delay, time, audio[:, channel], left=0.0)
        out[:, channel] += (depth * copy).astype(audio.dtype)
    return out


def driven(audio: np.ndarray, drive_db: float) -> np.ndarray:
    """Distorts softly: `drive_db` is how far the loudest peak is above the curve's bend."""
    peak = float(np.abs(audio).max())
    if peak == 0.0:
        return audio
    gain = 10.0 ** (drive_db / 20.0) / peak
    return (np.tanh(audio * gain) / gain).astype(audio.dtype)


def swept(audio: np.ndarray, rate_hz: int, period_s: float) -> np.ndarray:
    """Opens and closes a low-pass filter slowly.

    Args:
        audio: float [sample, channel].
        rate_hz: samples a second.
        period_s: seconds from one closed position to the next.
    """
    position = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(len(audio)) / rate_hz / period_s)
    frequency_hz = np.fft.rfftfreq(fast_size(len(audio)), 1.0 / rate_hz)
    versions = [_filtered(audio, 1.0 / (1.0 + (frequency_hz / hz) ** 4)) for hz in SWEEP_HZ]
    versions.append(audio)
    place = position * (len(versions) - 1)
    shares = [np.maximum(0.0, 1.0 - np.abs(place - number)) for number in range(len(versions))]
    parts = (s[:, None] * v for s, v in zip(shares, versions, strict=True))
    return np.asarray(sum(parts), audio.dtype)


def ducking(starts: Sequence[int], samples: int, rate_hz: int, depth: float) -> np.ndarray:
    """Returns a gain that drops at each start and recovers, as a compressor keyed by the kick does.

    Args:
        starts: samples, ascending.
        samples: length.
        rate_hz: samples a second.
        depth: 0 none to 1 silent.

    Returns:
        float32 [sample, 1].
    """
    gain = np.ones(samples, np.float32)
    length = round(4 * DUCK_S * rate_hz)
    shape = 1.0 - depth * np.exp(-np.arange(length) / (DUCK_S * rate_hz))
    # A fall in one sample would click.
    attack = round(0.003 * rate_hz)
    shape[:attack] = np.linspace(1.0, shape[attack], attack)
    for start in starts:
        part = gain[start : start + length]
        np.minimum(part, shape[: len(part)].astype(np.float32), out=part)
    return gain[:, None]


def widened(audio: np.ndarray, width: float) -> np.ndarray:
    """Scales the difference of the channels: 0 mono, 1 unchanged, 2 twice as wide."""
    middle = audio.mean(1, keepdims=True)
    return np.asarray(middle + width * (audio - middle), audio.dtype)


def _filtered(audio: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Multiplies the spectrum of `fast_size` samples by a gain, float [frequency]."""
    size = fast_size(len(audio))
    spectrum = np.fft.rfft(audio, size, axis=0)
    gained = spectrum * gain[:, None].astype(spectrum.real.dtype)
    return np.fft.irfft(gained, size, axis=0)[: len(audio)]
