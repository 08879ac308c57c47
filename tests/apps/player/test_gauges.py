"""The gauges: exact widths, and no text of a prompt moves the cursor."""

import pytest

pytest.importorskip("rich")

from rich.cells import cell_len

from soundstage.apps.player import gauges
from soundstage.apps.player.faders import FaderRow


def row(name, value=1.0, is_prompt=True, selected=False):
    return FaderRow(name, value, is_prompt, selected)


@pytest.mark.parametrize(
    ("share", "drawn"),
    [(0.0, "    "), (1.0, "████"), (0.5, "██  "), (0.53125, "██▏ "), (-1.0, "    "), (9.0, "████")],
)
def test_bar_is_as_long_as_its_share(share, drawn):
    assert gauges.bar(share, 4) == drawn


def test_meter_is_silent_at_60_db_below_full_scale():
    assert gauges.decibels(1.0) == 0
    assert gauges.decibels(0.1) == pytest.approx(-20)
    assert gauges.decibels(0.0) == gauges.decibels(1e-9) == -60
    assert "silent" in gauges.levels([0.0, 0.0], 60).plain
    assert "-6.0 dB" in gauges.levels([0.5, 0.5], 60).plain


@pytest.mark.parametrize("width", [40, 76, 200])
def test_faders_with_names_of_any_width_line_up(width):
    names = ["pads", "雨の音とピアノ", "a very long prompt " * 10, "two\nlines"]
    lines = gauges.faders([row(name) for name in names], width).plain.splitlines()
    assert len(lines) == len(names)
    assert {cell_len(line.partition("1.00")[0]) for line in lines} == {
        cell_len(lines[0].partition("1.00")[0])
    }
    assert all(cell_len(line) <= width for line in lines)


def test_control_characters_of_a_name_are_not_drawn():
    lines = gauges.faders([row("\x1b[2Jgone\x07")], 60).plain
    assert not {"\x1b", "\x07"} & set(lines)
    assert "gone" in lines


def test_selected_fader_is_marked_and_numbers_stand_apart():
    rows = [row("pads"), row("seed", 7, is_prompt=False, selected=True)]
    lines = gauges.faders(rows, 60).plain.splitlines()
    assert lines[0].startswith("  pads")
    assert lines[1] == ""
    assert lines[2].startswith("▸ seed")
    assert lines[2].endswith("     7")


def test_underruns_are_drawn_with_their_cause():
    assert gauges.underruns(0, 0.0, "").plain.strip() == "underruns 0"
    text = gauges.underruns(2, 1.25, "sample took 3.10 s").plain
    assert "underruns 2 (1.2 s of silence)" in text
    assert "late: sample took 3.10 s" in text
