"""The loudness of a piece after ITU-R BS.1770-4, and a limiter to make pieces equally loud."""

import numpy as np

TARGET_LUFS = -16.0
CEILING_DB = -1.5

BLOCK_S = 0.4
HOP_S = 0.1
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
LIMITER_S = 0.004


def _k_weighting(frequency_hz: np.ndarray) -> np.ndarray:
    """Returns the power response of the K-weighting filters of BS.1770-4 in analogue form."""
    s = 2j * np.pi * frequency_hz
    shelf_w, shelf_q, shelf_gain = 2 * np.pi * 1681.97, 0.7071, 10 ** (4.0 / 20.0)
    shelf = (shelf_gain * s**2 + np.sqrt(shelf_gain) * shelf_w / shelf_q * s + shelf_w**2) / (
        s**2 + shelf_w / shelf_q * s + shelf_w**2
    )
    high_w, high_q = 2 * np.pi * 38.135, 0.5003
    high = s**2 / (s**2 + high_w / high_q * s + high_w**2)
    return np.abs(shelf * high) ** 2


def loudness_lufs(audio: np.ndarray, rate_hz: int) -> float:
    """Measures integrated loudness after ITU-R BS.1770-4, with both gates.

    Args:
        audio: float [sample, channel], at least 0.4 s.
        rate_hz: samples a second.

    Returns:
        LUFS; -inf for silence.
    """
    hop, hops_a_block = round(HOP_S * rate_hz), round(BLOCK_S / HOP_S)
    hops = audio[: len(audio) // hop * hop].reshape(-1, hop, audio.shape[1])
    # By Parseval's theorem; leakage between frequencies hardly matters to so smooth a weight.
    weight = _k_weighting(np.fft.rfftfreq(hop, 1.0 / rate_hz)) * 2.0 / hop
    spectra = np.fft.rfft(hops, axis=1)
    energy = np.einsum("hfc,f->h", spectra.real**2 + spectra.imag**2, weight)
    total = np.concatenate([[0.0], np.cumsum(energy)])
    power = np.maximum(total[hops_a_block:] - total[:-hops_a_block], 0.0) / (hop * hops_a_block)
    with np.errstate(divide="ignore"):
        level = -0.691 + 10.0 * np.log10(power)
    kept = power[level > ABSOLUTE_GATE_LUFS]
    if kept.size == 0:
        return -np.inf
    gate = -0.691 + 10.0 * np.log10(kept.mean()) + RELATIVE_GATE_LU
    return float(-0.691 + 10.0 * np.log10(power[level > max(gate, ABSOLUTE_GATE_LUFS)].mean()))


def _smallest_around(values: np.ndarray, reach: int) -> np.ndarray:
    """Returns the minimum over `reach` samples on both sides of each sample."""
    padded = np.pad(values, reach, mode="edge")
    width, done = 2 * reach + 1, 1
    # Doubling: the minimum over 2n samples is the smaller of two minima over n.
    while done < width:
        step = min(done, width - done)
        padded = np.minimum(padded[:-step], padded[step:])
        done += step
    return padded


def limited(audio: np.ndarray, rate_hz: int, ceiling_db: float = CEILING_DB) -> np.ndarray:
    """Turns the audio down for a few milliseconds around each peak above a ceiling.

    Args:
        audio: float [sample, channel].
        rate_hz: samples a second.
        ceiling_db: highest level, dB below full scale.
    """
    ceiling = 10.0 ** (ceiling_db / 20.0)
    peak = np.abs(audio).max(1)
    gain = np.minimum(1.0, ceiling / np.maximum(peak, 1e-9))
    if gain.min() == 1.0:
        return audio
    reach = round(LIMITER_S * rate_hz)
    window = np.hanning(2 * reach + 3)[1:-1]
    # A mean of minima is never above the gain at its centre, so no sample exceeds the ceiling.
    held = np.pad(_smallest_around(gain, reach), reach, mode="edge")
    size = 1 << (len(held) + len(window)).bit_length()
    spectrum = np.fft.rfft(held, size) * np.fft.rfft(window / window.sum(), size)
    smooth = np.fft.irfft(spectrum, size)[2 * reach : 2 * reach + len(gain)]
    return audio * np.minimum(smooth, gain)[:, None]


def levelled(audio: np.ndarray, rate_hz: int, target_lufs: float = TARGET_LUFS) -> np.ndarray:
    """Brings a piece to a target loudness, with its peaks below the ceiling.

    Args:
        audio: float [sample, channel], at least 0.4 s.
        rate_hz: samples a second.
        target_lufs: integrated loudness; limited peaks make the result slightly softer.

    Raises:
        ValueError: the piece is silent.
    """
    level = loudness_lufs(audio, rate_hz)
    if not np.isfinite(level):
        raise ValueError("a silent piece has no loudness")
    return limited(audio * 10.0 ** ((target_lufs - level) / 20.0), rate_hz)
