"""The codec ready for use: weights on a device, functions compiled, NumPy in and out."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from soundstage.stages import rvq
from soundstage.stages.bandcodec.measures import Measures
from soundstage.stages.bandcodec.phases import TURN, consistent, sounded_on
from soundstage.stages.bandcodec.spectra import Spectra
from soundstage.stages.row_groups import cores
from soundstage.stages.weights.array_source import ArraySource, arrays_digest, check_finite

# Frames that the audio comes later: one that rendering looks ahead, one that windows overlap into.
LATE_FRAMES = 2
# Frames of embeddings kept, and spectra kept in front of those to come.
KEPT_FRAMES = 4
KEPT_HOPS = 6
ITERATIONS = 12
# No bin is louder than a full-scale sine's by more than this, in nepers.
LOUDEST = 1.0
# Samples beyond this are bent back, so that full scale is never exceeded: phases that happen to
# meet make peaks that the music did not have.
BENT_FROM = 0.8


class BandCodecWeights(NamedTuple):
    """What the codec has learned.

    Attributes:
        mean: float32 [feature]; the mean frame.
        analysis: float32 [feature, width]; orthonormal columns.
        codebooks: float32 [level, code, width].
        synthesis: float32 [tap, width, feature]; from embeddings around a frame to the frame.
    """

    mean: jax.Array
    analysis: jax.Array
    codebooks: jax.Array
    synthesis: jax.Array

    @staticmethod
    def names() -> tuple[str, ...]:
        """The arrays' names in a file, in the order of the attributes."""
        return ("analysis/bias", "analysis/kernel", "quantizer/embedding", "synthesis/kernel")

    @staticmethod
    def shapes(measures: Measures) -> tuple[tuple[int, ...], ...]:
        """The arrays' shapes, in the order of the attributes."""
        features, width = measures.features, measures.width
        books = (measures.levels, measures.codes, width)
        return ((features,), (features, width), books, (measures.taps, width, features))


class _Loudness(NamedTuple):
    """What spectra sound like; all float32 [hop, bin], gains those of a channel's amplitude."""

    magnitudes: jax.Array
    left: jax.Array
    right: jax.Array


class BandCodec:
    """Codes from audio, and audio from codes.

    A frame is 4 spectra: the loudness of 91 bands in each, and in 10 groups of them the place
    between left and right. Those numbers' principal components are quantized level by level. Audio
    is rendered back with phases that nobody kept (`stages.bandcodec.phases`).

    Args:
        measures: what the weights are made for.
        weights: what it has learned.
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
        self._jit_decode_on = jax.jit(self._decode_on)
        self._rows_at_once = ThreadPoolExecutor(cores(), "bandcodec")

    def features(self, audio: np.ndarray) -> np.ndarray:
        """What frames sound like: float32 [row, sample, channel] to [row, frame, feature].

        A last partial frame is left out. Beyond either end there is silence.
        """
        return np.asarray(self._jit_features(self._put(audio)))

    def encode(self, waveform: np.ndarray, levels: int | None = None) -> np.ndarray:
        """Encodes audio.

        Args:
            waveform: float32 [row, sample, channel]; a last partial frame is left out.
            levels: how many of the first levels; None = all.

        Returns:
            int32 [row, frame, level].
        """
        levels = self.measures.levels if levels is None else levels
        rvq.check_levels(levels, self.measures.levels)
        return np.asarray(self._jit_encode(self._weights, self._put(waveform), levels=levels))

    def render(self, codes: np.ndarray) -> np.ndarray:
        """Renders codes as one whole: int32 [row, frame, level] to float32 [row, sample, channel].

        Raises:
            ValueError: a code is out of range, or there are more levels than the codec has.
        """
        ahead = np.repeat(codes[:, -1:], LATE_FRAMES, axis=1)
        memory = np.zeros((len(codes), self.memory_size), np.float32)
        audio, _ = self.decode_on(np.concatenate([codes, ahead], axis=1), memory)
        return audio[:, LATE_FRAMES * self.frame_samples :]

    def decode_on(self, codes: np.ndarray, memory: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Renders the codes that follow on those in the memory.

        Args:
            codes: int32 [row, frame, level]; any number of levels up to the codec's.
            memory: float32 [row, codec_memory], as the call before returned it; zeros at first.

        Returns:
            Audio, float32 [row, frame * frame_samples, channel], `LATE_FRAMES` late and silent as
            long at first; and the memory for the call that follows.

        Raises:
            ValueError: a code is out of range, or there are more levels than the codec has.
        """
        rvq.check_levels(codes.shape[-1], self.measures.levels)
        rvq.check_codes(codes, self.measures.codes)
        # Row by row, and so their number changes no bit. A row keeps one core busy, hence threads.
        rows = list(self._rows_at_once.map(self._decode_row_on, codes, memory))
        audio, kept = zip(*rows, strict=True)
        return np.stack(audio), np.stack(kept)

    def _decode_row_on(
        self, codes: np.ndarray, memory: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        audio, kept = self._jit_decode_on(self._weights, self._put(codes), self._put(memory))
        return np.asarray(audio), np.asarray(kept)

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
        places = (more_right / (both + m.floor**2)).reshape(frames, m.hops, m.pans).mean(axis=1)
        return jnp.concatenate([bands.reshape(frames, -1), m.pan_gain * places], axis=1)

    def _encode(self, weights: BandCodecWeights, audio: jax.Array, levels: int) -> jax.Array:
        features = jax.vmap(self._features)(audio)
        embeddings = (features - weights.mean[None, None]) @ weights.analysis
        return rvq.encode(embeddings, weights.codebooks[:levels])

    # ---- codes to audio

    def _decode_on(
        self, weights: BandCodecWeights, codes: jax.Array, memory: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        m = self.measures
        begun, before, past = self._unpacked(memory)
        known = jnp.concatenate([before, rvq.decode(codes, weights.codebooks)])
        sound = self._loudness(weights, known)
        # What was before the first chunk is silence, not the mean frame.
        silent = jnp.arange(len(sound.magnitudes)) < KEPT_HOPS + m.hops
        heard = jnp.where(silent, begun, 1.0)[:, None]
        magnitudes = (heard * sound.magnitudes)[KEPT_HOPS:]
        phases = jnp.where(begun > 0, jnp.angle(past[-1]), self._first_phases)
        guess = sounded_on(magnitudes, phases, m)
        spectra = consistent(past, magnitudes, guess, self._spectra, ITERATIONS)
        sides = [self._side(spectra, gain, len(codes)) for gain in (sound.left, sound.right)]
        kept = jnp.concatenate(
            [
                jnp.ones(1, jnp.float32),
                known[-KEPT_FRAMES:].reshape(-1),
                spectra[-KEPT_HOPS:].real.reshape(-1),
                spectra[-KEPT_HOPS:].imag.reshape(-1),
            ]
        )
        return jnp.stack(sides, axis=1), kept

    def _loudness(self, weights: BandCodecWeights, embeddings: jax.Array) -> _Loudness:
        """The sound of all frames but the first and the last; the first's last spectra only."""
        m = self.measures
        count = len(embeddings) - m.taps + 1
        parts = [embeddings[tap : tap + count] @ weights.synthesis[tap] for tap in range(m.taps)]
        features = sum(parts[1:], parts[0]) + weights.mean[None]
        bands, places = jnp.split(features, [m.hops * m.bands], axis=1)
        loudness = bands.reshape(-1, m.bands) @ m.bin_kernel
        loudest = float(np.log(m.window_samples / 4)) + LOUDEST
        power = jnp.exp(2 * jnp.minimum(loudness, loudest)) - m.floor**2
        magnitudes = jnp.sqrt(jnp.maximum(power, 0.0)) * m.heard[None]
        place = jnp.repeat(jnp.clip(places / m.pan_gain, -1, 1) @ m.pan_kernel, m.hops, axis=0)
        first = m.hops - KEPT_HOPS % m.hops
        sound = (magnitudes, jnp.sqrt(1 - place), jnp.sqrt(1 + place))
        return _Loudness(*(part[first:] for part in sound))

    def _side(self, spectra: jax.Array, gain: jax.Array, frames: int) -> jax.Array:
        audio = self._spectra.inverse(lax.complex(gain * spectra.real, gain * spectra.imag))
        m = self.measures
        # The first window's middle lies KEPT_HOPS - hops hops and a half before the audio begins.
        first = (m.window_samples + (2 * (KEPT_HOPS - m.hops) - 1) * m.hop_samples) // 2
        return _bent(audio[first : first + frames * m.frame_samples])

    def _unpacked(self, memory: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        m = self.measures
        ends = np.cumsum([1, KEPT_FRAMES * m.width, KEPT_HOPS * m.bins])
        begun, before, real, imag = jnp.split(memory, ends)
        past = lax.complex(real, imag).reshape(KEPT_HOPS, m.bins)
        return (begun[0] > 0).astype(jnp.float32), before.reshape(KEPT_FRAMES, m.width), past

    def _put(self, x: np.ndarray) -> jax.Array:
        return jax.device_put(x, self._device)


def _bent(audio: jax.Array) -> jax.Array:
    room = 1 - BENT_FROM
    over = jnp.maximum(jnp.abs(audio) - BENT_FROM, 0.0)
    return jnp.sign(audio) * (jnp.minimum(jnp.abs(audio), BENT_FROM) + room * jnp.tanh(over / room))


def memory_size(measures: Measures) -> int:
    """Numbers that `BandCodec.decode_on` hands from one call to the next."""
    return 1 + KEPT_FRAMES * measures.width + 2 * KEPT_HOPS * measures.bins


def load_bandcodec(
    measures: Measures, source: ArraySource, device: jax.Device | None = None
) -> tuple[BandCodec, str, str]:
    """Loads a codec.

    Args:
        measures: what the weights are made for.
        source: has the arrays of `BandCodecWeights.names()`.
        device: where the arrays go; None = JAX's default.

    Returns:
        The codec, the SHA-256 of its arrays as hex digits, and where they come from, for people.

    Raises:
        WeightsError: an array is missing, has another shape, or is not finite.
    """
    names, shapes = BandCodecWeights.names(), BandCodecWeights.shapes(measures)
    arrays = {name: source.read(name, shape) for name, shape in zip(names, shapes, strict=True)}
    for name, array in arrays.items():
        check_finite(source.note, name, array)
    weights = BandCodecWeights(*(jnp.asarray(arrays[name]) for name in names))
    return BandCodec(measures, weights, device), arrays_digest(arrays), source.note
