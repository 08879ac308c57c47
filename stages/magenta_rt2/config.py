"""The sizes of a Magenta RealTime 2 frame model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

Size = Literal["tiny", "small", "base"]
ACTIVATION_DTYPES = ("float32", "bfloat16")
MODEL = "magenta-rt-2"
# Ids below this are no codes: 0 = no frame yet, the others are never used.
RESERVED = 6
# Added to every number of the conditioning: the reserved ids, and one for "masked".
OFFSET = RESERVED + 1
# Rows of the table of all places but the style are padded to a multiple of this.
ROW_MULTIPLE = 128


@dataclass(frozen=True)
class StackConfig:
    """The sizes of a stack of layers.

    Attributes:
        layers: their number.
        dim: width of the residual stream.
        ffn: inner width of a feed-forward block.
        heads: attention heads.
        head: width of a head; heads * head need not be `dim`.

    Raises:
        ValueError: a size is not a whole number of at least 1.
    """

    layers: int
    dim: int
    ffn: int
    heads: int
    head: int

    def __post_init__(self) -> None:
        _check_counts(self)


@dataclass(frozen=True)
class MagentaRt2Config:
    """The sizes of a frame model. Source: the Magenta RealTime 2 spec, section 1.

    Attributes:
        encoder_dim: width of an embedded conditioning.
        temporal: the layers that run once a frame.
        depth: the layers that run once a level.
        window_self: earlier frames whose self-attention is kept.
        window_cross: earlier frames whose cross-attention is kept.
        sinks: learned places that every attention over frames sees.
        levels: codec levels of a frame.
        codes: codes per level.
        style_levels: places of the style.
        style_codes: codes per level of the style.
        style_dim: width of the style's codebook.
        pitches: number of notes.
        note_states: raw values of a note, besides -1.
        drum_states: raw values of the drums, besides -1.
        scale_bins: bins of the strengths of style, notes and drums.
        logit_cap: logits are softly limited to this.
        activation_dtype: "float32" or "bfloat16".

    Raises:
        ValueError: a size is impossible; names the attribute and its value.
    """

    encoder_dim: int
    temporal: StackConfig
    depth: StackConfig
    window_self: int
    window_cross: int
    sinks: int = 1
    levels: int = 12
    codes: int = 1024
    style_levels: int = 12
    style_codes: int = 1024
    style_dim: int = 768
    pitches: int = 128
    note_states: int = 4
    drum_states: int = 2
    scale_bins: tuple[int, ...] = (41, 41, 9)
    logit_cap: float = 30.0
    activation_dtype: str = "float32"

    def __post_init__(self) -> None:
        _check_counts(self)
        if not self.scale_bins or any(type(n) is not int or n < 2 for n in self.scale_bins):
            raise ValueError(f"scale_bins must be whole numbers >= 2, got {self.scale_bins}")
        if not 0 < self.logit_cap < float("inf"):
            raise ValueError(f"logit_cap must be above 0, got {self.logit_cap}")
        if self.activation_dtype not in ACTIVATION_DTYPES:
            raise ValueError(
                f"activation_dtype must be one of {', '.join(ACTIVATION_DTYPES)}, "
                f"got {self.activation_dtype!r}"
            )

    @property
    def ids(self) -> int:
        """Rows of the table of ids, columns of the head."""
        return RESERVED + self.levels * self.codes

    @property
    def style_rows(self) -> int:
        """Rows of a style level in the style's table."""
        return self.style_codes + OFFSET

    @property
    def place_rows(self) -> tuple[int, ...]:
        """Rows of every place but the style's: notes, drums, strengths."""
        notes = (self.note_states + OFFSET,) * self.pitches
        strengths = (bins + RESERVED for bins in self.scale_bins)
        return (*notes, self.drum_states + OFFSET, *strengths)

    @property
    def place_starts(self) -> tuple[int, ...]:
        """The first row of every place but the style's."""
        rows = self.place_rows
        return tuple(sum(rows[:place]) for place in range(len(rows)))

    @property
    def table_rows(self) -> int:
        """Rows of the table of all places but the style, with its padding."""
        return -(-sum(self.place_rows) // ROW_MULTIPLE) * ROW_MULTIPLE

    @property
    def control_numbers(self) -> int:
        """Numbers of notes, drums and strengths that condition a frame."""
        return len(self.place_rows)

    @property
    def numbers(self) -> int:
        """Numbers that condition a frame: the style's, then the others."""
        return self.style_levels + self.control_numbers

    @property
    def reach(self) -> int:
        """Earlier frames on which a frame depends.

        Source: the spec, section 4: what the windows of all layers reach, one after another.
        """
        below = (self.temporal.layers - 1) * self.window_self
        return below + max(self.window_self, self.window_cross)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> MagentaRt2Config:
        """Reads a recording's config.json.

        Args:
            values: the parsed file; "format_version", "codec" and "recorded" are not read.

        Raises:
            ValueError: a key is unknown or missing, or a value is impossible; names the key.
        """
        flat = {key: value for key, value in values.items() if key not in _NOT_READ}
        model, reserved = flat.pop("model", MODEL), flat.pop("reserved", RESERVED)
        if model != MODEL:
            raise ValueError(f'model is {model!r}, but must be "{MODEL}"')
        if reserved != RESERVED:
            raise ValueError(f"reserved is {reserved!r}, but must be {RESERVED}")
        for key, value in _table(flat, "style").items():
            flat[f"style_{key}"] = value
        flat.pop("style", None)
        for name in ("temporal", "depth"):
            flat[name] = _stack(name, _table(flat, name))
        if isinstance(flat.get("scale_bins"), list):
            flat["scale_bins"] = tuple(flat["scale_bins"])
        known = {field.name for field in fields(cls)}
        needed = {name for name in known if not hasattr(cls, name)}
        unknown, missing = sorted(flat.keys() - known), sorted(needed - flat.keys())
        if unknown or missing:
            raise ValueError(f"has unknown keys {unknown} and lacks {missing}")
        return cls(**flat)


_NOT_READ = ("format_version", "codec", "recorded")


def _table(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = values.get(name, {})
    if not isinstance(table, dict):
        raise ValueError(f"{name} must be a JSON object, got {table!r}")
    return table


def _stack(name: str, table: Mapping[str, Any]) -> StackConfig:
    known = {field.name for field in fields(StackConfig)}
    if known != table.keys():
        raise ValueError(f"{name} must have the keys {sorted(known)}, got {sorted(table)}")
    try:
        return StackConfig(**table)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _check_counts(config: StackConfig | MagentaRt2Config) -> None:
    for field in fields(config):
        value, least = getattr(config, field.name), 0 if field.name == "sinks" else 1
        if field.type == "int" and (type(value) is not int or value < least):
            raise ValueError(f"{field.name} must be a whole number >= {least}, got {value!r}")


_SIZES: dict[Size, MagentaRt2Config] = {
    "tiny": MagentaRt2Config(
        24, StackConfig(2, 32, 64, 2, 16), StackConfig(1, 24, 48, 2, 12), 6, 6
    ),
    "small": MagentaRt2Config(
        256, StackConfig(12, 1024, 4096, 8, 128), StackConfig(2, 768, 3072, 6, 128), 41, 41
    ),
    "base": MagentaRt2Config(
        1024, StackConfig(20, 3072, 8192, 24, 128), StackConfig(6, 1024, 4096, 8, 128), 25, 25
    ),
}


def config_of_size(size: str) -> MagentaRt2Config:
    """Returns the sizes that a name stands for.

    Raises:
        ValueError: there is no such name; lists the names.
    """
    for name, config in _SIZES.items():
        if name == size:
            return config
    raise ValueError(f"size must be one of {', '.join(_SIZES)}, got {size!r}")


def sizes() -> Mapping[Size, MagentaRt2Config]:
    """Returns the known sizes by name."""
    return _SIZES
