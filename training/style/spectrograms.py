"""Log-mel spectrograms of a corpus, computed once, and random augmented clips of them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import soundfile
import soxr

from soundstage.stages.style.features import MEL_BANDS, ClipFeatures
from soundstage.training.corpus.manifest import Piece

LEAST_GAIN_DB, MOST_GAIN_DB = -14.0, 8.0
TILT_DB = 6.0
SHORTENED = 0.25  # share of clips that end early, in silence
NOISY = 0.3  # share of clips with noise added
# Noise power a band, in powers of ten above the silence floor.
LEAST_NOISE, MOST_NOISE = -1.0, 2.0


def cached_log_mels(
    pieces: Sequence[Piece], folder: Path, features: ClipFeatures
) -> list[np.ndarray]:
    """Reads the log-mel spectrogram of every piece from a cache, computing those it lacks.

    Args:
        pieces: the pieces of a corpus.
        folder: the cache; made if missing.
        features: computes spectrograms at its sample rate.

    Returns:
        float16 [window, band] a piece, memory-mapped.

    Raises:
        OSError: an audio file cannot be read, or the cache cannot be read or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_cached(Path(piece.path), folder, features) for piece in pieces]


def _cached(path: Path, folder: Path, features: ClipFeatures) -> np.ndarray:
    status = path.stat()
    key = f"{path.resolve()} {status.st_size} {status.st_mtime_ns} {features.rate_hz}"
    cached = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"
    if not cached.exists():
        audio, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        mono = soxr.resample(audio.mean(axis=1), rate_hz, features.rate_hz)
        partial = cached.with_suffix(".part.npy")
        np.save(partial, features.log_mel(mono).astype(np.float16))
        partial.replace(cached)
    return np.load(cached, mmap_mode="r")


def random_clip(random: np.random.Generator, log_mel: np.ndarray, windows: int) -> np.ndarray:
    """Cuts a clip at a random position; a share of `SHORTENED` end early, in silence.

    Args:
        random: draws the position and the length.
        log_mel: float [window, band]; a short one is padded with silence.
        windows: the number of windows of a clip.

    Returns:
        float32 [windows, band].
    """
    first = int(random.integers(max(1, len(log_mel) - windows + 1)))
    short = random.random() < SHORTENED
    kept = max(1, round(windows * random.uniform(0.1, 1.0))) if short else windows
    return padded_clip(log_mel[first : first + kept], windows)


def padded_clip(log_mel: np.ndarray, windows: int) -> np.ndarray:
    """Pads a spectrogram of at most `windows` windows with silence; float32 [window, band]."""
    clip = np.zeros((windows, log_mel.shape[1]), np.float32)
    clip[: len(log_mel)] = log_mel
    return clip


def augmented(key: jax.Array, log_mels: jax.Array) -> jax.Array:
    """Changes loudness and brightness of clips at random, and adds noise to some.

    Args:
        key: the random key of the random changes.
        log_mels: float32 [row, window, band], log(1 + power / floor).

    Returns:
        The same shape; silent windows stay silent.
    """
    rows = log_mels.shape[0]
    gains, tilts, noises, hiss, which = jax.random.split(key, 5)
    gain_db = jax.random.uniform(gains, (rows, 1), minval=LEAST_GAIN_DB, maxval=MOST_GAIN_DB)
    tilt_db = jax.random.uniform(tilts, (rows, 1), minval=-TILT_DB, maxval=TILT_DB)
    slope = jnp.linspace(-1.0, 1.0, MEL_BANDS)[None]  # [1, band]
    factor = 10 ** ((gain_db + tilt_db * slope) / 10)  # [row, band]
    level = 10 ** jax.random.uniform(noises, (rows, 1), minval=LEAST_NOISE, maxval=MOST_NOISE)
    level = jnp.where(jax.random.uniform(which, (rows, 1)) < NOISY, level, 0.0)
    noise = jax.random.exponential(hiss, log_mels.shape) * level[..., None]
    power = jnp.expm1(log_mels) * factor[:, None] + noise
    sounding = log_mels.max(axis=-1, keepdims=True) > 0
    return jnp.where(sounding, jnp.log1p(power), 0.0)
