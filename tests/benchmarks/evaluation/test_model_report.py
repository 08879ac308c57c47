"""A whole report, of a toy pipeline on a toy corpus."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from evaluation.adherence import play_prompts
from evaluation.liveness import loudness
from evaluation.model_report import measure_model
from evaluation.player import Choice, performing
from evaluation.probe_material import gather
from evaluation.settings import Settings
from evaluation.table import Report, to_markdown

from soundstage.training.corpus.manifest import Piece, PieceEntry, write_manifest

RATE_HZ = 48_000
SMALL = Settings(
    window_chunks=1, texts=1, guidances=(0.0,), lessons=2, live_s=6.0, live_rows=1, timed_chunks=1
)
# What each genre's noise is filtered to: a share of its samples is held.
HELD = {"ambient": 40, "jazz": 8, "techno": 1}


def write_piece(folder: Path, split: str, seed: int, genre: str) -> Piece:
    draw = np.random.default_rng(seed)
    noise = np.repeat(draw.normal(0, 0.1, (5 * RATE_HZ // HELD[genre] + 1, 2)), HELD[genre], axis=0)
    path = folder / f"{seed}.flac"
    soundfile.write(path, noise[: 5 * RATE_HZ].astype(np.float32), RATE_HZ)
    words = (f"some {genre}",)
    bright = 1 / HELD[genre]
    return Piece(path, seed, split, genre, 120, "C", "minor", 0.5, bright, (), words, words, 5.0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for split, first, count in (("train", 0, 9), ("heldout", 100, 3)):
        genres = [list(HELD)[number % 3] for number in range(count)]
        pieces = [write_piece(folder, split, first + n, genre) for n, genre in enumerate(genres)]
        write_manifest(folder, split, [PieceEntry(piece, "") for piece in pieces])
    return folder


@pytest.fixture(scope="module")
def report(corpus) -> Report:
    return measure_model(Choice("toy"), corpus, SMALL, lambda what: None)


def rows_of(report: Report, title: str) -> list[dict]:
    return [dict(row) for s in report.sections if s.title.startswith(title) for row in s.rows]


def test_real_music_is_right_and_tones_are_not(report):
    real, *generated = rows_of(report, "What was asked for")
    assert real["genre right"] == 1
    assert [row["what"] for row in generated] == ["generated, guidance 0", "generated, guidance 5"]
    assert all(row["genre right"] <= 2 / 3 for row in generated)


def test_real_music_is_nearer_to_itself_than_tones_are(report):
    real, *others = rows_of(report, "Like real music")
    assert real["distance"] < min(row["distance"] for row in others if "generated" in row["what"])


def test_a_turn_is_heard_window_by_window_by_ears_that_know_both_genres(report):
    rows = rows_of(report, "A change of style")
    assert [row["what"] for row in rows] == ["before the turn", "right behind it", "behind that"]
    # Tones are taken for one genre whatever they are asked for: of three streams, one of each.
    for row in rows:
        assert row["windows"] == 3
        assert row["of the new genre"] + row["of the old genre"] <= 2 / 3 + 1e-9


def test_a_window_of_the_clips_own_piece_is_of_its_kind(report):
    real, generated = rows_of(report, "Audio prompts")
    assert real["taken for the clip's genre"] == real["nearest kind"] == 1
    assert generated["windows"] == 3


def test_it_tells_how_long_music_lives_how_it_joins_and_how_fast_it_is(report):
    live = rows_of(report, "Alive for 6 s")
    assert live[0]["quietest dB"] <= live[0]["first 10 s dB"] <= live[0]["loudest dB"]
    assert [row["joins"] for row in rows_of(report, "Joins")] == [2, 1, 3]
    cold, warm = rows_of(report, "Speed")
    assert cold["times real time"] > 1
    assert warm["peak memory GB"] > 0.05


def test_every_row_of_a_table_has_the_same_columns(report):
    for section in report.sections:
        assert len({tuple(row) for row in section.rows}) == 1
    assert to_markdown(report).count("\n## ") == len(report.sections)


@pytest.mark.slow
def test_a_pipeline_with_a_codec_is_measured_behind_it_too(corpus):
    small = replace(SMALL, coded_lessons=1, codec_s=1.0)
    report = measure_model(Choice("tiny"), corpus, small, lambda what: None)
    used, apart = rows_of(report, "Codes in use"), rows_of(report, "Codec")
    assert len(used) == 16
    assert [row["what"] for row in apart[:3]] == ["4 levels", "8 levels", "16 levels"]
    for title in ("What was asked for", "The same, to ears used to the codec"):
        names = [row["what"] for row in rows_of(report, title)]
        assert names[:2] == ["real held-out pieces", "the same behind the codec"]
        assert len(names) == 4
    near = {row["what"]: row["distance"] for row in rows_of(report, "Like real music behind")}
    assert "the same behind the codec" not in near, "nothing is compared with itself"
    assert near["training pieces of the same genres"] < near["real held-out pieces"]
    own, generated = rows_of(report, "Audio prompts")
    assert own["own clip nearest"] >= generated["own clip nearest"]


def test_figures_are_the_same_every_time(corpus):
    graph = Choice("toy").load()
    found = []
    for _ in range(2):
        material = gather(graph, corpus, SMALL, lambda what: None)
        with performing(graph) as performer:
            heard = play_prompts(performer, material, replace(SMALL), 5.0, lambda what: None)
        found.append(material.ears.probe.judge(heard.hearing))
    for one, other in zip(asdict(found[0]).values(), asdict(found[1]).values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_loudness_finds_fading_silence_and_what_is_beyond_full_scale():
    draw = np.random.default_rng(0)
    fading = draw.uniform(-1, 1, (60, 1000, 2)) * 10 ** (-np.arange(60) / 20)[:, None, None]
    audio = fading.reshape(-1, 2).astype(np.float32)
    audio[:3] = 1.5
    found = loudness(audio, 1000, 1000)
    assert found.slope_db == pytest.approx(-60, abs=0.5)
    assert found.first_db > found.last_db + 45
    assert found.beyond == pytest.approx(3 / 60_000)
    assert found.silent == pytest.approx(
        np.mean(10 * np.log10(1 / 3) - np.arange(60) < -60), abs=0.05
    )
