"""The fast envelope: makes attacks of high sounds as sharp as the codes say."""

import jax
import jax.numpy as jnp
import numpy as np

from soundstage.stages.bandcodec.measures import Measures
from soundstage.stages.bandcodec.spectra import Spectra

# The most by which a slot of a band is made softer or louder, in nepers.
MOST_CHANGE = 2.0
# What a change is less by: noise differs that much from slot to slot, and is to be left alone.
IGNORED = 0.5
# Bins over which one band's change passes into the next one's; odd.
SOFT_BINS = 7


class Envelope:
    """Gives audio a fast envelope.

    Args:
        measures: the codec's sizes.
    """

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._spectra = Spectra(2 * measures.slot_samples, measures.slot_samples)

    def __call__(self, audio: jax.Array, envelope: jax.Array) -> jax.Array:
        """Brings the loudness of every slot and band near that of an envelope.

        Args:
            audio: float32 [channel, sample]; its first slot's window begins at the first sample.
            envelope: float32 [slot, slot band]; loudness in nepers, floor included.

        Returns:
            float32 [channel, sample]; exact where two windows overlap.
        """
        m = self._measures
        spectra = self._spectra.forward(audio)
        power = jnp.square(jnp.abs(spectra)).mean(axis=0) @ m.slot_means
        now = 0.5 * jnp.log(power + m.slot_floor**2)
        wanted = jnp.clip(envelope - now, -MOST_CHANGE, MOST_CHANGE)
        change = (wanted - jnp.clip(wanted, -IGNORED, IGNORED)) @ self._between()
        changed = spectra * jnp.exp(change)[None].astype(spectra.dtype)
        return jax.vmap(self._spectra.inverse)(changed)

    def _between(self) -> np.ndarray:
        """Interpolation from the changes of wide bands to bins, none at low ones."""
        inside = (self._measures.slot_means > 0).astype(np.float64).T
        soft = np.hanning(SOFT_BINS + 2)[1:-1]
        # Beyond the highest bin everything belongs to the highest band.
        padded = np.pad(inside, ((0, 0), (SOFT_BINS // 2,) * 2), "edge")
        rows = [np.convolve(row, soft / soft.sum(), "valid") for row in padded]
        return np.stack(rows).astype(np.float32)
