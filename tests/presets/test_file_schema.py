"""The JSON schema of pipeline files: as shipped, and what it accepts and refuses."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
from command_line import run

from soundstage.presets.file_schema import file_schema, file_schema_text

ROOT = Path(__file__).parents[2]
# Mistakes that keys and types alone show.
SEEN = (
    "feedback_delay_missing",
    "feedback_delay_of_two",
    "feedback_init_missing",
    "feedback_init_text",
    "feedback_unknown_key",
    "format_negative",
    "format_of_wrong_type",
    "input_not_text",
    "key_unknown",
    "key_unknown_in_format",
    "key_unknown_in_placement",
    "key_unknown_in_stage",
    "name_missing",
    "output_not_text",
    "outputs_missing",
    "params_not_a_table",
    "placement_not_text",
    "schema_missing",
    "schema_of_the_future",
    "stage_use_missing",
    "stage_use_not_text",
)


def accepted(path):
    return jsonschema.Draft7Validator(file_schema()).is_valid(tomllib.loads(path.read_text()))


def test_shipped_schema_is_that_of_the_declaration():
    text = (ROOT / "presets" / "pipeline.schema.json").read_text("utf-8")
    assert text == file_schema_text(), "soundstage presets --schema > presets/pipeline.schema.json"
    assert run("presets", "--schema").stdout == text
    jsonschema.Draft7Validator.check_schema(json.loads(text))
    assert run("presets", "--schema", "toy").code == 2


@pytest.mark.parametrize(
    "path", [ROOT / "pipeline.toml", *sorted((ROOT / "presets").glob("*.toml"))], ids=str
)
def test_every_pipeline_that_ships_is_accepted(path):
    assert accepted(path)


@pytest.mark.parametrize("name", SEEN)
def test_wrong_keys_and_types_are_refused(name):
    assert not accepted(ROOT / "tests" / "bad_pipelines" / f"{name}.toml")


def test_every_key_of_the_schema_has_a_description():
    schema = file_schema()
    tables = [schema, schema["properties"]["format"], *schema["definitions"].values()]
    without = [
        name
        for table in tables
        for name, key in table["properties"].items()
        if "description" not in key
    ]
    assert without == []
