"""From the sound of frames to audio: phases, both sides, the fast envelope."""

import jax
import jax.numpy as jnp
import numpy as np

from soundstage.stages.bandcodec.envelope import REACH_SLOTS, Envelope
from soundstage.stages.bandcodec.measures import Measures
from soundstage.stages.bandcodec.phases import TURN, consistent, continued_phases
from soundstage.stages.bandcodec.rendering import RenderedSpectra
from soundstage.stages.bandcodec.spectra import Spectra

# Iterations that make phases consistent.
ITERATIONS = 6
# Samples beyond this are compressed, so that none exceeds full scale: reconstructed phases can add
# up to peaks that the music did not have.
COMPRESSED_FROM = 0.8


class Synthesis:
    """Makes audio.

    Args:
        measures: the codec's sizes.

    Attributes:
        first_phases: float32 [bin], radians; phases before the first spectrum.
    """

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._spectra = Spectra(measures.window_samples, measures.hop_samples)
        self._envelope = Envelope(measures)
        random = np.random.default_rng(0)
        self.first_phases = random.uniform(0, TURN, measures.bins).astype(np.float32)

    def spectra(self, past: jax.Array, magnitudes: jax.Array, phases: jax.Array) -> jax.Array:
        """Finds the phases of spectra.

        Args:
            past: complex64 [past hop, bin]; spectra in front, which do not change.
            magnitudes: float32 [hop, bin].
            phases: float32 [bin], radians; those of the spectrum before the first.

        Returns:
            complex64 [past hop + hop, bin].
        """
        guess = jax.lax.stop_gradient(continued_phases(magnitudes, phases, self._measures))
        return consistent(past, magnitudes, guess, self._spectra, ITERATIONS)

    def first_spectra(self, magnitudes: jax.Array) -> jax.Array:
        """Finds the phases of spectra before which there is nothing; see `spectra`."""
        nothing = jnp.zeros((0, self._measures.bins), jnp.complex64)
        return self.spectra(nothing, magnitudes, jnp.asarray(self.first_phases))

    def audio(
        self, spectra: jax.Array, sound: RenderedSpectra, first: int, frames: int
    ) -> jax.Array:
        """Makes the audio of some frames.

        Args:
            spectra: complex64 [hop, bin]; those of all frames of the sound.
            sound: has at least one frame before the first one and one behind the last one.
            first: the first frame.
            frames: their number.

        Returns:
            float32 [sample, channel], in [-1, 1].
        """
        m = self._measures
        sides = [self._spectra.inverse(spectra * side) for side in (sound.left, sound.right)]
        # A frame begins half a hop before the middle of its first window. The envelope's first
        # window begins 1.5 slots before it.
        start = (m.window_samples - m.hop_samples) // 2 + first * m.frame_samples
        margin = 3 * m.slot_samples // 2
        around = jnp.stack(sides)[:, start - margin : start + frames * m.frame_samples + margin]
        more = 1 + REACH_SLOTS
        slots = sound.envelope[first * m.slots - more : (first + frames) * m.slots + more]
        shaped = self._envelope(around, slots)
        return _compressed(shaped[:, margin : margin + frames * m.frame_samples].T)


def _compressed(audio: jax.Array) -> jax.Array:
    room = 1 - COMPRESSED_FROM
    over = jnp.maximum(jnp.abs(audio) - COMPRESSED_FROM, 0.0)
    below = jnp.minimum(jnp.abs(audio), COMPRESSED_FROM)
    return jnp.sign(audio) * (below + room * jnp.tanh(over / room))
