"""The header that session, journal and trace files share: pipeline, weights, and what made them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from soundstage.documents import read_json
from soundstage.graph.plan import Graph
from soundstage.graph.spec import PipelineSpec, parse
from soundstage.runners.made_by import MadeBy

PIPELINE, WEIGHTS, MADE_BY = b"pipeline", b"weights", b"made_by"
_ENTRY = {"digest", "note"}


@dataclass(frozen=True)
class FileHeader:
    """A header, read.

    Attributes:
        spec: the pipeline, overrides applied.
        weights: digest and note of every stage with weights, by stage.
        made_by: what made the file.
    """

    spec: PipelineSpec
    weights: Mapping[str, Mapping[str, str]]
    made_by: MadeBy


def header_metadata(graph: Graph, weights: Mapping[str, Mapping[str, str]]) -> dict[bytes, bytes]:
    """Returns a header as the metadata of an Arrow schema.

    Args:
        graph: the graph that runs.
        weights: digest and note of every stage with weights, by stage.
    """
    return {
        PIPELINE: json.dumps(graph.spec.as_dict()).encode(),
        WEIGHTS: json.dumps({stage: dict(entry) for stage, entry in weights.items()}).encode(),
        MADE_BY: MadeBy.here().to_json(),
    }


def read_header(metadata: Mapping[bytes, bytes]) -> FileHeader:
    """Reads the header of a file.

    Raises:
        ValueError: a part is missing or is something else; `PipelineError` is one.
    """
    for name in (PIPELINE, WEIGHTS):
        if name not in metadata:
            raise ValueError(f"its header has no {name.decode()}")
    tables = read_json(metadata[PIPELINE])
    if not isinstance(tables, dict):
        raise ValueError("the pipeline in its header is no table")
    weights = read_json(metadata[WEIGHTS])
    if not isinstance(weights, dict) or not all(map(_is_entry, weights.values())):
        raise ValueError("the weights in its header lack a digest or a note")
    return FileHeader(parse(tables), weights, MadeBy.from_json(metadata.get(MADE_BY)))


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() >= _ENTRY
        and all(isinstance(entry[name], str) for name in _ENTRY)
    )
