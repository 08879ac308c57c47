"""An override changes one value, or is refused with the valid forms."""

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.graph.overrides import apply
from soundstage.graph.problem import PipelineError

TABLES = {
    "schema": 1,
    "name": "n",
    "format": {"chunk_s": 2.0},
    "inputs": {"seed": 0},
    "outputs": {"audio": "decode.audio"},
    "stage": {
        "sample": {"use": "m:Sample", "params": {"size": "tiny", "weights": "random:0"}},
        "decode": {"use": "m:Decode", "inputs": {"tokens": "sample.tokens"}},
    },
}


def difference(before, after, path=()):
    """Returns the leaves of `after` that differ from `before`, by path; None = missing."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return {} if before == after else {".".join(path): after}
    leaves = {}
    for key in [*before, *(key for key in after if key not in before)]:
        leaves |= difference(before.get(key), after.get(key), (*path, key))
    return leaves


@pytest.mark.parametrize(
    ("setting", "changed"),
    [
        ("sample.params.size=large", {"stage.sample.params.size": "large"}),
        ("sample.params.size='large'", {"stage.sample.params.size": "large"}),
        ("sample.params.layers=3", {"stage.sample.params.layers": 3}),
        ("sample.params.gain_db=-6.0", {"stage.sample.params.gain_db": -6.0}),
        ("sample.params.fast=true", {"stage.sample.params.fast": True}),
        ("sample.params.sizes=[1, 2]", {"stage.sample.params.sizes": [1, 2]}),
        ("sample.params.weights=models/a=b.npz", {"stage.sample.params.weights": "models/a=b.npz"}),
        ("sample.params.weights=", {"stage.sample.params.weights": ""}),
        ("decode.params.weights=random:1", {"stage.decode.params": {"weights": "random:1"}}),
        ("decode.inputs.tokens=in.tokens", {"stage.decode.inputs.tokens": "in.tokens"}),
        ("sample.inputs.seed=in.seed", {"stage.sample.inputs": {"seed": "in.seed"}}),
        (
            "decode.inputs.past={ from = 'decode.audio', delay = 1, init = 0 }",
            {"stage.decode.inputs.past": {"from": "decode.audio", "delay": 1, "init": 0}},
        ),
        ("decode.use=m:Other", {"stage.decode.use": "m:Other"}),
        ("format.chunk_s=1.0", {"format.chunk_s": 1.0}),
        ("format.channels=1", {"format.channels": 1}),
        ("inputs.seed=7", {"inputs.seed": 7}),
        ("inputs.texts=['a', 'b']", {"inputs.texts": ["a", "b"]}),
        ("inputs.title=1\nz = 2", {"inputs.title": "1\nz = 2"}),
    ],
)
def test_setting_changes_one_value(setting, changed):
    before = deepcopy(TABLES)
    after = apply(TABLES, [setting])
    assert difference(before, after) == changed
    assert before == TABLES


def test_new_class_drops_the_params_of_the_old_one():
    after = apply(TABLES, ["sample.use=m:Other"])
    assert after["stage"]["sample"] == {"use": "m:Other"}
    assert apply(TABLES, ["sample.use=m:Sample"]) == TABLES


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("value", ["3", "'x.use=m:Y'", "x.use=y"])
def test_params_of_a_new_class_are_kept_in_any_order_of_settings(backwards, value):
    settings = ["sample.use=m:Other", f"sample.params.depth={value}"]
    after = apply(TABLES, settings[::-1] if backwards else settings)
    assert after["stage"]["sample"]["use"] == "m:Other"
    assert [*after["stage"]["sample"]["params"]] == ["depth"]


def test_last_setting_of_a_value_wins():
    assert apply(TABLES, ["inputs.seed=1", "inputs.seed=2"])["inputs"]["seed"] == 2


@pytest.mark.parametrize(
    ("placement", "placed"),
    [
        ("decode=cpu", {"decode": "cpu"}),
        ("default=gpu:0", {"default": "gpu:0"}),
        ("decode=gpu:1", {"decode": "gpu:1"}),
    ],
)
def test_placement_changes_one_entry(placement, placed):
    before = deepcopy(TABLES)
    after = apply(TABLES, [], [placement])
    assert after == TABLES | {"placement": placed}
    kept = apply(TABLES | {"placement": {"sample": "gpu:7"}}, [], [placement])
    assert kept["placement"] == {"sample": "gpu:7"} | placed
    assert before == TABLES


FORMS = "write STAGE.use=, STAGE.params.KEY=, STAGE.inputs.PORT=, format.KEY= or inputs.KEY="


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("", f"not an override; {FORMS}"),
        ("seed=1", f"not an override; {FORMS}"),
        ("inputs.seed", f"not an override; {FORMS}"),
        ("=1", f"not an override; {FORMS}"),
        (".seed=1", f"not an override; {FORMS}"),
        ("sample..size=1", f"not an override; {FORMS}"),
        ("decode.params=1", f"a stage has no 'params' to set; {FORMS}"),
        ("decode.params.a.b=1", f"a stage has no 'params.a.b' to set; {FORMS}"),
        ("decode.outputs.audio=1", f"a stage has no 'outputs.audio' to set; {FORMS}"),
        ("decode.use.x=1", f"a stage has no 'use.x' to set; {FORMS}"),
        ("decoed.use=m:C", "no stage named 'decoed'; the stages are sample, decode"),
        ("outputs.audio=a.b", "no stage named 'outputs'; the stages are sample, decode"),
        ("placement.decode=cpu", "no stage named 'placement'; the stages are sample, decode"),
        ("format.a.b=1", "no stage named 'format'; the stages are sample, decode"),
    ],
)
def test_malformed_setting_is_refused_with_the_valid_forms(setting, message):
    with pytest.raises(PipelineError) as refused:
        apply(TABLES, [setting])
    assert str(refused.value) == f"--set {setting}: {message}"


@pytest.mark.parametrize(
    ("placement", "message"),
    [
        ("cpu", "not a placement; write STAGE=DEVICE"),
        ("decode=", "not a placement; write STAGE=DEVICE"),
        ("=cpu", "not a placement; write STAGE=DEVICE"),
        ("decoed=cpu", "no stage named 'decoed'; the stages are sample, decode"),
    ],
)
def test_malformed_placement_is_refused_with_the_valid_forms(placement, message):
    with pytest.raises(PipelineError) as refused:
        apply(TABLES, [], [placement])
    assert str(refused.value) == f"--place {placement}: {message}"


def test_all_malformed_overrides_are_reported_at_once():
    with pytest.raises(PipelineError) as refused:
        apply(TABLES, ["a.use=b", "seed=1", "inputs.seed=1"], ["c=cpu", "decode=cpu"])
    places = [problem.where for problem in refused.value.problems]
    assert places == ["--set a.use=b", "--set seed=1", "--place c=cpu"]


@given(st.lists(st.text(max_size=12) | st.sampled_from(["decode.use=a", "inputs.x=["])))
def test_any_text_is_an_override_or_a_problem_with_a_cure(settings):
    before = deepcopy(TABLES)
    try:
        apply(TABLES, settings, settings)
    except PipelineError as error:
        problems = error.problems
    else:
        problems = []
    assert all(problem.cure for problem in problems)
    assert before == TABLES
