"""The loaded codec: weights on a device, compiled functions, NumPy arrays in and out."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from soundstage.stages import rvq
from soundstage.stages.bandcodec.measures import Measures
from soundstage.stages.bandcodec.phases import TURN, consistent, continued_phases
from soundstage.stages.bandcodec.spectra import Spectra
from soundstage.stages.row_groups import cores
from soundstage.stages.weights.array_source import ArraySource, arrays_digest, check_finite

# Delay of the audio in frames: one for the lookahead of rendering, one for overlapping windows.
LATE_FRAMES = 2
# Frames of embeddings, and spectra, in the memory.
KEPT_FRAMES = 4
KEPT_HOPS = 6
# Iterations that make phases consistent.
ITERATIONS = 12
# The loudest a bin can be, in nepers above a full-scale sine.
LOUDEST = 1.0
# Samples beyond this are compressed, so that none exceeds full scale: reconstructed phases can add
# up to peaks that the music did not have.
COMPRESSED_FROM = 0.8


class BandCodecWeights(NamedTuple):
    """The weights of the codec.

    Attributes:
        mean: float32 [feature]; the mean frame.
        analysis: float32 [feature, width]; orthonormal columns.
        codebooks: float32 [level, code, width].
        synthesis: float32 [tap, width, feature]; from the embeddings around a frame to the frame.
    """

    mean: jax.Array
    analysis: jax.Array
    codebooks: jax.Array
    synthesis: jax.Array

    @staticmethod
    def names() -> tuple[str, ...]:
        """Returns the arrays' names in a file, in the order of the attributes."""
        return ("analysis/bias", "analysis/kernel", "quantizer/embedding", "synthesis/kernel")

    @staticmethod
    def shapes(measures: Measures) -> tuple[tuple[int, ...], ...]:
        """Returns the arrays' shapes, in the order of the attributes."""
        features, width = measures.features, measures.width
        books = (measures.levels, measures.codes, width)
        return ((features,), (features, width), books, (measures.taps, width, features))


class _Sound(NamedTuple):
    """Magnitudes of spectra and the gains of both channels, all float32 [hop, bin]."""

    magnitudes: jax.Array
    left: jax.Array
    right: jax.Array


class BandCodec:
    """A codec with its weights: audio to codes, and codes to audio.

    The features of a frame are the loudness of 91 bands in each of 4 spectra, and the position
    between left and right in 10 groups of bins. Their principal components are quantized level by
    level. Phases are not kept; `stages.bandcodec.phases` reconstructs them.

    Args:
        measures: the sizes.
        weights: the weights.
        device: where to compute; None = JAX's default.
    """

    def __init__(
        self, measures: Measures, weights: BandCodecWeights, device: jax.Device | None = None
    ) -> None:
        self.measures = measures
        self.sample_rate_hz = measures.sample_rate_hz
        self.frame_samples = measures.frame_samples
        self.levels, self.codes = measures.levels, measures.codes
        self._device = device
        self._weights = jax.device_put(weights, device)
        self._spectra = Spectra(measures)
        self.memory_size = memory_size(measures)
        random = np.random.default_rng(0)
        self._first_phases = random.uniform(0, TURN, measures.bins).astype(np.float32)
        self._jit_features = jax.jit(jax.vmap(self._features))
        self._jit_encode = jax.jit(self._encode, static_argnames="levels")
        self._jit_decode_streaming = jax.jit(self._decode_streaming)
        self._rows_at_once = ThreadPoolExecutor(cores(), "bandcodec")

    def features(self, audio: np.ndarray) -> np.ndarray:
        """Computes the features of frames: float32 [row, sample, channel] to [row, frame, feature].

        A last partial frame is left out. Silence is assumed before and after the audio.
        """
        return np.asarray(self._jit_features(self._put(audio)))

    def encode(self, waveform: np.ndarray, levels: int | None = None) -> np.ndarray:
        """Encodes audio.

        Args:
            waveform: float32 [row, sample, channel]; a last partial frame is left out.
            levels: how many levels; None = all.

        Returns:
            int32 [row, frame, level].
        """
        levels = self.measures.levels if levels is None else levels
        rvq.check_levels(levels, self.measures.levels)
        return np.asarray(self._jit_encode(self._weights, self._put(waveform), levels=levels))

    def render(self, codes: np.ndarray) -> np.ndarray:
        """Renders a whole piece: int32 [row, frame, level] to float32 [row, sample, channel].

        Raises:
            ValueError: a code is out of range, or there are more levels than the codec has.
        """
        ahead = np.repeat(codes[:, -1:], LATE_FRAMES, axis=1)
        memory = np.zeros((len(codes), self.memory_size), np.float32)
        audio, _ = self.decode_streaming(np.concatenate([codes, ahead], axis=1), memory)
        return audio[:, LATE_FRAMES * self.frame_samples :]

    def decode_streaming(
        self, codes: np.ndarray, memory: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Renders the next codes of a sequence.

        Args:
            codes: int32 [row, frame, level]; any number of levels up to the codec's.
            memory: float32 [row, codec_memory], from the call before; zeros at first.

        Returns:
            Audio, float32 [row, frame * frame_samples, channel], delayed by `LATE_FRAMES` frames,
            which are silent at first; and the memory for the next call.

        Raises:
            ValueError: a code is out of range, or there are more levels than the codec has.
        """
        rvq.check_levels(codes.shape[-1], self.measures.levels)
        rvq.check_codes(codes, self.measures.codes)
        # Row by row, so that the number of rows changes no bit. In threads, because a row keeps
        # only one core busy.
        rows = list(self._rows_at_once.map(self._decode_row_streaming, codes, memory))
        audio, memories = zip(*rows, strict=True)
        return np.stack(audio), np.stack(memories)

    def _decode_row_streaming(
        self, codes: np.ndarray, memory: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        audio, memory = self._jit_decode_streaming(
            self._weights, self._put(codes), self._put(memory)
        )
        return np.asarray(audio), np.asarray(memory)

    # ---- audio to codes

    def _features(self, audio: jax.Array) -> jax.Array:
        m = self.measures
        frames = len(audio) // m.frame_samples
        before = (m.window_samples - m.hop_samples) // 2
        sides = jnp.pad(audio[: frames * m.frame_samples].T, ((0, 0), (before, before)))
        power = jnp.square(jnp.abs(self._spectra.forward(sides)))  # [channel, hop, bin]
        left, right = power
        bands = 0.5 * jnp.log((left + right) / 2 @ m.band_kernel + m.floor**2)
        more_right, both = (right - left) @ m.pan_sums, (left + right) @ m.pan_sums
        pans = (more_right / (both + m.floor**2)).reshape(frames, m.hops, m.pans).mean(axis=1)
        return jnp.concatenate([bands.reshape(frames, -1), m.pan_gain * pans], axis=1)

    def _encode(self, weights: BandCodecWeights, audio: jax.Array, levels: int) -> jax.Array:
        features = jax.vmap(self._features)(audio)
        embeddings = (features - weights.mean[None, None]) @ weights.analysis
        return rvq.encode(embeddings, weights.codebooks[:levels])

    # ---- codes to audio

    def _decode_streaming(
        self, weights: BandCodecWeights, codes: jax.Array, memory: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        m = self.measures
        started, past_embeddings, past = self._unpacked(memory)
        embeddings = jnp.concatenate([past_embeddings, rvq.decode(codes, weights.codebooks)])
        sound = self._sound(weights, embeddings)
        # Silence precedes the first chunk, not the mean frame of zero embeddings.
        before_chunk = jnp.arange(len(sound.magnitudes)) < KEPT_HOPS + m.hops
        audible = jnp.where(before_chunk, started, 1.0)[:, None]
        magnitudes = (audible * sound.magnitudes)[KEPT_HOPS:]
        phases = jnp.where(started > 0, jnp.angle(past[-1]), self._first_phases)
        guess = continued_phases(magnitudes, phases, m)
        spectra = consistent(past, magnitudes, guess, self._spectra, ITERATIONS)
        sides = [self._side(spectra, gain, len(codes)) for gain in (sound.left, sound.right)]
        next_memory = jnp.concatenate(
            [
                jnp.ones(1, jnp.float32),
                embeddings[-KEPT_FRAMES:].reshape(-1),
                spectra[-KEPT_HOPS:].real.reshape(-1),
                spectra[-KEPT_HOPS:].imag.reshape(-1),
            ]
        )
        return jnp.stack(sides, axis=1), next_memory

    def _sound(self, weights: BandCodecWeights, embeddings: jax.Array) -> _Sound:
        """Renders the spectra of all frames but the first and the last.

        The first spectra of the second frame are dropped, so that `KEPT_HOPS` spectra remain in
        front of those of the chunk.
        """
        m = self.measures
        count = len(embeddings) - m.taps + 1
        parts = [embeddings[tap : tap + count] @ weights.synthesis[tap] for tap in range(m.taps)]
        features = sum(parts[1:], parts[0]) + weights.mean[None]
        bands, pans = jnp.split(features, [m.hops * m.bands], axis=1)
        loudness = bands.reshape(-1, m.bands) @ m.bin_kernel
        loudest = float(np.log(m.window_samples / 4)) + LOUDEST
        power = jnp.exp(2 * jnp.minimum(loudness, loudest)) - m.floor**2
        magnitudes = jnp.sqrt(jnp.maximum(power, 0.0)) * m.in_bands[None]
        pan = jnp.repeat(jnp.clip(pans / m.pan_gain, -1, 1) @ m.pan_kernel, m.hops, axis=0)
        first = m.hops - KEPT_HOPS % m.hops
        sound = (magnitudes, jnp.sqrt(1 - pan), jnp.sqrt(1 + pan))
        return _Sound(*(part[first:] for part in sound))

    def _side(self, spectra: jax.Array, gain: jax.Array, frames: int) -> jax.Array:
        audio = self._spectra.inverse(lax.complex(gain * spectra.real, gain * spectra.imag))
        m = self.measures
        # The middle of the first window lies KEPT_HOPS - hops - 0.5 hops before the audio.
        first = (m.window_samples + (2 * (KEPT_HOPS - m.hops) - 1) * m.hop_samples) // 2
        return _compressed(audio[first : first + frames * m.frame_samples])

    def _unpacked(self, memory: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        m = self.measures
        ends = np.cumsum([1, KEPT_FRAMES * m.width, KEPT_HOPS * m.bins])
        started, embeddings, real, imag = jnp.split(memory, ends)
        past = lax.complex(real, imag).reshape(KEPT_HOPS, m.bins)
        embeddings = embeddings.reshape(KEPT_FRAMES, m.width)
        return (started[0] > 0).astype(jnp.float32), embeddings, past

    def _put(self, x: np.ndarray) -> jax.Array:
        return jax.device_put(x, self._device)


def _compressed(audio: jax.Array) -> jax.Array:
    room = 1 - COMPRESSED_FROM
    over = jnp.maximum(jnp.abs(audio) - COMPRESSED_FROM, 0.0)
    below = jnp.minimum(jnp.abs(audio), COMPRESSED_FROM)
    return jnp.sign(audio) * (below + room * jnp.tanh(over / room))


def memory_size(measures: Measures) -> int:
    """Returns the length of the memory of `BandCodec.decode_streaming`."""
    return 1 + KEPT_FRAMES * measures.width + 2 * KEPT_HOPS * measures.bins


def load_bandcodec(
    measures: Measures, source: ArraySource, device: jax.Device | None = None
) -> tuple[BandCodec, str, str]:
    """Loads a codec.

    Args:
        measures: the sizes.
        source: has the arrays of `BandCodecWeights.names()`.
        device: where the arrays go; None = JAX's default.

    Returns:
        The codec, the SHA-256 of its arrays as hex digits, and a note on the source of the weights.

    Raises:
        WeightsError: an array is missing, has another shape, or is not finite.
    """
    names, shapes = BandCodecWeights.names(), BandCodecWeights.shapes(measures)
    arrays = {name: source.read(name, shape) for name, shape in zip(names, shapes, strict=True)}
    for name, array in arrays.items():
        check_finite(source.note, name, array)
    weights = BandCodecWeights(*(jnp.asarray(arrays[name]) for name in names))
    return BandCodec(measures, weights, device), arrays_digest(arrays), source.note
