"""Placements of the documents, many of which name devices that are not here, have no fault."""

import re
from pathlib import Path

import pytest

import soundstage
from soundstage.graph.check import check
from soundstage.graph.spec import parse, parse_toml
from soundstage.runners.devices import check_devices

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^    \[placement\]\n(?:    .+\n)+", re.MULTILINE)
PLACEMENTS = [
    pytest.param(found.group(), id=f"{document.name}-{number}")
    for document in sorted((ROOT / "docs").glob("*.md"))
    for number, found in enumerate(BLOCK.finditer(document.read_text("utf-8")))
]


def test_the_document_on_scaling_has_placements():
    assert len(PLACEMENTS) >= 5


@pytest.mark.parametrize("written", PLACEMENTS)
def test_a_placement_of_the_documents_checks_clean_but_for_devices_that_are_not_here(written):
    tables = soundstage.load("toy").spec.as_dict() | parse_toml(written, "a document")
    graph, problems = check(parse(tables))
    assert problems == []
    assert all("this machine has" in problem.what for problem in check_devices(graph))
