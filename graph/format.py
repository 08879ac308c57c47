"""The music format: every length, rate and depth, written once."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from math import inf

# The greatest size of a dimension, and so of every number of a format.
GREATEST = 2**31 - 1


@dataclass(frozen=True)
class Format:
    """Lengths in seconds, rates in hertz, depths in levels; sample and frame counts are derived.

    The defaults are Magenta RealTime v1's.

    Attributes:
        chunk_s: seconds of audio in a chunk.
        context_s: seconds of past audio that the model reads.
        fade_s: seconds of overlap between two chunks.
        sample_rate_hz: audio samples per second and channel.
        frame_rate_hz: codec frames per second.
        channels: audio channels.
        codec_levels: RVQ levels generated per frame.
        context_levels: RVQ levels of the past shown to the encoder.
        codebook_size: codes per RVQ level, of the codec and of the style.
        style_dim: width of a style embedding.
        style_levels: RVQ levels of a quantized style.
        prompt_style_levels: style levels shown to the encoder, the first of `style_levels`.
        clip_s: seconds of audio in one clip of an audio prompt.
        clip_rate_hz: sample rate of audio prompts, which are mono.
        codec_memory: numbers, or codes, that a codec in streaming mode hands to the next chunk.

    Raises:
        ValueError: a length is not a whole number of frames or samples, or a depth exceeds the
            depth it is taken from. The message lists all problems, separated by "; ".
    """

    chunk_s: float = 2.0
    context_s: float = 10.0
    fade_s: float = 0.04
    sample_rate_hz: int = 48_000
    frame_rate_hz: int = 25
    channels: int = 2
    codec_levels: int = 16
    context_levels: int = 4
    codebook_size: int = 1024
    style_dim: int = 768
    style_levels: int = 12
    prompt_style_levels: int = 6
    clip_s: float = 10.0
    clip_rate_hz: int = 16_000
    codec_memory: int = 1_033_601

    def __post_init__(self) -> None:
        problems = self._problems()
        if problems:
            raise ValueError("; ".join(problems))

    def _problems(self) -> list[str]:
        return self._range_problems() or self._problems_of_counts() or self._size_problems()

    def _range_problems(self) -> list[str]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return [
            f"{name} must be finite and greater than 0, got {value}"
            for name, value in values.items()
            if not 0 < value < inf
        ] + [
            f"{name} = {value} is more than {GREATEST}"
            for name, value in values.items()
            if GREATEST < value < inf
        ]

    def _size_problems(self) -> list[str]:
        cure = "choose shorter lengths or lower rates"
        return [
            f"{name} would be {size}, more than {GREATEST}: {cure}"
            for name, size in self.dims.items()
            if size > GREATEST
        ]

    def _problems_of_counts(self) -> list[str]:
        problems = []
        for name in ("chunk_s", "context_s", "fade_s"):
            frames = getattr(self, name) * self.frame_rate_hz
            if abs(frames - round(frames)) > 1e-6:
                problems.append(
                    f"{name} = {getattr(self, name)} is {frames:.10g} frames at "
                    f"{self.frame_rate_hz} frames/s: choose a whole number of frames"
                )
        samples = self.clip_s * self.clip_rate_hz
        if abs(samples - round(samples)) > 1e-6:
            problems.append(
                f"clip_s = {self.clip_s} is {samples:.10g} samples at {self.clip_rate_hz} Hz: "
                "choose a whole number of samples"
            )
        if self.sample_rate_hz % self.frame_rate_hz:
            problems.append(
                f"sample_rate_hz = {self.sample_rate_hz} is not a multiple of frame_rate_hz = "
                f"{self.frame_rate_hz}"
            )
        for less, more in (
            ("fade_s", "chunk_s"),
            ("chunk_s", "context_s"),
            ("context_levels", "codec_levels"),
            ("prompt_style_levels", "style_levels"),
        ):
            if getattr(self, less) > getattr(self, more):
                problems.append(
                    f"{less} = {getattr(self, less)} exceeds {more} = {getattr(self, more)}"
                )
        return problems

    @property
    def frame_samples(self) -> int:
        """Audio samples per codec frame and channel."""
        return self.sample_rate_hz // self.frame_rate_hz

    @property
    def fade_frames(self) -> int:
        """Codec frames of overlap between two chunks."""
        return round(self.fade_s * self.frame_rate_hz)

    # By the names that Magenta RealTime's own configuration has for them.

    @property
    def frame_length_samples(self) -> int:
        """Audio samples per codec frame and channel: `frame_samples`."""
        return self.frame_samples

    @property
    def chunk_length_frames(self) -> int:
        """Codec frames per chunk."""
        return self.dims["frame"]

    @property
    def chunk_length_samples(self) -> int:
        """Audio samples per chunk and channel."""
        return self.dims["sample"]

    @property
    def context_length_frames(self) -> int:
        """Codec frames of the past that the model reads."""
        return self.dims["context_frame"]

    @property
    def context_length_samples(self) -> int:
        """Audio samples per channel of the past that the model reads."""
        return self.context_length_frames * self.frame_samples

    @property
    def context_num_chunks(self) -> int:
        """Whole chunks in the past that the model reads."""
        return self.context_length_frames // self.chunk_length_frames

    @property
    def crossfade_length_frames(self) -> int:
        """Codec frames of overlap between two chunks: `fade_frames`."""
        return self.fade_frames

    @property
    def crossfade_length_samples(self) -> int:
        """Audio samples per channel of overlap between two chunks."""
        return self.dims["fade_sample"]

    @property
    def chunk_tokens_shape(self) -> tuple[int, int]:
        """The shape of a chunk's tokens: (frames, levels)."""
        return self.chunk_length_frames, self.codec_levels

    @property
    def context_tokens_shape(self) -> tuple[int, int]:
        """The shape of the tokens of the past: (frames, levels)."""
        return self.context_length_frames, self.codec_levels

    @cached_property
    def dims(self) -> Mapping[str, int]:
        """The size of every named dimension of a port."""
        frame = round(self.chunk_s * self.frame_rate_hz)
        context_frame = round(self.context_s * self.frame_rate_hz)
        return {
            "frame": frame,
            "context_frame": context_frame,
            "window_frame": context_frame + frame,
            "level": self.codec_levels,
            "context_level": self.context_levels,
            "style_dim": self.style_dim,
            "style_level": self.style_levels,
            "tempo_number": 3,
            "sound_number": 3,
            "pitch": 128,
            "control_number": 132,
            "condition_byte": 67,
            "prompt_token": context_frame * self.context_levels + self.prompt_style_levels,
            "sample": frame * self.frame_samples,
            "fade_sample": self.fade_frames * self.frame_samples,
            "faded_sample": (frame + self.fade_frames) * self.frame_samples,
            "channel": self.channels,
            "clip_sample": round(self.clip_s * self.clip_rate_hz),
            "codec_memory": self.codec_memory,
        }
