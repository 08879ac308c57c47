"""Every mistake a pipeline file can have is told, once, in the words its file here expects.

A file of `tests/bad_pipelines` is a whole pipeline with one mistake. Its header says what it is:

    # expects: the problem, as `check` prints it; one line for each there should be
    # allow: a prefix of modules that `use` may name besides "stages."
"""

from pathlib import Path

import pytest

from soundstage.graph.check import build, check
from soundstage.graph.problem import PipelineError
from soundstage.graph.spec import parse, parse_toml

FOLDER = Path(__file__).parents[1] / "bad_pipelines"
FILES = sorted(FOLDER.glob("*.toml"))


def header(text, key):
    start = f"# {key}: "
    return [line.removeprefix(start) for line in text.splitlines() if line.startswith(start)]


def problems(text, name, allow):
    try:
        return check(parse(parse_toml(text, name)), allow)
    except PipelineError as error:
        return None, list(error.problems)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_mistake_is_told_and_nothing_else_is(file):
    text = file.read_text("utf-8")
    expected = header(text, "expects")
    assert expected, "the file does not say what it expects"
    graph, found = problems(text, file.name, header(text, "allow"))
    errors = [str(problem) for problem in found if not problem.warning]
    if expected[0].startswith("warning: "):
        assert errors == []
        assert [str(problem) for problem in found] == expected
        assert graph is not None
    else:
        assert errors == expected
        assert graph is None


def test_there_is_a_file_for_most_rules():
    assert len(FILES) > 80


def test_without_its_mistake_the_pipeline_is_right():
    preset = Path(__file__).parents[2] / "presets" / "toy.toml"
    graph, found = problems(preset.read_text("utf-8"), preset.name, [])
    assert found == []
    assert graph is not None


def test_build_raises_every_error_and_no_warning():
    file = FOLDER / "several_mistakes.toml"
    text = file.read_text("utf-8")
    with pytest.raises(PipelineError) as raised:
        build(parse(parse_toml(text, file.name)))
    assert str(raised.value).splitlines() == header(text, "expects")
    assert not any(problem.warning for problem in raised.value.problems)


def test_a_file_that_is_wrong_in_form_tells_every_fault_of_form():
    tables = {"schema": 2, "name": 3, "outputs": {"audio": 1}, "stages": {}}
    with pytest.raises(PipelineError) as raised:
        parse(tables)
    assert sorted(map(str, raised.value.problems)) == [
        "name: expected text, got 3",
        "outputs.audio: expected text, got 1",
        "schema: schema 2 is not known; this version reads 1",
        "stage: missing; add it",
        "stages: no such key; did you mean 'stage'?",
    ]
