"""A request for a training run; kept in the run's folder for resumption and export."""

from dataclasses import dataclass, replace
from pathlib import Path

from soundstage.graph.format import Format
from soundstage.stages.depthformer.config import Size, config_of_size
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.stages.style.codebooks import load_codebooks
from soundstage.training.depthformer.examples import ExampleParams
from soundstage.training.depthformer.fitting import FitParams
from soundstage.training.depthformer.initial_weights import (
    InitialWeights,
    load_initial,
    read_codec_codebooks,
    with_codebooks,
    with_quiet_encoder,
    with_style_codebooks,
)
from soundstage.training.depthformer.recipe import LossShares
from soundstage.training.depthformer.windows import WindowParams
from soundstage.training.optimizer import OptimizerParams
from soundstage.training.precision import Precision, compute_dtype
from soundstage.training.run_settings import keep_settings, read_settings

FILE = "order.json"


@dataclass(frozen=True)
class TrainingRequest:
    """The settings of a training run.

    Attributes:
        size: the network's size.
        init: weights to start from, as `stages.weights.sources.open_source` reads them.
        codec: weights of the codec, so that similar codes start with similar embeddings; None =
            random embeddings.
        codebooks: weights of the style quantizer, so that similar styles start with similar
            embeddings; required with `codec`.
        steps: steps over which the learning rate falls, and after which the run ends.
        rate: the highest learning rate.
        rows: examples a step.
        chunks: chunks predicted from one past, if the encoder reads the past.
        fine_every: the fine levels of one frame in so many are trained, likewise.
        onset_weight: extra weight of frames with onsets, if the decoder reads the past.
        context_s: seconds of past that the network reads; equal to the pipeline's format.
        hide_nothing: hide context frames that do not exist yet, as the stage `PackKnown` does.
        validate_steps: steps between two validations.
        patience: validations without improvement after which the run ends; None = no limit.
        average_decay: the decay of the averaged weights.
        dtype: the type the network computes in.
        seed: the seed of the first weights and of all batches.

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
    chunks: int = 1
    fine_every: int = 1
    onset_weight: float = 2.0
    context_s: float = 10.0
    hide_nothing: bool = False
    validate_steps: int = 250
    patience: int | None = None
    average_decay: float = 0.995
    dtype: Precision = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.codec is not None and self.codebooks is None:
            raise ValueError("codec needs codebooks: give both or neither")

    def initial_weights(self, format: Format) -> InitialWeights:
        """Reads or makes the first weights.

        Raises:
            WeightsError: weights cannot be used.
        """
        dtype = compute_dtype(self.dtype).name
        config = replace(config_of_size(self.size).fitted(format), activation_dtype=dtype)
        initial = load_initial(config, self.init)
        if self.codebooks is None:
            return initial
        vocabulary = Vocabulary.of(format)
        shape = (format.style_levels, format.codebook_size, format.style_dim)
        style = load_codebooks(self.codebooks, shape).codes
        if self.codec is None:
            state = with_style_codebooks(initial.state, vocabulary, style, self.seed)
            return replace(initial, state=state)
        codec = read_codec_codebooks(self.codec, vocabulary)
        state = with_codebooks(initial.state, vocabulary, codec, style, self.seed)
        return replace(initial, state=state if config.past_levels else with_quiet_encoder(state))

    @property
    def fit_params(self) -> FitParams:
        """How the run draws examples, updates weights and validates."""
        return FitParams(
            self._examples,
            OptimizerParams(
                rate=self.rate,
                warmup_steps=min(100, self.steps // 10),
                schedule_steps=self.steps,
                last_rate=0.02,
                weight_decay=0.01,
                average_decay=self.average_decay,
            ),
            LossShares(onset=self.onset_weight, fine_every=self.fine_every),
            validate_steps=self.validate_steps,
            patience=self.patience,
        )

    @property
    def _examples(self) -> ExampleParams | WindowParams:
        if config_of_size(self.size).past_levels:
            return WindowParams(self.rows)
        return ExampleParams(self.rows, self.chunks, hide_nothing=self.hide_nothing)

    def keep(self, run: Path) -> None:
        """Writes the request into a run's folder, which is made if absent.

        Raises:
            SettingsError: the run there was started with another request.
            OutputError: the folder cannot be written.
        """
        keep_settings(run / FILE, self)


def read_request(run: Path) -> TrainingRequest:
    """Reads the request of a run.

    Raises:
        SettingsError: there is none, or it is damaged.
    """
    return read_settings(run / FILE, TrainingRequest)
