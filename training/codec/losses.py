"""What the codec's output must be near to: in phase where it is loud, in loudness everywhere."""

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
    """How much each loss counts.

    Attributes:
        waveform: of the complex spectrum's error, relative to the spectrum: the waveform, phase
            included; low and loud sounds rule it.
        log_mel: of the error of log magnitudes in mel bands, at every window.
        commitment: of the distance of embeddings from what codes can say.
        windows_samples: windows of the log-mel losses, beside the codec's own.
        band_samples: window samples per mel band.
        most_bands: mel bands of a long window.
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
    wanted_features: jax.Array,
    wanted_audio: jax.Array,
    sample_rate_hz: int,
    params: LossParams,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Compares what the decoder made with what the encoder was given.

    Args:
        features: float32 [row, stft_frame, bin, feature_channel], the decoder's output.
        audio: float32 [row, sample, channel], the same as a waveform.
        wanted_features: like `features`.
        wanted_audio: like `audio`.
        sample_rate_hz: of the audio.
        params: how much each loss counts.

    Returns:
        The weighted sum, and its parts by name; float32 scalars.
    """
    window = 2 * features.shape[2]
    made, wanted = (
        with_mid_side(as_complex(x)) * (4 / window) for x in (features, wanted_features)
    )
    waveform = _relative_error(made, wanted)
    mel = [_log_mel_error(made, wanted, sample_rate_hz, params)]
    made_audio, wanted_both = with_mid_side(audio), with_mid_side(wanted_audio)
    for samples in params.windows_samples:
        spectra = complex_spectra(made_audio, samples), complex_spectra(wanted_both, samples)
        mel.append(_log_mel_error(*spectra, sample_rate_hz, params))
    mean_mel = jnp.stack(mel).mean()
    total = params.waveform * waveform + params.log_mel * mean_mel
    return total, {"waveform": waveform, "log_mel": mean_mel}


def _relative_error(made: jax.Array, wanted: jax.Array) -> jax.Array:
    """Error by size, a row at a time; a near-silent row counts as little as it is heard.

    Powers, not magnitudes, are averaged: a sum of magnitudes would ask for silence wherever the
    phase cannot be known, against the loss of log magnitudes.
    """
    axes = (1, 2, 3)
    error, size = (jnp.sqrt(_power(x).mean(axes) + FLOOR**2) for x in (made - wanted, wanted))
    return (error / (size + 1e-4)).mean()


def _power(spectrum: jax.Array) -> jax.Array:
    return jnp.square(spectrum.real) + jnp.square(spectrum.imag)


def _log_mel_error(
    made: jax.Array, wanted: jax.Array, sample_rate_hz: int, params: LossParams
) -> jax.Array:
    bands = min(2 * made.shape[2] // params.band_samples, params.most_bands)
    heard, meant = (log_mel(magnitude(x), bands, sample_rate_hz) for x in (made, wanted))
    return jnp.abs(heard - meant).mean()


def commitment(embeddings: jax.Array, sums: jax.Array, used: jax.Array) -> jax.Array:
    """How far embeddings are from what their codes say, relative to their size.

    Args:
        embeddings: float32 [vector, feature].
        sums: float32 [level, vector, feature]: what the first 1, 2, ... levels say.
        used: bool [level, vector], which of them the decoder is given.

    Returns:
        float32 scalar; its gradient reaches the embeddings alone.
    """
    errors = jnp.square(embeddings[None] - jax.lax.stop_gradient(sums)).mean(axis=-1)
    mean = jnp.where(used, errors, 0).sum() / used.sum().astype(jnp.float32)
    return mean / (jax.lax.stop_gradient(jnp.square(embeddings).mean()) + 1e-6)
