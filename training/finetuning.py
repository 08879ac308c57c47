"""Fine-tuning: makes a pipeline that plays more like a folder of audio."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from soundstage.errors import InputError, OutputError, StageError
from soundstage.files import replacing, reporting
from soundstage.graph.plan import Graph
from soundstage.graph.spec import PipelineSpec, parse
from soundstage.progress import Progress
from soundstage.stages.depthformer.config import Size
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.training.checkpoint import CheckpointError
from soundstage.training.depthformer.export import export
from soundstage.training.depthformer.fitting import Fitted, fit
from soundstage.training.depthformer.request import TrainingRequest
from soundstage.training.loop import Budget, TrainingError
from soundstage.training.pipeline_file import pipeline_text
from soundstage.training.progress import ProgressBar, SilentProgress
from soundstage.training.run_settings import SettingsError
from soundstage.training.tokens.cache import TokenCache
from soundstage.training.tokens.cache_update import update_cache
from soundstage.training.tokens.pieces import folder_pieces
from soundstage.training.tokens.pipeline_encoders import (
    hides_nothing_yet,
    pipeline_encoders,
    sample_node,
)

TOKENS_FILE, WEIGHTS_FILE = "tokens.arrow", "depthformer.safetensors"
PIPELINE_FILE, RUN_FOLDER = "pipeline.toml", "run"


@dataclass(frozen=True)
class FinetuneRequest:
    """The audio, the output and the limits of a fine-tuning.

    Attributes:
        data: a folder of audio files.
        output: the folder to make.
        heldout_share: share of the files to validate with, in [0, 1).
        clips: clips of each file whose style is learned.
        steps: most steps of training.
        minutes: most minutes of training; None = no limit.
        rate: the highest learning rate.
        rows: examples a step.
        validate_steps: steps between two validations.
        patience: validations without improvement after which training ends.
        seed: the seed of all batches.

    Raises:
        InputError: the share is outside [0, 1).
    """

    data: Path
    output: Path
    heldout_share: float = 0.1
    clips: int = 8
    steps: int = 1000
    minutes: float | None = None
    rate: float = 1e-4
    rows: int = 4
    validate_steps: int = 50
    patience: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.heldout_share < 1:
            raise InputError(f"the held-out share must be in [0, 1), got {self.heldout_share}")

    def training(
        self, size: Size, weights: str, context_s: float, hide_nothing: bool
    ) -> TrainingRequest:
        """Returns the training request for a network of a pipeline."""
        return TrainingRequest(
            size=size,
            init=weights,
            steps=self.steps,
            rate=self.rate,
            rows=self.rows,
            chunks=1,
            context_s=context_s,
            hide_nothing=hide_nothing,
            validate_steps=self.validate_steps,
            patience=self.patience,
            average_decay=0.98,
            seed=self.seed,
        )


def finetune(graph: Graph, request: FinetuneRequest, progress: Progress, quiet: bool) -> Path:
    """Fine-tunes a pipeline's Depthformer; the same request resumes a stopped run.

    Args:
        graph: the checked pipeline.
        request: the audio, the output and the limits.
        progress: shows lines and spinners.
        quiet: show no progress of the training loop.

    Returns:
        The new pipeline's file.

    Raises:
        NotTrainable: the pipeline lacks stages that training needs.
        WeightsError: its weights cannot be used.
        InputError: the audio cannot be used.
        OutputError: the folder cannot be written, or holds another run.
        StageError: training failed.
    """
    sample = sample_node(graph)
    pieces = folder_pieces(request.data, request.heldout_share)
    with reporting(request.output):
        request.output.mkdir(parents=True, exist_ok=True)
    with progress.step("loading the codec and the style model"):
        encoders = pipeline_encoders(graph)
    path = request.output / TOKENS_FILE
    with progress.step(f"encoding {len(pieces)} audio files"), reporting(request.output):
        summary = update_cache(pieces, encoders, path, request.clips)
    progress.say(f"{summary.encoded} audio files encoded, {summary.kept} known already")
    training = request.training(
        sample.params.size,
        sample.params.weights,
        graph.format.context_s,
        hides_nothing_yet(graph),
    )
    bar = SilentProgress if quiet else ProgressBar
    try:
        fitted = _fit(graph, training, request, TokenCache(path), progress, bar)
    except (CheckpointError, SettingsError) as error:
        raise OutputError(str(error)) from error
    except TrainingError as error:
        raise StageError(str(error)) from error
    _report(fitted, progress)
    return _write_pipeline(graph, sample.name, request.output)


def _fit(
    graph: Graph,
    training: TrainingRequest,
    request: FinetuneRequest,
    cache: TokenCache,
    progress: Progress,
    bar: Callable[[], SilentProgress],
) -> Fitted:
    run = request.output / RUN_FOLDER
    training.keep(run)
    with progress.step("loading the weights"):
        initial = training.initial_weights(graph.format)
    budget = Budget(steps=request.steps, minutes=request.minutes, checkpoint_s=300.0)
    params, pieces = training.fit_params, list(cache)
    fitted = fit(initial, pieces, graph.format, params, budget, run, training.seed, bar)
    notes = {"made by": "soundstage finetune", "size": training.size, "from": initial.note}
    with reporting(request.output):
        vocabulary = Vocabulary.of(graph.format)
        export(initial.graph, fitted.state, vocabulary, request.output / WEIGHTS_FILE, notes)
    return fitted


def _report(fitted: Fitted, progress: Progress) -> None:
    done = f"{fitted.position.step} steps in {fitted.position.seconds / 60:.1f} min"
    if not fitted.validations:
        progress.say(
            f"{done}; no file was held out, so improvement was not measured: "
            "give more than one file"
        )
        return
    losses = [validation.metrics["loss"] for validation in fitted.validations]
    best = losses.index(min(losses))
    progress.say(
        f"{done}; the loss on held-out audio was {losses[0]:.3f} at first "
        f"and {losses[best]:.3f} at step {fitted.validations[best].step}, whose weights are kept"
    )
    if best == 0:
        progress.say("no step improved the loss on held-out audio: the first weights are kept")


def _write_pipeline(graph: Graph, sample: str, output: Path) -> Path:
    path = output / PIPELINE_FILE
    spec = _tuned_spec(graph.spec, sample, (output / WEIGHTS_FILE).resolve(), output.name)
    comment = f"{graph.name}, fine-tuned; weights are found by absolute path"
    with replacing(path) as file:
        file.write(pipeline_text(spec, comment).encode())
    return path


def _tuned_spec(spec: PipelineSpec, sample: str, weights: Path, name: str) -> PipelineSpec:
    """Returns a pipeline with other weights of the stage `sample`, another name and note."""
    tables = spec.as_dict() | {"name": name, "note": f"fine-tuned from {spec.name}"}
    stage = tables["stage"][sample]
    stage["params"] = stage["params"] | {"weights": str(weights)}
    return parse(tables)
