"""The loss of the decoder: the spectra that it renders, and the audio made of them."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from soundstage.stages import rvq
from soundstage.stages.bandcodec.features import FrameFeatures, surrounded
from soundstage.stages.bandcodec.measures import Measures
from soundstage.stages.bandcodec.rendering import RenderedSpectra, Rendering
from soundstage.stages.bandcodec.spectra import Spectra
from soundstage.stages.bandcodec.synthesis import Synthesis
from soundstage.stages.bandcodec.weights import BandCodecWeights, NetworkWeights
from soundstage.training.codec.spectra import complex_spectra, log_mel, magnitude, mel_bands

# Frames at both ends of a crop that are not compared: their windows reach beyond the crop.
EDGE = 2
MEL_BANDS = 64
# Below this a bin counts as silence, 1 = a full-scale sine.
SILENCE = 1e-4


class DecoderParams(NamedTuple):
    """The weights that are trained.

    Attributes:
        synthesis: the linear map.
        network: its refinement.
    """

    synthesis: jax.Array
    network: NetworkWeights


@dataclass(frozen=True)
class DecoderLossParams:
    """The weights of the losses.

    Attributes:
        bins: of the mean absolute error of each bin's loudness, in nepers.
        mels: of that of mel bands of the rendered spectra.
        steps: of the mean absolute error of the change of each bin from one spectrum to the next,
            which keeps held notes and noise steady.
        distance: of the root mean square error of each bin's loudness in the audio.
        audio_mels: of the mean absolute error of mel bands of the audio, long and short windows.
        envelope: of the mean absolute error of the fast envelope of the audio.
    """

    bins: float = 1.0
    mels: float = 1.0
    steps: float = 0.3
    distance: float = 0.0
    audio_mels: float = 0.0
    envelope: float = 0.0

    @property
    def hears_audio(self) -> bool:
        """Whether audio is made at all, which takes most of the time of a step."""
        return self.distance > 0 or self.audio_mels > 0 or self.envelope > 0


class DecoderLoss:
    """Compares decoded crops with the crops.

    Args:
        measures: the codec's sizes.
        weights: the codec; its analysis and codebooks do not change.
        params: the weights of the losses.
    """

    def __init__(
        self, measures: Measures, weights: BandCodecWeights, params: DecoderLossParams
    ) -> None:
        self._measures, self._params = measures, params
        self._weights = jax.tree.map(jnp.asarray, weights)
        self._features, self._rendering = FrameFeatures(measures), Rendering(measures)
        self._synthesis = Synthesis(measures)
        self._spectra = Spectra(measures.window_samples, measures.hop_samples)
        self._slots = Spectra(2 * measures.slot_samples, measures.slot_samples)
        self._mels = mel_bands(MEL_BANDS, measures.bins, measures.sample_rate_hz)

    def __call__(
        self, params: DecoderParams, audio: jax.Array
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Returns the loss of crops, float32 [row, sample, channel], and its parts by name."""
        parts = jax.vmap(lambda row: self._row(params, row))(audio)
        means = {name: values.mean() for name, values in parts.items()}
        total = sum(
            (getattr(self._params, name) * mean for name, mean in means.items()), jnp.float32(0)
        )
        return total, means

    def _row(self, params: DecoderParams, audio: jax.Array) -> dict[str, jax.Array]:
        weights = self._weights._replace(synthesis=params.synthesis, network=params.network)
        embeddings = (self._features(audio) - weights.mean[None]) @ weights.analysis
        codes = rvq.encode(embeddings, weights.codebooks)
        sound = self._rendering(weights, rvq.decode(codes, weights.codebooks))
        losses = self._of_spectra(sound, audio)
        if self._params.hears_audio:
            losses |= self._of_audio(sound, audio)
        return losses

    def _of_spectra(self, sound: RenderedSpectra, audio: jax.Array) -> dict[str, jax.Array]:
        m = self._measures
        target = jnp.abs(
            self._spectra.forward(surrounded(audio.T, m.window_samples - m.hop_samples))
        )
        compared = slice(EDGE * m.hops, -EDGE * m.hops)
        target = target[:, m.past_taps * m.hops : -m.future_taps * m.hops][:, compared]
        sides = [self._side(sound.magnitudes, side)[compared] for side in (sound.left, sound.right)]
        rendered = jnp.stack(sides)
        quiet = SILENCE * m.window_samples / 4
        bins = [jnp.log(x + quiet) for x in (rendered, target)]
        mels = [jnp.log(x @ self._mels + quiet) for x in (rendered, target)]
        return {
            "bins": jnp.abs(bins[0] - bins[1]).mean(),
            "mels": jnp.abs(mels[0] - mels[1]).mean(),
            "steps": jnp.abs(jnp.diff(bins[0], axis=1) - jnp.diff(bins[1], axis=1)).mean(),
        }

    def _side(self, magnitudes: jax.Array, side: jax.Array) -> jax.Array:
        return magnitudes * jnp.sqrt(jnp.square(side.real) + jnp.square(side.imag))

    def _of_audio(self, sound: RenderedSpectra, audio: jax.Array) -> dict[str, jax.Array]:
        m = self._measures
        # The phases are taken as given: the gradient knows the loudness of bins only.
        given = lax.stop_gradient(sound.magnitudes)
        settled = lax.stop_gradient(self._synthesis.first_spectra(given))
        spectra = settled * (sound.magnitudes / jnp.maximum(given, SILENCE)).astype(settled.dtype)
        frames = len(sound.magnitudes) // m.hops - 2 * EDGE
        made = self._synthesis.audio(spectra, sound, EDGE, frames)
        first = (m.past_taps + EDGE) * m.frame_samples
        real = audio[first : first + frames * m.frame_samples]
        both = jnp.stack([made, real])
        loudness = jnp.log(jnp.maximum(magnitude(complex_spectra(both, 2048)), SILENCE))
        distance = jnp.sqrt(jnp.square(loudness[0] - loudness[1]).mean(axis=1) + 1e-6).mean()
        mels = []
        for window in (512, 2048):
            bands = log_mel(magnitude(complex_spectra(both, window)), MEL_BANDS, m.sample_rate_hz)
            mels.append(jnp.abs(bands[0] - bands[1]).mean())
        fast = [self._fast(x) for x in both]
        return {
            "distance": distance,
            "audio_mels": jnp.stack(mels).mean(),
            "envelope": jnp.abs(fast[0] - fast[1]).mean(),
        }

    def _fast(self, audio: jax.Array) -> jax.Array:
        m = self._measures
        spectra = self._slots.forward(audio.T)
        power = (jnp.square(spectra.real) + jnp.square(spectra.imag)).mean(axis=0)
        return 0.5 * jnp.log(power @ m.slot_means + m.slot_floor**2)
