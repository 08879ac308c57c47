"""The loaded codec: weights on a device, compiled functions, NumPy arrays in and out."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache, partial
from typing import Generic, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from soundstage.kernels.programs import Program, shapes_on
from soundstage.stages import rvq
from soundstage.stages.spectrostream.blocks import Upsample, upsample_by_phases
from soundstage.stages.spectrostream.config import SpectroStreamConfig
from soundstage.stages.spectrostream.decoder import Decoder
from soundstage.stages.spectrostream.network import PARTS, SpectroStream, published_name
from soundstage.stages.spectrostream.stft import Stft
from soundstage.stages.spectrostream.streaming import (
    Convolution,
    MemoryLayout,
    decode_streaming,
    integer_decoder,
    streaming_decoder,
)
from soundstage.stages.weights.array_source import ArraySource
from soundstage.stages.weights.networks import Blueprint, abstract_network, load_network

M = TypeVar("M", bound=nnx.Module)


class _Part(Generic[M]):
    """A part of the codec, split into structure and weights, which compiled functions take.

    Args:
        name: the part's name, for errors.
        module: the part; None = not loaded, and every use raises LookupError.
    """

    def __init__(self, name: str, module: M | None) -> None:
        self._name = name
        self._split = None if module is None else nnx.split(module)

    @property
    def state(self) -> nnx.State:
        if self._split is None:
            raise LookupError(
                f"the codec was loaded without its {self._name}; load it with all its parts"
            )
        return self._split[1]

    def at(self, state: nnx.State) -> M:
        if self._split is None:
            raise LookupError(
                f"the codec was loaded without its {self._name}; load it with all its parts"
            )
        return nnx.merge(self._split[0], state)


class Codec:
    """A codec with its weights; each method compiles once for each shape of its input.

    Rows do not depend on each other. A method whose part was not loaded raises LookupError.

    Args:
        config: the sizes.
        network: the weights.
        device: where to compute; None = JAX's default.
        upsample: the function that the network was made with.
        convolution: how streaming convolves; see `streaming.Convolution`.
    """

    def __init__(
        self,
        config: SpectroStreamConfig,
        network: SpectroStream,
        device: jax.Device | None = None,
        upsample: Upsample = upsample_by_phases,
        convolution: Convolution = "direct",
    ) -> None:
        self.config = config
        self._device = device
        self._encoder = _Part("encoder", network.encoder)
        self._decoder = _Part("decoder", network.decoder)
        self._network, self._convolution = network, convolution
        self._quantizer = _Part("quantizer", network.quantizer)
        self._stft = Stft(config.window_samples, config.hop_samples, config.fft_samples)
        self._memory = MemoryLayout(config)
        self._integers = None
        if convolution == "int16" and network.decoder is not None:
            self._integers = integer_decoder(network.decoder, config, self._stft, device)
        program = partial(Program, setting=(config, upsample.__qualname__, convolution))
        self._run_stft = program(self._stft_features)
        self._run_decode = program(self._decode)
        self._run_decode_streaming = program(self._decode_streaming)
        self._run_encode = program(self._encode)
        self._run_quantize = program(self._quantize)
        self._run_dequantize = program(self._dequantize)
        self._run_encoder = program(self._encode_features)
        self._run_decoder = program(self._decode_features)
        self._run_encoder_blocks = program(self._encoder_blocks)
        self._run_decoder_blocks = program(self._decoder_blocks)

    @cached_property
    def _streaming(self) -> _Part[Decoder]:
        decoder = self._network.decoder
        made = (
            None if decoder is None else streaming_decoder(decoder, self._convolution == "winograd")
        )
        return _Part("decoder", made)

    @property
    def sample_rate_hz(self) -> int:
        """Audio samples per second and channel."""
        return self.config.sample_rate_hz

    @property
    def frame_samples(self) -> int:
        """Audio samples of a frame and channel."""
        return self.config.frame_samples

    @property
    def levels(self) -> int:
        """RVQ levels of a frame."""
        return self.config.levels

    @property
    def codes(self) -> int:
        """Codes of a level."""
        return self.config.codes

    def render(self, codes: np.ndarray) -> np.ndarray:
        """Decodes a whole piece of music, including its last frames; see `decode`."""
        return self.decode(codes, past_lookahead=True)

    def stft(self, waveform: np.ndarray) -> np.ndarray:
        """Computes the STFT features of audio.

        Args:
            waveform: float32 [row, sample, channel]; one channel is copied to all.

        Returns:
            float32 [row, stft_frame, bin, feature_channel].
        """
        return np.asarray(self._run_stft(self._with_channels(waveform)))

    def encode_features(self, features: np.ndarray) -> np.ndarray:
        """Encodes STFT features to float32 [row, ceil(stft_frame / time_stride), feature]."""
        return np.asarray(self._run_encoder(self._encoder.state, self._put(features)))

    def decode_features(self, embeddings: np.ndarray) -> np.ndarray:
        """Decodes embeddings, float32 [row, frame, feature], to STFT features.

        Returns:
            float32 [row, time_stride * (frame - lookahead), bin, feature_channel].
        """
        return np.asarray(self._run_decoder(self._decoder.state, self._put(embeddings)))

    def quantize(self, embeddings: np.ndarray, levels: int | None = None) -> np.ndarray:
        """Quantizes embeddings.

        Args:
            embeddings: float32 [row, frame, feature].
            levels: how many levels; None = all.

        Returns:
            int32 [row, frame, level].
        """
        books, levels = self._quantizer.state, self._levels(levels)
        return np.asarray(self._run_quantize(books, self._put(embeddings), constants=(levels,)))

    def dequantize(self, codes: np.ndarray) -> np.ndarray:
        """Turns codes, int32 [row, frame, level], into embeddings, float32 [row, frame, feature].

        Raises:
            ValueError: a code is out of range, or there are more levels than the quantizer has.
        """
        self._check(codes)
        return np.asarray(self._run_dequantize(self._quantizer.state, self._put(codes)))

    def encode(self, waveform: np.ndarray, levels: int | None = None) -> np.ndarray:
        """Encodes audio to codes.

        Args:
            waveform: float32 [row, sample, channel]; one channel is copied to all.
            levels: how many levels; None = all.

        Returns:
            int32 [row, ceil(sample / frame_samples), level].
        """
        states = self._encoder.state, self._quantizer.state
        audio, levels = self._with_channels(waveform), self._levels(levels)
        return np.asarray(self._run_encode(*states, audio, constants=(levels,)))

    def decode(self, codes: np.ndarray, past_lookahead: bool = False) -> np.ndarray:
        """Decodes codes to audio.

        Args:
            codes: int32 [row, frame, level]; any number of levels up to the quantizer's.
            past_lookahead: whether to append zero embeddings for the decoder's lookahead, so that
                the last frames are rendered too.

        Returns:
            float32 [row, sample, channel], `frame_samples` per frame; without `past_lookahead`
            the last `decoder_lookahead` frames are missing.

        Raises:
            ValueError: a code is out of range, or there are more levels than the quantizer has.
        """
        self._check(codes)
        states = self._quantizer.state, self._decoder.state
        decoded = self._run_decode(*states, self._put(codes), constants=(past_lookahead,))
        return np.asarray(decoded)

    def lower_decode(self, codes: np.ndarray) -> jax.stages.Lowered:
        """Traces what `decode` with lookahead runs, to be compiled for a device that is absent."""
        states = self._quantizer.state, self._decoder.state
        return self._run_decode.lower(*states, self._shapes(codes), constants=(True,))

    def lower_encode(self, waveform: np.ndarray, levels: int) -> jax.stages.Lowered:
        """Traces what `encode` runs, to be compiled for a device that is absent."""
        states = self._encoder.state, self._quantizer.state
        return self._run_encode.lower(*states, self._shapes(waveform), constants=(levels,))

    def decode_streaming(
        self, codes: np.ndarray, memory: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Decodes the next codes of a sequence, with the result of decoding the sequence at once.

        Args:
            codes: int32 [row, frame, level]; any number of levels up to the quantizer's.
            memory: float32 [row, codec_memory], from the call before; zeros at first.

        Returns:
            Audio, float32 [row, frame * frame_samples, channel], delayed by `decoder_lookahead`
            frames, which are silent at first; and the memory for the next call.

        Raises:
            ValueError: a code is out of range, or there are more levels than the quantizer has.
        """
        audio, kept = self.decode_next(codes, memory.copy() if self._integers else memory)
        return audio, np.asarray(kept)

    def decode_next(
        self, codes: np.ndarray, memory: np.ndarray | jax.Array
    ) -> tuple[np.ndarray, np.ndarray | jax.Array]:
        """Decodes as `decode_streaming` does, leaves the memory where it is, may overwrite it."""
        self._check(codes)
        if self._integers is not None:
            return self._integers(self.dequantize(codes), memory)
        states = self._quantizer.state, self._streaming.state
        audio, kept = self._run_decode_streaming(*states, self._put(codes), self._put(memory))
        return np.asarray(audio), kept

    def encoder_blocks(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the output of every encoder block by published name; see `Encoder.blocks`."""
        outputs = self._run_encoder_blocks(self._encoder.state, self._put(features))
        return {name: np.asarray(output) for name, output in outputs.items()}

    def decoder_blocks(self, embeddings: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the output of every decoder block by published name; see `Decoder.blocks`."""
        outputs = self._run_decoder_blocks(self._decoder.state, self._put(embeddings))
        return {name: np.asarray(output) for name, output in outputs.items()}

    def _decode(
        self, books: nnx.State, weights: nnx.State, codes: jax.Array, past_lookahead: bool
    ) -> jax.Array:
        embeddings = self._dequantize(books, codes)
        if past_lookahead:
            ahead = self.config.decoder_lookahead
            embeddings = jnp.pad(embeddings, ((0, 0), (0, ahead), (0, 0)))
        return self._stft.inverse(self._decoder.at(weights)(embeddings))

    def _decode_streaming(
        self, books: nnx.State, weights: nnx.State, codes: jax.Array, memory: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        embeddings = self._dequantize(books, codes)
        return decode_streaming(
            self._streaming.at(weights), self._stft, self._memory, embeddings, memory
        )

    def _encode(
        self, weights: nnx.State, books: nnx.State, waveform: jax.Array, levels: int
    ) -> jax.Array:
        embeddings = self._encoder.at(weights)(self._stft.forward(waveform))
        return self._quantize(books, embeddings, levels)

    def _quantize(self, books: nnx.State, embeddings: jax.Array, levels: int) -> jax.Array:
        return rvq.encode(embeddings, self._quantizer.at(books).embedding[:levels])

    def _dequantize(self, books: nnx.State, codes: jax.Array) -> jax.Array:
        return rvq.decode(codes, self._quantizer.at(books).embedding[...])

    def _stft_features(self, waveform: jax.Array) -> jax.Array:
        return self._stft.forward(waveform)

    def _encode_features(self, weights: nnx.State, features: jax.Array) -> jax.Array:
        return self._encoder.at(weights)(features)

    def _decode_features(self, weights: nnx.State, embeddings: jax.Array) -> jax.Array:
        return self._decoder.at(weights)(embeddings)

    def _encoder_blocks(self, weights: nnx.State, features: jax.Array) -> dict[str, jax.Array]:
        return dict(self._encoder.at(weights).blocks(features))

    def _decoder_blocks(self, weights: nnx.State, embeddings: jax.Array) -> dict[str, jax.Array]:
        return dict(self._decoder.at(weights).blocks(embeddings))

    def _shapes(self, x: np.ndarray) -> jax.ShapeDtypeStruct:
        return shapes_on(self._device or jax.devices()[0], x)

    def _put(self, x: np.ndarray | jax.Array) -> jax.Array:
        return jax.device_put(x, self._device)

    def _with_channels(self, waveform: np.ndarray) -> jax.Array:
        if waveform.ndim != 3 or waveform.shape[-1] not in (1, self.config.channels):
            raise ValueError(
                f"audio must be [row, sample, channel] with 1 or {self.config.channels} channels, "
                f"got {waveform.shape}"
            )
        if 0 in waveform.shape:
            raise ValueError(f"audio must not be empty, got shape {waveform.shape}")
        shape = (*waveform.shape[:2], self.config.channels)
        return self._put(np.broadcast_to(waveform, shape).astype(np.float32, copy=False))

    def _check(self, codes: np.ndarray) -> None:
        if codes.ndim != 3 or 0 in codes.shape:
            raise ValueError(f"codes must be [row, frame, level], none empty, got {codes.shape}")
        rvq.check_levels(codes.shape[-1], self.config.levels)
        rvq.check_codes(codes, self.config.codes)

    def _levels(self, levels: int | None) -> int:
        levels = self.config.levels if levels is None else levels
        rvq.check_levels(levels, self.config.levels)
        return levels


def load_codec(
    config: SpectroStreamConfig,
    source: ArraySource,
    device: jax.Device | None = None,
    parts: tuple[str, ...] = PARTS,
    *,
    upsample: Upsample = upsample_by_phases,
    convolution: Convolution = "direct",
) -> tuple[Codec, str, str]:
    """Loads a codec, or some of its parts.

    Args:
        config: the sizes.
        source: the arrays by published name; those of other parts are ignored.
        device: where the arrays go; None = JAX's default.
        parts: which of `PARTS` to load.
        upsample: computes transposed convolutions.
        convolution: how streaming convolves; see `streaming.Convolution`.

    Returns:
        The codec, the SHA-256 of its arrays as hex digits, and a note on the source of the weights.

    Raises:
        WeightsError: arrays are missing, unknown, or have another shape.
    """
    elsewhere = tuple(f"{part}/" for part in PARTS if part not in parts)
    loaded = load_network(
        codec_blueprint(config, parts, upsample),
        source,
        published_name(config),
        device,
        elsewhere=(*elsewhere, "depthformer/"),
    )
    codec = Codec(config, loaded.network.module, device, upsample, convolution)
    return codec, loaded.digest, loaded.note


def abstract_codec(config: SpectroStreamConfig, device: jax.Device) -> Codec:
    """Returns a codec with the shapes of its arrays on a device, which need not be there."""
    blueprint = codec_blueprint(config, PARTS, upsample_by_phases)
    network = abstract_network(blueprint, published_name(config), device)
    return Codec(config, network.module, device)


def codec_blueprint(
    config: SpectroStreamConfig, parts: tuple[str, ...], upsample: Upsample
) -> Blueprint[SpectroStream]:
    """Returns what a codec's network is built from."""
    return Blueprint(partial(codec_maker, config, parts, upsample))


@lru_cache(maxsize=8)
def codec_maker(
    config: SpectroStreamConfig, parts: tuple[str, ...], upsample: Upsample
) -> Callable[[nnx.Rngs], SpectroStream]:
    """Returns what builds a codec's network: one object for equal arguments, see `structure`."""
    return lambda rngs: SpectroStream(config, parts, upsample=upsample, rngs=rngs)
