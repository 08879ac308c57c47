"""The settings of a codec run; kept as `settings.json` in the run's folder."""

from dataclasses import dataclass, field
from typing import get_args

from soundstage.stages.spectrostream.config import SpectroStreamConfig
from soundstage.stages.spectrostream.network import PARTS
from soundstage.stages.spectrostream.stage import CodecParams, Size
from soundstage.training.codec.losses import LossParams
from soundstage.training.optimizer import OptimizerParams
from soundstage.training.run_settings import SettingsError

FILE = "settings.json"


@dataclass(frozen=True)
class CodecTraining:
    """The settings of a run.

    Attributes:
        size: the size of the codec, as `stages.spectrostream:Decode` takes it.
        weights: weights to start from, see `stages.weights.sources.open_source`; empty = new
            weights, and codebooks fitted to the corpus.
        seed: the seed of weights, crops and every random draw.
        rows: crops a step.
        frames: code frames a crop.
        analysed_rows: crops that new weights are fitted to as a linear codec; 0 = random weights.
        books_step: the step before which codebooks are fitted to crops of the corpus; before it
            the decoder gets unquantized embeddings. None = the starting codebooks are used from
            the first step.
        survey_vectors: embeddings per code that codebooks are fitted to.
        books_decay: decay per step of the means that codebooks follow.
        whole_share: share of rows that use all levels; the others use a random number of levels.
        freeze: parts that are not trained; codebooks of a frozen quantizer are still fitted at
            `books_step`.
        optimizer: how encoder and decoder are updated.
        losses: the weights and windows of the losses.

    Raises:
        SettingsError: a value is impossible.
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
        sizes = get_args(Size)
        if self.size not in sizes:
            raise SettingsError(f"size must be one of {', '.join(sizes)}, got {self.size!r}")
        unknown = sorted(set(self.freeze) - set(PARTS))
        if unknown or {"encoder", "decoder"} <= set(self.freeze):
            raise SettingsError(
                f"freeze takes some of {', '.join(PARTS)}, but not both encoder and decoder, got "
                f"{', '.join(self.freeze)}"
            )
        if self.books_step is None and not self.weights:
            raise SettingsError("new codebooks must be fitted: give a step for it, or weights")
        if min(self.rows, self.frames, self.survey_vectors) < 1 or self.analysed_rows < 0:
            raise SettingsError("rows, frames and survey vectors must be at least 1")

    @property
    def config(self) -> SpectroStreamConfig:
        """The sizes of the codec."""
        return CodecParams(self.weights or "random:0", self.size).config

    @property
    def crop_samples(self) -> int:
        """Samples of a crop, per channel."""
        return self.frames * self.config.frame_samples

    @property
    def trained(self) -> tuple[str, ...]:
        """The parts that gradients change."""
        return tuple(part for part in ("encoder", "decoder") if part not in self.freeze)
