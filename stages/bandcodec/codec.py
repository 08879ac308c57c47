"""The loaded codec: weights on a device, compiled functions, NumPy arrays in and out."""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from soundstage.kernels.programs import Program
from soundstage.stages import rvq
from soundstage.stages.bandcodec.features import FrameFeatures
from soundstage.stages.bandcodec.measures import Measures
from soundstage.stages.bandcodec.rendering import RenderedSpectra, Rendering
from soundstage.stages.bandcodec.synthesis import Synthesis
from soundstage.stages.bandcodec.weights import BandCodecWeights, read_weights
from soundstage.stages.row_groups import cores
from soundstage.stages.weights.array_source import ArraySource

# Delay of the audio in frames: one for the lookahead of rendering, one for overlapping windows.
LATE_FRAMES = 2
# Frames of embeddings, and frames of spectra, in the memory.
KEPT_FRAMES = 5
KEPT_SOUND_FRAMES = 2
# Frames in front of audio without memory, in which phases become consistent. The first ones are
# only read by the rendering of the others.
RUN_IN_FRAMES = 5


class BandCodec:
    """A codec with its weights: audio to codes, and codes to audio.

    A frame's features (`stages.bandcodec.features`) are turned into principal components, which are
    quantized level by level. Phases are not kept; `stages.bandcodec.phases` reconstructs them.

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
        self.memory_size = memory_size(measures)
        self._device = device
        self._weights = jax.device_put(weights, device)
        self._features, self._rendering = FrameFeatures(measures), Rendering(measures)
        self._synthesis = Synthesis(measures)
        self._run_features = Program(self._frame_features, measures)
        self._run_encode = Program(self._encode, measures)
        self._run_decode_streaming = Program(self._decode_streaming, measures)
        self._run_decode_after = Program(self._decode_after, measures)
        self._rows_at_once = ThreadPoolExecutor(cores(), "bandcodec")

    def features(self, audio: np.ndarray) -> np.ndarray:
        """Computes the features of frames: float32 [row, sample, channel] to [row, frame, feature].

        A last partial frame is left out. Silence is assumed before and after the audio.
        """
        return np.asarray(self._run_features(self._put(audio)))

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
        return np.asarray(self._run_encode(self._weights, self._put(waveform), constants=(levels,)))

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
        audio, memory = self._run_decode_streaming(
            self._weights, self._put(codes), self._put(memory)
        )
        return np.asarray(audio), np.asarray(memory)

    def decode_after(self, past: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Renders codes and the last frame before them, without a memory.

        Args:
            past: int32 [row, `RUN_IN_FRAMES`, level]; the frames before, -1 = nothing yet.
            codes: int32 [row, frame, level]; as many levels as the past has.

        Returns:
            float32 [row, (1 + frame) * frame_samples, channel]; begins with the last frame of the
            past.

        Raises:
            ValueError: a code is out of range, or there are more levels than the codec has.
        """
        rvq.check_levels(codes.shape[-1], self.measures.levels)
        rvq.check_codes(codes, self.measures.codes)
        rvq.check_codes(np.maximum(past, 0), self.measures.codes)
        return np.stack(list(self._rows_at_once.map(self._decode_row_after, past, codes)))

    def _decode_row_after(self, past: np.ndarray, codes: np.ndarray) -> np.ndarray:
        return np.asarray(self._run_decode_after(self._weights, self._put(past), self._put(codes)))

    # ---- audio to codes

    def _frame_features(self, audio: jax.Array) -> jax.Array:
        return jax.vmap(self._features)(audio)

    def _encode(self, weights: BandCodecWeights, audio: jax.Array, levels: int) -> jax.Array:
        features = self._frame_features(audio)
        embeddings = (features - weights.mean[None, None]) @ weights.analysis
        return rvq.encode(embeddings, weights.codebooks[:levels])

    # ---- codes to audio

    def _decode_streaming(
        self, weights: BandCodecWeights, codes: jax.Array, memory: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        m = self.measures
        started, past_embeddings, past = self._unpacked(memory)
        embeddings = jnp.concatenate([past_embeddings, rvq.decode(codes, weights.codebooks)])
        sound = self._rendering(weights, embeddings)
        # Silence precedes the first chunk, not the mean frame of zero embeddings.
        before_chunk = jnp.arange(KEPT_SOUND_FRAMES + len(codes)) <= KEPT_SOUND_FRAMES
        sound = self._audible(sound, jnp.where(before_chunk, started, 1.0))
        phases = jnp.where(started > 0, jnp.angle(past[-1]), self._synthesis.first_phases)
        spectra = self._synthesis.spectra(past, sound.magnitudes[len(past) :], phases)
        audio = self._synthesis.audio(spectra, sound, 1, len(codes))
        kept = spectra[-KEPT_SOUND_FRAMES * m.hops :]
        next_memory = jnp.concatenate(
            [
                jnp.ones(1, jnp.float32),
                embeddings[-KEPT_FRAMES:].reshape(-1),
                kept.real.reshape(-1),
                kept.imag.reshape(-1),
            ]
        )
        return audio, next_memory

    def _decode_after(
        self, weights: BandCodecWeights, past: jax.Array, codes: jax.Array
    ) -> jax.Array:
        """Decodes codes and the last frame before them; -1 in the past = nothing yet."""
        m = self.measures
        known = (past >= 0).all(axis=1).astype(jnp.float32)
        before = rvq.decode(jnp.maximum(past, 0), weights.codebooks) * known[:, None]
        after = rvq.decode(codes, weights.codebooks)
        # Behind the last frame nothing is known: it goes on.
        behind = jnp.repeat(after[-1:], 1 + m.future_taps, axis=0)
        sound = self._rendering(weights, jnp.concatenate([before, after, behind]))
        known = known[m.past_taps :]
        rest = len(sound.magnitudes) // m.hops - len(known)
        sound = self._audible(sound, jnp.concatenate([known, jnp.ones(rest, jnp.float32)]))
        nothing = jnp.zeros((0, m.bins), jnp.complex64)
        spectra = self._synthesis.spectra(
            nothing, sound.magnitudes, jnp.asarray(self._synthesis.first_phases)
        )
        return self._synthesis.audio(spectra, sound, len(known) - 1, 1 + len(codes))

    def _audible(self, sound: RenderedSpectra, frames: jax.Array) -> RenderedSpectra:
        m = self.measures
        silence = float(np.log(m.slot_floor))
        slots = jnp.repeat(frames, m.slots)[:, None] > 0
        return sound._replace(
            magnitudes=jnp.repeat(frames, m.hops)[:, None] * sound.magnitudes,
            envelope=jnp.where(slots, sound.envelope, silence),
        )

    def _unpacked(self, memory: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        m = self.measures
        hops = KEPT_SOUND_FRAMES * m.hops
        ends = np.cumsum([1, KEPT_FRAMES * m.width, hops * m.bins])
        started, embeddings, real, imag = jnp.split(memory, ends)
        past = lax.complex(real, imag).reshape(hops, m.bins)
        embeddings = embeddings.reshape(KEPT_FRAMES, m.width)
        return (started[0] > 0).astype(jnp.float32), embeddings, past

    def _put(self, x: np.ndarray) -> jax.Array:
        return jax.device_put(x, self._device)


def memory_size(measures: Measures) -> int:
    """Returns the length of the memory of `BandCodec.decode_streaming`."""
    spectra = KEPT_SOUND_FRAMES * measures.hops * measures.bins
    return 1 + KEPT_FRAMES * measures.width + 2 * spectra


def load_bandcodec(
    measures: Measures, source: ArraySource, device: jax.Device | None = None
) -> tuple[BandCodec, str, str]:
    """Loads a codec.

    Args:
        measures: the sizes.
        source: has the arrays of `stages.bandcodec.weights.weight_names`.
        device: where the arrays go; None = JAX's default.

    Returns:
        The codec, the SHA-256 of its arrays as hex digits, and a note on the source of the weights.

    Raises:
        WeightsError: an array is missing, has another shape, or is not finite.
    """
    weights, digest = read_weights(measures, source)
    return BandCodec(measures, weights, device), digest, source.note
