"""The report of a toy pipeline on a toy corpus."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from evaluation import model_report
from evaluation.adherence import play_prompts
from evaluation.liveness import loudness
from evaluation.model_report import measure_model
from evaluation.player import PipelineChoice, open_player
from evaluation.probe_material import gather
from evaluation.settings import Settings
from evaluation.table import Report, Section, to_markdown

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
    return Piece(path, seed, split, genre, 120, "C", "minor", 0.5, bright, (), words, words, 5.0, 4)


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
    return measure_model(PipelineChoice("toy"), corpus, SMALL, lambda what: None)


def rows_of(report: Report, title: str) -> list[dict]:
    return [dict(row) for s in report.sections if s.title.startswith(title) for row in s.rows]


def test_real_music_is_judged_right_and_tones_are_not(report):
    real, *generated = rows_of(report, "Style adherence")
    assert real["genre right"] == 1
    assert [row["what"] for row in generated] == ["generated, guidance 0", "generated, guidance 5"]
    assert all(row["genre right"] <= 2 / 3 for row in generated)


def test_real_music_is_nearer_to_real_music_than_tones_are(report):
    real, *others = rows_of(report, "Distance from real music")
    assert real["distance"] < min(row["distance"] for row in others if "generated" in row["what"])


def test_style_change_is_judged_window_by_window(report):
    rows = rows_of(report, "A change of style")
    assert [row["what"] for row in rows] == ["before the change", "right after it", "after that"]
    # All tones are judged to be of one genre, which is that of one stream in three.
    for row in rows:
        assert row["windows"] == 3
        assert row["of the new genre"] + row["of the old genre"] <= 2 / 3 + 1e-9


def test_window_of_the_clips_piece_is_judged_to_be_of_its_genre(report):
    real, generated = rows_of(report, "Audio prompts")
    assert real["taken for the clip's genre"] == real["nearest kind"] == 1
    assert generated["windows"] == 3


def test_report_has_stability_joins_and_speed(report):
    live = rows_of(report, "Stability over 6 s")
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
def test_pipeline_with_a_codec_is_also_measured_on_decoded_music(corpus, monkeypatch):
    # Its cold start compiles networks for ten seconds; the speed of "toy" is in the other report.
    unmeasured = Section("Speed", "not measured", [])
    monkeypatch.setattr(model_report, "speed_section", lambda choice, chunks: unmeasured)
    small = replace(SMALL, coded_lessons=1, codec_s=1.0)
    report = measure_model(PipelineChoice("tiny"), corpus, small, lambda what: None)
    used, apart = rows_of(report, "Codes in use"), rows_of(report, "Codec")
    assert len(used) == 16
    assert [row["what"] for row in apart[:3]] == ["4 levels", "8 levels", "16 levels"]
    for title in ("Style adherence", "The same, by a probe fitted to decoded music"):
        names = [row["what"] for row in rows_of(report, title)]
        assert names[:2] == ["real held-out pieces", "the same behind the codec"]
        assert len(names) == 4
    near = {
        row["what"]: row["distance"] for row in rows_of(report, "Distance from real music behind")
    }
    assert "the same behind the codec" not in near, "nothing is compared with itself"
    assert near["training pieces of the same genres"] < near["real held-out pieces"]
    own, generated = rows_of(report, "Audio prompts")
    assert own["own clip nearest"] >= generated["own clip nearest"]


def test_judgements_are_reproducible(corpus):
    graph = PipelineChoice("toy").load()
    judgements = []
    for _ in range(2):
        material = gather(graph, corpus, SMALL, lambda what: None)
        with open_player(graph) as player:
            windows = play_prompts(player, material, replace(SMALL), 5.0, lambda what: None)
        judgements.append(material.fitted.probe.judge(windows.features))
    for one, other in zip(
        asdict(judgements[0]).values(), asdict(judgements[1]).values(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_loudness_finds_fading_silence_and_clipping():
    draw = np.random.default_rng(0)
    fading = draw.uniform(-1, 1, (60, 1000, 2)) * 10 ** (-np.arange(60) / 20)[:, None, None]
    audio = fading.reshape(-1, 2).astype(np.float32)
    audio[:3] = 1.5
    measured = loudness(audio, 1000, 1000)
    assert measured["dB a minute"] == pytest.approx(-60, abs=0.5)
    assert measured["first 10 s dB"] > measured["last 10 s dB"] + 45
    assert measured["beyond full scale"] == pytest.approx(3 / 60_000)
    assert measured["silent"] == pytest.approx(
        np.mean(10 * np.log10(1 / 3) - np.arange(60) < -60), abs=0.05
    )
