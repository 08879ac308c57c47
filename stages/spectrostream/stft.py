"""The transform between waveform and spectrum, without learned weights."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class Stft:
    """A short-time Fourier transform whose frame t starts at sample t * hop.

    Attributes:
        window_samples: length of a frame; the window is a periodic Hann window.
        hop_samples: samples from one frame to the next.
        fft_samples: length of the transform; frames are padded with zeros on the right.
    """

    window_samples: int
    hop_samples: int
    fft_samples: int

    def forward(self, waveform: jax.Array) -> jax.Array:
        """Computes the spectrum of a waveform, which is padded with zeros at its end.

        Args:
            waveform: float32 [row, sample, channel].

        Returns:
            float32 [row, ceil(sample / hop), bin, 2 * channel]: real and imaginary part of the
            first channel, then of the next; from DC on, without the Nyquist bin.

        Source: the SpectroStream spec, section 2.
        """
        rows, samples, channels = waveform.shape
        frames = -(-samples // self.hop_samples)
        steps = -(-self.window_samples // self.hop_samples)
        if not frames:
            return jnp.zeros((rows, 0, self.fft_samples // 2, 2 * channels), jnp.float32)
        padding = (frames + steps - 1) * self.hop_samples - samples
        padded = jnp.pad(waveform, ((0, 0), (0, padding), (0, 0)))
        hops = padded.reshape(rows, frames + steps - 1, self.hop_samples, channels)
        framed = jnp.concatenate([hops[:, i : i + frames] for i in range(steps)], axis=2)
        windowed = framed[:, :, : self.window_samples] * self._window()[None, None, :, None]
        spectrum = jnp.fft.rfft(jnp.moveaxis(windowed, 3, 2), self.fft_samples)[..., :-1]
        parts = jnp.stack([spectrum.real, spectrum.imag], axis=3)  # [row, frame, channel, 2, bin]
        return jnp.moveaxis(parts.reshape(rows, frames, 2 * channels, -1), 2, 3)

    def inverse(self, features: jax.Array) -> jax.Array:
        """Reconstructs a waveform; its first hop is faded in.

        Args:
            features: float32 [row, frame, bin, 2 * channel], as `forward` returns them.

        Returns:
            float32 [row, frame * hop, channel].

        Source: the SpectroStream spec, section 3.
        """
        rows, frames, bins, parts = features.shape
        if not frames:
            return jnp.zeros((rows, 0, parts // 2), jnp.float32)
        split = jnp.moveaxis(features.reshape(rows, frames, bins, parts // 2, 2), 2, 4)
        spectrum = jnp.pad(
            jax.lax.complex(split[..., 0, :], split[..., 1, :]), ((0, 0),) * 3 + ((0, 1),)
        )
        framed = jnp.fft.irfft(spectrum, self.fft_samples)[..., : self.window_samples]
        framed = framed * self._inverse_window()[None, None, None, :]
        return self._overlap_add(framed)

    def _overlap_add(self, framed: jax.Array) -> jax.Array:
        rows, frames, channels, window = framed.shape
        steps = -(-window // self.hop_samples)
        padding = steps * self.hop_samples - window
        framed = jnp.pad(framed, ((0, 0), (0, 0), (0, 0), (0, padding)))
        hops = framed.reshape(rows, frames, channels, steps, self.hop_samples)
        total = hops[:, :, :, 0]
        for step in range(1, steps):
            late = hops[:, : max(frames - step, 0), :, step]
            total = total + jnp.pad(late, ((0, 0), (min(step, frames), 0), (0, 0), (0, 0)))
        samples = jnp.moveaxis(total, 2, 3)  # [row, frame, hop_sample, channel]
        return samples.reshape(rows, frames * self.hop_samples, channels)

    def _window(self) -> np.ndarray:
        phase = 2 * np.pi * np.arange(self.window_samples) / self.window_samples
        return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)

    def _inverse_window(self) -> np.ndarray:
        window = self._window()
        steps = -(-self.window_samples // self.hop_samples)
        power = np.zeros(steps * self.hop_samples, np.float32)
        power[: self.window_samples] = np.square(window)
        overlapped = power.reshape(steps, self.hop_samples).sum(axis=0)
        # Where a window without overlap is zero, the sample cannot be recovered and stays zero.
        safe = np.where(overlapped > 0, overlapped, np.float32(1))
        return window / np.tile(safe, steps)[: self.window_samples]
