"""The placements in the documents have no problem but devices that this machine lacks."""

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
    pytest.param(match.group(), id=f"{document.name}-{number}")
    for document in sorted((ROOT / "docs").glob("*.md"))
    for number, match in enumerate(BLOCK.finditer(document.read_text("utf-8")))
]


def test_documents_have_placements():
    assert len(PLACEMENTS) >= 5


@pytest.mark.parametrize("written", PLACEMENTS)
def test_placement_has_no_problem_but_missing_devices(written):
    tables = soundstage.load("toy").spec.as_dict() | parse_toml(written, "a document")
    graph, problems = check(parse(tables))
    assert problems == []
    assert all("this machine has" in problem.what for problem in check_devices(graph))
