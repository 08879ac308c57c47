"""What a run is asked for; kept in its folder, so that the run can go on and be exported."""

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from soundstage.files import replacing
from soundstage.graph.format import Format
from soundstage.stages.depthformer.config import Size, config_of_size
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.stages.style.codebooks import load_codebooks
from soundstage.training.checkpoint import CheckpointError
from soundstage.training.depthformer.examples import ExampleParams
from soundstage.training.depthformer.fitting import FitParams
from soundstage.training.depthformer.initial_weights import (
    Start,
    near_alike,
    near_styles,
    read_codec_codebooks,
    start_from,
    with_fresh_encoder,
    with_quiet_encoder,
)
from soundstage.training.optimizer import OptimizerParams
from soundstage.training.precision import Precision, compute_dtype

FILE = "order.json"


@dataclass(frozen=True)
class TrainingRequest:
    """A run of training.

    Attributes:
        size: the network's size.
        init: weights to start from, as `stages.weights.sources.open_source` reads them.
        codec: weights of the codec, so that codes that sound alike start alike; None = by chance.
        codebooks: weights of the style quantizer, so that styles that are alike start alike; given
            if `codec` is.
        steps: over which the learning rate falls, and after which the run ends.
        rate: the highest learning rate.
        rows: examples a step.
        chunks: chunks predicted from one past.
        fine_every: training looks at the fine levels of every so many-th frame.
        context_s: seconds of past that the network reads; the pipeline's format must say the same.
        hide_nothing: what is not there yet is hidden, as the stage `PackKnown` does it.
        hidden_share: of the examples, those that do not see all frames just made.
        first_weight: how much the first frame of a chunk counts, beside the last.
        fresh_encoder: whatever `init` says, the encoder and the ways to it start anew.
        validate_steps: steps between two checks.
        patience: checks without a better one after which the run ends; None = never.
        average_decay: of the averaged weights.
        dtype: what the network computes in.
        seed: of the first weights and of all batches.

    Raises:
        ValueError: `codec` is given without `codebooks`.
    """

    size: Size = "demo"
    init: str = "random:0"
    codec: str | None = None
    codebooks: str | None = None
    steps: int = 4000
    rate: float = 1.5e-3
    rows: int = 8
    chunks: int = 2
    fine_every: int = 1
    context_s: float = 10.0
    hide_nothing: bool = False
    hidden_share: float = 0.0
    first_weight: float = 1.0
    fresh_encoder: bool = False
    validate_steps: int = 250
    patience: int | None = None
    average_decay: float = 0.995
    dtype: Precision = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.codec is not None and self.codebooks is None:
            raise ValueError("codec needs codebooks: give both or neither")

    def begin(self, format: Format) -> Start:
        """The first weights.

        Raises:
            WeightsError: weights cannot be used.
        """
        dtype = compute_dtype(self.dtype).name
        config = replace(config_of_size(self.size).fitted(format), activation_dtype=dtype)
        start = start_from(config, self.init)
        if self.fresh_encoder:
            start = with_fresh_encoder(start, self.seed)
        if self.codebooks is None:
            return start
        vocabulary = Vocabulary.of(format)
        shape = (format.style_levels, format.codebook_size, format.style_dim)
        style = load_codebooks(self.codebooks, shape).codes
        if self.codec is None:
            state = near_styles(start.state, vocabulary, style, self.seed)
            return replace(start, state=state)
        codec = read_codec_codebooks(self.codec, vocabulary)
        state = near_alike(start.state, vocabulary, codec, style, self.seed)
        return replace(start, state=with_quiet_encoder(state))

    @property
    def fit_params(self) -> FitParams:
        """How the run goes."""
        return FitParams(
            ExampleParams(
                self.rows,
                self.chunks,
                hidden_share=self.hidden_share,
                hide_nothing=self.hide_nothing,
            ),
            OptimizerParams(
                rate=self.rate,
                warmup_steps=min(100, self.steps // 10),
                schedule_steps=self.steps,
                last_rate=0.02,
                weight_decay=0.01,
                average_decay=self.average_decay,
            ),
            fine_every=self.fine_every,
            first_weight=self.first_weight,
            validate_steps=self.validate_steps,
            patience=self.patience,
        )

    def keep(self, run: Path) -> None:
        """Writes the order into a run's folder, which is made if absent.

        Raises:
            CheckpointError: the run there was started with another order.
            OutputError: the folder cannot be written.
        """
        run.mkdir(parents=True, exist_ok=True)
        if (run / FILE).exists() and (before := read_order(run)) != self:
            changed = [
                f"{field.name} {getattr(before, field.name)!r}"
                for field in fields(self)
                if getattr(before, field.name) != getattr(self, field.name)
            ]
            raise CheckpointError(
                f"{run}: was started with {', '.join(changed)}; go on with that, or give another "
                "run folder"
            )
        with replacing(run / FILE) as file:
            file.write(json.dumps(asdict(self), indent=1).encode())


def read_order(run: Path) -> TrainingRequest:
    """Reads the order of a run.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    try:
        return TrainingRequest(**json.loads((run / FILE).read_text("utf-8")))
    except (OSError, TypeError, ValueError) as error:
        raise CheckpointError(f"{run}: holds no run of this training ({error})") from error
