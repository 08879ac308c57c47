"""`check` reports exactly the problems that each file of `tests/bad_pipelines` expects.

Each file is a whole pipeline with a mistake. Its header has these lines:

    # expects: a problem, as `check` prints it; one line for each expected problem
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
def test_check_reports_exactly_the_expected_problems(file):
    text = file.read_text("utf-8")
    expected = header(text, "expects")
    assert expected, "the file has no line `# expects: ...`"
    graph, reported = problems(text, file.name, header(text, "allow"))
    errors = [str(problem) for problem in reported if not problem.warning]
    if expected[0].startswith("warning: "):
        assert errors == []
        assert [str(problem) for problem in reported] == expected
        assert graph is not None
    else:
        assert errors == expected
        assert graph is None


def test_there_is_a_file_for_most_rules():
    assert len(FILES) > 80


def test_the_pipeline_without_mistakes_has_no_problems():
    preset = Path(__file__).parents[2] / "presets" / "toy.toml"
    graph, reported = problems(preset.read_text("utf-8"), preset.name, [])
    assert reported == []
    assert graph is not None


def test_build_raises_every_error_and_no_warning():
    file = FOLDER / "several_mistakes.toml"
    text = file.read_text("utf-8")
    with pytest.raises(PipelineError) as raised:
        build(parse(parse_toml(text, file.name)))
    assert str(raised.value).splitlines() == header(text, "expects")
    assert not any(problem.warning for problem in raised.value.problems)


def test_parse_reports_every_unknown_missing_or_mistyped_key():
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
