"""Small real stages without a network: to swap in, to listen to and to copy from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.depthformer.vocabulary import MASK, NOTHING, PAD, Vocabulary, llm_to_rvq
from soundstage.stages.ports import AUDIO, CONTEXT, FADED_AUDIO, SAMPLE_INPUTS, TOKENS

if TYPE_CHECKING:
    import jax


@dataclass(frozen=True)
class GainParams:
    """Settings of `Gain`.

    Attributes:
        gain_db: decibels by which audio gets louder, in [-120, 60]; negative = softer.

    Raises:
        ValueError: the gain is outside the range.
    """

    gain_db: float = 0.0

    def __post_init__(self) -> None:
        if not -120 <= self.gain_db <= 60:
            raise ValueError(f"gain_db must lie in [-120, 60], got {self.gain_db}")


class Gain:
    """Makes audio louder or softer.

    Inputs:
        audio: float32 [row, sample, channel].

    Outputs:
        audio: float32 [row, sample, channel].
    """

    inputs: ClassVar[dict[str, Port]] = {"audio": AUDIO}
    outputs: ClassVar[dict[str, Port]] = {"audio": AUDIO}
    uses_device: ClassVar[bool] = False
    Params = GainParams

    def __init__(self, params: GainParams, format: Format, device: jax.Device | None) -> None:
        self.factor = np.float32(10 ** (params.gain_db / 20))

    def __call__(self, audio: np.ndarray) -> dict[str, np.ndarray]:
        """Scales one chunk of every row."""
        return {"audio": audio * self.factor}


class Sines:
    """The voices of `SineDecode` and `SineEncode`.

    Attributes:
        waves: float32 [harmonic, sample]; one frame of every harmonic.
        share: float32 [level, channel]; the amplitude of each level at its loudest.
    """

    PEAK = 0.5
    LOWEST_HARMONIC = 4
    HARMONICS = 32
    LOUDNESSES = 8

    def __init__(self, format: Format) -> None:
        phase = np.arange(format.frame_samples) / format.frame_samples
        cycles = self.LOWEST_HARMONIC + np.arange(self.HARMONICS)[:, None]
        self.waves = np.sin(2 * np.pi * cycles * phase).astype(np.float32)
        level = np.arange(format.codec_levels)[:, None]
        channel = np.arange(format.channels)
        # Levels lean to one channel after the other, so that the audio is stereo.
        lean = np.where(level % format.channels == channel, 1.0, 0.5)  # [level, channel]
        share = lean / (1 + level)
        self.share = (self.PEAK * share / share.sum(axis=0)).astype(np.float32)


class SineEncode:
    """Encodes audio as tokens for `SineDecode`, level by level.

    Each level takes the harmonic that is loudest in the residual of the levels before.

    Inputs:
        audio: float32 [row, sample, channel].

    Outputs:
        tokens: int32 [row, frame, level], in [0, codebook_size).
    """

    inputs: ClassVar[dict[str, Port]] = {"audio": AUDIO}
    outputs: ClassVar[dict[str, Port]] = {"tokens": TOKENS}
    uses_device: ClassVar[bool] = False

    def __init__(self, params: None, format: Format, device: jax.Device | None) -> None:
        self.sines = Sines(format)
        self.frame_samples = format.frame_samples
        self.codebook_size = format.codebook_size

    def __call__(self, audio: np.ndarray) -> dict[str, np.ndarray]:
        """Encodes one chunk of every row."""
        rows, channels = len(audio), audio.shape[-1]
        size, sines = self.codebook_size, self.sines
        frames = audio.reshape(rows, -1, self.frame_samples, channels)
        residual = np.einsum("rfsc,hs->rfhc", frames, sines.waves) * (2 / self.frame_samples)
        codes = []
        for share in sines.share:  # [channel]
            fit = np.clip(residual @ share / np.square(share).sum(), 0, 1)  # [row, frame, harmonic]
            pitch = fit.argmax(axis=-1)
            loudness = np.clip(np.take_along_axis(fit, pitch[..., None], -1), 0.5, 1)
            played = np.arange(sines.HARMONICS) == pitch[..., None]  # [row, frame, harmonic]
            residual = residual - (played * loudness)[..., None] * share
            step = np.rint((loudness[..., 0] - 0.5) * 2 * (sines.LOUDNESSES - 1))
            lowest = -(-pitch * size // sines.HARMONICS)
            code = lowest + (step.astype(np.int64) - lowest) % sines.LOUDNESSES
            codes.append(np.minimum(code, size - 1))
        return {"tokens": np.stack(codes, axis=-1).astype(np.int32)}


class SineDecode:
    """Renders every frame as a chord of sines, one voice a level, in place of a codec.

    The higher a code, the higher its voice's harmonic of the frame rate, so near codes sound
    similar. The last bits of a code choose the loudness. Coarse levels are louder than fine ones.
    Harmonics start and end every frame at phase zero: a frame sounds the same at any position, and
    frames join without a click.

    Inputs:
        tokens: int32 [row, frame, level].
        context: int32 [row, context_frame, level]; its last frames are the overlap;
            -1 = nothing yet, which is silent.

    Outputs:
        audio: float32 [row, faded_sample, channel], within [-Sines.PEAK, Sines.PEAK].
    """

    inputs: ClassVar[dict[str, Port]] = {"tokens": TOKENS, "context": CONTEXT}
    outputs: ClassVar[dict[str, Port]] = {"audio": FADED_AUDIO}
    uses_device: ClassVar[bool] = False
    encoder: ClassVar[type] = SineEncode

    def __init__(self, params: None, format: Format, device: jax.Device | None) -> None:
        self.fade_frames = format.fade_frames
        self.codebook_size = format.codebook_size
        self.sines = Sines(format)

    def __call__(self, tokens: np.ndarray, context: np.ndarray) -> dict[str, np.ndarray]:
        """Renders the overlap and one chunk of every row."""
        codes = np.concatenate([context[:, -self.fade_frames :], tokens], axis=1)
        sines = self.sines
        pitch = codes * sines.HARMONICS // self.codebook_size  # [row, frame, level]
        loudness = 0.5 + 0.5 * (codes % sines.LOUDNESSES) / (sines.LOUDNESSES - 1)
        loudness = np.where(codes < 0, 0, loudness).astype(np.float32)  # [row, frame, level]
        voice = loudness[..., None] * sines.share  # [row, frame, level, channel]
        chord = np.zeros((*codes.shape[:2], voice.shape[-1], sines.HARMONICS), np.float32)
        row, frame = np.ogrid[: codes.shape[0], : codes.shape[1]]
        for level in range(codes.shape[2]):
            chord[row, frame, :, pitch[:, :, level]] += voice[:, :, level]
        frames = np.moveaxis(chord @ sines.waves, 2, 3)  # [row, frame, frame_sample, channel]
        return {"audio": frames.reshape(len(frames), -1, frames.shape[-1])}


class RandomSample:
    """Makes tokens by a random walk around the style's codes, in place of a language model.

    Each level starts at its last code, if the prompt shows it, and is pulled towards a code of the
    style. Guidance strengthens the pull. Temperature scales the random steps; at 0 only the pull
    remains. `top_k` is the longest random step.

    Inputs:
        prompt: int32 [row, prompt_token].
        unprompted: int32 [row, prompt_token]; unused.
        temperature: float32 [row].
        top_k: int32 [row], 0 = no cut.
        guidance: float32 [row].
        seed: int64 [row].
        chunk: int64 [row].

    Outputs:
        tokens: int32 [row, frame, level]; those of a row depend on its inputs alone.
    """

    inputs: ClassVar[dict[str, Port]] = SAMPLE_INPUTS
    outputs: ClassVar[dict[str, Port]] = {"tokens": TOKENS}
    uses_device: ClassVar[bool] = False

    STEP = 0.04
    WEAKEST_PULL = 0.05

    def __init__(self, params: None, format: Format, device: jax.Device | None) -> None:
        self.vocabulary = Vocabulary.of(format)
        self.shape = (format.dims["frame"], format.codec_levels)

    def __call__(
        self,
        prompt: np.ndarray,
        unprompted: np.ndarray,
        temperature: np.ndarray,
        top_k: np.ndarray,
        guidance: np.ndarray,
        seed: np.ndarray,
        chunk: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Samples one chunk of every row."""
        home = self._home(prompt)  # [row, level]
        position = self._start(prompt, home)  # [row, level]
        steps = self._steps(temperature, top_k, seed, chunk)  # [row, frame, level]
        pull = 1 - (1 - self.WEAKEST_PULL) ** (1 + guidance.astype(np.float64))[:, None]
        tokens = np.empty(steps.shape, np.int32)
        for frame in range(steps.shape[1]):
            position = position + pull * (home - position) + steps[:, frame]
            position = np.clip(position, 0, self.vocabulary.codebook_size - 1)
            tokens[:, frame] = np.rint(position)
        return {"tokens": tokens}

    def _home(self, prompt: np.ndarray) -> np.ndarray:
        """Returns the code that pulls each level, the style's codes in turn; [row, level]."""
        vocabulary = self.vocabulary
        style = llm_to_rvq(
            prompt[:, -vocabulary.prompt_style_levels :],
            vocabulary.codebook_size,
            vocabulary.style_offset,
            nothing_id=MASK,
        )
        known = np.where(style == NOTHING, vocabulary.codebook_size // 2, style)
        level = np.arange(vocabulary.codec_levels)
        return known[:, level % vocabulary.prompt_style_levels].astype(np.float64)

    def _start(self, prompt: np.ndarray, home: np.ndarray) -> np.ndarray:
        """Returns each level's first position: its last code, or home if the prompt shows none."""
        vocabulary = self.vocabulary
        style, shown = vocabulary.prompt_style_levels, vocabulary.context_levels
        ids = prompt[:, -style - shown : -style]  # [row, context_level]
        last = vocabulary.codec_codes(np.where(ids == PAD, MASK, ids))
        start = home.copy()
        start[:, :shown] = np.where(last == NOTHING, home[:, :shown], last)
        return start

    def _steps(
        self, temperature: np.ndarray, top_k: np.ndarray, seed: np.ndarray, chunk: np.ndarray
    ) -> np.ndarray:
        """Returns the random steps, which depend on seed and chunk alone; [row, frame, level]."""
        size = self.vocabulary.codebook_size
        walks = []
        for row in range(len(seed)):
            key = np.array([seed[row], chunk[row]], np.uint64)
            random = np.random.Generator(np.random.Philox(key=key))
            steps = random.standard_normal(self.shape) * (self.STEP * size * temperature[row])
            longest = int(top_k[row]) or size
            walks.append(np.clip(steps, -longest, longest))
        return np.stack(walks)
