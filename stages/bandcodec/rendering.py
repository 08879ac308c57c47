"""From embeddings of frames to what is heard: magnitudes, stereo image and fast envelope."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from soundstage.stages.bandcodec.measures import Measures
from soundstage.stages.bandcodec.weights import BandCodecWeights, NetworkWeights

# The loudest a bin can be, in nepers above a full-scale sine.
LOUDEST = 1.0
# The least power of a bin; that of a full-scale sine is (window_samples / 4)**2.
INAUDIBLE = 1e-8
# The largest sine of an angle between left and right: 30 dB between both channels.
FARTHEST = 0.998
# The most by which the network moves a bin to one side, in nepers.
MOST_MOVED = 2.0


class RenderedSpectra(NamedTuple):
    """The sound of consecutive frames.

    Attributes:
        magnitudes: float32 [hop, bin]; root of the mean power of both channels.
        left: complex64 [hop, bin]; the left channel's spectrum relative to `magnitudes` with one
            phase for both.
        right: complex64 [hop, bin]; the same for the right channel.
        envelope: float32 [slot, slot band]; loudness in nepers.
    """

    magnitudes: jax.Array
    left: jax.Array
    right: jax.Array
    envelope: jax.Array


class Rendering:
    """Renders embeddings: a linear map, refined by a network.

    The linear map gives the features of a frame. The network sees the same frames and changes the
    loudness of each bin, which the features give for bands only.

    Args:
        measures: the codec's sizes.
    """

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        # Left and right turn apart, in one direction in every second group: turned alike
        # everywhere, one channel would lag behind the other.
        signs = np.where(np.arange(measures.groups) % 2, -1.0, 1.0)
        self._turn = (measures.group_sums @ signs).astype(np.float32)

    def __call__(self, weights: BandCodecWeights, embeddings: jax.Array) -> RenderedSpectra:
        """Renders frames.

        Args:
            weights: the codec's.
            embeddings: float32 [frame, width].

        Returns:
            The sound of all frames but the first `past_taps` and the last `future_taps`.
        """
        m = self._measures
        count = len(embeddings) - m.taps + 1
        around = [embeddings[tap : tap + count] for tap in range(m.taps)]
        parts = [part @ weights.synthesis[tap] for tap, part in enumerate(around)]
        features = sum(parts[1:], parts[0]) + weights.mean[None]
        bands, place, width, envelope = jnp.split(features, np.cumsum(m.parts)[:-1], axis=1)
        scaled = jnp.concatenate([part * weights.scale[None] for part in around], axis=1)
        louder, to_right = self._refinement(weights.network, scaled)
        loudness = bands.reshape(-1, m.bands) @ m.bin_kernel + louder
        left, right = self._sides(place, width, to_right)
        envelope = envelope.reshape(-1, m.slot_bands) / m.slot_gain
        return RenderedSpectra(self._magnitudes(loudness), left, right, envelope)

    def _refinement(
        self, network: NetworkWeights, scaled: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Returns the changes of loudness and of balance, both float32 [hop, bin], in nepers."""
        m = self._measures
        frame = jax.nn.gelu(network.around(scaled))
        frame = frame + jax.nn.gelu(network.frame(frame))
        hop = jax.nn.gelu(network.hops(frame)).reshape(-1, m.hop_hidden)
        hop = hop + jax.nn.gelu(network.hop(hop))
        return network.bins(hop), network.sides(hop)

    def _magnitudes(self, loudness: jax.Array) -> jax.Array:
        m = self._measures
        loudest = float(np.log(m.window_samples / 4)) + LOUDEST
        whole = jnp.exp(jnp.minimum(loudness, loudest))
        audible = jnp.sqrt(jnp.maximum(jnp.square(whole) - m.floor**2, INAUDIBLE))
        # What is below the floor is silent, but has a gradient of the size of the floor.
        return (whole + jax.lax.stop_gradient(audible - whole)) * m.in_bands[None]

    def _sides(
        self, place: jax.Array, width: jax.Array, to_right: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        m = self._measures

        def by_bin(angle: jax.Array) -> jax.Array:
            return jnp.repeat(angle / m.angle_gain @ m.group_kernel, m.hops, axis=0)

        sine = jnp.clip(jnp.sin(by_bin(place)), -FARTHEST, FARTHEST)
        balance = 2 * jnp.arctanh(sine) + 2 * MOST_MOVED * jnp.tanh(to_right / MOST_MOVED)
        left, right = jnp.sqrt(2 * jax.nn.sigmoid(-balance)), jnp.sqrt(2 * jax.nn.sigmoid(balance))
        # The cross spectrum of both sides, relative to the mean power, is the cosine of the width.
        alike = jnp.cos(by_bin(width)) / jnp.maximum(left * right, 1e-3)
        turn = 0.5 * jnp.arccos(jnp.clip(alike, -1, 1)) * self._turn[None]
        turn = jax.lax.stop_gradient(turn)  # it does not change the loudness of either side
        cosine, sine = jnp.cos(turn), jnp.sin(turn)
        return (
            jax.lax.complex(left * cosine, left * sine),
            jax.lax.complex(right * cosine, -right * sine),
        )
