"""The codec's losses: the waveform where it is loud, the loudness of mel bands everywhere."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from soundstage.training.codec.spectra import (
    FLOOR,
    as_complex,
    complex_spectra,
    log_mel,
    magnitude,
    with_mid_side,
)


@dataclass(frozen=True)
class LossParams:
    """The weights and the windows of the losses.

    Attributes:
        waveform: weight of the complex spectrum's relative error, phase included; low and loud
            sounds dominate it.
        log_mel: weight of the error of log magnitudes in mel bands, at every window.
        commitment: weight of the distance between embeddings and their codes.
        windows_samples: windows of the log-mel losses, besides the codec's own.
        band_samples: window samples per mel band.
        most_bands: most mel bands of a window.
    """

    waveform: float = 1.0
    log_mel: float = 1.0
    commitment: float = 0.25
    windows_samples: tuple[int, ...] = (256, 2048)
    band_samples: int = 8
    most_bands: int = 96


def reconstruction(
    features: jax.Array,
    audio: jax.Array,
    target_features: jax.Array,
    target_audio: jax.Array,
    sample_rate_hz: int,
    params: LossParams,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Compares the decoder's output with the encoder's input.

    Args:
        features: float32 [row, stft_frame, bin, feature_channel], the decoder's output.
        audio: float32 [row, sample, channel], the same as a waveform.
        target_features: the encoder's input, like `features`.
        target_audio: the encoder's input, like `audio`.
        sample_rate_hz: the sample rate of the audio.
        params: the weights and the windows.

    Returns:
        The weighted sum, and its parts by name; float32 scalars.
    """
    window = 2 * features.shape[2]
    output, target = (
        with_mid_side(as_complex(x)) * (4 / window) for x in (features, target_features)
    )
    waveform = _relative_error(output, target)
    mel = [_log_mel_error(output, target, sample_rate_hz, params)]
    output_audio, target_audio = with_mid_side(audio), with_mid_side(target_audio)
    for samples in params.windows_samples:
        spectra = complex_spectra(output_audio, samples), complex_spectra(target_audio, samples)
        mel.append(_log_mel_error(*spectra, sample_rate_hz, params))
    mean_mel = jnp.stack(mel).mean()
    total = params.waveform * waveform + params.log_mel * mean_mel
    return total, {"waveform": waveform, "log_mel": mean_mel}


def _relative_error(output: jax.Array, target: jax.Array) -> jax.Array:
    """Returns the mean of each row's error relative to its size; near-silent rows count little.

    Powers are averaged instead of magnitudes: the least mean magnitude of an error with unknown
    phase is reached by silence, which contradicts the loss of log magnitudes.
    """
    axes = (1, 2, 3)
    error, size = (jnp.sqrt(_power(x).mean(axes) + FLOOR**2) for x in (output - target, target))
    return (error / (size + 1e-4)).mean()


def _power(spectrum: jax.Array) -> jax.Array:
    return jnp.square(spectrum.real) + jnp.square(spectrum.imag)


def _log_mel_error(
    output: jax.Array, target: jax.Array, sample_rate_hz: int, params: LossParams
) -> jax.Array:
    bands = min(2 * output.shape[2] // params.band_samples, params.most_bands)
    mels = [log_mel(magnitude(x), bands, sample_rate_hz) for x in (output, target)]
    return jnp.abs(mels[0] - mels[1]).mean()


def commitment(embeddings: jax.Array, sums: jax.Array, used: jax.Array) -> jax.Array:
    """Returns the squared distance of embeddings from their codes, relative to their squared size.

    Args:
        embeddings: float32 [vector, feature].
        sums: float32 [level, vector, feature], decoded from the first 1, 2, ... levels.
        used: bool [level, vector], the levels that the decoder gets.

    Returns:
        float32 scalar, with a gradient for the embeddings only.
    """
    errors = jnp.square(embeddings[None] - jax.lax.stop_gradient(sums)).mean(axis=-1)
    mean = jnp.where(used, errors, 0).sum() / used.sum().astype(jnp.float32)
    return mean / (jax.lax.stop_gradient(jnp.square(embeddings).mean()) + 1e-6)
