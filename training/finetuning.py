"""Fine-tuning: from a pipeline and a folder of audio to a pipeline that plays more like it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from soundstage.errors import InputError, OutputError, StageError
from soundstage.files import replacing, reporting
from soundstage.graph.plan import Graph
from soundstage.graph.spec import PipelineSpec, parse
from soundstage.progress import Progress as News
from soundstage.stages.depthformer.config import Size
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.training.checkpoint import CheckpointError
from soundstage.training.depthformer.export import export
from soundstage.training.depthformer.fitting import Fitted, fit
from soundstage.training.depthformer.request import TrainingRequest
from soundstage.training.loop import Budget, TrainingError
from soundstage.training.pipeline_file import pipeline_text
from soundstage.training.progress import Shown, SilentProgress, TrainingProgress
from soundstage.training.tokens.cache import TokenCache
from soundstage.training.tokens.cache_update import make_cache
from soundstage.training.tokens.pieces import folder_pieces
from soundstage.training.tokens.pipeline_encoders import (
    hides_nothing_yet,
    pipeline_encoders,
    sample_node,
)

TOKENS_FILE, WEIGHTS_FILE, PIPELINE_FILE = (
    "tokens.arrow",
    "depthformer.safetensors",
    "pipeline.toml",
)
RUN_FOLDER = "run"


@dataclass(frozen=True)
class FinetuneRequest:
    """What is asked for.

    Attributes:
        data: a folder of audio files.
        output: the folder to make.
        heldout_share: of the files, to check with.
        clips: clips a file whose style is learned.
        steps: steps at most.
        minutes: minutes of training at most; None = no limit.
        rate: the highest learning rate.
        rows: examples a step.
        validate_steps: steps between two checks.
        patience: checks without a better one after which training ends.
        seed: of all batches.

    Raises:
        InputError: the share is impossible.
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
        """The run of training that it comes to, for a network as a pipeline has it."""
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


@dataclass(frozen=True)
class Watch:
    """How a person follows it.

    Attributes:
        say: prints a line that stays.
        step: shows what is going on while a block runs.
        progress: makes what shows how training goes.
    """

    say: Callable[[str], None]
    step: Callable[[str], AbstractContextManager[None]]
    progress: Callable[[], TrainingProgress]


def watch(news: News, quiet: bool) -> Watch:
    """How a person at a terminal follows it.

    Args:
        news: where lines and spinners go.
        quiet: show nothing of training.
    """
    return Watch(news.say, news.step, SilentProgress if quiet else Shown)


def finetune(graph: Graph, order: FinetuneRequest, watch: Watch) -> Path:
    """Fine-tunes a pipeline's Depthformer; the same order goes on where it was stopped.

    Args:
        graph: the pipeline, checked.
        order: what is asked for.
        watch: how a person follows it.

    Returns:
        The new pipeline's file.

    Raises:
        NotTrainable: the pipeline has not the parts that training needs.
        WeightsError: its weights cannot be used.
        InputError: the audio cannot.
        OutputError: the folder cannot be written, or holds another run.
        StageError: training broke down.
    """
    sample = sample_node(graph)
    pieces = folder_pieces(order.data, order.heldout_share)
    with reporting(order.output):
        order.output.mkdir(parents=True, exist_ok=True)
    with watch.step("loading the codec and the style model"):
        encoders = pipeline_encoders(graph)
    path = order.output / TOKENS_FILE
    with watch.step(f"encoding {len(pieces)} audio files"), reporting(order.output):
        made = make_cache(pieces, encoders, path, order.clips, lambda done, name: None)
    watch.say(f"{made.encoded} audio files encoded, {made.kept} were known")
    run = order.training(
        sample.params.size,
        sample.params.weights,
        graph.format.context_s,
        hides_nothing_yet(graph),
    )
    try:
        fitted = _fit(graph, run, order, TokenCache(path), watch)
    except CheckpointError as error:
        raise OutputError(str(error)) from error
    except TrainingError as error:
        raise StageError(str(error)) from error
    _tell(fitted, watch)
    return _write_pipeline(graph, sample.name, order.output)


def _fit(
    graph: Graph, run: TrainingRequest, order: FinetuneRequest, cache: TokenCache, watch: Watch
) -> Fitted:
    folder = order.output / RUN_FOLDER
    run.keep(folder)
    with watch.step("loading the weights"):
        begin = run.begin(graph.format)
    budget = Budget(steps=order.steps, minutes=order.minutes, checkpoint_s=300.0)
    pieces = list(cache)
    progress = watch.progress
    fitted = fit(begin, pieces, graph.format, run.fit_params, budget, folder, run.seed, progress)
    notes = {"made by": "soundstage finetune", "size": run.size, "from": begin.note}
    with reporting(order.output):
        vocabulary = Vocabulary.of(graph.format)
        export(begin.graph, fitted.state, vocabulary, order.output / WEIGHTS_FILE, notes)
    return fitted


def _tell(fitted: Fitted, watch: Watch) -> None:
    if not fitted.validations:
        watch.say(
            f"{fitted.position.step} steps; nothing was held out, so nobody knows whether it got "
            "better: give more than one file"
        )
        return
    losses = [check.metrics["loss"] for check in fitted.validations]
    best = losses.index(min(losses))
    watch.say(
        f"{fitted.position.step} steps; on held-out audio the loss was {losses[0]:.3f} at first "
        f"and is {losses[best]:.3f}, that of step {fitted.validations[best].step}"
    )
    if best == 0:
        watch.say("nothing learned helps on held-out audio: the weights are those it started from")


def _write_pipeline(graph: Graph, sample: str, output: Path) -> Path:
    path = output / PIPELINE_FILE
    spec = tuned_spec(graph.spec, sample, (output / WEIGHTS_FILE).resolve(), output.name)
    comment = f"{graph.name}, fine-tuned; weights are found by absolute path"
    with replacing(path) as file:
        file.write(pipeline_text(spec, comment).encode())
    return path


def tuned_spec(spec: PipelineSpec, sample: str, weights: Path, name: str) -> PipelineSpec:
    """A pipeline with other weights of one stage.

    Args:
        spec: the pipeline.
        sample: the stage.
        weights: its new weights' file.
        name: the new pipeline's name.
    """
    tables = spec.as_dict() | {"name": name}
    stage = tables["stage"][sample]
    stage["params"] = stage["params"] | {"weights": str(weights)}
    return parse(tables)
