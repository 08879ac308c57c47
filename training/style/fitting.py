"""Trains the towers, then the quantizer on what they give; both live in the run folder."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx

from soundstage.files import replacing
from soundstage.graph.format import Format
from soundstage.stages.style_towers.text import SentencePieces
from soundstage.training.checkpoint import CheckpointError, Position, restore_latest
from soundstage.training.loop import Budget, train
from soundstage.training.optimizer import OptimizerParams, TrainState, make_step, start
from soundstage.training.progress import TrainingProgress
from soundstage.training.style.codebooks import learn_codebooks, level_codes
from soundstage.training.style.embedder import Embedder
from soundstage.training.style.model import Model
from soundstage.training.style.report import report
from soundstage.training.style.run_folder import Prepared, read_sizes
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
    """Trains the towers, on from where the run folder stands.

    Args:
        prepared: the corpus and the model.
        run: the run's folder.
        budget: when to stop.
        schedule_steps: steps after which the learning rate has fallen.
        seed: of the first weights and of all batches.
        progress: shows how it goes.
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
        _batcher(prepared, rows, seed),
        budget,
        run,
        seed=seed,
        progress=progress,
    )
    return state.best.towers, position


def _batcher(prepared: Prepared, rows: int, seed: int) -> Batcher:
    part, vocabulary = prepared.train, SentencePieces(prepared.vocabulary)
    buckets = prepared.model.config.buckets
    return Batcher(part.pieces, part.log_mels, prepared.windows, vocabulary, buckets, rows, seed)


def quantize(
    prepared: Prepared,
    towers: nnx.State,
    run: Path,
    format: Format,
    seed: int,
    vectors: int = VECTORS,
) -> dict[str, Any]:
    """Learns the codebooks of trained towers, and judges both; writes what it finds.

    Args:
        prepared: the corpus and the model.
        towers: trained weights.
        run: the run's folder.
        format: levels and codes wanted.
        seed: of the vectors drawn and the first centres.
        vectors: to learn from, about; a third each texts, clips and blends.

    Returns:
        The report, see `report.report`.

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
    found = report(prepared, embedder, books.astype(np.float32))
    with replacing(run / REPORT_FILE) as file:
        file.write(json.dumps(found, indent=1).encode())
    return found


def trained(run: Path) -> tuple[Model, nnx.State, bytes, np.ndarray, Position]:
    """What a run folder holds: model, weights, vocabulary, codebooks, and where it stands.

    Raises:
        CheckpointError: nothing has been trained there.
        OSError: a file is missing.
    """
    model, vocabulary = read_sizes(run)
    restored: tuple[TrainState, Position] | None = restore_latest(
        run / "checkpoints", start(model.initial(0), OPTIMIZER)
    )
    if restored is None:
        raise CheckpointError(f"{run}: holds no checkpoint; train there first")
    books = np.load(run / CODEBOOKS_FILE).astype(np.float32)  # [level, code, rank]
    return model, restored[0].best.towers, vocabulary, books, restored[1]
