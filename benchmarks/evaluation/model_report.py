"""All measurements of a pipeline, in the order of the report."""

from collections.abc import Mapping
from pathlib import Path

from evaluation.adherence import (
    distribution_sections,
    genre_section,
    play_prompts,
    style_sections,
)
from evaluation.audio_prompts import audio_prompt_section
from evaluation.codec_report import codec_sections
from evaluation.liveness import liveness_sections
from evaluation.player import PipelineChoice, PromptPlayer, open_player
from evaluation.probe_material import Log, Material, gather
from evaluation.settings import Settings
from evaluation.speed import speed_section
from evaluation.style_changes import style_change_section
from evaluation.table import Cell, Report, Section
from soundstage.graph.plan import Graph
from soundstage.graph.scalar import scalars
from soundstage.version import version


def measure_model(choice: PipelineChoice, corpus: Path, settings: Settings, log: Log) -> Report:
    """Measures a pipeline on a corpus.

    Args:
        choice: the pipeline.
        corpus: a folder with training and held-out pieces.
        settings: the amount of music to measure.
        log: prints lines of progress.

    Raises:
        PipelineError: the pipeline has problems.
        WeightsError: its weights are missing or do not fit.
        ManifestError: the corpus lacks a split.
        OSError: a file cannot be read.
        ValueError: a piece is shorter than the windows.
    """
    graph = choice.load()
    log("timing the pipeline")
    speed = speed_section(choice, settings.timed_chunks)
    material = gather(graph, corpus, settings, log)
    sections: list[Section] = []
    if material.coded is not None:
        log("measuring the codec")
        sections += codec_sections(material.coded.codec, material.pieces, settings.codec_s)
    with open_player(graph) as player:
        about = _about(graph, player.weights(), material, settings)
        sections += _music(graph, player, material, settings, log)
    return Report(about, [*sections, speed])


def _music(
    graph: Graph, player: PromptPlayer, material: Material, settings: Settings, log: Log
) -> list[Section]:
    own = float(graph.spec.inputs["guidance"])
    guidances = sorted({*settings.guidances, own})
    generated = {
        guidance: play_prompts(player, material, settings, guidance, log) for guidance in guidances
    }
    return [
        *style_sections(material, generated, settings),
        genre_section(material, generated[own], own),
        *distribution_sections(material, generated, settings),
        audio_prompt_section(player, material, settings, log),
        style_change_section(player, material, settings, log),
        *liveness_sections(player, material, settings, log),
    ]


def _about(
    graph: Graph, weights: Mapping[str, Mapping[str, str]], material: Material, settings: Settings
) -> dict[str, Cell]:
    return {
        "pipeline": graph.name,
        "graph": graph.spec.digest()[:12],
        **{f"weights of {name}": facts["digest"][:12] for name, facts in weights.items()},
        **{name: control.default for name, control in scalars(graph).items()},
        "seed": settings.seed,
        "held-out pieces": len(material.pieces),
        "seconds of a window": material.window_s,
        "soundstage": version(),
    }
