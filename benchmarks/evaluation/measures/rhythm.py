"""The beat of audio: how clear its pulse is, and its tempo.

The tempo comes from librosa's beat tracker, which nobody here wrote or fitted to our music.
"""

import librosa
import numpy as np

HOP_S = 0.01
MEL_BANDS = 80
# The pulse is looked for between these periods.
SHORTEST_S, LONGEST_S = 0.25, 1.0
QUIETEST_DB = 80.0


def onset_envelope(audio: np.ndarray, rate_hz: int) -> np.ndarray:
    """Returns the mean rise of a log-mel spectrogram, float64 [hop], a hop every `HOP_S`.

    Args:
        audio: float32 [sample, channel], 1.0 = full scale.
        rate_hz: samples a second.
    """
    mono = audio.mean(axis=1)
    power = librosa.feature.melspectrogram(
        y=mono, sr=rate_hz, n_fft=2048, hop_length=round(HOP_S * rate_hz), n_mels=MEL_BANDS
    )
    loudness_db = librosa.power_to_db(power, ref=np.max, top_db=QUIETEST_DB)
    rise: np.ndarray = np.maximum(np.diff(loudness_db, axis=1), 0).mean(axis=0)
    return rise.astype(np.float64)


def pulse_clarity(audio: np.ndarray, rate_hz: int) -> float:
    """Returns the height of the highest peak of the onsets' autocorrelation.

    Args:
        audio: float32 [sample, channel], at least 4 s.
        rate_hz: samples a second.

    Returns:
        A number up to about 1: the largest local maximum at a lag of 0.25 s to 1 s, relative to
        lag 0; 0 if there is none.
    """
    envelope = onset_envelope(audio, rate_hz)
    centred = envelope - envelope.mean()
    correlation = np.correlate(centred, centred, "full")[len(centred) - 1 :]
    correlation = correlation / max(correlation[0], 1e-9)
    first, last = round(SHORTEST_S / HOP_S), round(LONGEST_S / HOP_S)
    lags = np.arange(first, min(last, len(correlation) - 2) + 1)
    here = correlation[lags]
    peaks = (here > correlation[lags - 1]) & (here >= correlation[lags + 1])
    return float(here[peaks].max(initial=0.0))


def tempo_bpm(audio: np.ndarray, rate_hz: int) -> float:
    """Returns the tempo that librosa's beat tracker finds, in beats a minute; 0 = none.

    The tracker's own tempo has few distinct values, so the tempo is that of a line through its
    beats.

    Args:
        audio: float32 [sample, channel].
        rate_hz: samples a second.
    """
    hop = 512
    _, beats = librosa.beat.beat_track(
        y=audio.mean(axis=1), sr=rate_hz, hop_length=hop, units="time"
    )
    if len(beats) < 4:
        return 0.0
    period_s = float(np.polyfit(np.arange(len(beats)), beats, 1)[0])
    return 60.0 / period_s


def same_tempo(one: float, other: float, tolerance: float = 0.04) -> bool:
    """Tells whether two tempos are equal, or one is half or twice the other.

    Args:
        one: beats a minute.
        other: beats a minute; 0 = unknown.
        tolerance: largest relative difference.
    """
    return other > 0 and any(
        abs(other * factor / one - 1) <= tolerance for factor in (0.5, 1.0, 2.0)
    )
