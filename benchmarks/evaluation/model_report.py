"""Everything that is measured of a pipeline, in order."""

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
from evaluation.player import Choice, Performer, performing
from evaluation.probe_material import Material, Say, gather
from evaluation.settings import Settings
from evaluation.speed import speed_section
from evaluation.style_changes import turns_section
from evaluation.table import Cell, Report, Section
from soundstage.graph.plan import Graph
from soundstage.version import version


def measure_model(choice: Choice, corpus: Path, settings: Settings, say: Say) -> Report:
    """Measures a pipeline against a corpus.

    Args:
        choice: the pipeline.
        corpus: a folder with training and held-out pieces.
        settings: how much is measured.
        say: is told what happens.

    Raises:
        PipelineError: the pipeline has mistakes.
        WeightsError: its weights are missing or do not fit.
        ManifestError: the corpus lacks a split.
        OSError: a file cannot be read.
        ValueError: a piece is shorter than the windows.
    """
    graph = choice.load()
    say("timing the pipeline")
    speed = speed_section(choice, settings.timed_chunks)
    material = gather(graph, corpus, settings, say)
    sections: list[Section] = []
    if material.coded is not None:
        say("measuring the codec")
        sections += codec_sections(material.coded.codec, material.pieces, settings.codec_s)
    with performing(graph) as performer:
        about = _about(graph, performer.weights(), material, settings)
        sections += _music(graph, performer, material, settings, say)
    return Report(about, [*sections, speed])


def _music(
    graph: Graph, performer: Performer, material: Material, settings: Settings, say: Say
) -> list[Section]:
    own = float(graph.spec.inputs["guidance"])
    guidances = sorted({*settings.guidances, own})
    generated = {
        guidance: play_prompts(performer, material, settings, guidance, say)
        for guidance in guidances
    }
    return [
        *style_sections(material, generated, settings),
        genre_section(material, generated[own], own),
        *distribution_sections(material, generated, settings),
        audio_prompt_section(performer, material, settings, say),
        turns_section(performer, material, settings, say),
        *liveness_sections(performer, material, settings, say),
    ]


def _about(
    graph: Graph, weights: Mapping[str, Mapping[str, str]], material: Material, settings: Settings
) -> dict[str, Cell]:
    defaults = graph.spec.inputs
    return {
        "pipeline": graph.name,
        "graph": graph.spec.digest()[:12],
        **{f"weights of {name}": found["digest"][:12] for name, found in weights.items()},
        "temperature": defaults.get("temperature"),
        "top_k": defaults.get("top_k"),
        "guidance": defaults.get("guidance"),
        "seed": settings.seed,
        "held-out pieces": len(material.pieces),
        "seconds of a window": material.window_s,
        "soundstage": version(),
    }
