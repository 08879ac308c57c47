"""Trains the towers, then fits the quantizer to their embeddings, in one run folder."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx

from soundstage.files import replacing
from soundstage.graph.format import Format
from soundstage.stages.style_towers.text import SentencePieces
from soundstage.training.checkpoint import Position, restore_run
from soundstage.training.loop import Budget, train
from soundstage.training.optimizer import OptimizerParams, TrainState, make_step, start
from soundstage.training.progress import TrainingProgress
from soundstage.training.style.codebooks import learn_codebooks, level_codes
from soundstage.training.style.embedder import Embedder
from soundstage.training.style.model import Model
from soundstage.training.style.report import make_report
from soundstage.training.style.run_folder import Prepared, read_model
from soundstage.training.style.style_batches import Batcher

ROWS = 64
OPTIMIZER = OptimizerParams(
    rate=2e-3, warmup_steps=50, weight_decay=1e-2, last_rate=0.05, average_decay=0.98
)
VECTORS = 15_000
CODEBOOKS_FILE, REPORT_FILE = "codebooks.npy", "report.json"


def fit(
    prepared: Prepared,
    run: Path,
    budget: Budget,
    schedule_steps: int,
    seed: int,
    progress: TrainingProgress,
    rows: int = ROWS,
) -> tuple[nnx.State, Position]:
    """Trains the towers from the run's last checkpoint on.

    Args:
        prepared: the corpus and the model.
        run: the run's folder.
        budget: when to stop.
        schedule_steps: steps over which the learning rate falls.
        seed: the seed of the first weights and of all batches.
        progress: shows the metrics.
        rows: examples a batch.

    Returns:
        The towers' weights, and where the run stands.

    Raises:
        TrainingError: see `training.loop.train`; CheckpointError, OSError likewise.
    """
    optimizer = replace(OPTIMIZER, schedule_steps=schedule_steps)
    state, position = train(
        start(prepared.model.initial(seed), optimizer),
        make_step(prepared.model.loss, optimizer),
        _batcher(prepared, rows, seed, schedule_steps),
        budget,
        run,
        seed=seed,
        progress=progress,
    )
    return state.best.towers, position


def _batcher(prepared: Prepared, rows: int, seed: int, steps: int) -> Batcher:
    part, vocabulary = prepared.train, SentencePieces(prepared.vocabulary)
    buckets = prepared.model.config.buckets
    return Batcher(
        part.pieces, part.log_mels, prepared.windows, vocabulary, buckets, rows, seed, steps
    )


def quantize(
    prepared: Prepared,
    towers: nnx.State,
    run: Path,
    format: Format,
    seed: int,
    vectors: int = VECTORS,
) -> dict[str, Any]:
    """Fits codebooks to trained towers, evaluates both, and writes codebooks and report.

    Args:
        prepared: the corpus and the model.
        towers: trained weights.
        run: the run's folder.
        format: levels and codes of the codebooks.
        seed: the seed of the vectors drawn and the first centres.
        vectors: number of vectors to fit to, rounded; a third each are texts, clips and blends.

    Returns:
        The report, see `report.make_report`.

    Raises:
        OutputError: the run folder cannot be written.
    """
    random = np.random.default_rng([seed, 1])
    embedder = Embedder(prepared, towers)
    each = max(4, round(vectors / 3 / len(prepared.train.pieces)))
    samples = embedder.samples(prepared.train, each, random)
    kinds = len({piece.genre for piece in prepared.train.pieces})
    used = level_codes(kinds, format.style_levels, format.codebook_size)
    books = learn_codebooks(*samples, used, format.codebook_size, random)
    books = books.astype(np.float16)  # as they are exported
    with replacing(run / CODEBOOKS_FILE) as file:
        np.save(file, books)
    report = make_report(prepared, embedder, books.astype(np.float32))
    with replacing(run / REPORT_FILE) as file:
        file.write(json.dumps(report, indent=1).encode())
    return report


def read_run(run: Path) -> tuple[Model, nnx.State, bytes, np.ndarray, Position]:
    """Reads a trained run: model, weights, vocabulary, codebooks and position.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged.
        OSError: a file is missing.
    """
    model, vocabulary = read_model(run)
    state: TrainState
    state, position = restore_run(run, start(model.initial(0), OPTIMIZER))
    books = np.load(run / CODEBOOKS_FILE).astype(np.float32)  # [level, code, rank]
    return model, state.best.towers, vocabulary, books, position
