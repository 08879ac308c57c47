"""Pipeline files: reading them, and the parts that the digest covers."""

import hashlib
import json
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.graph.pipeline_file import read_tables
from soundstage.graph.problem import PipelineError
from soundstage.graph.spec import parse, parse_toml
from soundstage.presets.preset import preset_names, preset_path

ROOT = Path(__file__).parents[2]
TOY = read_tables(preset_path("toy"))


def digest(**changes):
    """Returns the digest of toy with some values changed: `path__to__key=value`."""
    tables = deepcopy(TOY)
    for path, value in changes.items():
        *folders, leaf = path.split("__")
        table = tables
        for folder in folders:
            table = table.setdefault(folder, {})
        table[leaf] = value
    return parse(tables).digest()


def shuffled(table, order):
    """Returns the same tables in another order at every depth."""
    if not isinstance(table, dict):
        return table
    keys = order(list(table))
    return {key: shuffled(table[key], order) for key in keys}


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"note": ""},
        {"inputs__temperature": 0.5},
        {"inputs__texts": []},
        {"placement": {}},
        {"placement__decode": "gpu:1"},
        {"placement__default": {"device": "cpu"}},
    ],
    ids=str,
)
def test_names_notes_defaults_and_placement_keep_the_digest(changes):
    assert digest(**changes) == digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"format__chunk_s": 1.0},
        {"stage__embed__params": {"weights": "random:1"}},
        {"stage__embed__params__extra": 1},
        {"stage__sample__use": "stages.depthformer:Sample"},
        {"stage__sample__inputs__temperature": "in.guidance"},
        {"stage__crossfade__inputs__tail__init": 1.0},
        {"stage__crossfade__inputs__tail": "crossfade.tail"},
        {"stage__another": {"use": "stages.toy:SineDecode"}},
        {"outputs__audio": "decode.audio"},
        {"outputs__more": "decode.audio"},
    ],
    ids=str,
)
def test_format_stages_params_wires_and_outputs_change_the_digest(changes):
    assert digest(**changes) != digest()


@given(st.randoms(use_true_random=True))
def test_order_of_tables_and_keys_keeps_the_digest(random):
    mixed = shuffled(TOY, lambda keys: random.sample(keys, len(keys)))
    assert parse(mixed).digest() == digest()


def test_digest_is_the_sha256_of_a_fixed_json_form():
    # Sessions and traces hold the digest: if this test fails, raise the version of their formats.
    tables = {"schema": 1, "name": "n", "outputs": {"o": "a.b"}, "stage": {"a": {"use": "m:C"}}}
    identity = {
        "schema": 1,
        "format": {},
        "outputs": {"o": "a.b"},
        "stage": {"a": {"use": "m:C", "params": {}, "inputs": {}}},
    }
    expected = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    assert parse(tables).digest() == expected


@pytest.mark.parametrize("name", preset_names())
def test_spec_written_and_read_again_is_equal(name):
    spec = parse(read_tables(preset_path(name)))
    again = parse(json.loads(json.dumps(spec.as_dict())))
    assert again == spec
    assert again.digest() == spec.digest()


def test_omitted_keys_have_defaults():
    spec = parse({"schema": 1, "name": "n", "outputs": {}, "stage": {"a": {"use": "m:C"}}})
    assert (spec.note, spec.format, spec.inputs) == ("", {}, {})
    assert (spec.stage["a"].params, spec.stage["a"].inputs) == ({}, {})
    assert spec.placement_of("a").device == "auto"


def test_stage_has_its_own_placement_or_the_default():
    stages = {"a": {"use": "m:C"}, "b": {"use": "m:C"}}
    tables = {"schema": 1, "name": "n", "outputs": {}, "stage": stages}
    placed = parse(tables | {"placement": {"default": "cpu", "b": {"device": "gpu:1"}}})
    assert [placed.placement_of(name).device for name in "ab"] == ["cpu", "gpu:1"]


def test_spec_is_frozen_and_parse_does_not_change_its_tables():
    before = deepcopy(TOY)
    spec = parse(TOY)
    spec.digest()
    assert before == TOY
    with pytest.raises(ValueError, match="frozen"):
        spec.name = "other"


def test_text_that_is_not_toml_is_refused_with_file_and_line():
    with pytest.raises(PipelineError, match=r"^x\.toml: not valid TOML: .*line 2, column 5"):
        parse_toml("a = 1\nb = ?", "x.toml")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "cannot read it: No such file"), (b"a = '\xff'", "cannot read it: it is not UTF-8")],
)
def test_file_that_cannot_be_read_is_refused_with_its_name(tmp_path, content, reason):
    path = tmp_path / "x.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PipelineError, match=reason) as refused:
        read_tables(path)
    assert str(path) in str(refused.value)
