"""The sizes of a Depthformer."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import jax.numpy as jnp

from soundstage.graph.format import Format
from soundstage.stages.attention import KeysValues
from soundstage.stages.depthformer.vocabulary import CODEC_OFFSET, Vocabulary

Size = Literal["tiny", "demo", "base", "large"]
ACTIVATION_DTYPES = ("float32", "bfloat16")
MODEL = "depthformer"


@dataclass(frozen=True)
class DepthformerConfig:
    """The sizes of a Depthformer. Source: the Depthformer spec, "Sizes".

    Attributes:
        embed_dim: width of the residual streams.
        num_heads: attention heads.
        head_dim: width of a head.
        mlp_dim: inner width of an MLP.
        num_encoder_layers: layers of the encoder.
        num_temporal_layers: decoder layers that run once a frame.
        num_depth_layers: decoder layers that run once a level.
        vocab_size: rows of the embedding, columns of the head.
        num_levels: codec levels of a frame.
        activation_dtype: "float32" or "bfloat16"; weights stay float32 until they are used.
        codebook_size: codes per level.
        temporal_buckets: columns of the temporal relative bias.
        depth_buckets: columns of the depth relative bias.
        past_levels: 0, as published: the encoder reads the past. Otherwise the temporal decoder
            reads so many levels of the past in front of the chunk, and the conditions of every
            frame (`conditions.Conditions`); the encoder reads the style alone.

    Raises:
        ValueError: a size is impossible; names the attribute and its value.
    """

    embed_dim: int
    num_heads: int
    head_dim: int
    mlp_dim: int
    num_encoder_layers: int
    num_temporal_layers: int
    num_depth_layers: int
    vocab_size: int = Vocabulary().padded_size
    num_levels: int = Vocabulary().codec_levels
    activation_dtype: str = "float32"
    codebook_size: int = Vocabulary().codebook_size
    temporal_buckets: int = 128
    depth_buckets: int = 16
    past_levels: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, least = getattr(self, field.name), 0 if field.name == "past_levels" else 1
            if field.type is int and (type(value) is not int or value < least):
                raise ValueError(f"{field.name} must be a whole number >= {least}, got {value!r}")
        if self.activation_dtype not in ACTIVATION_DTYPES:
            raise ValueError(
                f"activation_dtype must be one of {', '.join(ACTIVATION_DTYPES)}, "
                f"got {self.activation_dtype!r}"
            )
        for name in ("temporal_buckets", "depth_buckets", "embed_dim"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} must be at least 2, got {getattr(self, name)}")
        if self.past_levels > self.num_levels:
            raise ValueError(
                f"past_levels = {self.past_levels} exceeds num_levels = {self.num_levels}"
            )
        last = CODEC_OFFSET + self.num_levels * self.codebook_size
        if last > self.vocab_size:
            raise ValueError(
                f"vocab_size = {self.vocab_size} cannot hold {self.num_levels} levels of "
                f"{self.codebook_size} codes, which need {last}"
            )

    @property
    def temporal_levels(self) -> int:
        """Levels of a frame whose mean embedding the temporal decoder reads."""
        return self.past_levels or self.num_levels

    def empty_caches(self, rows: int, layers: int, time: int) -> list[KeysValues]:
        """Returns caches for `time` positions of so many layers, filled with zeros."""
        shape = (rows, self.num_heads, time, self.head_dim)
        zeros = jnp.zeros(shape, self.activation_dtype)
        return [KeysValues(zeros, zeros) for _ in range(layers)]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "DepthformerConfig":
        """Reads a recording's config.json.

        Args:
            values: the parsed file: this class's attributes and, optionally, "model".

        Raises:
            ValueError: a key is unknown or missing, a value is impossible, or the file describes
                another model; names the key.
        """
        values = dict(values)
        model = values.pop("model", MODEL)
        if model != MODEL:
            raise ValueError(f'model is {model!r}, but must be "{MODEL}"')
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                raise ValueError(f"unknown key {key!r}; known: model, {', '.join(known)}")
        missing = [name for name in known if name not in values and not hasattr(cls, name)]
        if missing:
            raise ValueError(f"lacks {', '.join(missing)}")
        return cls(**values)

    def fitted(self, format: Format) -> "DepthformerConfig":
        """Returns this size with the levels and the vocabulary of a music format."""
        vocabulary = Vocabulary.of(format)
        return replace(
            self,
            vocab_size=vocabulary.padded_size,
            num_levels=format.codec_levels,
            codebook_size=format.codebook_size,
        )


TINY = DepthformerConfig(
    embed_dim=32,
    num_heads=2,
    head_dim=16,
    mlp_dim=64,
    num_encoder_layers=2,
    num_temporal_layers=2,
    num_depth_layers=1,
)
# Small enough to ship, to train on a CPU, and to run in real time on two cores.
DEMO = DepthformerConfig(
    embed_dim=192,
    num_heads=3,
    head_dim=64,
    mlp_dim=448,
    num_encoder_layers=1,
    num_temporal_layers=6,
    num_depth_layers=2,
    temporal_buckets=512,
    past_levels=4,
)
BASE = DepthformerConfig(
    embed_dim=768,
    num_heads=12,
    head_dim=64,
    mlp_dim=2048,
    num_encoder_layers=12,
    num_temporal_layers=20,
    num_depth_layers=4,
)
LARGE = DepthformerConfig(
    embed_dim=1024,
    num_heads=16,
    head_dim=64,
    mlp_dim=2816,
    num_encoder_layers=24,
    num_temporal_layers=20,
    num_depth_layers=4,
)


def config_of_size(size: Size) -> DepthformerConfig:
    """Returns the configuration of a size; "tiny" is for tests.

    Raises:
        ValueError: the size is unknown.
    """
    sizes: dict[str, DepthformerConfig] = {
        "tiny": TINY,
        "demo": DEMO,
        "base": BASE,
        "large": LARGE,
    }
    if size not in sizes:
        raise ValueError(f"size must be one of {', '.join(sizes)}, got {size!r}")
    return sizes[size]
