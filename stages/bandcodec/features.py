"""What the codec keeps of a frame of audio: loudness of bands, stereo image, fast envelope."""

import jax
import jax.numpy as jnp

from soundstage.stages.bandcodec.measures import Measures
from soundstage.stages.bandcodec.spectra import Spectra


class FrameFeatures:
    """Computes the features of frames.

    The features of a frame, in this order:

    - the loudness of each band in each of the frame's spectra, in nepers, of both channels
      together;
    - for each group of bins, the place between left (-pi/2) and right (pi/2): the arcsine of the
      difference of both channels' power relative to the sum;
    - for each group, the width, from 0 (left and right are equal) to pi (opposite): the arccosine
      of the real part of the cross spectrum relative to the mean power;
    - the loudness of each wide band in each slot, in nepers.

    Angles and the fast envelope are multiplied by their weights `angle_gain` and `slot_gain`.

    Args:
        measures: the codec's sizes.
    """

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._hops = Spectra(measures.window_samples, measures.hop_samples)
        self._slots = Spectra(2 * measures.slot_samples, measures.slot_samples)

    def __call__(self, audio: jax.Array) -> jax.Array:
        """Computes features: float32 [sample, channel] to float32 [frame, feature].

        A last partial frame is left out. Silence is assumed before and after the audio.
        """
        m = self._measures
        frames = audio.shape[0] // m.frame_samples
        samples = audio[: frames * m.frame_samples].T
        spectra = self._hops.forward(surrounded(samples, m.window_samples - m.hop_samples))
        envelope = self._envelope(surrounded(samples, m.slot_samples))
        parts = [self._bands(spectra), *self._angles(spectra, frames), envelope]
        return jnp.concatenate([part.reshape(frames, -1) for part in parts], axis=1)

    def _bands(self, spectra: jax.Array) -> jax.Array:
        m = self._measures
        power = jnp.square(jnp.abs(spectra)).mean(axis=0)
        return 0.5 * jnp.log(power @ m.band_kernel + m.floor**2)

    def _angles(self, spectra: jax.Array, frames: int) -> tuple[jax.Array, jax.Array]:
        m = self._measures
        left, right = spectra

        def by_frame(power: jax.Array) -> jax.Array:
            return (power @ m.group_sums).reshape(frames, m.hops, m.groups).sum(axis=1)

        power = jnp.square(jnp.abs(spectra))
        both = by_frame(power[0] + power[1])
        quiet = m.hops * m.group_sums.sum(axis=0)[None] * m.angle_floor**2
        place = by_frame(power[1] - power[0]) / (both + quiet)
        # Silence counts as equal channels.
        alike = (by_frame(2 * (left * right.conj()).real) + quiet) / (both + quiet)
        return (
            m.angle_gain * jnp.arcsin(jnp.clip(place, -1, 1)),
            m.angle_gain * jnp.arccos(jnp.clip(alike, -1, 1)),
        )

    def _envelope(self, samples: jax.Array) -> jax.Array:
        m = self._measures
        power = jnp.square(jnp.abs(self._slots.forward(samples))).mean(axis=0)
        return m.slot_gain * 0.5 * jnp.log(power @ m.slot_means + m.slot_floor**2)


def surrounded(samples: jax.Array, silence: int) -> jax.Array:
    """Puts silence, half of it, in front of float32 [channel, sample], and the rest behind."""
    return jnp.pad(samples, ((0, 0), (silence // 2, silence - silence // 2)))
