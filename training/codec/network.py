"""The codec as functions of its weights, for training: batched, with cheap gradients."""

import jax
import jax.numpy as jnp
from flax import nnx

from soundstage.stages.spectrostream.codec import codec_maker
from soundstage.stages.spectrostream.config import SpectroStreamConfig
from soundstage.stages.spectrostream.decoder import Decoder
from soundstage.stages.spectrostream.encoder import Encoder
from soundstage.stages.spectrostream.groups import join, last_output
from soundstage.stages.spectrostream.network import PARTS
from soundstage.stages.spectrostream.stft import Stft
from soundstage.stages.weights.modules import structure
from soundstage.training.codec.upsampling import upsample


class CodecStructure:
    """The codec without weights; computes what `stages.spectrostream.codec.Codec` computes.

    Args:
        config: the codec's sizes.
    """

    def __init__(self, config: SpectroStreamConfig) -> None:
        self.config = config
        self._stft = Stft(config.window_samples, config.hop_samples, config.fft_samples)
        network = nnx.merge(*structure(codec_maker(config, PARTS, upsample)))
        self._encoder = nnx.split(network.encoder)[0]
        self._decoder = nnx.split(network.decoder)[0]

    def features(self, audio: jax.Array) -> jax.Array:
        """Returns spectra, float32 [row, stft_frame, bin, feature_channel], of float32 audio."""
        return self._stft.forward(audio)

    def audio(self, features: jax.Array) -> jax.Array:
        """Returns the waveform of spectra, float32 [row, sample, channel]."""
        return self._stft.inverse(features)

    def encode(self, weights: nnx.State, features: jax.Array) -> jax.Array:
        """Returns the embeddings of spectra, float32 [row, frame, feature]."""
        encoder: Encoder = nnx.merge(self._encoder, weights)
        return last_output(encoder.blocks(features))[:, :, 0]

    def decode(self, weights: nnx.State, embeddings: jax.Array) -> jax.Array:
        """Returns the spectra of all embeddings; zeros follow the last one, as in a chunk."""
        config = self.config
        seen = jnp.pad(embeddings, ((0, 0), (0, config.decoder_lookahead), (0, 0)))
        decoder: Decoder = nnx.merge(self._decoder, weights)
        parts = last_output(decoder.blocks(seen))
        parts = parts.reshape(-1, *parts.shape[-3:])  # [group * row, stft_frame, bin, channel]
        whole = join(parts, config.channel_splits)
        return whole[:, config.decoder_lookahead * config.time_stride :]
