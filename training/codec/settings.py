"""Everything a codec run is decided by, kept beside its checkpoints."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import get_args

from pydantic import TypeAdapter, ValidationError

from soundstage.errors import Error
from soundstage.files import replacing
from soundstage.stages.spectrostream.config import SpectroStreamConfig
from soundstage.stages.spectrostream.network import PARTS
from soundstage.stages.spectrostream.stage import CodecParams, Size
from soundstage.training.codec.losses import LossParams
from soundstage.training.optimizer import OptimizerParams

FILE = "settings.json"


class SettingsError(Error):
    """A run's settings contradict each other, its folder, or cannot be read."""


@dataclass(frozen=True)
class CodecTraining:
    """The settings of a run.

    Attributes:
        size: of the codec, as `stages.spectrostream:Decode` knows it.
        weights: what to start from, see `stages.weights.sources.open_source`; empty = new
            weights, and codebooks fitted to the data.
        seed: of weights, crops and every draw.
        rows: crops a step.
        frames: code frames a crop.
        analysed_rows: crops that new weights are fitted to as a linear codec; 0 = random weights.
        books_step: the step before which codebooks are fitted to a survey of the corpus; before
            it embeddings go to the decoder as they are. None = the starting codebooks are used
            from the first step.
        survey_vectors: embeddings surveyed, per code.
        books_decay: of the means that codebooks follow, per step.
        whole_share: share of rows that use all levels; the others draw a number of levels.
        freeze: parts that stay as they are (a survey still fits a frozen quantizer once).
        optimizer: how encoder and decoder are updated.
        losses: what they are updated for.

    Raises:
        ValueError: a value is impossible.
    """

    size: Size = "demo"
    weights: str = ""
    seed: int = 0
    rows: int = 4
    frames: int = 16
    analysed_rows: int = 96
    books_step: int | None = 0
    survey_vectors: int = 4
    books_decay: float = 0.995
    whole_share: float = 0.5
    freeze: tuple[str, ...] = ()
    optimizer: OptimizerParams = field(
        default=OptimizerParams(
            rate=1e-4, warmup_steps=50, schedule_steps=2000, last_rate=0.1, average_decay=0.99
        )
    )
    losses: LossParams = field(default=LossParams())

    def __post_init__(self) -> None:
        if self.size not in get_args(Size):
            raise ValueError(f"size must be one of {', '.join(get_args(Size))}, got {self.size!r}")
        unknown = sorted(set(self.freeze) - set(PARTS))
        if unknown or {"encoder", "decoder"} <= set(self.freeze):
            raise ValueError(
                f"freeze takes some of {', '.join(PARTS)}, but not both encoder and decoder, got "
                f"{', '.join(self.freeze)}"
            )
        if self.books_step is None and not self.weights:
            raise ValueError("new codebooks must be fitted: give a step for it, or weights")
        if min(self.rows, self.frames, self.survey_vectors) < 1 or self.analysed_rows < 0:
            raise ValueError("rows, frames and survey vectors must be at least 1")

    @property
    def config(self) -> SpectroStreamConfig:
        """The measures of the codec."""
        return CodecParams(self.weights or "random:0", self.size).config

    @property
    def crop_samples(self) -> int:
        """Samples of a crop, per channel."""
        return self.frames * self.config.frame_samples

    @property
    def trained(self) -> tuple[str, ...]:
        """Parts that gradients change."""
        return tuple(part for part in ("encoder", "decoder") if part not in self.freeze)


def keep_settings(run: Path, settings: CodecTraining) -> None:
    """Writes a new run's settings; for an old run, checks that they are the same.

    Raises:
        SettingsError: the run was started with other settings; says which.
        OSError: the folder cannot be written.
    """
    run.mkdir(parents=True, exist_ok=True)
    path = run / FILE
    if path.exists():
        before, now = asdict(read_settings(run)), asdict(settings)
        changed = [f"{key} was {before[key]!r}" for key in now if before[key] != now[key]]
        if changed:
            raise SettingsError(
                f"{run} was started with other settings: {'; '.join(changed)}. Give the same, or "
                "another run folder"
            )
        return
    with replacing(path) as file:
        file.write(TypeAdapter(CodecTraining).dump_json(settings, indent=2) + b"\n")


def read_settings(run: Path) -> CodecTraining:
    """Reads the settings of a run.

    Raises:
        SettingsError: the folder holds no run, or a damaged one.
    """
    path = run / FILE
    try:
        return TypeAdapter(CodecTraining).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise SettingsError(f"{path}: no settings of a codec run ({error})") from error
