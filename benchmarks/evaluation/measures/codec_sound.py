"""What a codec does to the stereo image, to attacks, and to held notes."""

import numpy as np

from evaluation.table import Row

TINY = 1e-9
# ---- attacks
ATTACKS_FROM_HZ = 2000.0
SLOT_S = 0.005
RISE_SLOTS = 2
NEAR_SLOTS = 4
LEAST_RISE_DB = 6.0
QUIET_DB = -60.0
# ---- held notes
WINDOW_SAMPLES, HOP_SAMPLES, HELD_HOPS = 2048, 480, 20
HIGHEST_HELD_BIN = 200
MOST_CHANGE_DB = 0.7
BELOW_LOUDEST_DB = 40.0
LEAST_HELD_DB = -54.0


def sound_rows(pairs: list[tuple[np.ndarray, np.ndarray]], sample_rate_hz: int) -> list[Row]:
    """Measures the stereo image, attacks and held notes of pieces behind a codec.

    Args:
        pairs: the original and the decoded audio of each piece, float32 [sample, channel].
        sample_rate_hz: the sample rate of all.

    Returns:
        One row a measure, with its mean over the originals and over the decoded audio.
    """
    sides = np.array([[side_over_mid_db(audio) for audio in pair] for pair in pairs])
    rises = np.concatenate([attacks_db(*pair, sample_rate_hz) for pair in pairs])
    wobbles = np.concatenate([wobble_db(*pair) for pair in pairs])

    def row(what: str, values: np.ndarray) -> Row:
        real, decoded = values.mean(axis=0) if len(values) else (np.nan, np.nan)
        return {"what": what, "original": float(real), "decoded": float(decoded)}

    return [
        row("side over mid, dB", sides),
        row(f"attack above 2 kHz, dB in 10 ms ({len(rises)} attacks)", rises),
        row(f"wobble of held partials, dB ({len(wobbles)} partials)", wobbles),
    ]


def side_over_mid_db(audio: np.ndarray) -> float:
    """Returns the energy of half the difference of both channels over that of half their sum."""
    left, right = audio.astype(np.float64).T
    side, mid = (left - right) / 2, (left + right) / 2
    return float(10 * np.log10((side @ side + TINY) / (mid @ mid + TINY)))


def attacks_db(original: np.ndarray, decoded: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Measures by how much sound above 2 kHz rises within 10 ms.

    An attack is a rise of the original by at least 6 dB, the largest within 20 ms, to a loudness
    above -60 dB of full scale. The decoded audio may rise 20 ms earlier or later.

    Returns:
        float64 [attack, 2]; the rise of the original and of the decoded audio.
    """
    loud, loud_decoded = (_slots_db(audio, sample_rate_hz) for audio in (original, decoded))
    rise, rise_decoded = (x[RISE_SLOTS:] - x[:-RISE_SLOTS] for x in (loud, loud_decoded))
    found = []
    for at in range(NEAR_SLOTS, len(rise) - NEAR_SLOTS):
        near = slice(at - NEAR_SLOTS, at + NEAR_SLOTS + 1)
        is_loud = loud[at + RISE_SLOTS] > QUIET_DB and rise[at] >= LEAST_RISE_DB
        if is_loud and rise[at] == rise[near].max():
            found.append((rise[at], rise_decoded[near].max()))
    return np.array(found).reshape(-1, 2)


def _slots_db(audio: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    spectrum = np.fft.rfft(audio.astype(np.float64), axis=0)
    hertz = np.fft.rfftfreq(len(audio), 1 / sample_rate_hz)
    spectrum[hertz < ATTACKS_FROM_HZ] = 0
    power = np.square(np.fft.irfft(spectrum, len(audio), axis=0)).sum(axis=1)
    slot = round(SLOT_S * sample_rate_hz)
    return 10 * np.log10(power[: len(power) // slot * slot].reshape(-1, slot).mean(axis=1) + 1e-8)


def wobble_db(original: np.ndarray, decoded: np.ndarray) -> np.ndarray:
    """Measures how much the loudness of held partials varies within a fifth of a second.

    A partial is held where its peak in the mono spectrum of the original varies by less than 0.7 dB
    (standard deviation).

    Returns:
        float64 [partial, 2]; the standard deviation in the original and in the decoded audio.
    """
    loud, loud_decoded = (_spectra_db(audio.mean(axis=1)) for audio in (original, decoded))
    found = []
    for first in range(0, len(loud) - HELD_HOPS, HELD_HOPS):
        real, made = (x[first : first + HELD_HOPS] for x in (loud, loud_decoded))
        mean, change = real.mean(axis=0), real.std(axis=0)
        held = (change < MOST_CHANGE_DB) & (mean > LEAST_HELD_DB)
        held &= mean > mean.max() - BELOW_LOUDEST_DB
        held[1:-1] &= (mean[1:-1] > mean[:-2]) & (mean[1:-1] >= mean[2:])
        found.append(np.stack([change[held], made.std(axis=0)[held]], axis=1))
    return np.concatenate(found) if found else np.zeros((0, 2))


def _spectra_db(audio: np.ndarray) -> np.ndarray:
    count = (len(audio) - WINDOW_SAMPLES) // HOP_SAMPLES + 1
    at = np.arange(count)[:, None] * HOP_SAMPLES + np.arange(WINDOW_SAMPLES)
    spectra = np.fft.rfft(audio[at] * np.hanning(WINDOW_SAMPLES + 1)[:-1])[:, :HIGHEST_HELD_BIN]
    return 20 * np.log10(np.abs(spectra) / (WINDOW_SAMPLES / 4) + TINY)
