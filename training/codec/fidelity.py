"""The fidelity of a codec: distances of its output from its input, on held-out pieces."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import soundfile

from soundstage.errors import InputError
from soundstage.training.codec.codebooks import perplexity
from soundstage.training.codec.spectra import FLOOR, complex_spectra, log_mel, magnitude
from soundstage.training.whole_codec import WholeCodec

LSD_WINDOW_SAMPLES = 2048
MEL_WINDOWS_SAMPLES = (512, 2048)
MEL_BANDS = 64


@dataclass(frozen=True)
class Fidelity:
    """Mean distances over pieces, at one number of levels.

    Attributes:
        levels: RVQ levels decoded.
        log_spectral_distance_db: root mean square over bins of the difference of spectra in dB,
            mean over frames; 0 = equal. Bins below -80 dB of full scale count as -80.
        mel_distance: mean absolute difference of natural logarithms of mel bands; 0 = equal.
        si_sdr_db: scale-invariant signal to distortion ratio of the waveform; higher is better.
    """

    levels: int
    log_spectral_distance_db: float
    mel_distance: float
    si_sdr_db: float


@dataclass(frozen=True)
class Evaluation:
    """The fidelity of a codec on a set of pieces.

    Attributes:
        fidelity: by number of levels.
        perplexity: one number a level, for the codes in use; at most the number of codes and of
            frames.
        frames: number of code frames.
    """

    fidelity: tuple[Fidelity, ...]
    perplexity: tuple[float, ...]
    frames: int


def evaluate(
    codec: WholeCodec, paths: Sequence[Path], seconds: float, levels: Sequence[int] = (4, 8, 16)
) -> Evaluation:
    """Encodes and decodes the middle of every piece, and measures the distances.

    Args:
        codec: with all its parts.
        paths: stereo audio files of the codec's sample rate.
        seconds: the length taken from each file, in seconds.
        levels: numbers of levels to decode; all pieces are encoded with all levels.

    Raises:
        OSError: a file cannot be read.
        InputError: there is no file, or one is too short.
    """
    if not paths:
        raise InputError("there is no held-out piece to evaluate the codec on")
    samples = round(seconds * codec.sample_rate_hz) // codec.frame_samples * codec.frame_samples
    rows: dict[int, list[tuple[float, float, float]]] = {count: [] for count in levels}
    codes_by_piece = []
    for path in paths:
        audio = _middle(path, samples)
        codes = codec.encode(audio[None])
        codes_by_piece.append(codes[0])
        for count in levels:
            decoded = codec.render(codes[..., :count])[0]
            rows[count].append(distances(decoded, audio, codec.sample_rate_hz))
    fidelity = tuple(Fidelity(count, *_means(rows[count])) for count in levels)
    all_codes = np.concatenate(codes_by_piece)
    counts = [np.bincount(level, minlength=codec.codes) for level in all_codes.T]
    used = perplexity(jnp.asarray(np.stack(counts), jnp.float32))
    return Evaluation(fidelity, tuple(float(value) for value in used), len(all_codes))


def distances(
    audio: np.ndarray, reference: np.ndarray, sample_rate_hz: int
) -> tuple[float, float, float]:
    """Returns log-spectral distance, mel distance and SI-SDR; see `Fidelity`.

    Args:
        audio: float32 [sample, channel].
        reference: the same shape.
        sample_rate_hz: the sample rate of both.
    """
    spectral, mel = _spectral(jnp.asarray(audio), jnp.asarray(reference), sample_rate_hz)
    return float(spectral), float(mel), si_sdr_db(audio, reference)


def si_sdr_db(audio: np.ndarray, reference: np.ndarray) -> float:
    """Returns the scale-invariant signal to distortion ratio, all channels as one signal."""
    x, y = audio.astype(np.float64).ravel(), reference.astype(np.float64).ravel()
    target = (x @ y) / (y @ y + 1e-12) * y
    error = x - target
    return float(10 * np.log10((target @ target + 1e-12) / (error @ error + 1e-12)))


@partial(jax.jit, static_argnums=2)
def _spectral(
    audio: jax.Array, reference: jax.Array, sample_rate_hz: int
) -> tuple[jax.Array, jax.Array]:
    both = jnp.stack([audio, reference])
    decibels = 20 * jnp.log10(
        jnp.maximum(magnitude(complex_spectra(both, LSD_WINDOW_SAMPLES)), 10 * FLOOR)
    )
    spectral = jnp.sqrt(jnp.square(decibels[0] - decibels[1]).mean(axis=1)).mean()
    mel = []
    for window in MEL_WINDOWS_SAMPLES:
        bands = log_mel(magnitude(complex_spectra(both, window)), MEL_BANDS, sample_rate_hz)
        mel.append(jnp.abs(bands[0] - bands[1]).mean())
    return spectral, jnp.stack(mel).mean()


def _middle(path: Path, samples: int) -> np.ndarray:
    with soundfile.SoundFile(path) as file:
        if file.frames < samples:
            raise InputError(
                f"{path} has {file.frames} samples, but {samples} are measured: give fewer seconds"
            )
        file.seek((file.frames - samples) // 2)
        return file.read(samples, dtype="float32", always_2d=True)


def _means(rows: list[tuple[float, float, float]]) -> list[float]:
    return [float(mean) for mean in np.mean(rows, axis=0)]
