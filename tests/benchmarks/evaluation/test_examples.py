"""The page of examples is small, complete, and the same every time."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from evaluation.examples import EXAMPLES, PAGE_FILE, SHEET_FILE, make_examples
from evaluation.player import Choice, performing

CHUNK_S = 2.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("examples") / "demo"
    make_examples(Choice("toy"), made, CHUNK_S)
    return made


def test_every_example_has_a_sound_and_a_line_on_the_page(folder):
    page = (folder / PAGE_FILE).read_text("utf-8")
    for example in EXAMPLES:
        audio, rate_hz = soundfile.read(folder / f"{example.name}.ogg")
        assert audio.shape == (CHUNK_S * rate_hz, 2)
        assert np.square(audio).mean() > 1e-6
        assert f"| [{example.name}]({example.name}.ogg) | {example.title} |" in page
    assert SHEET_FILE in page
    assert max(map(len, page.splitlines())) < 120


def test_the_sheet_is_a_small_picture(folder):
    sheet = (folder / SHEET_FILE).read_bytes()
    assert sheet.startswith(b"\x89PNG")
    assert 10_000 < len(sheet) < 300_000


def test_no_two_examples_share_a_name_or_a_seed():
    assert len({example.name for example in EXAMPLES}) == len(EXAMPLES) == 10
    assert len({example.seed for example in EXAMPLES}) == len(EXAMPLES)


def test_rows_sound_the_same_however_many_are_played_at_a_time():
    rows = [{"prompts": [text], "seed": seed} for seed, text in enumerate(["jazz", "rock", "dub"])]
    with performing(Choice("toy").load()) as performer:
        together = list(performer.play(rows, 2))
        in_pairs = list(performer.play(rows, 2, 2))
        alone = [next(performer.play([row], 2)) for row in rows]
    samples = performer.format.dims["sample"]
    for one, two, three in zip(together, in_pairs, alone, strict=True):
        assert one.shape == (2 * samples, 2)
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)
    assert not np.array_equal(together[0], together[1])
