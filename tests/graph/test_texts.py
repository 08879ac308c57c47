"""A text where a list of texts is meant is refused, not read letter by letter."""

import pytest

import soundstage
from soundstage.errors import UsageError
from soundstage.graph.control import ControlError


@pytest.mark.parametrize("name", ["allow", "settings", "placements"])
@pytest.mark.parametrize("value", ["stages", b"stages", 3, [b"stages"], [None]])
def test_text_in_place_of_a_list_is_refused(name, value):
    for function in (soundstage.load, soundstage.check, soundstage.open):
        with pytest.raises(UsageError, match=f"^{name} is a list of texts"):
            function("toy", **{name: value})


def test_lists_of_texts_of_any_kind_are_read():
    settings = ("inputs.seed=3", "inputs.seed=4")
    for values in (list(settings), settings, iter(settings), dict.fromkeys(settings)):
        assert soundstage.load("toy", settings=values).controls["seed"].default == 4


@pytest.mark.parametrize("rows", ["ab", {"seed": 3}])
def test_rows_are_a_list_of_tables(rows):
    with pytest.raises(UsageError, match="rows is a list"):
        soundstage.open("toy", rows=rows)


@pytest.mark.parametrize("prompts", ["pads", b"pads", soundstage.Text("pads"), None, 3])
def test_prompts_are_a_list(prompts):
    with pytest.raises(ControlError, match="prompts is a list"):
        soundstage.open("toy", prompts=prompts)
