"""The page of listening examples."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from evaluation.examples import EXAMPLES, PAGE_FILE, SHEET_FILE, make_examples
from evaluation.player import PipelineChoice, open_player

CHUNK_S = 2.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("examples") / "demo"
    make_examples(PipelineChoice("toy"), output, CHUNK_S)
    return output


def test_every_example_has_an_audio_file_and_a_line_on_the_page(folder):
    page = (folder / PAGE_FILE).read_text("utf-8")
    for example in EXAMPLES:
        audio, rate_hz = soundfile.read(folder / f"{example.name}.ogg")
        assert audio.shape == (CHUNK_S * rate_hz, 2)
        assert np.square(audio).mean() > 1e-6
        assert f"| [{example.name}]({example.name}.ogg) | {example.title} |" in page
    assert SHEET_FILE in page
    assert max(map(len, page.splitlines())) < 120


def test_sheet_is_a_small_png(folder):
    sheet = (folder / SHEET_FILE).read_bytes()
    assert sheet.startswith(b"\x89PNG")
    assert 10_000 < len(sheet) < 300_000


def test_examples_have_distinct_names_and_seeds():
    assert len({example.name for example in EXAMPLES}) == len(EXAMPLES) == 10
    assert len({example.seed for example in EXAMPLES}) == len(EXAMPLES)


def test_audio_of_a_row_does_not_depend_on_the_batch():
    rows = [{"prompts": [text], "seed": seed} for seed, text in enumerate(["jazz", "rock", "dub"])]
    with open_player(PipelineChoice("toy").load()) as player:
        together = list(player.play(rows, 2))
        in_pairs = list(player.play(rows, 2, 2))
        alone = [next(player.play([row], 2)) for row in rows]
    samples = player.format.dims["sample"]
    for one, two, three in zip(together, in_pairs, alone, strict=True):
        assert one.shape == (2 * samples, 2)
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)
    assert not np.array_equal(together[0], together[1])
