"""The codec as functions of its weights, for training: all rows at once, gradients cheap."""

import jax
import jax.numpy as jnp
from flax import nnx

from soundstage.stages.spectrostream.config import SpectroStreamConfig
from soundstage.stages.spectrostream.decoder import Decoder
from soundstage.stages.spectrostream.encoder import Encoder
from soundstage.stages.spectrostream.groups import join, last_output
from soundstage.stages.spectrostream.network import SpectroStream
from soundstage.stages.spectrostream.stft import Stft
from soundstage.training.codec.upsampling import upsample


class CodecStructure:
    """Structure without weights; computes what `stages.spectrostream.codec.Codec` computes.

    Args:
        config: the measures.
    """

    def __init__(self, config: SpectroStreamConfig) -> None:
        self.config = config
        self._stft = Stft(config.window_samples, config.hop_samples, config.fft_samples)
        encoder, decoder = nnx.eval_shape(
            lambda: (
                Encoder(config, rngs=nnx.Rngs(0)),
                Decoder(config, upsample=upsample, rngs=nnx.Rngs(0)),
            )
        )
        self._encoder = nnx.split(encoder)[0]
        self._decoder = nnx.split(decoder)[0]

    def features(self, audio: jax.Array) -> jax.Array:
        """Spectra, float32 [row, stft_frame, bin, feature_channel], of [row, sample, channel]."""
        return self._stft.forward(audio)

    def audio(self, features: jax.Array) -> jax.Array:
        """The waveform of `features`."""
        return self._stft.inverse(features)

    def encode(self, weights: nnx.State, features: jax.Array) -> jax.Array:
        """Embeddings, float32 [row, frame, feature], of features."""
        encoder: Encoder = nnx.merge(self._encoder, weights)
        return last_output(encoder.blocks(features))[:, :, 0]

    def decode(self, weights: nnx.State, embeddings: jax.Array) -> jax.Array:
        """Features of embeddings, every frame of them: behind the last one it sees zeros.

        Every chunk of a stream ends like that, so every crop does.
        """
        config = self.config
        seen = jnp.pad(embeddings, ((0, 0), (0, config.decoder_lookahead), (0, 0)))
        decoder: Decoder = nnx.merge(self._decoder, weights)
        parts = last_output(decoder.blocks(seen))
        parts = parts.reshape(-1, *parts.shape[-3:])  # [group * row, stft_frame, bin, channel]
        whole = join(parts, config.channel_splits)
        return whole[:, config.decoder_lookahead * config.time_stride :]


def new_weights(config: SpectroStreamConfig, seed: int) -> SpectroStream:
    """A codec with initial weights."""
    return SpectroStream(config, upsample=upsample, rngs=nnx.Rngs(seed))
