"""Short-time spectra with overlapping windows: analysis and synthesis."""

import jax
import jax.numpy as jnp
import numpy as np


class Spectra:
    """The transform between audio and spectra, one a hop, with phases at the window's middle.

    Args:
        window_samples: length of the Hann window; even.
        hop_samples: samples from one spectrum to the next.
    """

    def __init__(self, window_samples: int, hop_samples: int) -> None:
        self.window_samples, self.hop = window_samples, hop_samples
        steps = np.arange(self.window_samples)
        self._window = (0.5 - 0.5 * np.cos(2 * np.pi * steps / self.window_samples)).astype(
            np.float32
        )
        # A shift by half a window changes the sign of every second bin.
        signs = np.where(np.arange(window_samples // 2 + 1) % 2, -1, 1)
        self._turn = signs.astype(np.complex64)

    def forward(self, audio: jax.Array) -> jax.Array:
        """Computes spectra of audio: float32 [..., sample] to complex64 [..., hop, bin].

        The first window starts at the first sample; the last one ends at or before the last sample.
        """
        count = (audio.shape[-1] - self.window_samples) // self.hop + 1
        at = np.arange(count)[:, None] * self.hop + np.arange(self.window_samples)
        frames = audio[..., at]
        spectra = jnp.fft.rfft(frames * jnp.broadcast_to(self._window, frames.shape))
        return spectra * jnp.broadcast_to(self._turn, spectra.shape)

    def inverse(self, spectra: jax.Array) -> jax.Array:
        """Finds the audio with the nearest spectra: complex64 [hop, bin] to float32 [sample].

        Returns:
            As many samples as the windows cover; faded at both ends, where few windows overlap.
        """
        count = len(spectra)
        parts = -(-self.window_samples // self.hop)
        turn = jnp.broadcast_to(self._turn, spectra.shape)
        frames = jnp.fft.irfft(spectra * turn, n=self.window_samples)
        frames = frames * jnp.broadcast_to(self._window, frames.shape)
        room = parts * self.hop - self.window_samples
        pieces = jnp.pad(frames, ((0, 0), (0, room))).reshape(count, parts, self.hop)
        total = jnp.zeros((count + parts - 1, self.hop), jnp.float32)
        for part in range(parts):
            total = total.at[part : part + count].add(pieces[:, part])
        samples = (count - 1) * self.hop + self.window_samples
        return total.reshape(-1)[:samples] / self._overlap(count)

    def _overlap(self, count: int) -> np.ndarray:
        total = np.zeros((count - 1) * self.hop + self.window_samples)
        for first in range(0, count * self.hop, self.hop):
            total[first : first + self.window_samples] += np.square(self._window, dtype=np.float64)
        full = np.square(self._window, dtype=np.float64).sum() / self.hop
        return np.maximum(total, full / 2).astype(np.float32)
